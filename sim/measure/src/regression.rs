//! The estimate of a mean over all steps from those that were measured.
//!
//! Kernels skip inputs that are zero, so a step's cycles depend on how dense its sample is. How dense all samples are is known without
//! measuring. So the mean is taken along the line through the measured steps, at the mean density of all: the regression estimator of
//! survey sampling (Cochran, Sampling Techniques, 3rd ed., chapter 7). Where density does not matter its slope is near zero, and the
//! estimate near the plain mean.

/// A measured figure with the density of what it was measured on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Density of the sample, 0 to 1.
    pub density: f64,
    /// The figure.
    pub value: f64,
}

/// An estimate of a mean.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its standard error; infinite from a single point.
    pub standard_error: f64,
}

/// Points below which a slope is not estimated: it would follow the noise.
const FEWEST: usize = 5;

/// The mean of the figure over a population whose mean density is `density`.
pub fn mean(points: &[Point], density: f64) -> Mean {
    let n = points.len() as f64;
    if points.is_empty() {
        return Mean::default();
    }
    let x = points.iter().map(|p| p.density).sum::<f64>() / n;
    let y = points.iter().map(|p| p.value).sum::<f64>() / n;
    let xx: f64 = points.iter().map(|p| (p.density - x).powi(2)).sum();
    let xy: f64 = points.iter().map(|p| (p.density - x) * (p.value - y)).sum();
    let fits = points.len() >= FEWEST && xx > 1e-9;
    let slope = if fits { xy / xx } else { 0.0 };
    let freedom = n - if fits { 2.0 } else { 1.0 };
    let residuals: f64 = points
        .iter()
        .map(|p| (p.value - y - slope * (p.density - x)).powi(2))
        .sum();
    let variance = residuals / freedom;
    let distance = if fits {
        (density - x).powi(2) / xx
    } else {
        0.0
    };
    Mean {
        value: y + slope * (density - x),
        standard_error: if freedom > 0.0 {
            (variance * (1.0 / n + distance)).sqrt()
        } else {
            f64::INFINITY
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_shared::rng::Rng;

    #[test]
    fn a_line_is_followed_to_the_mean_of_all() {
        let points: Vec<Point> = [0.1, 0.15, 0.2, 0.3, 0.12, 0.4]
            .map(|density| Point {
                density,
                value: 1000.0 + 5000.0 * density,
            })
            .to_vec();
        let mean = mean(&points, 0.25);
        assert!((mean.value - 2250.0).abs() < 1e-6, "{mean:?}");
        assert!(mean.standard_error < 1e-6, "{mean:?}");
    }

    /// Of 400 samples of 12 from a population, the true mean lies within two standard errors of the estimate about as often as theory
    /// has it (95 % of a normal law; somewhat fewer of so few points).
    #[test]
    fn the_standard_error_is_true() {
        let mut rng = Rng::new(5);
        let mut draw = || {
            let density = 0.1 + 0.2 * f64::from(rng.unit());
            let noise: f64 = (0..12).map(|_| f64::from(rng.unit())).sum::<f64>() - 6.0;
            Point {
                density,
                value: 500.0 + 4000.0 * density + 60.0 * noise,
            }
        };
        let within = (0..400)
            .filter(|_| {
                let points: Vec<Point> = (0..12).map(|_| draw()).collect();
                let mean = mean(&points, 0.2);
                (mean.value - 1300.0).abs() < 2.0 * mean.standard_error
            })
            .count();
        assert!((352..=396).contains(&within), "{within} of 400");
    }

    #[test]
    fn one_point_has_no_error_that_is_known() {
        let point = Point {
            density: 0.2,
            value: 7.0,
        };
        assert_eq!(mean(&[point], 0.9).value, 7.0);
        assert_eq!(mean(&[point], 0.9).standard_error, f64::INFINITY);
    }
}
