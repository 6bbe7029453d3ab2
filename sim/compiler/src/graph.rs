//! The network as a graph of layers with their weights: what every importer makes and the compiler takes.
//!
//! Nodes stand in an order in which each comes after its inputs. Layouts: images are height × width ×
//! channels; dense weights are `[inputs][outputs]`, convolutions `[ky][kx][ci][co]`, depthwise
//! `[ky][kx][c]`.

use crate::error::Error;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::rng::Rng;

/// The largest dimension that the Program format can carry.
pub const MOST: usize = u16::MAX as usize;

/// A node's place in [`Graph::nodes`].
pub type NodeId = usize;

/// A window that slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: (usize, usize),
    /// Step down and right.
    pub stride: (usize, usize),
    /// Rows above and columns left of the image that count as zero (as nothing, when pooling).
    pub pad: (usize, usize),
    /// Height and width of the output.
    pub output: (usize, usize),
}

/// How the border of an image is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Only windows that lie inside.
    #[default]
    Valid,
    /// The output is as large as the input, divided by the stride and rounded up. What is odd goes to
    /// the right and below, as in TensorFlow.
    Same,
    /// This many rows and columns on every side.
    Explicit(usize),
}

impl Window {
    /// The window of `kernel` and `stride` over `input`.
    ///
    /// # Errors
    /// [`Error::Dimension`] or [`Error::Window`] where it does not fit.
    pub fn new(
        layer: &str,
        input: Shape,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
    ) -> Result<Self, Error> {
        for (what, value) in [
            ("the kernel's height", kernel.0),
            ("the kernel's width", kernel.1),
            ("the stride", stride.0),
            ("the stride", stride.1),
        ] {
            dimension(layer, what, value)?;
        }
        let axis = |input: usize, kernel: usize, stride: usize| match padding {
            Padding::Valid => (input >= kernel).then(|| (0, (input - kernel) / stride + 1)),
            Padding::Same => {
                let output = input.div_ceil(stride);
                Some((
                    ((output - 1) * stride + kernel).saturating_sub(input) / 2,
                    output,
                ))
            }
            Padding::Explicit(p) => {
                let padded = input + 2 * p;
                (padded >= kernel && p < kernel).then(|| (p, (padded - kernel) / stride + 1))
            }
        };
        let fits = axis(input.h, kernel.0, stride.0).zip(axis(input.w, kernel.1, stride.1));
        let Some(((top, h), (left, w))) = fits else {
            return Err(Error::Window {
                layer: layer.to_owned(),
                window: kernel,
                input,
            });
        };
        Ok(Self {
            kernel,
            stride,
            pad: (top, left),
            output: (h, w),
        })
    }
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// The normalised sample.
    Input,
    /// Fully connected.
    Dense {
        /// `[inputs][outputs]`.
        weights: Vec<f32>,
        /// One an output, or none.
        bias: Option<Vec<f32>>,
    },
    /// Convolution.
    Conv2d {
        /// How it slides.
        window: Window,
        /// `[ky][kx][ci][co]`.
        weights: Vec<f32>,
        /// One a filter, or none.
        bias: Option<Vec<f32>>,
    },
    /// Depthwise convolution, one filter a channel.
    Depthwise {
        /// How it slides.
        window: Window,
        /// `[ky][kx][c]`.
        weights: Vec<f32>,
        /// One a channel, or none.
        bias: Option<Vec<f32>>,
    },
    /// The largest of each window.
    MaxPool(Window),
    /// The mean of each window, padding left out.
    AveragePool(Window),
    /// An elementwise activation.
    Activation(Activation),
    /// Over all outputs.
    Softmax,
    /// The sum of two inputs.
    Add,
    /// An image as a vector: nothing moves.
    Flatten,
    /// Batch normalisation with the statistics of pre-training, per channel: `x·scale + shift`.
    BatchNorm {
        /// gamma / sqrt(variance + epsilon).
        scale: Vec<f32>,
        /// beta − mean · scale.
        shift: Vec<f32>,
    },
    /// Zeroes a share of its inputs while training, scales the rest up.
    Dropout(f32),
}

impl Op {
    /// Weights and bias, where the layer has them.
    pub fn parameters(&self) -> Option<(&[f32], Option<&[f32]>)> {
        match self {
            Op::Dense { weights, bias }
            | Op::Conv2d { weights, bias, .. }
            | Op::Depthwise { weights, bias, .. } => Some((weights, bias.as_deref())),
            _ => None,
        }
    }

