//! How many products of a call have a factor that is zero: an element counts as often as it is used.

use crate::windows::{Axis, axes, pooled_axes};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel};
use std::ops::Range;

/// The share of zeros among the elements of operand `i` of `call`, which are `bytes`.
pub fn share(call: &Call, i: usize, bytes: &[u8]) -> f64 {
    let (words, _) = bytes.as_chunks::<4>();
    match (call.kernel, i) {
        // Bytes that are no numbers.
        (Kernel::Conv2dBackwardInput | Kernel::Dropout, 1) | (Kernel::DropoutBackward, 0) => 0.0,
        (Kernel::Normalise, 0) => plain(bytes, |byte| *byte == 0),
        (Kernel::Conv2d, 0) => covered(&pooled_axes(&call.conv2d()), words),
        (Kernel::Depthwise | Kernel::AveragePool, 0) => covered(&axes(&call.conv2d()), words),
        (Kernel::Conv2dBackwardInput, 0) if call.conv2d().pool == (1, 1) => {
            spread(&axes(&call.conv2d()), words)
        }
        (Kernel::DepthwiseBackwardInput | Kernel::AveragePoolBackward, 0) => {
            spread(&axes(&call.conv2d()), words)
        }
        _ => plain(words, is_zero),
    }
}

/// Whether a float is zero, of either sign.
pub(crate) fn is_zero(word: &[u8; 4]) -> bool {
    f32::from_le_bytes(*word) == 0.0
}

/// Of how many products behind a convolution's gradient a factor is zero, where there is no pool; none for other kernels.
pub fn products<'o>(call: &Call, operand: impl Fn(usize) -> &'o [u8]) -> usize {
    let g = || call.conv2d();
    let groups = match call.kernel {
        Kernel::Conv2dBackwardWeights if g().pool == (1, 1) => 1,
        Kernel::DepthwiseBackwardWeights => g().input.c,
        _ => return 0,
    };
    gradient(&g(), operand(0), operand(1).as_chunks::<4>().0, groups)
}

/// Zeros of an input in any rectangle of it, by sums over those that start in a corner.
///
/// Source: F. C. Crow, *Summed-Area Tables for Texture Mapping*, SIGGRAPH 1984.
pub(crate) struct Zeros {
    /// Rows × columns × groups, each of the first two one more than the input has.
    sums: Vec<usize>,
    columns: usize,
    groups: usize,
}

impl Zeros {
    /// Of `x`, whose channels are counted in `groups` of as many: all together, or each.
    pub(crate) fn of(x: &[u8], shape: Shape, groups: usize) -> Self {
        let columns = shape.w + 1;
        let mut sums = vec![0; (shape.h + 1) * columns * groups];
        let (words, _) = x.as_chunks::<4>();
        let per_group = (shape.c / groups.max(1)).max(1);
        for (i, channels) in words.chunks_exact(per_group).enumerate() {
            let (pixel, group) = (i / groups, i % groups);
            let (row, column) = (pixel / shape.w + 1, pixel % shape.w + 1);
            let at = |row: usize, column: usize| (row * columns + column) * groups + group;
            let zeros = channels.iter().filter(|word| is_zero(word)).count();
            let before = sums[at(row, column - 1)] + sums[at(row - 1, column)];
            sums[at(row, column)] = zeros + before - sums[at(row - 1, column - 1)];
        }
        Self {
            sums,
            columns,
            groups,
        }
    }

    /// Zeros of a group of channels in these rows and columns.
    pub(crate) fn within(
        &self,
        rows: &Range<usize>,
        columns: &Range<usize>,
        group: usize,
    ) -> usize {
        let at = |row: usize, column: usize| {
            let i = (row * self.columns + column) * self.groups + group;
            self.sums.get(i).copied().unwrap_or(0)
        };
        let inside = at(rows.end, columns.end) + at(rows.start, columns.start);
        inside.saturating_sub(at(rows.start, columns.end) + at(rows.end, columns.start))
    }
}

/// The share of `elements` that are zero.
fn plain<E>(elements: &[E], is_zero: impl Fn(&E) -> bool) -> f64 {
    let zeros = elements.iter().filter(|e| is_zero(e)).count();
    zeros as f64 / elements.len().max(1) as f64
}

/// The share of zeros among inputs, each as often as a window covers it.
fn covered((rows, columns): &(Axis, Axis), words: &[[u8; 4]]) -> f64 {
    weighted(&rows.cover(), &columns.cover(), words)
}

/// The share of zeros among outputs, each as often as it has inputs.
fn spread((rows, columns): &(Axis, Axis), words: &[[u8; 4]]) -> f64 {
    let taps = |axis: &Axis| (0..axis.outputs).map(|o| axis.taps(o)).collect::<Vec<_>>();
    weighted(&taps(rows), &taps(columns), words)
}

