//! Products of two tensors, value by value.

use super::add::alike;
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

/// The product of two inputs of one shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiply;

impl Operator for Multiply {
    fn arity(&self) -> RangeInclusive<usize> {
        2..=2
    }

    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        alike(layer, inputs)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let [a, b] = pass.two_inputs(id);
        let call = flat(Kernel::Multiply, pass.stage(id).shape.len());
        pass.emit(id, call, &[a, b, y]);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        for (nth, other) in [(1, 0), (0, 1)] {
            if let Some(dx) = pass.gradient_of(id, nth) {
                let call = flat(Kernel::Multiply, pass.stage(id).shape.len());
                let operands = [pass.delta(id), pass.nth_input(id, other), dx];
                pass.emit(id, call, &operands);
                pass.add_gradient(id, nth, dx);
            }
        }
    }
}

/// `multiply`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiplySpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layer whose output the one before is multiplied by.
    pub with: String,
}

impl Layer for MultiplySpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let other = site.find(&self.with)?;
        site.graph.push(site.name, Multiply, &[site.last, other])
    }
}
