//! Networks as they are written in TOML.
//!
//! ```toml
//! layers = [
//!     { conv2d = { filters = 4, kernel = 3, activation = "relu" } },
//!     { max_pool = { size = 2 } },
//!     { flatten = {} },
//!     { dense = { units = 10 } },
//! ]
//! ```

use crate::error::Error;
use crate::graph::{Graph, NodeId, Op, Padding, Window, dimension};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use serde::{Deserialize, Serialize};

/// A network: its layers in order, each fed by the one before unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The layers.
    pub layers: Vec<LayerSpec>,
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerSpec {
    /// Fully connected; flattens what it is given.
    Dense(DenseSpec),
    /// Convolution.
    Conv2d(ConvSpec),
    /// Depthwise convolution.
    DepthwiseConv2d(DepthwiseSpec),
    /// Largest of each window.
    MaxPool(PoolSpec),
    /// Mean of each window.
    AveragePool(PoolSpec),
    /// Mean of each channel.
    GlobalAveragePool(PlainSpec),
    /// An activation of its own.
    Activation(ActivationLayerSpec),
    /// Softmax over the outputs.
    Softmax(PlainSpec),
    /// Adds the output of an earlier layer.
    Add(AddSpec),
    /// Image to vector.
    Flatten(PlainSpec),
    /// Batch normalisation, frozen.
    BatchNorm(BatchNormSpec),
    /// Dropout while training.
    Dropout(DropoutSpec),
}

/// An activation by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationSpec {
    /// The identity.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// min(6, max(0, x)).
    Relu6,
    /// x where positive, slope · x elsewhere: `{ leaky_relu = 0.01 }`.
    LeakyRelu(f32),
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
}

impl ActivationSpec {
    fn resolve(self) -> Activation {
        match self {
            Self::Linear => Activation::None,
            Self::Relu => Activation::Relu,
            Self::Relu6 => Activation::Relu6,
            Self::LeakyRelu(slope) => Activation::LeakyRelu(slope),
            Self::Sigmoid => Activation::Sigmoid,
            Self::Tanh => Activation::Tanh,
        }
    }
}

/// Height and width: one number for both, or two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "(usize, usize)")]
pub struct Size(pub usize, pub usize);

impl From<Size> for (usize, usize) {
    fn from(size: Size) -> Self {
        (size.0, size.1)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a positive whole number, or two of them: [height, width]")
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Size, E> {
                let v = usize::try_from(v)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(v), &self))?;
                Ok(Size(v, v))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Size, E> {
                Ok(Size(v as usize, v as usize))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Size, A::Error> {
                let missing = |n| serde::de::Error::invalid_length(n, &"[height, width]");
                let h = seq.next_element()?.ok_or_else(|| missing(0))?;
                let w = seq.next_element()?.ok_or_else(|| missing(1))?;
                if seq.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(missing(3));
                }
                Ok(Size(h, w))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The border of an image: `"valid"`, `"same"` or `{ explicit = 2 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSpec {
    /// No padding.
    #[default]
    Valid,
    /// Output as large as the input (over the stride).
    Same,
    /// So many rows and columns on every side.
    Explicit(usize),
}

fn one() -> Size {
    Size(1, 1)
}

fn yes() -> bool {
    true
}

fn epsilon() -> f32 {
    1e-3
}

/// `dense`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseSpec {
    /// A name of its own, to refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Outputs.
    pub units: usize,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// `conv2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Output channels.
    pub filters: usize,
    /// Size of the window.
    pub kernel: Size,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: Size,
    /// The border.
    #[serde(default)]
    pub padding: PaddingSpec,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// `depthwise_conv2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the window.
    pub kernel: Size,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: Size,
    /// The border.
    #[serde(default)]
    pub padding: PaddingSpec,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

/// `max_pool`, `average_pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the window.
    pub size: Size,
    /// Step of the window; its size where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Size>,
    /// The border.
    #[serde(default)]
    pub padding: PaddingSpec,
}

/// `activation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationLayerSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which.
    pub kind: ActivationSpec,
}

