//! The learner: a Program and one block of RAM, learning from one sample at a time.
//!
//! For each sample: predict, tell the drift detector whether that was right, offer the sample to the
//! replay buffer, and, when the trigger fires, pass over the buffer.

use crate::buffer::{Buffer, CLASS_COUNT_BYTES, Policy};
use crate::detector::Verdict;
use crate::exec::{self, Fault, Probe};
use crate::kernels::loss::predict_above;
use crate::kernels::routine::Context;
use crate::kernels::update::Hyper;
use crate::program::{Element, Field, List, Program};
use crate::schedule::{Schedule, ScheduleKind};
use crate::state::State;
use crate::{machine, math};

crate::kernels::codes! {
    /// What starts a pass over the buffer, by its number in images.
    pub enum TriggerKind {
        /// Every sample.
        EverySample = 0,
        /// Every so many samples.
        Every = 1,
        /// A prediction of lower probability.
        ConfidenceBelow = 2,
        /// So many samples from each detected drift on.
        AfterDrift = 3,
    }
}

/// Why a learner refuses what it was given, or stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The arena is smaller than the Program asks for.
    ArenaTooSmall {
        /// Bytes asked for.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// The arena does not start at a multiple of four.
    ArenaMisaligned,
    /// The arena holds the state of another Program, or none.
    ForeignArena,
    /// A sample, features or a parameter tensor have the wrong length.
    Length {
        /// Bytes that were expected; floats where floats were given.
        expected: usize,
        /// What was given.
        given: usize,
    },
    /// A label that the network has no output for.
    Label {
        /// Labels are below this.
        classes: usize,
        /// What was given.
        given: usize,
    },
    /// The Program learns nothing, or learns from stored features only.
    NotTrainable,
    /// A kernel call failed.
    Fault(Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::Fault(fault)
    }
}

/// What one supervised update did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The class predicted before the update.
    pub prediction: usize,
    /// The loss before the update.
    pub loss: f32,
}

/// What one sample did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The class predicted before learning.
    pub prediction: usize,
    /// Mean loss of the samples replayed, before their updates; not a number where none was.
    pub loss: f32,
    /// Samples replayed.
    pub replayed: u32,
    /// Samples in the buffer now.
    pub stored: u32,
    /// Whether the detector fired on this sample.
    pub drift: bool,
}

/// A Program at work in an arena.
pub struct Learner<'a> {
    program: Program<'a>,
    arena: &'a mut [u8],
}

impl<'a> Learner<'a> {
    /// Starts anew: clears the arena, copies the trained parameters from the image, seeds the generator.
    ///
    /// # Errors
    /// [`Error::ArenaTooSmall`], [`Error::ArenaMisaligned`].
    pub fn new(program: Program<'a>, arena: &'a mut [u8]) -> Result<Self, Error> {
        let mut learner = Self::attach(program, arena)?;
        learner.reset();
        Ok(learner)
    }

    /// Goes on where an arena was left.
    ///
    /// # Errors
    /// As [`Learner::new`], and [`Error::ForeignArena`] where the arena was not left by this Program.
    pub fn resume(program: Program<'a>, arena: &'a mut [u8]) -> Result<Self, Error> {
        let mut learner = Self::attach(program, arena)?;
        learner.check_arena()?;
        Ok(learner)
    }

    /// Whether the arena is one that this Program left: its state belongs to the Program, and what is stored can be learnt from.
    ///
    /// # Errors
    /// [`Error::ForeignArena`].
    pub fn check_arena(&mut self) -> Result<(), Error> {
        let program = self.program;
        let state = self.state();
        let slots = match self.program.policy() {
            Policy::None => 0,
            _ => program.get(Field::BufferSlots),
        };
        let end = work_end(&program);
        let buffer = Buffer::new(&program, &mut self.arena[end..], end);
        let sound = state.program == program.get(Field::Checksum)
            && state.stored <= slots
            && (state.head < slots.max(1))
            && state.accumulated < program.get(Field::Batch)
            && (0..state.stored as usize).all(|slot| buffer.get(slot).1 < program.classes());
        if sound {
            Ok(())
        } else {
            Err(Error::ForeignArena)
        }
    }

