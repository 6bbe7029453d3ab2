//! Depthwise convolution in integers. Geometry and layouts are those of [`crate::depthwise`].

use super::conv2d::sums_len;
use super::delta::{Delta, Rows};
use super::fixed::{GRADIENT, rnd, sat};
use super::operands::{
    BIAS, DELTA, DX, MASK, SUMS, TILE, TRAINED, W, X, Y_OUT, demand_class, of_class,
};
use super::record::{RECORD, RECORD_OUT, Record, count, recorded};
use super::update::Sink;
use super::update::{Sum, Update, step};
use super::{Activation, Weight, bias};
use crate::block::{chunk, chunk_mut, in_blocks, part};
use crate::call::{Call, RuleKind};
use crate::conv2d::Conv2d;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{demand, product, windowed};
use crate::routine::{Context, Operands, Routine};

/// `y[c]` = the activation of `b[c] + Σ x[c] · w[c]`. `x` is `g.input`, `w` holds kernel height × kernel width × channels, `b` channels or
/// nothing, shifted by `bias_shift`, `y` is `g.output`. Returns how many outputs were clipped.
#[inline(never)]
pub fn forward<W: Weight>(
    g: &Conv2d,
    x: &[i8],
    w: &[W],
    (b, bias_shift): (&[i32], i32),
    y: &mut [i8],
    activation: Activation,
) -> u32 {
    let mut clipped = 0;
    in_blocks!(
        g.output.c,
        [4, 1],
        |at, N| clipped +=
            forward_block::<W, N>(g, x, w, bias::start(b, at, bias_shift), y, at, activation)
    );
    clipped
}

#[inline(never)]
fn forward_block<W: Weight, const N: usize>(
    g: &Conv2d,
    x: &[i8],
    w: &[W],
    start: [i32; N],
    y: &mut [i8],
    at: usize,
    activation: Activation,
) -> u32 {
    let (c, mut clipped, mut out) = (g.input.c, 0, at);
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let mut acc = start;
            for (input, tap, len) in g.field(oy, ox).segments() {
                let (mut input, mut tap) = (input + at, tap + at);
                let end = input + len;
                while input < end {
                    let (x, w): (&[i8; N], &[W; N]) = (chunk(x, input), chunk(w, tap));
                    for j in 0..N {
                        acc[j] += i32::from(x[j]) * w[j].wide();
                    }
                    input += c;
                    tap += c;
                }
            }
            *chunk_mut(y, out) = acc.map(|acc| activation.apply(acc, &mut clipped));
            out += c;
        }
    }
    clipped
}

/// The contribution of each input: `Σ rnd(w · delta, q)` over the outputs that it reaches. `sums` is scratch of
/// [`sums_len`].
#[inline(never)]
pub fn backward_input<W: Weight>(
    g: &Conv2d,
    delta: &[i16],
    w: &[W],
    q: i32,
    sums: &mut [i32],
    to: &mut Delta<'_>,
) {
    let c = g.input.c;
    let mut rows = Rows::new(&mut sums[..sums_len(g)], g.input.w * c, to);
    let mut from = 0;
    for oy in 0..g.output.h {
        rows.advance((oy * g.stride.0).saturating_sub(g.pad.0).min(g.input.h));
        for ox in 0..g.output.w {
            let delta = part(delta, from, c);
            from += c;
            for (input, tap, len) in g.field(oy, ox).segments() {
                let sums = rows.part(input, len).chunks_mut(c.max(1));
                let w = part(w, tap, len).chunks(c.max(1));
                for (sums, w) in sums.zip(w) {
                    for ((sum, w), d) in sums.iter_mut().zip(w).zip(delta) {
                        *sum += rnd(w.wide() * i32::from(*d), q);
                    }
                }
            }
        }
    }
    rows.advance(g.input.h);
}

