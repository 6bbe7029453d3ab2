//! Linking: every tensor gets its address, the account says what each byte is for, and at the end an image is
//! written. Lengths are enough for all but the last step.

use crate::account::{Account, Block, BlockKind, ParameterInfo};
use crate::compile::Options;
use crate::error::Error;
use crate::image::Image;
use crate::integer::{Formats, values};
use crate::listing::{Listing, Part, Symbol, SymbolicCall, TemporaryKind};
use crate::lower::Inference;
use crate::ops::Op;
use crate::options::PolicySpec;
use crate::plan::Plan;
use crate::settings;
use crate::stage::{Stage, StageId};
use crate::tensor::Tensor;
use runtime_shared::kernels::int::bias;
use runtime_shared::kernels::int::fixed::BIAS;
use runtime_shared::kernels::int::record::Record;
use runtime_shared::learner::class_count_bytes;
use runtime_shared::program::call::OPERANDS;
use runtime_shared::program::{Call, Element, Field, Place, Program, RuleKind};
use runtime_shared::state::STATE_BYTES;
use std::collections::HashMap;

/// The bytes that an address of the format can reach.
const MOST_BYTES: usize = 1 << 30;

/// The bytes of a record of integers.
const RECORD_BYTES: usize = runtime_shared::kernels::int::record::WORDS * 4;

/// The lists of a Program, and where its frozen extractor ends.
pub struct Lists {
    /// Stage up to which features are extracted; 0 for none.
    pub cut: StageId,
    /// *Infer*.
    pub inference: Inference,
    /// *Learn*.
    pub learn: Listing,
    /// *Apply*.
    pub apply: Listing,
}

/// A Program whose constants are not written yet.
pub struct Draft {
    /// Every byte.
    pub account: Account,
    header: Image,
    /// What lies between the header and the table of parameters.
    constants: Vec<Constant>,
    /// The table of parameters and the calls.
    rest: Vec<u32>,
}

impl Draft {
    /// The image, with every constant made.
    ///
    /// # Errors
    /// [`Error::Internal`].
    pub fn image(&self) -> Result<Image, Error> {
        let mut image = self.header.clone();
        for constant in &self.constants {
            match constant {
                Constant::Floats(tensor) => image.append_floats(&tensor.values()),
                Constant::Integers(tensor, element, fraction, limit) => {
                    image.append(values::words(&tensor.values(), *element, *fraction, *limit))
                }
                Constant::Words(words) => image.append(words.iter().copied()),
            };
        }
        image.append(self.rest.iter().copied());
        image.seal();
        Program::load(image.bytes()).map_err(Error::Internal)?;
        Ok(image)
    }
}

/// What stays in flash, before it is made.
enum Constant {
    Floats(Tensor),
    /// As integers of this type, with this fraction and this limit.
    Integers(Tensor, Element, i32, i32),
    Words(Vec<u32>),
}

/// Settles addresses.
pub struct Linker<'a> {
    stages: &'a [Stage],
    options: &'a Options,
    /// Those of integers, where the network is in integers.
    formats: Option<Formats>,
    /// Trained parameters, in the order of the Program's table.
    parameters: Vec<(StageId, Part, usize)>,
    arena: Vec<Block>,
    /// First byte of each trained parameter, its state and its gradient in the arena.
    homes: HashMap<Symbol, usize>,
    cursor: usize,
    /// First byte of the arena that calls may use.
    work_start: usize,
    flash: Vec<Block>,
    /// First byte of each constant in the image.
    places: HashMap<Symbol, usize>,
    constants: Vec<Constant>,
    /// Bytes of the image so far.
    end: usize,
}

