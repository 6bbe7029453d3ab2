//! Two strategies on the same seeds: do they differ, by how much, and how surely?
//!
//! Both met the same samples in the same order, so what is tested is the differences, seed by seed. Wilcoxon's
//! signed-rank test assumes nothing about their distribution but symmetry; the t test assumes that it is normal. Where
//! several pairs are tested, some differ by chance: [`holm`] corrects for that.

use super::bootstrap::{self, Interval};
use super::distribution::{normal, student_two_sided};
use super::{deviation, mean};
use serde::{Deserialize, Serialize};

/// Up to so many differences the signed-rank distribution is counted out; above, it is taken for normal.
const COUNTED: usize = 100;

/// What paired values say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Pairs.
    pub pairs: usize,
    /// The mean of the differences, first minus second.
    pub difference: f64,
    /// Its 95 % bootstrap interval.
    pub interval: Option<Interval>,
    /// Student's t of the differences; `None` where they are all equal.
    pub t: Option<f64>,
    /// The two-sided probability of such a t or a larger one.
    pub t_probability: Option<f64>,
    /// The two-sided probability of Wilcoxon's signed-rank test.
    pub wilcoxon_probability: f64,
    /// Cohen's d of paired values: the mean difference in deviations of the differences.
    pub cohens_d: Option<f64>,
    /// The matched-pairs rank-biserial correlation: 1 where the first is always above, −1 where it is always below.
    pub rank_biserial: f64,
}

/// Compares `a` with `b`, seed by seed; `None` where there are fewer than three pairs, their numbers differ, or one is
/// not finite.
pub fn compare(a: &[f64], b: &[f64], seed: u64) -> Option<Comparison> {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let n = differences.len();
    if n < bootstrap::LEAST || a.len() != b.len() || !differences.iter().all(|d| d.is_finite()) {
        return None;
    }
    let (difference, spread) = (mean(&differences), deviation(&differences));
    let cohens_d = (spread > 0.0).then_some(difference / spread);
    let t = cohens_d.map(|d| d * (n as f64).sqrt());
    let ranks = SignedRanks::of(&differences);
    Some(Comparison {
        pairs: n,
        difference,
        interval: bootstrap::of_mean(&differences, seed),
        t,
        t_probability: t.map(|t| student_two_sided(t, n as f64 - 1.0)),
        wilcoxon_probability: ranks.probability(),
        cohens_d,
        rank_biserial: ranks.balance(),
    })
}

/// Ranks of the differences that are not 0, by their size, doubled so that shared ranks are whole.
struct SignedRanks {
    doubled: Vec<usize>,
    above: usize,
    below: usize,
}

impl SignedRanks {
    fn of(differences: &[f64]) -> Self {
        let mut by_size: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
        by_size.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
        let (mut doubled, mut above, mut below) = (Vec::new(), 0, 0);
        let mut first = 0;
        while first < by_size.len() {
            let equal = |d: &f64| d.abs() == by_size[first].abs();
            let count = by_size[first..].iter().take_while(|d| equal(d)).count();
            // Places first + 1 to first + count share their mean.
            let rank = 2 * first + count + 1;
            for difference in &by_size[first..first + count] {
                doubled.push(rank);
                *(if *difference > 0.0 {
                    &mut above
                } else {
                    &mut below
                }) += rank;
            }
            first += count;
        }
        Self {
            doubled,
            above,
            below,
        }
    }

    fn balance(&self) -> f64 {
        let total = (self.above + self.below).max(1) as f64;
        (self.above as f64 - self.below as f64) / total
    }

    /// The two-sided probability of a smaller rank sum that is as small, or smaller.
    fn probability(&self) -> f64 {
        let smaller = self.above.min(self.below);
        if self.doubled.len() > COUNTED {
            return self.by_normal(smaller);
        }
        // Every sign is as likely as not: the share of choices of ranks by their sum.
        let total: usize = self.doubled.iter().sum();
        let mut share = vec![0.0f64; total + 1];
        share[0] = 1.0;
        let mut reach = 0;
        for &rank in &self.doubled {
            for sum in (0..=reach).rev() {
                share[sum] *= 0.5;
                share[sum + rank] += share[sum];
            }
            reach += rank;
        }
        (2.0 * share[..=smaller].iter().sum::<f64>()).min(1.0)
    }

    fn by_normal(&self, smaller: usize) -> f64 {
        let half = |rank: &usize| *rank as f64 / 2.0;
        let centre: f64 = self.doubled.iter().map(half).sum::<f64>() / 2.0;
        let variance: f64 = self.doubled.iter().map(|r| half(r) * half(r)).sum::<f64>() / 4.0;
        2.0 * normal((smaller as f64 / 2.0 - centre) / variance.sqrt())
    }
}

/// Holm's correction: each probability times the number of those that are not smaller, never below a smaller one's.
/// Below 5 % of these, all that is called different is so with a certainty of 95 % together.
pub fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
    let (mut corrected, mut highest) = (vec![0.0; probabilities.len()], 0.0f64);
    for (place, &i) in order.iter().enumerate() {
        let scaled = probabilities[i] * (probabilities.len() - place) as f64;
        highest = highest.max(scaled.min(1.0));
        corrected[i] = highest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_shared::rng::Rng;

    /// Two strategies that are equal, 2,000 times over ten seeds: at a level of 5 % each test calls 5 % of them different.
    #[test]
    fn equal_strategies_are_rarely_called_different() {
        let mut rng = Rng::new(20);
        let (mut by_t, mut by_ranks, mut by_interval) = (0, 0, 0);
        for run in 0..2000 {
            let mut accuracies = || -> Vec<f64> {
                (0..10)
                    .map(|_| 0.94 + 0.01 * f64::from(rng.normal()))
                    .collect()
            };
            let (a, b) = (accuracies(), accuracies());
            let differences: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
            let interval = bootstrap::of(&differences, mean, 0.95, 999, run).expect("ten values");
            by_interval += u32::from(interval.low > 0.0 || interval.high < 0.0);
            let ranks = SignedRanks::of(&differences).probability();
            by_ranks += u32::from(ranks <= 0.05);
            let t = mean(&differences) / deviation(&differences) * 10f64.sqrt();
            by_t += u32::from(student_two_sided(t, 9.0) <= 0.05);
        }
        for (name, rejected) in [("t", by_t), ("Wilcoxon", by_ranks)] {
            let share = f64::from(rejected) / 2000.0;
            assert!((share - 0.05).abs() <= 0.015, "{name}: {share}");
        }
        // A bootstrap of ten values is known to be narrow: it is not what a difference is called by.
        assert!((80..240).contains(&by_interval), "{by_interval}");
    }

    #[test]
    fn what_too_little_says_is_nothing() {
        assert_eq!(compare(&[0.9, 0.8], &[0.7, 0.8], 1), None);
        assert_eq!(compare(&[0.9; 4], &[0.7; 5], 1), None);
        assert_eq!(compare(&[f64::NAN; 4], &[0.7; 4], 1), None);
        let same = compare(&[0.9; 4], &[0.9; 4], 1).expect("four pairs");
        assert_eq!(
            (same.wilcoxon_probability, same.t, same.rank_biserial),
            (1.0, None, 0.0)
        );
        assert!(holm(&[]).is_empty());
    }
}
