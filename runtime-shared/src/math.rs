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

/// Cosine of an angle in radians. It reduces its argument in f64, which is slow without a
/// double-precision unit: for schedules, not for inner loops.
pub fn cos(x: f32) -> f32 {
    libm::cosf(x)
}

/// Square root, correctly rounded; NaN below 0.
pub fn sqrt(x: f32) -> f32 {
    machine::sqrt(x)
}

/// The logistic function 1 / (1 + e⁻ˣ).
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}
