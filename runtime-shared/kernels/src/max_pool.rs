//! Maximum pooling as a layer of its own.

use crate::block::part;
use crate::call::Call;
use crate::operand::{ARGMAX, ARGMAX_OUT, BadDimensions, Lengths, Operand, X, X_OUT, Y, Y_OUT};
use crate::pool::{self, Pool2d, each};
use crate::routine::{Context, Operands, Routine};
use crate::window::Columns;

/// `y` = the maximum of each window, per channel; `argmax`, as long as `y` or empty, gets its index
/// `ky · width + kx`, the first of equals.
#[inline(never)]
pub fn forward(g: &Pool2d, x: &[f32], y: &mut [f32], argmax: &mut [u8]) {
    let c = g.input.c.max(1);
    let mut winners = argmax.chunks_exact_mut(c);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        let winners = winners.next().unwrap_or_default();
        let mut first = true;
        each(&g.window(oy, ox), c, |index, input| {
            for (j, (y, x)) in y.iter_mut().zip(part(x, input, c)).enumerate() {
                // What is not a number stays.
                if first || *x > *y || x.is_nan() {
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

/// The gradient of [`forward`]'s input, overwriting `dx`: each delta goes to its window's winner,
/// output positions ascending.
#[inline(never)]
pub fn backward(g: &Pool2d, delta: &[f32], argmax: &[u8], dx: &mut [f32]) {
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

/// x → y · argmax (or absent). The pooling geometry.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "max_pool";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT, ARGMAX_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        pool::lengths(call, 256)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, argmax) = (o.write(1), o.write_bytes(2));
        forward(&call.pool2d(), o.read(0), y, argmax);
    }
}

/// delta · argmax → dx. The pooling geometry.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "max_pool_backward";
    const OPERANDS: &'static [Operand] = &[Y, ARGMAX, X_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        pool::lengths(call, 256)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let dx = o.write(2);
        backward(&call.pool2d(), o.read(0), o.bytes(1), dx);
    }
}