    /// Weights and bias, to be replaced.
    pub fn parameters_mut(&mut self) -> Option<(&mut Vec<f32>, Option<&mut Vec<f32>>)> {
        match self {
            Op::Dense { weights, bias }
            | Op::Conv2d { weights, bias, .. }
            | Op::Depthwise { weights, bias, .. } => Some((weights, bias.as_mut())),
            _ => None,
        }
    }
}

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// From what.
    pub inputs: Vec<NodeId>,
    /// The shape of its output.
    pub shape: Shape,
}

/// A network: the last node is its output.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// A graph of nothing but the input.
    ///
    /// # Errors
    /// [`Error::Dimension`].
    pub fn new(input: Shape) -> Result<Self, Error> {
        for (what, value) in [
            ("its height", input.h),
            ("its width", input.w),
            ("its depth", input.c),
        ] {
            dimension("input", what, value)?;
        }
        let node = Node {
            name: "input".to_owned(),
            op: Op::Input,
            inputs: Vec::new(),
            shape: input,
        };
        Ok(Self { nodes: vec![node] })
    }

    /// The nodes, inputs first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A node's operation, to replace weights.
    pub fn op_mut(&mut self, id: NodeId) -> &mut Op {
        &mut self.nodes[id].op
    }

    /// The last node.
    pub fn output(&self) -> NodeId {
        self.nodes.len() - 1
    }

    /// The node called `name`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.nodes.iter().position(|n| n.name == name)
    }

    /// The nodes that have weights, in order.
    pub fn weighted(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        (0..self.nodes.len()).filter(|&i| self.nodes[i].op.parameters().is_some())
    }

    /// Weights and biases of the whole network.
    pub fn parameter_count(&self) -> usize {
        let ops = self.nodes.iter().filter_map(|n| n.op.parameters());
        ops.map(|(w, b)| w.len() + b.map_or(0, <[f32]>::len)).sum()
    }

    /// Appends a layer and infers its shape.
    ///
    /// # Errors
    /// Whatever does not fit: the layer and both shapes.
    pub fn push(&mut self, name: &str, op: Op, inputs: &[NodeId]) -> Result<NodeId, Error> {
        if self.find(name).is_some() {
            return Err(Error::DuplicateName(name.to_owned()));
        }
        let x = self.nodes[inputs[0]].shape;
        let image = |window: &Window, c: usize| {
            if x.h == 1 && x.w == 1 && window.kernel != (1, 1) {
                return Err(Error::NotAnImage {
                    layer: name.to_owned(),
                    len: x.c,
                });
            }
            Ok(Shape {
                h: window.output.0,
                w: window.output.1,
                c,
            })
        };
        let filters = |weights: &[f32], per_filter: usize, bias: &Option<Vec<f32>>| {
            let count = weights.len() / per_filter;
            let expected = count.max(1) * per_filter;
            if weights.len() != expected || bias.as_ref().is_some_and(|b| b.len() != count) {
                return Err(Error::Weights {
                    layer: name.to_owned(),
                    expected,
                    given: weights.len(),
                });
            }
            dimension(name, "the number of outputs", count)
        };
        let shape = match &op {
            Op::Input => x,
            Op::Dense { weights, bias } => {
                dimension(name, "the number of inputs", x.len())?;
                Shape {
                    h: 1,
                    w: 1,
                    c: filters(weights, x.len(), bias)?,
                }
            }
            Op::Conv2d {
                window,
                weights,
                bias,
            } => {
                let per_filter = window.kernel.0 * window.kernel.1 * x.c;
                image(window, filters(weights, per_filter, bias)?)?
            }
            Op::Depthwise {
                window,
                weights,
                bias,
            } => {
                let channels = filters(weights, window.kernel.0 * window.kernel.1, bias)?;
                let shape = image(window, x.c)?;
                if channels != x.c {
                    let b = Shape {
                        c: channels,
                        ..shape
                    };
                    return Err(Error::Mismatch {
                        layer: name.to_owned(),
                        a: shape,
                        b,
                    });
                }
                shape
            }
            Op::MaxPool(window) => {
                let size = window.kernel.0 * window.kernel.1;
                if size > 256 {
                    let what = "the size of the window";
                    return Err(Error::Dimension {
                        layer: name.to_owned(),
                        what,
                        value: size,
                        most: 256,
                    });
                }
                image(window, x.c)?
            }
            Op::AveragePool(window) => image(window, x.c)?,
            Op::Activation(Activation::LeakyRelu(slope)) if !(0.0..=1.0).contains(slope) => {
                let (what, allowed) = ("the slope", "between 0 and 1");
                return Err(Error::Value {
                    layer: name.to_owned(),
                    what,
                    value: *slope,
                    allowed,
                });
            }
            Op::Dropout(rate) if !(0.0..1.0).contains(rate) => {
                let (what, allowed) = ("the rate", "at least 0 and below 1");
                return Err(Error::Value {
                    layer: name.to_owned(),
                    what,
                    value: *rate,
                    allowed,
                });
            }
            Op::Activation(_) | Op::Softmax | Op::Dropout(_) => x,
            Op::Add => {
                let y = self.nodes[inputs[1]].shape;
                if x != y {
                    return Err(Error::Mismatch {
                        layer: name.to_owned(),
                        a: x,
                        b: y,
                    });
                }
                x
            }
            Op::Flatten => Shape {
                h: 1,
                w: 1,
                c: x.len(),
            },
            Op::BatchNorm { scale, shift } => {
                if scale.len() != x.c || shift.len() != x.c {
                    let given = scale.len();
                    return Err(Error::Weights {
                        layer: name.to_owned(),
                        expected: x.c,
                        given,
                    });
                }
                x
            }
        };
        dimension(
            name,
            "the number of positions of its output",
            shape.h * shape.w,
        )?;
        let inputs = inputs.to_vec();
        self.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs,
            shape,
        });
        Ok(self.output())
    }

    /// Draws every weight anew: uniform, ±sqrt(6 / inputs) (He et al. 2015) where a rectifier follows,
    /// ±sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010) elsewhere; biases zero.
    pub fn initialise(&mut self, seed: u64) {
        let rectified: Vec<bool> = (0..self.nodes.len())
            .map(|i| self.feeds_rectifier(i))
            .collect();
        for (id, rectified) in rectified.into_iter().enumerate() {
            let mut rng = Rng::for_purpose(seed, id as u64);
            let input = self.nodes[id]
                .inputs
                .first()
                .map_or(0, |&i| self.nodes[i].shape.len());
            let (channels, outputs) = (self.nodes[id].shape.c, self.nodes[id].shape.c);
            let (fan_in, fan_out) = match &self.nodes[id].op {
                Op::Dense { .. } => (input, outputs),
                Op::Conv2d {
                    window, weights, ..
                } => (
                    weights.len() / channels,
                    window.kernel.0 * window.kernel.1 * channels,
                ),
                Op::Depthwise { window, .. } => (
                    window.kernel.0 * window.kernel.1,
                    window.kernel.0 * window.kernel.1,
                ),
                _ => continue,
            };
            let fan = if rectified { fan_in } else { fan_in + fan_out };
            let limit = (6.0 / fan as f32).sqrt();
            if let Some((weights, bias)) = self.nodes[id].op.parameters_mut() {
                weights
                    .iter_mut()
                    .for_each(|w| *w = (2.0 * rng.unit() - 1.0) * limit);
                bias.into_iter().flatten().for_each(|b| *b = 0.0);
            }
        }
    }

    fn feeds_rectifier(&self, id: NodeId) -> bool {
        self.nodes.iter().any(|n| {
            n.inputs.contains(&id)
                && match n.op {
                    Op::Activation(a) => {
                        matches!(
                            a,
                            Activation::Relu | Activation::Relu6 | Activation::LeakyRelu(_)
                        )
                    }
                    Op::BatchNorm { .. } | Op::MaxPool(_) => self
                        .find(&n.name)
                        .is_some_and(|next| self.feeds_rectifier(next)),
                    _ => false,
                }
        })
    }
}

/// Checks a dimension against the format.
pub(crate) fn dimension(layer: &str, what: &'static str, value: usize) -> Result<usize, Error> {
    if (1..=MOST).contains(&value) {
        Ok(value)
    } else {
        Err(Error::Dimension {
            layer: layer.to_owned(),
            what,
            value,
            most: MOST,
        })
    }
}
