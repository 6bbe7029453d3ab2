//! Compilation: stages, lists, addresses, image, and the account of every byte.

use crate::error::Error;
use crate::graph::{Graph, NodeId, Op};
use crate::image::Image;
use crate::lower::{Listing, Lowering, Part, Symbol, SymbolicCall, TemporaryKind};
use crate::memory::{Lifetime, place};
use crate::options::{
    LossSpec, Online, Optimiser, PolicySpec, ScheduleSpec, Scheme, Store, Training, Trigger,
};
use crate::stage::{Stage, StageId, boundary, stages};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::learner::class_count_bytes;
use runtime_shared::program::call::OPERANDS;
use runtime_shared::program::{Call, Field, List, Place, Program, RuleKind};
use runtime_shared::state::STATE_BYTES;

/// Everything that decides a Program, besides the network.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What is trained.
    pub scheme: Scheme,
    /// Against which loss.
    pub loss: LossSpec,
    /// How parameters move.
    pub training: Training,
    /// How the device learns online.
    pub online: Online,
    /// `byte · scale + shift` makes a pixel a float: one pair, or one a channel.
    pub normalisation: Vec<(f32, f32)>,
    /// Seed of the device's generator.
    pub seed: u64,
}

/// What a block of memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
    /// The learner's own words.
    State,
    /// Parameters: trained ones in RAM, frozen ones and initial values in flash.
    Weights,
    /// Velocities and moments.
    OptimiserState,
    /// Gradients kept until a batch is full.
    Gradients,
    /// What layers compute.
    Activations,
    /// Gradients with respect to what layers compute.
    Deltas,
    /// Room for a kernel to work in.
    Scratch,
    /// What the planner could not use.
    Slack,
    /// The replay buffer.
    Buffer,
    /// Header, tables and calls of the Program.
    Schedule,
}

/// A named part of the arena or of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is for.
    pub kind: BlockKind,
    /// Whose it is.
    pub what: String,
    /// Bytes.
    pub bytes: usize,
}

/// A trained parameter tensor, in the order of the Program's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// The graph's node.
    pub node: NodeId,
    /// Weights or bias.
    pub part: Part,
    /// Floats.
    pub len: usize,
}

/// A compiled Program with what the host needs to know about it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What goes to the device.
    pub image: Image,
    /// The arena, byte by byte: these sum up to what the Program asks for. Temporaries are listed as
    /// they are at the moment when they take most.
    pub arena: Vec<Block>,
    /// The image, byte by byte.
    pub flash: Vec<Block>,
    /// What is trained.
    pub parameters: Vec<ParameterInfo>,
    /// Bytes of a slot of the replay buffer; what it would be, where there is none.
    pub slot_bytes: usize,
    /// Floats of features; 0 where learning starts at raw samples.
    pub features: usize,
    /// The layer that each call works for, by list.
    layers: [Vec<String>; 3],
}

impl Compiled {
    /// The Program, validated.
    pub fn program(&self) -> Program<'_> {
        // The image was validated when it was made and has not changed since.
        match Program::load(self.image.bytes()) {
            Ok(program) => program,
            Err(refusal) => unreachable!("{refusal:?}"),
        }
    }

    /// Bytes of RAM that the learner asks for.
    pub fn arena_bytes(&self) -> usize {
        self.arena.iter().map(|b| b.bytes).sum()
    }

    /// The layer that a call works for.
    pub fn layer(&self, list: List, call: usize) -> &str {
        self.layers[list as usize]
            .get(call)
            .map_or("?", String::as_str)
    }
}

/// Compiles `graph`.
///
/// # Errors
/// [`Error`]: what does not fit together, and where.
pub fn compile(graph: &Graph, options: &Options) -> Result<Compiled, Error> {
    options.training.check()?;
    options.online.check()?;
    let trained = options.scheme.trained(graph)?;
    let stages = stages(graph, &trained);
    check_loss(&stages, options.loss)?;
    let trains = trained.iter().any(|t| t.any());
    let rule = match (
        options.training.accumulates(),
        options.training.optimiser.rule(),
    ) {
        (true, _) => RuleKind::Accumulate,
        (false, rule) => rule,
    };
    let lowering = Lowering {
        stages: &stages,
        loss: options.loss,
        rule,
        input_channels: options.normalisation.len(),
        input_has_zeros: options.normalisation.iter().all(|&(_, shift)| shift == 0.0),
    };
    let cut = boundary(&stages);
    let cut = if options.online.store == Store::Raw || !trains {
        0
    } else {
        cut
    };
    let parameters = trained_parameters(&stages);
    let inference = lowering.infer(cut);
    let learn = if trains {
        lowering.learn(cut, cut > 0)
    } else {
        Listing::default()
    };
    let optimiser = options.training.optimiser.rule();
    let apply = lowering.apply(optimiser, options.training.clip_norm, &parameters);
    let linker = Linker::new(&stages, options, parameters, rule, optimiser, trains);
    linker.link(cut, inference, learn, apply)
}

