//! Residual additions and rectifiers in integers. Backward, both pass a delta on ([`super::delta::Delta::pass`]).

use super::Activation;
use super::delta::Delta;
use super::operands::{DELTA, DX, MASK, X, Y_OUT};
use super::record::{RECORD_OUT, Record, count, recorded};
use crate::call::Call;
use crate::operand::flat;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::routine::{Context, Operands, Routine};

/// `out` = the activation of `x · 2^left.0 + y · 2^left.1`: one of the two is 0, the other what the fractions differ by, at most 7. All have one
/// length. Returns how many outputs were clipped.
#[inline(never)]
pub fn forward(
    x: &[i8],
    y: &[i8],
    left: (i32, i32),
    out: &mut [i8],
    activation: Activation,
) -> u32 {
    let mut clipped = 0;
    let (a, b) = (1 << (left.0 & 7), 1 << (left.1 & 7));
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        let acc = i32::from(*x) * a + i32::from(*y) * b;
        *out = activation.apply(acc, &mut clipped);
    }
    clipped
}

/// `y` = the larger of `x` and zero.
#[inline(never)]
pub fn relu(x: &[i8], y: &mut [i8]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = (*x).max(0);
    }
}

/// x · y → sum · record. Length; a scalar that is not 0 counts what is clipped.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "int_add";
    const OPERANDS: &'static [Operand] = &[X, X, Y_OUT, RECORD_OUT];
    const OUTPUT: Option<usize> = Some(2);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        Ok(recorded(flat(call)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (out, words) = (o.write_as(2), o.write_as(3));
        let record = Record::read(words);
        let finest = record.input.max(record.second);
        let activation = Activation {
            shift: finest - record.output,
            relu: call.activation == crate::activation::Activation::Relu,
        };
        let left = (finest - record.input, finest - record.second);
        let clipped = forward(o.read_as(0), o.read_as(1), left, out, activation);
        count(call, words, clipped);
    }
}

/// x → y. Length.
pub struct Relu;

impl Routine for Relu {
    const NAME: &'static str = "int_relu";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write_as(1);
        relu(o.read_as(0), y);
    }
}

/// delta · mask (or absent) → dx. Length; the shift of dx in dimension 2; a scalar that is not 0 adds to dx. Backward through an addition, a ReLU, or a view.
pub struct Pass;

impl Routine for Pass {
    const NAME: &'static str = "int_pass";
    const OPERANDS: &'static [Operand] = &[DELTA, MASK, DX];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let mut to = Delta {
            g: o.write_as(2),
            mask: o.read_as(1),
            shift: i32::from(call.dims[2] as i16).clamp(-31, 31),
            add: call.scalar != 0.0,
        };
        to.pass(o.read_as(0));
    }
}
