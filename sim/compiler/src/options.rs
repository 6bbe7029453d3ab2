//! What the user chooses about learning, besides the network.

pub use crate::detector::DetectorSpec;
use crate::error::Error;
use crate::graph::{Graph, NodeId};
use crate::integer::{Arithmetic, Class};
use crate::stage::needed;
use runtime_shared::buffer::Policy;
use runtime_shared::kernels::loss::Loss;
use runtime_shared::program::{Element, RuleKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which layers are trained: `"none"`, `"full"`, `"last:N"`, `"bias"`, or `{ layers = ["name", …] }`
/// (also `"layers:name,name"`). What a scheme does not train is neither differentiated nor kept in RAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Scheme {
    /// Nothing.
    None,
    /// Every weight and bias.
    Full,
    /// Weights and biases of the last so many layers that have any.
    Last(usize),
    /// All biases, no weights (as in TinyTL, Cai et al. 2020).
    Bias,
    /// Weights and biases of these layers.
    Layers(Vec<String>),
}

impl From<Scheme> for String {
    fn from(scheme: Scheme) -> Self {
        match scheme {
            Scheme::None => "none".to_owned(),
            Scheme::Full => "full".to_owned(),
            Scheme::Last(n) => format!("last:{n}"),
            Scheme::Bias => "bias".to_owned(),
            Scheme::Layers(names) => format!("layers:{}", names.join(",")),
        }
    }
}

impl std::str::FromStr for Scheme {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fail = || Error::Scheme {
            scheme: text.to_owned(),
            why: "is not one of: none, full, last:N (N at least 1), bias, layers:NAME,NAME…"
                .to_owned(),
        };
        match text.split_once(':') {
            None => match text {
                "none" => Ok(Scheme::None),
                "full" => Ok(Scheme::Full),
                "bias" => Ok(Scheme::Bias),
                _ => Err(fail()),
            },
            Some(("last", n)) => {
                let n = n.parse().ok().filter(|&n| n >= 1).ok_or_else(fail)?;
                Ok(Scheme::Last(n))
            }
            Some(("layers", names)) => {
                let names: Vec<String> = names
                    .trim_matches(['[', ']'])
                    .split(',')
                    .map(|n| n.trim().to_owned())
                    .filter(|n| !n.is_empty())
                    .collect();
                if names.is_empty() {
                    Err(fail())
                } else {
                    Ok(Scheme::Layers(names))
                }
            }
            Some(_) => Err(fail()),
        }
    }
}