impl<'a> Linker<'a> {
    /// For `stages` whose `parameters` are moved by `optimiser`, at once or where gradients are `accumulated`.
    pub fn new(
        stages: &'a [Stage],
        options: &'a Options,
        parameters: Vec<(StageId, Part, usize)>,
        optimiser: RuleKind,
        accumulates: bool,
        formats: Option<Formats>,
    ) -> Self {
        let mut linker = Self {
            stages,
            options,
            formats,
            parameters,
            arena: Vec::new(),
            homes: HashMap::new(),
            cursor: 0,
            work_start: 0,
            flash: Vec::new(),
            places: HashMap::new(),
            constants: Vec::new(),
            end: 0,
        };
        linker.take(BlockKind::State, "learner state".to_owned(), STATE_BYTES);
        if let Some(detector) = options.online.detector.and_then(|d| d.detector()) {
            let what = "drift detector".to_owned();
            linker.take(BlockKind::State, what, detector.words() * 4);
        }
        linker.work_start = linker.cursor;
        for (id, part, len) in linker.parameters.clone() {
            let what = linker.part_name(id, part);
            let bytes = linker.element(id, part).bytes(len);
            linker.home(BlockKind::Weights, what, Symbol::Parameter(id, part), bytes);
        }
        linker.records();
        for (id, part, len) in linker.parameters.clone() {
            for i in 0..optimiser.state_floats() {
                let what = linker.part_name(id, part);
                let state = Symbol::State(id, part, i);
                linker.home(BlockKind::OptimiserState, what, state, len * 4);
            }
        }
        if accumulates {
            linker.homes.insert(Symbol::AllGradients, linker.cursor);
            for (id, part, len) in linker.parameters.clone() {
                let what = linker.part_name(id, part);
                linker.home(
                    BlockKind::Gradients,
                    what,
                    Symbol::Gradient(id, part),
                    len * 4,
                );
            }
        }
        linker
    }

    fn part_name(&self, id: StageId, part: Part) -> String {
        let part = match part {
            Part::Weights => "weights",
            Part::Bias => "bias",
        };
        format!("{} {part}", self.stages[id].name)
    }

    fn take(&mut self, kind: BlockKind, what: String, bytes: usize) -> usize {
        let at = self.cursor;
        self.arena.push(Block { kind, what, bytes });
        self.cursor = self.cursor.saturating_add(bytes);
        at
    }

    /// The type of a parameter.
    fn element(&self, id: StageId, part: Part) -> Element {
        match (&self.formats, part) {
            (None, _) => Element::F32,
            (Some(formats), Part::Weights) => formats.of[id].class,
            (Some(formats), Part::Bias) if formats.of[id].class == Element::F32 => Element::F32,
            (Some(_), Part::Bias) => Element::I32,
        }
    }

    /// Places the records of integers.
    fn records(&mut self) {
        let records = self.formats.as_ref().map_or(0, |f| f.records.len());
        if records > 0 {
            let bytes = records * RECORD_BYTES;
            self.home(
                BlockKind::State,
                "exponents".to_owned(),
                Symbol::Records,
                bytes,
            );
            let at = self.homes[&Symbol::Records];
            let all = (0..records).map(|i| (Symbol::Record(i), at + i * RECORD_BYTES));
            self.homes.extend(all);
        }
    }

    fn home(&mut self, kind: BlockKind, what: String, symbol: Symbol, bytes: usize) {
        let at = self.take(kind, what, bytes.next_multiple_of(4));
        self.homes.insert(symbol, at);
    }

