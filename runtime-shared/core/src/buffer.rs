//! The replay buffer: which sample takes which slot.
//!
//! A slot is the payload (the raw sample or its features, padded to words) and a word that holds the label.
//! Slots `0..stored` are in use; replay goes through them in that order.

use crate::program::{Field, Program};
use crate::state::State;

crate::kernels::codes! {
    /// Who is let in, and who has to go.
    pub enum Policy {
        /// Nothing is stored: each sample is learnt once, from where the caller holds it.
        None = 0,
        /// A ring: the newest replaces the oldest.
        Fifo = 1,
        /// Every sample seen so far is equally likely to be in the buffer (Vitter 1985, algorithm R).
        Reservoir = 2,
        /// A newcomer replaces a random sample of the class that holds most slots; one of that class itself
        /// competes within it, as in a reservoir (after Chrysakis & Moens, ICML 2020).
        ClassBalanced = 3,
    }
}

/// Bytes of the table that class-balanced admission keeps for each class: samples seen, slots held.
pub const CLASS_COUNT_BYTES: usize = 8;

/// The slots of a buffer with what they need around them, borrowed from the arena.
pub(crate) struct Buffer<'m> {
    policy: Policy,
    slots: &'m mut [u8],
    slot_bytes: usize,
    counts: &'m mut [u8],
}

impl<'m> Buffer<'m> {
    /// The buffer of `program` in `tail`, the arena from byte `start` on.
    pub fn new(program: &Program<'_>, tail: &'m mut [u8], start: usize) -> Self {
        let policy = program.policy();
        let slot_bytes = program.size(Field::SlotBytes).max(4);
        if policy == Policy::None {
            return Self {
                policy,
                slots: &mut [],
                slot_bytes,
                counts: &mut [],
            };
        }
        let at = program.size(Field::BufferAt) - start;
        let end = at + program.size(Field::BufferSlots) * slot_bytes;
        let (head, rest) = tail.split_at_mut(end);
        let counts: &mut [u8] = if policy == Policy::ClassBalanced {
            let from = program.size(Field::ClassCountsAt) - start - end;
            &mut rest[from..from + program.classes() * CLASS_COUNT_BYTES]
        } else {
            &mut []
        };
        Self {
            policy,
            slots: &mut head[at..],
            slot_bytes,
            counts,
        }
    }

    /// What slot `i` holds: payload and label.
    pub fn get(&self, i: usize) -> (&[u8], usize) {
        let slot = &self.slots[i * self.slot_bytes..(i + 1) * self.slot_bytes];
        (
            &slot[..self.slot_bytes - 4],
            read_word(slot, self.slot_bytes - 4) as usize,
        )
    }

    /// Offers a sample; stores it where the policy says, if it says so.
    pub fn admit(&mut self, state: &mut State, payload: &[u8], label: usize) {
        let Some(i) = self.choose(state, label) else {
            return;
        };
        let slot = &mut self.slots[i * self.slot_bytes..(i + 1) * self.slot_bytes];
        slot[..payload.len()].copy_from_slice(payload);
        write_word(slot, self.slot_bytes - 4, label as u32);
    }

    /// Lets go of what is stale: keeps the newest `keep` of a ring; the other policies know no order
    /// and are emptied.
    pub fn purge(&mut self, state: &mut State, keep: usize) {
        let stored = state.stored as usize;
        if keep >= stored {
            return;
        }
        let kept = if self.policy == Policy::Fifo { keep } else { 0 };
        // Oldest first once the ring is turned, so the newest are those behind `stored - kept` others.
        let oldest = if stored == self.capacity() {
            state.head as usize
        } else {
            0
        };
        let first = (oldest + stored - kept) % stored;
        let (before, from) =
            self.slots[..stored * self.slot_bytes].split_at_mut(first * self.slot_bytes);
        // A rotation by three reversals takes less code than `rotate_left`.
        before.reverse();
        from.reverse();
        self.slots[..stored * self.slot_bytes].reverse();
        state.stored = kept as u32;
        state.head = kept as u32;
        state.offered = kept as u32;
        self.counts.fill(0);
    }

    fn capacity(&self) -> usize {
        self.slots.len() / self.slot_bytes
    }

    fn choose(&mut self, state: &mut State, label: usize) -> Option<usize> {
        let capacity = self.capacity() as u32;
        state.offered = state.offered.saturating_add(1);
        let next = (state.stored < capacity).then_some(state.stored);
        let slot = match self.policy {
            Policy::None => return None,
            Policy::Fifo => {
                let slot = state.head;
                state.head = (slot + 1) % capacity;
                slot
            }
            Policy::Reservoir => match next {
                Some(slot) => slot,
                None => Some(state.rng.below(state.offered)).filter(|&slot| slot < capacity)?,
            },
            Policy::ClassBalanced => self.choose_balanced(state, label, next)?,
        };
        state.stored = (state.stored + 1).min(capacity);
        Some(slot as usize)
    }