impl<'de> Deserialize<'de> for Scheme {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Scheme;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(
                    "\"none\", \"full\", \"last:N\", \"bias\" or { layers = [\"name\", …] }",
                )
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Scheme, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Scheme, A::Error> {
                match map.next_key::<String>()?.as_deref() {
                    Some("layers") => Ok(Scheme::Layers(map.next_value()?)),
                    Some(other) => Err(serde::de::Error::unknown_field(other, &["layers"])),
                    None => Err(serde::de::Error::missing_field("layers")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// What of a node is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trained {
    /// Its weights.
    pub weights: bool,
    /// Its bias.
    pub bias: bool,
}

impl Trained {
    /// Whether anything is.
    pub fn any(self) -> bool {
        self.weights || self.bias
    }
}

impl Scheme {
    /// What the scheme trains of every node of `graph`.
    ///
    /// # Errors
    /// [`Error::Scheme`] where it asks for layers that there are none of.
    pub fn trained(&self, graph: &Graph) -> Result<Vec<Trained>, Error> {
        let mut trained = vec![Trained::default(); graph.nodes().len()];
        let needed = needed(graph);
        let weighted: Vec<NodeId> = graph.weighted().filter(|&id| needed[id]).collect();
        let both = Trained {
            weights: true,
            bias: true,
        };
        let fail = |why: String| Error::Scheme {
            scheme: self.clone().into(),
            why,
        };
        match self {
            Scheme::None => {}
            Scheme::Full => weighted.iter().for_each(|&id| trained[id] = both),
            Scheme::Last(n) => {
                if *n > weighted.len() {
                    let count = weighted.len();
                    return Err(fail(format!(
                        "asks for {n} layers; the network has {count} with weights."
                    )));
                }
                weighted
                    .iter()
                    .rev()
                    .take(*n)
                    .for_each(|&id| trained[id] = both);
            }
            Scheme::Bias => {
                weighted.iter().for_each(|&id| {
                    trained[id] = Trained {
                        weights: false,
                        bias: true,
                    }
                });
            }
            Scheme::Layers(names) => {
                for name in names {
                    let Some(&id) = weighted.iter().find(|&&id| graph.nodes()[id].name == *name)
                    else {
                        let known: Vec<&str> = weighted
                            .iter()
                            .map(|&id| graph.nodes()[id].name.as_str())
                            .collect();
                        return Err(fail(format!(
                            "names `{name}`, which is no layer with weights. Those are: {}.",
                            known.join(", ")
                        )));
                    };
                    trained[id] = both;
                }
            }
        }
        for (node, trained) in graph.nodes().iter().zip(&mut trained) {
            trained.bias &= node.op.parameters().is_some_and(|p| p.bias.is_some());
        }
        Ok(trained)
    }
}

/// The loss by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossSpec {
    /// Softmax cross-entropy.
    #[default]
    CrossEntropy,
    /// Mean squared error against one-hot targets.
    Mse,
    /// Sigmoid cross-entropy against one-hot targets, or one output against 0 and 1.
    BinaryCrossEntropy,
    /// The update of the thesis: softmax outputs moved by p(1−p)(t−p). Not the gradient of a loss.
    Damped,
    /// Mean absolute error, targets as for the squared one.
    Mae,
    /// Half the squared error up to this bend, and from there on a line: `{ huber = 1.0 }`.
    Huber(f32),
}

impl LossSpec {
    /// The core's loss.
    pub fn kernel(self) -> Loss {
        match self {
            LossSpec::CrossEntropy => Loss::CrossEntropy,
            LossSpec::Mse => Loss::Mse,
            LossSpec::BinaryCrossEntropy => Loss::BinaryCrossEntropy,
            LossSpec::Damped => Loss::Damped,
            LossSpec::Mae => Loss::Mae,
            LossSpec::Huber(_) => Loss::Huber,
        }
    }

    /// Its parameter; 0 where it has none.
    pub(crate) fn bend(self) -> f32 {
        match self {
            LossSpec::Huber(bend) => bend,
            _ => 0.0,
        }
    }

    /// As it is written in a config.
    pub fn name(self) -> &'static str {
        match self {
            LossSpec::CrossEntropy => "cross_entropy",
            LossSpec::Mse => "mse",
            LossSpec::BinaryCrossEntropy => "binary_cross_entropy",
            LossSpec::Damped => "damped",
            LossSpec::Mae => "mae",
            LossSpec::Huber(_) => "huber",
        }
    }
}

/// What the outputs are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The class of the sample.
    #[default]
    Class,
    /// The sample itself, as the network sees it: an autoencoder. It is learnt from samples, not from stored features.
    Input,
}

/// An optimiser with its own parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimiser {
    /// Plain gradient descent.
    #[default]
    Sgd,
    /// With a velocity: `{ momentum = { momentum = 0.9 } }`.
    Momentum {
        /// The share of the velocity that stays.
        #[serde(default = "nine_tenths")]
        momentum: f32,
    },
    /// Adam (Kingma & Ba 2015): `{ adam = {} }`.
    Adam {
        /// Decay of the first moment.
        #[serde(default = "nine_tenths")]
        beta1: f32,
        /// Decay of the second moment.
        #[serde(default = "beta2")]
        beta2: f32,
        /// Added to the root of the second moment.
        #[serde(default = "adam_epsilon")]
        epsilon: f32,
    },
}

fn nine_tenths() -> f32 {
    0.9
}

fn beta2() -> f32 {
    0.999
}

fn adam_epsilon() -> f32 {
    1e-8
}

impl Optimiser {
    /// The rule that carries it out.
    pub fn rule(self) -> RuleKind {
        match self {
            Optimiser::Sgd => RuleKind::Sgd,
            Optimiser::Momentum { .. } => RuleKind::Momentum,
            Optimiser::Adam { .. } => RuleKind::Adam,
        }
    }
}

/// How the learning rate changes with the updates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleSpec {
    /// It does not.
    #[default]
    Constant,
    /// Multiplied by `factor` every `period` updates.
    Step {
        /// Updates between steps.
        period: u32,
        /// What a step multiplies by.
        factor: f32,
    },
    /// Half a cosine over `period` updates, down to `last` of the first rate.
    Cosine {
        /// Updates until the end; 0 for the length of the training, where that is known.
        #[serde(default)]
        period: u32,
        /// The share of the first rate that is left at the end.
        #[serde(default)]
        last: f32,
    },
}

fn unit_batch() -> u32 {
    1
}