    /// Settles the addresses of `lists`.
    ///
    /// # Errors
    /// [`Error::Option`] where the format cannot reach as far.
    pub fn link(mut self, lists: &Lists) -> Result<Draft, Error> {
        let Lists {
            cut,
            inference,
            learn,
            apply,
        } = lists;
        let work_start = self.work_start;
        let base = self.cursor;
        let kept = [inference.features, inference.outputs];
        let infer_plan = Plan::of(&inference.listing, base, &kept);
        let learn_plan = Plan::of(learn, base, &[]);
        let apply_plan = Plan::of(apply, base, &[]);
        let peak = infer_plan.peak.max(learn_plan.peak);
        let fullest = if learn_plan.peak >= infer_plan.peak {
            learn_plan.fullest(learn)
        } else {
            infer_plan.fullest(&inference.listing)
        };
        self.temporaries(peak, fullest);
        let work_end = self.cursor;

        let mut header = Image::new();
        self.grow(BlockKind::Schedule, "header".to_owned(), header.len());
        let sample_type = match self.stages[0].op {
            Op::Input(input) => input.element,
            _ => Element::U8,
        };
        let feature_type = match (&self.formats, self.options.online.quantisation) {
            (Some(_), _) => Element::I8,
            (None, Some(quantisation)) => quantisation.element(),
            (None, None) => Element::F32,
        };
        let sample_bytes = sample_type.bytes(self.stages[0].shape.len());
        let features = match cut {
            0 => 0,
            cut => self.stages[*cut].shape.len(),
        };
        let feature_bytes = feature_type.bytes(features);
        let (slots, slot_bytes) = self.buffer(&mut header, sample_bytes, feature_bytes);
        within(
            "the memory that the network and its buffer ask for",
            self.cursor,
        )?;

        self.constants(&mut header);
        within("the flash that the network asks for", self.end)?;
        let mut rest = Vec::new();
        header.set_size(Field::ParametersAt, self.end);
        let trained = self.parameters.iter().map(|&(id, part, len)| {
            let element = self.element(id, part);
            (Symbol::Parameter(id, part), element.bytes(len), element)
        });
        let records = self.formats.iter().map(|f| f.records.len() * RECORD_BYTES);
        let records = records.map(|bytes| (Symbol::Records, bytes, Element::I32));
        let table: Vec<(Symbol, usize, Element)> = trained.chain(records).collect();
        header.set_size(Field::ParameterCount, table.len());
        for (symbol, bytes, element) in table {
            let at = |places: &HashMap<_, usize>| places.get(&symbol).map_or(0, |&at| at as u32);
            let [from, to] = [&self.places, &self.homes].map(at);
            rest.extend([from, to, bytes as u32, element.code()]);
        }
        for (at, count, plan, calls) in [
            (
                Field::InferAt,
                Field::InferCount,
                &infer_plan,
                &inference.listing.calls,
            ),
            (Field::LearnAt, Field::LearnCount, &learn_plan, &learn.calls),
            (Field::ApplyAt, Field::ApplyCount, &apply_plan, &apply.calls),
        ] {
            header.set_size(at, self.end + rest.len() * 4);
            header.set_size(count, calls.len());
            rest.extend(calls.iter().flat_map(|c| self.resolve(c, plan).encode()));
        }
        self.grow(
            BlockKind::Schedule,
            "kernel calls".to_owned(),
            rest.len() * 4,
        );

        let outputs = self.stages.last().map_or(0, |s| s.shape.len());
        let extract = if *cut > 0 { inference.extract } else { 0 };
        header.set_size(Field::ArenaBytes, self.cursor);
        header.set_size(Field::ExtractCount, extract);
        header.set_size(Field::SampleBytes, sample_bytes);
        header.set(Field::SampleType, sample_type.code());
        header.set_size(Field::FeatureBytes, feature_bytes);
        header.set(Field::FeatureType, feature_type.code());
        if features > 0 {
            header.set_size(Field::FeaturesAt, infer_plan.address(inference.features));
        }
        header.set_size(Field::OutputsAt, infer_plan.address(inference.outputs));
        header.set_size(Field::OutputCount, outputs);
        header.set_size(Field::WorkAt, work_start);
        header.set_size(Field::WorkBytes, work_end - work_start);
        settings::write(&mut header, self.options, self.stages.last());

        let names = |calls: &[SymbolicCall]| {
            let names = calls.iter().map(|c| self.stages[c.stage].name.clone());
            names.collect()
        };
        let parameters = self
            .parameters
            .iter()
            .map(|&(id, part, len)| ParameterInfo {
                node: self.stages[id].node,
                part,
                len,
            });
        Ok(Draft {
            account: Account {
                layers: [
                    names(&inference.listing.calls),
                    names(&learn.calls),
                    names(&apply.calls),
                ],
                parameters: parameters.collect(),
                arena: self.arena,
                flash: self.flash,
                slots,
                slot_bytes,
                features,
            },
            header,
            constants: self.constants,
            rest,
        })
    }

