//! Aligned bytes: images and arenas are words, and whoever writes beside them is found out.

use runtime_shared::machine;

const GUARD: u32 = 0xa5c3_5a3c;
const GUARD_WORDS: usize = 64;

/// An arena between two guards. Its bytes start at a multiple of four.
#[derive(Clone, Debug)]
pub struct Arena {
    words: Vec<f32>,
    bytes: usize,
}

impl Arena {
    /// `bytes` of arena (a multiple of four) filled with rubbish, so that whoever relies on zeros shows.
    pub fn new(bytes: usize) -> Self {
        let guard = std::iter::repeat_n(f32::from_bits(GUARD), GUARD_WORDS);
        let inside = std::iter::repeat_n(f32::from_bits(0xdead_beef), bytes.div_ceil(4));
        Self {
            words: guard.clone().chain(inside).chain(guard).collect(),
            bytes,
        }
    }

    /// The arena itself.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let (from, len) = (GUARD_WORDS * 4, self.bytes);
        &mut machine::bytes_mut(&mut self.words)[from..from + len]
    }

    /// Whether the guards are as they were.
    pub fn is_intact(&self) -> bool {
        let after = GUARD_WORDS + self.bytes.div_ceil(4);
        let guards = self.words[..GUARD_WORDS].iter().chain(&self.words[after..]);
        guards.into_iter().all(|w| w.to_bits() == GUARD)
    }
}

/// `bytes` at an aligned address.
pub fn aligned(bytes: &[u8]) -> Vec<f32> {
    let mut words = vec![0.0; bytes.len().div_ceil(4)];
    machine::bytes_mut(&mut words)[..bytes.len()].copy_from_slice(bytes);
    words
}
