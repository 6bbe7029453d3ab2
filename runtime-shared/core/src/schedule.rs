//! The learning rate as a function of the updates applied so far.

use crate::math;

/// A learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same for ever.
    Constant,
    /// Multiplied by `factor` after every `period` updates.
    Step {
        /// Updates between two steps.
        period: u32,
        /// What a step multiplies by.
        factor: f32,
    },
    /// Half a cosine from 1 down to `last` over `period` updates, `last` from then on.
    Cosine {
        /// Updates until the end.
        period: u32,
        /// The factor at the end.
        last: f32,
    },
}

impl Schedule {
    /// What the learning rate is multiplied by for the update after `updates` others.
    pub fn factor(self, updates: u32) -> f32 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Step { period, factor } => {
                let mut f = 1.0;
                for _ in 0..(updates / period.max(1)).min(200) {
                    f *= factor;
                }
                f
            }
            Schedule::Cosine { period, last } => {
                let t = updates.min(period) as f32 / period.max(1) as f32;
                last + (1.0 - last) * 0.5 * (1.0 + math::cos(core::f32::consts::PI * t))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    #[test]
    fn schedules_start_at_one_and_end_where_they_should() {
        let step = Schedule::Step {
            period: 10,
            factor: 0.5,
        };
        assert_eq!(
            [0, 9, 10, 29].map(|t| step.factor(t)),
            [1.0, 1.0, 0.5, 0.25]
        );
        let cosine = Schedule::Cosine {
            period: 100,
            last: 0.1,
        };
        assert_eq!(cosine.factor(0), 1.0);
        assert!((cosine.factor(50) - 0.55).abs() < 1e-6);
        assert!(
            (cosine.factor(100) - 0.1).abs() < 1e-6 && cosine.factor(1000) == cosine.factor(100)
        );
    }
}