    /// Places the replay buffer; gives its slots, and the bytes of each.
    fn buffer(
        &mut self,
        header: &mut Image,
        sample_bytes: usize,
        feature_bytes: usize,
    ) -> (usize, usize) {
        let payload = if feature_bytes > 0 {
            feature_bytes
        } else {
            sample_bytes
        };
        let slot_bytes = payload.next_multiple_of(4) + 4;
        // Features that are stored need a slot even where nothing is replayed: a buffer of one.
        let (policy, slots) = match (self.parameters.is_empty(), self.options.online.policy) {
            (true, _) => (PolicySpec::None, 0),
            (false, PolicySpec::None) if feature_bytes > 0 => (PolicySpec::Fifo, 1),
            (false, policy) => (policy, self.options.online.slots as usize),
        };
        header.set(Field::BufferPolicy, policy.policy().code());
        header.set_size(Field::BufferSlots, slots);
        if policy != PolicySpec::None {
            let bytes = slots.saturating_mul(slot_bytes);
            let what = format!("{slots} slots of {slot_bytes} B");
            let at = self.take(BlockKind::Buffer, what, bytes);
            header.set_size(Field::BufferAt, at);
            header.set_size(Field::SlotBytes, slot_bytes);
            let outputs = self.stages.last().map_or(0, |s| s.shape.len());
            let counts = class_count_bytes(policy.policy(), outputs.max(2));
            if counts > 0 {
                let at = self.take(BlockKind::Buffer, "class counts".to_owned(), counts);
                header.set_size(Field::ClassCountsAt, at);
            }
        }
        (slots, slot_bytes)
    }

    /// Lists the temporaries as they are at the fullest moment.
    fn temporaries(&mut self, peak: usize, fullest: Vec<(TemporaryKind, StageId, usize)>) {
        let mut used = 0;
        for (kind, stage, bytes) in fullest {
            let kind = match kind {
                TemporaryKind::Activation => BlockKind::Activations,
                TemporaryKind::Delta => BlockKind::Deltas,
                TemporaryKind::Scratch => BlockKind::Scratch,
            };
            self.take(kind, self.stages[stage].name.clone(), bytes);
            used += bytes;
        }
        if peak > used {
            self.take(BlockKind::Slack, "between tensors".to_owned(), peak - used);
        }
    }

    fn grow(&mut self, kind: BlockKind, what: String, bytes: usize) {
        self.flash.push(Block { kind, what, bytes });
        self.end = self.end.saturating_add(bytes);
    }

    fn put(&mut self, symbol: Symbol, kind: BlockKind, what: String, constant: Constant) {
        let bytes = match &constant {
            Constant::Floats(tensor) => tensor.len() * 4,
            Constant::Integers(tensor, element, ..) => element.bytes(tensor.len()),
            Constant::Words(words) => words.len() * 4,
        };
        self.places.insert(symbol, self.end);
        self.grow(kind, what, bytes.next_multiple_of(4));
        self.constants.push(constant);
    }

    /// A parameter in flash: as it is, or as integers.
    fn parameter(&self, id: StageId, part: Part, tensor: &Tensor) -> Constant {
        let tensor = tensor.clone();
        let Some(formats) = &self.formats else {
            return Constant::Floats(tensor);
        };
        let (format, element) = (&formats.of[id], self.element(id, part));
        if element == Element::F32 {
            return Constant::Floats(tensor);
        }
        match part {
            Part::Weights => {
                let limit = (1 << format.width) - 1;
                Constant::Integers(tensor, element, format.fraction, limit)
            }
            Part::Bias => {
                Constant::Integers(tensor, element, format.fraction + bias::FRACTION, BIAS)
            }
        }
    }

