//! Images with their axes in another order.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::Symbol;
use crate::moved::{self, Axis};
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rearrange::Block;
use serde::{Deserialize, Serialize};

/// Which axis of the input each axis of the output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transpose {
    /// The outermost first; each axis once.
    pub axes: [Axis; 3],
}

impl Operator for Transpose {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        if Axis::ALL.iter().any(|axis| !self.axes.contains(axis)) {
            return Err(Error::Axes(layer.to_owned()));
        }
        let [h, w, c] = self.axes.map(|axis| axis.of(inputs[0]));
        moved::check(layer, inputs, Shape { h, w, c })
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let operands = [pass.input(id), y];
        pass.emit(id, moved::call(self.block(pass.stage(id))), &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let block = self.block(pass.stage(id)).reversed();
        let operands = [pass.delta(id)];
        pass.pass_back(id, moved::call(block), &operands);
    }
}

impl Transpose {
    fn block(&self, stage: &Stage) -> Block {
        let from = moved::strides(stage.input());
        Block {
            from: self.axes.map(|axis| from[axis as usize]),
            ..moved::into(stage.shape, stage.shape, [0; 3])
        }
    }
}

/// `transpose`: `{ transpose = { axes = ["channels", "height", "width"] } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransposeSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which axis of the input each axis of the output is, the outermost first.
    pub axes: [Axis; 3],
}

impl Layer for TransposeSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(Transpose { axes: self.axes })
    }
}
