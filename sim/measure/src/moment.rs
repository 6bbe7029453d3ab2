//! Moments of a training: the arena before a step, and the samples that follow.

use runtime_shared::rng::Rng;
use serde::{Deserialize, Serialize};

/// Purpose of the generator that chooses moments.
const PURPOSE: u64 = 0x6d6f_6d65_6e74;

/// What a step does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Predicts and learns as the Program says: buffer, trigger, replay.
    #[default]
    Learn,
    /// One supervised update from the sample.
    Train,
}

/// A sample with its label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// The bytes.
    #[serde(with = "crate::hex")]
    pub sample: Vec<u8>,
    /// The class.
    pub label: usize,
}

/// The arena before a step of a training, and what the training does next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The whole arena.
    #[serde(with = "crate::hex")]
    pub arena: Vec<u8>,
    /// The samples of the steps that follow, at least one. All are measured, one after the other.
    pub steps: Vec<Labelled>,
}

/// The share of `bytes` that are not zero: kernels skip zeros, so the time of a step depends on it.
pub fn density(bytes: &[u8]) -> f64 {
    let dense = bytes.iter().filter(|&&byte| byte != 0).count();
    dense as f64 / bytes.len().max(1) as f64
}

/// Chooses `count` of `steps` steps by `seed`: one in each of `count` equal stretches of the run. Ascending.
pub fn moments(steps: u64, count: u64, seed: u64) -> Vec<u64> {
    let mut rng = Rng::for_purpose(seed, PURPOSE);
    let count = count.min(steps);
    (0..count)
        .map(|i| {
            let (from, to) = (steps * i / count, steps * (i + 1) / count);
            let length = u32::try_from(to - from).unwrap_or(u32::MAX);
            from + u64::from(rng.below(length.max(1)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_over_the_run() {
        let chosen = moments(600, 12, 7);
        assert_eq!(chosen.len(), 12);
        for (i, step) in chosen.iter().enumerate() {
            assert_eq!(*step / 50, i as u64, "{chosen:?}");
        }
        assert_ne!(chosen, moments(600, 12, 8));
        assert_eq!(moments(3, 12, 1), [0, 1, 2]);
        assert_eq!(moments(0, 12, 1), [0u64; 0]);
    }
}
