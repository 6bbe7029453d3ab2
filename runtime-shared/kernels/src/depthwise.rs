//! Depthwise convolution with multiplier 1: each channel has its own kernel, `w[ky][kx][c]`.
//!
//! The geometry is [`Conv2d`]'s with `output.c == input.c` and no pool.

use crate::call::Call;
use crate::operand::{
    BIAS, BadDimensions, Lengths, Operand, STATE_1, STATE_2, TILE, TRAINED, W, X, X_OUT, Y, Y_OUT,
    demand, product, windowed,
};
use crate::routine::{Context, Operands, Routine};

use super::block::{bias, chunk, chunk_mut, in_blocks};
use super::conv2d::{self, Conv2d};
use super::update::Sink;

/// `y[c] = b[c] + Σ x[c] · w[c]`, each sum starting from the bias, kernel rows, then columns ascending.
///
/// `x` is `g.input`, `w` holds kernel height × kernel width × channels, `b` channels or nothing, `y` is
/// `g.output`.
#[inline(never)]
pub fn forward(g: &Conv2d, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32]) {
    in_blocks!(g.output.c, [4, 1], |at, N| forward_block::<N>(
        g, x, w, b, y, at
    ));
}

#[inline(never)]
fn forward_block<const N: usize>(
    g: &Conv2d,
    x: &[f32],
    w: &[f32],
    b: &[f32],
    y: &mut [f32],
    at: usize,
) {
    let c = g.input.c;
    let bias: [f32; N] = bias(b, at);
    let mut out = at;
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let mut acc = bias;
            for (input, tap, len) in g.field(oy, ox).segments() {
                let (mut input, mut tap) = (input + at, tap + at);
                let end = input + len;
                while input < end {
                    let (x, w): (&[f32; N], &[f32; N]) = (chunk(x, input), chunk(w, tap));
                    for j in 0..N {
                        acc[j] += x[j] * w[j];
                    }
                    input += c;
                    tap += c;
                }
            }
            *chunk_mut(y, out) = acc;
            out += c;
        }
    }
}

/// The gradient of the input, overwriting `dx`, which is `g.input`: from zero, contributions of output
/// positions ascending.
#[inline(never)]
pub fn backward_input(g: &Conv2d, delta: &[f32], w: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    in_blocks!(g.output.c, [4, 1], |at, N| input_block::<N>(
        g, delta, w, dx, at
    ));
}

#[inline(never)]
fn input_block<const N: usize>(g: &Conv2d, delta: &[f32], w: &[f32], dx: &mut [f32], at: usize) {
    let c = g.input.c;
    let mut from = at;
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let d: [f32; N] = *chunk(delta, from);
            from += c;
            for (input, tap, len) in g.field(oy, ox).segments() {
                let (mut input, mut tap) = (input + at, tap + at);
                let end = input + len;
                while input < end {
                    let (dx, w): (&mut [f32; N], &[f32; N]) = (chunk_mut(dx, input), chunk(w, tap));
                    for j in 0..N {
                        dx[j] += d[j] * w[j];
                    }
                    input += c;
                    tap += c;
                }
            }
        }
    }
}

/// Delivers the gradient of the weights, tap by tap, each the sum from zero over output positions,
/// ascending. Needs no scratch: `tile` may be empty.
#[inline(never)]
pub fn backward_weights(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    sink: &mut Sink<'_>,
    _tile: &mut [f32],
) {
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            let first = (ky * g.kernel.1 + kx) * g.input.c;
            let mut at = 0;
            while let Some(4..) = g.output.c.checked_sub(at) {
                sink.push(first + at, 1, &tap_gradient(g, x, delta, (ky, kx), at));
                at += 4;
            }
            // The gradient of one channel is that of a convolution from this channel to itself.
            while at < g.output.c {
                let gradient: [f32; 1] = conv2d::tap_gradient(g, x, delta, (ky, kx, at), at);
                sink.push(first + at, 1, &gradient);
                at += 1;
            }
        }
    }
}

/// The gradient of the weights of channels `at..at + 4` at one tap.
#[inline(never)]
fn tap_gradient(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    (ky, kx): (usize, usize),
    at: usize,
) -> [f32; 4] {
    let c = g.input.c;
    let columns = g.columns().outputs(kx, g.output.w);
    let mut acc = [0.0f32; 4];
    for oy in g.rows().outputs(ky, g.output.h) {
        let iy = oy * g.stride.0 + ky - g.pad.0;
        let ix = (columns.start * g.stride.1 + kx).saturating_sub(g.pad.1);
        let mut from = (iy * g.input.w + ix) * c + at;
        let mut to = (oy * g.output.w + columns.start) * c + at;
        for _ in columns.clone() {
            let (x, d): (&[f32; 4], &[f32; 4]) = (chunk(x, from), chunk(delta, to));
            for j in 0..4 {
                acc[j] += x[j] * d[j];
            }
            from += g.stride.1 * c;
            to += c;
        }
    }
    acc
}

/// Pool 1×1, as many outputs as inputs.
#[inline(never)]
fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    let g = call.conv2d();
    let (lengths, taps) = windowed(&g)?;
    demand(g.input.c == g.output.c && g.pool == (1, 1))?;
    let w = product(taps, g.input.c)?;
    Ok(Lengths {
        w,
        tile: w,
        ..lengths
    })
}

/// x · w · b (or absent) → y, through the call's activation. The convolution's geometry.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "depthwise";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(3);
        forward(&call.conv2d(), o.read(0), o.read(1), o.read(2), y);
        call.activation.forward(y);
    }
}

/// delta · w → dx. The convolution's geometry.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "depthwise_backward_input";
    const OPERANDS: &'static [Operand] = &[Y, W, X_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let dx = o.write(2);
        backward_input(&call.conv2d(), o.read(0), o.read(1), dx);
    }
}

/// x · delta · w (absent when accumulating) · tile · state · state. The convolution's geometry.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "depthwise_backward_weights";
    const OPERANDS: &'static [Operand] = &[X, Y, TRAINED, TILE, STATE_1, STATE_2];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (tile, mut sink) = o.sink(2, call, context.hyper);
        backward_weights(&call.conv2d(), o.read(0), o.read(1), &mut sink, tile);
    }
}
