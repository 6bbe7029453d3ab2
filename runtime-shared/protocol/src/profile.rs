//! Cycles by kernel call, counted on the device.
//!
//! One entry a call, in the order *infer*, *learn*, *apply*; each holds sums since the profile was
//! switched on.

use super::server::Board;
use runtime_shared::exec::Probe;
use runtime_shared::program::{Call, List, Program};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 12;

/// The sums of one kernel call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// How often it ran.
    pub runs: u32,
    /// Cycles over all runs.
    pub cycles: u64,
}

impl Entry {
    /// Reads an entry as the device keeps it.
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [a, b, c, d, cycles @ ..] = *bytes;
        Self {
            runs: u32::from_le_bytes([a, b, c, d]),
            cycles: u64::from_le_bytes(cycles),
        }
    }

    fn encode(&self, bytes: &mut [u8; ENTRY_BYTES]) {
        bytes[..4].copy_from_slice(&self.runs.to_le_bytes());
        bytes[4..].copy_from_slice(&self.cycles.to_le_bytes());
    }
}

/// Bytes of the profile of `program`.
pub fn bytes(program: &Program<'_>) -> usize {
    (program.count(List::Infer) + program.count(List::Learn) + program.count(List::Apply))
        * ENTRY_BYTES
}

/// The entry of a call.
pub fn index(program: &Program<'_>, list: List, call: usize) -> usize {
    call + match list {
        List::Infer => 0,
        List::Learn => program.count(List::Infer),
        List::Apply => program.count(List::Infer) + program.count(List::Learn),
    }
}

/// Adds up cycles in `entries`; counts nothing where these are empty.
pub(super) struct Counter<'p, 'i, B> {
    pub program: Program<'i>,
    pub board: &'p mut B,
    pub entries: &'p mut [u8],
    pub start: u32,
}

impl<B: Board> Probe for Counter<'_, '_, B> {
    fn before(&mut self, _list: List, _index: usize, _call: &Call) {
        if !self.entries.is_empty() {
            self.start = self.board.cycles();
        }
    }

    fn after(&mut self, list: List, place: usize, _call: &Call) {
        if self.entries.is_empty() {
            return;
        }
        let cycles = self.board.cycles().wrapping_sub(self.start);
        let at = index(&self.program, list, place) * ENTRY_BYTES;
        if let Some(bytes) = self.entries.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            let mut entry = Entry::decode(bytes);
            entry.runs = entry.runs.wrapping_add(1);
            entry.cycles = entry.cycles.wrapping_add(cycles.into());
            entry.encode(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_what_is_decoded() {
        let entry = Entry {
            runs: 3,
            cycles: 0x0102_0304_0506_0708,
        };
        let mut bytes = [0; ENTRY_BYTES];
        entry.encode(&mut bytes);
        assert_eq!(Entry::decode(&bytes), entry);
    }
}
