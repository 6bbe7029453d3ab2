//! One strategy on both sides, step by step.

use super::bench::Bench;
use crate::config::{Protocol, Strategy};
use crate::cost::call_cycles;
use crate::data::Prepared;
use crate::failure::Failure;
use crate::native::Counters;
use crate::progress::Progress;
use runtime_shared::learner::Learner;
use runtime_shared::program::{List, Program, crc32};
use runtime_shared::protocol::profile::Entry;
use serde::Serialize;
use sim_compiler::Compiled;
use sim_device::{CallCycles, Patience, RemoteLearner, Transport};
use sim_mcu::CostModel;
use std::collections::BTreeMap;

/// How one strategy compared.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The strategy.
    pub strategy: String,
    /// Who was compared with the host.
    pub device: &'static str,
    /// Its core.
    pub core: String,
    /// Its board, where it is one.
    pub board: Option<String>,
    /// Steps that were compared.
    pub steps: usize,
    /// Whether the memories were the same after all of them.
    pub same_bits: bool,
    /// The first step, from 0, after which they differed.
    pub first_difference: Option<usize>,
    /// Weights that were read back at the end, and how many of them are not the host's, to the bit.
    pub weights: Weights,
    /// Most bytes of stack that the firmware used, and what it has.
    pub stack: Stack,
    /// Frames that were sent again because of damage or silence.
    pub repeats: u64,
    /// Whether the cost model was fitted to machine code; `None` where the core has no model.
    pub calibrated: Option<bool>,
    /// Cycles of all steps that the device counted.
    pub cycles_counted: Option<u64>,
    /// Cycles of all steps that the cost model predicts.
    pub cycles_predicted: Option<f64>,
    /// Over all steps, by kernel.
    pub kernels: Vec<KernelCycles>,
    /// By step.
    pub per_step: Vec<StepCycles>,
}

/// Weights that were compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Weights {
    /// How many there are.
    pub read: usize,
    /// How many differ.
    pub differ: usize,
}

/// The firmware's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// Most bytes in use.
    pub used: u32,
    /// Bytes set aside.
    pub bytes: u32,
}

/// Cycles of one kind of kernel.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct KernelCycles {
    /// Its name.
    pub kernel: String,
    /// Calls in all steps.
    pub calls: u64,
    /// Cycles that the device counted.
    pub counted: Option<u64>,
    /// Cycles that the cost model predicts.
    pub predicted: Option<f64>,
}

/// Cycles of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepCycles {
    /// The step, from 0.
    pub step: usize,
    /// Cycles that the device counted.
    pub counted: Option<u64>,
    /// Cycles that the cost model predicts.
    pub predicted: Option<f64>,
    /// Whether the memories were the same after it.
    pub same_bits: bool,
}

/// What is to be compared.
pub struct Case<'a> {
    pub strategy: &'a Strategy,
    pub data: &'a Prepared,
    pub protocol: &'a Protocol,
    pub compiled: Compiled,
    pub seed: u64,
    pub bench: &'a Bench,
}

const LISTS: [List; 3] = [List::Infer, List::Learn, List::Apply];

impl Case<'_> {
    /// Learns from `steps` samples on both sides; ends at the first step after which they differ.
    ///
    /// # Errors
    /// [`Failure::Core`] of the host's side, [`Failure::Device`] of the device's.
    pub fn compare<T: Transport>(
        &self,
        transport: T,
        steps: usize,
        progress: &Progress,
    ) -> Result<Comparison, Failure> {
        let program = self.compiled.program();
        let refused = |e| Failure::Core(format!("{e:?}"));
        let mut arena = vec![0u32; self.compiled.arena_bytes().div_ceil(4)];
        let mut native =
            Learner::new(program, bytemuck::cast_slice_mut(&mut arena)).map_err(refused)?;
        let mut remote = RemoteLearner::connect(transport, Patience::default())?;
        self.bench.recognise(remote.greeting())?;
        remote.load(self.compiled.image.bytes())?;
        let counts = self.bench.counts_cycles();
        remote.count_cycles(counts)?;

        let images = &self.data.loaded.data.train;
        let order = match self.protocol {
            Protocol::ConceptDrift(drift) => drift.draw(&self.data.split.validation, self.seed),
            Protocol::FromScratch(_) => self.data.split.train.clone(),
        };
        let streams = matches!(self.protocol, Protocol::ConceptDrift(_));
        let mut ledger = Ledger::new(program, self.bench.cost_model(), counts);
        let mut per_step = Vec::new();
        let task = progress.task(&self.strategy.name, order.len().min(steps) as u64);
        for (step, &image) in order.iter().take(steps).enumerate() {
            let (sample, label) = (images.image(image), usize::from(images.label(image)));
            let mut counters = Counters::default();
            let done = if streams {
                native
                    .learn(sample, label, &mut counters)
                    .map_err(refused)?;
                remote.learn(sample, label)?
            } else {
                native
                    .train(sample, label, &mut counters)
                    .map_err(refused)?;
                remote.train(sample, label)?
            };
            let profile = if counts {
                remote.profile()?
            } else {
                Vec::new()
            };
            let (counted, predicted) = ledger.enter(&counters, &profile, done.cycles)?;
            let same_bits = remote.digest()? == crc32(&[native.arena()]);
            per_step.push(StepCycles {
                step,
                counted,
                predicted,
                same_bits,
            });
            task.advance(1);
            if !same_bits {
                break;
            }
        }
        task.finish();
        let first_difference = per_step.iter().position(|step| !step.same_bits);
        let weights = weights(&native, &remote.parameters()?);
        let stack = Stack {
            used: remote.stack_used()?,
            bytes: remote.greeting().stack_bytes,
        };
        let calibrated = ledger.model.as_ref().map(CostModel::calibrated);
        Ok(Comparison {
            strategy: self.strategy.name.clone(),
            device: self.bench.name(),
            core: self.bench.core.clone(),
            board: self.bench.board.as_ref().map(|board| board.name.clone()),
            steps: per_step.len(),
            same_bits: first_difference.is_none() && weights.differ == 0,
            first_difference,
            weights,
            stack,
            repeats: remote.trouble().repeats,
            calibrated,
            cycles_counted: per_step.iter().map(|step| step.counted).sum(),
            cycles_predicted: per_step.iter().map(|step| step.predicted).sum(),
            kernels: ledger.kernels.into_values().collect(),
            per_step,
        })
    }
}

