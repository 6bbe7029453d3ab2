//! Least squares for coefficients that are not negative.

use crate::trips::{GIVE_BACK, SURPRISE, Trips};
use std::collections::BTreeMap;

/// Cycles of a trip, by the loop's name.
pub type Coefficients = BTreeMap<String, f64>;

/// A measured call.
#[derive(Clone, Debug)]
pub struct Point {
    /// What was counted.
    pub trips: Trips,
    /// What it took.
    pub cycles: f64,
}

/// Sweeps of coordinate descent: enough for some thirty coefficients that depend on each other.
const SWEEPS: usize = 50_000;

/// Whether a loop costs nothing where a core's fit does not know it.
pub fn is_optional(name: &str) -> bool {
    gives_back(name) || name == SURPRISE
}

/// Whether a loop's trips take no time but give some back.
fn gives_back(name: &str) -> bool {
    GIVE_BACK.contains(&name)
}

/// The share of a call by which its trips alone are off.
const RELATIVE: f64 = 0.003;

/// The coefficients that minimise the sum of squares of *relative* errors, none of them negative but those of
/// [`GIVE_BACK`], which are not positive: a trip takes time, or gives some back.
pub fn fit(points: &[Point]) -> Coefficients {
    weighted(points, |cycles| 1.0 / cycles, |_| (0.0, 0.0), SWEEPS)
}

/// By what shares of itself the time of a trip may be expected to change where memory is slower: hardly behind a cache that holds a loop,
/// by much behind one that does not.
const CHANGES: [f64; 4] = [0.01, 0.05, 0.25, 1.0];
/// Sweeps by which one of them is chosen.
const TRIAL_SWEEPS: usize = 2_000;
/// Neighbours that are fitted or left out together: what a grid cycles through repeats after as many.
const BLOCK: usize = 8;

/// As [`fit`] where a call waits for memory: for how long depends on what ran before, so that errors are as large as those of most
/// calls, and beside them a small share of the call itself. A call weighs what one of that variance does: small ones less than by
/// [`fit`]. What such calls leave open stays near `core`, the cycles with memory that never waits; how near is decided by what
/// predicts the half of the calls better that the other half was fitted without.
pub fn fit_waiting(points: &[Point], core: &Coefficients) -> Coefficients {
    let first = fit(points);
    let miss = |p: &Point| (p.cycles - predict(&first, &p.trips).unwrap_or(0.0)).abs();
    let mut misses: Vec<f64> = points.iter().map(miss).collect();
    misses.sort_by(f64::total_cmp);
    let usual = misses.get(misses.len() / 2).copied().unwrap_or(0.0);
    let weight = |cycles: f64| 1.0 / cycles.hypot(usual / RELATIVE);
    let squares = points.iter().map(|p| (miss(p) * weight(p.cycles)).powi(2));
    let noise = (squares.sum::<f64>() / points.len().max(1) as f64).sqrt();
    let fit_near = |points: &[Point], change: f64, sweeps: usize| {
        let pull = |name: &str| {
            let cycles = core.get(name).copied().unwrap_or(0.0);
            let strength = noise / (change * cycles.abs());
            (
                cycles,
                if cycles == 0.0 {
                    0.0
                } else {
                    strength * strength
                },
            )
        };
        weighted(points, weight, pull, sweeps)
    };
    let halves = [0, 1].map(|odd| -> Vec<Point> {
        let blocks = points.chunks(BLOCK).skip(odd).step_by(2);
        blocks.flatten().cloned().collect()
    });
    let missed = |change: f64| -> f64 {
        let [even, odd] = &halves;
        let of = |fitted: &[Point], others: &[Point]| -> f64 {
            let cycles = fit_near(fitted, change, TRIAL_SWEEPS);
            let miss = |p: &Point| {
                let trips = p.trips.iter();
                let known = |name: &str| cycles.get(name).or(core.get(name)).copied();
                let sum: f64 = trips.map(|(name, n)| known(name).unwrap_or(0.0) * n).sum();
                ((p.cycles - sum) * weight(p.cycles)).powi(2)
            };
            others.iter().map(miss).sum()
        };
        of(even, odd) + of(odd, even)
    };
    let tried = CHANGES.map(|change| (change, missed(change)));
    let best = tried.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    fit_near(points, best.map_or(1.0, |(change, _)| change), SWEEPS)
}

/// The coefficients that minimise the sum of squares of errors, each times the weight of a call that takes so many cycles, and of how
/// far they are from where a loop's name pulls them, times the square root of how strongly.
///
/// Coordinate descent on the normal equations, which has one minimum since the problem is convex.
fn weighted(
    points: &[Point],
    weight: impl Fn(f64) -> f64,
    pull: impl Fn(&str) -> (f64, f64),
    sweeps: usize,
) -> Coefficients {
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in points.iter().flat_map(|p| p.trips.iter()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let n = names.len();
    let (mut gram, mut target) = (vec![vec![0.0; n]; n], vec![0.0; n]);
    for point in points {
        let mut row = vec![0.0; n];
        let weight = weight(point.cycles);
        for (name, trips) in point.trips.iter() {
            if let Some(i) = names.iter().position(|known| *known == name) {
                row[i] = trips * weight;
            }
        }
        for i in 0..n {
            target[i] += row[i] * point.cycles * weight;
            for j in 0..n {
                gram[i][j] += row[i] * row[j];
            }
        }
    }
    for (i, name) in names.iter().enumerate() {
        let (to, strength) = pull(name);
        gram[i][i] += strength;
        target[i] += strength * to;
    }
    let mut x = vec![0.0f64; n];
    for _ in 0..sweeps {
        for i in 0..n {
            let others: f64 = (0..n).filter(|&j| j != i).map(|j| gram[i][j] * x[j]).sum();
            let best = if gram[i][i] > 0.0 {
                (target[i] - others) / gram[i][i]
            } else {
                0.0
            };
            x[i] = if gives_back(names[i]) {
                best.min(0.0)
            } else {
                best.max(0.0)
            };
        }
    }
    names.into_iter().map(str::to_owned).zip(x).collect()
}

/// The cycles that `coefficients` predict, or the name of a loop that they do not know.
///
/// # Errors
/// The loop's name.
pub fn predict(coefficients: &Coefficients, trips: &Trips) -> Result<f64, &'static str> {
    trips
        .iter()
        .map(|(name, count)| match coefficients.get(name) {
            Some(cycles) => Ok(cycles * count),
            None if is_optional(name) => Ok(0.0),
            None => Err(name),
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trips::{self, Activity};
    use runtime_shared::program::{Call, Kernel};
    use runtime_shared::rng::Rng;

    #[test]
    fn known_coefficients_are_found_again() {
        let mut rng = Rng::new(3);
        let known = |name: &str| name.bytes().map(f64::from).sum::<f64>() / 10.0;
        let points: Vec<Point> = crate::grid::cases(Kernel::Conv2d, 60, &mut rng)
            .iter()
            .map(|case| {
                let trips = trips::of(&case.call, case.update, &Activity::default());
                let cycles = trips.iter().map(|(name, n)| known(name) * n).sum();
                Point { trips, cycles }
            })
            .collect();
        let found = fit(&points);
        for point in &points {
            let predicted = predict(&found, &point.trips).expect("all loops are known");
            assert!((predicted / point.cycles - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn a_loop_that_was_never_seen_is_named() {
        let call = Call::new(Kernel::Dense);
        let trips = trips::of(&call, trips::Update::Linear, &Activity::default());
        assert_eq!(predict(&Coefficients::new(), &trips), Err("call"));
    }
}
