//! The format of every tensor: bits and fractions of weights, additional fractions of deltas, shifts.

use super::Arithmetic;
use crate::compile::Options;
use crate::error::Error;
use crate::ops::Op;
use crate::options::{LossSpec, Optimiser};
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::int::decay::Decay;
use runtime_shared::kernels::int::loss::Rate;
use runtime_shared::kernels::int::record::Record;
use runtime_shared::program::Element;

/// What a stage computes with.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// Type of the weights.
    pub class: Element,
    /// Bits of a weight without its sign.
    pub width: i32,
    /// Fraction of the weights.
    pub fraction: i32,
    /// Additional fraction of the output's delta, where it has one.
    pub extra: Option<i32>,
    /// Whether negative outputs become zero, so that the output masks its delta.
    pub relu: bool,
    /// The stage's place among the records, where it has one.
    pub record: Option<usize>,
    /// The stage whose activation this one only hands on.
    pub alias: Option<StageId>,
    /// Number among the layers with weights.
    number: usize,
}

/// The formats of all stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Formats {
    /// Of each stage.
    pub of: Vec<Format>,
    /// The records of all that have one, in order.
    pub records: Vec<Record>,
    /// Fraction of the input: of the sample, or of features.
    pub input: u8,
    /// The stage that makes features, in floats; 0 where all is in integers.
    pub cut: StageId,
    /// The stage that makes the logits: the last with weights.
    pub logits: StageId,
    /// What the loss multiplies the learning rate by.
    pub rate_factor: f32,
}

/// What the bias adds to an accumulator at most.
const BIAS: i64 = 1 << 26;

/// Fraction of activations at the start.
const ACTIVATIONS: i32 = 5;
/// The same of features where nobody looked at data: up to 15.9.
const FEATURES: u8 = 3;
/// The same of averages.
const AVERAGES: i32 = 7;

impl Format {
    /// That of a stage in floats.
    fn of_floats() -> Self {
        Self {
            class: Element::F32,
            width: 0,
            fraction: 0,
            extra: None,
            relu: false,
            record: None,
            alias: None,
            number: 0,
        }
    }
}

impl Formats {
    /// Those of `stages`, if `options` ask for integers. Up to stage `cut`, where features are stored, all is in floats; 0 for
    /// the sample.
    ///
    /// # Errors
    /// [`Error::Integers`], [`Error::Option`]: what integers cannot do, and where.
    pub fn of(stages: &[Stage], options: &Options, cut: StageId) -> Result<Option<Self>, Error> {
        if options.training.arithmetic == Arithmetic::F32 {
            return Ok(None);
        }
        let rate_factor = check(stages, options)?;
        let mut formats = Self {
            of: Vec::new(),
            records: Vec::new(),
            input: match cut {
                0 => input_fraction(&options.normalisation),
                _ => options.training.feature_fraction.unwrap_or(FEATURES).min(7),
            },
            cut,
            logits: 0,
            rate_factor,
        };
        check_classes(stages, options)?;
        let largest = (cut..stages.len())
            .max_by_key(|&i| (weights(&stages[i]), std::cmp::Reverse(i)))
            .filter(|_| options.training.arithmetic == Arithmetic::Int8);
        let mut number = 0;
        for (id, stage) in stages.iter().enumerate() {
            let class = match options.training.classes.get(&stage.name) {
                Some(pinned) => pinned.element(),
                None if largest == Some(id) => Element::I8,
                None => Element::I16,
            };
            if cut > 0 && id <= cut {
                number += usize::from(stage.parameters.is_some());
                formats.of.push(Format::of_floats());
                continue;
            }
            let mut format = formats.stage(stages, id, class, number, options.loss)?;
            if let Some(from) = formats.fuse(stages, id) {
                formats.of[from].relu = true;
                format.alias = Some(from);
            }
            number += usize::from(stage.parameters.is_some());
            formats.of.push(format);
        }
        formats.logits = formats.find_logits(stages)?;
        formats.plan_deltas(stages);
        formats.write_records(stages, options);
        Ok(Some(formats))
    }

