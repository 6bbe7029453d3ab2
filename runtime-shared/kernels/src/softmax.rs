//! Softmax as a layer of its own, for losses that are taken on probabilities.

use crate::call::Call;
use crate::math;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// `xᵢ ← exp(xᵢ − max x) / Σⱼ exp(xⱼ − max x)`. The sum's order is ascending from zero; the division
/// is one reciprocal and a product an element.
#[inline(never)]
pub fn forward(x: &mut [f32]) {
    let (_, sum) = exponentials(x);
    let inverse = 1.0 / sum;
    x.iter_mut().for_each(|x| *x *= inverse);
}

/// `deltaᵢ ← outputᵢ · (deltaᵢ − Σⱼ deltaⱼ · outputⱼ)`, the sum ascending from zero.
#[inline(never)]
pub fn backward(output: &[f32], delta: &mut [f32]) {
    let mut sum = 0.0;
    for (y, d) in output.iter().zip(delta.iter()) {
        sum += d * y;
    }
    for (y, d) in output.iter().zip(delta) {
        *d = y * (*d - sum);
    }
}

/// `xᵢ ← exp(xᵢ − max x)`; returns the maximum and the sum of the results.
pub(super) fn exponentials(x: &mut [f32]) -> (f32, f32) {
    let max = x
        .iter()
        .fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
    let mut sum = 0.0;
    for x in x {
        *x = math::exp(*x - max);
        sum += *x;
    }
    (max, sum)
}

/// x, in place. Length.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "softmax";
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
    const NAME: &'static str = "softmax_backward";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let delta = o.write(1);
        backward(o.read(0), delta);
    }
}
