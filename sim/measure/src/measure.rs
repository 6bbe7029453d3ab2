//! Moments on a target, until the standard error of the mean step is small.

use crate::moment::{Moment, Protocol, density};
use crate::recorder::Recording;
use crate::regression::{Mean, Point, mean};
use crate::target::{Target, Unit};
use crate::variant::{Chosen, Stored, Variant, aligned, load, policy, unused};
use runtime_shared::buffer::Policy;
use runtime_shared::program::{Field, List, Program};
use serde::{Deserialize, Serialize};
use sim_device::{CallCycles, RemoteLearner, Transport};
use std::collections::BTreeMap;

/// Moments that are measured however small the error, while there are cycles left.
const FEWEST: usize = 4;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image is no Program of this version of the format.
    #[error("The recording holds no Program of this version: {0:?}.")]
    Program(runtime_shared::program::Refusal),
    /// The firmware, or what runs it, failed.
    #[error(transparent)]
    Device(#[from] sim_device::Error),
    /// The caller brought no moment.
    #[error("There is no moment to measure: the run ended before its first step.")]
    NoMoment,
}

/// How much to measure, and when to stop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Standard error of the mean step, relative to it, that is small enough.
    pub standard_error: f64,
    /// Cycles of measured steps, after which no further moment is begun.
    pub cycles: u64,
    /// Stored samples that a measured step replays, in whole batches.
    pub replayed: u32,
    /// Moments that are also looked at call by call.
    pub profiled: usize,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            standard_error: 0.005,
            cycles: 600_000_000,
            replayed: 8,
            profiled: 2,
        }
    }
}

/// What is known of all steps of the run that the moments are from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stretch {
    /// Mean density of their samples, see [`density`](crate::moment::density).
    pub density: f64,
    /// Mean updates a step.
    pub updates: f64,
    /// Updates of the first step.
    pub first: f64,
    /// Updates of a step with a full buffer.
    pub full: f64,
}

/// What a Program costs on a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What was counted.
    pub unit: Unit,
    /// Of a prediction, the mean.
    pub infer: f64,
    /// Of a learning step, the mean over the run; 0 where the Program learns nothing.
    pub learn: f64,
    /// Standard error of that mean, relative to it, from sampling alone; `None` from a single step, which says nothing of it.
    pub standard_error: Option<f64>,
    /// Of the first step of the run.
    pub first: f64,
    /// Of a step with a full buffer.
    pub full: f64,
    /// By kernel, in the mean prediction and in the mean learning step.
    pub calls: Vec<CallCost>,
    /// Steps that were measured.
    pub steps: u32,
    /// What the firmware took for itself.
    pub firmware: Footprint,
}

/// What a firmware takes for itself, as it says: the Program and its arena aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Most bytes of stack that it used in all that was measured.
    pub stack_bytes: u32,
    /// Bytes of RAM for static variables and the link's buffers.
    pub statics_bytes: u32,
    /// Bytes of flash for code and constants.
    pub code_bytes: u32,
}

/// What the calls of one kernel cost in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallCost {
    /// In a learning step, or in a prediction.
    pub learns: bool,
    /// The kernel.
    pub kernel: String,
    /// Calls a step.
    pub calls: f64,
    /// Cycles a step, all calls together.
    pub cycles: f64,
}

/// Measures what `recording` holds. `tick` is told of every moment that is done.
///
/// # Errors
/// [`Error`].
pub fn measure(
    target: &Target,
    recording: &Recording,
    limit: Limit,
    tick: &mut dyn FnMut(),
) -> Result<Measured, Error> {
    let (moments, stretch) = (&recording.moments, &recording.stretch);
    if moments.is_empty() {
        return Err(Error::NoMoment);
    }
    // The image is read in place, so it has to lie aligned.
    let words = aligned(&recording.image);
    let program = Program::load(runtime_shared::machine::bytes(&words)).map_err(Error::Program)?;
    let program = &program;
    let variant = Variant::of(program);
    let mut bench = Bench {
        remote: target.start(&variant.bytes())?,
        program,
        variant,
        protocol: recording.protocol,
        infer: Vec::new(),
        alone: Vec::new(),
        each: Vec::new(),
        calls: BTreeMap::new(),
        cycles: 0,
        steps: 0,
        most: limit.replayed.max(1),
    };
    for (done, &index) in spread(moments.len()).iter().enumerate() {
        bench.moment(&moments[index], index as u64, done < limit.profiled)?;
        tick();
        let figures = bench.figures(stretch);
        let exact = figures.learn.standard_error <= limit.standard_error * figures.learn.value;
        if done + 1 >= FEWEST && exact || bench.cycles >= limit.cycles {
            break;
        }
    }
    bench.result(target.unit(), stretch)
}

