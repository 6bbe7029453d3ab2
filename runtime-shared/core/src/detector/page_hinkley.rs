//! Page–Hinkley: the summed deviation from the mean, high above the lowest that it has been.
//!
//! It is three different statistics in MOA, scikit-multiflow and river. This is river's, one-sided (only a rise is a
//! drift):
//!
//! ```text
//! mean += (x − mean) / n          sum = alpha · sum + (x − mean − delta)          drift: sum − min(sum) > threshold
//! ```
//!
//! MOA compares the sum itself with the threshold; scikit-multiflow clips the sum at 0, which is a CUSUM that forgets.
//! E. Page, *Continuous inspection schemes*, Biometrika 41, 1954. 16 bytes, f32. The published
//! threshold of 50 fits streams of many thousands; at hundreds of samples a threshold of 5 detects.

use super::{Detect, MINIMUM, Parameter, Verdict, real};

/// Parameters of the Page–Hinkley test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkleyTest {
    /// Samples before it may fire.
    pub minimum: u32,
    /// Change that is tolerated.
    pub delta: f32,
    /// Height over the lowest sum at which it fires.
    pub threshold: f32,
    /// Forgetting factor of the sum.
    pub alpha: f32,
}

/// The statistic of the Page–Hinkley test: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PageHinkley {
    /// Samples since the last drift.
    pub count: u32,
    /// Their mean.
    pub mean: f32,
    /// The cumulated deviation.
    pub sum: f32,
    /// The lowest that it has been.
    pub minimum: f32,
}

impl Default for PageHinkley {
    fn default() -> Self {
        Self {
            count: 0,
            mean: 0.0,
            sum: 0.0,
            minimum: f32::INFINITY,
        }
    }
}

impl PageHinkley {
    /// Takes the next value; true when a drift is detected, upon which the statistic starts from nothing.
    pub fn update(&mut self, x: f32, test: &PageHinkleyTest) -> bool {
        self.count = self.count.saturating_add(1);
        self.mean += (x - self.mean) / self.count as f32;
        self.sum = test.alpha * self.sum + (x - self.mean - test.delta);
        if self.sum < self.minimum {
            self.minimum = self.sum;
        }
        let drift = self.count >= test.minimum && self.sum - self.minimum > test.threshold;
        if drift {
            *self = Self::default();
        }
        drift
    }

    fn store(&self, state: &mut [u32]) {
        if let [count, mean, sum, minimum] = state {
            *count = self.count;
            *mean = self.mean.to_bits();
            *sum = self.sum.to_bits();
            *minimum = self.minimum.to_bits();
        }
    }
}

impl Detect for PageHinkleyTest {
    const PARAMETERS: &'static [Parameter] = &[
        MINIMUM,
        real("delta", "change that is tolerated", 0.005, [0.0, 1e6]),
        real(
            "threshold",
            "height over the lowest sum at which it fires",
            5.0,
            [0.0, 1e6],
        ),
        real("alpha", "forgetting factor of the sum", 0.9999, [0.0, 1.0]),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[minimum, delta, threshold, alpha] = parameters else {
            return None;
        };
        Some(Self {
            minimum: minimum as u32,
            delta,
            threshold,
            alpha,
        })
    }

    fn words(&self) -> usize {
        4
    }

    fn reset(&self, state: &mut [u32]) {
        PageHinkley::default().store(state);
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let &mut [count, mean, sum, minimum] = state else {
            return Verdict::None;
        };
        let mut statistic = PageHinkley {
            count,
            mean: f32::from_bits(mean),
            sum: f32::from_bits(sum),
            minimum: f32::from_bits(minimum),
        };
        let drift = statistic.update(x, self);
        statistic.store(state);
        if drift { Verdict::Drift } else { Verdict::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const TEST: PageHinkleyTest = PageHinkleyTest {
        minimum: 30,
        delta: 0.005,
        threshold: 5.0,
        alpha: 0.9999,
    };

    /// The setting of river's study: errors rise from 2 % to 22 % at sample 100 of 600.
    #[test]
    fn fires_after_the_drift_and_not_before() {
        let (mut early, mut late) = (0, 0);
        for seed in 0..100 {
            let mut rng = Rng::new(seed);
            let mut detector = PageHinkley::default();
            let fired = (0..600).find(|&i| {
                let rate = if i < 100 { 0.02 } else { 0.22 };
                detector.update(f32::from(u8::from(rng.unit() < rate)), &TEST)
            });
            match fired {
                Some(i) if i >= 100 => late += 1,
                Some(_) => early += 1,
                None => {}
            }
        }
        assert!(early <= 2 && late >= 98, "early {early}, late {late}");
    }
}
