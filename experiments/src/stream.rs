//! Streams: which sample comes when, and what its label means by then.

use runtime_shared::rng::Rng;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Streams of one seed that must not share random numbers.
mod purpose {
    pub const STREAM: u64 = 0x5354_524d;
    pub const TEST: u64 = 0x5445_5354;
}

/// An abrupt concept drift: from one sample on, two labels mean each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptDrift {
    /// Samples in the stream.
    #[serde(default = "length")]
    pub length: usize,
    /// The first sample of the new concept.
    #[serde(default = "drift_at")]
    pub drift_at: usize,
    /// The two labels that are swapped.
    #[serde(default = "swap", deserialize_with = "two_labels")]
    pub swap: [usize; 2],
    /// Accuracy is measured after every so many samples, and at the drift.
    #[serde(default = "evaluate_every")]
    pub evaluate_every: usize,
    /// Held-out images that it is measured on, drawn anew for every seed; 0 for the whole test set.
    #[serde(default = "test_images")]
    pub test_images: usize,
    /// Samples in the window of the prequential accuracy.
    #[serde(default = "window")]
    pub window: usize,
}

fn length() -> usize {
    600
}

fn drift_at() -> usize {
    100
}

fn swap() -> [usize; 2] {
    [4, 6]
}

/// Exactly two: a list's third entry would be passed over.
fn two_labels<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[usize; 2], D::Error> {
    let labels = Vec::<usize>::deserialize(deserializer)?;
    let count = labels.len();
    labels
        .try_into()
        .map_err(|_| D::Error::invalid_length(count, &"a list of two labels"))
}

fn evaluate_every() -> usize {
    5
}

fn test_images() -> usize {
    1000
}

fn window() -> usize {
    50
}

impl ConceptDrift {
    /// Refuses what makes no sense for a data set of `classes`: the key, and what is wrong with it.
    ///
    /// # Errors
    /// Key and sentence.
    pub fn check(&self, classes: usize) -> Result<(), (&'static str, String)> {
        let fail = |key, why: String| Err((key, why));
        if self.length == 0 || self.length > 1_000_000 {
            return fail("length", "must be between 1 and 1000000".to_owned());
        }
        if self.drift_at == 0 || self.drift_at >= self.length {
            let last = self.length - 1;
            return fail(
                "drift_at",
                format!("must lie inside the stream: between 1 and {last}"),
            );
        }
        if self.swap[0] == self.swap[1] || self.swap.iter().any(|&s| s >= classes) {
            return fail(
                "swap",
                format!("must name two different labels below {classes}"),
            );
        }
        if self.evaluate_every == 0 {
            return fail("evaluate_every", "must be at least 1".to_owned());
        }
        if self.window == 0 {
            return fail("window", "must be at least 1".to_owned());
        }
        Ok(())
    }

    /// What `label` means at sample `at`.
    pub fn relabel(&self, at: usize, label: usize) -> usize {
        match label {
            _ if at < self.drift_at => label,
            l if l == self.swap[0] => self.swap[1],
            l if l == self.swap[1] => self.swap[0],
            l => l,
        }
    }

    /// Whether accuracy is measured after sample `at`.
    pub fn evaluates(&self, at: usize) -> bool {
        let last = at + 1 == self.length;
        at.is_multiple_of(self.evaluate_every)
            || at + 1 == self.drift_at
            || at == self.drift_at
            || last
    }

    /// The images of the stream of `seed`, drawn from `pool` without repetition until it is used up.
    pub fn draw(&self, pool: &[usize], seed: u64) -> Vec<usize> {
        let mut rng = Rng::for_purpose(seed, purpose::STREAM);
        let mut drawn = Vec::with_capacity(self.length);
        while drawn.len() < self.length && !pool.is_empty() {
            let mut round = pool.to_vec();
            rng.shuffle(&mut round);
            round.truncate(self.length - drawn.len());
            drawn.append(&mut round);
        }
        drawn
    }

    /// The held-out images of `seed` among `count`.
    pub fn draw_test(&self, count: usize, seed: u64) -> Vec<usize> {
        let mut all: Vec<usize> = (0..count).collect();
        if self.test_images > 0 && self.test_images < count {
            Rng::for_purpose(seed, purpose::TEST).shuffle(&mut all);
            all.truncate(self.test_images);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift() -> ConceptDrift {
        ConceptDrift {
            length: 600,
            drift_at: 100,
            swap: [4, 6],
            evaluate_every: 5,
            test_images: 30,
            window: 50,
        }
    }

    #[test]
    fn labels_swap_at_the_drift_and_not_before() {
        let drift = drift();
        assert_eq!([4, 6, 7].map(|l| drift.relabel(99, l)), [4, 6, 7]);
        assert_eq!([4, 6, 7].map(|l| drift.relabel(100, l)), [6, 4, 7]);
        assert!(drift.evaluates(99) && drift.evaluates(100) && drift.evaluates(599));
    }

    #[test]
    fn seeds_are_independent_and_repeatable() {
        let (drift, pool) = (drift(), (0..5000).collect::<Vec<_>>());
        let a = drift.draw(&pool, 1);
        assert_eq!(a, drift.draw(&pool, 1));
        assert_ne!(a, drift.draw(&pool, 2));
        let mut unique = a.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), 600);
        assert_ne!(drift.draw_test(1000, 1), drift.draw_test(1000, 2));
    }

    #[test]
    fn a_small_pool_is_gone_through_again() {
        let drawn = drift().draw(&[7, 8, 9], 1);
        assert_eq!(drawn.len(), 600);
        assert_eq!(drawn.iter().filter(|&&i| i == 7).count(), 200);
    }
}
