//! Two-dimensional convolution with optional fused max pooling.
//!
//! Weights are stored `w[ky][kx][ci][co]`. With this order and images channels last, one kernel row at
//! one output position is a small dense layer: `kernel width · ci` neighbouring inputs against as many
//! neighbouring rows of `co` weights. Padding only shortens such a row, it never costs a test per tap.
//!
//! Pooling is fused because the activations before it are what a small memory cannot hold: of four
//! values one is kept, with one byte saying which. The maximum is taken before the activation, which
//! is monotone and applied to what is left.

use core::array::from_fn;

use crate::call::Call;
use crate::operand::{
    ARGMAX, ARGMAX_OUT, BIAS, BadDimensions, Lengths, Operand, STATE_1, STATE_2, TILE, TRAINED, W,
    X, X_OUT, Y, Y_OUT, demand, product, volume, windowed,
};
use crate::routine::{Context, Operands, Routine};

use super::Shape;
use super::block::{
    accumulate, add_dots, axpy, bias, chunk, chunk_mut, in_blocks, is_zero, part, part_mut,
};
use super::update::Sink;
use super::window::{Axis, Columns, Field};

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

    /// The positions `k` of a pooling window: their rows and columns, and how much further on in the
    /// input than the first they start to read.
    #[inline(never)]
    fn places(&self, index: &[usize; QUAD]) -> ([(usize, usize); QUAD], [usize; QUAD]) {
        let place = index.map(|k| (k / self.pool.1, k % self.pool.1));
        let offset = |(y, x)| (y * self.stride.0 * self.input.w + x * self.stride.1) * self.input.c;
        (place, place.map(offset))
    }

    /// Where to read for one output position.
    #[inline(never)]
    pub(super) fn field(&self, oy: usize, ox: usize) -> Field {
        Field::new(self.rows(), self.columns(), self.input.c, (oy, ox))
    }
}

/// `y = pool(b[co] + Σ x · w)`, each sum starting from the bias, kernel rows, kernel columns and input
/// channels ascending (in this order, the channel fastest).
///
/// `x` is `g.input`, `w` is `g.weights()` long, `b` holds `g.output.c` or is empty for no bias, `y` is
/// `g.pooled()`. `argmax` is as long as `y` and gets the index `wy · pool width + wx` of the maximum
/// in its window, the first of equals; it may be empty if that is not wanted, or if there is no pool.
/// Outputs that no window covers are not computed.
#[inline(never)]
pub fn forward(g: &Conv2d, x: &[f32], w: &[f32], b: &[f32], y: &mut [f32], argmax: &mut [u8]) {
    let layer = Layer { g, x, w, b };
    if g.is_pooled() {
        y.fill(f32::NEG_INFINITY);
        argmax.fill(0);
        layer.pooled(y, argmax);
    } else {
        layer.plain(y);
    }
}

/// Output channels that are computed together, where there are as many.
const WIDE: usize = 4;

/// Positions that are computed together.
const QUAD: usize = 4;

/// Evaluates `$body` for consecutive channels `$at..$at + $n` of `$total`: `WIDE` at a time where there are
/// as many, else one. The last go back by as much as they lack: to compute an output twice changes nothing.
macro_rules! in_channels {
    ($total:expr, |$at:ident, $n:ident| $body:expr) => {{
        let total: usize = $total;
        if let Some(last) = total.checked_sub(WIDE) {
            const $n: usize = WIDE;
            let mut next = 0;
            while next < total {
                let $at = next.min(last);
                $body;
                next += WIDE;
            }
        } else {
            const $n: usize = 1;
            for $at in 0..total {
                $body;
            }
        }
    }};
}

/// What a forward pass reads.
struct Layer<'a> {
    g: &'a Conv2d,
    x: &'a [f32],
    w: &'a [f32],
    b: &'a [f32],
}