/// `0..count` in an order that is spread over the whole range from the start: by their bits, reversed (van der Corput).
fn spread(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| i.reverse_bits());
    order
}

/// A learner on the target and what was measured of it.
struct Bench<'p, 'i> {
    remote: RemoteLearner<Box<dyn Transport>>,
    program: &'p Program<'i>,
    variant: Variant,
    protocol: Protocol,
    /// Predictions.
    infer: Vec<Point>,
    /// The shortest steps: those that replay their own sample, and what else makes a batch.
    alone: Vec<Point>,
    /// What each replayed sample adds, with its density less that of all that were stored.
    each: Vec<Point>,
    /// Runs and cycles of every call.
    calls: BTreeMap<(List, usize), (u64, u64)>,
    /// Cycles of all measured steps.
    cycles: u64,
    steps: u32,
    /// Stored samples that a step replays at most.
    most: u32,
}

/// Estimates.
struct Figures {
    infer: f64,
    /// Of a step that makes so many updates.
    first: f64,
    full: f64,
    /// Over the run.
    learn: Mean,
}

impl Bench<'_, '_> {
    fn moment(&mut self, moment: &Moment, seed: u64, profile: bool) -> Result<(), Error> {
        if self.protocol == Protocol::Train {
            return self.trains(moment, profile);
        }
        let chosen = |slots| Chosen { slots, seed };
        for step in &moment.steps {
            let density = density(&step.sample);
            let base = self.base();
            self.restore(&moment.arena, chosen(base))?;
            let (_, cycles) = self.remote.infer(&step.sample)?;
            self.infer.push(self.point(density, cycles));
            self.cycles += u64::from(cycles);
            if self.program.count(List::Learn) == 0 || load(&moment.arena).stored < base {
                continue;
            }
            let alone = self.remote.learn(&step.sample, step.label)?.cycles;
            self.alone.push(self.point(density, alone));
            self.cycles += u64::from(alone);
            self.steps += 1;
            let slots = self.replayed(&moment.arena);
            let mut more = alone;
            if slots > 0 {
                let stored = self.restore(&moment.arena, chosen(base + slots))?;
                more = self.remote.learn(&step.sample, step.label)?.cycles;
                let each = (f64::from(more) - f64::from(alone)) / f64::from(slots);
                self.each.push(Point {
                    density: stored.chosen - stored.all,
                    value: each,
                });
                self.steps += 1;
            }
            self.cycles += u64::from(more);
            if profile {
                self.restore(&moment.arena, chosen(base + slots))?;
                self.remote.count_cycles(true)?;
                self.remote.learn(&step.sample, step.label)?;
                self.add_calls()?;
            }
        }
        Ok(())
    }

    /// Updates from raw samples, one after the other.
    fn trains(&mut self, moment: &Moment, profile: bool) -> Result<(), Error> {
        let none = Chosen { slots: 0, seed: 0 };
        for (first, step) in moment.steps.iter().enumerate() {
            if first == 0 {
                self.restore(&moment.arena, none)?;
                let (_, cycles) = self.remote.infer(&step.sample)?;
                self.infer.push(self.point(density(&step.sample), cycles));
                self.cycles += u64::from(cycles);
            }
            let cycles = self.remote.train(&step.sample, step.label)?.cycles;
            self.alone.push(self.point(density(&step.sample), cycles));
            self.cycles += u64::from(cycles);
            self.steps += 1;
        }
        if profile && let Some(step) = moment.steps.first() {
            self.remote.count_cycles(true)?;
            self.remote.infer(&step.sample)?;
            self.remote.train(&step.sample, step.label)?;
            self.add_calls()?;
        }
        Ok(())
    }

    fn restore(&mut self, arena: &[u8], chosen: Chosen) -> Result<Stored, Error> {
        let (arena, stored) = self.variant.arena(self.program, arena, chosen);
        self.remote.restore(&arena, unused(self.program, &arena))?;
        Ok(stored)
    }

    fn point(&self, density: f64, cycles: u32) -> Point {
        Point {
            density,
            value: f64::from(cycles),
        }
    }

    /// How many stored samples the shortest measured step replays: those that make a batch with its own, so that one update is applied
    /// in it as in any other batch.
    fn base(&self) -> u32 {
        let batch = self.program.get(Field::Batch).max(1);
        let stores = policy(self.program) != Policy::None;
        if stores && self.program.get(Field::BufferSlots) >= batch {
            batch - 1
        } else {
            0
        }
    }