    fn stage(
        &self,
        stages: &[Stage],
        id: StageId,
        class: Element,
        number: usize,
        loss: LossSpec,
    ) -> Result<Format, Error> {
        let stage = &stages[id];
        let refuse = |why: String| Error::Integers {
            layer: stage.name.clone(),
            why,
        };
        let mut format = Format {
            class,
            width: 0,
            fraction: 0,
            extra: None,
            relu: stage.activation == Activation::Relu,
            record: None,
            alias: None,
            number,
        };
        if !matches!(stage.activation, Activation::None | Activation::Relu) {
            return Err(refuse("only `relu` and no activation exist there.".into()));
        }
        let recorded = match &stage.op {
            Op::Input(input) if input.element != Element::U8 => {
                return Err(refuse("its samples have to be bytes.".into()));
            }
            Op::Input(_) | Op::MaxPool(_) => false,
            Op::Dense(_) | Op::Conv2d(_) | Op::Depthwise(_) | Op::Add(_) => true,
            Op::AveragePool(pool) => {
                let n = pool.window.size();
                if n > 1024 {
                    return Err(refuse(format!(
                        "its window has {n} elements; at most 1024 can be averaged."
                    )));
                }
                true
            }
            Op::Activation(Activation::Relu) => {
                format.relu = true;
                false
            }
            Op::Softmax(_) if id + 1 == stages.len() && loss == LossSpec::CrossEntropy => {
                format.alias = Some(stage.inputs[0]);
                false
            }
            Op::BatchNorm(_) => {
                let why = "a batch normalisation has to be folded into a frozen layer before it.";
                return Err(refuse(why.into()));
            }
            _ => return Err(refuse("there is no such layer.".into())),
        };
        if recorded {
            let before = self.of.iter().filter(|f| f.record.is_some()).count();
            format.record = Some(before);
        }
        if stage.parameters.is_some() {
            let rows = fan_in(stage);
            format.width = match class {
                Element::I8 => 7,
                _ => (1..=15).rev().find(|b| fits(rows, *b)).unwrap_or(0),
            };
            if format.width == 0 || !fits(rows, format.width) {
                return Err(refuse(format!(
                    "a sum of {rows} products could exceed 32 bits. Give it fewer inputs."
                )));
            }
            if format.width < 7 {
                return Err(refuse(format!(
                    "of {rows} inputs its 16-bit weights could use only {} bits. Use int8.",
                    format.width + 1
                )));
            }
            format.fraction = format.width - range(stage, class, rows);
            self.prove_gradient(stage).map_err(refuse)?;
        }
        Ok(format)
    }

    /// The sum or mean that the ReLU which is stage `id` is fused into, because nobody else reads it.
    fn fuse(&self, stages: &[Stage], id: StageId) -> Option<StageId> {
        let rectifies = matches!(stages[id].op, Op::Activation(Activation::Relu));
        let from = *stages[id].inputs.first().filter(|_| rectifies)?;
        let readers = stages
            .iter()
            .flat_map(|s| &s.inputs)
            .filter(|i| **i == from);
        let fits = matches!(stages[from].op, Op::Add(_) | Op::AveragePool(_));
        (fits && readers.count() == 1).then_some(from)
    }

    /// That gradients of the stage fit 32 bits.
    fn prove_gradient(&self, stage: &Stage) -> Result<(), String> {
        let positions = stage.shape.h * stage.shape.w;
        if !stage.trained.any() || matches!(stage.op, Op::Dense(_)) {
            return Ok(());
        }
        if stage.shape.w > 256 {
            let width = stage.shape.w;
            return Err(format!(
                "its output is {width} wide; gradients can be summed up over 256."
            ));
        }
        if positions >= 1 << 16 {
            return Err(format!(
                "its output has {positions} positions; at most 65535 can be trained."
            ));
        }
        Ok(())
    }