impl Layer<'_> {
    /// Every position of a convolution without a pool, row by row.
    #[inline(never)]
    fn plain(&self, y: &mut [f32]) {
        let g = self.g;
        let columns = g.columns().interior(g.output.w);
        let step = g.stride.1 * g.input.c;
        let offsets = from_fn(|p| p * step);
        let mut out = 0;
        for oy in 0..g.output.h {
            let mut ox = 0;
            while ox < g.output.w {
                // The last quad of a row goes back by as much as it lacks.
                if g.output.c >= WIDE && columns.contains(&ox) && columns.len() >= QUAD {
                    let first = ox.min(columns.end - QUAD);
                    let field = g.field(oy, first);
                    in_channels!(g.output.c, |at, N| {
                        let mut out = out + first * g.output.c + at;
                        for acc in self.quad::<N>(&field, at, &offsets) {
                            *chunk_mut(y, out) = acc;
                            out += g.output.c;
                        }
                    });
                    ox = first + QUAD;
                } else {
                    let field = g.field(oy, ox);
                    in_channels!(g.output.c, |at, N| {
                        let out = out + ox * g.output.c + at;
                        *chunk_mut(y, out) = self.single::<N>(&field, at);
                    });
                    ox += 1;
                }
            }
            out += g.output.w * g.output.c;
        }
    }

    /// Every window of a convolution with a pool: first their positions 0 to 3, then 4 to 7, …, each
    /// time raising the maximum in `y`. A window's last position may be computed twice, which cannot
    /// make it win.
    #[inline(never)]
    fn pooled(&self, y: &mut [f32], argmax: &mut [u8]) {
        let g = self.g;
        let (pooled, (h, w)) = (g.pooled(), g.pool);
        let (rows, columns) = (
            g.rows().interior(g.output.h),
            g.columns().interior(g.output.w),
        );
        for first in (0..h * w).step_by(QUAD) {
            let index: [usize; QUAD] = from_fn(|p| (first + p).min(h * w - 1));
            let (place, offsets) = g.places(&index);
            let mut out = 0;
            for oy in (0..pooled.h).map(|py| py * h) {
                let whole_rows = rows.start <= oy && oy + h <= rows.end;
                for ox in (0..pooled.w).map(|px| px * w) {
                    let whole = whole_rows && columns.start <= ox && ox + w <= columns.end;
                    let field = g.field(oy, ox);
                    in_channels!(g.output.c, |at, N| {
                        let acc = if N == WIDE && whole {
                            self.quad::<N>(&field, at, &offsets)
                        } else {
                            let field = |(wy, wx)| g.field(oy + wy, ox + wx);
                            place.map(|place| self.single::<N>(&field(place), at))
                        };
                        let out = out + at;
                        let argmax = argmax.get_mut(out..out + N);
                        let y: &mut [f32; N] = chunk_mut(y, out);
                        if first > 0 {
                            raise_further(y, argmax, &acc, &index);
                        } else {
                            raise(y, argmax, &acc, &index);
                        }
                    });
                    out += g.output.c;
                }
            }
        }
    }

    /// The outputs at four positions: that of `field`, and three that have the same field further on in
    /// the input, by `offsets`. A weight is loaded once for four products, an input once for `N`.
    #[expect(clippy::needless_range_loop, reason = "t walks four inputs at once")]
    #[inline(never)]
    fn quad<const N: usize>(
        &self,
        field: &Field,
        at: usize,
        offsets: &[usize; QUAD],
    ) -> [[f32; N]; QUAD] {
        let (w, outputs) = (self.w, self.g.output.c);
        let mut acc = [bias(self.b, at); QUAD];
        for (input, tap, len) in field.segments() {
            let xs = offsets.map(|offset| part(self.x, input + offset, len));
            let mut at = tap * outputs + at;
            for t in 0..len {
                let row: [f32; N] = *chunk(w, at);
                at += outputs;
                for p in 0..QUAD {
                    let x = xs[p][t];
                    acc[p] = from_fn(|j| acc[p][j] + x * row[j]);
                }
            }
        }
        acc
    }

    /// The outputs at the position of `field`.
    #[inline(never)]
    fn single<const N: usize>(&self, field: &Field, at: usize) -> [f32; N] {
        let outputs = self.g.output.c;
        let mut acc = bias(self.b, at);
        for (input, tap, len) in field.segments() {
            let x = part(self.x, input, len);
            accumulate(&mut acc, x, self.w, tap * outputs + at, outputs, false);
        }
        acc
    }
}

/// Raises the maxima `y`, which are numbers, to the outputs `acc` at the window's positions `index`. Where one of these
/// is not a number the maximum is none.
#[inline(never)]
fn raise<const N: usize>(
    y: &mut [f32; N],
    argmax: Option<&mut [u8]>,
    acc: &[[f32; N]; QUAD],
    index: &[usize; QUAD],
) {
    const NONE: u32 = u32::MAX;
    let mut winner = [NONE; N];
    // Written out, since the compiler does not unroll as much.
    position(y, &mut winner, &acc[0], index[0]);
    position(y, &mut winner, &acc[1], index[1]);
    position(y, &mut winner, &acc[2], index[2]);
    position(y, &mut winner, &acc[3], index[3]);
    if may_lack_numbers(acc) {
        for j in 0..N {
            if acc.iter().any(|acc| acc[j].is_nan()) {
                y[j] = f32::NAN;
            }
        }
    }
    for (argmax, winner) in argmax.unwrap_or_default().iter_mut().zip(winner) {
        if winner != NONE {
            *argmax = winner as u8;
        }
    }
}

