//! One repetition of one strategy, from image to record.

use crate::config::{Protocol, Strategy, options};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::native::Native;
use crate::updates::updates;
use experiments::record::Record;
use experiments::scenario::{Describe, Sources, driver};
use experiments::scratch;
use sim_compiler::integer::calibrate;
use sim_compiler::{Arithmetic, Compiled, Graph, Part, compile, statistics};
use sim_measure::{Plan, Recorder, Recording};
use std::ops::ControlFlow;

/// Weights that are drawn again are not those that pre-training began with.
const FRESH: u64 = 0x4652_4553_4800_0000;

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

/// The images that a stream is made of, of which it may draw `pool`.
pub fn sources<'a>(data: &'a Prepared, pool: &'a [usize]) -> Sources<'a> {
    let sets = &data.loaded.data;
    Sources {
        stream: &sets.train,
        pool,
        test: &sets.test,
        classes: sets.classes,
    }
}

/// `graph` as it is switched on: outputs that pre-training knew nothing of have weights drawn from `seed`.
fn switched_on(
    graph: &Graph,
    protocol: &Protocol,
    strategy: &Strategy,
    seed: u64,
) -> Result<Graph, Failure> {
    let classes = strategy.data.set.entry().classes;
    let fresh = protocol.scenario().map(|s| s.fresh_outputs(classes));
    let fresh = fresh.unwrap_or_default();
    let mut graph = graph.clone();
    let Some(last) = graph.weighted().last().filter(|_| !fresh.is_empty()) else {
        return Ok(graph);
    };
    let drawn = strategy.graph(seed ^ FRESH)?;
    let outputs = protocol.outputs(classes);
    let known = graph.nodes()[last].op.parameters().cloned();
    let (Some(known), Some(new)) = (known, drawn.nodes()[last].op.parameters()) else {
        return Ok(graph);
    };
    for part in [Part::Weights, Part::Bias] {
        if let (Some(known), Some(new)) = (known.part(part), new.part(part)) {
            // Weights of a unit stand one row apart: units are the columns.
            let unit = |(i, pair): (usize, (&f32, &f32))| match fresh.contains(&(i % outputs)) {
                true => *pair.1,
                false => *pair.0,
            };
            let (known, new) = (known.values(), new.values());
            let pairs = known.iter().zip(new.iter());
            let values = pairs.enumerate().map(unit).collect();
            graph.set_parameter(last, part, values)?;
        }
    }
    Ok(graph)
}

/// Compiles `graph` as `strategy` has it, for the stream of `seed`.
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
    let graph = switched_on(graph, protocol, strategy, seed)?;
    let mut options = options(strategy, &data.normalisation, updates, seed);
    if options.training.arithmetic != Arithmetic::F32 {
        let (images, split) = (&data.loaded.data.train, data.split(seed)?);
        let some = split.train.iter().take(calibrate::ENOUGH);
        let samples: Vec<&[u8]> = some.map(|&i| images.image(i)).collect();
        let fraction = calibrate::feature_fraction(&graph, &options, &samples)?;
        options.training.feature_fraction = fraction.or(options.training.feature_fraction);
    }
    Ok(compile(&graph, &options)?)
}

/// Steps that a progress bar counts for one repetition.
pub fn steps(protocol: &Protocol, data: &Prepared) -> u64 {
    match protocol {
        Protocol::FromScratch(p) => p.epoch_len(data.train_images()) as u64 * u64::from(p.epochs),
        Protocol::Scenario(scenario) => scenario.settings().length as u64,
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
        Protocol::Scenario(_) => sim_measure::Protocol::Learn,
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
        Protocol::Scenario(scenario) => {
            let sources = sources(data, &split.validation);
            let plan = scenario.plan(&sources, seed);
            let window = scenario.settings().window;
            driver::run(&mut device, &plan, &sources, (window, seed), tick)
        }
        Protocol::FromScratch(protocol) => {
            let train = (&sets.train, split.train.as_slice());
            scratch::run(&mut device, protocol, train, Some(&sets.test), seed, tick)
        }
    };
    Ok(record.map(|record| (record, device.recording(steps))))
}
