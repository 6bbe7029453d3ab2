//! Clipping by the global norm of all gradients of a batch.

use crate::call::Call;
use crate::math;
use crate::operand::{BadDimensions, Lengths, Operand, X, demand, flat};
use crate::routine::{Context, Operands, Routine};

/// Σ x², for the global norm: eight lanes starting at zero, element `j` in lane `j mod 8`, ascending;
/// then halves are added until one is left: lanes `l` and `l + 4`, `l` and `l + 2`, `l` and `l + 1`.
#[inline(never)]
pub fn sum_of_squares(x: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (blocks, rest) = x.as_chunks::<8>();
    // A square of zero changes no lane.
    let mut last = [0.0; 8];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane += x * x;
        }
    }
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// gradient. Length; the largest norm is the scalar. Sets the factor of the calls that follow.
pub struct ClipNorm;

impl Routine for ClipNorm {
    const NAME: &'static str = "clip_norm";
    const OPERANDS: &'static [Operand] = &[X];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(call.scalar > 0.0 && call.scalar < f32::INFINITY)?;
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let norm = math::sqrt(sum_of_squares(o.read(0)));
        // As torch.nn.utils.clip_grad_norm_: the small constant keeps a zero gradient zero.
        let factor = call.scalar / (norm + 1e-6);
        context.hyper.scale = if factor < 1.0 { factor } else { 1.0 };
    }
}
