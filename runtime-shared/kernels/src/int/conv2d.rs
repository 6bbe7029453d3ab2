//! Convolution in integers, with optional fused max pooling. Geometry and layouts are those of [`crate::conv2d`].

use super::delta::{Delta, Rows};
use super::fixed::{GRADIENT, rnd, sat};
use super::operands::{
    BIAS, DELTA, DX, MASK, SUMS, TILE, TRAINED, W, X, Y_OUT, demand_class, of_class,
};
use super::record::{RECORD, RECORD_OUT, Record, count, recorded};
use super::update::Sink;
use super::update::{Sum, Update, step};
use super::{Activation, Weight, bias};
use crate::block::{chunk, in_blocks, part};
use crate::call::{Call, RuleKind};
use crate::conv2d::Conv2d;
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, When, demand, product, read, volume, windowed, write};
use crate::routine::{Context, Operands, Routine};
use crate::window::{Columns, Field};

/// `y` = the activation of `pool(b[co] + Σ x · w)`.
///
/// `x` is `g.input`, `w` `g.weights()` long, `b` holds `g.output.c` or nothing and is shifted by `bias_shift`, `y` is `g.pooled()`. `argmax`, of
/// [`index_len`] or empty, gets the index `wy · pool width + wx` of the largest accumulator of a window, the first of equals. Returns how
/// many outputs were clipped.
#[inline(never)]
pub fn forward<W: Weight>(
    g: &Conv2d,
    x: &[i8],
    w: &[W],
    (b, bias_shift): (&[i32], i32),
    y: &mut [i8],
    argmax: &mut [u8],
    activation: Activation,
) -> u32 {
    let (pooled, mut clipped) = (g.pooled(), 0);
    let mut out = 0;
    for py in 0..pooled.h {
        for px in 0..pooled.w {
            in_blocks!(pooled.c, [4, 1], |at, N| {
                let start = bias::start::<N>(b, at, bias_shift);
                let (best, index) = window::<W, N>(g, x, w, start, at, (py, px));
                for j in 0..N {
                    let out = out + at + j;
                    if let Some(y) = y.get_mut(out) {
                        *y = activation.apply(best[j], &mut clipped);
                    }
                    set_index(g, argmax, out, index[j]);
                }
            });
            out += pooled.c;
        }
    }
    clipped
}

/// Whether an index takes two bits: where a window has four elements at most.
fn is_packed(g: &Conv2d) -> bool {
    g.pool.0 * g.pool.1 <= 4
}

/// Bytes of the index of maxima: two bits each, the first lowest, where a window has four elements at most, else a byte each.
pub fn index_len(g: &Conv2d) -> usize {
    let len = g.pooled().len();
    if is_packed(g) { len.div_ceil(4) } else { len }
}

/// The index of the maximum of output `at`.
#[inline(always)]
fn index(g: &Conv2d, argmax: &[u8], at: usize) -> u8 {
    if is_packed(g) {
        let four = argmax.get(at / 4).copied().unwrap_or(0);
        (four >> (at % 4 * 2)) & 3
    } else {
        argmax.get(at).copied().unwrap_or(0)
    }
}

/// Notes the index of the maximum of output `at`, if it is wanted.
#[inline(always)]
fn set_index(g: &Conv2d, argmax: &mut [u8], at: usize, index: u8) {
    if is_packed(g) {
        if let Some(four) = argmax.get_mut(at / 4) {
            let shift = at % 4 * 2;
            *four = (*four & !(3 << shift)) | (index & 3) << shift;
        }
    } else if let Some(one) = argmax.get_mut(at) {
        *one = index;
    }
}

/// The largest accumulators of a pooling window, of channels `at..at + N`, and where in the window they are.
#[inline(always)]
fn window<W: Weight, const N: usize>(
    g: &Conv2d,
    x: &[i8],
    w: &[W],
    start: [i32; N],
    at: usize,
    (py, px): (usize, usize),
) -> ([i32; N], [u8; N]) {
    let (mut best, mut winner) = ([i32::MIN; N], [0; N]);
    let mut index = 0u8;
    for wy in 0..g.pool.0 {
        for wx in 0..g.pool.1 {
            let field = g.field(py * g.pool.0 + wy, px * g.pool.1 + wx);
            let acc = single::<W, N>(&field, x, w, start, at, g.output.c);
            for j in 0..N {
                if acc[j] > best[j] {
                    best[j] = acc[j];
                    winner[j] = index;
                }
            }
            index = index.wrapping_add(1);
        }
    }
    (best, winner)
}

