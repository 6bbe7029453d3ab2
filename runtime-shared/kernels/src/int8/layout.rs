//! Padding and concatenation of bytes: nothing is computed.

use crate::Shape;
use crate::block::{part, part_mut};

/// Copies the image `x` of shape `input` to rows from `top` and columns from `left` on of `y`, an image of shape `output`; all else becomes
/// `value`.
#[inline(never)]
pub fn pad(
    x: &[i8],
    input: Shape,
    (top, left): (usize, usize),
    value: i8,
    y: &mut [i8],
    output: Shape,
) {
    y.fill(value);
    let row = input.w * input.c;
    for r in 0..input.h {
        let to = ((top + r) * output.w + left) * input.c;
        part_mut(y, to, row).copy_from_slice(part(x, r * row, row));
    }
}

/// Copies pixels of `x` of `channels` bytes each into the pixels of `y`, of `all` bytes each, from byte `at` of each on: one part of a
/// concatenation along channels.
#[inline(never)]
pub fn place_channels(x: &[i8], channels: usize, y: &mut [i8], all: usize, at: usize) {
    for (i, x) in x.chunks_exact(channels.max(1)).enumerate() {
        part_mut(y, i * all + at, channels).copy_from_slice(x);
    }
}
