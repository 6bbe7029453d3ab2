//! Two-dimensional convolution with optional fused max pooling.
//!
//! Weights are stored `w[ky][kx][ci][co]`. With this order and images channels last, one kernel row at
//! one output position is a small dense layer: `kernel width · ci` neighbouring inputs against as many
//! neighbouring rows of `co` weights. Padding only shortens such a row, it never costs a test per tap.
//!
//! Pooling is fused because the activations before it are what a small memory cannot hold: of four
//! values one is kept, with one byte saying which. The maximum is taken before the activation, which
//! is monotone and applied to what is left.

use core::ops::Range;

use super::Shape;
use super::block::{add_dots, in_blocks, is_zero, load};
use super::update::Sink;
use super::window::Axis;

/// The geometry of a convolution. Bottom and right padding follow from `output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// The input image.
    pub input: Shape,
    /// The convolution's output, before pooling.
    pub output: Shape,
    /// Kernel height and width.
    pub kernel: (usize, usize),
    /// Vertical and horizontal stride, at least 1.
    pub stride: (usize, usize),
    /// Padding at the top and at the left.
    pub pad: (usize, usize),
    /// Height and width of the non-overlapping maximum pooling; (1, 1) for none. Their product is at
    /// most 256.
    pub pool: (usize, usize),
}

impl Conv2d {
    /// The shape of what [`forward`] writes: `floor(output / pool)`.
    pub fn pooled(&self) -> Shape {
        Shape {
            h: self.output.h / self.pool.0,
            w: self.output.w / self.pool.1,
            c: self.output.c,
        }
    }

    /// The number of weights.
    pub fn weights(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.input.c * self.output.c
    }

    fn is_pooled(&self) -> bool {
        self.pool != (1, 1)
    }

    pub(super) fn rows(&self) -> Axis {
        Axis {
            input: self.input.h,
            kernel: self.kernel.0,
            stride: self.stride.0,
            pad: self.pad.0,
        }
    }

    pub(super) fn columns(&self) -> Axis {
        Axis {
            input: self.input.w,
            kernel: self.kernel.1,
            stride: self.stride.1,
            pad: self.pad.1,
        }
    }

    /// For each kernel row that falls on the input at output position (`oy`, `ox`): where the row's
    /// inputs start in `x`, where its taps start in units of (ky, kx, ci), and how many there are.
    #[inline(always)]
    pub(super) fn segments(
        &self,
        oy: usize,
        ox: usize,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let (rows, columns) = (self.rows().taps(oy), self.columns().taps(ox));
        self.segments_in(oy, ox, rows, columns)
    }

    #[inline(always)]
    fn segments_in(
        &self,
        oy: usize,
        ox: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> impl Iterator<Item = (usize, usize, usize)> {
        let c = self.input.c;
        let len = columns.len() * c;
        // An empty range of rows or columns starts anywhere, so nothing is computed from it.
        let rows = if len == 0 { 0..0 } else { rows };
        let first = columns.start;
        let y = oy * self.stride.0 + rows.start;
        let x = ox * self.stride.1 + first;
        let (row, column) = match (y.checked_sub(self.pad.0), x.checked_sub(self.pad.1)) {
            (Some(row), Some(column)) => (row, column),
            _ => (0, 0),
        };
        let mut input = (row * self.input.w + column) * c;
        let mut tap = (rows.start * self.kernel.1 + first) * c;
        let (input_step, tap_step) = (self.input.w * c, self.kernel.1 * c);
        rows.map(move |_| {
            let segment = (input, tap, len);
            input += input_step;
            tap += tap_step;
            segment
        })
    }
}

/// `y = pool(b[co] + Σ x · w)`, each sum starting from the bias, kernel rows, kernel columns and input
/// channels ascending (in this order, the channel fastest).
///
/// `x` is `g.input`, `w` is `g.weights()` long, `b` holds `g.output.c` or is empty for no bias, `y` is
/// `g.pooled()`. `argmax` is as long as `y` and gets the index `wy · pool width + wx` of the maximum
/// in its window, the first of equals; it may be empty if that is not wanted, or if there is no pool.
/// Outputs that no window covers are not computed.
pub fn forward(g: &Conv2d, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], argmax: &mut [u8]) {
    let mut out = Pooled { g, y, argmax };
    let mut at = 0;
    while g.output.c - at >= 8 {
        channels::<2, 8>(g, x, w, load(b, at), at, &mut out);
        at += 8;
    }
    if g.output.c - at >= 4 {
        channels::<4, 4>(g, x, w, load(b, at), at, &mut out);
        at += 4;
    }
    if g.output.c - at >= 2 {
        channels::<4, 2>(g, x, w, load(b, at), at, &mut out);
        at += 2;
    }
    if g.output.c > at {
        channels::<4, 1>(g, x, w, load(b, at), at, &mut out);
    }
}

