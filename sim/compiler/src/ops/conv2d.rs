//! Convolutions, and the pool that is fused behind one.

use super::activation::{ActivationSpec, activated};
use super::unfold::Unfold;
use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{Graph, NodeId, dimension};
use crate::listing::{Part, Symbol, windowed};
use crate::network::{PaddingSpec, Size, one, yes};
use crate::stage::{Stage, StageId};
use crate::tensor::{Parameters, Tensor};
use crate::window::Window;
use runtime_shared::kernels::{Shape, conv2d};
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    /// How it slides.
    pub window: Window,
    /// Output channels.
    pub filters: usize,
    /// Weights `[ky][kx][ci][co]`.
    pub parameters: Parameters,
}

impl Operator for Conv2d {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let filters = dimension(layer, "the number of filters", self.filters)?;
        let shape = self.window.shape(layer, inputs[0], filters)?;
        let weights = [self.window.size(), inputs[0].c, filters];
        let weights = weights.iter().fold(1, |n: usize, &d| n.saturating_mul(d));
        self.parameters.check(layer, weights, filters)?;
        Ok(shape)
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn fans(&self, input: Shape) -> Option<(usize, usize)> {
        let taps = self.window.size();
        Some((taps * input.c, taps * self.filters))
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let mut call = self.call(Kernel::Conv2d, pass.stage(id));
        call.activation = pass.lowering.activation(id);
        // A bias gradient needs no maxima.
        let stage = pass.stage(id);
        let wanted = pass.passes_on(id) || (pass.is_differentiated(id) && stage.trained.weights);
        let argmax = if stage.pool != (1, 1) && wanted {
            pass.index(id, stage.shape.len())
        } else {
            Symbol::Absent
        };
        let operands = [pass.input(id), pass.weights(id), pass.bias(id), y, argmax];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let (delta, argmax) = (pass.delta(id), pass.index(id));
        let call = self.call(Kernel::Conv2dBackwardInput, pass.stage(id));
        pass.pass_back(id, call, &[delta, argmax, pass.weights(id)]);
        if pass.stage(id).trained.weights {
            let call = self.call(Kernel::Conv2dBackwardWeights, pass.stage(id));
            let tile = conv2d::tile_len(&call.conv2d());
            let operands = [pass.input(id), delta, argmax];
            pass.update(id, Part::Weights, call, &operands, tile);
        }
    }
}

impl Conv2d {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        windowed(
            kernel,
            &self.window,
            stage.input(),
            self.filters,
            stage.pool,
        )
    }
}

/// Appends a convolution whose elements are `dilation` apart, and `window` with these holes in it: over windows that
/// are laid out, where there are holes. Gives its last node.
///
/// # Errors
/// The graph's.
pub fn push_dilated(
    graph: &mut Graph,
    (name, input): (&str, NodeId),
    (window, dilation): (Window, (usize, usize)),
    (filters, parameters): (usize, Parameters),
) -> Result<NodeId, Error> {
    let (mut window, mut input) = (window, input);
    if dilation != (1, 1) {
        let taps = Unfold { window, dilation };
        input = graph.push(&format!("{name}.taps"), taps, &[input])?;
        window = Window {
            kernel: (1, 1),
            stride: (1, 1),
            pad: (0, 0),
            output: window.output,
        };
    }
    let conv = Conv2d {
        window,
        filters,
        parameters,
    };
    graph.push(name, conv, &[input])
}

/// The length of `elements` that are `dilation` apart.
pub(crate) fn with_holes(elements: usize, dilation: usize) -> usize {
    match elements {
        0 => 0,
        n => (n - 1).saturating_mul(dilation).saturating_add(1),
    }
}

/// `conv2d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Output channels.
    pub filters: usize,
    /// Size of the window.
    pub kernel: Size,
    /// Step of the window.
    #[serde(default = "one")]
    pub stride: Size,
    /// From one element of the window to the next. Where that is more than one, windows are laid out, which takes
    /// RAM for all their elements.
    #[serde(default = "one")]
    pub dilation: Size,
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

impl Layer for ConvSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let filters = dimension(site.name, "the number of filters", self.filters)?;
        let Size(h, w) = self.kernel;
        for step in [self.dilation.0, self.dilation.1] {
            dimension(site.name, "the dilation", step)?;
        }
        let holes = Size(
            with_holes(h, self.dilation.0),
            with_holes(w, self.dilation.1),
        );
        let window = self.padding.window(site, holes, self.stride)?;
        let parameters = Parameters {
            weights: Tensor::sized(site.name, &[h, w, site.input().c, filters])?,
            bias: self.bias.then(|| Tensor::zeros(filters)),
        };
        let at = (site.name, site.last);
        let window = (window, self.dilation.into());
        let id = push_dilated(site.graph, at, window, (filters, parameters))?;
        activated(site, id, self.activation)
    }
}
