//! Multiplication by and addition of constants: one, one a channel, or one a value.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{NodeId, dimension};
use crate::listing::{Symbol, flat};
use crate::stage::{Stage, StageId};
use crate::tensor::Tensor;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// `x · scale + shift`.
#[derive(Clone, Debug, PartialEq)]
pub struct Affine {
    /// As many as [`shift`](Self::shift).
    pub scale: Vec<f32>,
    /// One, as many as channels, or as many as the input has values.
    pub shift: Vec<f32>,
}

impl Affine {
    /// Of constants of which either may be one for all.
    pub fn new(mut scale: Vec<f32>, mut shift: Vec<f32>) -> Self {
        let repeat = |short: &mut Vec<f32>, long: usize| {
            if let &[value] = &short[..] {
                *short = vec![value; long.max(1)];
            }
        };
        repeat(&mut scale, shift.len());
        repeat(&mut shift, scale.len());
        Self { scale, shift }
    }
}

impl Operator for Affine {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let (count, len) = (self.scale.len(), inputs[0].len());
        let expected = match self.shift.len() {
            given if given == count && [1, inputs[0].c, len].contains(&count) => count,
            _ => inputs[0].c,
        };
        if let Some(given) = [count, self.shift.len()]
            .into_iter()
            .find(|&n| n != expected)
        {
            return Err(Error::Weights {
                layer: layer.to_owned(),
                expected,
                given,
            });
        }
        dimension(layer, "the number of constants", count)?;
        let constants = self.scale.iter().chain(&self.shift);
        match constants.into_iter().find(|v| !v.is_finite()) {
            None => Ok(inputs[0]),
            Some(&value) => Err(Error::Value {
                layer: layer.to_owned(),
                what: "a constant",
                value,
                allowed: "a finite number",
            }),
        }
    }

    fn constants(&self) -> Vec<(&'static str, Tensor)> {
        let (scale, shift) = (self.scale.clone(), self.shift.clone());
        vec![("scale", scale.into()), ("shift", shift.into())]
    }

    fn absorb(&self, into: &mut Stage, _: Shape) -> bool {
        fold(into, &self.scale, &self.shift)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        forward(pass, id, self.scale.len())
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        backward(pass, id, self.scale.len());
    }
}

/// Weights that are not trained take constants in, where there is one for each channel or one for all; trained ones
/// keep them apart, because training folded weights is another training.
pub(crate) fn fold(into: &mut Stage, scale: &[f32], shift: &[f32]) -> bool {
    let plain = into.activation == Activation::None && into.pool == (1, 1);
    // The channel is the innermost axis of every layout.
    let channels = into.shape.c;
    if into.trained.any() || !plain || ![1, channels].contains(&scale.len()) {
        return false;
    }
    let Some(parameters) = &mut into.parameters else {
        return false;
    };
    let each =
        |values: &[f32]| -> Arc<[f32]> { values.iter().copied().cycle().take(channels).collect() };
    let (scale, shift) = (each(scale), each(shift));
    parameters.weights = parameters.weights.folded(&scale, None);
    let bias = parameters.bias.take();
    let bias = bias.unwrap_or_else(|| Tensor::zeros(channels));
    parameters.bias = Some(bias.folded(&scale, Some(&shift)));
    true
}

/// Emits the multiplication by the first constant of stage `id` and the addition of the second.
pub(crate) fn forward(pass: &mut Forward<'_>, id: StageId, channels: usize) -> Symbol {
    let y = pass.output(id);
    let call = call(Kernel::ChannelAffine, pass.stage(id), channels);
    let operands = [
        pass.input(id),
        Symbol::Constant(id, 0),
        Symbol::Constant(id, 1),
        y,
    ];
    pass.emit(id, call, &operands);
    y
}

/// Emits the multiplication of the gradient.
pub(crate) fn backward(pass: &mut Backward<'_>, id: StageId, channels: usize) {
    let call = call(Kernel::ChannelAffineBackward, pass.stage(id), channels);
    let operands = [Symbol::Constant(id, 0), pass.delta(id)];
    pass.emit(id, call, &operands);
    pass.hand_on(id, 0, false);
}

fn call(kernel: Kernel, stage: &Stage, channels: usize) -> Call {
    let mut call = flat(kernel, stage.shape.len());
    call.dims[2] = channels as u16;
    call
}

fn ones() -> Vec<f32> {
    vec![1.0]
}

fn zeros() -> Vec<f32> {
    vec![0.0]
}

/// `affine`: `x · scale + shift`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AffineSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One number, one a channel, or one a value.
    #[serde(default = "ones")]
    pub scale: Vec<f32>,
    /// The same.
    #[serde(default = "zeros")]
    pub shift: Vec<f32>,
}

impl Layer for AffineSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        site.push(Affine::new(self.scale.clone(), self.shift.clone()))
    }
}
