//! Where the windows of a convolution or a pool lie on its input: those at a border are cut short.

use crate::zeros::Zeros;
#[cfg(test)]
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One axis of a window that slides over an input.
pub(crate) struct Axis {
    input: usize,
    pub(crate) kernel: usize,
    stride: usize,
    pad: usize,
    pub(crate) outputs: usize,
}

impl Axis {
    /// The kernel positions that fall on the input at output position `o`.
    pub(crate) fn taps(&self, o: usize) -> usize {
        self.span(o).len()
    }

    /// The output positions at which kernel position `k` falls on the input.
    pub(crate) fn positions(&self, k: usize) -> usize {
        (0..self.outputs)
            .filter(|o| (self.pad..self.input + self.pad).contains(&(o * self.stride + k)))
            .count()
    }

    /// The output positions at which the whole kernel falls on the input.
    pub(crate) fn interior(&self) -> Range<usize> {
        let whole = |o: &usize| self.taps(*o) == self.kernel;
        let start = (0..self.outputs).find(whole).unwrap_or(self.outputs);
        let end = (start..self.outputs).find(|o| !whole(o));
        start..end.unwrap_or(self.outputs)
    }

    /// Taps summed over the output positions.
    pub(crate) fn sum(&self) -> usize {
        (0..self.outputs).map(|o| self.taps(o)).sum()
    }

    /// Whether a border cuts the window at output position `o`, which takes longer to find.
    pub(crate) fn cut(&self, o: usize) -> usize {
        usize::from(self.taps(o) < self.kernel)
    }

    /// How many windows cover each input position.
    pub(crate) fn cover(&self) -> Vec<usize> {
        let mut cover = vec![0; self.input];
        for window in (0..self.outputs).map(|o| self.span(o)) {
            cover[window].iter_mut().for_each(|times| *times += 1);
        }
        cover
    }

    /// The input positions that some window covers.
    pub(crate) fn covered(&self) -> usize {
        self.cover().iter().filter(|times| **times > 0).count()
    }

    /// The input positions of the window at output position `o`.
    pub(crate) fn span(&self, o: usize) -> Range<usize> {
        let on_input = |at: usize| at.saturating_sub(self.pad).min(self.input);
        on_input(o * self.stride)..on_input(o * self.stride + self.kernel)
    }

    /// The output positions whose window a border cuts.
    pub(crate) fn cuts(&self) -> usize {
        (0..self.outputs).map(|o| self.cut(o)).sum()
    }
}

/// The rows and columns of a convolution or a pool.
pub(crate) fn axes(g: &Conv2d) -> (Axis, Axis) {
    let axis = |input, kernel, stride, pad, outputs| Axis {
        input,
        kernel,
        stride,
        pad,
        outputs,
    };
    (
        axis(g.input.h, g.kernel.0, g.stride.0, g.pad.0, g.output.h),
        axis(g.input.w, g.kernel.1, g.stride.1, g.pad.1, g.output.w),
    )
}

/// As [`axes`], of a convolution with a pool: no more windows than the pool covers.
pub(crate) fn pooled_axes(g: &Conv2d) -> (Axis, Axis) {
    let (mut rows, mut columns) = axes(g);
    rows.outputs = g.pooled().h * g.pool.0;
    columns.outputs = g.pooled().w * g.pool.1;
    (rows, columns)
}

/// What falls on the input of the windows whose deltas a convolution with a pool works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Winners {
    /// How often a border cuts a window.
    pub(crate) cuts: f64,
    /// Output channels that any of the windows belongs to.
    pub(crate) channels: f64,
    /// Kernel rows.
    pub(crate) segments: f64,
    /// Neighbours in these rows, by fours.
    pub(crate) fours: f64,
    /// Rows of which one, two or three neighbours are left.
    pub(crate) rests: [f64; 3],
}

impl Winners {
    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.channels += other.channels;
        self.segments += other.segments;
        self.fours += other.fours;
        for (mine, theirs) in self.rests.iter_mut().zip(other.rests) {
            *mine += theirs;
        }
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            cuts: self.cuts * factor,
            channels: self.channels * factor,
            segments: self.segments * factor,
            fours: self.fours * factor,
            rests: self.rests.map(|rest| rest * factor),
        }
    }

    /// Kernel rows.
    pub fn segments(&self) -> f64 {
        self.segments
    }

    /// Neighbours in all of these rows.
    pub fn taps(&self) -> f64 {
        let [one, two, three] = self.rests;
        4.0 * self.fours + one + 2.0 * two + 3.0 * three
    }
}

