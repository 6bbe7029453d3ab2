//! The learning rate as a function of the updates applied so far.

use crate::math;

crate::kernels::codes! {
    /// What a schedule does, by its number in images.
    pub enum ScheduleKind {
        /// See [`Schedule::Constant`].
        Constant = 0,
        /// See [`Schedule::Step`].
        Step = 1,
        /// See [`Schedule::Cosine`].
        Cosine = 2,
    }
}

/// A learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// The same for ever.
    Constant,
    /// Multiplied by `factor` after every `period` updates, as often as there are updates.
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
    /// The schedule of this kind. `factor` is a step's factor or a cosine's last one.
    pub fn new(kind: ScheduleKind, period: u32, factor: f32) -> Self {
        match kind {
            ScheduleKind::Constant => Schedule::Constant,
            ScheduleKind::Step => Schedule::Step { period, factor },
            ScheduleKind::Cosine => Schedule::Cosine {
                period,
                last: factor,
            },
        }
    }

    /// What the learning rate is multiplied by for the update after `updates` others, `steps` being what
    /// [`advanced`](Self::advanced) made of 1 at each of them.
    pub fn factor(self, updates: u32, steps: f32) -> f32 {
        match self {
            Schedule::Constant => 1.0,
            Schedule::Step { .. } => steps,
            Schedule::Cosine { period, last } => {
                let t = updates.min(period) as f32 / period.max(1) as f32;
                last + (1.0 - last) * 0.5 * (1.0 + math::cos(core::f32::consts::PI * t))
            }
        }
    }

    /// The product of all steps after `updates` updates, `steps` being that before the last of them. A product that is
    /// carried along takes one multiplication an update; a power of any exponent would take a loop at each.
    pub fn advanced(self, updates: u32, steps: f32) -> f32 {
        match self {
            Schedule::Step { period, factor } if updates.is_multiple_of(period.max(1)) => {
                steps * factor
            }
            _ => steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;

    /// The factors of the first `count` updates.
    fn factors(schedule: Schedule, count: u32) -> Vec<f32> {
        let mut steps = 1.0;
        let each = (0..count).map(|updates| {
            let factor = schedule.factor(updates, steps);
            steps = schedule.advanced(updates + 1, steps);
            factor
        });
        each.collect()
    }

    #[test]
    fn schedules_start_at_one_and_end_where_they_should() {
        let step = Schedule::Step {
            period: 10,
            factor: 0.5,
        };
        let f = factors(step, 30);
        assert_eq!([f[0], f[9], f[10], f[29]], [1.0, 1.0, 0.5, 0.25]);
        let cosine = Schedule::Cosine {
            period: 100,
            last: 0.1,
        };
        let f = factors(cosine, 1001);
        assert_eq!(f[0], 1.0);
        assert!((f[50] - 0.55).abs() < 1e-6);
        assert!((f[100] - 0.1).abs() < 1e-6 && f[1000] == f[100]);
    }

    #[test]
    fn steps_go_on_for_as_long_as_there_are_updates() {
        let step = Schedule::Step {
            period: 1,
            factor: 0.98,
        };
        let f = factors(step, 1000);
        for (updates, factor) in f.iter().enumerate() {
            let exact = 0.98f64.powi(updates as i32);
            assert!((f64::from(*factor) / exact - 1.0).abs() < 1e-4, "{updates}");
        }
    }
}
