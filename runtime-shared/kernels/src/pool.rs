//! What pools of either kind share. [`conv2d`](super::conv2d) fuses the most common one.

use crate::Shape;
use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, demand, windowed};
use crate::window::{Axis, Field};

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
    pub(crate) fn window(&self, oy: usize, ox: usize) -> Field {
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
    pub(crate) fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let (h, w) = (self.output.h, self.output.w);
        (0..h).flat_map(move |oy| (0..w).map(move |ox| (oy, ox)))
    }
}

/// Calls `visit` for each element of a window: its index `ky · width + kx` and where its `c` channels
/// start in the input, ascending.
#[inline(always)]
pub(crate) fn each(window: &Field, c: usize, mut visit: impl FnMut(usize, usize)) {
    for (pixel, tap, len) in window.segments() {
        for i in 0..len {
            visit(tap + i, (pixel + i) * c);
        }
    }
}

impl Call {
    /// The geometry of the pooling kernels: as [`Call::conv2d`], without the fused pool.
    #[inline(never)]
    pub fn pool2d(&self) -> Pool2d {
        let g = self.conv2d();
        Pool2d {
            input: g.input,
            output: g.output,
            kernel: g.kernel,
            stride: g.stride,
            pad: g.pad,
        }
    }
}

/// The lengths of a pool; `most` is the largest number of elements of a window.
#[inline(never)]
pub(crate) fn lengths(call: &Call, most: usize) -> Result<Lengths, BadDimensions> {
    let g = call.conv2d();
    let (lengths, taps) = windowed(&g)?;
    demand(g.input.c == g.output.c && taps <= most)?;
    Ok(Lengths {
        pooled: true,
        ..lengths
    })
}
