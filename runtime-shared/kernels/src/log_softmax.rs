//! The logarithm of softmax, which networks of other frameworks end in.

use crate::call::Call;
use crate::math;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// `xᵢ ← xᵢ − max x − ln Σⱼ exp(xⱼ − max x)`. The sum's order is ascending from zero.
#[inline(never)]
pub fn forward(x: &mut [f32]) {
    let max = x
        .iter()
        .fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
    let sum = x.iter().fold(0.0, |sum, x| sum + math::exp(x - max));
    let ln = math::ln(sum);
    x.iter_mut().for_each(|x| *x = (*x - max) - ln);
}

/// `deltaᵢ ← deltaᵢ − exp(outputᵢ) · Σⱼ deltaⱼ`, the sum ascending from zero.
#[inline(never)]
pub fn backward(output: &[f32], delta: &mut [f32]) {
    let sum = delta.iter().fold(0.0, |sum, d| sum + d);
    for (y, d) in output.iter().zip(delta) {
        *d -= math::exp(*y) * sum;
    }
}

/// x, in place. Length.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "log_softmax";
    const OPERANDS: &'static [Operand] = &[Y_OUT];
    const OUTPUT: Option<usize> = Some(0);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        forward(o.write(0));
    }
}

/// output · delta, in place. Length.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "log_softmax_backward";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let delta = o.write(1);
        backward(o.read(0), delta);
    }
}
