//! One strategy on both sides, step by step.

use super::bench::Bench;
use crate::config::{Protocol, Strategy};
use crate::data::Prepared;
use crate::failure::Failure;
use crate::job;
use crate::progress::Progress;
use experiments::scenario::Describe;
use experiments::scenario::driver::Samples;
use runtime_shared::learner::Learner;
use runtime_shared::program::{Program, crc32};
use serde::Serialize;
use sim_compiler::Compiled;
use sim_device::{CallCycles, DeviceStep, Emulated, Patience, RemoteLearner, Transport};
use std::borrow::Cow;
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
    /// Cycles that the device counted, over the steps that it did.
    pub cycles_counted: Option<u64>,
    /// Cycles that the emulator counts of the same steps; `None` where it is the device itself, or has no table of the core.
    pub cycles_predicted: Option<u64>,
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
    /// Cycles that the emulator counts.
    pub predicted: Option<u64>,
}

/// Cycles of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StepCycles {
    /// The step, from 0.
    pub step: usize,
    /// Cycles that the device counted.
    pub counted: Option<u64>,
    /// Cycles that the emulator counts.
    pub predicted: Option<u64>,
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

/// The steps that are compared.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// How many.
    pub count: usize,
    /// Whether none is looked at call by call.
    pub whole: bool,
}

/// A learner on a device, with what is done to it at every step.
struct Side<T> {
    remote: RemoteLearner<T>,
    counts: bool,
}

impl<T: Transport> Side<T> {
    fn start(transport: T, image: &[u8], counts: bool, flashed: bool) -> Result<Self, Failure> {
        let mut remote = RemoteLearner::connect(transport, Patience::default())?;
        if flashed {
            remote.start_flashed(image)?;
        } else {
            remote.load(image)?;
        }
        Ok(Self { remote, counts })
    }

    /// Learns a sample. The calls of a step that is looked at are counted one by one.
    fn step(
        &mut self,
        sample: &[u8],
        label: usize,
        streams: bool,
        look: bool,
    ) -> Result<(DeviceStep, Vec<CallCycles>), Failure> {
        if self.counts {
            // Clears the profile.
            self.remote.count_cycles(look)?;
        }
        let done = if streams {
            self.remote.learn(sample, label)?
        } else {
            self.remote.train(sample, label)?
        };
        let calls = if look && self.counts {
            self.remote.profile()?
        } else {
            Vec::new()
        };
        Ok((done, calls))
    }

    /// The cycles of a step, where they mean anything and nothing was looked at in it.
    fn cycles(&self, done: &DeviceStep, look: bool) -> Option<u64> {
        (self.counts && !look).then(|| u64::from(done.cycles))
    }
}

