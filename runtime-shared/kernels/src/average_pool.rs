//! Average pooling.

use crate::add::add_assign;
use crate::block::{part, part_mut};
use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, X, X_OUT, Y, Y_OUT};
use crate::pool::{self, Pool2d, each};
use crate::routine::{Context, Operands, Routine};

/// `y` = the mean of each window, per channel: the sum from zero, window elements ascending, times the
/// reciprocal of their number. Padding does not count, as in TensorFlow.
#[inline(never)]
pub fn forward(g: &Pool2d, x: &[f32], y: &mut [f32]) {
    let c = g.input.c.max(1);
    for ((oy, ox), y) in g.positions().zip(y.chunks_exact_mut(c)) {
        y.fill(0.0);
        let window = g.window(oy, ox);
        each(&window, c, |_, input| add_assign(y, part(x, input, c)));
        let weight = 1.0 / window.taps().max(1) as f32;
        y.iter_mut().for_each(|y| *y *= weight);
    }
}

/// The gradient of [`forward`]'s input, overwriting `dx`: from zero, contributions of output
/// positions ascending.
#[inline(never)]
pub fn backward(g: &Pool2d, delta: &[f32], dx: &mut [f32]) {
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

/// x → y. The pooling geometry.
pub struct Forward;

impl Routine for Forward {
    const NAME: &'static str = "average_pool";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        pool::lengths(call, usize::MAX)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(1);
        forward(&call.pool2d(), o.read(0), y);
    }
}

/// delta → dx. The pooling geometry.
pub struct Backward;

impl Routine for Backward {
    const NAME: &'static str = "average_pool_backward";
    const OPERANDS: &'static [Operand] = &[Y, X_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        pool::lengths(call, usize::MAX)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let dx = o.write(1);
        backward(&call.pool2d(), o.read(0), dx);
    }
}