    fn find_logits(&self, stages: &[Stage]) -> Result<StageId, Error> {
        let last = stages.len() - 1;
        let logits = self.of[last].alias.unwrap_or(last);
        let plain = matches!(stages[logits].op, Op::Dense(_)) && !self.of[logits].relu;
        if plain {
            return Ok(logits);
        }
        Err(Error::Integers {
            layer: stages[logits].name.clone(),
            why: "the last layer has to be `dense`, with nothing behind it but a softmax.".into(),
        })
    }

    /// Which tensors get a delta, and with how much more fraction.
    fn plan_deltas(&mut self, stages: &[Stage]) {
        let mut needed = vec![false; stages.len()];
        for (id, stage) in stages.iter().enumerate() {
            needed[id] = stage.trained.any() || stage.inputs.iter().any(|&i| needed[i]);
        }
        if needed[self.logits] {
            self.of[self.logits].extra = Some(0);
        }
        for id in (0..=self.logits).rev() {
            let Some(mut extra) = self.of[id].extra else {
                continue;
            };
            if let Op::AveragePool(pool) = &stages[id].op {
                extra = (extra + pool.window.size().ilog2() as i32).min(8);
            }
            for &from in stages[id].inputs.iter().filter(|&&i| needed[i]) {
                let e = &mut self.of[from].extra;
                *e = Some(e.map_or(extra, |e| e.min(extra)));
            }
        }
    }

    /// By how much the products of stage `id` are shifted before they are added up, backward.
    fn products(&self, stages: &[Stage], id: StageId, loss: LossSpec) -> i32 {
        let stage = &stages[id];
        let reach = match &stage.op {
            Op::Dense(dense) => dense.units,
            Op::Conv2d(conv) => conv.window.size() * conv.filters,
            Op::Depthwise(depthwise) => depthwise.window.size(),
            _ => return 0,
        };
        if id == self.logits && loss == LossSpec::CrossEntropy {
            return 0;
        }
        let bits = reach.next_power_of_two().ilog2() as i32;
        (bits + self.of[id].width - 15).max(0)
    }

    /// How much less fraction the delta of `id` has than that of its `nth` input: the shift to the right.
    pub fn drop(&self, stages: &[Stage], id: StageId, nth: usize) -> i32 {
        let of = |id: StageId| self.of[id].extra.unwrap_or(0);
        of(id) - of(stages[id].inputs[nth])
    }

    /// The record that says the fraction of what stage `id` computes; none for the input.
    fn source(&self, stages: &[Stage], mut id: StageId) -> Option<usize> {
        while self.of[id].record.is_none() {
            if id <= self.cut {
                return None;
            }
            id = *stages[id].inputs.first()?;
        }
        self.of[id].record
    }

    fn write_records(&mut self, stages: &[Stage], options: &Options) {
        let batch = options.training.batch as usize;
        let period = Decay::period(options.training.learning_rate * options.training.weight_decay);
        let mut records: Vec<Record> = Vec::new();
        for (id, stage) in stages.iter().enumerate() {
            let format = &self.of[id];
            if format.record.is_none() {
                continue;
            }
            let input = |nth: usize| {
                let from = stage.inputs.get(nth)?;
                self.source(stages, *from)
            };
            let fraction = |source: Option<usize>| match source {
                Some(i) => records[i].output,
                None => i32::from(self.input),
            };
            let number = |source: Option<usize>| source.map_or(-1, |i| i as i32);
            let (a, b) = (input(0), input(1));
            let adapts = id != self.logits;
            let products = self.products(stages, id, options.loss);
            let allowed = stage.shape.len() * batch / 64;
            let average = matches!(stage.op, Op::AveragePool(_));
            let drop = if stage.inputs.is_empty() {
                0
            } else {
                self.drop(stages, id, 0)
            };
            let record = Record {
                input: fraction(a),
                second: fraction(b),
                output: if average { AVERAGES } else { ACTIVATIONS },
                clipped: 0,
                allowed: if adapts { allowed as i32 } else { i32::MAX },
                weights: format.fraction,
                limit: (1 << format.width) - 1,
                products,
                back: format.fraction - products + drop,
                extra: format.extra.unwrap_or(0),
                number: format.number as i32,
                source: number(a),
                second_source: number(b),
                period: i32::from(period),
            };
            records.push(record);
        }
        self.records = records;
    }
}

