//! Tensors joined along an axis: each goes to its own block of the output, and its gradient comes back from there.

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
use std::ops::RangeInclusive;

/// Inputs one behind the other, alike along all other axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Along which they are joined.
    pub axis: Axis,
}

impl Operator for Concat {
    fn arity(&self) -> RangeInclusive<usize> {
        1..=usize::MAX
    }

    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let mut joined = inputs[0];
        *self.axis.of_mut(&mut joined) = 0;
        for &input in inputs {
            let mut rest = input;
            *self.axis.of_mut(&mut rest) = self.axis.of(joined);
            if rest != joined {
                return Err(Error::Mismatch {
                    layer: layer.to_owned(),
                    a: inputs[0],
                    b: input,
                });
            }
            let sum = self.axis.of(joined).saturating_add(self.axis.of(input));
            *self.axis.of_mut(&mut joined) = sum;
        }
        moved::check(layer, inputs, joined)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        for (nth, block) in self.blocks(pass.stage(id)).into_iter().enumerate() {
            let operands = [pass.nth_input(id, nth), y];
            pass.emit(id, moved::call(block), &operands);
        }
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        for (nth, block) in self.blocks(pass.stage(id)).into_iter().enumerate() {
            if let Some(dx) = pass.gradient_of(id, nth) {
                let operands = [pass.delta(id), dx];
                pass.emit(id, moved::call(block.reversed()), &operands);
                pass.add_gradient(id, nth, dx);
            }
        }
    }
}

impl Concat {
    /// Where each input goes.
    fn blocks(&self, stage: &Stage) -> Vec<Block> {
        let mut start = [0; 3];
        let blocks = stage.seen.iter().map(|&input| {
            let block = moved::into(input, stage.shape, start);
            start[self.axis as usize] += self.axis.of(input);
            block
        });
        blocks.collect()
    }
}

/// `concat`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcatSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The layers whose outputs come behind that of the one before.
    pub with: Vec<String>,
    /// Along which axis.
    #[serde(default)]
    pub axis: Axis,
}

impl Layer for ConcatSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let mut inputs = vec![site.last];
        for name in &self.with {
            inputs.push(site.find(name)?);
        }
        site.graph
            .push(site.name, Concat { axis: self.axis }, &inputs)
    }
}
