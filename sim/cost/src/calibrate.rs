//! Calibration: measures the grid on a device that counts cycles, fits, and measures what was not fitted.

use crate::bench::{self, Case};
use crate::counters::{Counters, skips};
use crate::fit::{Point, fit, predict};
use crate::grid;
use crate::price::{LEARNER, is_constant, price};
use crate::trips::{self, Activity, SURPRISE};
use crate::waiting::fit_waiting;
use crate::workload::{self, WARM_UP, Workload};
use runtime_shared::program::{Kernel, List};
use runtime_shared::protocol::Job;
use runtime_shared::rng::Rng;
use sim_compiler::Image;
use sim_mcu::Placement;
use sim_mcu::cost::{FitError, KernelCost, Table};
use std::collections::BTreeMap;

/// What a call took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// The list.
    pub list: List,
    /// How often it ran.
    pub runs: u32,
    /// Inputs that it did not skip, over all runs.
    pub active: u64,
    /// Cycles over all runs.
    pub cycles: u64,
}

/// What a device is to do with drawn samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// With each.
    pub job: Job,
    /// Samples before those that count, drawn from [`workload::WARM_UP_SEED`]: caches and what foresees branches are then as in
    /// the midst of a training.
    pub warm_up: u32,
    /// Samples that count, drawn from [`workload::SEED`].
    pub samples: u32,
    /// Whether to give the cycles of each call: to look at calls takes time itself.
    pub profile: bool,
}

/// A device that counts cycles: the firmware in an emulator, or on a board.
pub trait Meter {
    /// Why it could not.
    type Error;

    /// Starts `image` from flash, does `task`, and gives the cycles of all samples that count, and of each call where that is
    /// asked for.
    ///
    /// # Errors
    /// What the device says.
    fn run(&mut self, image: &Image, task: Task) -> Result<(u64, Vec<Measured>), Self::Error>;
}

/// Memory that a device has for Programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes for arena, sample and profile.
    pub ram: usize,
    /// Bytes for an image.
    pub flash: usize,
}

/// Why a calibration stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The device failed.
    #[error(transparent)]
    Device(E),
    /// A call of the grid is too large for the device.
    #[error("A call of the kernel {kernel} does not fit into the device.")]
    Room {
        /// The kernel.
        kernel: &'static str,
    },
    /// The device did not answer with as many calls as the image has.
    #[error("The device counted the cycles of {found} calls, where the image has {expected}.")]
    Calls {
        /// Calls it counted.
        found: usize,
        /// Calls there are.
        expected: usize,
    },
    /// A network of the test could not be run on the host.
    #[error("{name} does not run on the host: {why}.")]
    Workload {
        /// The network.
        name: &'static str,
        /// What the compiler or the learner says.
        why: String,
    },
    /// The fit lacks what a network needs.
    #[error(transparent)]
    Cost(#[from] sim_mcu::Error),
}

/// Memory for an image of the grid, at most: so much that all boards of a core are measured by the same images.
const GRID: Room = Room {
    ram: 64 << 10,
    flash: 192 << 10,
};
/// Calls of a kernel that are fitted; where memory makes them wait they are pulled to what others found, and fewer do.
const FITTED: usize = 480;
const FITTED_WAITING: usize = 240;
/// Calls of a kernel that are held out.
const HELD_OUT: usize = 120;
/// Seed of the grid that is fitted.
pub const FITTED_SEED: u64 = 1;
/// Seed of the grid that is held out, unless another is asked for.
pub const HELD_OUT_SEED: u64 = 2;

/// How a whole step was predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The network.
    pub name: &'static str,
    /// Cycles of its samples, measured.
    pub measured: f64,
    /// Predicted.
    pub predicted: f64,
}

impl Step {
    /// The relative error of the prediction.
    pub fn error(&self) -> f64 {
        self.predicted / self.measured - 1.0
    }
}

/// What is measured, and where.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'c> {
    /// The core's table with memory that never stalls, if this memory does: kernels are then measured with constants in either, and with
    /// other kernels in between.
    pub core: Option<&'c Table>,
    /// Whether the core foresees branches, so that those count which it does not.
    pub foresees: bool,
    /// The seed that draws the calls which the errors are of.
    pub held_out: u64,
}

