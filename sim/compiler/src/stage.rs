//! Passes over the graph: what can be folded is folded, what can share a kernel call is fused, what
//! moves nothing disappears. The result is a list of stages, each of which emits its own kernel calls.

use crate::graph::{Graph, Node, NodeId};
use crate::ops::Op;
use crate::ops::input::Input;
use crate::ops::slice::Slice;
use crate::options::Trained;
use crate::tensor::Parameters;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::Element;

/// A stage's place in the list.
pub type StageId = usize;

/// An operator with what is fused behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The layer whose name it bears.
    pub name: String,
    /// The graph's node that its weights belong to.
    pub node: NodeId,
    /// What it computes.
    pub op: Op,
    /// With what; what was folded in is in here, and not in `op`.
    pub parameters: Option<Parameters>,
    /// Fused behind it.
    pub activation: Activation,
    /// Fused behind a convolution: a max pool whose windows do not overlap; 1×1 for none.
    pub pool: (usize, usize),
    /// What it reads.
    pub inputs: Vec<StageId>,
    /// The shapes in which it sees these: a flattened image is a vector to what follows.
    pub seen: Vec<Shape>,
    /// The shape of its output.
    pub shape: Shape,
    /// What of it is trained.
    pub trained: Trained,
}

impl Stage {
    /// The shape in which it sees its first input; its own where it reads none.
    pub fn input(&self) -> Shape {
        self.seen.first().copied().unwrap_or(self.shape)
    }
}

/// The stages of what `graph` needs for its output: stage 0 is the input, the last is the output.
pub fn stages(graph: &Graph, trained: &[Trained]) -> Vec<Stage> {
    let needed = needed(graph);
    let consumers = consumers(graph, &needed);
    let mut stages: Vec<Stage> = Vec::new();
    let mut stage_of: Vec<StageId> = Vec::new();
    // Of several inputs each is a part of the sample, which is what stage 0 reads.
    let sample = sample(graph);
    let mut parts = None;
    if graph.inputs().count() > 1 {
        stages.push(stage_of_sample(sample, element(graph)));
        parts = Some(0);
    }
    for (id, node) in graph.nodes().iter().enumerate() {
        if !needed[id] {
            // No other node that is needed reads it; an input has its place in the sample nevertheless.
            if let (Op::Input(_), Some(at)) = (&node.op, &mut parts) {
                *at += node.shape.len();
            }
            stage_of.push(StageId::MAX);
            continue;
        }
        let inputs: Vec<StageId> = node.inputs.iter().map(|&i| stage_of[i]).collect();
        let seen: Vec<Shape> = node
            .inputs
            .iter()
            .map(|&i| graph.nodes()[i].shape)
            .collect();
        let operator = node.op.operator();
        if let ([before], [as_seen]) = (&inputs[..], &seen[..]) {
            let alone = is_consumed_once(graph, &consumers, node.inputs[0]);
            let next = alone && *before == stages.len() - 1;
            if next && operator.absorb(&mut stages[*before], *as_seen) {
                stages[*before].shape = node.shape;
                stage_of.push(*before);
                continue;
            }
            if operator.is_view() {
                stage_of.push(*before);
                continue;
            }
        }
        stage_of.push(stages.len());
        if let (Op::Input(_), Some(at)) = (&node.op, &mut parts) {
            stages.push(part_of_sample(node, id, sample, *at));
            *at += node.shape.len();
            continue;
        }
        stages.push(Stage {
            name: node.name.clone(),
            node: id,
            op: node.op.clone(),
            parameters: node.op.parameters().cloned(),
            activation: Activation::None,
            pool: (1, 1),
            inputs,
            seen,
            shape: node.shape,
            trained: trained[id],
        });
    }
    stages
}

/// The shape of a sample: that of the input, or of all of them as a vector.
pub fn sample(graph: &Graph) -> Shape {
    let shapes: Vec<Shape> = graph.inputs().map(|id| graph.nodes()[id].shape).collect();
    match shapes[..] {
        [shape] => shape,
        _ => Shape {
            h: 1,
            w: 1,
            c: shapes.iter().map(|s| s.len()).sum(),
        },
    }
}

/// What a sample is made of, all inputs alike.
fn element(graph: &Graph) -> Element {
    let first = graph.inputs().next().map(|id| &graph.nodes()[id].op);
    match first {
        Some(Op::Input(input)) => input.element,
        _ => Element::U8,
    }
}

fn stage_of_sample(shape: Shape, element: Element) -> Stage {
    Stage {
        name: "inputs".to_owned(),
        node: 0,
        op: Input { shape, element }.into(),
        parameters: None,
        activation: Activation::None,
        pool: (1, 1),
        inputs: Vec::new(),
        seen: Vec::new(),
        shape,
        trained: Trained::default(),
    }
}

/// The input `node`, whose values start at `at` in the sample.
fn part_of_sample(node: &Node, id: NodeId, sample: Shape, at: usize) -> Stage {
    let c = node.shape.len();
    let slice = Slice {
        start: [0, 0, at],
        shape: Shape { h: 1, w: 1, c },
    };
    Stage {
        name: node.name.clone(),
        node: id,
        op: slice.into(),
        inputs: vec![0],
        seen: vec![sample],
        shape: node.shape,
        ..stage_of_sample(sample, Element::U8)
    }
}

/// Which nodes the output needs.
pub fn needed(graph: &Graph) -> Vec<bool> {
    let mut needed = vec![false; graph.nodes().len()];
    needed[graph.output()] = true;
    for (id, node) in graph.nodes().iter().enumerate().rev() {
        if needed[id] {
            node.inputs.iter().for_each(|&i| needed[i] = true);
        }
    }
    needed
}

/// How many of the `needed` nodes read each.
fn consumers(graph: &Graph, needed: &[bool]) -> Vec<usize> {
    let mut consumers = vec![0; graph.nodes().len()];
    let nodes = graph.nodes().iter().zip(needed);
    let inputs = nodes
        .filter(|(_, needed)| **needed)
        .flat_map(|(n, _)| &n.inputs);
    inputs.for_each(|&i| consumers[i] += 1);
    consumers
}

/// Whether `id` has one consumer, and so has what lies under it where it only changes the shape.
fn is_consumed_once(graph: &Graph, consumers: &[usize], mut id: NodeId) -> bool {
    loop {
        let node = &graph.nodes()[id];
        match node.inputs.first() {
            _ if consumers[id] != 1 => return false,
            Some(&before) if node.op.operator().is_view() => id = before,
            _ => return true,
        }
    }
}

/// The last stage before the trained ones through which everything passes: the frozen extractor ends
/// there. 0 is the input.
pub fn boundary(stages: &[Stage]) -> StageId {
    let Some(first) = stages.iter().position(|s| s.trained.any()) else {
        return 0;
    };
    // The first stage that any stage from each on reads.
    let mut reads = vec![usize::MAX; stages.len() + 1];
    for (id, stage) in stages.iter().enumerate().rev() {
        let least = stage.inputs.iter().copied().min().unwrap_or(usize::MAX);
        reads[id] = reads[id + 1].min(least);
    }
    (0..first)
        .rev()
        .find(|&cut| reads[cut + 1] >= cut)
        .unwrap_or(0)
}
