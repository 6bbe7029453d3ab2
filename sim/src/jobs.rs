//! What a run consists of: a list of jobs, which any number of processes can share.
//!
//! A repetition is one strategy with one seed. Where the network is pre-trained, that is a job of its own, which
//! repetitions need. The list depends on the config alone, so that every process and every machine has the same.

use crate::config::{Config, Strategy};
use std::str::FromStr;

/// Most shares that a run can be cut into.
const MOST_SHARES: u32 = 1_000_000;

/// A network to pre-train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pretraining {
    /// A strategy that needs it, by its index in the config.
    pub strategy: usize,
    /// The seed of its weights, its split and its order.
    pub seed: u64,
}

/// A strategy to run with a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repetition {
    /// The strategy, by its index in the config.
    pub strategy: usize,
    /// The repetition's seed.
    pub seed: u64,
    /// The network that it begins with, by its index among the pre-trainings.
    pub pretraining: Option<usize>,
}

/// The jobs of a run, or of a share of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    /// Networks to pre-train, each needed by a repetition.
    pub pretrainings: Vec<Pretraining>,
    /// Repetitions, seed by seed.
    pub repetitions: Vec<Repetition>,
}

impl Jobs {
    /// The jobs of `config`, without strategies that `runs` says are not run.
    pub fn of(config: &Config, runs: impl Fn(usize) -> bool) -> Self {
        let mut jobs = Self::default();
        // Seed by seed, so that a share of the list needs few networks.
        for &seed in &config.seeds {
            for strategy in (0..config.strategies.len()).filter(|&s| runs(s)) {
                let pretraining = config
                    .pretrain
                    .is_some()
                    .then(|| jobs.pretraining(config, strategy, config.network_seed(seed)));
                jobs.repetitions.push(Repetition {
                    strategy,
                    seed,
                    pretraining,
                });
            }
        }
        jobs
    }

    /// The pre-training that makes the network of `strategy`, which is added where it is not in the list.
    fn pretraining(&mut self, config: &Config, strategy: usize, seed: u64) -> usize {
        let strategies = &config.strategies;
        let known = self.pretrainings.iter().position(|p| {
            p.seed == seed && same_network(&strategies[p.strategy], &strategies[strategy])
        });
        known.unwrap_or_else(|| {
            self.pretrainings.push(Pretraining { strategy, seed });
            self.pretrainings.len() - 1
        })
    }

    /// The jobs of one share: neighbours in the list, and the pre-trainings that they need.
    pub fn share(&self, share: Share) -> Self {
        let (all, of) = (self.repetitions.len() as u64, u64::from(share.of));
        let edge = |i: u32| (all * u64::from(i) / of) as usize;
        let mut repetitions = self.repetitions[edge(share.index - 1)..edge(share.index)].to_vec();
        let mut needed: Vec<usize> = repetitions.iter().filter_map(|r| r.pretraining).collect();
        needed.sort_unstable();
        needed.dedup();
        for repetition in &mut repetitions {
            let old = repetition.pretraining;
            repetition.pretraining = old.and_then(|p| needed.binary_search(&p).ok());
        }
        Self {
            pretrainings: needed.iter().map(|&p| self.pretrainings[p]).collect(),
            repetitions,
        }
    }
}

/// Whether pre-training gives both strategies the same network.
fn same_network(a: &Strategy, b: &Strategy) -> bool {
    a.model == b.model && a.data == b.data && a.pretrain_loss == b.pretrain_loss
}

/// One of several shares of a run, as `I/N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 1.
    index: u32,
    /// Of how many.
    of: u32,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(index, of)| {
            let share = Share {
                index: index.trim().parse().ok()?,
                of: of.trim().parse().ok()?,
            };
            let sound =
                (1..=MOST_SHARES).contains(&share.of) && (1..=share.of).contains(&share.index);
            sound.then_some(share)
        });
        parsed.ok_or_else(|| {
            format!("a share is written I/N with I from 1 to N and N at most {MOST_SHARES}, for example 2/4")
        })
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds 1 to `seeds`, two strategies, a network a seed.
    fn jobs(seeds: u64) -> Jobs {
        let mut jobs = Jobs::default();
        for seed in 1..=seeds {
            jobs.pretrainings.push(Pretraining { strategy: 0, seed });
            let repetition = |strategy| Repetition {
                strategy,
                seed,
                pretraining: Some(seed as usize - 1),
            };
            jobs.repetitions.extend([0, 1].map(repetition));
        }
        jobs
    }

    #[test]
    fn shares_are_whole_and_share_no_repetition() {
        let all = jobs(7);
        for of in [1, 2, 3, 14, 100] {
            let shares: Vec<Jobs> = (1..=of)
                .map(|index| all.share(Share { index, of }))
                .collect();
            let repetitions: Vec<(usize, u64)> = shares
                .iter()
                .flat_map(|s| s.repetitions.iter().map(|r| (r.strategy, r.seed)))
                .collect();
            let expected: Vec<(usize, u64)> = all
                .repetitions
                .iter()
                .map(|r| (r.strategy, r.seed))
                .collect();
            assert_eq!(repetitions, expected, "{of}");
            for share in shares {
                for r in &share.repetitions {
                    let network = r.pretraining.map(|p| share.pretrainings[p].seed);
                    assert_eq!(network, Some(r.seed));
                }
                assert!(share.pretrainings.len() <= share.repetitions.len());
            }
        }
    }

    #[test]
    fn a_share_is_read_or_explained() {
        assert_eq!("2/4".parse(), Ok(Share { index: 2, of: 4 }));
        for bad in [
            "",
            "2",
            "0/4",
            "5/4",
            "1/0",
            "-1/4",
            "1/4/2",
            "a/b",
            "1/99999999999",
        ] {
            let said = bad.parse::<Share>().expect_err(bad);
            assert!(said.contains("I/N"), "{said}");
        }
    }
}
