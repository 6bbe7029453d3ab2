//! What a file says of itself, for people: format, types, inputs and outputs.

use crate::model::{Element, Extent, Model, Operator, ValueId};
use serde::Serialize;

/// What a model's file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The file's format and version.
    pub format: String,
    /// What wrote it.
    pub producer: Option<String>,
    /// Which types its weights and activations have.
    pub types: String,
    /// What it is given.
    pub inputs: Vec<Port>,
    /// What it makes.
    pub outputs: Vec<Port>,
    /// How many operators it has.
    pub operators: usize,
}

/// An input or output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its axes, batch first; names or `?` where they are free.
    pub shape: Vec<String>,
    /// The type of its elements in the file.
    pub element: &'static str,
    /// What a step of an integer stands for.
    pub scale: Option<f32>,
    /// Which integer stands for zero.
    pub zero_point: Option<i64>,
}

/// What a model's file says of itself.
pub fn summary(model: &Model) -> Summary {
    let ports = |ids: &[ValueId]| ids.iter().map(|&id| port(model, id)).collect();
    Summary {
        format: model.format.clone(),
        producer: model.producer.clone(),
        types: types(model),
        inputs: ports(&model.inputs),
        outputs: ports(&model.outputs),
        operators: model.nodes.len(),
    }
}

fn port(model: &Model, id: ValueId) -> Port {
    let value = &model.values[id];
    let axis = |extent: &Extent| match extent {
        Extent::Fixed(extent) => extent.to_string(),
        Extent::Free(name) if name.is_empty() => "?".to_owned(),
        Extent::Free(name) => name.clone(),
    };
    let quantisation = value.quantisation.as_ref();
    Port {
        name: value.name.clone(),
        shape: value.shape.iter().flatten().map(axis).collect(),
        element: value.element.name(),
        scale: quantisation.and_then(|q| q.scale.first().copied()),
        zero_point: quantisation.map(|q| q.zero_point.first().copied().unwrap_or(0)),
    }
}

/// The types of the weights of layers, and of what lies between these.
fn types(model: &Model) -> String {
    let has_weights =
        |op: &Operator| matches!(op, Operator::Dense { .. } | Operator::Convolution { .. });
    let layers = || model.nodes.iter().filter(|n| has_weights(&n.op));
    let element = |id: Option<ValueId>| source(model, id?, 4);
    let weights: Vec<Element> = layers()
        .filter_map(|n| element(n.inputs.get(1).copied().flatten()))
        .collect();
    let activations: Vec<Element> = layers()
        .filter_map(|n| n.inputs.first().copied().flatten())
        .map(|id| model.values[id].element)
        .collect();
    let integers = weights.iter().filter(|e| e.is_integer()).count();
    let halves = weights.iter().filter(|&&e| e == Element::F16).count();
    let computed = activations.iter().find(|e| e.is_integer());
    let all = weights.len();
    match (integers, halves, computed) {
        (0, 0, _) => "float32".to_owned(),
        (0, n, _) => format!("float16 weights ({n} of {all}), activations float32"),
        (n, _, None) => {
            let kind = weights
                .iter()
                .find(|e| e.is_integer())
                .map_or("int8", |e| e.name());
            format!("hybrid: {n} of {all} weight tensors {kind}, activations float32")
        }
        (n, _, Some(kind)) => format!(
            "{n} of {all} weight tensors and activations {}",
            kind.name()
        ),
    }
}

/// The type of a constant in the file, behind the operators that make floats of it.
fn source(model: &Model, id: ValueId, steps: usize) -> Option<Element> {
    if model.values[id].constant.is_some() {
        return Some(model.values[id].element);
    }
    let maker = model.nodes.iter().find(|n| n.outputs.contains(&id))?;
    let before = maker.inputs.first().copied().flatten()?;
    match steps {
        0 => None,
        _ => source(model, before, steps - 1),
    }
}