/// Measures and fits every kernel on `meter`. Calls `tell` with each kernel's name before it.
///
/// # Errors
/// [`Error`]; [`Error::Room`] where `room` is too small for the grid.
pub fn calibrate<M: Meter>(
    meter: &mut M,
    room: Room,
    conditions: Conditions<'_>,
    tell: &mut dyn FnMut(&'static str),
) -> Result<(Table, Vec<Step>), Error<M::Error>> {
    let grid = Room {
        ram: room.ram.min(GRID.ram),
        flash: room.flash.min(GRID.flash),
    };
    let mut table = Table::default();
    for &kernel in Kernel::ALL {
        tell(kernel.name());
        let cost = kernel_cost(meter, kernel, Placement::Ram, grid, conditions)?;
        table.kernels.insert(kernel.name().to_owned(), cost);
        if conditions.core.is_some() && (0..3).any(|operand| is_constant(kernel, operand)) {
            let cost = kernel_cost(meter, kernel, Placement::Flash, grid, conditions)?;
            table.flash.insert(kernel.name().to_owned(), cost);
        }
    }
    tell(LEARNER);
    let learner = learner_cost(meter, room)?;
    table.kernels.insert(LEARNER.to_owned(), learner);
    let mut steps = Vec::new();
    for workload in workload::known() {
        tell(workload.name);
        let Some(run) = train(meter, &workload, room, false)? else {
            continue;
        };
        let cost = price(&run.compiled.program(), &run.counters, &table)?;
        steps.push(Step {
            name: workload.name,
            measured: run.cycles as f64,
            predicted: cost.train_cycles() * run.counters.samples as f64,
        });
    }
    let errors: Vec<f64> = steps.iter().map(Step::error).collect();
    table.steps = FitError::of(&errors).unwrap_or_default();
    Ok((table, steps))
}

fn kernel_cost<M: Meter>(
    meter: &mut M,
    kernel: Kernel,
    placement: Placement,
    room: Room,
    conditions: Conditions<'_>,
) -> Result<KernelCost, Error<M::Error>> {
    let mut points = |seed: u64, count: usize| -> Result<Vec<Point>, Error<M::Error>> {
        let mut rng = Rng::for_purpose(seed, kernel as u64);
        let mut all = grid::cases(kernel, count, &mut rng);
        if conditions.core.is_some() {
            all = grid::among_others(&all);
        }
        let mut points = measure(meter, kernel, &all, placement, room, seed)?;
        if !conditions.foresees {
            points.iter_mut().for_each(|p| p.trips.forget(SURPRISE));
        }
        Ok(points)
    };
    let cycles = match conditions.core {
        Some(core) => {
            let kernel = core.kernels.get(kernel.name());
            fit_waiting(
                &points(FITTED_SEED, FITTED_WAITING)?,
                &kernel.map(|k| k.cycles.clone()).unwrap_or_default(),
            )
        }
        None => fit(&points(FITTED_SEED, FITTED)?),
    };
    let mut errors = Vec::new();
    for point in points(conditions.held_out, HELD_OUT)? {
        // A call with a loop that the fit's grid never entered is priced as nothing, so that it stands out.
        let predicted = predict(&cycles, &point.trips).unwrap_or(0.0);
        errors.push(predicted / point.cycles - 1.0);
    }
    Ok(KernelCost {
        error: FitError::of(&errors).unwrap_or_default(),
        cycles,
    })
}

/// The cycles of those of `cases` that are calls of `kernel`.
fn measure<M: Meter>(
    meter: &mut M,
    kernel: Kernel,
    cases: &[Case],
    placement: Placement,
    room: Room,
    seed: u64,
) -> Result<Vec<Point>, Error<M::Error>> {
    let kernel_name = kernel.name();
    let benches =
        bench::images(cases, placement, room.ram, room.flash, seed).map_err(|_| Error::Room {
            kernel: kernel_name,
        })?;
    let mut points: Vec<(usize, Point)> = Vec::new();
    for bench in benches {
        let task = Task {
            job: Job::Train,
            warm_up: 0,
            samples: 1,
            profile: true,
        };
        let (_, calls) = meter.run(&bench.image, task).map_err(Error::Device)?;
        let calls: Vec<_> = calls.iter().filter(|c| c.list == List::Learn).collect();
        if calls.len() != bench.cases.len() {
            return Err(Error::Calls {
                found: calls.len(),
                expected: bench.cases.len(),
            });
        }
        for (call, placed) in calls.into_iter().zip(bench.cases) {
            let case = &cases[placed.index];
            if case.call.kernel != kernel {
                continue;
            }
            let activity = Activity {
                active: skips(kernel).then_some(call.active as f64),
                data: Some(placed.data),
            };
            let trips = trips::of(&placed.call, case.update, &activity);
            let cycles = call.cycles as f64;
            points.push((placed.index, Point { trips, cycles }));
        }
    }
    // Images hold what shares constants, not what was drawn together.
    points.sort_by_key(|(index, _)| *index);
    Ok(points.into_iter().map(|(_, point)| point).collect())
}

/// A network's run.
struct Run {
    compiled: sim_compiler::Compiled,
    counters: Counters,
    cycles: u64,
    calls: Vec<Measured>,
}

/// Trains `workload` on the host and on the device; nothing where it does not fit.
fn train<M: Meter>(
    meter: &mut M,
    workload: &Workload,
    room: Room,
    profile: bool,
) -> Result<Option<Run>, Error<M::Error>> {
    let fails = |why: String| Error::Workload {
        name: workload.name,
        why,
    };
    let compiled = workload.compile().map_err(fails)?;
    let counters = workload
        .count(&compiled)
        .map_err(|e| fails(format!("{e:?}")))?;
    let program = compiled.program();
    let calls: usize = [List::Infer, List::Learn, List::Apply]
        .map(|list| program.count(list))
        .iter()
        .sum();
    let sample = program.size(runtime_shared::program::Field::SampleBytes);
    // Each call has an entry in the profile.
    let ram = compiled.arena_bytes() + sample.next_multiple_of(4) + 20 * calls;
    if ram > room.ram || compiled.image.len() > room.flash {
        return Ok(None);
    }
    let task = Task {
        job: workload.job(),
        warm_up: WARM_UP,
        samples: workload.samples,
        profile,
    };
    let (cycles, calls) = meter.run(&compiled.image, task).map_err(Error::Device)?;
    Ok(Some(Run {
        compiled,
        counters,
        cycles,
        calls,
    }))
}

/// The learner's own work: what a step takes beyond its calls.
fn learner_cost<M: Meter>(meter: &mut M, room: Room) -> Result<KernelCost, Error<M::Error>> {
    let mut points = Vec::new();
    for workload in workload::small() {
        let alone = train(meter, &workload, room, false)?;
        let Some((run, profiled)) = alone.zip(train(meter, &workload, room, true)?) else {
            continue;
        };
        let calls: u64 = profiled.calls.iter().map(|call| call.cycles).sum();
        points.push(Point {
            trips: trips::learning(&run.compiled.program(), &run.counters),
            cycles: run.cycles as f64 - calls as f64,
        });
    }
    // Every other one is held out.
    let half = |odd: usize| -> Vec<Point> {
        let chosen = points.iter().skip(odd).step_by(2);
        chosen.cloned().collect()
    };
    let cycles = fit(&half(0));
    let errors: Vec<f64> = half(1)
        .iter()
        .map(|point| predict(&cycles, &point.trips).unwrap_or(0.0) / point.cycles - 1.0)
        .collect();
    let mut cycles: BTreeMap<String, f64> = cycles;
    // What no small network does is not a kernel's work either.
    for name in ["sample", "infer", "update", "batch", "dispatch", "stored"] {
        cycles.entry(name.to_owned()).or_insert(0.0);
    }
    Ok(KernelCost {
        error: FitError::of(&errors).unwrap_or_default(),
        cycles,
    })
}
