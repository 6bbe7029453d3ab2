//! DDM: a drift is an error rate well above the lowest that it has been.
//!
//! After n samples with e errors, p = e / n and s = √(p(1 − p) / n). The lowest p + s is kept; a warning is
//! p + s > p_min + 2 s_min, a drift p + s > p_min + 3 s_min. A learner that makes no error in its first samples has
//! p_min = s_min = 0, so its next error is a drift: raise `minimum` until errors are likely by then.
//!
//! J. Gama et al., *Learning with drift detection*, SBIA 2004. As river's: 16 bytes. Errors are counted, which is
//! exact; p and s are rounded to f32.

use super::{Detect, MINIMUM, Parameter, Verdict, real};
use crate::math;

/// Parameters of DDM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ddm {
    /// Samples up to which nothing is said.
    pub minimum: u32,
    /// Deviations above the lowest error rate that are a warning.
    pub warning: f32,
    /// Deviations above it that are a drift.
    pub drift: f32,
}

impl Detect for Ddm {
    const PARAMETERS: &'static [Parameter] = &[
        MINIMUM,
        real("warning", "deviations that are a warning", 2.0, [0.0, 1e3]),
        real("drift", "deviations that are a drift", 3.0, [0.0, 1e3]),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[minimum, warning, drift] = parameters else {
            return None;
        };
        (warning <= drift).then_some(Self {
            minimum: minimum as u32,
            warning,
            drift,
        })
    }

    fn words(&self) -> usize {
        4
    }

    fn reset(&self, state: &mut [u32]) {
        if let [count, errors, rate, deviation] = state {
            (*count, *errors) = (0, 0);
            (*rate, *deviation) = (f32::INFINITY.to_bits(), 0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let [count, errors, lowest_p, lowest_s] = state else {
            return Verdict::None;
        };
        *count = count.saturating_add(1);
        *errors = errors.saturating_add(u32::from(x != 0.0));
        if *count <= self.minimum {
            return Verdict::None;
        }
        let n = *count as f32;
        let p = *errors as f32 / n;
        let s = math::sqrt(p * (1.0 - p) / n);
        if p + s <= f32::from_bits(*lowest_p) + f32::from_bits(*lowest_s) {
            (*lowest_p, *lowest_s) = (p.to_bits(), s.to_bits());
        }
        let (lowest_p, lowest_s) = (f32::from_bits(*lowest_p), f32::from_bits(*lowest_s));
        if p + s > lowest_p + self.drift * lowest_s {
            self.reset(state);
            Verdict::Drift
        } else if p + s > lowest_p + self.warning * lowest_s {
            Verdict::Warning
        } else {
            Verdict::None
        }
    }
}