    fn attach(program: Program<'a>, arena: &'a mut [u8]) -> Result<Self, Error> {
        let (needed, given) = (program.size(Field::ArenaBytes), arena.len());
        if given < needed {
            return Err(Error::ArenaTooSmall { needed, given });
        }
        if !machine::is_aligned(arena) {
            return Err(Error::ArenaMisaligned);
        }
        Ok(Self {
            program,
            arena: &mut arena[..needed],
        })
    }

    /// Back to the initial parameters, an empty buffer and the first random number.
    pub fn reset(&mut self) {
        self.arena.fill(0);
        for i in 0..self.program.size(Field::ParameterCount) {
            if let Some(p) = self.program.parameter(i) {
                let from = &self.program.image()[p.rom..p.rom + p.bytes];
                self.arena[p.ram..p.ram + p.bytes].copy_from_slice(from);
            }
        }
        let low = u64::from(self.program.get(Field::SeedLow));
        let high = u64::from(self.program.get(Field::SeedHigh));
        State::new(self.program.get(Field::Checksum), high << 32 | low).store(self.arena);
        if let Some(detector) = self.program.detector() {
            let at = self.program.size(Field::DetectorAt);
            let words = &mut self.arena[at..at + detector.words() * 4];
            detector.reset(machine::words_mut(words));
        }
    }

