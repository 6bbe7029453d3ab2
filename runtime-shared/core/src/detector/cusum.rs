//! CUSUM: what lies above the mean by more than `delta`, summed up while the sum is positive.
//!
//! ```text
//! mean += (x − mean) / n          sum = max(0, sum + x − mean − delta)          drift: sum > threshold
//! ```
//!
//! E. Page, *Continuous inspection schemes*, Biometrika 41, 1954, in the form of MOA's `CusumDM`, which counts one
//! sample before the first: it may fire at sample `minimum − 1`. 12 bytes, f32.

use super::{Detect, MINIMUM, Parameter, Verdict, real};

/// Parameters of CUSUM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    /// Samples before it may fire, and one.
    pub minimum: u32,
    /// Change that is tolerated.
    pub delta: f32,
    /// The sum at which it fires.
    pub threshold: f32,
}

impl Detect for Cusum {
    const PARAMETERS: &'static [Parameter] = &[
        MINIMUM,
        real("delta", "change that is tolerated", 0.005, [0.0, 1e6]),
        real("threshold", "sum at which it fires", 50.0, [0.0, 1e6]),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[minimum, delta, threshold] = parameters else {
            return None;
        };
        Some(Self {
            minimum: minimum as u32,
            delta,
            threshold,
        })
    }

    fn words(&self) -> usize {
        3
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let [count, mean, sum] = state else {
            return Verdict::None;
        };
        *count = count.saturating_add(1);
        let centre = f32::from_bits(*mean) + (x - f32::from_bits(*mean)) / *count as f32;
        let height = (f32::from_bits(*sum) + x - centre - self.delta).max(0.0);
        (*mean, *sum) = (centre.to_bits(), height.to_bits());
        if count.saturating_add(1) >= self.minimum && height > self.threshold {
            self.reset(state);
            return Verdict::Drift;
        }
        Verdict::None
    }
}
