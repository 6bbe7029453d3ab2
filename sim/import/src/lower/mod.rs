//! From a model to a graph: one walk over the operators in order. Constants are computed, what only moves
//! elements changes a `view`, what is left becomes a node of the graph. What cannot be is noted, and the
//! walk goes on, so that a refusal lists everything.

mod arithmetic;
mod draft;
pub(crate) mod fold;
pub(crate) mod joins;
mod layers;
pub(crate) mod moves;
mod order;
mod start;
mod view;

use crate::error::Refusal;
use crate::limits;
use crate::model::{Model, Node, Operator, Tensor, ValueId};
use draft::Drafts;
use sim_compiler::Graph;
use view::View;

/// A graph made of a model.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// The graph.
    pub graph: Graph,
    /// Scale and shift by which samples are normalised, repeated over their elements in order.
    pub normalisation: Vec<(f32, f32)>,
    /// For each node of the graph, where in the file it comes from.
    pub origins: Vec<Option<Origin>>,
    /// For each element of the model's inputs, one behind the other, its place in a sample.
    pub input: Vec<u32>,
    /// For each element of the model's output, which element of the graph's output it is.
    pub output: Vec<u32>,
    /// The axes of the model's output, batch first.
    pub output_shape: Vec<usize>,
    /// What was folded, dropped or changed: whole sentences.
    pub notes: Vec<String>,
}

/// An operator of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of its layer.
    pub name: String,
    /// What the file calls it.
    pub kind: String,
}

/// What is known of a value.
#[derive(Clone, Debug)]
enum State {
    /// Its elements.
    Constant(Tensor),
    /// Which node computes it, and how its elements lie there.
    Computed(Computed),
    /// It is made by something that cannot be run, which is noted already.
    Lost,
}

#[derive(Clone, Debug)]
struct Computed {
    draft: usize,
    view: View,
}

/// Makes a graph of a model.
///
/// # Errors
/// Everything that is in the way.
pub fn lower(model: Model) -> Result<Lowered, Refusal> {
    let (mut lowering, input) = start::start(model)?;
    for at in 0..lowering.model.nodes.len() {
        lowering.step(at);
    }
    lowering.finish(input)
}

struct Lowering {
    model: Model,
    drafts: Drafts,
    states: Vec<Option<State>>,
    /// How often each value is read.
    uses: Vec<usize>,
    normalisation: Vec<(f32, f32)>,
    refusal: Refusal,
    notes: Vec<String>,
    /// The batch that the model was exported with.
    batch: Option<usize>,
}

impl Lowering {
    fn step(&mut self, at: usize) {
        let node = self.model.nodes[at].clone();
        let mut inputs = Vec::with_capacity(node.inputs.len());
        for &input in &node.inputs {
            inputs.push(input.map(|id| self.state(id)));
        }
        let made = match &node.op {
            Operator::Unsupported(why) => Err(why.clone()),
            _ if inputs.iter().flatten().any(|s| matches!(s, State::Lost)) => Ok(State::Lost),
            _ => self.make(at, &node, inputs),
        };
        let state = made.unwrap_or_else(|why| {
            self.refusal.add(&node.kind, &node.name, why);
            State::Lost
        });
        let state = match state {
            State::Computed(c) if c.view.len() > limits::ACTIVATION => {
                let most = limits::ACTIVATION;
                let why = format!(
                    "its output has {} elements, at most {most} are supported",
                    c.view.len()
                );
                self.refusal.add(&node.kind, &node.name, why);
                State::Lost
            }
            state => state,
        };
        let mut outputs = node.outputs.iter();
        if let Some(&first) = outputs.next() {
            self.states[first] = Some(state);
        }
        for &other in outputs {
            self.states[other] = Some(State::Lost);
        }
    }

    /// What is known of a value; the last reader takes it.
    fn state(&mut self, id: ValueId) -> State {
        self.uses[id] = self.uses[id].saturating_sub(1);
        if self.uses[id] == 0 && !self.model.outputs.contains(&id) {
            let constant = self.model.values[id].constant.take();
            return match constant {
                Some(tensor) => State::Constant(tensor),
                None => self.states[id].take().unwrap_or(State::Lost),
            };
        }
        match &self.model.values[id].constant {
            Some(tensor) => State::Constant(tensor.clone()),
            None => self.states[id].clone().unwrap_or(State::Lost),
        }
    }

    fn make(
        &mut self,
        at: usize,
        node: &Node,
        inputs: Vec<Option<State>>,
    ) -> Result<State, String> {
        if let Operator::Shape { from, to } = node.op {
            let axes = match inputs.first() {
                Some(Some(State::Constant(tensor))) => tensor.shape().to_vec(),
                Some(Some(State::Computed(x))) => x.view.shape().to_vec(),
                _ => return Err("it has no input".to_owned()),
            };
            return fold::shape_of(&axes, from, to).map(State::Constant);
        }
        let constants = inputs
            .iter()
            .all(|i| matches!(i, Some(State::Constant(_)) | None));
        if constants && !inputs.is_empty() {
            let tensors = inputs.into_iter().map(|i| match i {
                Some(State::Constant(t)) => Some(t),
                _ => None,
            });
            return fold::fold(&node.op, tensors.collect()).map(State::Constant);
        }
        let mut inputs = inputs.into_iter();
        let first = inputs.next().flatten();
        let rest: Vec<Option<State>> = inputs.collect();
        if let Operator::Binary(kind) = node.op {
            return self.binary(at, node, kind, first, rest);
        }
        let Some(State::Computed(x)) = first else {
            return Err(
                "its first input is a constant where something computed is expected".to_owned(),
            );
        };
        if let Operator::Concat { axis } = node.op {
            let mut inputs = vec![Some(State::Computed(x))];
            inputs.extend(rest);
            return self.concat(at, inputs, axis).map(State::Computed);
        }
        let mut constants = Vec::new();
        for state in rest {
            constants.push(match state {
                Some(State::Constant(tensor)) => Some(tensor),
                None => None,
                _ => {
                    let why =
                        "an input beside the first is computed; only constants are supported there";
                    return Err(why.to_owned());
                }
            });
        }
        self.unary(at, node, x, constants)
    }

