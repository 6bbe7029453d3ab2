//! A message in its envelope: `COBS(sequence number, message, CRC-32) 0`.

use super::{DATA_BYTES, cobs};
use runtime_shared::program::crc32;
use serde::{Deserialize, Serialize};

/// Bytes of a message besides its data: tags, numbers, lengths; as postcard writes them, with room.
const OVERHEAD: usize = 64;
/// Bytes of a frame before stuffing, at most.
pub const RAW_BYTES: usize = DATA_BYTES + OVERHEAD;
/// Bytes of a frame on the wire, at most, its zero included.
pub const FRAME_BYTES: usize = cobs::encoded_bytes(RAW_BYTES) + 1;
/// Bytes of a frame besides the message.
const ENVELOPE: usize = 5;

/// Writes `message` as a frame into `out`, with `scratch` to work in; gives the frame's length, or
/// `None` where it does not fit.
pub fn seal<M: Serialize>(
    sequence: u8,
    message: &M,
    scratch: &mut [u8],
    out: &mut [u8],
) -> Option<usize> {
    *scratch.first_mut()? = sequence;
    let end = 1 + postcard::to_slice(message, &mut scratch[1..]).ok()?.len();
    let crc = crc32(&[&scratch[..end]]);
    scratch
        .get_mut(end..end + 4)?
        .copy_from_slice(&crc.to_le_bytes());
    let len = cobs::encode(&scratch[..end + 4], out)?;
    *out.get_mut(len)? = 0;
    Some(len + 1)
}

/// Undoes the envelope of `frame` (without its zero) in place; gives sequence number and message, or
/// `None` where it is damaged.
pub fn open(frame: &mut [u8]) -> Option<(u8, &[u8])> {
    let len = cobs::decode(frame)?;
    if len < ENVELOPE {
        return None;
    }
    let (content, crc) = frame[..len].split_at(len - 4);
    let (sequence, message) = content.split_first()?;
    (crc32(&[content]).to_le_bytes() == *crc).then_some((*sequence, message))
}

/// Reads a message; `None` where it is of a kind unknown here.
pub fn parse<'m, M: Deserialize<'m>>(message: &'m [u8]) -> Option<M> {
    match postcard::take_from_bytes(message) {
        Ok((message, [])) => Some(message),
        _ => None,
    }
}

/// What came in so far of the frame under way.
pub struct Collector<B> {
    buffer: B,
    len: usize,
    overrun: bool,
}

/// What a byte that came in completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing yet.
    Pending,
    /// A frame of this length.
    Frame(usize),
    /// More than any frame has: damaged.
    Overrun,
}

impl<B: AsMut<[u8]>> Collector<B> {
    /// Collects in `buffer`, of [`FRAME_BYTES`].
    pub fn new(buffer: B) -> Self {
        Self {
            buffer,
            len: 0,
            overrun: false,
        }
    }

    /// Takes one byte. Zeros that end nothing are passed over.
    pub fn push(&mut self, byte: u8) -> Arrival {
        if byte == 0 {
            let (len, overrun) = (self.len, self.overrun);
            (self.len, self.overrun) = (0, false);
            return match (len, overrun) {
                (_, true) => Arrival::Overrun,
                (0, _) => Arrival::Pending,
                _ => Arrival::Frame(len),
            };
        }
        match self.buffer.as_mut().get_mut(self.len) {
            Some(slot) => {
                *slot = byte;
                self.len += 1;
            }
            None => self.overrun = true,
        }
        Arrival::Pending
    }

    /// The memory itself: a frame that [`Arrival::Frame`] told of starts it.
    pub fn buffer(&mut self) -> &mut [u8] {
        self.buffer.as_mut()
    }
}