/// All positions of the output channels `at..at + N`, `P` neighbouring columns at a time where the
/// whole kernel falls on the input.
#[inline(never)]
fn channels<const P: usize, const N: usize>(
    g: &Conv2d,
    x: &[f32],
    w: &[f32],
    bias: [f32; N],
    at: usize,
    out: &mut Pooled<'_>,
) {
    let pooled = g.pooled();
    let (height, width) = (pooled.h * g.pool.0, pooled.w * g.pool.1);
    let interior = g.columns().interior(width);
    for oy in 0..height {
        let rows = g.rows().taps(oy);
        let mut ox = 0;
        while ox < width {
            if ox >= interior.start && ox + P <= interior.end {
                let columns = 0..g.kernel.1;
                let acc = tile::<P, N>(g, x, w, bias, at, (oy, ox), rows.clone(), columns);
                for (p, acc) in acc.iter().enumerate() {
                    out.store(oy, ox + p, at, acc);
                }
                ox += P;
            } else {
                let columns = g.columns().taps(ox);
                let [acc] = tile::<1, N>(g, x, w, bias, at, (oy, ox), rows.clone(), columns);
                out.store(oy, ox, at, &acc);
                ox += 1;
            }
        }
    }
}

/// `P` neighbouring positions × `N` output channels, held in registers.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<const P: usize, const N: usize>(
    g: &Conv2d,
    x: &[f32],
    w: &[f32],
    bias: [f32; N],
    at: usize,
    (oy, ox): (usize, usize),
    rows: Range<usize>,
    columns: Range<usize>,
) -> [[f32; N]; P] {
    let outputs = g.output.c;
    let step = g.stride.1 * g.input.c;
    let mut acc = [bias; P];
    for (input, tap, len) in g.segments_in(oy, ox, rows, columns) {
        let xs: [&[f32]; P] = core::array::from_fn(|p| &x[input + p * step..][..len]);
        let w = &w[tap * outputs..][..len * outputs];
        for (t, row) in (0..len).zip(w.chunks_exact(outputs)) {
            let row: [f32; N] = load(row, at);
            for p in 0..P {
                let x = xs[p][t];
                for j in 0..N {
                    acc[p][j] += x * row[j];
                }
            }
        }
    }
    acc
}

/// Where outputs go: straight to `y`, or into the running maximum of their window.
struct Pooled<'a> {
    g: &'a Conv2d,
    y: &'a mut [f32],
    argmax: &'a mut [u8],
}

impl Pooled<'_> {
    #[inline(always)]
    fn store<const N: usize>(&mut self, oy: usize, ox: usize, at: usize, acc: &[f32; N]) {
        let (c, (h, w)) = (self.g.output.c, self.g.pool);
        let columns = self.g.output.w / w;
        let start = (oy / h * columns + ox / w) * c + at;
        let y = &mut self.y[start..start + N];
        if !self.g.is_pooled() {
            y.copy_from_slice(acc);
            return;
        }
        let index = (oy % h * w + ox % w) as u8;
        if index == 0 {
            y.copy_from_slice(acc);
            if let Some(argmax) = self.argmax.get_mut(start..start + N) {
                argmax.fill(0);
            }
            return;
        }
        for j in 0..N {
            if acc[j] > y[j] {
                y[j] = acc[j];
                if let Some(argmax) = self.argmax.get_mut(start + j) {
                    *argmax = index;
                }
            }
        }
    }
}

/// The gradient of the input, overwriting `dx`, which is `g.input`.
///
/// `delta` is `g.pooled()`, `argmax` what [`forward`] recorded. From zero, each element adds the
/// contributions of output positions in ascending order (rows, then columns; with a pool those of its
/// windows). Without a pool a position contributes the dot product over the output channels, in the
/// lanes of [`dense::backward_input`](super::dense::backward_input); with a pool each channel, ascending, contributes on
/// its own, and deltas of zero are skipped.
pub fn backward_input(g: &Conv2d, delta: &[f32], argmax: &[u8], w: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let outputs = g.output.c;
    let pooled = g.pooled();
    let mut positions = delta.chunks_exact(outputs.max(1));
    if !g.is_pooled() {
        for oy in 0..pooled.h {
            for (ox, delta) in (0..pooled.w).zip(&mut positions) {
                for (input, tap, len) in g.segments(oy, ox) {
                    let w = &w[tap * outputs..][..len * outputs];
                    add_dots(delta, w, &mut dx[input..][..len]);
                }
            }
        }
        return;
    }
    let mut winners = argmax.chunks_exact(outputs.max(1));
    for py in 0..pooled.h {
        for (px, (delta, winners)) in (0..pooled.w).zip((&mut positions).zip(&mut winners)) {
            for (o, (&d, &winner)) in delta.iter().zip(winners).enumerate() {
                if is_zero(d) {
                    continue;
                }
                let (oy, ox) = winning_position(g, py, px, winner);
                for (input, tap, len) in g.segments(oy, ox) {
                    let w = w[tap * outputs + o..].iter().step_by(outputs);
                    for (dx, w) in dx[input..][..len].iter_mut().zip(w) {
                        *dx += d * w;
                    }
                }
            }
        }
    }
}