impl Case<'_> {
    /// Makes `steps` on both sides; ends at the first step after which they differ. The emulator does the same steps
    /// beside the device, where `emulated` is one.
    ///
    /// # Errors
    /// [`Failure::Core`] of the host's side, [`Failure::Device`] of the device's.
    pub fn compare<T: Transport>(
        &self,
        transport: T,
        emulated: Option<Emulated>,
        steps: Steps,
        progress: &Progress,
    ) -> Result<Comparison, Failure> {
        let program = self.compiled.program();
        let refused = |e| Failure::Core(format!("{e:?}"));
        let mut arena = vec![0u32; self.compiled.arena_bytes().div_ceil(4)];
        let mut native =
            Learner::new(program, bytemuck::cast_slice_mut(&mut arena)).map_err(refused)?;
        let image = self.compiled.image.bytes();
        let mut device = Side::start(
            transport,
            image,
            self.bench.counts_cycles(),
            self.bench.has_program(),
        )?;
        self.bench.recognise(device.remote.greeting())?;
        let mut emulated = emulated
            .map(|transport| Side::start(transport, image, true, false))
            .transpose()?;

        let split = self.data.split(self.seed)?;
        let sources = job::sources(self.data, &split.validation);
        let scenario = self.protocol.scenario();
        let plan = scenario
            .map(|s| s.plan(&sources, self.seed))
            .unwrap_or_default();
        let stream = Samples::new(&plan, sources.stream, self.seed);
        let order = match self.protocol {
            Protocol::FromScratch(protocol) => protocol.order(&split.train, self.seed),
            Protocol::Scenario(_) => Vec::new(),
        };
        let image = |&i: &usize| {
            let label = usize::from(sources.stream.label(i));
            (Cow::Borrowed(sources.stream.image(i)), label)
        };
        let streams = scenario.is_some();
        let sample = |step| match streams {
            true => stream.get(step),
            false => order.get(step).map(image),
        };
        let mut kernels = Kernels::default();
        let mut per_step = Vec::new();
        let length = order.len().max(plan.events.len()).min(steps.count);
        let task = progress.task(&self.strategy.name, length as u64);
        for (step, (sample, label)) in (0..length).map_while(|step| Some((step, sample(step)?))) {
            let sample = sample.as_ref();
            let look = !steps.whole && step.is_multiple_of(LOOKED_AT);
            if streams {
                native.learn(sample, label, &mut ()).map_err(refused)?;
            } else {
                native.train(sample, label, &mut ()).map_err(refused)?;
            }
            let (done, calls) = device.step(sample, label, streams, look)?;
            kernels.add(&program, &calls, |row| &mut row.counted, true);
            let uncounted = calls.is_empty();
            let counted = device.cycles(&done, look);
            let mut predicted = None;
            if let Some(emulated) = &mut emulated {
                let (done, calls) = emulated.step(sample, label, streams, look)?;
                kernels.add(&program, &calls, |row| &mut row.predicted, uncounted);
                predicted = emulated.cycles(&done, look);
            }
            let same_bits = device.remote.digest()? == crc32(&[native.arena()]);
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
        let weights = weights(&native, &device.remote.parameters()?);
        let stack = Stack {
            used: device.remote.stack_used()?,
            bytes: device.remote.greeting().stack_bytes,
        };
        // Of steps of which there is no figure there is no sum.
        let sum = |figure: fn(&StepCycles) -> Option<u64>| {
            let figures: Vec<u64> = per_step.iter().filter_map(figure).collect();
            (!figures.is_empty()).then(|| figures.iter().sum())
        };
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
            repeats: device.remote.trouble().repeats,
            cycles_counted: sum(|step| step.counted),
            cycles_predicted: sum(|step| step.predicted),
            kernels: kernels.0.into_values().collect(),
            per_step,
        })
    }
}

/// Cycles by kernel, over the steps that were looked at.
#[derive(Default)]
struct Kernels(BTreeMap<&'static str, KernelCycles>);

impl Kernels {
    /// Adds the cycles of a step's calls to the figure that `which` names, and the calls themselves where they are to be `counted`.
    fn add(
        &mut self,
        program: &Program<'_>,
        calls: &[CallCycles],
        which: fn(&mut KernelCycles) -> &mut Option<u64>,
        counted: bool,
    ) {
        for cycles in calls.iter().filter(|c| c.entry.runs > 0) {
            let Some(call) = program.call(cycles.list, cycles.call) else {
                continue;
            };
            let name = call.kernel.name();
            let row = self.0.entry(name).or_insert_with(|| KernelCycles {
                kernel: name.to_owned(),
                ..KernelCycles::default()
            });
            if counted {
                row.calls += u64::from(cycles.entry.runs);
            }
            *which(row).get_or_insert(0) += cycles.entry.cycles;
        }
    }
}

/// Compares the weights that came back with the host's.
fn weights(native: &Learner<'_>, theirs: &[Vec<u8>]) -> Weights {
    let mut weights = Weights::default();
    for (index, theirs) in theirs.iter().enumerate() {
        let ours = native.parameter_bytes(index).unwrap_or(&[]);
        let element = native.program().parameter(index).map(|p| p.element);
        let size = element.map_or(4, |element| element.bytes(1));
        let pairs = ours.chunks(size).zip(theirs.chunks(size));
        let same = pairs.filter(|(a, b)| a == b).count();
        weights.differ += theirs.len() / size - same;
        weights.read += theirs.len() / size;
    }
    weights
}
