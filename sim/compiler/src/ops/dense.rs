//! Fully connected layers.

use super::activation::{ActivationSpec, push_activated};
use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{NodeId, dimension};
use crate::listing::{Part, Symbol};
use crate::network::yes;
use crate::stage::StageId;
use crate::tensor::{Parameters, Tensor};
use runtime_shared::kernels::Shape;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Fully connected: each output is a weighted sum of all inputs. An image is taken as a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Outputs.
    pub units: usize,
    /// Weights `[inputs][outputs]`.
    pub parameters: Parameters,
}

impl Operator for Dense {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let len = dimension(layer, "the number of inputs", inputs[0].len())?;
        dimension(layer, "the number of outputs", self.units)?;
        self.parameters.check(layer, len * self.units, self.units)?;
        Ok(Shape {
            h: 1,
            w: 1,
            c: self.units,
        })
    }

    fn parameters(&self) -> Option<&Parameters> {
        Some(&self.parameters)
    }

    fn parameters_mut(&mut self) -> Option<&mut Parameters> {
        Some(&mut self.parameters)
    }

    fn fans(&self, input: Shape) -> Option<(usize, usize)> {
        Some((input.len(), self.units))
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let mut call = self.call(Kernel::Dense, pass.stage(id).input());
        call.activation = pass.lowering.activation(id);
        call.flags = skips_zeros(pass.lowering.input_has_zeros(id));
        let operands = [pass.input(id), pass.weights(id), pass.bias(id), y];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let (input, delta) = (pass.stage(id).input(), pass.delta(id));
        let call = self.call(Kernel::DenseBackwardInput, input);
        pass.pass_back(id, call, &[delta, pass.weights(id)]);
        if pass.stage(id).trained.weights {
            let mut call = self.call(Kernel::DenseBackwardWeights, input);
            call.flags = skips_zeros(pass.lowering.input_has_zeros(id));
            let operands = [pass.input(id), delta];
            pass.update(id, Part::Weights, call, &operands, self.units);
        }
    }
}

impl Dense {
    fn call(&self, kernel: Kernel, input: Shape) -> Call {
        let mut call = Call::new(kernel);
        call.dims[0] = input.len() as u16;
        call.dims[1] = self.units as u16;
        call
    }
}

fn skips_zeros(zeros: bool) -> u16 {
    if zeros { SKIP_ZEROS } else { 0 }
}

/// `dense`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseSpec {
    /// A name of its own, to refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Outputs.
    pub units: usize,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl Layer for DenseSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let units = dimension(site.name, "the number of units", self.units)?;
        let parameters = Parameters {
            weights: Tensor::sized(site.name, &[site.input().len(), units])?,
            bias: self.bias.then(|| Tensor::zeros(units)),
        };
        push_activated(site, Dense { units, parameters }, self.activation)
    }
}
