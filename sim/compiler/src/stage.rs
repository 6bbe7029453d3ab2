//! Passes over the graph: what can be folded is folded, what can share a kernel call is fused, what
//! moves nothing disappears. The result is a list of stages, one forward kernel call each.

use crate::graph::{Graph, NodeId, Op, Window};
use crate::options::Trained;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d::Conv2d;

/// A stage's place in the list.
pub type StageId = usize;

/// One forward kernel call with what is fused behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The layer whose name it bears.
    pub name: String,
    /// The graph's node that its weights belong to.
    pub node: NodeId,
    /// What it computes.
    pub op: Op,
    /// Fused behind it.
    pub activation: Activation,
    /// Fused behind a convolution: a max pool whose windows do not overlap; 1×1 for none.
    pub pool: (usize, usize),
    /// What it reads.
    pub inputs: Vec<StageId>,
    /// The shape in which it sees the first of them: a flattened image is a vector to what follows.
    pub input: Shape,
    /// The shape of its output.
    pub shape: Shape,
    /// What of it is trained.
    pub trained: Trained,
}

impl Stage {
    /// The geometry of a windowed kernel.
    pub fn geometry(&self) -> Option<Conv2d> {
        let input = self.input;
        let window = match &self.op {
            Op::Conv2d { window, .. } | Op::Depthwise { window, .. } => window,
            Op::MaxPool(window) | Op::AveragePool(window) => window,
            _ => return None,
        };
        let c = match &self.op {
            Op::Conv2d { weights, .. } => {
                weights.len() / (window.kernel.0 * window.kernel.1 * input.c)
            }
            _ => input.c,
        };
        Some(Conv2d {
            input,
            output: Shape {
                h: window.output.0,
                w: window.output.1,
                c,
            },
            kernel: window.kernel,
            stride: window.stride,
            pad: window.pad,
            pool: self.pool,
        })
    }
}

/// The stages of `graph`: stage 0 is the input, the last is the output.
pub fn stages(graph: &Graph, trained: &[Trained]) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    let mut stage_of: Vec<StageId> = Vec::new();
    for (id, node) in graph.nodes().iter().enumerate() {
        let inputs: Vec<StageId> = node.inputs.iter().map(|&i| stage_of[i]).collect();
        let alone = inputs.len() == 1 && only_consumed_once(graph, node.inputs[0]);
        if let [before] = inputs[..]
            && alone
            && before == stages.len() - 1
            && absorb(&mut stages[before], &node.op, node.shape)
        {
            stage_of.push(before);
            continue;
        }
        if matches!(node.op, Op::Flatten) {
            stage_of.push(inputs[0]);
            continue;
        }
        stage_of.push(stages.len());
        stages.push(Stage {
            name: node.name.clone(),
            node: id,
            op: node.op.clone(),
            activation: Activation::None,
            pool: (1, 1),
            inputs,
            input: node
                .inputs
                .first()
                .map_or(node.shape, |&i| graph.nodes()[i].shape),
            shape: node.shape,
            trained: trained[id],
        });
    }
    stages
}

/// Whether `id` has one consumer, and so has what lies under it where it only flattens.
fn only_consumed_once(graph: &Graph, id: NodeId) -> bool {
    let once = graph
        .nodes()
        .iter()
        .flat_map(|n| &n.inputs)
        .filter(|&&i| i == id)
        .count()
        == 1;
    let node = &graph.nodes()[id];
    once && match node.op {
        Op::Flatten => only_consumed_once(graph, node.inputs[0]),
        _ => true,
    }
}

/// Takes `op` into the stage before it, if that gives the same numbers.
fn absorb(stage: &mut Stage, op: &Op, shape: Shape) -> bool {
    let absorbed = match op {
        Op::Activation(activation) => absorb_activation(stage, *activation),
        Op::MaxPool(window) => absorb_pool(stage, window),
        Op::BatchNorm { scale, shift } => absorb_batch_norm(stage, scale, shift),
        _ => false,
    };
    if absorbed {
        stage.shape = shape;
    }
    absorbed
}

fn absorb_activation(stage: &mut Stage, activation: Activation) -> bool {
    let fits = stage.op.parameters().is_some() && stage.activation == Activation::None;
    if fits {
        stage.activation = activation;
    }
    fits
}

/// The maximum commutes with every activation, all being monotone, so pooling may come first.
fn absorb_pool(stage: &mut Stage, window: &Window) -> bool {
    let fits = matches!(stage.op, Op::Conv2d { .. })
        && stage.pool == (1, 1)
        && window.kernel == window.stride
        && window.pad == (0, 0)
        && window.output
            == (
                stage.shape.h / window.kernel.0,
                stage.shape.w / window.kernel.1,
            );
    if fits {
        stage.pool = window.kernel;
    }
    fits
}

/// Weights that are not trained take the normalisation in; trained ones keep it apart, because training
/// folded weights is another training.
fn absorb_batch_norm(stage: &mut Stage, scale: &[f32], shift: &[f32]) -> bool {
    let plain = stage.activation == Activation::None && stage.pool == (1, 1);
    if stage.trained.any() || !plain {
        return false;
    }
    let (Op::Dense { weights, bias }
    | Op::Conv2d { weights, bias, .. }
    | Op::Depthwise { weights, bias, .. }) = &mut stage.op
    else {
        return false;
    };
    // The channel is the innermost axis of every layout.
    let channels = scale.len();
    if channels == 0 || stage.shape.c != channels {
        return false;
    }
    for (i, w) in weights.iter_mut().enumerate() {
        *w *= scale[i % channels];
    }
    let bias = bias.get_or_insert_with(|| vec![0.0; channels]);
    for ((b, s), t) in bias.iter_mut().zip(scale).zip(shift) {
        *b = *b * s + t;
    }
    true
}

/// The last stage before the trained ones through which everything passes: the frozen extractor ends
/// there. 0 is the input.
pub fn boundary(stages: &[Stage]) -> StageId {
    let Some(first) = stages.iter().position(|s| s.trained.any()) else {
        return 0;
    };
    (0..first)
        .rev()
        .find(|&cut| {
            stages[cut + 1..]
                .iter()
                .all(|s| s.inputs.iter().all(|&i| i >= cut))
        })
        .unwrap_or(0)
}
