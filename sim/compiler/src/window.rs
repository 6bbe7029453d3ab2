//! Windows that slide over images: how many places they take, and what they see of the border.

use crate::error::Error;
use crate::graph::dimension;
use runtime_shared::kernels::Shape;

/// A window that slides over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height and width.
    pub kernel: (usize, usize),
    /// Step down and right.
    pub stride: (usize, usize),
    /// Rows above and columns left of the image that count as zero (as nothing, when pooling).
    pub pad: (usize, usize),
    /// Height and width of the output.
    pub output: (usize, usize),
}

/// How the border of an image is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// Only windows that lie inside.
    #[default]
    Valid,
    /// The output is as large as the input, divided by the stride and rounded up. What is odd goes to
    /// the right and below, as in TensorFlow.
    Same,
    /// This many rows and columns on every side.
    Explicit(usize),
}

impl Padding {
    /// Along one axis: what is padded before it, and the number of outputs.
    fn axis(self, input: usize, kernel: usize, stride: usize) -> Option<(usize, usize)> {
        match self {
            Padding::Valid => (input >= kernel).then(|| (0, (input - kernel) / stride + 1)),
            Padding::Same => {
                let output = input.div_ceil(stride).max(1);
                let padded = (output - 1) * stride + kernel;
                Some((padded.saturating_sub(input) / 2, output))
            }
            Padding::Explicit(p) => {
                let padded = input.saturating_add(p.saturating_mul(2));
                (padded >= kernel && p < kernel).then(|| (p, (padded - kernel) / stride + 1))
            }
        }
    }
}

impl Window {
    /// The window of `kernel` and `stride` over `input`.
    ///
    /// # Errors
    /// [`Error::Dimension`] or [`Error::Window`] where it does not fit.
    pub fn new(
        layer: &str,
        input: Shape,
        kernel: (usize, usize),
        stride: (usize, usize),
        padding: Padding,
    ) -> Result<Self, Error> {
        dimensions(layer, kernel, stride)?;
        let rows = padding.axis(input.h, kernel.0, stride.0);
        let columns = padding.axis(input.w, kernel.1, stride.1);
        let Some(((top, h), (left, w))) = rows.zip(columns) else {
            return Err(misfit(layer, kernel, input));
        };
        Ok(Self {
            kernel,
            stride,
            pad: (top, left),
            output: (h, w),
        })
    }

    /// The window over a series, an image of one row above and below which nothing is padded.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::NotASeries`].
    pub fn of_series(
        layer: &str,
        input: Shape,
        kernel: usize,
        stride: usize,
        padding: Padding,
    ) -> Result<Self, Error> {
        if input.h != 1 {
            return Err(Error::NotASeries {
                layer: layer.to_owned(),
                input,
            });
        }
        dimensions(layer, (1, kernel), (1, stride))?;
        let Some((left, output)) = padding.axis(input.w, kernel, stride) else {
            return Err(misfit(layer, (1, kernel), input));
        };
        Ok(Self {
            kernel: (1, kernel),
            stride: (1, stride),
            pad: (0, left),
            output: (1, output),
        })
    }

    /// The number of elements that it covers.
    pub fn size(&self) -> usize {
        self.kernel.0.saturating_mul(self.kernel.1)
    }

    /// The shape of its output over `input`, with `channels`.
    ///
    /// # Errors
    /// [`Error::Dimension`] or [`Error::Window`] where it does not fit; some window that does not see the input at
    /// all, among them.
    pub fn shape(&self, layer: &str, input: Shape, channels: usize) -> Result<Shape, Error> {
        dimensions(layer, self.kernel, self.stride)?;
        let axis = |input: usize, kernel: usize, stride: usize, pad: usize, output: usize| {
            // The first window reaches into the input from the left, the last begins before its end.
            let last = output.checked_sub(1)?.checked_mul(stride)?;
            (pad < kernel && last < input.checked_add(pad)?).then_some(())
        };
        let (kernel, stride, pad, output) = (self.kernel, self.stride, self.pad, self.output);
        let fits = axis(input.h, kernel.0, stride.0, pad.0, output.0)
            .zip(axis(input.w, kernel.1, stride.1, pad.1, output.1));
        if fits.is_none() {
            return Err(misfit(layer, kernel, input));
        }
        Ok(Shape {
            h: output.0,
            w: output.1,
            c: channels,
        })
    }
}

fn dimensions(layer: &str, kernel: (usize, usize), stride: (usize, usize)) -> Result<(), Error> {
    for (what, value) in [
        ("the kernel's height", kernel.0),
        ("the kernel's width", kernel.1),
        ("the stride", stride.0),
        ("the stride", stride.1),
    ] {
        dimension(layer, what, value)?;
    }
    Ok(())
}

fn misfit(layer: &str, window: (usize, usize), input: Shape) -> Error {
    Error::Window {
        layer: layer.to_owned(),
        window,
        input,
    }
}
