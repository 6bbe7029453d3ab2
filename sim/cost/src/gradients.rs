//! Gradients that an update rule is done with sooner: none at all, the first of a parameter, and those of what is zero itself.

use crate::meetings::floats;
use runtime_shared::program::{Call, Kernel, RuleKind};
use serde::{Deserialize, Serialize};

/// How many parameters are of which kind, of the kernels that [keep](kept) count of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gradients {
    /// Those without a gradient, which never had one.
    pub resting: f64,
    /// Those of them that are zero themselves, so that not even a decay moves them.
    pub still: f64,
    /// All that are zero themselves.
    pub nought: f64,
    /// Those with a gradient, which is their first: what it is added to is zero.
    pub first: f64,
}

/// What a gradient is added to first, as an operand: a sum, a rule's state or the parameter itself. None of the kernels whose parameters
/// are few beside their work, and of weights, which are hardly ever zero.
pub fn kept(call: &Call) -> Option<usize> {
    match (call.kernel, call.rule) {
        (Kernel::DenseBackwardWeights | Kernel::Apply, RuleKind::Sgd) => None,
        (Kernel::DenseBackwardWeights, _) => Some(4),
        (Kernel::Apply, _) => Some(2),
        (Kernel::BiasBackward, RuleKind::Sgd) => Some(1),
        (Kernel::BiasBackward, _) => Some(3),
        _ => None,
    }
}

/// The parameters themselves, as an operand.
fn trained(kernel: Kernel) -> usize {
    match kernel {
        Kernel::DenseBackwardWeights => 2,
        Kernel::Apply => 0,
        _ => 1,
    }
}

impl Gradients {
    /// Those of `call`.
    pub fn of<'o>(call: &Call, operand: &impl Fn(usize) -> &'o [u8]) -> Self {
        let Some(kept) = kept(call).map(operand) else {
            return Self::default();
        };
        // A sum of gradients is added to no parameter, which is as good as one that is not zero.
        let trained = operand(trained(call.kernel));
        let trained = floats(trained).chain(std::iter::repeat(1.0));
        let mut parameters = floats(kept).zip(trained);
        let mut all = Self::default();
        match call.kernel {
            Kernel::DenseBackwardWeights => {
                // It looks at no row without an input, either.
                let sums = call.rule == RuleKind::Accumulate;
                let outputs = call.dim(1);
                for x in floats(operand(0)) {
                    let row = parameters.by_ref().take(outputs);
                    if x != 0.0 {
                        all.count(row, floats(operand(1)));
                    } else if sums {
                        row.for_each(drop);
                    } else {
                        all.count(row, std::iter::repeat_n(0.0, outputs));
                    }
                }
            }
            Kernel::Apply => all.count(parameters, floats(operand(1))),
            _ => {
                let channels = call.dim(1).max(1);
                let mut any = vec![0.0; channels];
                for (i, delta) in floats(operand(0)).enumerate() {
                    if delta != 0.0 {
                        any[i % channels] = delta;
                    }
                }
                all.count(parameters, any.into_iter());
            }
        }
        all
    }

    /// Counts what was kept of each parameter, itself, and its gradient.
    fn count(
        &mut self,
        parameters: impl Iterator<Item = (f32, f32)>,
        gradients: impl Iterator<Item = f32>,
    ) {
        let [mut resting, mut still, mut nought, mut first] = [0; 4];
        for (gradient, (kept, parameter)) in gradients.zip(parameters) {
            let (rests, is_zero) = (kept == 0.0 && gradient == 0.0, parameter == 0.0);
            resting += usize::from(rests);
            still += usize::from(rests && is_zero);
            nought += usize::from(is_zero);
            first += usize::from(kept == 0.0 && gradient != 0.0);
        }
        self.resting += resting as f64;
        self.still += still as f64;
        self.nought += nought as f64;
        self.first += first as f64;
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.resting += other.resting;
        self.still += other.still;
        self.nought += other.nought;
        self.first += other.first;
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            resting: self.resting * factor,
            still: self.still * factor,
            nought: self.nought * factor,
            first: self.first * factor,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_told_apart() {
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let mut call = Call::new(Kernel::DenseBackwardWeights);
        (call.dims[0], call.dims[1], call.rule) = (3, 2, RuleKind::Adam);
        let (x, delta) = (bytes(&[0.0, 1.0, 2.0]), bytes(&[0.0, 1.0]));
        // Of six gradients two are not zero; of four without one, three never had one.
        let state = bytes(&[0.0, 0.0, 0.0, 0.0, 5.0, 5.0]);
        // Half are zero themselves, of those three one.
        let weights = bytes(&[9.0, 0.0, 9.0, 0.0, 9.0, 0.0]);
        let of = |call: &Call| {
            Gradients::of(call, &|i| match i {
                0 => x.as_slice(),
                1 => &delta,
                2 => &weights,
                4 => &state,
                _ => &[],
            })
        };
        let expected = Gradients {
            resting: 3.0,
            still: 1.0,
            nought: 3.0,
            first: 1.0,
        };
        assert_eq!(of(&call), expected);
        call.rule = RuleKind::Sgd;
        assert_eq!(of(&call), Gradients::default());
    }
}