/// Refuses classes of layers that there are not.
fn check_classes(stages: &[Stage], options: &Options) -> Result<(), Error> {
    let weighted = || {
        stages
            .iter()
            .filter(|s| s.parameters.is_some())
            .map(|s| &s.name)
    };
    for name in options.training.classes.keys() {
        if !weighted().any(|known| known == name) {
            return Err(Error::Option {
                what: "classes",
                value: name.clone(),
                allowed: "names of layers that have weights",
            });
        }
    }
    Ok(())
}

/// Weights of a stage.
fn weights(stage: &Stage) -> usize {
    stage.parameters.as_ref().map_or(0, |p| p.weights.len())
}

/// How many products an accumulator sums up.
fn fan_in(stage: &Stage) -> usize {
    let outputs = match &stage.op {
        Op::Conv2d(conv) => conv.filters,
        _ => stage.shape.c,
    };
    weights(stage) / outputs.max(1)
}

/// Whether accumulators of so many products and a bias stay in 32 bits.
fn fits(fan_in: usize, width: i32) -> bool {
    fan_in as i64 * ((1i64 << width) - 1) * 127 + BIAS < 1 << 31
}

/// log2 of the range of the weights: by their fan-in, and no less than what is given reaches.
fn range(stage: &Stage, class: Element, fan_in: usize) -> i32 {
    let least = if class == Element::I8 { 20.0 } else { 50.0 };
    let wide = |r: &i32| 4f64.powi(*r) * fan_in as f64 >= least;
    let by_inputs = (-7..=7).find(wide).unwrap_or(7);
    // Weights that are given may reach further than those that a layer starts with.
    let given = stage
        .parameters
        .as_ref()
        .map_or(0.0, |p| p.weights.largest());
    let by_values = (-7..=7).find(|r| 2f32.powi(*r) >= given).unwrap_or(7);
    by_inputs.max(by_values)
}

/// The fraction of the input: the largest with which no pixel is beyond what a byte holds.
fn input_fraction(normalisation: &[(f32, f32)]) -> u8 {
    let ends = normalisation
        .iter()
        .flat_map(|&(scale, shift)| [shift, 255.0 * scale + shift]);
    let most = ends.fold(0.0f32, |most, v| most.max(v.abs()));
    (0..=7u8)
        .rev()
        .find(|f| most * f32::from(1u16 << f) < 128.5)
        .unwrap_or(0)
}

/// What integers ask of the choices; gives what the loss multiplies the learning rate by.
fn check(stages: &[Stage], options: &Options) -> Result<f32, Error> {
    let training = &options.training;
    let refuse = |what, value: String, allowed| {
        Err(Error::Option {
            what,
            value,
            allowed,
        })
    };
    if training.optimiser != Optimiser::Sgd {
        return refuse("optimiser", "momentum or adam".into(), "sgd in integers");
    }
    if training.clip_norm.is_some() || training.clip_value.is_some() {
        return refuse(
            "clip_norm or clip_value",
            "given".into(),
            "absent in integers",
        );
    }
    let outputs = stages.last().map_or(1, |s| s.shape.len());
    let factor = match options.loss {
        LossSpec::CrossEntropy => 1.0,
        LossSpec::Mse => 2.0 / outputs as f32,
        other => {
            return refuse(
                "loss",
                other.name().into(),
                "cross_entropy or mse in integers",
            );
        }
    };
    if outputs > 4096 {
        return refuse("outputs", outputs.to_string(), "at most 4096 in integers");
    }
    let rate = training.learning_rate * (1.0 / training.batch as f32) * factor;
    if Rate::new(rate).is_none() {
        return refuse(
            "learning_rate",
            training.learning_rate.to_string(),
            "below 1/2 in integers",
        );
    }
    if training.learning_rate * training.weight_decay >= 1.0 {
        let value = training.weight_decay.to_string();
        let allowed = "so small that a step takes less than a whole weight, in integers";
        return refuse("weight_decay", value, allowed);
    }
    Ok(factor)
}
