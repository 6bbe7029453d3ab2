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
pub fn ln(x: f32) -> f32 {
    libm::logf(x)
}

/// Hyperbolic tangent.
pub fn tanh(x: f32) -> f32 {
    libm::tanhf(x)
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
    fn cosine_is_near_the_double_precision_one() {
        for i in 0..=10_000 {
            let x = core::f32::consts::PI * i as f32 / 10_000.0;
            let error = (f64::from(super::cos(x)) - f64::from(x).cos()).abs();
            assert!(error < 1.0 / f64::from(1 << 22), "{x}: {error}");
        }
    }
}
