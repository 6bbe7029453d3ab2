//! Least squares for coefficients that are not negative.

use crate::trips::{GIVE_BACK, SUBNORMAL, SURPRISE, Trips};
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

/// Sweeps of coordinate descent: enough for some forty coefficients that depend on each other.
pub(crate) const SWEEPS: usize = 50_000;

/// Whether a loop costs nothing where a core's fit does not know it.
pub fn is_optional(name: &str) -> bool {
    gives_back(name) || name == SURPRISE || name == SUBNORMAL
}

/// Whether a loop's trips take no time but give some back.
fn gives_back(name: &str) -> bool {
    GIVE_BACK.contains(&name)
}

/// The coefficients that minimise the sum of squares of *relative* errors, none of them negative but those of
/// [`GIVE_BACK`], which are not positive: a trip takes time, or gives some back.
pub fn fit(points: &[Point]) -> Coefficients {
    weighted(points, |cycles| 1.0 / cycles, |_| (0.0, 0.0), SWEEPS)
}

/// The coefficients that minimise the sum of squares of errors, each times the weight of a call that takes so many cycles, and of how
/// far they are from where a loop's name pulls them, times the square root of how strongly.
///
/// Coordinate descent on the normal equations, which has one minimum since the problem is convex.
pub(crate) fn weighted(
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
pub(crate) mod tests {
    use super::*;
    use crate::trips::{self, Activity};
    use runtime_shared::program::{Call, Kernel};
    use runtime_shared::rng::Rng;

    /// What a trip takes, or gives back: another time for each name.
    pub(crate) fn known(name: &str) -> f64 {
        let cycles = name.bytes().map(f64::from).sum::<f64>() / 10.0;
        if gives_back(name) {
            -cycles / 10.0
        } else {
            cycles
        }
    }

    /// Calls of convolutions whose trips take what is [`known`], `off` for each.
    pub(crate) fn points(count: usize, mut off: impl FnMut() -> f64) -> Vec<Point> {
        let cases = crate::grid::cases(Kernel::Conv2d, count, &mut Rng::new(3));
        let mut point = |case: &crate::bench::Case| {
            let trips = trips::of(&case.call, case.update, &Activity::default());
            let cycles: f64 = trips.iter().map(|(name, n)| known(name) * n).sum();
            let cycles = cycles * off();
            Point { trips, cycles }
        };
        cases.iter().map(&mut point).collect()
    }

    #[test]
    fn calls_are_predicted_as_they_were() {
        let points = points(60, || 1.0);
        let found = fit(&points);
        for point in &points {
            let predicted = predict(&found, &point.trips).expect("all loops are known");
            assert!((predicted / point.cycles - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn a_loop_that_was_never_seen_is_named() {
        let call = Call::new(Kernel::Dense);
        let trips = trips::of(
            &call,
            trips::Update::new(call.rule, false, false),
            &Activity::default(),
        );
        assert_eq!(predict(&Coefficients::new(), &trips), Err("call"));
    }
}
