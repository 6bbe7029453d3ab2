//! Depthwise convolutions: a filter of its own for each channel.

use super::activation::{ActivationSpec, push_activated};
use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Part, Symbol, windowed};
use crate::network::{PaddingSpec, Size, one, yes};
use crate::stage::{Stage, StageId};
use crate::tensor::{Parameters, Tensor};
use crate::window::Window;
use runtime_shared::kernels::Shape;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Depthwise convolution, one filter a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// How it slides.
    pub window: Window,
    /// Weights `[ky][kx][c]`.
    pub parameters: Parameters,
}

impl Operator for Depthwise {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let c = inputs[0].c;
        let shape = self.window.shape(layer, inputs[0], c)?;
        let weights = self.window.size().saturating_mul(c);
        self.parameters.check(layer, weights, c)?;
        Ok(shape)
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn fans(&self, _: Shape) -> Option<(usize, usize)> {
        Some((self.window.size(), self.window.size()))
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let mut call = self.call(Kernel::Depthwise, pass.stage(id));
        call.activation = pass.lowering.activation(id);
        let operands = [pass.input(id), pass.weights(id), pass.bias(id), y];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let delta = pass.delta(id);
        let call = self.call(Kernel::DepthwiseBackwardInput, pass.stage(id));
        pass.pass_back(id, call, &[delta, pass.weights(id)]);
        if pass.stage(id).trained.weights {
            let call = self.call(Kernel::DepthwiseBackwardWeights, pass.stage(id));
            let operands = [pass.input(id), delta];
            let tile = self.parameters.weights.len();
            pass.update(id, Part::Weights, call, &operands, tile);
        }
    }
}

impl Depthwise {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        windowed(kernel, &self.window, stage.input, stage.input.c, (1, 1))
    }
}

/// `depthwise_conv2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the window.
    pub kernel: Size,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: Size,
    /// The border.
    #[serde(default)]
    pub padding: PaddingSpec,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl Layer for DepthwiseSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let window = self.padding.window(site, self.kernel, self.stride)?;
        let (h, w) = window.kernel;
        let c = site.input().c;
        let parameters = Parameters {
            weights: Tensor::sized(site.name, &[h, w, c])?,
            bias: self.bias.then(|| Tensor::zeros(c)),
        };
        push_activated(site, Depthwise { window, parameters }, self.activation)
    }
}
