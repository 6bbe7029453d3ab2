//! Activations: fused behind the layer before them where it has weights, elsewhere in place.

use super::{Layer, Op, Operator, Rectifies, Site, Zeros};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, flat};
use crate::options::LossSpec;
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

impl Operator for Activation {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        match self {
            Activation::LeakyRelu(slope) if !(0.0..=1.0).contains(slope) => Err(Error::Value {
                layer: layer.to_owned(),
                what: "the slope",
                value: *slope,
                allowed: "between 0 and 1",
            }),
            Activation::Elu(alpha) if !(alpha.is_finite() && *alpha > 0.0) => Err(Error::Value {
                layer: layer.to_owned(),
                what: "alpha",
                value: *alpha,
                allowed: "a positive number",
            }),
            _ => Ok(inputs[0]),
        }
    }

    fn is_part_of(&self, loss: LossSpec) -> bool {
        *self == Activation::Sigmoid && loss == LossSpec::BinaryCrossEntropy
    }

    fn derivative(&self) -> Activation {
        *self
    }

    fn zeros(&self) -> Zeros {
        match self {
            Activation::Relu | Activation::Relu6 => Zeros::Made,
            _ => Zeros::No,
        }
    }

    fn rectifies(&self) -> Rectifies {
        match self {
            Activation::Relu
            | Activation::Relu6
            | Activation::LeakyRelu(_)
            | Activation::Elu(_) => Rectifies::Yes,
            _ => Rectifies::No,
        }
    }

    fn absorb(&self, into: &mut Stage, _: Shape) -> bool {
        let fits = into.parameters.is_some() && into.activation == Activation::None;
        if fits {
            into.activation = *self;
        }
        fits
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.writable(id, false);
        let call = self.call(Kernel::Activation, pass.stage(id));
        pass.emit(id, call, &[y]);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let call = self.call(Kernel::ActivationBackward, pass.stage(id));
        let operands = [pass.value(id), pass.delta(id)];
        pass.emit(id, call, &operands);
        pass.hand_on(id, 0, false);
    }
}

trait Calls {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call;
}

impl Calls for Activation {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        Call {
            activation: *self,
            ..flat(kernel, stage.shape.len())
        }
    }
}

/// An activation by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationSpec {
    /// The identity.
    #[default]
    Linear,
    /// max(0, x).
    Relu,
    /// min(6, max(0, x)).
    Relu6,
    /// x where positive, slope · x elsewhere: `{ leaky_relu = 0.01 }`.
    LeakyRelu(f32),
    /// 1 / (1 + exp(−x)).
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// x where positive, α · (exp(x) − 1) elsewhere: `{ elu = 1.0 }`.
    Elu(f32),
    /// The self-normalising one of Klambauer et al. (2017).
    Selu,
}

impl ActivationSpec {
    /// The core's activation.
    pub fn resolve(self) -> Activation {
        match self {
            Self::Linear => Activation::None,
            Self::Relu => Activation::Relu,
            Self::Relu6 => Activation::Relu6,
            Self::LeakyRelu(slope) => Activation::LeakyRelu(slope),
            Self::Sigmoid => Activation::Sigmoid,
            Self::Tanh => Activation::Tanh,
            Self::Elu(alpha) => Activation::Elu(alpha),
            Self::Selu => Activation::Selu,
        }
    }
}

/// The node behind a layer that was given an activation; a layer that names the other means what comes out of it.
pub(crate) fn of(layer: &str) -> String {
    format!("{layer}.activation")
}

/// Appends `op`, and its activation as a node of its own where there is one.
pub(crate) fn push_activated(
    site: &mut Site<'_>,
    op: impl Into<Op>,
    activation: ActivationSpec,
) -> Result<NodeId, Error> {
    let id = site.push(op)?;
    activated(site, id, activation)
}

/// Appends the activation of the layer whose node is `id`, where it has one.
pub(crate) fn activated(
    site: &mut Site<'_>,
    id: NodeId,
    activation: ActivationSpec,
) -> Result<NodeId, Error> {
    if activation == ActivationSpec::Linear {
        return Ok(id);
    }
    site.graph.push(&of(site.name), activation.resolve(), &[id])
}

/// `activation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationLayerSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which.
    pub kind: ActivationSpec,
}

impl Layer for ActivationLayerSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(self.kind.resolve())
    }
}