    /// The Program.
    pub fn program(&self) -> &Program<'a> {
        &self.program
    }

    /// What the learner remembers.
    pub fn state(&self) -> State {
        State::load(self.arena)
    }

    /// The whole arena, for snapshots.
    pub fn arena(&self) -> &[u8] {
        self.arena
    }

    /// The whole arena, to replace it by a snapshot. Call [`check_arena`](Self::check_arena) before anything else afterwards.
    pub fn arena_mut(&mut self) -> &mut [u8] {
        self.arena
    }

    /// Parameter tensor `index` as it is now, where it consists of floats.
    pub fn parameter(&self, index: usize) -> Option<&[f32]> {
        let p = self.program.parameter(index)?;
        (p.element == Element::F32).then(|| machine::floats(&self.arena[p.ram..p.ram + p.bytes]))
    }

    /// Parameter tensor `index` as it is now, of whatever type.
    pub fn parameter_bytes(&self, index: usize) -> Option<&[u8]> {
        let p = self.program.parameter(index)?;
        Some(&self.arena[p.ram..p.ram + p.bytes])
    }

    /// Replaces parameter tensor `index`, which consists of floats.
    ///
    /// # Errors
    /// [`Error::Length`] where `values` has another length, or there is no such tensor.
    pub fn set_parameter(&mut self, index: usize, values: &[f32]) -> Result<(), Error> {
        let expected = self.parameter(index).map_or(0, <[f32]>::len);
        if expected != values.len() || self.parameter(index).is_none() {
            return Err(Error::Length {
                expected,
                given: values.len(),
            });
        }
        self.set_parameter_bytes(index, machine::bytes(values))
    }

    /// Replaces parameter tensor `index`, of whatever type.
    ///
    /// # Errors
    /// [`Error::Length`] where `bytes` are not as many, or there is no such tensor.
    pub fn set_parameter_bytes(&mut self, index: usize, bytes: &[u8]) -> Result<(), Error> {
        let p = self.program.parameter(index);
        match p.filter(|p| p.bytes == bytes.len()) {
            Some(p) => {
                self.arena[p.ram..p.ram + p.bytes].copy_from_slice(bytes);
                Ok(())
            }
            None => Err(Error::Length {
                expected: p.map_or(0, |p| p.bytes),
                given: bytes.len(),
            }),
        }
    }

    /// Runs *infer* on a raw sample; gives the class with the highest output.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Fault`].
    pub fn infer<P: Probe>(&mut self, sample: &[u8], probe: &mut P) -> Result<usize, Error> {
        self.run_infer(sample, 0, self.program.count(List::Infer), probe)?;
        Ok(self.predict())
    }

    /// The outputs of the last inference, until the next call.
    pub fn outputs(&self) -> &[f32] {
        self.floats_at(Field::OutputsAt, self.program.size(Field::OutputCount))
    }

    /// Runs the frozen extractor alone; gives its features, of the type that the Program says (none where there is no
    /// extractor).
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Fault`].
    pub fn extract(&mut self, sample: &[u8]) -> Result<&[u8], Error> {
        self.run_infer(sample, 0, self.program.size(Field::ExtractCount), &mut ())?;
        let at = self.program.size(Field::FeaturesAt);
        let features = at..at + self.program.size(Field::FeatureBytes);
        Ok(self.arena.get(features).unwrap_or(&[]))
    }

    /// Runs what follows the frozen extractor on `features`, as [`extract`](Self::extract) gave them; gives the class.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Fault`].
    pub fn classify(&mut self, features: &[u8]) -> Result<usize, Error> {
        let expected = self.program.size(Field::FeatureBytes);
        // Without an extractor there is nothing to classify, and the place of the features is unchecked.
        if features.len() != expected || expected == 0 {
            return Err(Error::Length {
                expected,
                given: features.len(),
            });
        }
        let at = self.program.size(Field::FeaturesAt);
        self.arena[at..at + expected].copy_from_slice(features);
        let from = self.program.size(Field::ExtractCount);
        self.run_calls(&[], from, self.program.count(List::Infer), &mut ())?;
        Ok(self.predict())
    }

    /// One supervised update from a raw sample, past buffer, trigger and detector.
    ///
    /// # Errors
    /// [`Error::NotTrainable`] where nothing is trained or only stored features are learnt from.
    pub fn train<P: Probe>(
        &mut self,
        sample: &[u8],
        label: usize,
        probe: &mut P,
    ) -> Result<Update, Error> {
        self.check(sample, label)?;
        if self.program.count(List::Learn) == 0 || self.program.size(Field::FeatureBytes) > 0 {
            return Err(Error::NotTrainable);
        }
        let mut state = self.state();
        let (work, _) = self.arena.split_at_mut(work_end(&self.program));
        let result = update(&self.program, work, sample, label, &mut state, probe);
        state.store(self.arena);
        if result.is_err() {
            self.settle();
        }
        Ok(result?)
    }

    /// Predicts a labelled sample, then learns as the Program says.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Label`]; [`Error::Fault`] where the loss stops being a number, upon
    /// which all that was learnt before stays as it was.
    pub fn learn<P: Probe>(
        &mut self,
        sample: &[u8],
        label: usize,
        probe: &mut P,
    ) -> Result<Step, Error> {
        self.check(sample, label)?;
        let prediction = self.infer(sample, probe)?;
        let mut state = self.state();
        state.seen = state.seen.wrapping_add(1);
        let drift = self.detect(&mut state, prediction != label);
        let fires = self.triggers(&mut state, drift);
        let program = self.program;
        let end = work_end(&program);
        let (work, tail) = self.arena.split_at_mut(end);
        let mut buffer = Buffer::new(&program, tail, end);
        if drift {
            buffer.purge(&mut state, program.size(Field::PurgeKeep));
        }
        let features = program.size(Field::FeatureBytes);
        if features > 0 {
            let at = program.size(Field::FeaturesAt);
            buffer.admit(&mut state, &work[at..at + features], label);
        } else {
            buffer.admit(&mut state, sample, label);
        }
        let replayed = if fires && program.count(List::Learn) > 0 {
            let direct = (sample, label);
            replay(&program, work, &buffer, direct, &mut state, probe)
        } else {
            Ok((f32::NAN, 0))
        };
        let stored = state.stored;
        state.store(self.arena);
        if replayed.is_err() {
            self.settle();
        }
        let (loss, replayed) = replayed?;
        Ok(Step {
            prediction,
            loss,
            replayed,
            stored,
            drift,
        })
    }

    /// The class, from the outputs that were just computed.
    fn predict(&mut self) -> usize {
        if self.outputs().iter().any(|y| y.is_nan()) {
            self.settle();
        }
        let probabilities = self.program.get(Field::OutputsAreProbabilities) == 1;
        predict_above(self.outputs(), if probabilities { 0.5 } else { 0.0 })
    }

    /// Gives every float that is not a number the same bits on every machine. They are not numbers for good, since a
    /// loss that is none stops a step before any weight moves; but whoever compares two arenas compares bits.
    fn settle(&mut self) {
        let program = self.program;
        let integers = |at: usize| {
            (0..program.size(Field::ParameterCount)).any(|i| {
                let p = program.parameter(i);
                p.is_some_and(|p| {
                    p.element != Element::F32 && (p.ram..p.ram + p.bytes).contains(&at)
                })
            })
        };
        let start = program.size(Field::WorkAt);
        let work = &mut self.arena[start..work_end(&program)];
        for (i, x) in machine::floats_mut(work).iter_mut().enumerate() {
            if x.is_nan() && !integers(start + i * 4) {
                *x = f32::NAN;
            }
        }
    }

    fn check(&self, sample: &[u8], label: usize) -> Result<(), Error> {
        let classes = self.program.classes();
        if label >= classes {
            return Err(Error::Label {
                classes,
                given: label,
            });
        }
        let expected = self.program.size(Field::SampleBytes);
        if sample.len() != expected {
            return Err(Error::Length {
                expected,
                given: sample.len(),
            });
        }
        Ok(())
    }

    fn run_infer<P: Probe>(
        &mut self,
        sample: &[u8],
        from: usize,
        to: usize,
        probe: &mut P,
    ) -> Result<(), Error> {
        let expected = self.program.size(Field::SampleBytes);
        if sample.len() != expected {
            return Err(Error::Length {
                expected,
                given: sample.len(),
            });
        }
        self.run_calls(sample, from, to, probe)
    }

    fn run_calls<P: Probe>(
        &mut self,
        sample: &[u8],
        from: usize,
        to: usize,
        probe: &mut P,
    ) -> Result<(), Error> {
        let state = self.state();
        let mut context = context(&self.program, &state, 0);
        let (work, _) = self.arena.split_at_mut(work_end(&self.program));
        let result = exec::run(
            &self.program,
            List::Infer,
            from..to,
            work,
            sample,
            &mut context,
            probe,
        );
        if result.is_err() {
            self.settle();
        }
        Ok(result?)
    }

    fn floats_at(&self, field: Field, len: usize) -> &[f32] {
        let at = self.program.size(field);
        machine::floats(self.arena.get(at..at + len * 4).unwrap_or(&[]))
    }

    fn detect(&mut self, state: &mut State, wrong: bool) -> bool {
        let Some(detector) = self.program.detector() else {
            return false;
        };
        let at = self.program.size(Field::DetectorAt);
        let words = machine::words_mut(&mut self.arena[at..at + detector.words() * 4]);
        let verdict = detector.update(words, if wrong { 1.0 } else { 0.0 });
        let drift = verdict == Verdict::Drift;
        state.drifts = state.drifts.wrapping_add(u32::from(drift));
        drift
    }

    fn triggers(&self, state: &mut State, drift: bool) -> bool {
        let every = self.program.get(Field::TriggerEvery);
        match TriggerKind::from_code(self.program.get(Field::Trigger)) {
            Some(TriggerKind::Every) => {
                state.waiting = state.waiting.saturating_add(1);
                let fires = state.waiting >= every;
                if fires {
                    state.waiting = 0;
                }
                fires
            }
            Some(TriggerKind::ConfidenceBelow) => {
                self.confidence() < self.program.float(Field::TriggerConfidence)
            }
            Some(TriggerKind::AfterDrift) => {
                if drift {
                    state.waiting = every;
                }
                let fires = state.waiting > 0;
                state.waiting = state.waiting.saturating_sub(1);
                fires
            }
            Some(TriggerKind::EverySample) | None => true,
        }
    }

    /// The probability of the class predicted last.
    fn confidence(&self) -> f32 {
        let outputs = self.outputs();
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let top = outputs.iter().copied().fold(f32::NEG_INFINITY, larger);
        let probabilities = self.program.get(Field::OutputsAreProbabilities) == 1;
        match (outputs.len(), probabilities) {
            (1, true) => larger(1.0 - top, top),
            (1, false) => 1.0 / (1.0 + math::exp(if top < 0.0 { top } else { -top })),
            (_, true) => top,
            _ => 1.0 / outputs.iter().fold(0.0, |sum, &x| sum + math::exp(x - top)),
        }
    }
}

