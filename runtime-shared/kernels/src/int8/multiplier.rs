//! Multiplication by a positive real number, in integers, as gemmlowp and TensorFlow Lite define it: rounded twice.

/// A real number: `multiplier · 2^(shift − 31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiplier {
    /// 2^30 … 2^31 − 1, or 0.
    pub multiplier: i32,
    /// The exponent.
    pub shift: i32,
}

impl Multiplier {
    /// The nearest to `real`, which is positive; less than 2^-32 becomes 0. Nothing for what is negative, not finite or 2^31 or more.
    pub fn new(real: f64) -> Option<Self> {
        if !(0.0..2_147_483_648.0).contains(&real) {
            return None;
        }
        // Halving and doubling are exact.
        let (mut fraction, mut shift) = (real, 0);
        while fraction >= 1.0 {
            fraction *= 0.5;
            shift += 1;
        }
        while fraction < 0.5 && shift >= -32 {
            fraction *= 2.0;
            shift -= 1;
        }
        // Positive, so that adding a half rounds halves away from zero; 31 bits and a half fit an f64.
        let mut fixed = (fraction * 2_147_483_648.0 + 0.5) as i64;
        if fixed == 1 << 31 {
            fixed /= 2;
            shift += 1;
        }
        if shift < -31 || fraction == 0.0 {
            (fixed, shift) = (0, 0);
        }
        Some(Self {
            multiplier: fixed as i32,
            shift,
        })
    }

    /// Input scale by weight scale by output scale: of convolutions, multiplications, and dense layers with a scale for each output.
    pub fn of_scales(x: f32, w: f32, out: f32) -> Option<Self> {
        Self::new(f64::from(x) * f64::from(w) / f64::from(out))
    }

    /// The same of dense layers with one scale for all weights, whose product is rounded to an f32 first.
    pub fn of_dense_scales(x: f32, w: f32, out: f32) -> Option<Self> {
        Self::new(f64::from(x * w) / f64::from(out))
    }

    /// Input scale by output scale.
    pub fn of_ratio(x: f32, out: f32) -> Option<Self> {
        Self::new(f64::from(x) / f64::from(out))
    }

    /// `x` times the number: first the product's upper half is rounded, then what a shift to the right drops.
    #[inline(always)]
    pub fn apply(self, x: i32) -> i32 {
        let x = x.wrapping_shl(self.shift.max(0) as u32);
        divide(high(x, self.multiplier), (-self.shift).max(0))
    }
}

/// The upper 32 bits of `2 · a · b`, rounded to nearest, ties away from zero, saturated.
#[inline(always)]
pub fn high(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    let product = i64::from(a) * i64::from(b);
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    // Truncates towards zero, unlike a shift.
    ((product + nudge) / (1 << 31)) as i32
}

/// `x / 2^exponent`, rounded to nearest, ties away from zero; `exponent` is 0 to 31.
#[inline(always)]
pub fn divide(x: i32, exponent: i32) -> i32 {
    let mask = ((1i64 << exponent) - 1) as i32;
    let threshold = (mask >> 1) + i32::from(x < 0);
    (x >> exponent) + i32::from((x & mask) > threshold)
}
