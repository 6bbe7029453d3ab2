//! Biases of integer layers: 32 bits, ten more of fraction than their layer's weights.

use super::fixed::{BIAS, GRADIENT, rnd, rnd_sat, sat};
use super::loss::Rate;
use super::operands::SUMS;
use super::record::{RECORD, Record, recorded};
use crate::call::{Call, RuleKind};
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, When, flat, product, read, write};
use crate::routine::{Context, Operands, Routine};

/// How many more bits of fraction a bias has than its weights.
pub const FRACTION: i32 = 10;

/// What an accumulator starts with: the bias `b[at + j]`, shifted by 10 less the input's fraction; zeros if there is none.
#[inline(always)]
pub(super) fn start<const N: usize>(b: &[i32], at: usize, shift: i32) -> [i32; N] {
    if b.is_empty() {
        [0; N]
    } else {
        crate::block::chunk::<i32, N>(b, at).map(|b| rnd(b, shift))
    }
}

/// Σ g over positions of output `o`, of deltas `[position][output]`.
#[inline(always)]
fn gradient(g: &[i16], o: usize, outputs: usize) -> i32 {
    let mut sum = 0i32;
    let mut at = o;
    while let Some(g) = g.get(at) {
        sum = sum.wrapping_add(i32::from(*g));
        at += outputs.max(1);
    }
    sum
}

/// Moves each bias by its gradient, shifted by `shift`. `g` is `[position][output]`.
#[inline(never)]
pub fn update(g: &[i16], b: &mut [i32], shift: i32) {
    let outputs = b.len();
    for (o, b) in b.iter_mut().enumerate() {
        *b = moved(*b, gradient(g, o, outputs), shift);
    }
}

/// Adds each bias' gradient to its sum over a batch.
#[inline(never)]
pub fn accumulate(g: &[i16], sums: &mut [i32]) {
    let outputs = sums.len();
    for (o, sum) in sums.iter_mut().enumerate() {
        *sum = sat(sum.saturating_add(gradient(g, o, outputs)), GRADIENT);
    }
}

/// Moves each bias by what [`accumulate`] gathered, and zeroes it.
#[inline(never)]
pub fn apply(sums: &mut [i32], b: &mut [i32], shift: i32) {
    for (sum, b) in sums.iter_mut().zip(b) {
        *b = moved(*b, *sum, shift);
        *sum = 0;
    }
}

/// The first saturation is exact: what exceeds twice a bias' limit takes any bias to its limit.
#[inline(always)]
fn moved(b: i32, g: i32, shift: i32) -> i32 {
    sat(b - rnd_sat(g, shift, 2 * BIAS), BIAS)
}

/// The shift of a bias' gradient.
fn shift(record: &Record, context: &Context, call: &Call) -> i32 {
    let rate = Rate::of(context, call.scalar);
    15 + i32::from(rate.shift) + record.extra - record.weights - FRACTION
}

/// delta · b (absent when accumulating) · sums (present then) · record. Positions, channels; the scalar is a factor of the learning rate.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "int_bias_backward";
    const OPERANDS: &'static [Operand] = &[
        read(Element::I16, Extent::X),
        write(Element::I32, Extent::W).when(When::Moving),
        SUMS,
        RECORD,
    ];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let w = product(call.dim(1), 1)?;
        Ok(recorded(Lengths {
            x: product(call.dim(0), w)?,
            w,
            ..Lengths::default()
        }))
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let record = Record::read(o.read_as(3));
        if call.rule == RuleKind::Accumulate {
            let sums = o.write_as(2);
            accumulate(o.read_as(0), sums);
        } else {
            let b = o.write_as(1);
            update(o.read_as(0), b, shift(&record, context, call));
        }
    }
}

/// sums · b · record. Length; the scalar is a factor of the learning rate. The deferred step of a batch.
pub struct Apply;

impl Routine for Apply {
    const NAME: &'static str = "int_bias_apply";
    const OPERANDS: &'static [Operand] = &[
        write(Element::I32, Extent::W),
        write(Element::I32, Extent::W),
        RECORD,
    ];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        Ok(recorded(flat(call)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (sums, b) = (o.write_as(0), o.write_as(1));
        let record = Record::read(o.read_as(2));
        apply(sums, b, shift(&record, context, call));
    }
}