/// As [`raise`], where `y` may hold what is not a number already, which stays.
#[inline(never)]
fn raise_further<const N: usize>(
    y: &mut [f32; N],
    argmax: Option<&mut [u8]>,
    acc: &[[f32; N]; QUAD],
    index: &[usize; QUAD],
) {
    let before = *y;
    raise(y, argmax, acc, index);
    for (y, before) in y.iter_mut().zip(before) {
        *y = if before.is_nan() { before } else { *y };
    }
}

/// Raises the maxima to the outputs at one position.
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "takes one comparison")]
#[inline(always)]
fn position<const N: usize>(y: &mut [f32; N], winner: &mut [u32; N], acc: &[f32; N], index: usize) {
    for j in 0..N {
        let better = !(acc[j] <= y[j]);
        y[j] = if better { acc[j] } else { y[j] };
        winner[j] = if better { index as u32 } else { winner[j] };
    }
}

/// False only if all are numbers, for less than what a second comparison of each would take: where additions are
/// instructions a sum tells, where they are calls the bits do. Infinities of both signs have no sum.
#[inline(always)]
fn may_lack_numbers<const N: usize>(acc: &[[f32; N]; QUAD]) -> bool {
    if cfg!(all(target_arch = "arm", target_abi = "eabi")) {
        let magnitudes = acc.iter().flatten().map(|x| x.to_bits() << 1);
        return magnitudes.fold(0, u32::max) > f32::INFINITY.to_bits() << 1;
    }
    let [a, b, c, d] = acc;
    let mut sum = 0.0;
    for j in 0..N {
        sum += (a[j] + b[j]) + (c[j] + d[j]);
    }
    sum.is_nan()
}

/// The gradient of the input, overwriting `dx`, which is `g.input`.
///
/// `delta` is `g.pooled()`, `argmax` what [`forward`] recorded. From zero, each element adds the
/// contributions of output positions in ascending order (rows, then columns; with a pool those of its
/// windows). Without a pool a position contributes the dot product over the output channels, in the
/// lanes of [`dense::backward_input`](super::dense::backward_input); with a pool each channel,
/// ascending, contributes on its own, and deltas of zero are skipped.
#[inline(never)]
pub fn backward_input(g: &Conv2d, delta: &[f32], argmax: &[u8], w: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let outputs = g.output.c;
    let pooled = g.pooled();
    let columns = Columns::new(g.pool.1);
    let mut at = 0;
    for py in 0..pooled.h {
        for px in 0..pooled.w {
            if g.is_pooled() {
                for o in 0..outputs {
                    if let Some((d, field)) = winner(g, columns, (delta, argmax), at + o, (py, px))
                    {
                        spread(&field, d, w, o, outputs, dx);
                    }
                }
            } else {
                let delta = part(delta, at, outputs);
                for (input, tap, len) in g.field(py, px).segments() {
                    add_dots(
                        delta,
                        part(w, tap * outputs, len * outputs),
                        part_mut(dx, input, len),
                    );
                }
            }
            at += outputs;
        }
    }
}

/// `dx += d · w[..][o]` over the field.
#[inline(always)]
fn spread(field: &Field, d: f32, w: &[f32], o: usize, outputs: usize, dx: &mut [f32]) {
    for (input, tap, len) in field.segments() {
        let mut at = tap * outputs + o;
        for dx in part_mut(dx, input, len) {
            let [w] = chunk(w, at);
            *dx += d * w;
            at += outputs;
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
#[inline(never)]
pub fn backward_weights(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    argmax: &[u8],
    sink: &mut Sink<'_>,
    tile: &mut [f32],
) {
    if g.is_pooled() {
        return backward_weights_pooled(g, x, delta, argmax, sink, tile);
    }
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            for ci in 0..g.input.c {
                in_blocks!(g.output.c, [4, 1], |at, N| {
                    let gradient = tap_gradient::<N>(g, x, delta, (ky, kx, ci), at);
                    let tap = (ky * g.kernel.1 + kx) * g.input.c + ci;
                    sink.push(tap * g.output.c + at, 1, &gradient);
                });
            }
        }
    }
}

/// The gradient of the weights `at..at + N` of one tap.
#[inline(never)]
pub(super) fn tap_gradient<const N: usize>(
    g: &Conv2d,
    x: &[f32],
    delta: &[f32],
    (ky, kx, ci): (usize, usize, usize),
    at: usize,
) -> [f32; N] {
    let (c, outputs) = (g.input.c, g.output.c);
    let columns = g.columns().outputs(kx, g.output.w);
    let mut acc = [0.0f32; N];
    for oy in g.rows().outputs(ky, g.output.h) {
        let iy = oy * g.stride.0 + ky - g.pad.0;
        let ix = (columns.start * g.stride.1 + kx).saturating_sub(g.pad.1);
        let mut from = (iy * g.input.w + ix) * c + ci;
        let mut to = (oy * g.output.w + columns.start) * outputs + at;
        for _ in columns.clone() {
            let ([x], d): (&[f32; 1], &[f32; N]) = (chunk(x, from), chunk(delta, to));
            for j in 0..N {
                acc[j] += x * d[j];
            }
            from += g.stride.1 * c;
            to += outputs;
        }
    }
    acc
}

#[inline(never)]
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
    let columns = Columns::new(g.pool.1);
    let tile = &mut tile[..tile_len(g)];
    for o in 0..outputs {
        tile.fill(0.0);
        let mut at = o;
        for py in 0..pooled.h {
            for px in 0..pooled.w {
                if let Some((d, field)) = winner(g, columns, (delta, argmax), at, (py, px)) {
                    for (input, tap, len) in field.segments() {
                        axpy(d, part(x, input, len), part_mut(tile, tap, len));
                    }
                }
                at += outputs;
            }
        }
        sink.push(o, outputs, tile);
    }
}

