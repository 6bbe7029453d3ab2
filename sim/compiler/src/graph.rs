//! The network as a graph of layers with their weights: what every importer makes and the compiler takes.
//!
//! Nodes stand in an order in which each comes after its inputs. Layouts: images are height × width ×
//! channels, series `[steps, channels]` are images of one row, vectors images of one pixel ([`shape`]); dense weights
//! are `[inputs][outputs]`, convolutions `[ky][kx][ci][co]`, depthwise `[ky][kx][c]`.
//!
//! A graph is always sound: [`Graph::push`] refuses what does not fit, whatever it is given, and so does
//! [`Graph::replace`].

use crate::error::Error;
use crate::listing::Part;
use crate::ops::Rectifies;
use crate::ops::input::Input;
pub use crate::ops::{Op, Operator};
use crate::tensor::{Parameters, Tensor};
pub use crate::window::{Padding, Window};
use runtime_shared::kernels::Shape;
use runtime_shared::program::Element;
use std::collections::HashMap;

/// The largest dimension that the Program format can carry.
pub const MOST: usize = u16::MAX as usize;

/// The most values that a layer may compute: a GiB of floats and more than any microcontroller has.
pub const MOST_VALUES: usize = 1 << 27;

/// A node's place in [`Graph::nodes`].
pub type NodeId = usize;

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

/// A network.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Vec<Node>,
    /// What each name stands for: those of the nodes, and others that a file had for what they compute.
    names: HashMap<String, NodeId>,
    /// None where it is the last node.
    outputs: Vec<NodeId>,
}

impl Graph {
    /// A graph of nothing but the input.
    ///
    /// # Errors
    /// [`Error::Dimension`].
    pub fn new(input: Shape) -> Result<Self, Error> {
        Self::with_inputs(&[("input", input)])
    }

    /// A graph of nothing but these inputs. A sample is all of them, one behind the other; others may be pushed later.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::DuplicateName`], and [`Error::Empty`] where there is none.
    pub fn with_inputs(inputs: &[(&str, Shape)]) -> Result<Self, Error> {
        let mut graph = Self {
            nodes: Vec::new(),
            names: HashMap::new(),
            outputs: Vec::new(),
        };
        for &(name, shape) in inputs {
            graph.push(
                name,
                Input {
                    shape,
                    element: Element::U8,
                },
                &[],
            )?;
        }
        if inputs.is_empty() {
            return Err(Error::Empty);
        }
        Ok(graph)
    }

    /// The nodes, inputs first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Replaces a node's weights or bias by as many other values.
    ///
    /// # Errors
    /// [`Error::Weights`] where there are not as many, or none at all.
    pub fn set_parameter(&mut self, id: NodeId, part: Part, values: Vec<f32>) -> Result<(), Error> {
        let Some(node) = self.nodes.get_mut(id) else {
            return Err(self.no_node("parameter", id));
        };
        let tensor = node.op.parameters_mut().and_then(|p| p.part_mut(part));
        let expected = tensor.as_ref().map_or(0, |t| t.len());
        match tensor {
            Some(tensor) if expected == values.len() => {
                *tensor = values.into();
                Ok(())
            }
            _ => Err(Error::Weights {
                layer: node.name.clone(),
                expected,
                given: values.len(),
            }),
        }
    }

