//! Fully connected layers in integers. Weights are stored input-major: `w[i · outputs + o]`.
//!
//! A row of a zero input is skipped, forward and in the update: most pixels of a digit are zero, and half of what a ReLU leaves.

use super::delta::Delta;
use super::fixed::rnd;
use super::update::Sink;
use super::{Activation, Weight, bias};
use crate::block::{chunk, chunk_mut, in_blocks, part};

/// `y[o]` = the activation of `b[o] + Σ x[i] · w[i][o]`. `w` is `x.len() · y.len()` long, `b` as long as `y` or empty. The bias is shifted by
/// `bias_shift`. Returns how many outputs were clipped.
#[inline(never)]
pub fn forward<W: Weight>(
    x: &[i8],
    w: &[W],
    (b, bias_shift): (&[i32], i32),
    y: &mut [i8],
    activation: Activation,
) -> u32 {
    let (outputs, mut clipped) = (y.len(), 0);
    in_blocks!(outputs, [8, 4, 1], |at, N| {
        let acc = block::<W, N>(x, w, bias::start(b, at, bias_shift), at, outputs);
        *chunk_mut(y, at) = acc.map(|acc| activation.apply(acc, &mut clipped));
    });
    clipped
}

/// As [`forward`], but keeps the accumulators: `z[o] = b[o] + Σ x[i] · w[i][o]`.
#[inline(never)]
pub fn logits<W: Weight>(x: &[i8], w: &[W], (b, bias_shift): (&[i32], i32), z: &mut [i32]) {
    let outputs = z.len();
    in_blocks!(outputs, [8, 4, 1], |at, N| {
        let start = bias::start(b, at, bias_shift);
        *chunk_mut(z, at) = block::<W, N>(x, w, start, at, outputs);
    });
}

/// Outputs `at..at + N`.
#[inline(never)]
fn block<W: Weight, const N: usize>(
    x: &[i8],
    w: &[W],
    mut acc: [i32; N],
    at: usize,
    outputs: usize,
) -> [i32; N] {
    let mut next = at;
    for &x in x {
        let at = next;
        next += outputs;
        if x != 0 {
            let row: &[W; N] = chunk(w, at);
            for j in 0..N {
                acc[j] += i32::from(x) * row[j].wide();
            }
        }
    }
    acc
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
