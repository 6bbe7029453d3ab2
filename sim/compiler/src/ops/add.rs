//! Residual sums.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use runtime_shared::program::Kernel;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The sum of two inputs of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add;

impl Operator for Add {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        alike(layer, inputs)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let [a, b] = pass.two_inputs(id);
        pass.emit(
            id,
            flat(Kernel::Add, pass.stage(id).shape.len()),
            &[a, b, y],
        );
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let both = pass.requires(id, 0) && pass.requires(id, 1);
        pass.hand_on(id, 1, both);
        pass.hand_on(id, 0, false);
    }
}

/// The shape of inputs that must have the same.
pub(crate) fn alike(layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
    match inputs.iter().find(|&&shape| shape != inputs[0]) {
        None => Ok(inputs[0]),
        Some(&b) => Err(Error::Mismatch {
            layer: layer.to_owned(),
            a: inputs[0],
            b,
        }),
    }
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

impl Layer for AddSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let other = site.find(&self.with)?;
        site.graph.push(site.name, Add, &[site.last, other])
    }
}
