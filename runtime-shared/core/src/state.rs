//! The words at the start of the arena in which a learner keeps what it must remember.
//!
//! A learner itself holds no state: take its arena to another device, or keep it through a power loss,
//! and it goes on where it was.

use crate::machine;
use crate::rng::Rng;

/// Words of state.
const WORDS: usize = 16;
/// Bytes at the start of the arena that the learner keeps for itself.
pub const STATE_BYTES: usize = WORDS * 4;

/// What a learner remembers between two samples.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Checksum of the Program that the arena belongs to.
    pub program: u32,
    /// Updates applied to the parameters.
    pub updates: u32,
    /// Samples given to `learn`.
    pub seen: u32,
    /// Samples that wait for a trigger.
    pub waiting: u32,
    /// Samples in the replay buffer.
    pub stored: u32,
    /// The slot that a FIFO overwrites next.
    pub head: u32,
    /// Samples offered to the buffer since it was last emptied (what a reservoir counts).
    pub offered: u32,
    /// Gradients accumulated towards a batch.
    pub accumulated: u32,
    /// Beta 1 to the power of the updates, for Adam's bias correction.
    pub beta1_power: f32,
    /// Beta 2 to the power of the updates.
    pub beta2_power: f32,
    /// What the steps of the schedule have multiplied the learning rate by.
    pub steps: f32,
    /// The generator.
    pub rng: Rng,
    /// Drifts detected so far.
    pub drifts: u32,
}

impl State {
    /// The state before the first sample.
    pub fn new(program: u32, seed: u64) -> Self {
        Self {
            program,
            updates: 0,
            seen: 0,
            waiting: 0,
            stored: 0,
            head: 0,
            offered: 0,
            accumulated: 0,
            beta1_power: 1.0,
            beta2_power: 1.0,
            steps: 1.0,
            rng: Rng::new(seed),
            drifts: 0,
        }
    }

    /// Reads the state from the start of an arena.
    pub fn load(arena: &[u8]) -> Self {
        let words: [u32; WORDS] = match machine::words(arena).first_chunk() {
            Some(words) => *words,
            None => [0; WORDS],
        };
        let float = |i: usize| f32::from_bits(words[i]);
        Self {
            program: words[0],
            updates: words[1],
            seen: words[2],
            waiting: words[3],
            stored: words[4],
            head: words[5],
            offered: words[6],
            accumulated: words[7],
            beta1_power: float(8),
            beta2_power: float(9),
            steps: float(10),
            rng: Rng::from_state([words[11], words[12], words[13], words[14]]),
            drifts: words[15],
        }
    }

    /// Writes the state to the start of an arena.
    pub fn store(&self, arena: &mut [u8]) {
        let rng = self.rng.state();
        let words: [u32; WORDS] = [
            self.program,
            self.updates,
            self.seen,
            self.waiting,
            self.stored,
            self.head,
            self.offered,
            self.accumulated,
            self.beta1_power.to_bits(),
            self.beta2_power.to_bits(),
            self.steps.to_bits(),
            rng[0],
            rng[1],
            rng[2],
            rng[3],
            self.drifts,
        ];
        for (slot, word) in machine::floats_mut(arena).iter_mut().zip(words) {
            *slot = f32::from_bits(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_what_is_loaded() {
        let mut state = State::new(7, 11);
        state.updates = 3;
        state.beta1_power = 0.5;
        state.steps = 0.25;
        let mut words = [0.0f32; WORDS];
        let arena = machine::bytes_mut(&mut words);
        assert_eq!(arena.len(), STATE_BYTES);
        state.store(arena);
        assert_eq!(State::load(arena), state);
    }
}