/// The accumulators of one position.
#[inline(never)]
fn single<W: Weight, const N: usize>(
    field: &Field,
    x: &[i8],
    w: &[W],
    mut acc: [i32; N],
    at: usize,
    outputs: usize,
) -> [i32; N] {
    for (input, tap, len) in field.segments() {
        let mut at = tap * outputs + at;
        for &x in part(x, input, len) {
            let row: &[W; N] = chunk(w, at);
            for j in 0..N {
                acc[j] += i32::from(x) * row[j].wide();
            }
            at += outputs;
        }
    }
    acc
}

/// How many sums [`backward_input`] needs: the rows of the input that one row of outputs reaches.
pub fn sums_len(g: &Conv2d) -> usize {
    let reach = g.pool.0.saturating_sub(1) * g.stride.0 + g.kernel.0;
    reach.min(g.input.h) * g.input.w * g.input.c
}

/// The contribution of each input: `Σ rnd(w · delta, q)` over the outputs that it reaches.
///
/// `delta` is `g.pooled()`, `argmax` what [`forward`] recorded, `sums` scratch of [`sums_len`].
#[inline(never)]
pub fn backward_input<W: Weight>(
    g: &Conv2d,
    delta: &[i16],
    argmax: &[u8],
    w: &[W],
    q: i32,
    sums: &mut [i32],
    to: &mut Delta<'_>,
) {
    let (pooled, outputs) = (g.pooled(), g.output.c);
    let columns = Columns::new(g.pool.1);
    let mut rows = Rows::new(&mut sums[..sums_len(g)], g.input.w * g.input.c, to);
    let mut at = 0;
    for py in 0..pooled.h {
        rows.advance(
            (py * g.pool.0 * g.stride.0)
                .saturating_sub(g.pad.0)
                .min(g.input.h),
        );
        for px in 0..pooled.w {
            for o in 0..outputs {
                if let Some((d, field)) = winner(g, columns, (delta, argmax), at + o, (py, px)) {
                    spread(&field, d, w, q, o, outputs, &mut rows);
                }
            }
            at += outputs;
        }
    }
    rows.advance(g.input.h);
}

/// `sums += rnd(d · w[..][o], q)` over the field.
#[inline(always)]
fn spread<W: Weight>(
    field: &Field,
    d: i32,
    w: &[W],
    q: i32,
    o: usize,
    outputs: usize,
    rows: &mut Rows<'_, '_>,
) {
    for (input, tap, len) in field.segments() {
        let mut at = tap * outputs + o;
        for sum in rows.part(input, len) {
            let [w]: &[W; 1] = chunk(w, at);
            *sum += rnd(d * w.wide(), q);
            at += outputs;
        }
    }
}

/// How many sums [`backward_weights`] needs: the rows of weights.
pub fn tile_len(g: &Conv2d) -> usize {
    g.kernel.0 * g.kernel.1 * g.input.c
}

/// The most positions whose products cannot exceed the limit of gradients.
const UNLIMITED: usize = 256;

/// Delivers the gradient of the weights: of each the sum over output positions, within a row of the output exact (it is 256 wide at most), row after
/// row saturated.
///
/// `x` is `g.input`, `delta` is `g.pooled()`, `argmax` what [`forward`] recorded, `tile` scratch of [`tile_len`].
#[inline(never)]
pub fn backward_weights(
    g: &Conv2d,
    x: &[i8],
    delta: &[i16],
    argmax: &[u8],
    tile: &mut [i32],
    sink: &mut impl Sink,
) {
    let (pooled, outputs) = (g.pooled(), g.output.c);
    let columns = Columns::new(g.pool.1);
    let tile = &mut tile[..tile_len(g)];
    let limited = pooled.h * pooled.w > UNLIMITED;
    for o in 0..outputs {
        tile.fill(0);
        let mut at = o;
        for py in 0..pooled.h {
            for px in 0..pooled.w {
                if let Some((d, field)) = winner(g, columns, (delta, argmax), at, (py, px)) {
                    for (input, tap, len) in field.segments() {
                        let tile = crate::block::part_mut(tile, tap, len);
                        for (sum, &x) in tile.iter_mut().zip(part(x, input, len)) {
                            *sum += d * i32::from(x);
                        }
                    }
                }
                at += outputs;
            }
            if limited {
                tile.iter_mut().for_each(|sum| *sum = sat(*sum, GRADIENT));
            }
        }
        sink.column(o, outputs, tile);
    }
}