fn check_loss(stages: &[Stage], loss: LossSpec) -> Result<(), Error> {
    let Some(last) = stages.last() else {
        return Err(Error::Empty);
    };
    let outputs = last.shape.len();
    let fail = |why: &str| {
        Err(Error::Loss {
            loss: loss.name(),
            why: why.to_owned(),
        })
    };
    let ends_in =
        |a: Activation| last.activation == a || matches!(last.op, Op::Activation(b) if a == b);
    match loss {
        LossSpec::CrossEntropy | LossSpec::Damped if outputs < 2 => {
            fail("has a single output; use `binary_cross_entropy`, or one output a class")
        }
        LossSpec::CrossEntropy | LossSpec::Damped if ends_in(Activation::Sigmoid) => {
            fail("ends in a sigmoid; use `binary_cross_entropy`, or end in `softmax` or nothing")
        }
        LossSpec::BinaryCrossEntropy if matches!(last.op, Op::Softmax) => {
            fail("ends in a softmax; use `cross_entropy`, or end in a sigmoid or nothing")
        }
        _ => Ok(()),
    }
}

fn trained_parameters(stages: &[Stage]) -> Vec<(StageId, Part, usize)> {
    let mut parameters = Vec::new();
    for (id, stage) in stages.iter().enumerate() {
        let Some((weights, bias)) = stage.op.parameters() else {
            continue;
        };
        if stage.trained.weights {
            parameters.push((id, Part::Weights, weights.len()));
        }
        if let Some(bias) = bias.filter(|_| stage.trained.bias) {
            parameters.push((id, Part::Bias, bias.len()));
        }
    }
    parameters
}

/// Settles addresses and writes the image.
struct Linker<'a> {
    stages: &'a [Stage],
    options: &'a Options,
    /// Trained parameters, and where each lies in the arena.
    parameters: Vec<(StageId, Part, usize)>,
    rule: RuleKind,
    optimiser: RuleKind,
    trains: bool,
    arena: Vec<Block>,
    /// First byte of each trained parameter, its state and its gradient in the arena.
    homes: Vec<(Symbol, usize)>,
    cursor: usize,
}

impl<'a> Linker<'a> {
    fn new(
        stages: &'a [Stage],
        options: &'a Options,
        parameters: Vec<(StageId, Part, usize)>,
        rule: RuleKind,
        optimiser: RuleKind,
        trains: bool,
    ) -> Self {
        let mut linker = Self {
            stages,
            options,
            parameters,
            rule,
            optimiser,
            trains,
            arena: Vec::new(),
            homes: Vec::new(),
            cursor: 0,
        };
        linker.take(BlockKind::State, "learner state".to_owned(), STATE_BYTES);
        for (id, part, len) in linker.parameters.clone() {
            let what = linker.part_name(id, part);
            linker.home(BlockKind::Weights, what, Symbol::Parameter(id, part), len);
        }
        for (id, part, len) in linker.parameters.clone() {
            for i in 0..optimiser.state_floats() {
                let what = linker.part_name(id, part);
                linker.home(
                    BlockKind::OptimiserState,
                    what,
                    Symbol::State(id, part, i),
                    len,
                );
            }
        }
        if rule == RuleKind::Accumulate {
            linker.homes.push((Symbol::AllGradients, linker.cursor));
            for (id, part, len) in linker.parameters.clone() {
                let what = linker.part_name(id, part);
                linker.home(BlockKind::Gradients, what, Symbol::Gradient(id, part), len);
            }
        }
        linker
    }

    fn part_name(&self, id: StageId, part: Part) -> String {
        let part = if part == Part::Weights {
            "weights"
        } else {
            "bias"
        };
        format!("{} {part}", self.stages[id].name)
    }

    fn take(&mut self, kind: BlockKind, what: String, bytes: usize) -> usize {
        let at = self.cursor;
        self.arena.push(Block { kind, what, bytes });
        self.cursor += bytes;
        at
    }

    fn home(&mut self, kind: BlockKind, what: String, symbol: Symbol, len: usize) {
        let at = self.take(kind, what, len * 4);
        self.homes.push((symbol, at));
    }

