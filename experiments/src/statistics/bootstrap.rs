//! Bootstrap intervals: what else the statistic might have been, had other seeds of the same kind been run.
//!
//! The values are drawn from again and again, with repetition, and the statistic is taken of each draw. The interval is
//! the bias-corrected and accelerated one (BCa; B. Efron, JASA 82, 1987), as scipy has it by default: plain percentiles
//! are too narrow for ten values.

use super::distribution::{normal, normal_quantile};
use super::quantile;
use runtime_shared::rng::Rng;
use serde::{Deserialize, Serialize};

const PURPOSE: u64 = 0x424f_4f54;

/// Fewer values than this have no interval: two say nothing about how far a third may lie.
pub const LEAST: usize = 3;
/// Draws, unless somebody wants another number.
pub const DRAWS: usize = 9999;
/// The level of all intervals of a report.
pub const LEVEL: f64 = 0.95;

/// From where to where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The 95 % interval of the mean of `values`, the same for the same `seed`; `None` where there are fewer than [`LEAST`],
/// or one is not finite.
pub fn of_mean(values: &[f64], seed: u64) -> Option<Interval> {
    of(values, super::mean, LEVEL, DRAWS, seed)
}

/// The interval of any statistic at `level`, from `draws` draws.
pub fn of(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    level: f64,
    draws: usize,
    seed: u64,
) -> Option<Interval> {
    let mut rng = Rng::for_purpose(seed, PURPOSE);
    let n = values.len() as u32;
    let indices = (0..draws * values.len()).map(|_| rng.below(n) as usize);
    from_indices(values, statistic, level, &indices.collect::<Vec<_>>())
}

/// The interval that draws with these `indices`, a draw after the other, give.
pub fn from_indices(
    values: &[f64],
    statistic: impl Fn(&[f64]) -> f64,
    level: f64,
    indices: &[usize],
) -> Option<Interval> {
    let n = values.len();
    if n < LEAST || indices.len() < n || !values.iter().all(|v| v.is_finite()) {
        return None;
    }
    let mut drawn: Vec<f64> = Vec::with_capacity(n);
    let mut of_draws: Vec<f64> = Vec::with_capacity(indices.len() / n);
    for draw in indices.chunks_exact(n) {
        drawn.clear();
        drawn.extend(draw.iter().filter_map(|&i| values.get(i)));
        of_draws.push(statistic(&drawn));
    }
    of_draws.sort_unstable_by(f64::total_cmp);
    let observed = statistic(values);
    let below = of_draws.partition_point(|v| *v < observed);
    let up_to = of_draws.partition_point(|v| *v <= observed);
    if below == 0 && up_to == of_draws.len() {
        // Every draw gives the same, as equal values do.
        return Some(Interval {
            low: observed,
            high: observed,
        });
    }
    let bias = normal_quantile((below + up_to) as f64 / (2 * of_draws.len()) as f64);
    let acceleration = acceleration(values, &statistic);
    let end = |p: f64| {
        let z = bias + normal_quantile(p);
        quantile(&of_draws, normal(bias + z / (1.0 - acceleration * z)))
    };
    let outside = 0.5 * (1.0 - level);
    let (low, high) = (end(outside), end(1.0 - outside));
    (low.is_finite() && high.is_finite()).then_some(Interval { low, high })
}

/// How much the statistic's spread changes with its value: a third of its skewness, from leaving out each value in turn.
fn acceleration(values: &[f64], statistic: &impl Fn(&[f64]) -> f64) -> f64 {
    let without: Vec<f64> = (0..values.len())
        .map(|i| {
            let mut others = values.to_vec();
            others.remove(i);
            statistic(&others)
        })
        .collect();
    let centre = super::mean(&without);
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in without {
        let distance = centre - value;
        squares += distance * distance;
        cubes += distance * distance * distance;
    }
    if squares > 0.0 {
        cubes / (6.0 * squares * squares.sqrt())
    } else {
        0.0
    }
}