/// Bytes of class counts that a buffer of this policy keeps beside its slots.
pub fn class_count_bytes(policy: Policy, classes: usize) -> usize {
    if policy == Policy::ClassBalanced {
        classes * CLASS_COUNT_BYTES
    } else {
        0
    }
}

fn work_end(program: &Program<'_>) -> usize {
    program.size(Field::WorkAt) + program.size(Field::WorkBytes)
}

/// The passes of one trigger: mean loss and samples replayed.
fn replay<P: Probe>(
    program: &Program<'_>,
    work: &mut [u8],
    buffer: &Buffer<'_>,
    direct: (&[u8], usize),
    state: &mut State,
    probe: &mut P,
) -> Result<(f32, u32), Fault> {
    let (mut sum, mut count) = (0.0, 0);
    for _ in 0..program.get(Field::Passes) {
        let stored = state.stored;
        if program.policy() == Policy::None {
            sum += update(program, work, direct.0, direct.1, state, probe)?.loss;
            count += 1;
            continue;
        }
        let draw = program.get(Field::Draw);
        for turn in 0..if draw == 0 { stored } else { draw } {
            let slot = if draw == 0 {
                turn
            } else {
                state.rng.below(stored)
            };
            let (payload, label) = buffer.get(slot as usize);
            sum += update(program, work, payload, label, state, probe)?.loss;
            count += 1;
        }
    }
    Ok((sum / count as f32, count))
}

