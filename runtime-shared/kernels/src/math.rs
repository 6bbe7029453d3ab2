//! The only door to transcendental functions.
//!
//! A platform's own `expf` or `tanhf` differs in the last bit from another's; `libm`, pinned to one
//! version, is integer code and plain f32 arithmetic, so it gives the same bits everywhere. Nobody
//! else in the core calls it; square roots, which some cores have an instruction for, come from
//! [`machine`].

use crate::machine;

/// eˣ.
pub fn exp(x: f32) -> f32 {
    libm::expf(x)
}

/// Natural logarithm; `-∞` at 0, NaN below.
#[inline(never)]
pub fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Hyperbolic tangent, to four units in the last place: below 1/4 by its Taylor series up to the ninth
/// power, else by an exponential. libm's takes another half kilobyte of flash for its `expm1f`.
pub fn tanh(x: f32) -> f32 {
    let magnitude = x.abs();
    if magnitude < 0.25 {
        let square = x * x;
        let sum = 17.0 / 315.0 - square * (62.0 / 2_835.0);
        let sum = 2.0 / 15.0 - square * sum;
        let sum = 1.0 / 3.0 - square * sum;
        return x * (1.0 - square * sum);
    }
    let small = exp(-2.0 * magnitude);
    let result = (1.0 - small) / (1.0 + small);
    if x < 0.0 { -result } else { result }
}

/// Cosine of an angle of 0 to π, to 2⁻²²: the sine of π/2 − x by its Taylor series up to the thirteenth
/// power. For schedules; libm's reduces its argument in f64, which takes 8 KB of flash where there is
/// no double-precision unit.
pub fn cos(x: f32) -> f32 {
    /// 1/3!, 1/5!, … 1/13!, of alternating sign.
    const TERMS: [f32; 6] = [
        -1.0 / 6.0,
        1.0 / 120.0,
        -1.0 / 5_040.0,
        1.0 / 362_880.0,
        -1.0 / 39_916_800.0,
        1.0 / 6_227_020_800.0,
    ];
    let angle = core::f32::consts::FRAC_PI_2 - x;
    let square = angle * angle;
    let sum = TERMS
        .iter()
        .rev()
        .fold(0.0, |sum, term| sum * square + term);
    angle + angle * square * sum
}

/// Square root, correctly rounded; NaN below 0.
pub fn sqrt(x: f32) -> f32 {
    machine::sqrt(x)
}

/// The logistic function 1 / (1 + e⁻ˣ).
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

#[cfg(test)]
mod tests {
    #[test]
    fn hyperbolic_tangent_is_near_the_double_precision_one() {
        for i in -200_000..=200_000 {
            let x = i as f32 / 16_384.0;
            let exact = f64::from(x).tanh();
            let error = (f64::from(super::tanh(x)) - exact).abs();
            assert!(
                error <= 4.0 * f64::from(f32::EPSILON) * exact.abs(),
                "{x}: {error}"
            );
        }
        assert!(super::tanh(f32::NAN).is_nan());
        assert_eq!(super::tanh(-0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(super::tanh(f32::NEG_INFINITY), -1.0);
    }

    #[test]
    fn cosine_is_near_the_double_precision_one() {
        for i in 0..=10_000 {
            let x = core::f32::consts::PI * i as f32 / 10_000.0;
            let error = (f64::from(super::cos(x)) - f64::from(x).cos()).abs();
            assert!(error < 1.0 / f64::from(1 << 22), "{x}: {error}");
        }
    }
}
