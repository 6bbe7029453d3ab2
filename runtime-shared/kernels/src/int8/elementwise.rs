//! Additions, multiplications, rectifiers and conversions in 8 bits.

use super::Output;
use super::multiplier::Multiplier;

/// A term of an addition or a factor of a multiplication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its zero point.
    pub zero: i32,
    /// Its scale by twice the larger scale of both; not used by a multiplication.
    pub multiplier: Multiplier,
}

/// By how many bits terms are shifted to the left before they are rescaled and added.
pub const LEFT: u32 = 20;

/// The multipliers of an addition of tensors of these scales: of both terms, and of the sum. Nothing for scales that make no sense.
pub fn add_multipliers(x: f32, y: f32, out: f32) -> Option<[Multiplier; 3]> {
    let [x, y, out] = [x, y, out].map(f64::from);
    let twice = 2.0 * if x > y { x } else { y };
    let shifted = f64::from(1u32 << LEFT);
    Some([
        Multiplier::new(x / twice)?,
        Multiplier::new(y / twice)?,
        Multiplier::new(twice / (shifted * out))?,
    ])
}

/// `out = x + y`, element by element; a `y` of one element is added to all. `output`'s multiplier is that of the sum.
#[inline(never)]
pub fn add(x: &[i8], a: Term, y: &[i8], b: Term, out: &mut [i8], output: &Output<'_>) {
    let scaled = |q: i8, term: Term| {
        let shifted = (i32::from(q) - term.zero) << LEFT;
        term.multiplier.apply(shifted)
    };
    pairs(x, y, out, |x, y| {
        output.apply(scaled(x, a).wrapping_add(scaled(y, b)), 0)
    });
}

/// `out = x · y`, element by element; a `y` of one element multiplies all. `output`'s multiplier is the product of both scales by the
/// output's.
#[inline(never)]
pub fn mul(x: &[i8], a: i32, y: &[i8], b: i32, out: &mut [i8], output: &Output<'_>) {
    pairs(x, y, out, |x, y| {
        output.apply((i32::from(x) - a) * (i32::from(y) - b), 0)
    });
}

#[inline(always)]
fn pairs(x: &[i8], y: &[i8], out: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    for (i, (out, x)) in out.iter_mut().zip(x).enumerate() {
        let other = if y.len() == 1 { y.first() } else { y.get(i) };
        *out = f(*x, other.copied().unwrap_or(0));
    }
}

/// `y = x` in another scale and zero point: also a rectifier, by `output`'s limits.
#[inline(never)]
pub fn requantise(x: &[i8], zero: i32, y: &mut [i8], output: &Output<'_>) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = output.apply(i32::from(*x) - zero, 0);
    }
}

/// `y` = `x` within `low` and `high`, in the same scale.
#[inline(never)]
pub fn clamp(x: &[i8], low: i8, high: i8, y: &mut [i8]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = (*x).min(high).max(low);
    }
}

/// `y` = the byte that stands for `x`: `x / scale` rounded to nearest, halves away from zero, plus the zero point, limited. What is not a
/// number becomes the zero point.
#[inline(never)]
pub fn quantise(x: &[f32], scale: f32, zero: i32, y: &mut [i8]) {
    for (y, x) in y.iter_mut().zip(x) {
        let real = (x / scale).clamp(-1e6, 1e6);
        *y = (round(real) + zero).clamp(-128, 127) as i8;
    }
}

/// To nearest, halves away from zero, of a number whose integer part an i32 holds.
#[inline(always)]
pub(super) fn round(v: f32) -> i32 {
    let whole = v as i32;
    let rest = v - whole as f32;
    whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)
}

/// `y = scale · (x − zero)`.
#[inline(never)]
pub fn dequantise(x: &[i8], scale: f32, zero: i32, y: &mut [f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = scale * (i32::from(*x) - zero) as f32;
    }
}
