//! Windows laid out: for each place of a window, what it sees, one element behind the other. A convolution with a
//! window of one over that is a convolution with holes.

use super::Operator;
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::dimension;
use crate::listing::{Symbol, flat};
use crate::moved;
use crate::stage::{Stage, StageId};
use crate::window::Window;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rearrange::Block;
use runtime_shared::program::Kernel;

/// The elements of each window as channels, `[ky][kx][c]`; zero where the window leaves the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfold {
    /// How it slides, with the holes counted as part of it.
    pub window: Window,
    /// Rows and columns from one element of the window to the next.
    pub dilation: (usize, usize),
}

impl Operator for Unfold {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        for step in [self.dilation.0, self.dilation.1] {
            dimension(layer, "the dilation", step)?;
        }
        let input = inputs[0];
        let (rows, columns) = self.taps();
        let channels = rows.saturating_mul(columns).saturating_mul(input.c);
        let shape = self.window.shape(layer, input, channels)?;
        dimension(layer, "the number of elements of a window", channels)?;
        // The strides of the moves.
        let row = input.w.saturating_mul(input.c);
        let step = row.saturating_mul(self.window.stride.0);
        dimension(
            layer,
            "the number of values from a window to the one below",
            step,
        )?;
        moved::check(layer, inputs, shape)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let stage = pass.stage(id);
        pass.emit(id, flat(Kernel::Fill, stage.shape.len()), &[y]);
        let x = pass.input(id);
        for block in self.blocks(stage) {
            pass.emit(id, moved::call(block), &[x, y]);
        }
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let Some(dx) = pass.gradient_of(id, 0) else {
            return;
        };
        let (stage, delta) = (pass.stage(id), pass.delta(id));
        pass.emit(id, flat(Kernel::Fill, stage.input().len()), &[dx]);
        for block in self.blocks(stage) {
            let sum = Block {
                adds: true,
                ..block.reversed()
            };
            pass.emit(id, moved::call(sum), &[delta, dx]);
        }
        pass.add_gradient(id, 0, dx);
    }
}

impl Unfold {
    /// Rows and columns of elements in a window.
    fn taps(&self) -> (usize, usize) {
        let along = |length: usize, step: usize| length.saturating_sub(1) / step.max(1) + 1;
        let (kernel, dilation) = (self.window.kernel, self.dilation);
        (along(kernel.0, dilation.0), along(kernel.1, dilation.1))
    }

    /// What each element of the window sees, and where that goes.
    fn blocks(&self, stage: &Stage) -> Vec<Block> {
        let (input, output, window) = (stage.input(), stage.shape, &self.window);
        let (rows, columns) = self.taps();
        let [row, column, _] = moved::strides(input);
        let to = moved::strides(output);
        let mut blocks = Vec::new();
        for tap in 0..rows * columns {
            let (ky, kx) = (
                tap / columns * self.dilation.0,
                tap % columns * self.dilation.1,
            );
            let y = seen(ky, window.stride.0, window.pad.0, input.h, output.h);
            let x = seen(kx, window.stride.1, window.pad.1, input.w, output.w);
            if let (Some(y), Some(x)) = (y, x) {
                blocks.push(Block {
                    count: [y.count, x.count, input.c],
                    from: [row * window.stride.0, column * window.stride.1, 1],
                    to,
                    from_at: y.input * row + x.input * column,
                    to_at: y.output * to[0] + x.output * to[1] + tap * input.c,
                    adds: false,
                });
            }
        }
        blocks
    }
}

/// Along one axis: the first output whose window has an element on the image, which input that is, and how many
/// outputs there are.
struct Seen {
    input: usize,
    output: usize,
    count: usize,
}

fn seen(tap: usize, stride: usize, pad: usize, inputs: usize, outputs: usize) -> Option<Seen> {
    let output = pad.saturating_sub(tap).div_ceil(stride);
    let input = (output * stride + tap).checked_sub(pad)?;
    let beyond = inputs.checked_sub(input)?.div_ceil(stride);
    let count = beyond.min(outputs.checked_sub(output)?);
    (count > 0).then_some(Seen {
        input,
        output,
        count,
    })
}
