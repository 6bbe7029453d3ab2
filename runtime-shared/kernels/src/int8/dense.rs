//! Fully connected layers in 8 bits. Weights are stored input-major, `w[i · outputs + o]`.

use super::Output;
use super::conv2d::{start, store};
use crate::block::{chunk, in_blocks};

/// `y[o] = b[o] + Σ (x[i] − zero) · w[i][o]`. `b` is as long as `y` or empty.
#[inline(never)]
pub fn forward(x: &[i8], zero: i32, w: &[i8], b: &[i32], y: &mut [i8], output: &Output<'_>) {
    let outputs = y.len();
    in_blocks!(outputs, [8, 4, 1], |at, N| {
        let mut acc = start::<N>(b, at);
        let mut row = at;
        for &x in x {
            let x = i32::from(x) - zero;
            if x != 0 {
                let w: &[i8; N] = chunk(w, row);
                for j in 0..N {
                    acc[j] = acc[j].wrapping_add(x * i32::from(w[j]));
                }
            }
            row += outputs;
        }
        store(&acc, at, 0, y, output);
    });
}