    fn link(
        mut self,
        cut: StageId,
        inference: crate::lower::Inference,
        learn: Listing,
        apply: Listing,
    ) -> Result<Compiled, Error> {
        let base = self.cursor;
        let kept = [inference.features, inference.outputs];
        let infer_plan = Plan::of(&inference.listing, base, &kept);
        let learn_plan = Plan::of(&learn, base, &[]);
        let apply_plan = Plan::of(&apply, base, &[]);
        let peak = infer_plan.peak.max(learn_plan.peak);
        let fullest = if learn_plan.peak >= infer_plan.peak {
            learn_plan.fullest(&learn)
        } else {
            infer_plan.fullest(&inference.listing)
        };
        self.account(peak, fullest);
        let work_end = self.cursor;

        let sample_bytes = self.stages[0].shape.len();
        let features = if cut > 0 {
            self.stages[cut].shape.len()
        } else {
            0
        };
        let payload = if features > 0 {
            features * 4
        } else {
            sample_bytes
        };
        let slot_bytes = payload.next_multiple_of(4) + 4;
        // Features that are stored need a slot even where nothing is replayed: a buffer of one.
        let (policy, slots) = match (self.trains, self.options.online.policy) {
            (false, _) => (PolicySpec::None, 0),
            (true, PolicySpec::None) if features > 0 => (PolicySpec::Fifo, 1),
            (true, policy) => (policy, self.options.online.slots as usize),
        };
        let outputs = self.stages.last().map_or(0, |s| s.shape.len());
        let mut image = Image::new();
        let mut flash = vec![Block {
            kind: BlockKind::Schedule,
            what: "header".to_owned(),
            bytes: image.len(),
        }];
        if policy != PolicySpec::None {
            let bytes = slots.saturating_mul(slot_bytes);
            let at = self.take(
                BlockKind::Buffer,
                format!("{slots} slots of {slot_bytes} B"),
                bytes,
            );
            image.set_size(Field::BufferAt, at);
            let counts = class_count_bytes(policy.policy(), outputs.max(2));
            if counts > 0 {
                let at = self.take(BlockKind::Buffer, "class counts".to_owned(), counts);
                image.set_size(Field::ClassCountsAt, at);
            }
        }
        if self.cursor > 1 << 30 {
            return Err(Error::Option {
                what: "the memory that the network and its buffer ask for",
                value: format!("{} bytes", self.cursor),
                allowed: "at most 1 GiB",
            });
        }

        let constants = self.constants(&mut image, &mut flash);
        let resolve = |plan: &Plan, calls: &[SymbolicCall]| -> Vec<Call> {
            calls
                .iter()
                .map(|c| self.resolve(c, plan, &constants))
                .collect()
        };
        let table_at = image.len();
        for &(id, part, len) in &self.parameters {
            let symbol = Symbol::Parameter(id, part);
            let rom = lookup(&constants, symbol).unwrap_or(0);
            let ram = lookup(&self.homes, symbol).unwrap_or(0);
            image.append([rom as u32, ram as u32, len as u32]);
        }
        image.set_size(Field::ParametersAt, table_at);
        image.set_size(Field::ParameterCount, self.parameters.len());
        image.append_calls(
            Field::InferAt,
            Field::InferCount,
            &resolve(&infer_plan, &inference.listing.calls),
        );
        image.append_calls(
            Field::LearnAt,
            Field::LearnCount,
            &resolve(&learn_plan, &learn.calls),
        );
        image.append_calls(
            Field::ApplyAt,
            Field::ApplyCount,
            &resolve(&apply_plan, &apply.calls),
        );
        let bytes = image.len() - table_at;
        flash.push(Block {
            kind: BlockKind::Schedule,
            what: "kernel calls".to_owned(),
            bytes,
        });

        image.set_size(Field::ArenaBytes, self.cursor);
        image.set_size(
            Field::ExtractCount,
            if cut > 0 { inference.extract } else { 0 },
        );
        image.set_size(Field::SampleBytes, sample_bytes);
        image.set_size(Field::FeatureCount, features);
        if features > 0 {
            image.set_size(Field::FeaturesAt, infer_plan.address(inference.features));
        }
        image.set_size(Field::OutputsAt, infer_plan.address(inference.outputs));
        image.set_size(Field::OutputCount, outputs);
        image.set_size(Field::WorkAt, STATE_BYTES);
        image.set_size(Field::WorkBytes, work_end - STATE_BYTES);
        image.set(Field::BufferPolicy, policy as u32);
        image.set_size(Field::BufferSlots, slots);
        image.set_size(
            Field::SlotBytes,
            if policy == PolicySpec::None {
                0
            } else {
                slot_bytes
            },
        );
        self.settings(&mut image);
        image.seal();
        Program::load(image.bytes()).map_err(Error::Internal)?;

        let names = |listing: &Listing| {
            listing
                .calls
                .iter()
                .map(|c| self.stages[c.stage].name.clone())
                .collect()
        };
        Ok(Compiled {
            layers: [names(&inference.listing), names(&learn), names(&apply)],
            image,
            arena: self.arena,
            flash,
            parameters: self
                .parameters
                .iter()
                .map(|&(id, part, len)| ParameterInfo {
                    node: self.stages[id].node,
                    part,
                    len,
                })
                .collect(),
            slot_bytes,
            features,
        })
    }

