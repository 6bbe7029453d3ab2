//! A recording without a run: a Program as it starts, its buffer filled with given samples.

use crate::measure::{Error, Stretch};
use crate::moment::{Labelled, Moment, Protocol, density};
use crate::recorder::{Recording, full};
use crate::variant::{aligned, load, store};
use runtime_shared::learner::Learner;
use runtime_shared::program::{Field, Program, checksum};

/// Samples that fill the buffer, where it has as many slots: those that a measured step replays are drawn from them.
const STORED: u32 = 32;

/// What `program` leaves that has seen `samples` and learnt nothing yet. The last `moments` of them are measured.
///
/// # Errors
/// [`Error::NoMoment`] without samples, or where one cannot be predicted.
pub fn seeded(
    program: &Program<'_>,
    protocol: Protocol,
    samples: &[Labelled],
    moments: usize,
) -> Result<Recording, Error> {
    // A Program that stores and learns nothing from what is stored: no passes.
    let mut words: Vec<u32> = aligned(program.image())
        .iter()
        .map(|w| w.to_bits())
        .collect();
    words[Field::Passes as usize] = 0;
    words[Field::PurgeKeep as usize] = u32::MAX;
    let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
    words[Field::Checksum as usize] = checksum(&bytes);
    let passive: Vec<f32> = words.into_iter().map(f32::from_bits).collect();
    let passive =
        Program::load(runtime_shared::machine::bytes(&passive)).map_err(Error::Program)?;
    let mut memory = vec![0.0f32; program.size(Field::ArenaBytes) / 4];
    let arena = runtime_shared::machine::bytes_mut(&mut memory);
    let mut learner = Learner::new(passive, arena).map_err(|_| Error::NoMoment)?;
    let fill = program.get(Field::BufferSlots).min(STORED) as usize;
    let first = samples.len().saturating_sub(moments.max(1));
    let mut kept = Vec::new();
    for (i, labelled) in samples.iter().enumerate() {
        if i >= first && (i >= fill || protocol == Protocol::Train) {
            let mut arena = learner.arena().to_vec();
            let mut state = load(&arena);
            state.program = program.get(Field::Checksum);
            store(&state, &mut arena);
            kept.push(Moment {
                arena,
                steps: vec![labelled.clone()],
            });
        }
        if protocol == Protocol::Learn {
            let step = learner.learn(&labelled.sample, labelled.label, &mut ());
            step.map_err(|_| Error::NoMoment)?;
        }
    }
    let full = full(program, protocol) as f64;
    let density = samples.iter().map(|s| density(&s.sample)).sum::<f64>();
    Ok(Recording {
        image: program.image().to_vec(),
        protocol,
        moments: kept,
        stretch: Stretch {
            density: density / samples.len().max(1) as f64,
            updates: full,
            first: f64::from(program.get(Field::Passes)),
            full,
        },
    })
}
