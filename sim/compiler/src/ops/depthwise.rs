//! Depthwise convolutions: a filter of its own for each channel.

use super::activation::{ActivationSpec, push_activated};
use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{NodeId, dimension};
use crate::listing::{Part, Symbol, flat, windowed};
use crate::moved;
use crate::network::{PaddingSpec, Size, one, single, yes};
use crate::stage::{Stage, StageId};
use crate::tensor::{Parameters, Tensor};
use crate::window::Window;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d;
use runtime_shared::kernels::rearrange::Block;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Depthwise convolution, one filter a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// How it slides.
    pub window: Window,
    /// Filters for each channel.
    pub multiplier: usize,
    /// Weights `[ky][kx][c][multiplier]`.
    pub parameters: Parameters,
}

impl Depthwise {
    /// A layer at `site`, with room for its weights.
    pub(crate) fn sized(
        site: &Site<'_>,
        window: Window,
        multiplier: usize,
        bias: bool,
    ) -> Result<Self, Error> {
        let (h, w) = window.kernel;
        let c = site.input().c;
        let outputs = c.saturating_mul(multiplier);
        dimension(site.name, "the number of outputs", outputs)?;
        let parameters = Parameters {
            weights: Tensor::sized(site.name, &[h, w, outputs])?,
            bias: bias.then(|| Tensor::zeros(outputs)),
        };
        Ok(Self {
            window,
            multiplier,
            parameters,
        })
    }

    /// How it is carried out on an input of `stage`.
    fn way(&self, stage: &Stage) -> Way {
        match (self.multiplier, stage.input().c) {
            (1, _) => Way::Plain,
            (_, 1) => Way::Convolution,
            _ => Way::Repeated,
        }
    }

    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        let mut input = stage.input();
        let outputs = input.c * self.multiplier;
        if self.way(stage) == Way::Repeated {
            input.c = outputs;
        }
        windowed(kernel, &self.window, input, outputs, (1, 1))
    }

    /// Each channel of the input, as many times as it has filters.
    fn repeated(&self, stage: &Stage) -> Block {
        let Shape { h, w, c } = stage.input();
        Block {
            count: [h * w, c, self.multiplier],
            from: [c, 1, 0],
            to: [c * self.multiplier, self.multiplier, 1],
            from_at: 0,
            to_at: 0,
            adds: false,
        }
    }
}

/// How several filters a channel are carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// There is one.
    Plain,
    /// There is one channel: then it is an ordinary convolution.
    Convolution,
    /// As one filter a channel, on an input whose channels are repeated.
    Repeated,
}

impl Operator for Depthwise {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let outputs = inputs[0].c.saturating_mul(self.multiplier);
        dimension(layer, "the number of outputs", outputs)?;
        let shape = self.window.shape(layer, inputs[0], outputs)?;
        let weights = self.window.size().saturating_mul(outputs);
        self.parameters.check(layer, weights, outputs)?;
        Ok(shape)
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn fans(&self, _: Shape) -> Option<(usize, usize)> {
        let taps = self.window.size();
        Some((taps, taps * self.multiplier))
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let stage = pass.stage(id);
        let way = self.way(stage);
        let mut x = pass.input(id);
        if way == Way::Repeated {
            let block = self.repeated(stage);
            let repeated = pass.index(id, block.count.iter().product::<usize>() * 4);
            pass.emit(id, moved::call(block), &[x, repeated]);
            x = repeated;
        }
        let kernel = match way {
            Way::Convolution => Kernel::Conv2d,
            _ => Kernel::Depthwise,
        };
        let mut call = self.call(kernel, stage);
        call.activation = pass.lowering.activation(id);
        let operands = [x, pass.weights(id), pass.bias(id), y];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let (stage, delta, weights) = (pass.stage(id), pass.delta(id), pass.weights(id));
        let way = self.way(stage);
        let (to_input, to_weights) = match way {
            Way::Convolution => (Kernel::Conv2dBackwardInput, Kernel::Conv2dBackwardWeights),
            _ => (
                Kernel::DepthwiseBackwardInput,
                Kernel::DepthwiseBackwardWeights,
            ),
        };
        let to_input = self.call(to_input, stage);
        match way {
            Way::Plain => pass.pass_back(id, to_input, &[delta, weights]),
            Way::Convolution => pass.pass_back(id, to_input, &[delta, Symbol::Absent, weights]),
            Way::Repeated => {
                if let Some(dx) = pass.gradient_of(id, 0) {
                    let block = self.repeated(stage);
                    let all = pass.scratch(id, block.count.iter().product());
                    pass.emit(id, to_input, &[delta, weights, all]);
                    pass.emit(id, flat(Kernel::Fill, stage.input().len()), &[dx]);
                    let sum = Block {
                        adds: true,
                        ..block.reversed()
                    };
                    pass.emit(id, moved::call(sum), &[all, dx]);
                    pass.add_gradient(id, 0, dx);
                }
            }
        }
        if stage.trained.weights {
            let call = self.call(to_weights, stage);
            let (operands, tile) = match way {
                Way::Plain => (vec![pass.input(id), delta], self.parameters.weights.len()),
                Way::Repeated => (vec![pass.index(id), delta], self.parameters.weights.len()),
                Way::Convolution => (
                    vec![pass.input(id), delta, Symbol::Absent],
                    conv2d::tile_len(&call.conv2d()),
                ),
            };
            pass.update(id, Part::Weights, call, &operands, tile);
        }
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
    /// Filters for each channel.
    #[serde(default = "single")]
    pub multiplier: usize,
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
        let layer = Depthwise::sized(site, window, self.multiplier, self.bias)?;
        push_activated(site, layer, self.activation)
    }
}