    /// Lists the temporaries as they are at the fullest moment.
    fn account(&mut self, peak: usize, fullest: Vec<(TemporaryKind, String, usize)>) {
        let mut used = 0;
        for (kind, layer, bytes) in fullest {
            let kind = match kind {
                TemporaryKind::Activation => BlockKind::Activations,
                TemporaryKind::Delta => BlockKind::Deltas,
                TemporaryKind::Scratch => BlockKind::Scratch,
            };
            self.take(kind, layer, bytes);
            used += bytes;
        }
        if peak > used {
            self.take(BlockKind::Slack, "between tensors".to_owned(), peak - used);
        }
    }

    /// Writes what stays in flash; gives where each piece is.
    fn constants(&self, image: &mut Image, flash: &mut Vec<Block>) -> Vec<(Symbol, usize)> {
        let mut places = Vec::new();
        let mut put = |symbol: Symbol, kind: BlockKind, what: String, floats: &[f32]| {
            flash.push(Block {
                kind,
                what,
                bytes: floats.len() * 4,
            });
            places.push((symbol, image.append_floats(floats)));
        };
        let (scale, shift): (Vec<f32>, Vec<f32>) =
            self.options.normalisation.iter().copied().unzip();
        let schedule = BlockKind::Schedule;
        put(
            Symbol::InputScale,
            schedule,
            "input scale".to_owned(),
            &scale,
        );
        put(
            Symbol::InputShift,
            schedule,
            "input shift".to_owned(),
            &shift,
        );
        for (id, stage) in self.stages.iter().enumerate() {
            if let Some((weights, bias)) = stage.op.parameters() {
                let parts = [(Part::Weights, Some(weights)), (Part::Bias, bias)];
                for (part, floats) in parts {
                    let Some(floats) = floats else { continue };
                    let what = self.part_name(id, part);
                    put(
                        Symbol::Parameter(id, part),
                        BlockKind::Weights,
                        what,
                        floats,
                    );
                }
            }
            if let Op::BatchNorm { scale, shift } = &stage.op {
                let what = format!("{} scale and shift", stage.name);
                put(Symbol::Scale(id), BlockKind::Weights, what.clone(), scale);
                put(Symbol::Shift(id), BlockKind::Weights, what, shift);
            }
        }
        places
    }

    fn resolve(&self, symbolic: &SymbolicCall, plan: &Plan, constants: &[(Symbol, usize)]) -> Call {
        let mut call = symbolic.call.clone();
        let mut places = [Place::Absent; OPERANDS];
        for (place, &symbol) in places.iter_mut().zip(&symbolic.operands) {
            *place = match symbol {
                Symbol::Absent => Place::Absent,
                Symbol::Sample => Place::Sample,
                Symbol::Temporary(_) => Place::Ram(plan.address(symbol) as u32),
                _ => match (lookup(&self.homes, symbol), lookup(constants, symbol)) {
                    (Some(at), _) => Place::Ram(at as u32),
                    (None, Some(at)) => Place::Rom(at as u32),
                    (None, None) => Place::Absent,
                },
            };
        }
        call.operands = places;
        call
    }

