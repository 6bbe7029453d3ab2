//! The same Program, made to learn from a few stored samples at every step.
//!
//! A step predicts, admits the sample and replays what is stored; each replayed sample costs an update. To measure what one costs,
//! a few suffice. The variant has the Program's kernels, addresses and constants; its trigger always fires, it passes once over the
//! buffer in order, and the arena that goes with it holds a chosen few of the slots.

use runtime_shared::buffer::{CLASS_COUNT_BYTES, Policy};
use runtime_shared::program::{Field, Program, checksum};
use runtime_shared::rng::Rng;
use runtime_shared::state::{STATE_BYTES, State};
use std::ops::Range;

/// A Program whose steps replay what the arena holds, once.
#[derive(Clone, Debug)]
pub struct Variant {
    words: Vec<u32>,
}

/// Slots of the buffer that a measured step replays besides the new sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// How many.
    pub slots: u32,
    /// Decides which.
    pub seed: u64,
}

impl Variant {
    /// Of `program`.
    pub fn of(program: &Program<'_>) -> Self {
        let (bytes, _) = program.image().as_chunks::<4>();
        let mut words: Vec<u32> = bytes.iter().map(|b| u32::from_le_bytes(*b)).collect();
        let mut set = |field: Field, word: u32| words[field as usize] = word;
        if policy(program) != Policy::None {
            set(Field::Passes, 1);
            set(Field::Draw, 0);
        }
        // The trigger does what it does, and fires: every sample, at any confidence, or (see `arena`) as after a drift. A drift leaves
        // all in the buffer.
        set(Field::PurgeKeep, u32::MAX);
        set(Field::TriggerEvery, 1);
        set(Field::TriggerConfidence, f32::INFINITY.to_bits());
        let mut variant = Self { words };
        variant.words[Field::Checksum as usize] = checksum(&variant.bytes());
        variant
    }

    /// The image.
    pub fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    /// `arena`, left by `program`, as one that this variant goes on from, with `chosen` slots of its buffer. Gives besides the mean
    /// density of the slots chosen and of all that are stored.
    pub fn arena(&self, program: &Program<'_>, arena: &[u8], chosen: Chosen) -> (Vec<u8>, Stored) {
        let mut arena = arena.to_vec();
        let mut state = load(&arena);
        state.program = self.words[Field::Checksum as usize];
        state.waiting = 1;
        let mut stored = Stored::default();
        if policy(program) != Policy::None {
            // A batch begins with the step.
            state.accumulated = 0;
            stored = shrink(program, &mut arena, &mut state, chosen);
        }
        store(&state, &mut arena);
        (arena, stored)
    }
}

/// How dense the payloads of a buffer are, see [`density`](crate::moment::density).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stored {
    /// Mean over the slots that are left.
    pub chosen: f64,
    /// Mean over all slots that were in use.
    pub all: f64,
}

/// What admits samples to the buffer of `program`.
pub fn policy(program: &Program<'_>) -> Policy {
    program.policy()
}

/// Leaves `chosen` of the stored samples in the buffer, at its start.
fn shrink(program: &Program<'_>, arena: &mut [u8], state: &mut State, chosen: Chosen) -> Stored {
    let slot_bytes = program.size(Field::SlotBytes);
    let at = program.size(Field::BufferAt);
    let used = at..at + state.stored as usize * slot_bytes;
    let slots: Vec<Vec<u8>> = arena[used]
        .chunks_exact(slot_bytes)
        .map(<[u8]>::to_vec)
        .collect();
    let mut order: Vec<usize> = (0..slots.len()).collect();
    Rng::new(chosen.seed).shuffle(&mut order);
    order.truncate(chosen.slots as usize);
    let mean = |densities: Vec<f64>| densities.iter().sum::<f64>() / densities.len().max(1) as f64;
    let density = |slot: &Vec<u8>| crate::moment::density(&slot[..slot_bytes - 4]);
    let stored = Stored {
        chosen: mean(order.iter().map(|&i| density(&slots[i])).collect()),
        all: mean(slots.iter().map(density).collect()),
    };
    let counts = program.size(Field::ClassCountsAt);
    let balanced = policy(program) == Policy::ClassBalanced;
    let mut held = vec![0u32; program.classes()];
    for (to, &from) in order.iter().enumerate() {
        let slot = &slots[from];
        arena[at + to * slot_bytes..][..slot_bytes].copy_from_slice(slot);
        if let Some((_, label)) = slot.split_last_chunk::<4>()
            && let Some(held) = held.get_mut(u32::from_le_bytes(*label) as usize)
        {
            *held += 1;
        }
    }
    if balanced {
        let table = arena[counts..].chunks_exact_mut(CLASS_COUNT_BYTES);
        for (class, held) in table.zip(held) {
            // Samples seen, slots held: a class holds what it has seen.
            class[..4].copy_from_slice(&held.to_le_bytes());
            class[4..].copy_from_slice(&held.to_le_bytes());
        }
    }
    state.stored = order.len() as u32;
    state.head = state.stored % program.get(Field::BufferSlots).max(1);
    state.offered = state.stored;
    stored
}

/// The bytes of `arena` that hold nothing: slots of the buffer that are not in use.
pub(crate) fn unused(program: &Program<'_>, arena: &[u8]) -> Range<usize> {
    if policy(program) == Policy::None {
        return 0..0;
    }
    let (at, slot) = (
        program.size(Field::BufferAt),
        program.size(Field::SlotBytes),
    );
    at + load(arena).stored as usize * slot..at + program.size(Field::BufferSlots) * slot
}

/// The state at the start of `arena`, wherever that lies in memory.
pub(crate) fn load(arena: &[u8]) -> State {
    State::load(runtime_shared::machine::bytes(&aligned(
        &arena[..STATE_BYTES],
    )))
}

pub(crate) fn store(state: &State, arena: &mut [u8]) {
    let mut words = aligned(&arena[..STATE_BYTES]);
    state.store(runtime_shared::machine::bytes_mut(&mut words));
    for (bytes, word) in arena[..STATE_BYTES].chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_bits().to_le_bytes());
    }
}

/// Words that hold `bytes`, aligned.
pub(crate) fn aligned(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|b| f32::from_le_bytes(*b)).collect()
}
