//! Drift detection on the device, from one bit a sample: was the prediction wrong?
//!
//! Page–Hinkley has three different statistics in MOA, scikit-multiflow and river. This is river's,
//! one-sided (only a rising error rate is a drift):
//!
//! ```text
//! mean += (x − mean) / n          sum = alpha·sum + (x − mean − delta)          drift: sum − min(sum) > threshold
//! ```

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
    /// Takes the next value; true when a drift is detected, upon which the statistic starts anew.
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
