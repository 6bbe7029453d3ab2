//! Activation functions, in place, with derivatives expressed by the output, so that the input need
//! not be kept.

use crate::call::Call;
use crate::math;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

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
    /// f(x) = x above zero, else α·(eˣ − 1). α must be positive, as the slope above.
    Elu(f32),
    /// f(x) = λ·x above zero, else λ·α·(eˣ − 1), with which means and variances of layers stay near 0 and 1
    /// (Klambauer et al. 2017).
    Selu,
}

/// λ of SELU.
const SELU_SCALE: f32 = 1.050_701;
/// λ·α of SELU.
const SELU_SCALE_ALPHA: f32 = 1.758_099_3;

impl Activation {
    /// The activation with this number, which may take `scalar` for a parameter.
    pub fn from_code(code: u32, scalar: f32) -> Option<Self> {
        Some(match code {
            0 => Activation::None,
            1 => Activation::Relu,
            2 => Activation::Relu6,
            3 => Activation::LeakyRelu(scalar),
            4 => Activation::Sigmoid,
            5 => Activation::Tanh,
            6 => Activation::Elu(scalar),
            7 => Activation::Selu,
            _ => return None,
        })
    }

    /// Its number in images.
    pub fn code(self) -> u32 {
        match self {
            Activation::None => 0,
            Activation::Relu => 1,
            Activation::Relu6 => 2,
            Activation::LeakyRelu(_) => 3,
            Activation::Sigmoid => 4,
            Activation::Tanh => 5,
            Activation::Elu(_) => 6,
            Activation::Selu => 7,
        }
    }

    /// Its parameter, if it has one.
    pub fn scalar(self) -> Option<f32> {
        match self {
            Activation::LeakyRelu(scalar) | Activation::Elu(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// `x ← f(x)`. What is not a number stays none.
    #[inline(never)]
    pub fn forward(self, x: &mut [f32]) {
        match self {
            Activation::None => {}
            Activation::Relu => x.iter_mut().for_each(|x| *x = relu(*x)),
            Activation::Relu6 => x.iter_mut().for_each(|x| {
                let positive = relu(*x);
                *x = if positive > 6.0 { 6.0 } else { positive };
            }),
            Activation::LeakyRelu(slope) => {
                x.iter_mut()
                    .for_each(|x| *x = if *x > 0.0 { *x } else { slope * *x });
            }
            Activation::Sigmoid => x.iter_mut().for_each(|x| *x = math::sigmoid(*x)),
            Activation::Tanh => x.iter_mut().for_each(|x| *x = math::tanh(*x)),
            Activation::Elu(alpha) => exponential(x, 1.0, alpha),
            Activation::Selu => exponential(x, SELU_SCALE, SELU_SCALE_ALPHA),
        }
    }

    /// `delta ← delta · f′`, where `output` is what [`forward`](Self::forward) left, of equal length.
    /// At a kink the derivative from the left is taken for ReLU and LeakyReLU (0 and slope), and 0 at
    /// ReLU6's 6. Where the output is not a number, ReLUs let the delta through.
    #[inline(never)]
    pub fn backward(self, output: &[f32], delta: &mut [f32]) {
        let pairs = output.iter().zip(delta.iter_mut());
        match self {
            Activation::None => {}
            Activation::Relu => pairs.for_each(|(&y, d)| *d = gate(y, *d)),
            Activation::Relu6 => {
                pairs.for_each(|(&y, d)| *d = if (y <= 0.0) | (y >= 6.0) { 0.0 } else { *d });
            }
            Activation::LeakyRelu(slope) => {
                pairs.for_each(|(&y, d)| *d = if y > 0.0 { *d } else { slope * *d });
            }
            Activation::Sigmoid => pairs.for_each(|(&y, d)| *d *= y * (1.0 - y)),
            Activation::Tanh => pairs.for_each(|(&y, d)| *d *= 1.0 - y * y),
            Activation::Elu(alpha) => exponential_backward(output, delta, 1.0, alpha),
            Activation::Selu => {
                exponential_backward(output, delta, SELU_SCALE, SELU_SCALE_ALPHA);
            }
        }
    }
}

/// `x ← scale·x` above zero, else `bend·(eˣ − 1)`.
#[inline(never)]
fn exponential(x: &mut [f32], scale: f32, bend: f32) {
    x.iter_mut().for_each(|x| {
        *x = if *x > 0.0 {
            scale * *x
        } else {
            bend * (math::exp(*x) - 1.0)
        }
    });
}

/// Below zero the derivative is `bend·eˣ`, which is the output plus `bend`.
#[inline(never)]
fn exponential_backward(output: &[f32], delta: &mut [f32], scale: f32, bend: f32) {
    for (&y, d) in output.iter().zip(delta) {
        *d *= if y > 0.0 { scale } else { y + bend };
    }
}

/// The bits of minus infinity: those above are not numbers, with their sign set.
const MINUS_INFINITY: u32 = 0xff80_0000;

/// max(x, 0) by its sign bit, which needs no transfer of FPU flags on a Cortex-M; −0 becomes +0. Some processors set the
/// sign of what is not a number.
fn relu(x: f32) -> f32 {
    let bits = x.to_bits();
    if bits > MINUS_INFINITY {
        return f32::NAN;
    }
    f32::from_bits(bits & !((bits as i32 >> 31) as u32))
}

/// `d` where `y`, a ReLU's output, is above zero or not a number, else 0. A ReLU leaves no sign set.
fn gate(y: f32, d: f32) -> f32 {
    f32::from_bits(if y.to_bits() as i32 > 0 {
        d.to_bits()
    } else {
        0
    })
}

/// x, in place. Length; the call's activation.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "activation";
    const OPERANDS: &'static [Operand] = &[Y_OUT];
    const OUTPUT: Option<usize> = Some(0);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        call.activation.forward(o.write(0));
    }
}

/// output · delta, in place. Length; the call's activation.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "activation_backward";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let delta = o.write(1);
        call.activation.backward(o.read(0), delta);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What processors make where nothing can be told, and what a file may hold: the sign set or not, any payload.
    const NOT_NUMBERS: [u32; 4] = [0x7fc0_0000, 0xffc0_0000, 0x7f80_0001, 0xffff_ffff];

    #[test]
    fn what_is_not_a_number_stays_none() {
        for activation in [
            Activation::Relu,
            Activation::Relu6,
            Activation::LeakyRelu(0.1),
            Activation::Sigmoid,
            Activation::Tanh,
        ] {
            for bits in NOT_NUMBERS {
                let mut x = [1.0, f32::from_bits(bits), -1.0];
                activation.forward(&mut x);
                assert!(x[1].is_nan(), "{activation:?} {bits:#x}");
                assert!(x[0].is_finite() && x[2].is_finite());
            }
        }
    }

    #[test]
    fn a_gate_does_not_hide_what_is_not_a_number() {
        for activation in [Activation::Relu, Activation::Relu6] {
            for bits in NOT_NUMBERS {
                let mut output = [-1.0, f32::from_bits(bits), 1.0];
                activation.forward(&mut output);
                let mut delta = [2.0; 3];
                activation.backward(&output, &mut delta);
                assert_eq!(delta, [0.0, 2.0, 2.0], "{activation:?} {bits:#x}");
            }
        }
    }
}
