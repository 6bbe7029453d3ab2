//! Images as vectors. Memory does not change, so no call is made of it.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::Symbol;
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use serde::{Deserialize, Serialize};

/// An image as a vector, rows first, channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten;

impl Operator for Flatten {
    fn shape(&self, _: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        Ok(Shape {
            h: 1,
            w: 1,
            c: inputs[0].len(),
        })
    }

    fn is_view(&self) -> bool {
        true
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        pass.input(id)
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        pass.hand_on(id, 0, false);
    }
}

/// `flatten`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlattenSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for FlattenSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(Flatten)
    }
}
