//! The deferred step of a batch.

use crate::call::{Call, RuleKind};
use crate::operand::{
    BadDimensions, Lengths, Operand, STATE_1, STATE_2, TRAINED, Y_OUT, demand, flat,
};
use crate::routine::{Context, Operands, Routine};
use crate::update::{Hyper, Rule, step};

/// The deferred step of a batch: applies the accumulated `gradient` to `weights`, then zeroes it. All
/// have one length. With [`Rule::Accumulate`] the gradient is moved to that rule's sum.
#[inline(never)]
pub fn apply(weights: &mut [f32], gradient: &mut [f32], mut rule: Rule<'_>, hyper: Hyper) {
    step(weights, &mut rule, &hyper, (0, 1), gradient);
    gradient.fill(0.0);
}

/// w · gradient · state · state. Length.
pub struct Apply;

impl Routine for Apply {
    const NAME: &'static str = "apply";
    const OPERANDS: &'static [Operand] = &[TRAINED, Y_OUT, STATE_1, STATE_2];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(call.rule != RuleKind::Accumulate)?;
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let (weights, gradient) = (o.write(0), o.write(1));
        let rule = o.rule(2, call);
        apply(weights, gradient, rule, context.hyper);
    }
}
