//! The gradient of a bias.

use crate::call::Call;
use crate::operand::{
    BadDimensions, Lengths, Operand, STATE_1, STATE_2, TILE, TRAINED, X, product,
};
use crate::routine::{Context, Operands, Routine};
use crate::update::Sink;

/// Delivers, for each channel, the sum of `delta` over its positions, positions ascending from zero.
///
/// `delta` holds positions × `channels`; `tile` is scratch of `channels`.
#[inline(never)]
pub fn backward(delta: &[f32], channels: usize, tile: &mut [f32], sink: &mut Sink<'_>) {
    if channels == 0 || delta.len() == channels {
        sink.push(0, 1, delta);
        return;
    }
    let tile = &mut tile[..channels];
    tile.fill(0.0);
    for position in delta.chunks_exact(channels) {
        for (sum, d) in tile.iter_mut().zip(position) {
            *sum += d;
        }
    }
    sink.push(0, 1, tile);
}

/// delta · b (absent when accumulating) · tile · state · state. Dimensions: positions, channels.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "bias_backward";
    const OPERANDS: &'static [Operand] = &[X, TRAINED, TILE, STATE_1, STATE_2];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let channels = call.dim(1);
        Ok(Lengths {
            x: product(call.dim(0), channels)?,
            w: channels,
            tile: channels,
            ..Lengths::default()
        })
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (tile, mut sink) = o.sink(1, call, context.hyper);
        backward(o.read(0), call.dim(1), tile, &mut sink);
    }
}
