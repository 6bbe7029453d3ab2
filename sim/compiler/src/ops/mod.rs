//! The operators, a file each: what is written in TOML, the shape that comes out, how weights are drawn, what is
//! folded or fused, and the kernel calls forward and backward.
//!
//! Two tables list them: [`Op`] is what a graph consists of, [`LayerSpec`] what a network file may say. Everything
//! else goes through the traits [`Operator`] and [`Layer`]. Whoever adds an operator writes its file and a line in
//! each table.

pub mod activation;
pub mod add;
pub mod affine;
pub mod average_pool;
pub mod batch_norm;
pub mod concat;
pub mod conv2d;
pub mod dense;
pub mod depthwise;
pub mod dropout;
pub mod flatten;
pub mod input;
pub mod log_softmax;
pub mod max_pool;
pub mod multiply;
pub mod pad;
pub mod reshape;
pub mod series;
pub mod slice;
pub mod softmax;
pub mod transpose;
pub mod unfold;

use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{Graph, NodeId};
use crate::listing::Symbol;
use crate::options::LossSpec;
use crate::stage::{Stage, StageId};
use crate::tensor::{Parameters, Tensor};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Whether exact zeros are frequent in what an operator computes, so that a dense layer may skip them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeros {
    /// They are not.
    No,
    /// They are where the sample has them.
    OfSample,
    /// It makes them.
    Made,
    /// They are where its input has them.
    Kept,
}

/// Whether what follows a layer is a rectifier, for which weights are drawn larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rectifies {
    /// It is none.
    No,
    /// It is one.
    Yes,
    /// What comes after it decides.
    AsNext,
}

/// What the compiler asks of an operator. Each is one node of a graph.
pub trait Operator {
    /// How many inputs it takes.
    fn arity(&self) -> RangeInclusive<usize> {
        1..=1
    }

    /// The shape of its output. There are as many `inputs` as [`arity`](Self::arity) allows.
    ///
    /// # Errors
    /// Whatever does not fit, naming `layer`.
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error>;

    /// What it learns.
    fn parameters(&self) -> Option<&Parameters> {
        None
    }

    /// What it learns, to be replaced.
    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        None
    }

    /// Over an input of this shape: the values that an output is made of, and the outputs that a value goes into.
    fn fans(&self, input: Shape) -> Option<(usize, usize)> {
        let _ = input;
        None
    }

    /// Tensors that are never trained, with their names, for [`Symbol::Constant`].
    fn constants(&self) -> Vec<(&'static str, Tensor)> {
        Vec::new()
    }

    /// Refuses an operator that still lacks values which an image needs.
    ///
    /// # Errors
    /// [`Error::Statistics`].
    fn ready(&self, layer: &str) -> Result<(), Error> {
        let _ = layer;
        Ok(())
    }

    /// Whether it moves nothing: its output is its input under another shape.
    fn is_view(&self) -> bool {
        false
    }

    /// Whether its output may be the very memory of its input.
    fn hands_through(&self) -> bool {
        self.is_view()
    }

    /// Whether it is part of `loss` where it is the last, so that neither direction needs a call.
    fn is_part_of(&self, loss: LossSpec) -> bool {
        let _ = loss;
        false
    }

    /// The activation whose derivative is read from its output; none where it does not look at it again.
    fn derivative(&self) -> Activation {
        Activation::None
    }

    /// Whether it leaves exact zeros.
    fn zeros(&self) -> Zeros {
        Zeros::No
    }

    /// Whether it is a rectifier to the layer before it.
    fn rectifies(&self) -> Rectifies {
        Rectifies::No
    }

    /// Goes into the stage before it, whose output it sees in the shape `seen`, if that gives the same numbers.
    fn absorb(&self, into: &mut Stage, seen: Shape) -> bool {
        let _ = (into, seen);
        false
    }

    /// Emits its calls; gives where its output is.
    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol;

    /// Emits the calls that make the gradients of its inputs and weights. What is fused behind it, and the
    /// gradient of a bias, are the caller's.
    fn backward(&self, pass: &mut Backward<'_>, id: StageId);
}

