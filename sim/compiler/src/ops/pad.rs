//! Images with a border: more rows, columns or channels of one value.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::moved::{self, Axis};
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rearrange::Block;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// A border around an image. What needs a border of zeros only for a convolution has that of its window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pad {
    /// Rows, columns and channels before the image.
    pub before: [usize; 3],
    /// The same behind it.
    pub after: [usize; 3],
    /// What they hold.
    pub value: f32,
}

impl Operator for Pad {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        if !self.value.is_finite() {
            return Err(Error::Value {
                layer: layer.to_owned(),
                what: "the value of the border",
                value: self.value,
                allowed: "a finite number",
            });
        }
        let mut shape = inputs[0];
        for (i, axis) in Axis::ALL.into_iter().enumerate() {
            let border = self.before[i].saturating_add(self.after[i]);
            *axis.of_mut(&mut shape) = axis.of(shape).saturating_add(border);
        }
        moved::check(layer, inputs, shape)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let stage = pass.stage(id);
        let fill = Call {
            scalar: self.value,
            ..flat(Kernel::Fill, stage.shape.len())
        };
        pass.emit(id, fill, &[y]);
        let operands = [pass.input(id), y];
        pass.emit(id, moved::call(self.block(stage)), &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let block = self.block(pass.stage(id)).reversed();
        let operands = [pass.delta(id)];
        pass.pass_back(id, moved::call(block), &operands);
    }
}

impl Pad {
    fn block(&self, stage: &Stage) -> Block {
        moved::into(stage.input(), stage.shape, self.before)
    }
}

/// `pad`: `{ pad = { height = [1, 2], width = [0, 3] } }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PadSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rows above and below.
    #[serde(default)]
    pub height: (usize, usize),
    /// Columns left and right; the steps of a series.
    #[serde(default)]
    pub width: (usize, usize),
    /// Channels before and behind.
    #[serde(default)]
    pub channels: (usize, usize),
    /// What they hold.
    #[serde(default)]
    pub value: f32,
}

impl Layer for PadSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let axes = [self.height, self.width, self.channels];
        site.push(Pad {
            before: axes.map(|a| a.0),
            after: axes.map(|a| a.1),
            value: self.value,
        })
    }
}
