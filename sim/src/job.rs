//! One repetition of one strategy, from image to record.

use crate::config::{Protocol, Strategy, options};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::native::Native;
use crate::updates::updates;
use experiments::online::{self, Course, Record};
use experiments::scratch;
use sim_compiler::{Compiled, Graph, compile, statistics};
use sim_measure::{Plan, Recorder, Recording};
use std::ops::ControlFlow;

/// The network of `strategy` as training starts from it: weights drawn from `seed`, and batch normalisations that were
/// given no statistics with those of the training data of `split_seed`.
///
/// # Errors
/// The compiler's.
pub fn prepared(
    strategy: &Strategy,
    data: &Prepared,
    (seed, split_seed): (u64, u64),
) -> Result<Graph, Failure> {
    let mut graph = strategy.graph(seed)?;
    let images = &data.loaded.data.train;
    let split = data.split(split_seed)?;
    let some = split.train.iter().take(statistics::ENOUGH);
    let samples: Vec<&[u8]> = some.map(|&i| images.image(i)).collect();
    statistics::estimate(&mut graph, &data.normalisation, &samples)?;
    Ok(graph)
}

/// Compiles `graph` as `strategy` has it.
///
/// # Errors
/// The compiler's.
pub fn compiled(
    graph: &Graph,
    protocol: &Protocol,
    strategy: &Strategy,
    data: &Prepared,
    seed: u64,
) -> Result<Compiled, Failure> {
    // A config that leaves the end of a schedule open has as many updates as can be known.
    let updates = updates(protocol, strategy, data.train_images()).unwrap_or(1);
    Ok(compile(
        graph,
        &options(strategy, &data.normalisation, updates, seed),
    )?)
}

/// Steps that a progress bar counts for one repetition.
pub fn steps(protocol: &Protocol, data: &Prepared) -> u64 {
    match protocol {
        Protocol::FromScratch(p) => p.epoch_len(data.train_images()) as u64 * u64::from(p.epochs),
        Protocol::ConceptDrift(drift) => drift.length as u64,
    }
}

/// Moments of a repetition that are kept to be measured, and steps from each on: single updates are short, and differ.
const MOMENTS: u64 = 12;
const FOLLOWED: usize = 8;

/// Runs one repetition with the split of `split_seed`, and keeps moments of it where it `records`. `tick` may end it, upon which
/// there is none.
///
/// # Errors
/// [`Failure`] of the compiler or the core.
pub fn run(
    graph: &Graph,
    protocol: &Protocol,
    strategy: &Strategy,
    data: &Prepared,
    (seed, split_seed): (u64, u64),
    records: bool,
    tick: impl FnMut() -> ControlFlow<()>,
) -> Result<Option<(Record, Option<Recording>)>, Failure> {
    let compiled = compiled(graph, protocol, strategy, data, seed)?;
    let (arena, image) = (compiled.arena_bytes(), compiled.image.bytes().len());
    tracing::trace!(
        strategy = strategy.name,
        seed,
        arena,
        image,
        "repetition begins"
    );
    let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
    let layer = |list, call| compiled.layer(list, call).to_owned();
    let mut device = Native::new(compiled.program(), &mut arena, &layer)
        .map_err(|e| Failure::Core(format!("{e:?}")))?;
    let steps = match protocol {
        Protocol::ConceptDrift(_) => sim_measure::Protocol::Learn,
        Protocol::FromScratch(_) => sim_measure::Protocol::Train,
    };
    if records {
        device.record(Recorder::new(Plan {
            steps: self::steps(protocol, data),
            moments: MOMENTS,
            follow: match steps {
                sim_measure::Protocol::Learn => 1,
                sim_measure::Protocol::Train => FOLLOWED,
            },
            seed,
        }));
    }
    let sets = &data.loaded.data;
    let split = data.split(split_seed)?;
    let record = match protocol {
        Protocol::ConceptDrift(drift) => {
            let pool = &split.validation;
            let course = Course {
                stream: &sets.train,
                pool,
                test: &sets.test,
                seed,
            };
            online::run(&mut device, drift, &course, tick)
        }
        Protocol::FromScratch(protocol) => {
            let train = (&sets.train, split.train.as_slice());
            scratch::run(&mut device, protocol, train, Some(&sets.test), seed, tick)
        }
    };
    Ok(record.map(|record| (record, device.recording(steps))))
}
