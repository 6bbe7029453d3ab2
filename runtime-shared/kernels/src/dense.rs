//! Fully connected layers. Weights are stored input-major: `w[i·outputs + o]`.
//!
//! Input-major rows make forward and update walk memory once, in order, and let an input that is zero
//! (most pixels of a digit, half of what a ReLU emits) skip its row.

use super::block::{accumulate, add_dots, bias, chunk, chunk_mut, in_blocks, is_zero};
use super::update::Sink;

/// `y[o] = b[o] + Σᵢ x[i] · w[i][o]`, starting from the bias, `i` ascending.
///
/// `w` is `x.len() · y.len()` long; `b` is `y.len()` long, or empty for no bias. With `skip_zeros`
/// rows of a zero input are left out, which saves time and gives the same result for finite weights.
/// Returns the number of rows used.
#[inline(never)]
pub fn forward(x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], skip_zeros: bool) -> u32 {
    let mut used = 0;
    in_blocks!(y.len(), [16, 8, 2, 1], |at, N| used =
        forward_block::<N>(x, w, b, y, at, skip_zeros));
    used
}

#[inline(never)]
fn forward_block<const N: usize>(
    x: &[f32],
    w: &[f32],
    b: &[f32],
    y: &mut [f32],
    at: usize,
    skip: bool,
) -> u32 {
    let mut acc = bias::<N>(b, at);
    let used = accumulate(&mut acc, x, w, at, y.len(), skip);
    *chunk_mut(y, at) = acc;
    used
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
/// Returns the number of rows used.
#[inline(never)]
pub fn backward_weights(
    x: &[f32],
    delta: &[f32],
    sink: &mut Sink<'_>,
    tile: &mut [f32],
    skip_zeros: bool,
) -> u32 {
    let outputs = delta.len();
    if let Some((target, factor)) = sink.linear() {
        let mut used = 0;
        in_blocks!(outputs, [16, 8, 2, 1], |at, N| used =
            outer_block::<N>(x, delta, target, factor, at, skip_zeros));
        return used;
    }
    for (i, &x) in x.iter().enumerate() {
        for (t, d) in tile.iter_mut().zip(delta) {
            *t = x * d;
        }
        sink.push(i * outputs, 1, &tile[..outputs]);
    }
    x.len() as u32
}

/// `target[i][at + j] += (factor · x[i]) · delta[at + j]`; returns the number of rows used.
#[inline(never)]
fn outer_block<const N: usize>(
    x: &[f32],
    delta: &[f32],
    target: &mut [f32],
    factor: f32,
    at: usize,
    skip: bool,
) -> u32 {
    let outputs = delta.len();
    let d: [f32; N] = *chunk(delta, at);
    let mut used = 0;
    let mut next = at;
    for &x in x {
        let at = next;
        next += outputs;
        if skip && is_zero(x) {
            continue;
        }
        used += 1;
        let row: &mut [f32; N] = chunk_mut(target, at);
        let a = factor * x;
        for j in 0..N {
            row[j] += a * d[j];
        }
    }
    used
}
