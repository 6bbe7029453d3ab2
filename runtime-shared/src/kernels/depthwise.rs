//! Depthwise convolution with multiplier 1: each channel has its own kernel, `w[ky][kx][c]`.
//!
//! The geometry is [`Conv2d`]'s with `output.c == input.c` and no pool.

use super::block::{in_blocks, load};
use super::conv2d::Conv2d;
use super::update::Sink;

/// `y[c] = b[c] + Σ x[c] · w[c]`, each sum starting from the bias, kernel rows, then columns ascending.
///
/// `x` is `g.input`, `w` holds kernel height × kernel width × channels, `b` channels or nothing, `y` is
/// `g.output`.
pub fn forward(g: &Conv2d, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32]) {
    in_blocks!(g.output.c, |at| forward_block::<8 | 4 | 2 | 1>(g, x, w, b, y, at));
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
    let bias: [f32; N] = load(b, at);
    let mut positions = y.chunks_exact_mut(c);
    for oy in 0..g.output.h {
        for (ox, y) in (0..g.output.w).zip(&mut positions) {
            let mut acc = bias;
            for (input, tap, len) in g.segments(oy, ox) {
                let taps = x[input..][..len]
                    .chunks_exact(c)
                    .zip(w[tap..][..len].chunks_exact(c));
                for (x, w) in taps {
                    let (x, w): ([f32; N], [f32; N]) = (load(x, at), load(w, at));
                    for j in 0..N {
                        acc[j] += x[j] * w[j];
                    }
                }
            }
            y[at..at + N].copy_from_slice(&acc);
        }
    }
}

/// The gradient of the input, overwriting `dx`, which is `g.input`: from zero, contributions of output
/// positions ascending.
pub fn backward_input(g: &Conv2d, delta: &[f32], w: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let c = g.input.c.max(1);
    let mut positions = delta.chunks_exact(c);
    for oy in 0..g.output.h {
        for (ox, delta) in (0..g.output.w).zip(&mut positions) {
            for (input, tap, len) in g.segments(oy, ox) {
                let dx = dx[input..][..len].chunks_exact_mut(c);
                for (dx, w) in dx.zip(w[tap..][..len].chunks_exact(c)) {
                    for ((dx, d), w) in dx.iter_mut().zip(delta).zip(w) {
                        *dx += d * w;
                    }
                }
            }
        }
    }
}

/// Delivers the gradient of the weights, tap by tap, each the sum from zero over output positions,
/// ascending. Needs no scratch: `tile` may be empty.
pub fn backward_weights(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    sink: &mut Sink<'_>,
    _tile: &mut [f32],
) {
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            in_blocks!(g.output.c, |at| tap_block::<8 | 4 | 2 | 1>(g, x, delta, (ky, kx), at, sink));
        }
    }
}

#[inline(never)]
fn tap_block<const N: usize>(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    (ky, kx): (usize, usize),
    at: usize,
    sink: &mut Sink<'_>,
) {
    let c = g.input.c;
    let columns = g.columns().outputs(kx, g.output.w);
    let mut acc = [0.0f32; N];
    if !columns.is_empty() {
        for oy in g.rows().outputs(ky, g.output.h) {
            let iy = oy * g.stride.0 + ky - g.pad.0;
            let ix = columns.start * g.stride.1 + kx - g.pad.1;
            let x = x[(iy * g.input.w + ix) * c..].chunks(c).step_by(g.stride.1);
            let delta = &delta[(oy * g.output.w + columns.start) * c..][..columns.len() * c];
            for (x, delta) in x.zip(delta.chunks_exact(c)) {
                let (x, d): ([f32; N], [f32; N]) = (load(x, at), load(delta, at));
                for j in 0..N {
                    acc[j] += x[j] * d[j];
                }
            }
        }
    }
    sink.push((ky * g.kernel.1 + kx) * c + at, 1, &acc);
}