    fn choose_balanced(
        &mut self,
        state: &mut State,
        label: usize,
        next: Option<u32>,
    ) -> Option<u32> {
        let seen = read_word(self.counts, label * CLASS_COUNT_BYTES).saturating_add(1);
        write_word(self.counts, label * CLASS_COUNT_BYTES, seen);
        let held = |counts: &[u8], class: usize| read_word(counts, class * CLASS_COUNT_BYTES + 4);
        let slot = match next {
            Some(slot) => slot,
            None => {
                let classes = self.counts.len() / CLASS_COUNT_BYTES;
                let largest = (0..classes).fold(label, |best, class| {
                    if held(self.counts, class) > held(self.counts, best) {
                        class
                    } else {
                        best
                    }
                });
                let members = held(self.counts, largest);
                if largest == label && state.rng.below(seen) >= members {
                    return None;
                }
                let nth = state.rng.below(members) as usize;
                let slot = (0..state.stored)
                    .filter(|&i| self.get(i as usize).1 == largest)
                    .nth(nth)?;
                write_word(
                    self.counts,
                    largest * CLASS_COUNT_BYTES + 4,
                    members.saturating_sub(1),
                );
                slot
            }
        };
        let members = held(self.counts, label).saturating_add(1);
        write_word(self.counts, label * CLASS_COUNT_BYTES + 4, members);
        Some(slot)
    }
}

fn read_word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(chunk) => u32::from_le_bytes(*chunk),
        None => 0,
    }
}

fn write_word(bytes: &mut [u8], at: usize, word: u32) {
    if let Some(slot) = bytes.get_mut(at..at + 4) {
        slot.copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer of `capacity` slots with one byte of payload (padded to a word) and four classes.
    fn check(
        policy: Policy,
        capacity: usize,
        labels: impl Iterator<Item = usize>,
    ) -> Vec<(u8, usize)> {
        let mut slots = vec![0u8; capacity * 8];
        let mut counts = vec![0u8; 4 * CLASS_COUNT_BYTES];
        let mut state = State::new(0, 5);
        let mut buffer = Buffer {
            policy,
            slots: &mut slots,
            slot_bytes: 8,
            counts: &mut counts,
        };
        for (i, label) in labels.enumerate() {
            buffer.admit(&mut state, &[i as u8], label);
        }
        (0..state.stored as usize)
            .map(|i| (buffer.get(i).0[0], buffer.get(i).1))
            .collect()
    }

    #[test]
    fn a_ring_keeps_the_newest() {
        let mut kept: Vec<u8> = check(Policy::Fifo, 5, (0..13).map(|i| i % 4))
            .iter()
            .map(|s| s.0)
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, [8, 9, 10, 11, 12]);
    }

    #[test]
    fn a_purge_keeps_the_newest_of_a_ring_in_order() {
        for offered in 1..20u8 {
            for keep in 0..6usize {
                let mut slots = vec![0u8; 5 * 8];
                let mut state = State::new(0, 5);
                let mut buffer = Buffer {
                    policy: Policy::Fifo,
                    slots: &mut slots,
                    slot_bytes: 8,
                    counts: &mut [],
                };
                for i in 0..offered {
                    buffer.admit(&mut state, &[i], 0);
                }
                let kept = keep.min(state.stored as usize);
                buffer.purge(&mut state, keep);
                buffer.admit(&mut state, &[offered], 0);
                let mut held: Vec<u8> = (0..state.stored as usize)
                    .map(|i| buffer.get(i).0[0])
                    .collect();
                held.sort_unstable();
                let first = offered + 1 - (kept as u8 + 1).min(5);
                assert_eq!(
                    held,
                    (first..=offered).collect::<Vec<_>>(),
                    "{offered} offered, {keep} kept"
                );
            }
        }
    }

    #[test]
    fn a_reservoir_is_uniform() {
        let mut kept = [0u32; 40];
        for seed in 0..2000 {
            let mut slots = vec![0u8; 10 * 8];
            let mut state = State::new(0, seed);
            let mut buffer = Buffer {
                policy: Policy::Reservoir,
                slots: &mut slots,
                slot_bytes: 8,
                counts: &mut [],
            };
            for i in 0..40u8 {
                buffer.admit(&mut state, &[i], 0);
            }
            for i in 0..10 {
                kept[buffer.get(i).0[0] as usize] += 1;
            }
        }
        // 500 expected, standard deviation 19.4.
        assert!(kept.iter().all(|&n| (400..600).contains(&n)), "{kept:?}");
    }

    #[test]
    fn balance_gives_rare_classes_their_share() {
        // One in ten of class 1, the rest class 0.
        let kept = check(
            Policy::ClassBalanced,
            20,
            (0..200).map(|i| usize::from(i % 10 == 0)),
        );
        assert_eq!(kept.iter().filter(|s| s.1 == 1).count(), 10);
    }
}
