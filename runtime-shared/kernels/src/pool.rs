//! Pooling as a layer of its own; [`conv2d`](super::conv2d) fuses the common case.

use super::Shape;
use super::block::{part, part_mut};
use super::elementwise::add_assign;
use super::window::{Axis, Columns, Field};

/// The geometry of a pooling layer. Bottom and right padding follow from `output`; padding is smaller
/// than the kernel, so that every window meets the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2d {
    /// The input image.
    pub input: Shape,
    /// The output image, of as many channels.
    pub output: Shape,
    /// Window height and width, their product at most 256.
    pub kernel: (usize, usize),
    /// Vertical and horizontal stride, at least 1.
    pub stride: (usize, usize),
    /// Padding at the top and at the left, which neither wins a maximum nor counts in an average.
    pub pad: (usize, usize),
}

impl Pool2d {
    /// The part of the window of output (`oy`, `ox`) that falls on the input, in pixels.
    #[inline(never)]
    pub(super) fn window(&self, oy: usize, ox: usize) -> Field {
        let rows = self.axis(self.input.h, self.kernel.0, self.stride.0, self.pad.0);
        let columns = self.axis(self.input.w, self.kernel.1, self.stride.1, self.pad.1);
        Field::new(rows, columns, 1, (oy, ox))
    }

    fn axis(&self, input: usize, kernel: usize, stride: usize, pad: usize) -> Axis {
        Axis {
            input,
            kernel,
            stride,
            pad,
        }
    }

    /// Output rows and columns, ascending.
    fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let (h, w) = (self.output.h, self.output.w);
        (0..h).flat_map(move |oy| (0..w).map(move |ox| (oy, ox)))
    }
}

/// Calls `visit` for each element of a window: its index `ky · width + kx` and where its `c` channels
/// start in the input, ascending.
#[inline(always)]
fn each(window: &Field, c: usize, mut visit: impl FnMut(usize, usize)) {
    for (pixel, tap, len) in window.segments() {
        for i in 0..len {
            visit(tap + i, (pixel + i) * c);
        }
    }
}

/// `y` = the maximum of each window, per channel; `argmax`, as long as `y` or empty, gets its index
/// `ky · width + kx`, the first of equals.
#[inline(never)]
pub fn max_forward(g: &Pool2d, x: &[f32], y: &mut [f32], argmax: &mut [u8]) {
    let c = g.input.c.max(1);
    let mut winners = argmax.chunks_exact_mut(c);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        let winners = winners.next().unwrap_or_default();
        let mut first = true;
        each(&g.window(oy, ox), c, |index, input| {
            for (j, (y, x)) in y.iter_mut().zip(part(x, input, c)).enumerate() {
                if first || *x > *y {
                    *y = *x;
                    if let Some(winner) = winners.get_mut(j) {
                        *winner = index as u8;
                    }
                }
            }
            first = false;
        });
    }
}

/// The gradient of [`max_forward`]'s input, overwriting `dx`: each delta goes to its window's winner,
/// output positions ascending.
#[inline(never)]
pub fn max_backward(g: &Pool2d, delta: &[f32], argmax: &[u8], dx: &mut [f32]) {
    dx.fill(0.0);
    let c = g.input.c.max(1);
    let columns = Columns::new(g.kernel.1);
    let outputs = delta.chunks_exact(c).zip(argmax.chunks_exact(c));
    for ((oy, ox), (delta, winners)) in g.positions().zip(outputs) {
        for (j, (d, &winner)) in delta.iter().zip(winners).enumerate() {
            let (ky, kx) = columns.place(winner);
            let (y, x) = (oy * g.stride.0 + ky, ox * g.stride.1 + kx);
            let pixel = y.saturating_sub(g.pad.0) * g.input.w + x.saturating_sub(g.pad.1);
            if let Some(dx) = dx.get_mut(pixel * c + j) {
                *dx += d;
            }
        }
    }
}

/// `y` = the mean of each window, per channel: the sum from zero, window elements ascending, times the
/// reciprocal of their number. Padding does not count, as in TensorFlow.
#[inline(never)]
pub fn average_forward(g: &Pool2d, x: &[f32], y: &mut [f32]) {
    let c = g.input.c.max(1);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        y.fill(0.0);
        let window = g.window(oy, ox);
        each(&window, c, |_, input| add_assign(y, part(x, input, c)));
        let weight = 1.0 / window.taps().max(1) as f32;
        y.iter_mut().for_each(|y| *y *= weight);
    }
}

/// The gradient of [`average_forward`]'s input, overwriting `dx`: from zero, contributions of output
/// positions ascending.
#[inline(never)]
pub fn average_backward(g: &Pool2d, delta: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let c = g.input.c.max(1);
    for ((oy, ox), delta) in g.positions().zip(delta.chunks_exact(c)) {
        let window = g.window(oy, ox);
        let weight = 1.0 / window.taps().max(1) as f32;
        each(&window, c, |_, input| {
            for (dx, d) in part_mut(dx, input, c).iter_mut().zip(delta) {
                *dx += d * weight;
            }
        });
    }
}
