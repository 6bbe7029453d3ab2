//! A copy, where two calls need the same values apart.

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, flat};
use crate::routine::{Context, Operands, Routine};

/// x → y, floats. Length.
pub struct Copy;

impl Routine for Copy {
    const NAME: &'static str = "copy";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        flat(call)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        o.write(1).copy_from_slice(o.read(0));
    }
}
