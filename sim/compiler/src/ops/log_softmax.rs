//! The logarithm of softmax. At the end of a network that is trained with cross-entropy it is part of the loss, as
//! softmax is: the one of the other is itself.

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
pub struct LogSoftmax;

impl Operator for LogSoftmax {
    fn shape(&self, _: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        Ok(inputs[0])
    }

    fn is_part_of(&self, loss: LossSpec) -> bool {
        matches!(loss, LossSpec::CrossEntropy | LossSpec::Damped)
    }

    /// It is read from the output, as that of a sigmoid is.
    fn derivative(&self) -> Activation {
        Activation::Sigmoid
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.writable(id, false);
        pass.emit(
            id,
            flat(Kernel::LogSoftmax, pass.stage(id).shape.len()),
            &[y],
        );
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let call = flat(Kernel::LogSoftmaxBackward, pass.stage(id).shape.len());
        let operands = [pass.value(id), pass.delta(id)];
        pass.emit(id, call, &operands);
        pass.hand_on(id, 0, false);
    }
}

/// `log_softmax`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSoftmaxSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for LogSoftmaxSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(LogSoftmax)
    }
}
