//! Softmax as a layer. At the end of a network that is trained with cross-entropy it is part of the loss.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::options::LossSpec;
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::Kernel;
use serde::{Deserialize, Serialize};

/// Over all outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax;

impl Operator for Softmax {
    fn shape(&self, _: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        Ok(inputs[0])
    }

    fn is_part_of(&self, loss: LossSpec) -> bool {
        matches!(loss, LossSpec::CrossEntropy | LossSpec::Damped)
    }

    /// It is read from the output, as a sigmoid's.
    fn derivative(&self) -> Activation {
        Activation::Sigmoid
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.writable(id, false);
        pass.emit(id, flat(Kernel::Softmax, pass.stage(id).shape.len()), &[y]);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let call = flat(Kernel::SoftmaxBackward, pass.stage(id).shape.len());
        let operands = [pass.value(id), pass.delta(id)];
        pass.emit(id, call, &operands);
        pass.hand_on(id, 0, false);
    }
}

/// `softmax`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftmaxSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for SoftmaxSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(Softmax)
    }
}
