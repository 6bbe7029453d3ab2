//! HDDM_A: the mean of everything against the mean up to a cut, by Hoeffding's bound.
//!
//! The cut is where mean + bound was lowest. With n samples in all and m up to the cut, a rise of the mean by more
//! than √((n − m) / (2nm) · ln(2 / confidence)) is a warning (confidence 0.005) or a drift (0.001).
//!
//! I. Frías-Blanco et al., *Online and non-parametric drift detection methods based on Hoeffding's bounds*, IEEE TKDE
//! 27(3), 2015. As river's, one-sided: values lie between 0 and 1, and only a rise is a drift. 16 bytes; sums of
//! errors are exact up to 2²⁴ of them, means and bounds are f32.

use super::{Detect, Parameter, Verdict, real};
use crate::math;

/// Parameters of HDDM_A.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HddmA {
    /// The probability of a false drift that is accepted.
    pub drift: f32,
    /// The probability of a false warning that is accepted.
    pub warning: f32,
}

impl Detect for HddmA {
    const PARAMETERS: &'static [Parameter] = &[
        real(
            "drift",
            "accepted probability of a false drift",
            0.001,
            [1e-30, 1.0],
        ),
        real(
            "warning",
            "accepted probability of a false warning",
            0.005,
            [1e-30, 1.0],
        ),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[drift, warning] = parameters else {
            return None;
        };
        (drift <= warning).then_some(Self { drift, warning })
    }

    fn words(&self) -> usize {
        4
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let [count, sum, cut_count, cut_sum] = state else {
            return Verdict::None;
        };
        *count = count.saturating_add(1);
        *sum = (f32::from_bits(*sum) + x).to_bits();
        let n = *count as f32;
        let mean = f32::from_bits(*sum) / n;
        let bound = |n: f32| math::sqrt(-math::ln(self.drift) / (2.0 * n));
        let before = f32::from_bits(*cut_sum) / *cut_count as f32;
        if *cut_count == 0 || mean + bound(n) <= before + bound(*cut_count as f32) {
            (*cut_count, *cut_sum) = (*count, *sum);
            return Verdict::None;
        }
        let m = *cut_count as f32;
        let spread = count.saturating_sub(*cut_count) as f32 / m / n;
        let rises = |confidence: f32| {
            mean - before >= math::sqrt(spread * 0.5 * math::ln(2.0 / confidence))
        };
        if rises(self.drift) {
            self.reset(state);
            Verdict::Drift
        } else if rises(self.warning) {
            Verdict::Warning
        } else {
            Verdict::None
        }
    }
}
