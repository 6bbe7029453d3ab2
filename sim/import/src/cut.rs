//! A part of a model: between two layers, with axes bound that the file leaves free.

use crate::lower::lower;
use crate::model::{Extent, Model, Value, ValueId};
use std::collections::BTreeMap;

/// Which part of a model is meant.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// The first layer that is kept; the model then is given what this layer reads.
    pub from: Option<String>,
    /// The last layer that is kept; the model then makes what this layer makes.
    pub until: Option<String>,
    /// Extents of free axes, by their name or their number.
    pub dims: BTreeMap<String, usize>,
}

impl Cut {
    /// The part of `model`. What its outputs do not need is left out.
    ///
    /// # Errors
    /// A layer or an axis that there is none of, or a layer that reads several things.
    pub fn apply(&self, mut model: Model) -> Result<Model, String> {
        self.bind(&mut model)?;
        if let Some(name) = &self.until {
            let node = find(&model, name)?.1;
            model.outputs = model.nodes[node]
                .outputs
                .first()
                .copied()
                .into_iter()
                .collect();
        }
        if let Some(name) = &self.from {
            let node = &model.nodes[find(&model, name)?.0];
            let computed = node.inputs.iter().flatten().copied();
            let computed: Vec<ValueId> = computed
                .filter(|&id| model.values[id].constant.is_none())
                .collect();
            let [input] = computed[..] else {
                return Err(format!(
                    "The layer `{name}` reads {} computed values; cut the model before a layer that reads one.",
                    computed.len()
                ));
            };
            start_at(&mut model, input, name)?;
        }
        prune(&mut model);
        Ok(model)
    }

    fn bind(&self, model: &mut Model) -> Result<(), String> {
        let mut unused: BTreeMap<&str, usize> =
            self.dims.iter().map(|(name, &n)| (&name[..], n)).collect();
        for &id in &model.inputs.clone() {
            let axes = model.values[id].shape.iter_mut().flatten();
            for (i, extent) in axes.enumerate() {
                let Extent::Free(name) = extent else { continue };
                let keys = [name.clone(), i.to_string()];
                let given = keys.iter().find(|k| self.dims.contains_key(*k));
                if let Some(key) = given {
                    *extent = Extent::Fixed(self.dims[key]);
                    unused.remove(&key[..]);
                }
            }
        }
        match unused.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!(
                "The model's inputs have no free dimension `{name}`."
            )),
        }
    }
}

/// The first and the last operator of a layer.
fn find(model: &Model, name: &str) -> Result<(usize, usize), String> {
    let is_part = |n: &str| {
        n == name
            || n.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('.'))
    };
    let mut parts = (0..model.nodes.len()).filter(|&i| is_part(&model.nodes[i].name));
    let first = parts.next();
    let last = parts.next_back().or(first);
    first.zip(last).ok_or_else(|| {
        let names: Vec<&str> = model.nodes.iter().map(|n| &n.name[..]).take(200).collect();
        format!(
            "The model has no layer `{name}`. Its layers are: {}.",
            names.join(", ")
        )
    })
}

/// Makes a computed value the input. Its shape is what the model makes of it.
fn start_at(model: &mut Model, input: ValueId, name: &str) -> Result<(), String> {
    if !model.inputs.contains(&input) {
        let mut before = model.clone();
        before.outputs = vec![input];
        prune(&mut before);
        let shape = lower(before)
            .map_err(|refusal| {
                format!("What comes before `{name}` cannot be followed:\n{refusal}")
            })?
            .output_shape;
        let value = &mut model.values[input];
        value.shape = Some(shape.into_iter().map(Extent::Fixed).collect());
    }
    model.inputs = vec![input];
    let made = |n: &crate::model::Node| n.outputs.contains(&input);
    model.nodes.retain(|n| !made(n));
    Ok(())
}

/// Drops what the outputs do not need.
pub fn prune(model: &mut Model) {
    let mut needed = vec![false; model.values.len()];
    model.outputs.iter().for_each(|&id| needed[id] = true);
    let mut kept = vec![false; model.nodes.len()];
    for (i, node) in model.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|&id| needed[id]) {
            kept[i] = true;
            node.inputs
                .iter()
                .flatten()
                .for_each(|&id| needed[id] = true);
        }
    }
    let mut kept = kept.into_iter();
    model.nodes.retain(|_| kept.next() == Some(true));
    for (value, needed) in model.values.iter_mut().zip(&needed) {
        if !needed {
            *value = Value {
                name: std::mem::take(&mut value.name),
                ..Value::default()
            };
        }
    }
    model.inputs.retain(|&id| needed[id]);
}
