//! HDDM_W: an exponentially weighted mean since a cut against the one up to it, by McDiarmid's bound.
//!
//! A weighted mean w comes with b, the sum of its squared weights, and with the bound √(b · ln(1 / confidence) / 2). The
//! cut is where w + bound was lowest. A mean since the cut that is above the mean up to it by more than the bound of
//! b₁ + b₂ is a warning (confidence 0.005) or a drift (0.001).
//!
//! I. Frías-Blanco et al., IEEE TKDE 27(3), 2015. As river's, one-sided. 28 bytes. Where errors stay away, w + bound
//! goes on falling by ever less; f64 sees that until a fall of about 2⁻⁵⁵, f32 for half as long, which moves the cut. So
//! b is kept as what it has above its limit, which an f32 holds to 24 bits however small it is, and sums are compared
//! by their differences.

use super::{Detect, Parameter, Verdict, real};
use crate::math;

/// A fall below this is none, as in double precision: half a unit in the last place of a sum around 1/4.
const LEAST_FALL: f32 = 1.0 / (1u64 << 55) as f32;

/// Parameters of HDDM_W.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HddmW {
    /// The probability of a false drift that is accepted.
    pub drift: f32,
    /// The probability of a false warning that is accepted.
    pub warning: f32,
    /// The weight of the newest value.
    pub weight: f32,
}

impl HddmW {
    /// What the sum of squared weights comes down to.
    fn limit(&self) -> f32 {
        self.weight / (2.0 - self.weight)
    }

    /// The weighted mean and the excess of its squared weights after another value.
    fn next(&self, (mean, excess): (f32, f32), x: f32) -> (f32, f32) {
        let keep = 1.0 - self.weight;
        (mean + self.weight * (x - mean), keep * keep * excess)
    }
}

impl Detect for HddmW {
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
        real("weight", "weight of the newest value", 0.05, [1e-6, 1.0]),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[drift, warning, weight] = parameters else {
            return None;
        };
        (drift <= warning).then_some(Self {
            drift,
            warning,
            weight,
        })
    }

    fn words(&self) -> usize {
        7
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        let [
            seen,
            all_mean,
            all_excess,
            cut_mean,
            cut_excess,
            new_mean,
            new_excess,
        ] = state
        else {
            return Verdict::None;
        };
        let float = |word: &u32| f32::from_bits(*word);
        // A mean starts at its first value, its squared weights at 1.
        let fresh = (x, 1.0 - self.limit());
        let first = *seen == 0;
        let before = if first {
            fresh
        } else {
            (float(all_mean), float(all_excess))
        };
        let all = self.next(before, x);
        (*all_mean, *all_excess) = (all.0.to_bits(), all.1.to_bits());
        let cut = (float(cut_mean), float(cut_excess));
        let scale = -math::ln(self.drift) * 0.5;
        let bound = |excess: f32| math::sqrt(scale * (self.limit() + excess));
        let fall = (cut.0 - all.0) + scale * (cut.1 - all.1) / (bound(cut.1) + bound(all.1));
        if first || fall > LEAST_FALL {
            (*cut_mean, *cut_excess) = (*all_mean, *all_excess);
            *seen = 1;
            return Verdict::None;
        }
        let before = if *seen == 1 {
            fresh
        } else {
            (float(new_mean), float(new_excess))
        };
        let new = self.next(before, x);
        (*new_mean, *new_excess) = (new.0.to_bits(), new.1.to_bits());
        *seen = 2;
        let squares = 2.0 * self.limit() + cut.1 + new.1;
        let rises =
            |confidence: f32| new.0 - cut.0 > math::sqrt(squares * -math::ln(confidence) * 0.5);
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