/// Delivers the gradient of the weights, tap by tap: of each the sum over output positions, within a row exact (it is 256 wide at most), row after row
/// saturated.
#[inline(never)]
pub fn backward_weights(g: &Conv2d, x: &[i8], delta: &[i16], sink: &mut impl Sink) {
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            let row = ky * g.kernel.1 + kx;
            in_blocks!(g.output.c, [4, 1], |at, N| {
                let gradient = tap_gradient::<N>(g, x, delta, (ky, kx), at);
                sink.row(row, row * g.output.c + at, &gradient);
            });
        }
    }
}

/// The gradient of the weights of channels `at..at + N` at one tap.
#[inline(never)]
fn tap_gradient<const N: usize>(
    g: &Conv2d,
    x: &[i8],
    delta: &[i16],
    (ky, kx): (usize, usize),
    at: usize,
) -> [i32; N] {
    let c = g.input.c;
    let columns = g.columns().outputs(kx, g.output.w);
    let mut sum = [0i32; N];
    for oy in g.rows().outputs(ky, g.output.h) {
        let iy = oy * g.stride.0 + ky - g.pad.0;
        let ix = (columns.start * g.stride.1 + kx).saturating_sub(g.pad.1);
        let mut from = (iy * g.input.w + ix) * c + at;
        let mut to = (oy * g.output.w + columns.start) * c + at;
        for _ in columns.clone() {
            let (x, d): (&[i8; N], &[i16; N]) = (chunk(x, from), chunk(delta, to));
            for j in 0..N {
                sum[j] += i32::from(x[j]) * i32::from(d[j]);
            }
            from += g.stride.1 * c;
            to += c;
        }
        // A row adds less than 2^30, so the sum was still exact.
        sum = sum.map(|sum| sat(sum, GRADIENT));
    }
    sum
}

fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    demand_class(call)?;
    let g = call.conv2d();
    let (lengths, taps) = windowed(&g)?;
    demand(g.input.c == g.output.c && g.pool == (1, 1))?;
    Ok(recorded(Lengths {
        w: product(taps, g.input.c)?,
        tile: product(sums_len(&g), 1)?,
        ..lengths
    }))
}

/// x · w · b (or absent) → y · record. The convolution's geometry; the class of the weights; a scalar that is not 0 counts what is clipped.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "int_depthwise";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT, RECORD_OUT];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, words) = (o.write_as(3), o.write_as(4));
        let record = Record::read(words);
        let activation = record.activation(call);
        let bias = (o.read_as(2), bias::FRACTION - record.input);
        let clipped = of_class!(call, o, read_as, 1, |w| {
            forward(&call.conv2d(), o.read_as(0), w, bias, y, activation)
        });
        count(call, words, clipped);
    }
}

/// delta · w · mask (or absent) → dx · sums · record. As above; a scalar that is not 0 adds to dx.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "int_depthwise_backward_input";
    const OPERANDS: &'static [Operand] = &[DELTA, W, MASK, DX, TILE, RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (g, sums) = (o.write_as(3), o.write_as(4));
        let record = Record::read(o.read_as(5));
        let mut to = Delta {
            g,
            mask: o.read_as(2),
            shift: record.back,
            add: call.scalar != 0.0,
        };
        of_class!(call, o, read_as, 1, |w| {
            backward_input(
                &call.conv2d(),
                o.read_as(0),
                w,
                record.products,
                sums,
                &mut to,
            );
        });
    }
}

/// x · delta · w (absent when accumulating) · sums (present then) · record. As above; the scalar is a factor of the learning rate.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "int_depthwise_backward_weights";
    const OPERANDS: &'static [Operand] = &[X, DELTA, TRAINED, SUMS, RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let record = Record::read(o.read_as(4));
        let step = step(&record, context, call);
        if call.rule == RuleKind::Accumulate {
            let mut sink = Sum {
                sums: o.write_as(3),
            };
            backward_weights(&call.conv2d(), o.read_as(0), o.read_as(1), &mut sink);
        } else {
            of_class!(call, o, write_as, 2, |w| {
                let mut sink = Update { w, step };
                backward_weights(&call.conv2d(), o.read_as(0), o.read_as(1), &mut sink);
            });
        }
    }
}
