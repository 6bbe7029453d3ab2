//! Where the walk starts: the shape of the input. A graph takes images of rows × columns × channels, so what
//! the first layer sees decides: a file may name a vector that is made an image first, or an image whose
//! channels come first.

use super::draft::Drafts;
use super::view::{self, View, axes_text};
use super::{Computed, Lowering, State, moves};
use crate::error::Refusal;
use crate::limits;
use crate::model::{Extent, Model, Operator, ValueId};
use runtime_shared::kernels::Shape;

/// An input of the graph, and how the model's lies in it.
struct Input {
    shape: Shape,
    lies: View,
    channels_first: bool,
    batch: Option<usize>,
}

/// The state before the first operator, and for each element of the model's inputs its place in a sample.
///
/// # Errors
/// Why an input cannot be a graph's, and what else can be said without it.
pub fn start(model: Model) -> Result<(Lowering, Vec<u32>), Refusal> {
    let mut refusal = Refusal::default();
    let mut inputs = Vec::new();
    for &id in &model.inputs {
        match input(&model, id) {
            Ok(input) => inputs.push(input),
            Err(why) => refusal.add_model(why),
        }
    }
    if model.inputs.is_empty() {
        refusal.add_model("The model has no input.");
    }
    if !refusal.is_empty() {
        for node in &model.nodes {
            if let Operator::Unsupported(why) = &node.op {
                refusal.add(&node.kind, &node.name, why);
            }
        }
        return Err(refusal);
    }
    let mut uses = vec![0; model.values.len()];
    let read = model.nodes.iter().flat_map(|n| n.inputs.iter().flatten());
    read.for_each(|&id| uses[id] += 1);
    let mut notes = model.notes.clone();
    let batch = inputs.iter().find_map(|i| i.batch);
    if let Some(batch) = batch {
        notes.push(format!(
            "The model was exported for a batch of {batch}; here it takes one sample at a time."
        ));
    }
    let mut states = vec![None; model.values.len()];
    let (mut places, mut shapes) = (Vec::new(), Vec::new());
    for (draft, (input, &id)) in inputs.iter().zip(&model.inputs).enumerate() {
        if input.channels_first {
            notes.push(format!(
                "In the file, the channels of the input come first ({}); here they come last.",
                axes_text(&input.lies.shape()[1..])
            ));
        }
        let before = places.len() as u32;
        places.extend(input.lies.iter().map(|place| before + place));
        let view = input.lies.clone();
        states[id] = Some(State::Computed(Computed { draft, view }));
        let name = match model.inputs.len() {
            1 => "input".to_owned(),
            _ => format!("input_{}", draft + 1),
        };
        shapes.push((name, input.shape));
    }
    let lowering = Lowering {
        model,
        drafts: Drafts::new(&shapes),
        states,
        uses,
        normalisation: vec![(1.0, 0.0)],
        refusal,
        notes,
        batch,
    };
    Ok((lowering, places))
}

fn input(model: &Model, input: ValueId) -> Result<Input, String> {
    let value = &model.values[input];
    let name = &value.name;
    let declared = value
        .shape
        .as_ref()
        .ok_or_else(|| format!("The input `{name}` has no shape."))?;
    let mut axes = Vec::new();
    for (i, axis) in declared.iter().enumerate() {
        axes.push(match axis {
            _ if i == 0 && declared.len() > 1 => 1,
            Extent::Fixed(extent) => *extent,
            Extent::Free(axis) if !axis.is_empty() => {
                return Err(format!(
                    "The input `{name}` has the free dimension `{axis}`; give it with --dim {axis}=15."
                ));
            }
            Extent::Free(_) => {
                return Err(format!(
                    "Axis {i} of the input `{name}` has no fixed extent; give it with --dim {i}=15."
                ));
            }
        });
    }
    let unsupported = || {
        let text = axes_text(&axes);
        format!("The input `{name}` is {text}; images, series and vectors are supported.")
    };
    limits::elements(&axes, limits::ACTIVATION)
        .filter(|&n| n > 0)
        .ok_or_else(unsupported)?;
    let batch = declared.first().and_then(Extent::fixed).filter(|&b| b > 1);
    let batch = batch.filter(|_| declared.len() > 1);
    let (seen, channels_first) = seen(model, input, &axes, batch);
    let shape = shape(&seen, channels_first).ok_or_else(unsupported)?;
    let lies = match seen.len() {
        3 | 4 => view::of_image(shape, seen.len(), channels_first),
        _ => view::in_order(&seen),
    };
    let lies = view::reshaped(&lies, &axes).ok_or_else(unsupported)?;
    Ok(Input {
        shape,
        lies,
        channels_first,
        batch,
    })
}

/// The axes in which the first layer sees the input, and whether channels come before space.
fn seen(model: &Model, input: ValueId, axes: &[usize], batch: Option<usize>) -> (Vec<usize>, bool) {
    let (mut value, mut axes) = (input, axes.to_vec());
    for node in &model.nodes {
        if !node.inputs.contains(&Some(value)) {
            continue;
        }
        match &node.op {
            Operator::Convolution { sliding, .. } | Operator::Pool { sliding, .. } => {
                return (axes, sliding.channels_first);
            }
            Operator::GlobalPool(_) => return (axes, true),
            Operator::BatchNorm { axis: 1, .. } => {
                let first = axes.len() > 2;
                return (axes, first);
            }
            Operator::Transpose(order) => {
                let from_first = order[..] == [0, 2, 3, 1] || order[..] == [0, 2, 1];
                return (axes, from_first);
            }
            Operator::Reshape { .. } | Operator::Squeeze(_) | Operator::Unsqueeze(_) => {
                let constants = node.inputs.iter().skip(1);
                let constants: Vec<_> = constants
                    .map(|id| id.and_then(|id| model.values[id].constant.clone()))
                    .collect();
                match moves::moved(&node.op, view::in_order(&axes), &constants, batch) {
                    Ok(view) => axes = view.shape().to_vec(),
                    Err(_) => return (axes, false),
                }
            }
            Operator::Identity
            | Operator::Quantise
            | Operator::Dequantise { .. }
            | Operator::Cast { .. }
            | Operator::Binary(_)
            | Operator::Activation(_) => {}
            _ => return (axes, false),
        }
        match node.outputs.first() {
            Some(&next) => value = next,
            None => return (axes, false),
        }
    }
    (axes, false)
}

fn shape(axes: &[usize], channels_first: bool) -> Option<Shape> {
    let (h, w, c) = match (axes, channels_first) {
        ([n] | [1, n], _) => (1, 1, *n),
        ([1, steps, channels], false) | ([1, channels, steps], true) => (1, *steps, *channels),
        ([1, h, w, c], false) | ([1, c, h, w], true) => (*h, *w, *c),
        _ => return None,
    };
    Some(Shape { h, w, c })
}
