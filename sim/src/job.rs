//! One repetition of one strategy, from image to record.

use crate::config::{Protocol, Strategy, options};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::native::Native;
use experiments::record::Record;
use experiments::scenario::{Describe, Sources, driver};
use experiments::scratch;
use sim_compiler::{Compiled, Graph, compile};
use std::ops::ControlFlow;

/// Weights that are drawn again are not those that pre-training began with.
const FRESH: u64 = 0x4652_4553_4800_0000;

/// The updates that a strategy will make, as far as that is known before it runs.
pub fn updates(protocol: &Protocol, strategy: &Strategy, data: &Prepared) -> u32 {
    let samples = match protocol {
        Protocol::FromScratch(p) => p.epoch_len(data.train_images()) as u64 * u64::from(p.epochs),
        Protocol::Scenario(scenario) => {
            scenario.settings().length as u64 * u64::from(strategy.online.slots.max(1))
        }
    };
    (samples / u64::from(strategy.training.batch.max(1))).clamp(1, u64::from(u32::MAX)) as u32
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
    let from = drawn.nodes()[last].op.parameters();
    let (Some((weights, bias)), Some((new_weights, new_bias))) =
        (graph.op_mut(last).parameters_mut(), from)
    else {
        return Ok(graph);
    };
    // Weights of a unit stand one row apart; units are the columns.
    let draw_again = |tensor: &mut Vec<f32>, new: &[f32]| {
        for (i, (value, new)) in tensor.iter_mut().zip(new).enumerate() {
            if fresh.contains(&(i % outputs)) {
                *value = *new;
            }
        }
    };
    draw_again(weights, new_weights);
    if let (Some(bias), Some(new)) = (bias, new_bias) {
        draw_again(bias, new);
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
    let updates = updates(protocol, strategy, data);
    let graph = switched_on(graph, protocol, strategy, seed)?;
    Ok(compile(
        &graph,
        &options(strategy, &data.normalisation, updates, seed),
    )?)
}

/// Steps that a progress bar counts for one repetition.
pub fn steps(protocol: &Protocol, data: &Prepared) -> u64 {
    match protocol {
        Protocol::FromScratch(p) => p.epoch_len(data.train_images()) as u64 * u64::from(p.epochs),
        Protocol::Scenario(scenario) => scenario.settings().length as u64,
    }
}

/// Runs one repetition with the split of `split_seed`. `tick` may end it, upon which there is none.
///
/// # Errors
/// [`Failure`] of the compiler or the core.
pub fn run(
    graph: &Graph,
    protocol: &Protocol,
    strategy: &Strategy,
    data: &Prepared,
    (seed, split_seed): (u64, u64),
    tick: impl FnMut() -> ControlFlow<()>,
) -> Result<Option<Record>, Failure> {
    let compiled = compiled(graph, protocol, strategy, data, seed)?;
    let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
    let layer = |list, call| compiled.layer(list, call).to_owned();
    let mut device = Native::new(compiled.program(), &mut arena, &layer)
        .map_err(|e| Failure::Core(format!("{e:?}")))?;
    let sets = &data.loaded.data;
    let split = data.split(split_seed)?;
    Ok(match protocol {
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
    })
}