    fn settings(&self, image: &mut Image) {
        let training = &self.options.training;
        let online = &self.options.online;
        // With the mean squared error, one output is compared with 0 and 1, and a softmax stays.
        let probabilities = self.options.loss == LossSpec::Mse
            && self
                .stages
                .last()
                .is_some_and(|s| s.shape.len() == 1 || matches!(s.op, Op::Softmax));
        image.set(Field::OutputsAreProbabilities, u32::from(probabilities));
        image.set_float(Field::LearningRate, training.learning_rate);
        image.set_float(Field::WeightDecay, training.weight_decay);
        image.set_float(
            Field::ClipValue,
            training.clip_value.unwrap_or(f32::INFINITY),
        );
        let (beta1, beta2, epsilon) = match training.optimiser {
            Optimiser::Sgd => (0.0, 0.0, 0.0),
            Optimiser::Momentum { momentum } => (momentum, 0.0, 0.0),
            Optimiser::Adam {
                beta1,
                beta2,
                epsilon,
            } => (beta1, beta2, epsilon),
        };
        image.set_float(Field::Beta1, beta1);
        image.set_float(Field::Beta2, beta2);
        image.set_float(Field::Epsilon, epsilon);
        let (kind, period, factor) = match training.schedule {
            ScheduleSpec::Constant => (0, 0, 0.0),
            ScheduleSpec::Step { period, factor } => (1, period, factor),
            ScheduleSpec::Cosine { period, last } => (2, period.max(1), last),
        };
        image.set(Field::Schedule, kind);
        image.set(Field::SchedulePeriod, period);
        image.set_float(Field::ScheduleFactor, factor);
        image.set(Field::Batch, training.batch);
        let (trigger, every, confidence) = match online.trigger {
            Trigger::EverySample => (0, 0, 0.0),
            Trigger::Every(n) => (1, n, 0.0),
            Trigger::ConfidenceBelow(c) => (2, 0, c),
            Trigger::AfterDrift(n) => (3, n, 0.0),
        };
        image.set(Field::Trigger, trigger);
        image.set(Field::TriggerEvery, every);
        image.set_float(Field::TriggerConfidence, confidence);
        image.set(Field::Passes, online.passes);
        image.set(Field::Draw, online.draw);
        image.set(Field::PurgeKeep, u32::MAX);
        if let Some(d) = online.detector {
            image.set(Field::Detector, 1);
            image.set(Field::DetectorMinimum, d.minimum);
            image.set_float(Field::DetectorDelta, d.delta);
            image.set_float(Field::DetectorThreshold, d.threshold);
            image.set_float(Field::DetectorAlpha, d.alpha);
            image.set(Field::PurgeKeep, d.purge_keep.unwrap_or(u32::MAX));
        }
        image.set(Field::SeedLow, self.options.seed as u32);
        image.set(Field::SeedHigh, (self.options.seed >> 32) as u32);
        debug_assert!(self.rule == self.optimiser || self.rule == RuleKind::Accumulate);
    }
}

fn lookup(places: &[(Symbol, usize)], symbol: Symbol) -> Option<usize> {
    places.iter().find(|(s, _)| *s == symbol).map(|&(_, at)| at)
}

/// Addresses of a list's temporaries.
struct Plan {
    lifetimes: Vec<Lifetime>,
    offsets: Vec<usize>,
    base: usize,
    peak: usize,
}

impl Plan {
    /// Plans `listing` from byte `base` on; what is in `kept` outlives the list.
    fn of(listing: &Listing, base: usize, kept: &[Symbol]) -> Self {
        let end = listing.calls.len();
        let mut lifetimes: Vec<Lifetime> = listing
            .temporaries
            .iter()
            .map(|t| Lifetime {
                bytes: t.bytes,
                first: end,
                last: 0,
            })
            .collect();
        let uses = listing
            .calls
            .iter()
            .map(|c| c.operands.as_slice())
            .chain([kept]);
        for (time, symbols) in uses.enumerate() {
            for symbol in symbols {
                if let Symbol::Temporary(i) = *symbol {
                    lifetimes[i].first = lifetimes[i].first.min(time);
                    lifetimes[i].last = lifetimes[i].last.max(time);
                }
            }
        }
        let placement = place(&lifetimes);
        Self {
            lifetimes,
            offsets: placement.offsets,
            base,
            peak: placement.peak,
        }
    }

    fn address(&self, symbol: Symbol) -> usize {
        match symbol {
            Symbol::Temporary(i) => self.base + self.offsets[i],
            _ => self.base,
        }
    }

    /// What is alive when most is.
    fn fullest(&self, listing: &Listing) -> Vec<(TemporaryKind, String, usize)> {
        let alive = |time: usize| {
            let lifetimes = self.lifetimes.iter().enumerate();
            lifetimes.filter(move |(_, l)| l.first <= time && time <= l.last)
        };
        let words = |l: &Lifetime| l.bytes.next_multiple_of(4);
        let fullest = (0..=listing.calls.len())
            .max_by_key(|&time| alive(time).map(|(_, l)| words(l)).sum::<usize>())
            .unwrap_or(0);
        alive(fullest)
            .map(|(i, l)| {
                let temporary = &listing.temporaries[i];
                (temporary.kind, temporary.layer.clone(), words(l))
            })
            .collect()
    }
}
