//! Least squares for calls that wait for memory.
//!
//! For how long a call waits depends on what ran before it, so that no fit of loops is exact. What the calls leave open stays near the
//! cycles with memory that never waits; how near is decided by what predicts calls better that were held out.

use crate::fit::{Coefficients, Point, SWEEPS, fit, weighted};

/// By what shares of itself the time of a trip may be expected to change where memory is slower: hardly behind a cache that holds a loop,
/// by much behind one that does not.
const CHANGES: [f64; 4] = [0.01, 0.05, 0.25, 1.0];
/// Cycles of which a change is at least expected to be a share: loops that share time between them may be left with next to none.
const LEAST: f64 = 10.0;
/// Sweeps by which one of them is chosen.
const TRIAL_SWEEPS: usize = 2_000;
/// Neighbours that are fitted or left out together: update rules repeat after as many.
const BLOCK: usize = 8;
/// The share of a call by which its trips alone are off.
const RELATIVE: f64 = 0.003;

/// As [`fit`] where a call waits for memory, and `core` is what its trips take where it does not.
pub fn fit_waiting(points: &[Point], core: &Coefficients) -> Coefficients {
    let errors = Errors::of(points);
    let halves = [0, 1].map(|odd| -> Vec<Point> {
        let blocks = points.chunks(BLOCK).skip(odd).step_by(2);
        blocks.flatten().cloned().collect()
    });
    let missed = |change: f64| -> f64 {
        let [even, odd] = &halves;
        let of = |fitted: &[Point], others: &[Point]| {
            let cycles = errors.fit_near(core, fitted, change, TRIAL_SWEEPS);
            let miss = |p: &Point| errors.missed(p, &cycles, core);
            others.iter().map(miss).sum::<f64>()
        };
        of(even, odd) + of(odd, even)
    };
    let tried = CHANGES.map(|change| (change, missed(change)));
    let best = tried.into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let change = best.map_or(1.0, |(change, _)| change);
    errors.fit_near(core, points, change, SWEEPS)
}

/// How large errors are to be expected.
struct Errors {
    /// Cycles by which half of the calls are further off, and half less.
    usual: f64,
    /// Of errors by weight, the root of the mean square.
    noise: f64,
}

impl Errors {
    /// Those that [`fit`] leaves.
    fn of(points: &[Point]) -> Self {
        let first = fit(points);
        let miss = |p: &Point| (p.cycles - cycles(p, &first, &first)).abs();
        let mut misses: Vec<f64> = points.iter().map(miss).collect();
        misses.sort_by(f64::total_cmp);
        let usual = misses.get(misses.len() / 2).copied().unwrap_or(0.0);
        let mut errors = Self { usual, noise: 0.0 };
        let squares = points
            .iter()
            .map(|p| (miss(p) * errors.weight(p.cycles)).powi(2));
        errors.noise = (squares.sum::<f64>() / points.len().max(1) as f64).sqrt();
        errors
    }

    /// What an error of a call counts: waiting adds the usual one to any call, its trips a share. Small calls count less than by [`fit`].
    fn weight(&self, cycles: f64) -> f64 {
        1.0 / cycles.hypot(self.usual / RELATIVE)
    }

    /// The coefficients that fit `points` and are not expected to be further from `core` than by this `change`.
    fn fit_near(
        &self,
        core: &Coefficients,
        points: &[Point],
        change: f64,
        sweeps: usize,
    ) -> Coefficients {
        let pull = |name: &str| {
            let cycles = core.get(name).copied().unwrap_or(0.0);
            let strength = self.noise / (change * cycles.abs().max(LEAST));
            (cycles, strength.powi(2))
        };
        weighted(points, |cycles| self.weight(cycles), pull, sweeps)
    }

    /// The square of the error of a call that was left out, by its weight.
    fn missed(&self, point: &Point, fitted: &Coefficients, core: &Coefficients) -> f64 {
        let error = point.cycles - cycles(point, fitted, core);
        (error * self.weight(point.cycles)).powi(2)
    }
}

/// The cycles of a call by `fitted`, or for loops that these do not know by `core`; none for those that neither knows.
fn cycles(point: &Point, fitted: &Coefficients, core: &Coefficients) -> f64 {
    let known = |name: &str| fitted.get(name).or(core.get(name)).copied();
    let trips = point.trips.iter();
    trips.map(|(name, n)| known(name).unwrap_or(0.0) * n).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::tests::{known, points};
    use runtime_shared::rng::Rng;

    fn core(points: &[Point]) -> Coefficients {
        let names = points.iter().flat_map(|p| p.trips.iter());
        names
            .map(|(name, _)| (name.to_owned(), known(name)))
            .collect()
    }

    /// How far `found` are from what is known, in the mean, as a share.
    fn distance(found: &Coefficients) -> f64 {
        let off = found
            .iter()
            .map(|(name, cycles)| (cycles / known(name) - 1.0).abs());
        off.sum::<f64>() / found.len() as f64
    }

    #[test]
    fn calls_that_differ_by_chance_leave_the_core_as_it_is() {
        let mut rng = Rng::new(5);
        let points = points(240, || 1.0 + 0.3 * f64::from(2.0 * rng.unit() - 1.0));
        let found = fit_waiting(&points, &core(&points));
        assert!(distance(&found) < 0.02, "{found:?}");
        // Without the core they would not.
        assert!(distance(&fit(&points)) > 0.2);
    }

    #[test]
    fn loops_that_wait_are_found() {
        let mut rng = Rng::new(5);
        let points = points(240, || 3.0 + 0.003 * f64::from(2.0 * rng.unit() - 1.0));
        let found = fit_waiting(&points, &core(&points));
        for point in &points {
            let predicted = cycles(point, &found, &found);
            assert!((predicted / point.cycles - 1.0).abs() < 0.01);
        }
    }
}