    /// How many more a step from `arena` is made to replay: whole batches, and one slot is left for the new sample.
    fn replayed(&self, arena: &[u8]) -> u32 {
        if policy(self.program) == Policy::None {
            return 0;
        }
        let batch = self.program.get(Field::Batch).max(1);
        let slots = self.program.get(Field::BufferSlots).saturating_sub(1);
        let there = load(arena).stored.min(slots).saturating_sub(self.base());
        self.most.next_multiple_of(batch).min(there) / batch * batch
    }

    fn add_calls(&mut self) -> Result<(), Error> {
        for CallCycles { list, call, entry } in self.remote.profile()? {
            let sum = self.calls.entry((list, call)).or_insert((0, 0));
            sum.0 += u64::from(entry.runs);
            sum.1 += entry.cycles;
        }
        self.remote.count_cycles(false)?;
        Ok(())
    }

    /// Updates of the shortest measured step.
    fn own(&self) -> f64 {
        match (self.protocol, policy(self.program)) {
            (Protocol::Learn, Policy::None) => f64::from(self.program.get(Field::Passes)),
            _ => f64::from(self.base() + 1),
        }
    }

    fn figures(&self, stretch: &Stretch) -> Figures {
        let infer = mean(&self.infer, stretch.density).value;
        let alone = mean(&self.alone, stretch.density);
        let own = self.own();
        // Where no more is stored, an update is what a step takes beyond its prediction.
        let each = if self.each.is_empty() {
            Mean {
                value: (alone.value - infer) / own,
                standard_error: 0.0,
            }
        } else {
            mean(&self.each, 0.0)
        };
        let step = |updates: f64| alone.value + (updates - own) * each.value;
        let spread = (stretch.updates - own) * each.standard_error;
        Figures {
            infer,
            first: step(stretch.first),
            full: step(stretch.full),
            learn: Mean {
                value: step(stretch.updates),
                // Without further updates their error is no matter, even where it is infinite.
                standard_error: if stretch.updates == own {
                    alone.standard_error
                } else {
                    alone.standard_error.hypot(spread)
                },
            },
        }
    }

    fn result(mut self, unit: Unit, stretch: &Stretch) -> Result<Measured, Error> {
        let learns = self.program.count(List::Learn) > 0;
        let figures = self.figures(stretch);
        let calls = self.by_kernel(stretch);
        let (learn, first, full) = if learns {
            (figures.learn.value, figures.first, figures.full)
        } else {
            (0.0, 0.0, 0.0)
        };
        Ok(Measured {
            unit,
            infer: figures.infer,
            learn,
            standard_error: Some(figures.learn.standard_error / learn).filter(|e| e.is_finite()),
            first,
            full,
            calls,
            steps: self.steps,
            firmware: self.footprint()?,
        })
    }

    fn footprint(&mut self) -> Result<Footprint, Error> {
        let stack_bytes = self.remote.stack_used()?;
        let greeting = self.remote.greeting();
        Ok(Footprint {
            stack_bytes,
            statics_bytes: greeting.static_bytes + greeting.link_bytes,
            code_bytes: greeting.flash_bytes,
        })
    }

    /// Calls by kernel: those of a prediction, and those of a step with the run's mean number of updates.
    fn by_kernel(&self, stretch: &Stretch) -> Vec<CallCost> {
        let mut kernels: BTreeMap<(bool, &str), (f64, f64)> = BTreeMap::new();
        let updates_seen = self.runs(List::Learn);
        for (&(list, index), &(runs, cycles)) in &self.calls {
            let Some(call) = self.program.call(list, index).filter(|_| runs > 0) else {
                continue;
            };
            let name = call.kernel.name();
            let mut add = |learns, calls: f64| {
                let sum = kernels.entry((learns, name)).or_insert((0.0, 0.0));
                sum.0 += calls;
                sum.1 += calls * cycles as f64 / runs as f64;
            };
            match list {
                List::Infer => {
                    add(false, 1.0);
                    if self.protocol == Protocol::Learn && updates_seen > 0 {
                        add(true, 1.0);
                    }
                }
                List::Learn => add(true, stretch.updates),
                List::Apply => {
                    add(
                        true,
                        stretch.updates * runs as f64 / updates_seen.max(1) as f64,
                    );
                }
            }
        }
        let costs = kernels.into_iter();
        costs
            .map(|((learns, kernel), (calls, cycles))| CallCost {
                learns,
                kernel: kernel.to_owned(),
                calls,
                cycles,
            })
            .collect()
    }

    /// How often the first call of `list` ran.
    fn runs(&self, list: List) -> u64 {
        self.calls.get(&(list, 0)).map_or(0, |sum| sum.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_taken_from_the_whole_run_from_the_start() {
        let order = spread(12);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..12).collect::<Vec<_>>());
        assert!(
            order[..2].contains(&0) && order[..2].contains(&8),
            "{order:?}"
        );
    }
}
