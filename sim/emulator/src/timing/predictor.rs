//! Which way a conditional branch is predicted to go.
//!
//! A cache remembers branches that were taken, each with two bits of what it did of late. A branch that it does not hold is predicted to
//! fall through. Where a branch leads is not asked: the targets of conditional branches are always the same.

use super::table::PredictorRow;

/// A remembered branch, with how often it was taken of late, from 0 to 3.
#[derive(Debug, Clone, Copy)]
struct Entry {
    pc: u32,
    taken: u8,
}

/// The branch's address that none has.
const NONE: u32 = u32::MAX;

/// From here on a branch is predicted to be taken.
const LIKELY: u8 = 2;

#[derive(Debug, Clone)]
pub(super) struct Predictor {
    entries: Vec<Entry>,
}

impl Predictor {
    pub fn new(row: &PredictorRow) -> Self {
        let entries = row.entries.clamp(1, 4096).next_power_of_two();
        Predictor {
            entries: vec![Entry { pc: NONE, taken: 0 }; entries as usize],
        }
    }

    /// Whether what a branch did is not what was predicted, which it then is more likely to be.
    pub fn surprises(&mut self, pc: u32, taken: bool) -> bool {
        let index = (pc >> 1) as usize & (self.entries.len() - 1);
        let entry = &mut self.entries[index];
        if entry.pc != pc {
            if taken {
                *entry = Entry { pc, taken: LIKELY };
            }
            return taken;
        }
        let predicted = entry.taken >= LIKELY;
        entry.taken = if taken {
            (entry.taken + 1).min(3)
        } else {
            entry.taken.saturating_sub(1)
        };
        predicted != taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surprises(branches: impl IntoIterator<Item = (u32, bool)>) -> usize {
        let row = PredictorRow {
            entries: 64,
            source: String::new(),
            tag: super::super::table::Tag::K,
        };
        let mut predictor = Predictor::new(&row);
        branches
            .into_iter()
            .filter(|&(pc, taken)| predictor.surprises(pc, taken))
            .count()
    }

    #[test]
    fn a_loop_surprises_at_its_ends_only() {
        // Five loops of a hundred rounds: the first round, and each exit.
        let rounds = (0..500).map(|i| (0x100, i % 100 != 99));
        assert_eq!(surprises(rounds), 1 + 5);
        assert_eq!(surprises((0..100).map(|_| (0x100, false))), 0);
    }

    #[test]
    fn branches_that_share_a_place_displace_each_other() {
        let both = |other: u32| surprises((0..200).map(|i| (0x100 + other * (i % 2), true)));
        assert_eq!(both(2), 2);
        assert_eq!(both(128), 200);
    }
}