/// What falls on the input of each row and column of windows of a convolution with a pool.
pub struct Fields {
    /// The input positions of each row of windows, and of each column, that the pool covers.
    rows: Vec<Range<usize>>,
    columns: Vec<Range<usize>>,
    kernel: (usize, usize),
    pool: (usize, usize),
    inputs: usize,
    outputs: usize,
}

impl Fields {
    /// Those of a convolution.
    pub fn of(g: &Conv2d) -> Self {
        let (rows, columns) = pooled_axes(g);
        let along = |axis: Axis| (0..axis.outputs).map(|o| axis.span(o)).collect();
        Self {
            rows: along(rows),
            columns: along(columns),
            kernel: g.kernel,
            pool: g.pool,
            inputs: g.input.c,
            outputs: g.output.c,
        }
    }

    /// The window at row and column of the output.
    fn window(&self, row: usize, column: usize) -> Winners {
        let at = |axis: &[Range<usize>], o: usize| axis.get(o).map_or(0, Range::len);
        let (rows, columns) = (at(&self.rows, row), at(&self.columns, column));
        let cuts = usize::from(rows < self.kernel.0) + usize::from(columns < self.kernel.1);
        let len = columns * self.inputs;
        Winners {
            cuts: cuts as f64,
            channels: 0.0,
            segments: rows as f64,
            fours: (rows * (len / 4)) as f64,
            rests: [1, 2, 3].map(|rest| if len % 4 == rest { rows as f64 } else { 0.0 }),
        }
    }

    /// Row, column and channel of the output for each of `deltas` that is not zero, by who won in `argmax`.
    fn places<'d>(
        &self,
        deltas: &'d [[u8; 4]],
        argmax: &'d [u8],
    ) -> impl Iterator<Item = [usize; 3]> + 'd {
        let (h, w) = (self.pool.0.max(1), self.pool.1.max(1));
        let across = (self.columns.len() / w).max(1);
        let channels = self.outputs.max(1);
        let all = deltas.iter().zip(argmax).enumerate();
        all.filter(|(_, (delta, _))| **delta != [0; 4])
            .map(move |(i, (_, &k))| {
                let (position, k) = (i / channels, usize::from(k));
                let (py, px) = (position / across, position % across);
                [py * h + k / w, px * w + k % w, i % channels]
            })
    }

    /// Those windows that won in `argmax`, where the words of `deltas` are not zero.
    pub fn winners(&self, deltas: &[[u8; 4]], argmax: &[u8]) -> Winners {
        let mut sum = Winners::default();
        let mut channels = vec![false; self.outputs.max(1)];
        for [row, column, channel] in self.places(deltas, argmax) {
            channels[channel] = true;
            sum.add(&self.window(row, column));
        }
        sum.channels = channels.into_iter().filter(|any| *any).count() as f64;
        sum
    }

    /// How many of the inputs in these windows are `zeros`.
    pub(crate) fn zeros(&self, deltas: &[[u8; 4]], argmax: &[u8], zeros: &Zeros) -> usize {
        self.places(deltas, argmax)
            .filter_map(|[row, column, _]| {
                let (rows, columns) = (self.rows.get(row)?, self.columns.get(column)?);
                Some(zeros.within(rows, columns, 0))
            })
            .sum()
    }

    /// A window as it is in the mean over all positions.
    pub(crate) fn mean(&self) -> Winners {
        let mut sum = Winners::default();
        for row in 0..self.rows.len() {
            for column in 0..self.columns.len() {
                sum.add(&self.window(row, column));
            }
        }
        sum.times(1.0 / (self.rows.len() * self.columns.len()).max(1) as f64)
    }
}

/// A padded convolution, for tests that count by its definition.
#[cfg(test)]
pub(crate) const PADDED: Conv2d = Conv2d {
    input: Shape { h: 5, w: 6, c: 3 },
    output: Shape { h: 5, w: 6, c: 2 },
    kernel: (3, 3),
    stride: (1, 1),
    pad: (1, 1),
    pool: (1, 1),
};
