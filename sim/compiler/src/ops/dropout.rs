//! Dropout, which does something only while it is trained through.

use super::{Layer, Operator, Site, Zeros};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Zeroes a share of its inputs while training, scales the rest up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share, at least 0 and below 1.
    pub rate: f32,
}

impl Operator for Dropout {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        if !(0.0..1.0).contains(&self.rate) {
            return Err(Error::Value {
                layer: layer.to_owned(),
                what: "the rate",
                value: self.rate,
                allowed: "at least 0 and below 1",
            });
        }
        Ok(inputs[0])
    }

    fn hands_through(&self) -> bool {
        true
    }

    fn zeros(&self) -> Zeros {
        Zeros::Kept
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        if !pass.is_differentiated(id) || self.rate <= 0.0 {
            return pass.input(id);
        }
        let y = pass.writable(id, true);
        let mask = pass.index(id, pass.stage(id).shape.len().div_ceil(8));
        let call = self.call(Kernel::Dropout, pass.stage(id).shape);
        pass.emit(id, call, &[y, mask]);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let mask = pass.index(id);
        if mask != Symbol::Absent {
            let call = self.call(Kernel::DropoutBackward, pass.stage(id).shape);
            let operands = [mask, pass.delta(id)];
            pass.emit(id, call, &operands);
        }
        pass.hand_on(id, 0, false);
    }
}

impl Dropout {
    fn call(&self, kernel: Kernel, shape: Shape) -> Call {
        Call {
            scalar: self.rate,
            ..flat(kernel, shape.len())
        }
    }
}

/// `dropout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The share that is zeroed.
    pub rate: f32,
}

impl Layer for DropoutSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(Dropout { rate: self.rate })
    }
}
