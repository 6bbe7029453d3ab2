//! Gradients that an update rule is done with sooner: none at all, and the first of a parameter.

use crate::meetings::floats;
use runtime_shared::program::{Call, Kernel, RuleKind};
use serde::{Deserialize, Serialize};

/// How many parameters are of which kind, of the kernels that [keep](kept) count of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gradients {
    /// Those without a gradient, which never had one.
    pub resting: f64,
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

impl Gradients {
    /// Those of `call`.
    pub fn of<'o>(call: &Call, operand: &impl Fn(usize) -> &'o [u8]) -> Self {
        let Some(kept) = kept(call).map(operand) else {
            return Self::default();
        };
        let mut all = Self::default();
        match call.kernel {
            Kernel::DenseBackwardWeights => {
                // A sum of gradients looks at no row without an input.
                let resting = call.rule != RuleKind::Accumulate;
                let rows = kept.chunks_exact(4 * call.dim(1).max(1));
                for (x, row) in floats(operand(0)).zip(rows) {
                    if x != 0.0 {
                        all.count(floats(row), floats(operand(1)));
                    } else if resting {
                        all.count(floats(row), std::iter::repeat(0.0));
                    }
                }
            }
            Kernel::Apply => all.count(floats(kept), floats(operand(1))),
            _ => {
                let channels = call.dim(1).max(1);
                let mut any = vec![0.0; channels];
                for (i, delta) in floats(operand(0)).enumerate() {
                    if delta != 0.0 {
                        any[i % channels] = delta;
                    }
                }
                all.count(floats(kept), any.into_iter());
            }
        }
        all
    }

    fn count(&mut self, kept: impl Iterator<Item = f32>, gradients: impl Iterator<Item = f32>) {
        let (mut resting, mut first) = (0, 0);
        for (_, gradient) in kept.zip(gradients).filter(|(kept, _)| *kept == 0.0) {
            resting += usize::from(gradient == 0.0);
            first += usize::from(gradient != 0.0);
        }
        self.resting += resting as f64;
        self.first += first as f64;
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.resting += other.resting;
        self.first += other.first;
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            resting: self.resting * factor,
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
        let of = |call: &Call| {
            Gradients::of(call, &|i| match i {
                0 => x.as_slice(),
                1 => &delta,
                4 => &state,
                _ => &[],
            })
        };
        let (resting, first) = (3.0, 1.0);
        assert_eq!(of(&call), Gradients { resting, first });
        call.rule = RuleKind::Sgd;
        assert_eq!(of(&call), Gradients::default());
    }
}