/// The delta at index `at`, which belongs to the window (`py`, `px`), and the field of the position that won it; nothing
/// if the delta is zero.
#[inline(always)]
fn winner(
    g: &Conv2d,
    columns: Columns,
    (delta, argmax): (&[i16], &[u8]),
    at: usize,
    (py, px): (usize, usize),
) -> Option<(i32, Field)> {
    let d = i32::from(*delta.get(at)?);
    if d == 0 {
        return None;
    }
    let (wy, wx) = columns.place(index(g, argmax, at));
    Some((d, g.field(py * g.pool.0 + wy, px * g.pool.1 + wx)))
}

/// Where the maxima were, packed, read; nothing without a pool.
const ARGMAX: Operand = read(Element::U8, Extent::Index).when(When::Pooled);
/// The same, written, or left out.
const ARGMAX_OUT: Operand = write(Element::U8, Extent::Index)
    .when(When::Pooled)
    .optional();

fn lengths(call: &Call, tile: fn(&Conv2d) -> usize) -> Result<Lengths, BadDimensions> {
    demand_class(call)?;
    let g = call.conv2d();
    let (lengths, taps) = windowed(&g)?;
    let pool = product(g.pool.0, g.pool.1)?;
    demand(pool <= 256)?;
    Ok(recorded(Lengths {
        y: volume(g.pooled())?,
        w: product(product(taps, g.input.c)?, g.output.c)?,
        tile: product(tile(&g), 1)?,
        index: index_len(&g),
        pooled: pool > 1,
        ..lengths
    }))
}

/// x · w · b (or absent) → y · argmax (or absent) · record. The convolution's geometry; the class of the weights; a scalar that is not 0 counts what is clipped.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "int_conv2d";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT, ARGMAX_OUT, RECORD_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call, tile_len)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, argmax, words) = (o.write_as(3), o.write_bytes(4), o.write_as(5));
        let record = Record::read(words);
        let activation = record.activation(call);
        let bias = (o.read_as(2), bias::FRACTION - record.input);
        let clipped = of_class!(call, o, read_as, 1, |w| {
            forward(&call.conv2d(), o.read_as(0), w, bias, y, argmax, activation)
        });
        count(call, words, clipped);
    }
}

/// delta · argmax (if pooled) · w · mask (or absent) → dx · sums · record. As above; a scalar that is not 0 adds to dx.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "int_conv2d_backward_input";
    const OPERANDS: &'static [Operand] = &[DELTA, ARGMAX, W, MASK, DX, TILE, RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call, sums_len)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (g, sums) = (o.write_as(4), o.write_as(5));
        let record = Record::read(o.read_as(6));
        let mut to = Delta {
            g,
            mask: o.read_as(3),
            shift: record.back,
            add: call.scalar != 0.0,
        };
        of_class!(call, o, read_as, 2, |w| {
            let (delta, argmax) = (o.read_as(0), o.bytes(1));
            backward_input(
                &call.conv2d(),
                delta,
                argmax,
                w,
                record.products,
                sums,
                &mut to,
            );
        });
    }
}

/// x · delta · argmax (if pooled) · w (absent when accumulating) · sums (present then) · tile · record. As above; the scalar is a factor of the learning rate.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "int_conv2d_backward_weights";
    const OPERANDS: &'static [Operand] = &[X, DELTA, ARGMAX, TRAINED, SUMS, TILE, RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call, tile_len)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let tile = o.write_as(5);
        let record = Record::read(o.read_as(6));
        let step = step(&record, context, call);
        if call.rule == RuleKind::Accumulate {
            let mut sink = Sum {
                sums: o.write_as(4),
            };
            backward_weights(
                &call.conv2d(),
                o.read_as(0),
                o.read_as(1),
                o.bytes(2),
                tile,
                &mut sink,
            );
        } else {
            of_class!(call, o, write_as, 3, |w| {
                let mut sink = Update { w, step };
                backward_weights(
                    &call.conv2d(),
                    o.read_as(0),
                    o.read_as(1),
                    o.bytes(2),
                    tile,
                    &mut sink,
                );
            });
        }
    }
}