/// The share of zeros among `words`, whose rows and columns count so often.
fn weighted(rows: &[usize], columns: &[usize], words: &[[u8; 4]]) -> f64 {
    let pixels = rows.len() * columns.len();
    let channels = words.len() / pixels.max(1);
    if channels == 0 {
        return 0.0;
    }
    let weights = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c));
    let (mut zeros, mut all) = (0, 0);
    for (weight, pixel) in weights.zip(words.chunks_exact(channels)) {
        zeros += weight * pixel.iter().filter(|word| is_zero(word)).count();
        all += weight * channels;
    }
    zeros as f64 / all.max(1) as f64
}

/// As [`products`] where every output has a delta of its own; `groups` as in [`Zeros::of`]: in as many, an output has one channel.
fn gradient(g: &Conv2d, x: &[u8], deltas: &[[u8; 4]], groups: usize) -> usize {
    let (rows, columns) = axes(g);
    let zeros = Zeros::of(x, g.input, groups);
    let channels = g.input.c / groups.max(1);
    let (mut used, mut all) = (0, 0);
    let mut positions = deltas.chunks_exact(g.output.c.max(1));
    for row in (0..rows.outputs).map(|o| rows.span(o)) {
        for column in (0..columns.outputs).map(|o| columns.span(o)) {
            let taps = row.len() * column.len() * channels;
            let Some(deltas) = positions.next() else {
                continue;
            };
            all += taps * deltas.len();
            for (i, _) in deltas.iter().enumerate().filter(|(_, d)| !is_zero(d)) {
                used += taps - zeros.within(&row, &column, i % groups).min(taps);
            }
        }
    }
    all - used
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::PADDED as G;

    fn bytes(len: usize, every: usize) -> Vec<u8> {
        (0..len)
            .flat_map(|i| ((i % every) as f32).to_le_bytes())
            .collect()
    }

    /// Each product of a padded convolution, tap by tap: input element and output position.
    fn products_of(g: &Conv2d) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for (oy, ox) in (0..g.output.h).flat_map(|y| (0..g.output.w).map(move |x| (y, x))) {
            for (ky, kx) in (0..g.kernel.0).flat_map(|y| (0..g.kernel.1).map(move |x| (y, x))) {
                let (y, x) = (oy * g.stride.0 + ky, ox * g.stride.1 + kx);
                let (rows, columns) = (g.pad.0..g.input.h + g.pad.0, g.pad.1..g.input.w + g.pad.1);
                if rows.contains(&y) && columns.contains(&x) {
                    let pixel = (y - g.pad.0) * g.input.w + x - g.pad.1;
                    let position = oy * g.output.w + ox;
                    all.extend((0..g.input.c).map(|c| (pixel * g.input.c + c, position)));
                }
            }
        }
        all
    }

    fn part(some: usize, of: usize) -> f64 {
        some as f64 / of as f64
    }

    #[test]
    fn an_input_counts_as_often_as_it_is_used() {
        let mut call = Call::new(Kernel::Conv2d);
        call.set_conv2d(&G);
        let x = bytes(G.input.len(), 4);
        let all = products_of(&G);
        let zeros = all.iter().filter(|(i, _)| i % 4 == 0).count();
        assert_eq!(share(&call, 0, &x), part(zeros, all.len()));
    }

    #[test]
    fn a_delta_counts_as_often_as_it_is_used() {
        let mut call = Call::new(Kernel::Conv2dBackwardInput);
        call.set_conv2d(&G);
        let deltas = bytes(G.output.len(), 3);
        let all = products_of(&G);
        let zero = |position: usize| {
            (0..2)
                .filter(|c| (position * 2 + c).is_multiple_of(3))
                .count()
        };
        let zeros: usize = all.iter().map(|(_, position)| zero(*position)).sum();
        assert_eq!(share(&call, 0, &deltas), part(zeros, 2 * all.len()));
    }

    #[test]
    fn a_gradient_lacks_the_products_with_a_zero() {
        let mut call = Call::new(Kernel::Conv2dBackwardWeights);
        call.set_conv2d(&G);
        let (x, deltas) = (bytes(G.input.len(), 4), bytes(G.output.len(), 3));
        let found = products(&call, |i| if i == 0 { &x } else { &deltas });
        let all = products_of(&G);
        let zeros = all
            .iter()
            .flat_map(|(i, position)| (0..2).map(move |c| (i % 4, (position * 2 + c) % 3)))
            .filter(|(x, delta)| *x == 0 || *delta == 0)
            .count();
        assert_eq!(found, zeros);
    }

    #[test]
    fn channels_of_a_depthwise_gradient_are_apart() {
        let g = Conv2d {
            output: Shape { h: 5, w: 6, c: 3 },
            ..G
        };
        let mut call = Call::new(Kernel::DepthwiseBackwardWeights);
        call.set_conv2d(&g);
        let (x, deltas) = (bytes(g.input.len(), 4), bytes(g.output.len(), 5));
        let found = products(&call, |i| if i == 0 { &x } else { &deltas });
        let all = products_of(&g);
        let zero = |&(i, position): &(usize, usize)| i % 4 == 0 || (position * 3 + i % 3) % 5 == 0;
        let zeros = all.iter().filter(|pair| zero(pair)).count();
        assert_eq!(found, zeros);
    }
}
