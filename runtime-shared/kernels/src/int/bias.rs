//! Biases of integer layers: 32 bits, ten more of fraction than their layer's weights.

use super::fixed::{BIAS, GRADIENT, rnd, rnd_sat, sat};

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