/// The delta at index `at`, which belongs to the window (`py`, `px`), and the field of the position
/// that won this window; nothing if the delta is zero.
#[inline(never)]
fn winner(
    g: &Conv2d,
    columns: Columns,
    (delta, argmax): (&[f32], &[u8]),
    at: usize,
    (py, px): (usize, usize),
) -> Option<(f32, Field)> {
    let d = *delta.get(at)?;
    if is_zero(d) {
        return None;
    }
    let (ky, kx) = columns.place(*argmax.get(at)?);
    Some((d, g.field(py * g.pool.0 + ky, px * g.pool.1 + kx)))
}

impl Call {
    /// The geometry of the convolution kernels: input h w c, output h w c (before pooling), kernel h w,
    /// stride h w, padding top left, pool h w.
    #[inline(never)]
    pub fn conv2d(&self) -> Conv2d {
        let d = |i| self.dim(i);
        Conv2d {
            input: Shape {
                h: d(0),
                w: d(1),
                c: d(2),
            },
            output: Shape {
                h: d(3),
                w: d(4),
                c: d(5),
            },
            kernel: (d(6), d(7)),
            stride: (d(8), d(9)),
            pad: (d(10), d(11)),
            pool: (d(12), d(13)),
        }
    }

    /// Sets what [`Call::conv2d`] gives.
    pub fn set_conv2d(&mut self, g: &Conv2d) {
        self.dims = [
            g.input.h, g.input.w, g.input.c, g.output.h, g.output.w, g.output.c, g.kernel.0,
            g.kernel.1, g.stride.0, g.stride.1, g.pad.0, g.pad.1, g.pool.0, g.pool.1,
        ]
        .map(|d| d as u16);
    }
}

#[inline(never)]
fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    let g = call.conv2d();
    let (lengths, taps) = windowed(&g)?;
    let pool = product(g.pool.0, g.pool.1)?;
    demand(pool <= 256)?;
    Ok(Lengths {
        y: volume(g.pooled())?,
        w: product(product(taps, g.input.c)?, g.output.c)?,
        tile: tile_len(&g),
        pooled: pool > 1,
        ..lengths
    })
}

/// x · w · b (or absent) → y · argmax (or absent), through the call's activation. The convolution's geometry.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "conv2d";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT, ARGMAX_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, argmax) = (o.write(3), o.write_bytes(4));
        forward(&call.conv2d(), o.read(0), o.read(1), o.read(2), y, argmax);
        call.activation.forward(y);
    }
}

/// delta · argmax (if pooled) · w → dx. The convolution's geometry.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "conv2d_backward_input";
    const OPERANDS: &'static [Operand] = &[Y, ARGMAX, W, X_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let dx = o.write(3);
        backward_input(&call.conv2d(), o.read(0), o.bytes(1), o.read(2), dx);
    }
}

/// x · delta · argmax (if pooled) · w (absent when accumulating) · tile · state · state. The convolution's geometry.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "conv2d_backward_weights";
    const OPERANDS: &'static [Operand] = &[X, Y, ARGMAX, TRAINED, TILE, STATE_1, STATE_2];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (tile, mut sink) = o.sink(3, call, context.hyper);
        let (x, delta, argmax) = (o.read(0), o.read(1), o.bytes(2));
        backward_weights(&call.conv2d(), x, delta, argmax, &mut sink, tile);
    }
}
