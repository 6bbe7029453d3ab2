//! What can be concluded from a few seeds.
//!
//! - [`bootstrap`] — an interval around a mean (or anything else) without assuming how values are distributed.
//! - [`paired`] — two strategies on the same seeds: tests, effect sizes, and Holm's correction where several pairs are
//!   tested.
//! - [`survival`] — times until something happens, where for some seeds it did not: Kaplan–Meier.
//! - [`distribution`] — the probabilities that these need.
//!
//! All of it is checked against scipy (`scripts/statistics.py`). What too few values cannot support is `None`, not a
//! number. Transcendentals are libm's, so that the same values give the same bits on every machine.

pub mod bootstrap;
pub mod distribution;
pub mod paired;
pub mod survival;

/// The arithmetic mean; not a number where there are no values.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The standard deviation of the distribution that `values` are a sample of: divided by one less than their number.
pub fn deviation(values: &[f64]) -> f64 {
    let centre = mean(values);
    let squares: f64 = values.iter().map(|v| (v - centre) * (v - centre)).sum();
    (squares / (values.len() as f64 - 1.0)).sqrt()
}

/// The value below which a share of `sorted` values lies, between neighbours by straight lines, as numpy has it.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * sorted.len().saturating_sub(1) as f64;
    let below = place.floor() as usize;
    match (sorted.get(below), sorted.get(below + 1)) {
        (Some(a), Some(b)) => a + (b - a) * (place - below as f64),
        (Some(a), None) => *a,
        _ => f64::NAN,
    }
}