/// A layer with nothing to say but its name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlainSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// `add`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output is added to the one before.
    pub with: String,
}

/// `batch_norm`: statistics of pre-training; identity where not given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Scale, one a channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<Vec<f32>>,
    /// Shift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<Vec<f32>>,
    /// Mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<Vec<f32>>,
    /// Added to the variance.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
}

/// `dropout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The share that is zeroed.
    pub rate: f32,
}

impl LayerSpec {
    /// The kind, as written, and the name, if one was given.
    fn kind_and_name(&self) -> (&'static str, Option<&str>) {
        let (kind, name) = match self {
            LayerSpec::Dense(s) => ("dense", &s.name),
            LayerSpec::Conv2d(s) => ("conv2d", &s.name),
            LayerSpec::DepthwiseConv2d(s) => ("depthwise_conv2d", &s.name),
            LayerSpec::MaxPool(s) => ("max_pool", &s.name),
            LayerSpec::AveragePool(s) => ("average_pool", &s.name),
            LayerSpec::GlobalAveragePool(s) => ("global_average_pool", &s.name),
            LayerSpec::Activation(s) => ("activation", &s.name),
            LayerSpec::Softmax(s) => ("softmax", &s.name),
            LayerSpec::Add(s) => ("add", &s.name),
            LayerSpec::Flatten(s) => ("flatten", &s.name),
            LayerSpec::BatchNorm(s) => ("batch_norm", &s.name),
            LayerSpec::Dropout(s) => ("dropout", &s.name),
        };
        (kind, name.as_deref())
    }
}

impl NetworkSpec {
    /// Builds the graph for samples of shape `input`, with weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error`], naming the layer.
    pub fn build(&self, input: Shape, seed: u64) -> Result<Graph, Error> {
        if self.layers.is_empty() {
            return Err(Error::Empty);
        }
        let mut graph = Graph::new(input)?;
        let mut counts = std::collections::BTreeMap::new();
        for layer in &self.layers {
            let (kind, name) = layer.kind_and_name();
            let count = counts.entry(kind).or_insert(0);
            *count += 1;
            let name = name.map_or_else(|| format!("{kind}_{count}"), str::to_owned);
            append(&mut graph, &name, layer)?;
        }
        graph.initialise(seed);
        Ok(graph)
    }
}

