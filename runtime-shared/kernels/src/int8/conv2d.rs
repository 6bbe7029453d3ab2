//! Convolutions in 8 bits. Geometry and layouts are those of [`crate::conv2d`] without a pool; what falls on padding is left out, which is
//! the same as padding with the zero point.

use super::Output;
use crate::block::{chunk, in_blocks, part};
use crate::conv2d::Conv2d;

/// `y[co] = b[co] + Σ (x − zero) · w`, `w[ky][kx][ci][co]`. `b` holds the output channels or nothing.
#[inline(never)]
pub fn forward(
    g: &Conv2d,
    x: &[i8],
    zero: i32,
    w: &[i8],
    b: &[i32],
    y: &mut [i8],
    output: &Output<'_>,
) {
    let outputs = g.output.c;
    let mut out = 0;
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let field = g.field(oy, ox);
            in_blocks!(outputs, [4, 1], |at, N| {
                let mut acc = start::<N>(b, at);
                for (input, tap, len) in field.segments() {
                    let mut row = tap * outputs + at;
                    for &x in part(x, input, len) {
                        let w: &[i8; N] = chunk(w, row);
                        let x = i32::from(x) - zero;
                        for j in 0..N {
                            acc[j] = acc[j].wrapping_add(x * i32::from(w[j]));
                        }
                        row += outputs;
                    }
                }
                store(&acc, at, out, y, output);
            });
            out += outputs;
        }
    }
}

/// Depthwise: output channel `c · m + j` has its own kernel on input channel `c`, where m is output by input channels. `w[ky][kx][co]`.
#[inline(never)]
pub fn depthwise(
    g: &Conv2d,
    x: &[i8],
    zero: i32,
    w: &[i8],
    b: &[i32],
    y: &mut [i8],
    output: &Output<'_>,
) {
    let (c, outputs) = (g.input.c.max(1), g.output.c);
    let each = outputs / c;
    let mut out = 0;
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let field = g.field(oy, ox);
            for ci in 0..c {
                for o in ci * each..(ci + 1) * each {
                    let mut acc = start::<1>(b, o);
                    // Taps of a field count elements of the input, a channel's come every so many.
                    for (input, tap, len) in field.segments() {
                        let mut row = tap / c * outputs + o;
                        let mut at = input + ci;
                        while at < input + len {
                            let ([x], [w]): (&[i8; 1], &[i8; 1]) = (chunk(x, at), chunk(w, row));
                            let product = (i32::from(*x) - zero) * i32::from(*w);
                            acc[0] = acc[0].wrapping_add(product);
                            row += outputs;
                            at += c;
                        }
                    }
                    store(&acc, o, out, y, output);
                }
            }
            out += outputs;
        }
    }
}

/// What accumulators start with.
#[inline(always)]
pub(super) fn start<const N: usize>(b: &[i32], at: usize) -> [i32; N] {
    if b.is_empty() { [0; N] } else { *chunk(b, at) }
}

/// Writes the outputs of channels `at..at + N` of the position that starts at `out`.
#[inline(always)]
pub(super) fn store<const N: usize>(
    acc: &[i32; N],
    at: usize,
    out: usize,
    y: &mut [i8],
    output: &Output<'_>,
) {
    for (j, acc) in acc.iter().enumerate() {
        if let Some(y) = y.get_mut(out + at + j) {
            *y = output.apply(*acc, at + j);
        }
    }
}
