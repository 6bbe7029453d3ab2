//! The RTT control block as a probe finds it in RAM, which may hold anything.
//!
//! Source: SEGGER, *Real Time Transfer*, UM08001, "How RTT works".
//!
//! ```text
//!  0  "SEGGER RTT", filled with zeros to 16 bytes
//! 16  number of rings up          20  number of rings down
//! 24  descriptors, up before down, each of six words:
//!     name, buffer, bytes, write offset, read offset, flags
//! ```

use crate::error::Error;
use crate::probe::Probe;
use std::ops::Range;

/// What a control block starts with.
pub const ID: [u8; 16] = *b"SEGGER RTT\0\0\0\0\0\0";
/// Bytes before the first descriptor.
const HEADER: u32 = 24;
/// Bytes of a descriptor.
const DESCRIPTOR: u32 = 24;
/// Where a descriptor holds the write offset; the read offset follows.
const OFFSETS: u32 = 12;
/// More rings each way than any firmware has.
const MOST_RINGS: u32 = 16;

/// A ring whose buffer lies in RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// Address of its descriptor.
    descriptor: u32,
    /// Address of its buffer.
    pub buffer: u32,
    /// Bytes of the buffer, one of which always stays free.
    pub bytes: u32,
}

/// Where writer and reader of a ring stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// What is written next.
    pub write: u32,
    /// What is read next.
    pub read: u32,
}

/// A control block that was checked: the first ring each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlBlock {
    /// From the device to the host.
    pub up: Ring,
    /// From the host to the device.
    pub down: Ring,
}

impl ControlBlock {
    /// Reads the block at `at`, which starts with [`ID`]. Everything that it points to must lie in `ram`.
    ///
    /// # Errors
    /// [`Error::ControlBlock`] where it is no such block; what the probe says.
    pub fn read<P: Probe>(probe: &mut P, at: u32, ram: &[Range<u32>]) -> Result<Self, Error> {
        let mut header = [0; HEADER as usize];
        within(ram, at, HEADER).ok_or_else(|| damaged("it lies outside RAM"))?;
        probe.read(at, &mut header)?;
        let [.., a, b, c, d, e, f, g, h] = header;
        let (ups, downs) = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
        );
        let counts = 1..=MOST_RINGS;
        if !counts.contains(&ups) || !counts.contains(&downs) {
            return Err(damaged(&format!("it claims {ups} rings up, {downs} down")));
        }
        let descriptors = at + HEADER;
        within(ram, at, HEADER + DESCRIPTOR * (ups + downs))
            .ok_or_else(|| damaged("it reaches beyond RAM"))?;
        let block = ControlBlock {
            up: Ring::read(probe, descriptors, ram)?,
            down: Ring::read(probe, descriptors + DESCRIPTOR * ups, ram)?,
        };
        let block_range = at..at + HEADER + DESCRIPTOR * (ups + downs);
        let (up, down) = (block.up.range(), block.down.range());
        if overlap(&up, &down) || overlap(&up, &block_range) || overlap(&down, &block_range) {
            return Err(damaged("its rings overlap"));
        }
        Ok(block)
    }
}

impl Ring {
    fn read<P: Probe>(probe: &mut P, descriptor: u32, ram: &[Range<u32>]) -> Result<Self, Error> {
        let mut words = [0; 12];
        probe.read(descriptor, &mut words)?;
        let [_, _, _, _, a, b, c, d, e, f, g, h] = words;
        let ring = Ring {
            descriptor,
            buffer: u32::from_le_bytes([a, b, c, d]),
            bytes: u32::from_le_bytes([e, f, g, h]),
        };
        if ring.bytes < 2 || within(ram, ring.buffer, ring.bytes).is_none() {
            return Err(damaged(&format!(
                "a ring of {} bytes at {:#010x} is not in RAM",
                ring.bytes, ring.buffer
            )));
        }
        ring.offsets(probe)?;
        Ok(ring)
    }

    fn range(&self) -> Range<u32> {
        // In RAM, as `read` saw to: the sum does not overflow.
        self.buffer..self.buffer + self.bytes
    }

    /// Where writer and reader stand.
    ///
    /// # Errors
    /// [`Error::ControlBlock`] where that is not in the buffer; what the probe says.
    pub fn offsets<P: Probe>(&self, probe: &mut P) -> Result<Offsets, Error> {
        let mut words = [0; 8];
        probe.read(self.descriptor + OFFSETS, &mut words)?;
        let [a, b, c, d, e, f, g, h] = words;
        let offsets = Offsets {
            write: u32::from_le_bytes([a, b, c, d]),
            read: u32::from_le_bytes([e, f, g, h]),
        };
        if offsets.write >= self.bytes || offsets.read >= self.bytes {
            return Err(damaged(&format!(
                "a ring of {} bytes is written at {} and read at {}",
                self.bytes, offsets.write, offsets.read
            )));
        }
        Ok(offsets)
    }

    /// Moves the writer.
    ///
    /// # Errors
    /// What the probe says.
    pub fn set_write<P: Probe>(&self, probe: &mut P, offset: u32) -> Result<(), Error> {
        probe.write(self.descriptor + OFFSETS, &offset.to_le_bytes())
    }

    /// Moves the reader.
    ///
    /// # Errors
    /// What the probe says.
    pub fn set_read<P: Probe>(&self, probe: &mut P, offset: u32) -> Result<(), Error> {
        probe.write(self.descriptor + OFFSETS + 4, &offset.to_le_bytes())
    }
}

/// The address of the first [`ID`] in `ram`, at a multiple of four as every control block.
///
/// # Errors
/// What the probe says.
pub fn find<P: Probe>(probe: &mut P, ram: &[Range<u32>]) -> Result<Option<u32>, Error> {
    const CHUNK: u32 = 4096;
    for range in ram {
        let mut at = range.start;
        while at < range.end {
            // Chunks overlap by an ID, so that none is cut in two.
            let len = (range.end - at).min(CHUNK + ID.len() as u32);
            let mut bytes = vec![0; len as usize];
            probe.read(at, &mut bytes)?;
            let aligned = (0..bytes.len().saturating_sub(ID.len() - 1)).step_by(4);
            if let Some(offset) = aligned.into_iter().find(|&i| bytes[i..].starts_with(&ID)) {
                return Ok(Some(at + offset as u32));
            }
            at = at.saturating_add(CHUNK);
        }
    }
    Ok(None)
}

/// Whether `bytes` bytes from `at` lie in one of `ram`.
fn within(ram: &[Range<u32>], at: u32, bytes: u32) -> Option<()> {
    let end = at.checked_add(bytes)?;
    ram.iter()
        .any(|range| range.start <= at && end <= range.end)
        .then_some(())
}

fn overlap(a: &Range<u32>, b: &Range<u32>) -> bool {
    a.start < b.end && b.start < a.end
}

fn damaged(why: &str) -> Error {
    Error::ControlBlock {
        why: why.to_owned(),
    }
}
