//! One strategy on both sides, step by step.

use super::bench::Bench;
use crate::config::{Protocol, Strategy};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::progress::Progress;
use runtime_shared::learner::Learner;
use runtime_shared::program::{List, Program, crc32};
use serde::Serialize;
use sim_compiler::Compiled;
use sim_cost::Counters;
use sim_cost::price::{LEARNER, call_cycles};
use sim_cost::trips::{Update, learning};
use sim_device::{CallCycles, Patience, RemoteLearner, Transport};
use sim_mcu::cost::Table;
use sim_mcu::{CostModel, Placement};
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
    /// Cycles that the device counted, over the steps that it did.
    pub cycles_counted: Option<u64>,
    /// Cycles that the cost model predicts for the same steps.
    pub cycles_predicted: Option<f64>,
    /// By kernel, over the steps that were looked at call by call.
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
    /// Calls in those steps.
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

/// Of so many steps one is looked at call by call. To look takes time itself, so that the step's own cycles are not counted then.
const LOOKED_AT: usize = 8;

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

        let images = &self.data.loaded.data.train;
        let split = self.data.split(self.seed)?;
        let order = match self.protocol {
            Protocol::ConceptDrift(drift) => drift.draw(&split.validation, self.seed),
            Protocol::FromScratch(_) => split.train,
        };
        let streams = matches!(self.protocol, Protocol::ConceptDrift(_));
        let model = self.bench.cost_model();
        let table = model.as_ref().map(|model| self.bench.costs(model));
        let mut ledger = Ledger::new(program, table.as_ref());
        let mut per_step = Vec::new();
        let task = progress.task(&self.strategy.name, order.len().min(steps) as u64);
        for (step, &image) in order.iter().take(steps).enumerate() {
            let (sample, label) = (images.image(image), usize::from(images.label(image)));
            let mut counters = Counters {
                samples: 1,
                ..Counters::default()
            };
            let look = step.is_multiple_of(LOOKED_AT);
            if counts {
                // Starts the profile anew.
                remote.count_cycles(look)?;
            }
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
            if look {
                let profile = if counts {
                    remote.profile()?
                } else {
                    Vec::new()
                };
                ledger.look(&counters, &profile)?;
            }
            let predicted = ledger.predict(&counters)?;
            let counted = (counts && !look).then(|| unwrap(done.cycles, predicted));
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
        let board = self.bench.board.as_ref();
        let fitted = |m: &CostModel| m.calibrated() && board.is_none_or(|board| m.covers(board));
        let calibrated = model.as_ref().map(fitted);
        let both = per_step.iter().filter(|s| s.counted.is_some());
        let predicted_of_counted: Option<f64> = both.map(|s| s.predicted).sum();
        let counted: Vec<u64> = per_step.iter().filter_map(|s| s.counted).collect();
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
            cycles_counted: (!counted.is_empty()).then(|| counted.iter().sum()),
            cycles_predicted: predicted_of_counted.filter(|_| !counted.is_empty()),
            kernels: ledger.kernels.into_values().collect(),
            per_step,
        })
    }
}

/// What the device counted and what the model predicts, as it comes in.
struct Ledger<'a> {
    program: Program<'a>,
    table: Option<&'a Table>,
    kernels: BTreeMap<&'static str, KernelCycles>,
}

impl<'a> Ledger<'a> {
    fn new(program: Program<'a>, table: Option<&'a Table>) -> Self {
        Self {
            program,
            table,
            kernels: BTreeMap::new(),
        }
    }

    /// The cycles that the model predicts for one run of a call of which `counters` saw some.
    fn call(&self, counters: &Counters, list: List, index: usize) -> Result<Option<f64>, Failure> {
        let (Some(table), Some(call)) = (self.table, self.program.call(list, index)) else {
            return Ok(None);
        };
        let update = Update::of(&self.program, call.rule);
        let activity = counters.tally(list, index).activity(&call);
        let parts = call_cycles(&call, update, &activity, table)?;
        Ok(Some(parts.iter().map(|(_, cycles)| cycles).sum()))
    }

    /// The cycles that the model predicts for the step that `counters` saw.
    fn predict(&self, counters: &Counters) -> Result<Option<f64>, Failure> {
        let Some(table) = self.table else {
            return Ok(None);
        };
        let trips = learning(&self.program, counters);
        let mut cycles = table.cycles(LEARNER, Placement::Ram, trips.iter())?;
        for list in LISTS {
            for index in 0..self.program.count(list) {
                let runs = counters.tally(list, index).runs as f64;
                if runs > 0.0 {
                    cycles += runs * self.call(counters, list, index)?.unwrap_or(0.0);
                }
            }
        }
        Ok(Some(cycles))
    }

    /// Enters the calls of a step: what `counters` saw on the host, and the device's profile of it, where it has one.
    fn look(&mut self, counters: &Counters, profile: &[CallCycles]) -> Result<(), Failure> {
        for list in LISTS {
            for index in 0..self.program.count(list) {
                let runs = counters.tally(list, index).runs;
                let Some(call) = self.program.call(list, index).filter(|_| runs > 0) else {
                    continue;
                };
                let predicted = self.call(counters, list, index)?;
                let found = profile.iter().find(|p| p.list == list && p.call == index);
                let row = row(&mut self.kernels, call.kernel.name());
                row.calls += runs;
                if let Some(found) = found {
                    *row.counted.get_or_insert(0) += found.entry.cycles;
                }
                if let Some(each) = predicted {
                    *row.predicted.get_or_insert(0.0) += each * runs as f64;
                }
            }
        }
        Ok(())
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

/// The number of cycles whose low 32 bits a counter shows: the one nearest to what is predicted. A step may go round the counter
/// (in 67 s at 64 MHz); no prediction is wrong by half of that.
fn unwrap(cycles: u32, predicted: Option<f64>) -> u64 {
    let round = 2f64.powi(32);
    let turns = ((predicted.unwrap_or(0.0) - f64::from(cycles)) / round).round();
    u64::from(cycles) + ((turns.max(0.0) as u64) << 32)
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
        assert_eq!(unwrap(500, Some(400.0)), 500);
        assert_eq!(unwrap(400, None), 400);
        assert_eq!(unwrap(5, Some(4.2e9)), (1 << 32) + 5);
        assert_eq!(unwrap(5, Some(12.9e9)), (3 << 32) + 5);
        assert_eq!(unwrap(4_000_000_000, Some(4.4e9)), 4_000_000_000);
    }
}