    /// What only networks in integers have.
    fn integers(&mut self) {
        let Some(formats) = &self.formats else { return };
        let channels = self.stages[0].shape.c;
        let table = values::table(&self.options.normalisation, channels, formats.input);
        let records = formats.records.iter().flat_map(Record::words);
        let records = records.map(|word| word as u32).collect();
        for (symbol, what, words) in [
            (Symbol::Table, "pixels as integers", table),
            (Symbol::Records, "exponents", records),
        ] {
            self.put(
                symbol,
                BlockKind::Schedule,
                what.to_owned(),
                Constant::Words(words),
            );
        }
    }

    /// Places what stays in flash.
    fn constants(&mut self, header: &mut Image) {
        let pairs = self.options.normalisation.iter().copied();
        let (scale, shift): (Vec<f32>, Vec<f32>) = pairs.unzip();
        for (symbol, what, values) in [
            (Symbol::InputScale, "input scale", scale),
            (Symbol::InputShift, "input shift", shift),
        ] {
            let constant = Constant::Floats(values.into());
            self.put(symbol, BlockKind::Schedule, what.to_owned(), constant);
        }
        if let Some(quantisation) = self.options.online.quantisation {
            let ([step, zero], [scale, shift]) = (quantisation.step(), quantisation.scale());
            for (symbol, what, values) in [
                (Symbol::FeatureStep, "feature step", vec![step, zero]),
                (Symbol::FeatureScale, "feature scale", vec![scale]),
                (Symbol::FeatureShift, "feature shift", vec![shift]),
            ] {
                let constant = Constant::Floats(values.into());
                self.put(symbol, BlockKind::Schedule, what.to_owned(), constant);
            }
        }
        if let Some(detector) = self.options.online.detector {
            let values = detector.values();
            header.set(Field::Detector, detector.number());
            header.set_size(Field::DetectorAt, STATE_BYTES);
            header.set_size(Field::DetectorValuesAt, self.end);
            header.set_size(Field::DetectorValues, values.len());
            let what = "detector parameters".to_owned();
            let constant = Constant::Floats(values.into());
            self.put(Symbol::DetectorValues, BlockKind::Schedule, what, constant);
        }
        self.integers();
        let stages = self.stages;
        for (id, stage) in stages.iter().enumerate() {
            for part in [Part::Weights, Part::Bias] {
                let tensor = stage.parameters.as_ref().and_then(|p| p.part(part));
                if let Some(tensor) = tensor {
                    let what = self.part_name(id, part);
                    let symbol = Symbol::Parameter(id, part);
                    let constant = self.parameter(id, part, tensor);
                    self.put(symbol, BlockKind::Weights, what, constant);
                }
            }
            for (i, (what, tensor)) in stage.op.operator().constants().into_iter().enumerate() {
                let what = format!("{} {what}", stage.name);
                let constant = Constant::Floats(tensor);
                self.put(Symbol::Constant(id, i), BlockKind::Weights, what, constant);
            }
        }
    }

    fn resolve(&self, symbolic: &SymbolicCall, plan: &Plan) -> Call {
        let mut call = symbolic.call.clone();
        let mut places = [Place::Absent; OPERANDS];
        for (place, &symbol) in places.iter_mut().zip(&symbolic.operands) {
            *place = match symbol {
                Symbol::Absent => Place::Absent,
                Symbol::Sample => Place::Sample,
                Symbol::Temporary(_) => Place::Ram(plan.address(symbol) as u32),
                _ => match (self.homes.get(&symbol), self.places.get(&symbol)) {
                    (Some(&at), _) => Place::Ram(at as u32),
                    (None, Some(&at)) => Place::Rom(at as u32),
                    (None, None) => Place::Absent,
                },
            };
        }
        call.operands = places;
        call
    }
}

fn within(what: &'static str, bytes: usize) -> Result<(), Error> {
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    Err(Error::Option {
        what,
        value: format!("{bytes} bytes"),
        allowed: "at most 1 GiB",
    })
}