/// What the device counted and what the model predicts, as it comes in.
struct Ledger<'a> {
    program: Program<'a>,
    model: Option<CostModel>,
    counts: bool,
    kernels: BTreeMap<&'static str, KernelCycles>,
    /// What the device had counted by the step before, by list and call.
    before: BTreeMap<(usize, usize), Entry>,
}

impl<'a> Ledger<'a> {
    fn new(program: Program<'a>, model: Option<CostModel>, counts: bool) -> Self {
        Self {
            program,
            model,
            counts,
            kernels: BTreeMap::new(),
            before: BTreeMap::new(),
        }
    }

    /// Enters one step: what `counters` saw on the host, what stands in the device's profile, and the
    /// low 32 bits of the device's cycles. Gives the cycles counted and predicted.
    fn enter(
        &mut self,
        counters: &Counters,
        profile: &[CallCycles],
        cycles: u32,
    ) -> Result<(Option<u64>, Option<f64>), Failure> {
        let mut predicted = 0.0;
        for list in LISTS {
            let tally = &counters.lists[list as usize];
            for (index, (&runs, &active)) in tally.runs.iter().zip(&tally.active).enumerate() {
                let Some(call) = self.program.call(list, index).filter(|_| runs > 0) else {
                    continue;
                };
                let row = row(&mut self.kernels, call.kernel.name());
                row.calls += runs;
                if let Some(model) = &self.model {
                    let parts = call_cycles(&call, active as f64 / runs as f64, model)?;
                    let all = runs as f64 * parts.iter().map(|(_, cycles)| cycles).sum::<f64>();
                    *row.predicted.get_or_insert(0.0) += all;
                    predicted += all;
                }
            }
        }
        let mut in_kernels = 0;
        for &CallCycles { list, call, entry } in profile {
            let before = self.before.insert((list as usize, call), entry);
            let cycles = entry.cycles - before.map_or(0, |entry| entry.cycles);
            let called = self.program.call(list, call).filter(|_| cycles > 0);
            if let Some(called) = called {
                let row = row(&mut self.kernels, called.kernel.name());
                *row.counted.get_or_insert(0) += cycles;
                in_kernels += cycles;
            }
        }
        let counted = self.counts.then(|| unwrap(cycles, in_kernels));
        Ok((counted, self.model.is_some().then_some(predicted)))
    }
}

fn row<'k>(
    kernels: &'k mut BTreeMap<&'static str, KernelCycles>,
    name: &'static str,
) -> &'k mut KernelCycles {
    kernels.entry(name).or_insert_with(|| KernelCycles {
        kernel: name.to_owned(),
        ..KernelCycles::default()
    })
}

/// The number of cycles whose low 32 bits a counter shows, where it is known to be at least `least`.
/// A step may go round the counter (in 67 s at 64 MHz); none of its kernel calls, which are summed in 64
/// bits, does.
fn unwrap(cycles: u32, least: u64) -> u64 {
    least + u64::from(cycles.wrapping_sub(least as u32))
}

/// Compares the weights that came back with the host's.
fn weights(native: &Learner<'_>, theirs: &[Vec<f32>]) -> Weights {
    let mut weights = Weights::default();
    for (index, theirs) in theirs.iter().enumerate() {
        let ours = native.parameter(index).unwrap_or(&[]);
        let same = ours
            .iter()
            .zip(theirs)
            .filter(|(a, b)| a.to_bits() == b.to_bits());
        weights.differ += theirs.len() - same.count();
        weights.read += theirs.len();
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_round_is_unwrapped() {
        assert_eq!(unwrap(500, 400), 500);
        assert_eq!(unwrap(400, 400), 400);
        assert_eq!(unwrap(5, u64::from(u32::MAX)), (1 << 32) + 5);
        assert_eq!(unwrap(5, (3 << 32) + 4), (3 << 32) + 5);
        assert_eq!(unwrap(5, (3 << 32) + 6), (4 << 32) + 5);
        assert_eq!(unwrap(5, 0), 5);
    }
}
