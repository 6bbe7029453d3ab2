//! Fully connected layers. Weights are stored input-major: `w[i·outputs + o]`.
//!
//! Input-major rows make forward and update walk memory once, in order, and let an input that is zero
//! (most pixels of a digit, half of what a ReLU emits) skip its row.

use crate::call::{Call, SKIP_ZEROS};
use crate::operand::{
    BIAS, BadDimensions, Lengths, Operand, STATE_1, STATE_2, TILE, TRAINED, W, X, X_OUT, Y, Y_OUT,
    product,
};
use crate::routine::{Context, Operands, Routine};

use super::block::{accumulate, add_dots, bias, chunk, chunk_mut, each_row, in_blocks};
use super::update::Sink;

/// `y[o] = b[o] + Σᵢ x[i] · w[i][o]`, starting from the bias, `i` ascending.
///
/// `w` is `x.len() · y.len()` long; `b` is `y.len()` long, or empty for no bias. With `skip_zeros`
/// rows of a zero input are left out, which saves time and gives the same result for finite weights.
#[inline(never)]
pub fn forward(x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], skip_zeros: bool) {
    in_blocks!(y.len(), [16, 8, 2, 1], |at, N| forward_block::<N>(
        x, w, b, y, at, skip_zeros
    ));
}

#[inline(never)]
fn forward_block<const N: usize>(
    x: &[f32],
    w: &[f32],
    b: &[f32],
    y: &mut [f32],
    at: usize,
    skip: bool,
) {
    let mut acc = bias::<N>(b, at);
    accumulate(&mut acc, x, w, at, y.len(), skip);
    *chunk_mut(y, at) = acc;
}

/// `dx[i] = Σₒ delta[o] · w[i][o]`, overwriting `dx`.
///
/// Each sum has four lanes that start at zero: output `o` goes to lane `o mod 4`, ascending; the
/// result is `(lane 0 + lane 2) + (lane 1 + lane 3)`.
#[inline(never)]
pub fn backward_input(delta: &[f32], w: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    add_dots(delta, w, dx);
}

/// Delivers the gradient `x[i] · delta[o]` of `w[i][o]`, `i` ascending. See
/// [`update`](super::update) for what happens to it.
///
/// `tile` is scratch of `delta.len()`, used unless the sink is plain SGD or accumulates. `skip_zeros`
/// is heeded for those two sinks only, since for any other a zero gradient still has an effect.
#[inline(never)]
pub fn backward_weights(
    x: &[f32],
    delta: &[f32],
    sink: &mut Sink<'_>,
    tile: &mut [f32],
    skip_zeros: bool,
) {
    let outputs = delta.len();
    if let Some((target, factor)) = sink.linear() {
        in_blocks!(outputs, [16, 8, 2, 1], |at, N| outer_block::<N>(
            x, delta, target, factor, at, skip_zeros
        ));
        return;
    }
    for (i, &x) in x.iter().enumerate() {
        for (t, d) in tile.iter_mut().zip(delta) {
            *t = x * d;
        }
        sink.push(i * outputs, 1, &tile[..outputs]);
    }
}

/// `target[i][at + j] += (factor · x[i]) · delta[at + j]`.
#[inline(never)]
fn outer_block<const N: usize>(
    x: &[f32],
    delta: &[f32],
    target: &mut [f32],
    factor: f32,
    at: usize,
    skip: bool,
) {
    let outputs = delta.len();
    let d: [f32; N] = *chunk(delta, at);
    each_row(x, at, outputs, skip, |x, at| {
        let row: &mut [f32; N] = chunk_mut(target, at);
        let a = factor * x;
        for j in 0..N {
            row[j] += a * d[j];
        }
    });
}

/// Dimensions of all three: inputs, outputs.
#[inline(never)]
fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    let (x, y) = (call.dim(0), call.dim(1));
    Ok(Lengths {
        x,
        y,
        w: product(x, y)?,
        channels: y,
        tile: y,
        ..Lengths::default()
    })
}

fn skips(call: &Call) -> bool {
    call.flags & SKIP_ZEROS != 0
}

/// x · w · b (or absent) → y, through the call's activation.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "dense";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(3);
        forward(o.read(0), o.read(1), o.read(2), y, skips(call));
        call.activation.forward(y);
    }
}

/// delta · w → dx.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "dense_backward_input";
    const OPERANDS: &'static [Operand] = &[Y, W, X_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let dx = o.write(2);
        backward_input(o.read(0), o.read(1), dx);
    }
}

/// x · delta · w (absent when accumulating) · tile · state · state.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "dense_backward_weights";
    const OPERANDS: &'static [Operand] = &[X, Y, TRAINED, TILE, STATE_1, STATE_2];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (tile, mut sink) = o.sink(2, call, context.hyper);
        backward_weights(o.read(0), o.read(1), &mut sink, tile, skips(call));
    }
}
