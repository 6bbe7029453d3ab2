//! The same values in the same order under another shape. Memory does not change, so no call is made of it.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{NodeId, shape};
use crate::listing::Symbol;
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use serde::{Deserialize, Serialize};

/// Another shape for as many values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The shape of the output.
    pub shape: Shape,
}

impl Operator for Reshape {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let Shape { h, w, c } = self.shape;
        if h.checked_mul(w).and_then(|n| n.checked_mul(c)) == Some(inputs[0].len()) {
            return Ok(self.shape);
        }
        Err(Error::Reshape {
            layer: layer.to_owned(),
            from: inputs[0],
            to: self.shape,
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

/// `reshape`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReshapeSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `[height, width, channels]`, `[steps, channels]` or `[values]`.
    pub shape: Vec<usize>,
}

impl Layer for ReshapeSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let shape = shape(site.name, &self.shape)?;
        site.push(Reshape { shape })
    }
}