/// Declares [`Op`], and which type answers for each variant.
macro_rules! operators {
    ($($(#[$doc:meta])* $variant:ident($operator:ty),)*) => {
        /// What a node computes.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op { $($(#[$doc])* $variant($operator),)* }

        impl Op {
            /// What the compiler asks.
            pub fn operator(&self) -> &dyn Operator {
                match self { $(Op::$variant(operator) => operator,)* }
            }

            /// As [`operator`](Self::operator), to change weights.
            pub fn operator_mut(&mut self) -> &mut dyn Operator {
                match self { $(Op::$variant(operator) => operator,)* }
            }
        }

        $(impl From<$operator> for Op {
            fn from(operator: $operator) -> Self { Op::$variant(operator) }
        })*
    };
}

operators! {
    /// The normalised sample.
    Input(input::Input),
    /// Fully connected.
    Dense(dense::Dense),
    /// Convolution.
    Conv2d(conv2d::Conv2d),
    /// Depthwise convolution, one filter a channel.
    Depthwise(depthwise::Depthwise),
    /// The largest of each window.
    MaxPool(max_pool::MaxPool),
    /// The mean of each window, padding left out.
    AveragePool(average_pool::AveragePool),
    /// An elementwise activation.
    Activation(Activation),
    /// Over all outputs.
    Softmax(softmax::Softmax),
    /// The logarithm of softmax.
    LogSoftmax(log_softmax::LogSoftmax),
    /// The sum of two inputs.
    Add(add::Add),
    /// The product of two inputs.
    Multiply(multiply::Multiply),
    /// Inputs joined along an axis.
    Concat(concat::Concat),
    /// An image with a border.
    Pad(pad::Pad),
    /// A part of an image.
    Slice(slice::Slice),
    /// Windows of an image, laid out.
    Unfold(unfold::Unfold),
    /// An image with its axes in another order.
    Transpose(transpose::Transpose),
    /// An image as a vector: nothing moves.
    Flatten(flatten::Flatten),
    /// The same values under another shape: nothing moves.
    Reshape(reshape::Reshape),
    /// Constants that are multiplied by and added.
    Affine(affine::Affine),
    /// Batch normalisation with frozen statistics.
    BatchNorm(batch_norm::BatchNorm),
    /// Zeroes a share of its inputs while training, scales the rest up.
    Dropout(dropout::Dropout),
}

impl Op {
    /// Weights and bias, where the layer has them.
    pub fn parameters(&self) -> Option<&Parameters> {
        self.operator().parameters()
    }

    /// Weights and bias, to be replaced.
    pub fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        self.operator_mut().parameters_mut()
    }
}

/// Where a layer of a network file is put.
pub struct Site<'a> {
    /// The graph so far.
    pub graph: &'a mut Graph,
    /// What the layer is called.
    pub name: &'a str,
    /// The layer before it.
    pub last: NodeId,
}

