//! `sim validate`: the same samples on the host and on a device; whether they give the same bits, and
//! what the device's cycles are beside those that the emulator counts of the same steps.
//!
//! `bench` finds, builds for and reaches the device (`way`), `compare` runs both sides step by step, `table`
//! shows what came out.

mod bench;
mod compare;
mod table;
mod way;

use crate::cli::{Common, Validate};
use crate::config;
use crate::data::prepare;
use crate::failure::Failure;
use crate::job;
use crate::pretrain::pretrain;
use crate::progress::Progress;
use bench::Bench;
use compare::{Case, Comparison, Steps};
use std::io::Write;
use std::ops::ControlFlow;

/// Runs every strategy of the config that trains, on the host and on the device, step by step.
///
/// # Errors
/// [`Failure::Bits`] where they differ; [`Failure::Device`] where the device fails; [`Failure::Usage`]
/// where what is asked for cannot be had.
pub fn validate(options: &Validate, common: &Common) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let config = config::load(&options.config)?;
    let seed = config.seeds.first().copied().unwrap_or(1);
    let bench = Bench::find(options, &config)?;
    let image = bench.build(&progress)?;
    let mut comparisons = Vec::new();
    for strategy in &config.strategies {
        let data = prepare(&strategy.data, common.data.as_deref(), &progress)?;
        let graph = match &config.pretrain {
            Some(plan) => {
                let unbroken = || ControlFlow::Continue(());
                match pretrain(strategy, plan, &data, seed, || {}, &unbroken)? {
                    Some(pretrained) => pretrained.graph,
                    None => job::prepared(strategy, &data, (seed, seed))?,
                }
            }
            None => job::prepared(strategy, &data, (seed, seed))?,
        };
        let compiled = job::compiled(&graph, &config.experiment, strategy, &data, seed)?;
        if compiled.parameters.is_empty() {
            continue;
        }
        let case = Case {
            strategy,
            data: &data,
            protocol: &config.experiment,
            compiled,
            seed,
            bench: &bench,
        };
        let program = case.compiled.image.bytes();
        let transport = bench.connect(&image, program, &progress)?;
        let emulated = bench.emulated(&progress)?;
        let steps = Steps {
            count: options.steps.get(),
            whole: options.whole_steps,
        };
        comparisons.push(case.compare(transport, emulated, steps, &progress)?);
    }
    let text = if common.json {
        table::json(&comparisons)
    } else {
        table::text(&comparisons)
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    comparisons.iter().try_for_each(verdict)
}

/// Whether the two sides agree.
fn verdict(comparison: &Comparison) -> Result<(), Failure> {
    let strategy = comparison.strategy.clone();
    match comparison.first_difference {
        Some(step) => Err(Failure::Bits { strategy, step }),
        None if comparison.same_bits => Ok(()),
        None => Err(Failure::Device(format!(
            "Strategy `{strategy}`: the device's memory is the host's by its checksum, but {} of {} weights that it \
             sent are not. Its link or its firmware is broken.",
            comparison.weights.differ, comparison.weights.read
        ))),
    }
}
