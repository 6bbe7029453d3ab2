//! Inverted dropout: survivors are scaled up while training, so that inference needs no correction.
//!
//! Source: N. Srivastava et al., *Dropout*, JMLR 15, 2014 (there without the inversion).

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, MASK, MASK_OUT, Operand, Y_OUT, demand, flat};
use crate::rng::Rng;
use crate::routine::{Context, Operands, Routine};

/// Drops each element with probability `rate` and multiplies the rest by `1 / (1 − rate)`.
///
/// `mask` gets one bit an element (bit `i mod 8` of byte `i / 8`, 1 for kept) and is
/// `x.len().div_ceil(8)` long. One draw an element, elements ascending, whatever the rate.
#[inline(never)]
pub fn forward(x: &mut [f32], mask: &mut [u8], rate: f32, rng: &mut Rng) {
    let gain = 1.0 / (1.0 - rate);
    for (x, byte) in x.chunks_mut(8).zip(mask) {
        *byte = 0;
        for (bit, x) in x.iter_mut().enumerate() {
            // Scaled whether kept or not, so that the time does not depend on the draws.
            let (scaled, kept) = (*x * gain, rng.unit() >= rate);
            *byte |= u8::from(kept) << bit;
            *x = if kept { scaled } else { 0.0 };
        }
    }
}

/// Applies the mask that [`forward`] left to the gradient.
#[inline(never)]
pub fn backward(delta: &mut [f32], mask: &[u8], rate: f32) {
    let gain = 1.0 / (1.0 - rate);
    for (delta, byte) in delta.chunks_mut(8).zip(mask) {
        for (bit, d) in delta.iter_mut().enumerate() {
            let scaled = *d * gain;
            *d = if byte >> bit & 1 == 1 { scaled } else { 0.0 };
        }
    }
}

fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    demand(call.scalar >= 0.0 && call.scalar < 1.0)?;
    flat(call)
}

/// x, in place · mask. Length; the rate is the scalar.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "dropout";
    const OPERANDS: &'static [Operand] = &[Y_OUT, MASK_OUT];
    const OUTPUT: Option<usize> = Some(0);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (x, mask) = (o.write(0), o.write_bytes(1));
        forward(x, mask, call.scalar, &mut context.rng);
    }
}

/// mask · delta, in place. Length; the rate is the scalar.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "dropout_backward";
    const OPERANDS: &'static [Operand] = &[MASK, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let delta = o.write(1);
        backward(delta, o.bytes(0), call.scalar);
    }
}
