//! Sums of two tensors: residual additions, and gradients that meet.

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// `y = a + b`, all of one length.
#[inline(never)]
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    for ((y, a), b) in y.iter_mut().zip(a).zip(b) {
        *y = a + b;
    }
}

/// `y ← y + x`, both of one length.
#[inline(never)]
pub fn add_assign(y: &mut [f32], x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += x;
    }
}

/// a · b → y. Length.
pub struct Add;

impl Routine for Add {
    const NAME: &'static str = "add";
    const OPERANDS: &'static [Operand] = &[X, X, Y_OUT];
    const OUTPUT: Option<usize> = Some(2);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(2);
        add(o.read(0), o.read(1), y);
    }
}

/// x → y, which it is added to. Length.
pub struct AddAssign;

impl Routine for AddAssign {
    const NAME: &'static str = "add_assign";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(1);
        add_assign(y, o.read(0));
    }
}