    fn unary(
        &mut self,
        at: usize,
        node: &Node,
        x: Computed,
        constants: Vec<Option<Tensor>>,
    ) -> Result<State, String> {
        let computed = match &node.op {
            Operator::Dense { transposed } => self.dense(at, x, constants, *transposed)?,
            Operator::Convolution {
                sliding,
                axes,
                depthwise,
            } => self.convolution(at, x, constants, sliding, axes, *depthwise)?,
            Operator::Pool { sliding, reduction } => self.pool(at, x, sliding, *reduction)?,
            Operator::Reduce {
                reduction,
                axes,
                keep,
            } => self.reduce(at, x, *reduction, axes, *keep, &constants)?,
            Operator::GlobalPool(reduction) => {
                let axes: Vec<i64> = (2..x.view.ndim() as i64).collect();
                self.reduce(at, x, *reduction, &axes, true, &[])?
            }
            Operator::Activation(kind) => self.activation(at, x, *kind),
            Operator::Softmax { axis } => self.softmax(at, x, *axis)?,
            Operator::BatchNorm { epsilon, axis } => {
                self.batch_norm(at, x, constants, *epsilon, *axis)?
            }
            Operator::Dropout(rate) => self.dropout(at, x, *rate),
            Operator::Identity | Operator::Quantise | Operator::Dequantise { .. } => x,
            Operator::Cast { integers: false } => x,
            Operator::Cast { integers: true } => {
                return Err(
                    "it rounds what is computed to integers, which is not supported".to_owned(),
                );
            }
            Operator::Reshape { .. }
            | Operator::Flatten { .. }
            | Operator::Squeeze(_)
            | Operator::Unsqueeze(_)
            | Operator::Transpose(_) => {
                let view = moves::moved(&node.op, x.view, &constants, self.batch)?;
                Computed { view, ..x }
            }
            Operator::Slice | Operator::StridedSlice { .. } | Operator::Gather { .. } => {
                let view = fold::part_of(&node.op, x.view.clone(), &constants)?;
                self.part(at, &x, view)?
            }
            Operator::Pad { borders, value } => self.pad(at, x, borders, &constants, *value)?,
            Operator::LogSoftmax { axis } => self.log_softmax(at, x, *axis)?,
            Operator::Pack { axis } if constants.is_empty() => {
                let view = moves::moved(&Operator::Unsqueeze(vec![*axis]), x.view, &[], None)?;
                Computed { view, ..x }
            }
            Operator::Concat { .. } | Operator::Pack { .. } => {
                return Err(
                    "it joins what is computed with constants, which is not supported".to_owned(),
                );
            }
            Operator::Binary(_)
            | Operator::Fill(_)
            | Operator::Shape { .. }
            | Operator::Unsupported(_) => {
                return Err("it is not supported".to_owned());
            }
        };
        Ok(State::Computed(computed))
    }

    fn finish(mut self, input: Vec<u32>) -> Result<Lowered, Refusal> {
        let output = match self.model.outputs[..] {
            [output] => self.states[output].take(),
            _ => {
                let names: Vec<&str> = self
                    .model
                    .outputs
                    .iter()
                    .map(|&id| self.model.values[id].name.as_str())
                    .collect();
                self.refusal.add_model(match names.is_empty() {
                    true => "The model has no output.".to_owned(),
                    false => format!(
                        "The model has {} outputs ({}); only one can be learned from. Cut it before the \
                         one that you need.",
                        names.len(),
                        names.join(", ")
                    ),
                });
                None
            }
        };
        let output = match output {
            Some(State::Computed(computed)) => Some(computed),
            _ => None,
        };
        if !self.refusal.is_empty() {
            return Err(self.refusal);
        }
        let Some(output) = output else {
            self.refusal
                .add_model("The model's output does not depend on its input.");
            return Err(self.refusal);
        };
        let nodes = std::mem::take(&mut self.model.nodes);
        let origin = |at: usize| Origin {
            name: nodes[at].name.clone(),
            kind: nodes[at].kind.clone(),
        };
        match self.drafts.finish(output.draft) {
            Ok((graph, sources)) => Ok(Lowered {
                graph,
                normalisation: self.normalisation,
                origins: sources.into_iter().map(|s| s.map(&origin)).collect(),
                input,
                output_shape: output.view.shape().to_vec(),
                output: output.view.iter().copied().collect(),
                notes: self.notes,
            }),
            Err((source, error)) => {
                match source.map(|at| &nodes[at]) {
                    Some(node) => self.refusal.add(&node.kind, &node.name, error.to_string()),
                    None => self.refusal.add_model(error.to_string()),
                }
                Err(self.refusal)
            }
        }
    }
}