    /// The nodes that are inputs, in the order in which a sample holds them.
    pub fn inputs(&self) -> impl Iterator<Item = NodeId> + '_ {
        let inputs = self.nodes.iter().enumerate();
        inputs.filter_map(|(id, n)| matches!(n.op, Op::Input(_)).then_some(id))
    }

    /// Says what a sample is made of; bytes, where nothing is said. The same numbers are the same samples.
    ///
    /// # Errors
    /// [`Error::Option`] for what no sample is made of.
    pub fn set_input_element(&mut self, element: Element) -> Result<(), Error> {
        if element == Element::Bits {
            return Err(Error::Option {
                what: "the type of a sample",
                value: element.name().to_owned(),
                allowed: "u8, i8, i16, i32 or f32",
            });
        }
        for node in &mut self.nodes {
            if let Op::Input(input) = &mut node.op {
                input.element = element;
            }
        }
        Ok(())
    }

    /// What the network computes: the last node, unless [`set_outputs`](Self::set_outputs) chose others.
    pub fn outputs(&self) -> Vec<NodeId> {
        match self.outputs.is_empty() {
            true => vec![self.nodes.len() - 1],
            false => self.outputs.clone(),
        }
    }

    /// The first of the outputs.
    pub fn output(&self) -> NodeId {
        let first = self.outputs.first().copied();
        first.unwrap_or(self.nodes.len() - 1)
    }

    /// Says what the network computes. A network is compiled for one output; nodes that it does not need are left
    /// out.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn set_outputs(&mut self, outputs: &[NodeId]) -> Result<(), Error> {
        match outputs.iter().find(|&&id| id >= self.nodes.len()) {
            Some(&id) => Err(self.no_node("output", id)),
            None => {
                self.outputs = outputs.to_vec();
                Ok(())
            }
        }
    }

    /// The node called `name`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    /// Gives what a node computes another name, by which [`find`](Self::find) knows it as well: that of a tensor in
    /// a file, where nodes have names of their own.
    ///
    /// # Errors
    /// [`Error::DuplicateName`], [`Error::UnknownNode`].
    pub fn name_tensor(&mut self, id: NodeId, name: &str) -> Result<(), Error> {
        if id >= self.nodes.len() {
            return Err(self.no_node(name, id));
        }
        if self.names.contains_key(name) {
            return Err(Error::DuplicateName(name.to_owned()));
        }
        self.names.insert(name.to_owned(), id);
        Ok(())
    }

    /// The nodes that have weights, in order.
    pub fn weighted(&self) -> impl DoubleEndedIterator<Item = NodeId> + '_ {
        (0..self.nodes.len()).filter(|&i| self.nodes[i].op.parameters().is_some())
    }

    /// Weights and biases of the whole network.
    pub fn parameter_count(&self) -> usize {
        let parameters = self.nodes.iter().filter_map(|n| n.op.parameters());
        parameters.map(Parameters::len).sum()
    }

    /// Appends a layer and infers its shape.
    ///
    /// # Errors
    /// Whatever does not fit: the layer and both shapes. The graph is then as it was.
    pub fn push(
        &mut self,
        name: &str,
        op: impl Into<Op>,
        inputs: &[NodeId],
    ) -> Result<NodeId, Error> {
        if self.names.contains_key(name) {
            return Err(Error::DuplicateName(name.to_owned()));
        }
        let op = op.into();
        let shape = self.shape_of(name, &op, inputs)?;
        self.names.insert(name.to_owned(), self.nodes.len());
        self.nodes.push(Node {
            name: name.to_owned(),
            op,
            inputs: inputs.to_vec(),
            shape,
        });
        Ok(self.nodes.len() - 1)
    }

    /// Puts another operation in the place of a node's, whose output has the same shape.
    ///
    /// # Errors
    /// As [`push`](Self::push), and [`Error::Mismatch`] where the shape would be another.
    pub fn replace(&mut self, id: NodeId, op: impl Into<Op>) -> Result<(), Error> {
        let Some(node) = self.nodes.get(id) else {
            return Err(self.no_node("replace", id));
        };
        let op = op.into();
        let shape = self.shape_of(&node.name, &op, &node.inputs)?;
        if shape != node.shape {
            return Err(Error::Mismatch {
                layer: node.name.clone(),
                a: node.shape,
                b: shape,
            });
        }
        self.nodes[id].op = op;
        Ok(())
    }

    fn shape_of(&self, name: &str, op: &Op, inputs: &[NodeId]) -> Result<Shape, Error> {
        let arity = op.operator().arity();
        if !arity.contains(&inputs.len()) {
            return Err(Error::Arity {
                layer: name.to_owned(),
                given: inputs.len(),
                least: *arity.start(),
                most: *arity.end(),
            });
        }
        let mut shapes = Vec::with_capacity(inputs.len());
        for &input in inputs {
            let node = self.nodes.get(input);
            shapes.push(node.ok_or_else(|| self.no_node(name, input))?.shape);
        }
        let shape = op.operator().shape(name, &shapes)?;
        let product = |values: [usize; 3]| {
            let some = values.into_iter();
            some.fold(1, |n: usize, d| n.saturating_mul(d))
        };
        let positions = product([shape.h, shape.w, 1]);
        dimension(name, "the number of positions of its output", positions)?;
        dimension(
            name,
            "the number of channels of its output",
            shape.c.min(MOST),
        )?;
        let len = product([shape.h, shape.w, shape.c]);
        if len > MOST_VALUES {
            return Err(Error::Dimension {
                layer: name.to_owned(),
                what: "the number of values of its output",
                value: len,
                most: MOST_VALUES,
            });
        }
        Ok(shape)
    }

    fn no_node(&self, name: &str, input: NodeId) -> Error {
        Error::UnknownNode {
            layer: name.to_owned(),
            node: input,
            count: self.nodes.len(),
        }
    }

    /// Draws every weight: uniform, ±sqrt(6 / inputs) (He et al. 2015) where a rectifier follows,
    /// ±sqrt(6 / (inputs + outputs)) (Glorot & Bengio 2010) elsewhere; biases zero.
    pub fn initialise(&mut self, seed: u64) {
        let rectified = self.feed_rectifiers();
        for (id, rectified) in rectified.into_iter().enumerate() {
            let input = self.nodes[id].inputs.first();
            let Some(input) = input.map(|&i| self.nodes[i].shape) else {
                continue;
            };
            let op = &mut self.nodes[id].op;
            let Some((fan_in, fan_out)) = op.operator().fans(input) else {
                continue;
            };
            let fan = if rectified { fan_in } else { fan_in + fan_out };
            let limit = (6.0 / fan as f32).sqrt();
            if let Some(Parameters { weights, bias }) = op.parameters_mut() {
                *weights = Tensor::drawn(weights.len(), seed, id as u64, limit);
                if let Some(bias) = bias {
                    *bias = Tensor::zeros(bias.len());
                }
            }
        }
    }

    /// Whether a rectifier reads each node, at once or behind what keeps the sign of most.
    fn feed_rectifiers(&self) -> Vec<bool> {
        let mut feeds = vec![false; self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate().rev() {
            let rectifies = match node.op.operator().rectifies() {
                Rectifies::No => false,
                Rectifies::Yes => true,
                Rectifies::AsNext => feeds[id],
            };
            if rectifies {
                node.inputs.iter().for_each(|&i| feeds[i] = true);
            }
        }
        feeds
    }
}

/// The shape of `[height, width, channels]`, `[steps, channels]` or `[values]`.
///
/// # Errors
/// [`Error::Rank`] where there are none of these, or more.
pub fn shape(layer: &str, dimensions: &[usize]) -> Result<Shape, Error> {
    let (h, w, c) = match *dimensions {
        [h, w, c] => (h, w, c),
        [w, c] => (1, w, c),
        [c] => (1, 1, c),
        _ => {
            return Err(Error::Rank {
                layer: layer.to_owned(),
                dimensions: dimensions.to_vec(),
            });
        }
    };
    Ok(Shape { h, w, c })
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