/// The scratch that [`backward_weights`] needs: the taps of one output channel with a pool, nothing
/// without.
pub fn tile_len(g: &Conv2d) -> usize {
    if g.is_pooled() {
        g.kernel.0 * g.kernel.1 * g.input.c
    } else {
        0
    }
}

/// Delivers the gradient of the weights.
///
/// `x` is `g.input`, `delta` is `g.pooled()`, `argmax` what [`forward`] recorded, `tile` scratch of
/// [`tile_len`]. Each gradient is the sum from zero over output positions, ascending. Without a pool
/// it is formed tap by tap, in registers; with a pool output channel by output channel, in `tile`,
/// from the one position of each window that won, and deltas of zero are skipped.
pub fn backward_weights(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    argmax: &[u8],
    sink: &mut Sink<'_>,
    tile: &mut [f32],
) {
    if g.is_pooled() {
        backward_weights_pooled(g, x, delta, argmax, sink, &mut tile[..tile_len(g)]);
        return;
    }
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            for ci in 0..g.input.c {
                in_blocks!(g.output.c, |at| tap_block::<8 | 4 | 2 | 1>(
                    g,
                    x,
                    delta,
                    (ky, kx, ci),
                    at,
                    sink
                ));
            }
        }
    }
}

#[inline(never)]
fn tap_block<const N: usize>(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    (ky, kx, ci): (usize, usize, usize),
    at: usize,
    sink: &mut Sink<'_>,
) {
    let outputs = g.output.c;
    let columns = g.columns().outputs(kx, g.output.w);
    let step = g.stride.1 * g.input.c;
    let mut acc = [0.0f32; N];
    if !columns.is_empty() {
        for oy in g.rows().outputs(ky, g.output.h) {
            let iy = oy * g.stride.0 + ky - g.pad.0;
            let ix = columns.start * g.stride.1 + kx - g.pad.1;
            let x = x[(iy * g.input.w + ix) * g.input.c + ci..]
                .iter()
                .step_by(step);
            let delta = &delta[(oy * g.output.w + columns.start) * outputs..];
            let delta = &delta[..columns.len() * outputs];
            for (x, delta) in x.zip(delta.chunks_exact(outputs)) {
                let d: [f32; N] = load(delta, at);
                for j in 0..N {
                    acc[j] += x * d[j];
                }
            }
        }
    }
    let tap = (ky * g.kernel.1 + kx) * g.input.c + ci;
    sink.push(tap * outputs + at, 1, &acc);
}

fn backward_weights_pooled(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    argmax: &[u8],
    sink: &mut Sink<'_>,
    tile: &mut [f32],
) {
    let outputs = g.output.c;
    let pooled = g.pooled();
    for o in 0..outputs {
        tile.fill(0.0);
        let column = delta[o.min(delta.len())..].iter().step_by(outputs);
        let winners = argmax[o.min(argmax.len())..].iter().step_by(outputs);
        let mut deltas = column.zip(winners);
        for py in 0..pooled.h {
            for (px, (&d, &winner)) in (0..pooled.w).zip(&mut deltas) {
                if is_zero(d) {
                    continue;
                }
                let (oy, ox) = winning_position(g, py, px, winner);
                for (input, tap, len) in g.segments(oy, ox) {
                    for (t, x) in tile[tap..][..len].iter_mut().zip(&x[input..][..len]) {
                        *t += d * x;
                    }
                }
            }
        }
        sink.push(o, outputs, tile);
    }
}

/// The position in the convolution's output that won the window (`py`, `px`).
#[inline(always)]
fn winning_position(g: &Conv2d, py: usize, px: usize, winner: u8) -> (usize, usize) {
    let (h, w) = g.pool;
    let winner = usize::from(winner);
    (py * h + winner / w, px * w + winner % w)
}
