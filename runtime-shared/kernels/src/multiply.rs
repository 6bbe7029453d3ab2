//! Products of two tensors. The gradient of either is the product of the other with the gradient that came back.

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// `y = a · b`, all of one length.
#[inline(never)]
pub fn multiply(a: &[f32], b: &[f32], y: &mut [f32]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = a * b;
    }
}

/// a · b → y. Length.
pub struct Multiply;

impl Routine for Multiply {
    const NAME: &'static str = "multiply";
    const OPERANDS: &'static [Operand] = &[X, X, Y_OUT];
    const OUTPUT: Option<usize> = Some(2);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(2);
        multiply(o.read(0), o.read(1), y);
    }
}
