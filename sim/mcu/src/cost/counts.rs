//! What a kernel call is counted in.

/// Defines [`Feature`] with each feature's name beside it.
macro_rules! features {
    ($($(#[$doc:meta])* $feature:ident = $name:literal),* $(,)?) => {
        /// A count on which a kernel's cost depends. All counts are of one call.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Feature { $($(#[$doc])* $feature),* }

        impl Feature {
            /// Every feature.
            pub const ALL: &'static [Self] = &[$(Self::$feature),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The feature's name in `configs/kernels`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$feature => $name),* }
            }
        }
    };
}

features! {
    /// The call itself: 1.
    Call = "call",
    /// Inputs visited: elements of an element-wise kernel, deltas of a convolution's backward pass; for the dense kernels inputs
    /// × [`blocks`] of outputs (of 16 forward, of 8 for the weights' gradient), and inputs alone for the inputs' gradient.
    Input = "input",
    /// Of those, the ones that were not skipped for being zero; all of them where nothing is skipped.
    NonZeroInput = "non_zero_input",
    /// Results written, for a fused pool those before it; for a gradient that is overwritten, its elements.
    Output = "output",
    /// Multiply-accumulates that were done, those of skipped inputs left out.
    Mac = "mac",
    /// Kernel rows walked: output positions (for a backward pass over a pool, deltas that are not zero) × kernel height ×
    /// [`blocks`] of channels (of 8, forward and depthwise).
    Row = "row",
    /// Elements of pooling windows: outputs × window.
    Tap = "tap",
    /// Exponentials: outputs of a softmax, of a cross-entropy, of a sigmoid or a tanh.
    Exp = "exp",
    /// Parameters updated by plain gradient descent; rows of skipped inputs left out.
    ParameterSgd = "parameter_sgd",
    /// Parameters updated with momentum, or with weight decay or clipping.
    ParameterMomentum = "parameter_momentum",
    /// Parameters updated by Adam.
    ParameterAdam = "parameter_adam",
    /// Parameters whose gradient was added to a batch's sum; rows of skipped inputs left out.
    ParameterAccumulate = "parameter_accumulate",
}

/// The counts of one call.
///
/// ```
/// use sim_mcu::{Counts, Feature};
/// let counts = Counts::from(&[(Feature::Call, 1.0), (Feature::Mac, 2_000.0)]).with(Feature::Output, 10.0);
/// assert_eq!(counts.get(Feature::Mac), 2_000.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts([f64; Feature::COUNT]);

impl Counts {
    /// The counts of one call and nothing else.
    #[must_use]
    pub fn call() -> Self {
        Self::default().with(Feature::Call, 1.0)
    }

    /// These counts with `count` more of `feature`.
    #[must_use]
    pub fn with(mut self, feature: Feature, count: f64) -> Self {
        self.0[feature as usize] += count;
        self
    }

    /// The count of `feature`.
    #[must_use]
    pub fn get(&self, feature: Feature) -> f64 {
        self.0[feature as usize]
    }

    /// The counts that are not zero.
    pub fn iter(&self) -> impl Iterator<Item = (Feature, f64)> + '_ {
        let all = Feature::ALL
            .iter()
            .map(|&feature| (feature, self.get(feature)));
        all.filter(|&(_, count)| count != 0.0)
    }
}

impl<const N: usize> From<&[(Feature, f64); N]> for Counts {
    fn from(table: &[(Feature, f64); N]) -> Self {
        let add = |counts: Self, &(feature, count): &(Feature, f64)| counts.with(feature, count);
        table.iter().fold(Self::default(), add)
    }
}

/// How many register blocks `outputs` outputs are computed in: as many of the largest size as fit, then of half of it, and so
/// on down to 1. `largest` is a power of two; 0 counts as 1.
#[must_use]
pub fn blocks(outputs: usize, largest: usize) -> usize {
    let largest = largest.max(1);
    outputs / largest + (outputs % largest).count_ones() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_zeros_are_not_counted() {
        let counts = Counts::call()
            .with(Feature::Mac, 2.0)
            .with(Feature::Mac, 3.0)
            .with(Feature::Tap, 0.0);
        let listed: Vec<_> = counts.iter().collect();
        assert_eq!(listed, [(Feature::Call, 1.0), (Feature::Mac, 5.0)]);
    }

    #[test]
    fn blocks_halve_until_everything_is_covered() {
        for (outputs, largest, expected) in [
            (32, 16, 2),
            (10, 16, 2),
            (10, 8, 2),
            (7, 8, 3),
            (17, 16, 2),
            (0, 16, 0),
            (5, 0, 5),
        ] {
            assert_eq!(blocks(outputs, largest), expected, "{outputs} in {largest}");
        }
    }
}
