//! A part of an image: rows, columns and channels next to each other. Several inputs are parts of one sample.

use super::{Layer, Operator, Site, Zeros};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::moved::{self, Axis};
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rearrange::Block;
use runtime_shared::program::Kernel;
use serde::{Deserialize, Serialize};

/// Some of the rows, columns and channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The first row, column and channel.
    pub start: [usize; 3],
    /// How many of each.
    pub shape: Shape,
}

impl Operator for Slice {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        for (start, axis) in self.start.into_iter().zip(Axis::ALL) {
            let (count, all) = (axis.of(self.shape), axis.of(inputs[0]));
            if count == 0 || start.saturating_add(count) > all {
                return Err(Error::Slice {
                    layer: layer.to_owned(),
                    start,
                    count,
                    all,
                });
            }
        }
        moved::check(layer, inputs, self.shape)
    }

    fn zeros(&self) -> Zeros {
        Zeros::Kept
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let block = self.block(pass.stage(id)).reversed();
        let operands = [pass.input(id), y];
        pass.emit(id, moved::call(block), &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let Some(dx) = pass.gradient_of(id, 0) else {
            return;
        };
        let stage = pass.stage(id);
        pass.emit(id, flat(Kernel::Fill, stage.input().len()), &[dx]);
        let operands = [pass.delta(id), dx];
        pass.emit(id, moved::call(self.block(stage)), &operands);
        pass.add_gradient(id, 0, dx);
    }
}

impl Slice {
    /// Where the gradient goes.
    fn block(&self, stage: &Stage) -> Block {
        moved::into(self.shape, stage.input(), self.start)
    }
}

/// `slice`: `{ slice = { channels = [0, 4] } }`, the first and how many; all where not given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SliceSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<(usize, usize)>,
    /// Columns; the steps of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<(usize, usize)>,
    /// Channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<(usize, usize)>,
}

impl Layer for SliceSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let all = site.input();
        let [h, w, c] = [
            self.height.unwrap_or((0, all.h)),
            self.width.unwrap_or((0, all.w)),
            self.channels.unwrap_or((0, all.c)),
        ];
        site.push(Slice {
            start: [h.0, w.0, c.0],
            shape: Shape {
                h: h.1,
                w: w.1,
                c: c.1,
            },
        })
    }
}