fn append(graph: &mut Graph, name: &str, layer: &LayerSpec) -> Result<NodeId, Error> {
    let last = graph.output();
    let input = graph.nodes()[last].shape;
    let bias = |wanted: bool, len: usize| wanted.then(|| vec![0.0; len]);
    let window = |kernel: Size, stride: Size, padding: PaddingSpec| {
        let padding = match padding {
            PaddingSpec::Valid => Padding::Valid,
            PaddingSpec::Same => Padding::Same,
            PaddingSpec::Explicit(p) => Padding::Explicit(p),
        };
        Window::new(name, input, kernel.into(), stride.into(), padding)
    };
    let (op, activation) = match layer {
        LayerSpec::Dense(s) => {
            dimension(name, "the number of units", s.units)?;
            let weights = zeros(name, &[input.len(), s.units])?;
            (
                Op::Dense {
                    weights,
                    bias: bias(s.bias, s.units),
                },
                s.activation,
            )
        }
        LayerSpec::Conv2d(s) => {
            dimension(name, "the number of filters", s.filters)?;
            let window = window(s.kernel, s.stride, s.padding)?;
            let weights = zeros(
                name,
                &[window.kernel.0, window.kernel.1, input.c, s.filters],
            )?;
            (
                Op::Conv2d {
                    window,
                    weights,
                    bias: bias(s.bias, s.filters),
                },
                s.activation,
            )
        }
        LayerSpec::DepthwiseConv2d(s) => {
            let window = window(s.kernel, s.stride, s.padding)?;
            let weights = zeros(name, &[window.kernel.0, window.kernel.1, input.c])?;
            (
                Op::Depthwise {
                    window,
                    weights,
                    bias: bias(s.bias, input.c),
                },
                s.activation,
            )
        }
        LayerSpec::MaxPool(s) => {
            let window = window(s.size, s.stride.unwrap_or(s.size), s.padding)?;
            (Op::MaxPool(window), ActivationSpec::Linear)
        }
        LayerSpec::AveragePool(s) => {
            let window = window(s.size, s.stride.unwrap_or(s.size), s.padding)?;
            (Op::AveragePool(window), ActivationSpec::Linear)
        }
        LayerSpec::GlobalAveragePool(_) => {
            let all = Size(input.h, input.w);
            (
                Op::AveragePool(window(all, all, PaddingSpec::Valid)?),
                ActivationSpec::Linear,
            )
        }
        LayerSpec::Activation(s) => (Op::Activation(s.kind.resolve()), ActivationSpec::Linear),
        LayerSpec::Softmax(_) => (Op::Softmax, ActivationSpec::Linear),
        LayerSpec::Add(s) => {
            let activated = graph.find(&activation_of(&s.with));
            let other =
                activated
                    .or_else(|| graph.find(&s.with))
                    .ok_or_else(|| Error::UnknownLayer {
                        layer: name.to_owned(),
                        name: s.with.clone(),
                        known: graph
                            .nodes()
                            .iter()
                            .map(|n| n.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", "),
                    })?;
            return graph.push(name, Op::Add, &[last, other]);
        }
        LayerSpec::Flatten(_) => (Op::Flatten, ActivationSpec::Linear),
        LayerSpec::BatchNorm(s) => (batch_norm(name, s, input.c)?, ActivationSpec::Linear),
        LayerSpec::Dropout(s) => (Op::Dropout(s.rate), ActivationSpec::Linear),
    };
    let id = graph.push(name, op, &[last])?;
    if activation == ActivationSpec::Linear {
        return Ok(id);
    }
    graph.push(
        &activation_of(name),
        Op::Activation(activation.resolve()),
        &[id],
    )
}

/// Weights that one layer may have: 64 MB of them, more than any microcontroller's flash.
const MOST_WEIGHTS: usize = 1 << 24;

/// As many zeros as the product of `dimensions` says.
fn zeros(layer: &str, dimensions: &[usize]) -> Result<Vec<f32>, Error> {
    let count = dimensions
        .iter()
        .fold(1, |n: usize, &d| n.saturating_mul(d));
    if count > MOST_WEIGHTS {
        return Err(Error::Dimension {
            layer: layer.to_owned(),
            what: "the number of weights",
            value: count,
            most: MOST_WEIGHTS,
        });
    }
    Ok(vec![0.0; count])
}

/// The node behind a layer that was given an activation; `add` means what comes out of it.
fn activation_of(layer: &str) -> String {
    format!("{layer}.activation")
}

fn batch_norm(name: &str, s: &BatchNormSpec, channels: usize) -> Result<Op, Error> {
    let given = |values: &Option<Vec<f32>>, default: f32| match values {
        Some(v) if v.len() != channels => Err(Error::Weights {
            layer: name.to_owned(),
            expected: channels,
            given: v.len(),
        }),
        Some(v) => Ok(v.clone()),
        None => Ok(vec![default; channels]),
    };
    let (gamma, beta) = (given(&s.gamma, 1.0)?, given(&s.beta, 0.0)?);
    let (mean, variance) = (given(&s.mean, 0.0)?, given(&s.variance, 1.0)?);
    let scale: Vec<f32> = gamma
        .iter()
        .zip(&variance)
        .map(|(g, v)| g / (v + s.epsilon).sqrt())
        .collect();
    let shift = beta
        .iter()
        .zip(&mean)
        .zip(&scale)
        .map(|((b, m), s)| b - m * s)
        .collect();
    Ok(Op::BatchNorm { scale, shift })
}
