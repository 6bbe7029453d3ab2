//! Activation functions, in place, with derivatives expressed by the output, so that the input need
//! not be kept.

use crate::math;

/// An element-wise, monotone activation function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// f(x) = x.
    None,
    /// f(x) = max(x, 0).
    Relu,
    /// f(x) = min(max(x, 0), 6).
    Relu6,
    /// f(x) = x above zero, else slope·x. The slope must be positive: the derivative is taken from
    /// the output's sign.
    LeakyRelu(f32),
    /// f(x) = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// f(x) = tanh x.
    Tanh,
}

impl Activation {
    /// `x ← f(x)`.
    #[inline(never)]
    pub fn forward(self, x: &mut [f32]) {
        match self {
            Activation::None => {}
            Activation::Relu => x.iter_mut().for_each(|x| *x = relu(*x)),
            Activation::Relu6 => x.iter_mut().for_each(|x| {
                let positive = if *x > 0.0 { *x } else { 0.0 };
                *x = if positive < 6.0 { positive } else { 6.0 };
            }),
            Activation::LeakyRelu(slope) => {
                x.iter_mut()
                    .for_each(|x| *x = if *x > 0.0 { *x } else { slope * *x });
            }
            Activation::Sigmoid => x.iter_mut().for_each(|x| *x = math::sigmoid(*x)),
            Activation::Tanh => x.iter_mut().for_each(|x| *x = math::tanh(*x)),
        }
    }

    /// `delta ← delta · f′`, where `output` is what [`forward`](Self::forward) left, of equal length.
    /// At a kink the derivative from the left is taken for ReLU and LeakyReLU (0 and slope), and 0 at
    /// ReLU6's 6.
    #[inline(never)]
    pub fn backward(self, output: &[f32], delta: &mut [f32]) {
        let pairs = output.iter().zip(delta.iter_mut());
        match self {
            Activation::None => {}
            Activation::Relu => pairs.for_each(|(&y, d)| *d = gate(y, *d)),
            Activation::Relu6 => {
                pairs.for_each(|(&y, d)| *d = if (y > 0.0) & (y < 6.0) { *d } else { 0.0 });
            }
            Activation::LeakyRelu(slope) => {
                pairs.for_each(|(&y, d)| *d = if y > 0.0 { *d } else { slope * *d });
            }
            Activation::Sigmoid => pairs.for_each(|(&y, d)| *d *= y * (1.0 - y)),
            Activation::Tanh => pairs.for_each(|(&y, d)| *d *= 1.0 - y * y),
        }
    }
}

/// max(x, 0) by its sign bit, which needs no transfer of FPU flags on a Cortex-M; −0 becomes +0, and a
/// NaN stays one unless its sign is set.
fn relu(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits(bits & !((bits as i32 >> 31) as u32))
}

/// `d` where `y`, a ReLU's output, is above zero, else 0.
fn gate(y: f32, d: f32) -> f32 {
    f32::from_bits(if y.to_bits() as i32 > 0 {
        d.to_bits()
    } else {
        0
    })
}