/// How parameters move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The learning rate.
    pub learning_rate: f32,
    /// SGD, momentum or Adam.
    #[serde(default)]
    pub optimiser: Optimiser,
    /// How the rate changes.
    #[serde(default)]
    pub schedule: ScheduleSpec,
    /// Floats or integers.
    #[serde(default)]
    pub arithmetic: Arithmetic,
    /// In integers, behind a frozen extractor: bits of fraction of its features. What suits depends on the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_fraction: Option<u8>,
    /// In integers: the classes of the weights of some layers, by name, whatever the arithmetic would choose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<String, Class>,
    /// Samples whose gradients are averaged into an update. 1 updates in place, without a gradient
    /// buffer.
    #[serde(default = "unit_batch")]
    pub batch: u32,
    /// L2 decay, added to the gradient.
    #[serde(default)]
    pub weight_decay: f32,
    /// Gradients are cut to this absolute value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f32>,
    /// The whole gradient is scaled down to this norm. Needs a gradient buffer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f32>,
    /// What outputs are compared with. No config says it: whoever has something else than classes brings samples of
    /// his own.
    #[serde(skip)]
    pub target: Target,
}

impl Training {
    /// Plain SGD at `learning_rate`.
    pub fn sgd(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            optimiser: Optimiser::Sgd,
            schedule: ScheduleSpec::Constant,
            arithmetic: Arithmetic::F32,
            feature_fraction: None,
            classes: BTreeMap::new(),
            batch: 1,
            weight_decay: 0.0,
            clip_value: None,
            clip_norm: None,
            target: Target::Class,
        }
    }

    /// Whether gradients must be kept until all of them exist.
    pub fn accumulates(&self) -> bool {
        self.batch > 1 || self.clip_norm.is_some()
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self) -> Result<(), Error> {
        let demand = |what, value: f32, allowed, holds: bool| {
            if holds {
                Ok(())
            } else {
                Err(Error::Option {
                    what,
                    value: value.to_string(),
                    allowed,
                })
            }
        };
        let positive = |v: f32| v.is_finite() && v > 0.0;
        let share = |v: f32| (0.0..1.0).contains(&v);
        demand(
            "learning_rate",
            self.learning_rate,
            "a positive number",
            positive(self.learning_rate),
        )?;
        demand(
            "weight_decay",
            self.weight_decay,
            "zero or a positive number",
            self.weight_decay >= 0.0 && self.weight_decay.is_finite(),
        )?;
        demand(
            "batch",
            self.batch as f32,
            "between 1 and 65535",
            (1..=65535).contains(&self.batch),
        )?;
        for (what, limit) in [
            ("clip_value", self.clip_value),
            ("clip_norm", self.clip_norm),
        ] {
            let limit = limit.unwrap_or(1.0);
            demand(what, limit, "a positive number", positive(limit))?;
        }
        let rest = "at least 0 and below 1";
        match self.optimiser {
            Optimiser::Sgd => {}
            Optimiser::Momentum { momentum } => {
                demand("momentum", momentum, rest, share(momentum))?
            }
            Optimiser::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                demand("beta1", beta1, rest, share(beta1))?;
                demand("beta2", beta2, rest, share(beta2))?;
                demand("epsilon", epsilon, "a positive number", positive(epsilon))?;
            }
        }
        match self.schedule {
            ScheduleSpec::Constant => Ok(()),
            ScheduleSpec::Step { period, factor } => {
                demand(
                    "schedule.step.period",
                    period as f32,
                    "at least 1",
                    period >= 1,
                )?;
                demand(
                    "schedule.step.factor",
                    factor,
                    "a positive number",
                    positive(factor),
                )
            }
            ScheduleSpec::Cosine { last, .. } => demand(
                "schedule.cosine.last",
                last,
                "between 0 and 1",
                (0.0..=1.0).contains(&last),
            ),
        }
    }
}

/// A buffer policy by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicySpec {
    /// Each sample is learnt once.
    #[default]
    None,
    /// The newest replaces the oldest.
    Fifo,
    /// Every sample equally likely.
    Reservoir,
    /// As many of each class as can be.
    ClassBalanced,
}

impl PolicySpec {
    /// The core's policy.
    pub fn policy(self) -> Policy {
        match self {
            PolicySpec::None => Policy::None,
            PolicySpec::Fifo => Policy::Fifo,
            PolicySpec::Reservoir => Policy::Reservoir,
            PolicySpec::ClassBalanced => Policy::ClassBalanced,
        }
    }
}

/// What the buffer holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// The features of the frozen extractor where there is one, raw samples otherwise.
    #[default]
    Features,
    /// Raw samples, whose features are extracted at each replay.
    Raw,
}

