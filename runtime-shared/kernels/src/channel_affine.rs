//! A product and a sum for each channel: batch normalisation with frozen statistics.

use crate::call::Call;
use crate::operand::{BadDimensions, CHANNELS, Lengths, Operand, X, Y_OUT, by_channel};
use crate::routine::{Context, Operands, Routine};

/// `y = x · scale[c] + shift[c]` per channel: batch normalisation with frozen statistics.
///
/// `x` and `y` hold positions × channels; `scale` and `shift` hold channels.
#[inline(never)]
pub fn forward(x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    let channels = scale.len().max(1);
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        for ((y, x), (scale, shift)) in y.iter_mut().zip(x).zip(scale.iter().zip(shift)) {
            *y = x * scale + shift;
        }
    }
}

/// `delta ← delta · scale[c]`, the gradient of [`forward`] with respect to its input.
#[inline(never)]
pub fn backward(delta: &mut [f32], scale: &[f32]) {
    for position in delta.chunks_exact_mut(scale.len().max(1)) {
        for (d, scale) in position.iter_mut().zip(scale) {
            *d *= scale;
        }
    }
}

/// x · scale · shift → y. Length; channels in dimension 2.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "channel_affine";
    const OPERANDS: &'static [Operand] = &[X, CHANNELS, CHANNELS, Y_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        by_channel(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(3);
        forward(o.read(0), o.read(1), o.read(2), y);
    }
}

/// scale · delta, in place. Length; channels in dimension 2.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "channel_affine_backward";
    const OPERANDS: &'static [Operand] = &[CHANNELS, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        by_channel(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let delta = o.write(1);
        backward(delta, o.read(0));
    }
}
