//! Fully connected layers in integers. Weights are stored input-major: `w[i · outputs + o]`.
//!
//! A row of a zero input is skipped, forward and in the update: most pixels of a digit are zero, and half of what a ReLU leaves.

use super::delta::Delta;
use super::fixed::rnd;
use super::operands::{
    BIAS, DELTA, DX, MASK, SUMS, TILE, TRAINED, W, X, Y_OUT, demand_class, of_class,
};
use super::record::{RECORD, RECORD_OUT, Record, count, recorded};
use super::update::Sink;
use super::update::{Sum, Update, step};
use super::{Activation, Weight, bias};
use crate::block::part;
use crate::call::{Call, RuleKind};
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, product, write};
use crate::routine::{Context, Operands, Routine};

/// `y[o]` = the activation of `b[o] + Σ x[i] · w[i][o]`. `w` is `x.len() · y.len()` long, `b` as long as `y` or empty; the bias is shifted by
/// `bias_shift`. `z` is scratch as long as `y`. Returns how many outputs were clipped.
#[inline(never)]
pub fn forward<W: Weight>(
    x: &[i8],
    w: &[W],
    bias: (&[i32], i32),
    z: &mut [i32],
    y: &mut [i8],
    activation: Activation,
) -> u32 {
    logits(x, w, bias, z);
    let mut clipped = 0;
    for (y, z) in y.iter_mut().zip(z) {
        *y = activation.apply(*z, &mut clipped);
    }
    clipped
}

/// As [`forward`], but keeps the accumulators: `z[o] = b[o] + Σ x[i] · w[i][o]`.
///
/// Accumulators stay in memory and inputs are walked once: what a small core saves by registers it would lose, and more, by looking for inputs
/// that are not zero once for every block of outputs.
#[inline(never)]
pub fn logits<W: Weight>(x: &[i8], w: &[W], (b, bias_shift): (&[i32], i32), z: &mut [i32]) {
    z.fill(0);
    for (z, b) in z.iter_mut().zip(b) {
        *z = rnd(*b, bias_shift);
    }
    let mut at = 0;
    for &x in x {
        if x != 0 {
            add_row(z, part(w, at, z.len()), i32::from(x));
        }
        at += z.len();
    }
}

/// `z[o] += x · row[o]`; both have one length.
#[inline(always)]
fn add_row<W: Weight>(z: &mut [i32], row: &[W], x: i32) {
    let (zs, z_rest) = z.as_chunks_mut::<4>();
    let (rows, row_rest) = row.as_chunks::<4>();
    for (z, row) in zs.iter_mut().zip(rows) {
        for j in 0..4 {
            z[j] += x * row[j].wide();
        }
    }
    for (z, w) in z_rest.iter_mut().zip(row_rest) {
        *z += x * w.wide();
    }
}

/// The contribution of each input: `Σ rnd(w[i][o] · g[o], q)`.
#[inline(never)]
pub fn backward_input<W: Weight>(g: &[i16], w: &[W], q: i32, to: &mut Delta<'_>) {
    let inputs = to.g.len();
    for i in 0..inputs {
        // What a ReLU holds back need not be summed up.
        let open = to.mask.get(i).is_none_or(|a| *a > 0);
        let sum = if open {
            dot(g, part(w, i * g.len(), g.len()), q)
        } else {
            0
        };
        to.put(i, sum);
    }
}

/// `Σ rnd(w[o] · g[o], q)`.
#[inline(always)]
pub(super) fn dot<W: Weight>(g: &[i16], w: &[W], q: i32) -> i32 {
    let products = w.iter().zip(g).map(|(w, g)| w.wide() * i32::from(*g));
    if q == 0 {
        products.sum()
    } else {
        products.map(|p| rnd(p, q)).sum()
    }
}

/// Delivers the gradient `x[i] · g[o]` of `w[i][o]` for every `x[i]` that is not zero.
#[inline(never)]
pub fn backward_weights(x: &[i8], g: &[i16], sink: &mut impl Sink) {
    let mut at = 0;
    for (i, &x) in x.iter().enumerate() {
        if x != 0 {
            sink.outer(i, at, i32::from(x), g);
        }
        at += g.len();
    }
}

fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
    demand_class(call)?;
    let (x, y) = (call.dim(0), call.dim(1));
    Ok(recorded(Lengths {
        x,
        y,
        w: product(x, y)?,
        channels: y,
        tile: y,
        ..Lengths::default()
    }))
}

/// x · w · b (or absent) → y · record · scratch. Inputs, outputs; the class of the weights; a scalar that is not 0 counts what is clipped.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "int_dense";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, Y_OUT, RECORD_OUT, TILE];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, words, z) = (o.write_as(3), o.write_as(4), o.write_as(5));
        let record = Record::read(words);
        let activation = record.activation(call);
        let bias = (o.read_as(2), bias::FRACTION - record.input);
        let clipped = of_class!(call, o, read_as, 1, |w| forward(
            o.read_as(0),
            w,
            bias,
            z,
            y,
            activation
        ));
        count(call, words, clipped);
    }
}

/// x · w · b (or absent) → z · record. As above, but accumulators.
pub struct Logits;

impl Routine for Logits {
    const NAME: &'static str = "int_logits";
    const OPERANDS: &'static [Operand] = &[X, W, BIAS, write(Element::I32, Extent::Y), RECORD];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let z = o.write_as(3);
        let record = Record::read(o.read_as(4));
        let bias = (o.read_as(2), bias::FRACTION - record.input);
        of_class!(call, o, read_as, 1, |w| logits(o.read_as(0), w, bias, z));
    }
}

/// delta · w · mask (or absent) → dx · record. As above; a scalar that is not 0 adds to dx.
pub struct BackwardInput;

impl Routine for BackwardInput {
    const NAME: &'static str = "int_dense_backward_input";
    const OPERANDS: &'static [Operand] = &[DELTA, W, MASK, DX, RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        lengths(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let g = o.write_as(3);
        let record = Record::read(o.read_as(4));
        let mut to = Delta {
            g,
            mask: o.read_as(2),
            shift: record.back,
            add: call.scalar != 0.0,
        };
        of_class!(call, o, read_as, 1, |w| backward_input(
            o.read_as(0),
            w,
            record.products,
            &mut to
        ));
    }
}

/// x · delta · w (absent when accumulating) · sums (present then) · record. As above; the scalar is a factor of the learning rate.
pub struct BackwardWeights;

impl Routine for BackwardWeights {
    const NAME: &'static str = "int_dense_backward_weights";
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
            backward_weights(o.read_as(0), o.read_as(1), &mut sink);
        } else {
            of_class!(call, o, write_as, 2, |w| {
                let mut sink = Update { w, step };
                backward_weights(o.read_as(0), o.read_as(1), &mut sink);
            });
        }
    }
}