impl Site<'_> {
    /// The shape that the layer is given.
    pub fn input(&self) -> Shape {
        self.graph.nodes()[self.last].shape
    }

    /// Whether what it is given is a vector, which was flattened or came out of a dense layer, and not an image of
    /// one pixel.
    pub fn is_vector(&self) -> bool {
        let nodes = self.graph.nodes();
        let mut id = self.last;
        loop {
            match (&nodes[id].op, nodes[id].inputs.first()) {
                (Op::Flatten(_) | Op::Dense(_), _) => return nodes[id].shape.c > 1,
                (Op::Activation(_) | Op::Dropout(_) | Op::BatchNorm(_), Some(&before)) => {
                    id = before
                }
                _ => return false,
            }
        }
    }

    /// Appends `op` behind the layer before it.
    ///
    /// # Errors
    /// The graph's.
    pub fn push(&mut self, op: impl Into<Op>) -> Result<NodeId, Error> {
        self.graph.push(self.name, op, &[self.last])
    }

    /// What comes out of the layer called `name`, behind its activation.
    ///
    /// # Errors
    /// [`Error::UnknownLayer`].
    pub fn find(&self, name: &str) -> Result<NodeId, Error> {
        let graph = &self.graph;
        let activated = graph.find(&activation::of(name));
        activated
            .or_else(|| graph.find(name))
            .ok_or_else(|| Error::UnknownLayer {
                layer: self.name.to_owned(),
                name: name.to_owned(),
                known: graph
                    .nodes()
                    .iter()
                    .map(|n| n.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }
}

/// What a network file says of a layer.
pub trait Layer {
    /// The name, if one was given.
    fn name(&self) -> Option<&str>;

    /// Appends the layer; gives its last node.
    ///
    /// # Errors
    /// Whatever does not fit, naming the layer.
    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error>;
}

/// Declares [`LayerSpec`]: variant, name in a file, and which type holds the rest.
macro_rules! layers {
    ($($(#[$doc:meta])* $variant:ident = $kind:literal, $spec:ty;)*) => {
        /// One layer.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum LayerSpec { $($(#[$doc])* #[serde(rename = $kind)] $variant($spec),)* }

        impl LayerSpec {
            /// The kind, as it is written.
            pub fn kind(&self) -> &'static str {
                match self { $(LayerSpec::$variant(_) => $kind,)* }
            }

            pub(crate) fn layer(&self) -> &dyn Layer {
                match self { $(LayerSpec::$variant(spec) => spec,)* }
            }
        }
    };
}

layers! {
    /// Fully connected; flattens what it is given.
    Dense = "dense", dense::DenseSpec;
    /// Convolution.
    Conv2d = "conv2d", conv2d::ConvSpec;
    /// Depthwise convolution.
    DepthwiseConv2d = "depthwise_conv2d", depthwise::DepthwiseSpec;
    /// Largest of each window.
    MaxPool = "max_pool", max_pool::MaxPoolSpec;
    /// Largest of each channel.
    GlobalMaxPool = "global_max_pool", max_pool::GlobalMaxPoolSpec;
    /// Mean of each window.
    AveragePool = "average_pool", average_pool::AveragePoolSpec;
    /// Mean of each channel.
    GlobalAveragePool = "global_average_pool", average_pool::GlobalAveragePoolSpec;
    /// An activation of its own.
    Activation = "activation", activation::ActivationLayerSpec;
    /// Softmax over the outputs.
    Softmax = "softmax", softmax::SoftmaxSpec;
    /// The logarithm of softmax.
    LogSoftmax = "log_softmax", log_softmax::LogSoftmaxSpec;
    /// Adds the output of an earlier layer.
    Add = "add", add::AddSpec;
    /// Multiplies by the output of an earlier layer.
    Multiply = "multiply", multiply::MultiplySpec;
    /// Joins the outputs of earlier layers.
    Concat = "concat", concat::ConcatSpec;
    /// A border around an image.
    Pad = "pad", pad::PadSpec;
    /// A part of an image.
    Slice = "slice", slice::SliceSpec;
    /// Other order of axes.
    Transpose = "transpose", transpose::TransposeSpec;
    /// Image to vector.
    Flatten = "flatten", flatten::FlattenSpec;
    /// Another shape for the same values.
    Reshape = "reshape", reshape::ReshapeSpec;
    /// Multiplication by and addition of a constant.
    Affine = "affine", affine::AffineSpec;
    /// Convolution of a series.
    Conv1d = "conv1d", series::Conv1dSpec;
    /// Depthwise convolution of a series.
    DepthwiseConv1d = "depthwise_conv1d", series::DepthwiseConv1dSpec;
    /// Largest of each window of a series.
    MaxPool1d = "max_pool1d", series::MaxPool1dSpec;
    /// Mean of each window of a series.
    AveragePool1d = "average_pool1d", series::AveragePool1dSpec;
    /// Batch normalisation, frozen.
    BatchNorm = "batch_norm", batch_norm::BatchNormSpec;
    /// Dropout while training.
    Dropout = "dropout", dropout::DropoutSpec;
}
