//! A tensor of one value: what surrounds a padded image, and where sums of gradients start.

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// y. Length; the value is the scalar.
pub struct Fill;

impl Routine for Fill {
    const NAME: &'static str = "fill";
    const OPERANDS: &'static [Operand] = &[Y_OUT];
    const OUTPUT: Option<usize> = Some(0);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        o.write(0).fill(call.scalar);
    }
}
