//! Pooling as a layer of its own; [`conv2d`](super::conv2d) fuses the common case.

use super::Shape;
use super::window::Axis;

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
    /// The part of the window of output (`oy`, `ox`) that falls on the input: for each element, its
    /// index `ky · width + kx` and where its channels start in the input, ascending.
    #[inline(always)]
    fn window(&self, oy: usize, ox: usize) -> impl ExactSizeIterator<Item = (usize, usize)> {
        let rows = self
            .axis(self.input.h, self.kernel.0, self.stride.0, self.pad.0)
            .taps(oy);
        let columns = self
            .axis(self.input.w, self.kernel.1, self.stride.1, self.pad.1)
            .taps(ox);
        let width = columns.len();
        let g = *self;
        (0..rows.len() * width).map(move |i| {
            let (ky, kx) = (rows.start + i / width, columns.start + i % width);
            let (iy, ix) = (
                oy * g.stride.0 + ky - g.pad.0,
                ox * g.stride.1 + kx - g.pad.1,
            );
            (ky * g.kernel.1 + kx, (iy * g.input.w + ix) * g.input.c)
        })
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

/// `y` = the maximum of each window, per channel; `argmax`, as long as `y` or empty, gets its index
/// `ky · width + kx`, the first of equals.
pub fn max_forward(g: &Pool2d, x: &[f32], y: &mut [f32], argmax: &mut [u8]) {
    let c = g.input.c.max(1);
    let mut winners = argmax.chunks_exact_mut(c);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        let winners = winners.next().unwrap_or_default();
        for (i, (index, input)) in g.window(oy, ox).enumerate() {
            let x = &x[input..][..c];
            if i == 0 {
                y.copy_from_slice(x);
                winners.fill(index as u8);
                continue;
            }
            for (j, (y, x)) in y.iter_mut().zip(x).enumerate() {
                if *x > *y {
                    *y = *x;
                    if let Some(winner) = winners.get_mut(j) {
                        *winner = index as u8;
                    }
                }
            }
        }
    }
}

/// The gradient of [`max_forward`]'s input, overwriting `dx`: each delta goes to its window's winner,
/// output positions ascending.
pub fn max_backward(g: &Pool2d, delta: &[f32], argmax: &[u8], dx: &mut [f32]) {
    dx.fill(0.0);
    let c = g.input.c.max(1);
    let outputs = delta.chunks_exact(c).zip(argmax.chunks_exact(c));
    for ((oy, ox), (delta, winners)) in g.positions().zip(outputs) {
        for (j, (d, &winner)) in delta.iter().zip(winners).enumerate() {
            let (ky, kx) = (
                usize::from(winner) / g.kernel.1,
                usize::from(winner) % g.kernel.1,
            );
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
pub fn average_forward(g: &Pool2d, x: &[f32], y: &mut [f32]) {
    let c = g.input.c.max(1);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        y.fill(0.0);
        let window = g.window(oy, ox);
        let weight = 1.0 / window.len().max(1) as f32;
        for (_, input) in window {
            for (y, x) in y.iter_mut().zip(&x[input..][..c]) {
                *y += x;
            }
        }
        y.iter_mut().for_each(|y| *y *= weight);
    }
}

/// The gradient of [`average_forward`]'s input, overwriting `dx`: from zero, contributions of output
/// positions ascending.
pub fn average_backward(g: &Pool2d, delta: &[f32], dx: &mut [f32]) {
    dx.fill(0.0);
    let c = g.input.c.max(1);
    for ((oy, ox), delta) in g.positions().zip(delta.chunks_exact(c)) {
        let window = g.window(oy, ox);
        let weight = 1.0 / window.len().max(1) as f32;
        for (_, input) in window {
            for (dx, d) in dx[input..][..c].iter_mut().zip(delta) {
                *dx += d * weight;
            }
        }
    }
}