/// What starts a pass over the buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// Every sample.
    #[default]
    EverySample,
    /// Every so many samples: `{ every = 10 }`.
    Every(u32),
    /// A prediction of lower probability: `{ confidence_below = 0.8 }`.
    ConfidenceBelow(f32),
    /// So many samples from each detected drift on: `{ after_drift = 100 }`.
    AfterDrift(u32),
}

/// Features as bytes: a quarter of the buffer. Numbers from `low` to `high` get the 256 bytes evenly; what lies beyond becomes
/// the nearest of these.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// What byte 0 stands for; 0 behind a ReLU, so that zeros stay zeros.
    #[serde(default)]
    pub low: f32,
    /// What byte 255 stands for.
    pub high: f32,
}

impl Quantisation {
    /// What the bytes are.
    pub fn element(&self) -> Element {
        Element::U8
    }

    /// `byte = round(x · inverse + zero)`.
    pub fn step(&self) -> [f32; 2] {
        let inverse = 255.0 / (self.high - self.low);
        [inverse, -self.low * inverse]
    }

    /// `x = byte · scale + shift`.
    pub fn scale(&self) -> [f32; 2] {
        [(self.high - self.low) / 255.0, self.low]
    }
}

fn one_pass() -> u32 {
    1
}

/// How the device learns online.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Online {
    /// Who is let into the buffer.
    #[serde(default)]
    pub policy: PolicySpec,
    /// Slots of the buffer.
    #[serde(default)]
    pub slots: u32,
    /// What it holds.
    #[serde(default)]
    pub store: Store,
    /// What starts a pass.
    #[serde(default)]
    pub trigger: Trigger,
    /// Passes at each trigger.
    #[serde(default = "one_pass")]
    pub passes: u32,
    /// Samples drawn a pass; 0 for the whole buffer in order.
    #[serde(default)]
    pub draw: u32,
    /// A drift detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorSpec>,
    /// How stored features become bytes; floats where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
}

impl Default for Online {
    fn default() -> Self {
        Self {
            policy: PolicySpec::None,
            slots: 0,
            store: Store::Features,
            trigger: Trigger::EverySample,
            passes: 1,
            draw: 0,
            detector: None,
            quantisation: None,
        }
    }
}

impl Online {
    /// A ring of `slots`.
    pub fn fifo(slots: u32) -> Self {
        Self {
            policy: PolicySpec::Fifo,
            slots,
            ..Self::default()
        }
    }

    /// Refuses what makes no sense.
    ///
    /// # Errors
    /// [`Error::Option`].
    pub fn check(&self) -> Result<(), Error> {
        let demand = |what, value: String, allowed, holds: bool| {
            if holds {
                Ok(())
            } else {
                Err(Error::Option {
                    what,
                    value,
                    allowed,
                })
            }
        };
        let stores = self.policy != PolicySpec::None;
        demand(
            "buffer slots",
            self.slots.to_string(),
            "at least 1 with a buffer policy, and at most 16777216",
            (!stores || self.slots >= 1) && self.slots <= 1 << 24,
        )?;
        demand(
            "passes",
            self.passes.to_string(),
            "between 1 and 65535",
            (1..=65535).contains(&self.passes),
        )?;
        demand(
            "draw",
            self.draw.to_string(),
            "at most 65535, and 0 without a buffer policy",
            self.draw <= 65535 && (stores || self.draw == 0),
        )?;
        match self.trigger {
            Trigger::EverySample => {}
            Trigger::Every(n) => demand("trigger.every", n.to_string(), "at least 1", n >= 1)?,
            Trigger::ConfidenceBelow(c) => {
                let holds = c > 0.0 && c <= 1.0;
                demand(
                    "trigger.confidence_below",
                    c.to_string(),
                    "above 0 and at most 1",
                    holds,
                )?;
            }
            Trigger::AfterDrift(n) => {
                demand("trigger.after_drift", n.to_string(), "at least 1", n >= 1)?;
                let detector = self.detector.is_some();
                demand(
                    "trigger.after_drift",
                    n.to_string(),
                    "used together with a detector",
                    detector,
                )?;
            }
        }
        if let Some(q) = self.quantisation {
            let holds = q.low < q.high
                && q.step().iter().chain(&q.scale()).all(|v| v.is_finite())
                && q.scale()[0] > 0.0;
            demand(
                "quantisation",
                format!("low = {}, high = {}", q.low, q.high),
                "a low that is below the high, both finite",
                holds,
            )?;
        }
        Ok(())
    }
}