/// Forward, backward and, when the batch is full, the step.
fn update<P: Probe>(
    program: &Program<'_>,
    work: &mut [u8],
    sample: &[u8],
    label: usize,
    state: &mut State,
    probe: &mut P,
) -> Result<Update, Fault> {
    let mut context = context(program, state, label);
    let learn = 0..program.count(List::Learn);
    let result = exec::run(
        program,
        List::Learn,
        learn,
        work,
        sample,
        &mut context,
        probe,
    );
    state.rng = context.rng.clone();
    result?;
    let batch = program.get(Field::Batch);
    let apply = program.count(List::Apply);
    state.accumulated += 1;
    if apply == 0 || state.accumulated >= batch {
        exec::run(
            program,
            List::Apply,
            0..apply,
            work,
            &[],
            &mut context,
            probe,
        )?;
        state.accumulated = 0;
        state.updates = state.updates.wrapping_add(1);
        state.steps = schedule(program).advanced(state.updates, state.steps);
        state.beta1_power *= context.hyper.beta1;
        state.beta2_power *= context.hyper.beta2;
    }
    Ok(Update {
        prediction: context.prediction,
        loss: context.loss,
    })
}

fn schedule(program: &Program<'_>) -> Schedule {
    let kind = ScheduleKind::from_code(program.get(Field::Schedule));
    let kind = kind.unwrap_or(ScheduleKind::Constant);
    let period = program.get(Field::SchedulePeriod);
    Schedule::new(kind, period, program.float(Field::ScheduleFactor))
}

/// What the update after those of `state` works with.
fn context(program: &Program<'_>, state: &State, label: usize) -> Context {
    let factor = schedule(program).factor(state.updates, state.steps);
    let (beta1, beta2) = (program.float(Field::Beta1), program.float(Field::Beta2));
    Context {
        hyper: Hyper {
            learning_rate: program.float(Field::LearningRate) * factor,
            weight_decay: program.float(Field::WeightDecay),
            clip_value: program.float(Field::ClipValue),
            scale: 1.0,
            beta1,
            beta2,
            epsilon: program.float(Field::Epsilon),
            correction1: 1.0 / (1.0 - state.beta1_power * beta1),
            correction2: 1.0 / (1.0 - state.beta2_power * beta2),
        },
        updates: state.updates,
        label,
        prediction: 0,
        loss: 0.0,
        loss_scale: 1.0 / program.get(Field::Batch) as f32,
        rng: state.rng.clone(),
    }
}
