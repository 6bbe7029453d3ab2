//! Which elements of a padded image a sliding window covers.

use core::ops::Range;

/// One axis of a sliding window.
#[derive(Clone, Copy)]
pub(super) struct Axis {
    pub input: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pad: usize,
}

impl Axis {
    /// The kernel positions `k` that fall on the input at output position `o`, so that
    /// `o·stride + k − pad` is in `0..input`. Empty if none does.
    pub fn taps(self, o: usize) -> Range<usize> {
        let base = o * self.stride;
        // Most windows are inside, and these two compares spare them what follows.
        if base >= self.pad && base + self.kernel <= self.input + self.pad {
            return 0..self.kernel;
        }
        let start = self.pad.saturating_sub(base).min(self.kernel);
        let end = (self.input + self.pad)
            .saturating_sub(base)
            .min(self.kernel);
        start..end.max(start)
    }

    /// The output positions among `0..outputs` at which kernel position `k` falls on the input.
    pub fn outputs(self, k: usize, outputs: usize) -> Range<usize> {
        let start = self
            .pad
            .saturating_sub(k)
            .div_ceil(self.stride)
            .min(outputs);
        let end = (self.input + self.pad)
            .saturating_sub(k)
            .div_ceil(self.stride)
            .min(outputs);
        start..end.max(start)
    }

    /// The output positions among `0..outputs` at which the whole kernel falls on the input.
    pub fn interior(self, outputs: usize) -> Range<usize> {
        let start = self.pad.div_ceil(self.stride).min(outputs);
        let end = match (self.input + self.pad).checked_sub(self.kernel) {
            Some(last) => (last / self.stride + 1).min(outputs),
            None => 0,
        };
        start..end.max(start)
    }
}

/// Rows and columns of a window, whose elements are counted along its rows. A division for each would take a core that has no
/// such instruction longer than the rest of a pool's backward pass.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    width: usize,
    /// 2¹⁶ / `width`, rounded up.
    reciprocal: usize,
}

impl Columns {
    /// Of a window of this width, of at most 256 elements.
    pub fn new(width: usize) -> Self {
        let width = width.max(1);
        Self {
            width,
            reciprocal: (1usize << 16).div_ceil(width),
        }
    }

    /// The row and the column of element `index`. Exact below 256, where the error of the reciprocal adds up to less than the
    /// smallest fraction of a row: `index · (width − 1) < 2¹⁶`.
    #[inline(always)]
    pub fn place(self, index: u8) -> (usize, usize) {
        let index = usize::from(index);
        let row = (index * self.reciprocal) >> 16;
        (row, index - row * self.width)
    }
}

/// The part of a kernel that falls on the input at one output position: `rows` segments of `len`
/// neighbours each. Positions in the input count elements; taps count (ky, kx, channel).
pub(super) struct Field {
    rows: usize,
    len: usize,
    /// Where the first segment starts in the input.
    pub input: usize,
    tap: usize,
    /// From one segment to the next in the input.
    pub input_step: usize,
    tap_step: usize,
}

impl Field {
    /// The field of output (`oy`, `ox`) of an image with `c` channels.
    #[inline(always)]
    pub fn new(rows: Axis, columns: Axis, c: usize, (oy, ox): (usize, usize)) -> Self {
        let (ky, kx) = (rows.taps(oy), columns.taps(ox));
        // With an empty range the starts mean nothing, but nothing is read from them either.
        let iy = (oy * rows.stride + ky.start).saturating_sub(rows.pad);
        let ix = (ox * columns.stride + kx.start).saturating_sub(columns.pad);
        Self {
            rows: ky.len(),
            len: kx.len() * c,
            input: (iy * columns.input + ix) * c,
            tap: (ky.start * columns.kernel + kx.start) * c,
            input_step: columns.input * c,
            tap_step: columns.kernel * c,
        }
    }

    /// How many taps fall on the input.
    pub fn taps(&self) -> usize {
        self.rows * self.len
    }

    /// (start in the input, first tap, length) of each segment, ascending.
    #[inline(always)]
    pub fn segments(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (mut input, mut tap) = (self.input, self.tap);
        (0..self.rows).map(move |_| {
            let segment = (input, tap, self.len);
            input += self.input_step;
            tap += self.tap_step;
            segment
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_a_window_have_their_places() {
        for width in 1..=256 {
            for index in 0..=255u8 {
                let i = usize::from(index);
                assert_eq!(Columns::new(width).place(index), (i / width, i % width));
            }
        }
    }

    #[test]
    fn ranges_agree_with_the_definition() {
        for input in 1..8usize {
            for kernel in 1..5 {
                for stride in 1..4 {
                    for pad in 0..4usize {
                        let axis = Axis {
                            input,
                            kernel,
                            stride,
                            pad,
                        };
                        let on_input = |o: usize, k: usize| {
                            let at = o * stride + k;
                            at >= pad && at - pad < input
                        };
                        let outputs = 6;
                        for o in 0..outputs {
                            let taps = axis.taps(o);
                            for k in 0..kernel {
                                assert_eq!(taps.contains(&k), on_input(o, k));
                                assert_eq!(axis.outputs(k, outputs).contains(&o), on_input(o, k));
                            }
                            let whole = (0..kernel).all(|k| on_input(o, k));
                            assert_eq!(axis.interior(outputs).contains(&o), whole);
                        }
                    }
                }
            }
        }
    }
}
