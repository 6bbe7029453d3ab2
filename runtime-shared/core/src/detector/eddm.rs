//! EDDM: a drift is errors that follow each other more closely than they did at best.
//!
//! The distances between errors have a mean m and a deviation s. The highest m + 2 s is kept; a warning is a share of
//! it below 0.95, a drift below 0.90, both after 30 errors. The verdict changes at errors only: a warning lasts from
//! one error to the next.
//!
//! M. Baena-García et al., *Early drift detection method*, 2006. As river's: 24 bytes. The mean is exact (distances
//! add up to the place of the last error); the sum of squares is Welford's, in f32.

use super::{Detect, Parameter, Verdict, count, real};
use crate::math;

/// Parameters of EDDM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eddm {
    /// Errors up to which nothing is said.
    pub minimum: u32,
    /// The share of the highest value below which there is a warning.
    pub warning: f32,
    /// The share below which there is a drift.
    pub drift: f32,
}

impl Detect for Eddm {
    const PARAMETERS: &'static [Parameter] = &[
        count("minimum", "errors before it may fire", 30, [0, super::MOST]),
        real(
            "warning",
            "share of the highest that is a warning",
            0.95,
            [0.0, 1.0],
        ),
        real(
            "drift",
            "share of the highest that is a drift",
            0.90,
            [0.0, 1.0],
        ),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[minimum, warning, drift] = parameters else {
            return None;
        };
        (warning >= drift).then_some(Self {
            minimum: minimum as u32,
            warning,
            drift,
        })
    }

    fn words(&self) -> usize {
        6
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let [count, last, errors, squares, highest, warned] = state else {
            return Verdict::None;
        };
        *count = count.saturating_add(1);
        if x != 0.0 {
            let distance = count.saturating_sub(*last) as f32;
            let before = *last as f32 / (*errors).max(1) as f32;
            *last = *count;
            *errors = errors.saturating_add(1);
            let mean = *last as f32 / *errors as f32;
            let sum = f32::from_bits(*squares) + (distance - before) * (distance - mean);
            *squares = sum.to_bits();
            if *count > self.minimum {
                let variance = sum / errors.saturating_sub(1).max(1) as f32;
                let height = mean + 2.0 * math::sqrt(variance);
                if height > f32::from_bits(*highest) {
                    *highest = height.to_bits();
                } else if *errors > self.minimum {
                    let share = height / f32::from_bits(*highest);
                    if share < self.drift {
                        self.reset(state);
                        return Verdict::Drift;
                    }
                    *warned = u32::from(share < self.warning);
                }
            }
        }
        if *warned == 0 {
            Verdict::None
        } else {
            Verdict::Warning
        }
    }
}
