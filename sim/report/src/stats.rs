//! Means over seeds with their 95 % confidence interval.

use crate::Estimate;

/// Two-sided level of every interval in a report.
const LEVEL: f64 = 0.95;

/// Mean of `values` and half width of its 95 % confidence interval by Student's t.
///
/// The interval is `None` for a single value; the whole is `None` for none.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    if values.is_empty() {
        return None;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let ci95 = (values.len() > 1).then(|| {
        let squares: f64 = values
            .iter()
            .map(|value| (value - mean) * (value - mean))
            .sum();
        t_quantile(values.len() as u32 - 1) * (squares / (count - 1.0) / count).sqrt()
    });
    Some(Estimate { mean, ci95 })
}

/// The t at which a Student variable of `freedom` ≥ 1 degrees lies within ±t with probability 0.95.
#[must_use]
pub fn t_quantile(freedom: u32) -> f64 {
    // At one degree of freedom t is 12.7, and it falls from there.
    let (mut low, mut high) = (0.0, 16.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if probability_within(middle, freedom.max(1)) < LEVEL {
            low = middle
        } else {
            high = middle
        }
    }
    f64::midpoint(low, high)
}

/// A(t|ν), the probability of a Student variable within ±t: the finite sums of Abramowitz & Stegun,
/// Handbook of Mathematical Functions, 26.7.3 (odd ν) and 26.7.4 (even ν). \[S\]
fn probability_within(t: f64, freedom: u32) -> f64 {
    // Only what IEEE 754 rounds, and one arc tangent that is the same code everywhere: the interval is
    // part of files that must not depend on the machine.
    let tangent = t / f64::from(freedom).sqrt();
    let cos = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sin = tangent * cos;
    let odd = freedom % 2 == 1;
    let mut term = if odd { cos } else { 1.0 };
    let mut sum = if freedom == 1 { 0.0 } else { term };
    let mut k = if odd { 3 } else { 2 };
    while k + 2 <= freedom {
        // Odd ν multiplies by 2/3, 4/5, …; even ν by 1/2, 3/4, ….
        term *= cos * cos * f64::from(k - 1) / f64::from(k);
        sum += term;
        k += 2;
    }
    if odd {
        (libm::atan(tangent) + sin * sum) * std::f64::consts::FRAC_2_PI
    } else {
        sin * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_printed_tables() {
        // Abramowitz & Stegun, table 26.10, column 0.95, to the three decimals that are printed.
        for (freedom, expected) in [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (9, 2.262),
            (10, 2.228),
            (19, 2.093),
            (30, 2.042),
            (60, 2.000),
            (120, 1.980),
        ] {
            let found = t_quantile(freedom);
            assert!((found - expected).abs() < 5.1e-4, "{freedom}: {found}");
        }
    }

    #[test]
    fn an_interval_follows_its_definition() {
        // 1, 2, 3, 4: mean 2.5, standard deviation √(5/3), t₃ = 3.182446.
        let Estimate { mean, ci95 } = estimate(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!(mean, 2.5);
        let expected = 3.182_446 * (5.0_f64 / 3.0 / 4.0).sqrt();
        assert!((ci95.unwrap() - expected).abs() < 1e-5);
    }

    #[test]
    fn one_seed_has_no_interval_and_no_seed_no_mean() {
        assert_eq!(
            estimate(&[0.5]),
            Some(Estimate {
                mean: 0.5,
                ci95: None
            })
        );
        assert_eq!(estimate(&[]), None);
    }
}
