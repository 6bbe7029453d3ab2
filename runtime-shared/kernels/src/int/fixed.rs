//! Rounding, saturation and dither: the arithmetic that all integer kernels share.

/// The largest delta.
pub const DELTA: i32 = 32_767;

/// The largest sum of gradients.
pub const GRADIENT: i32 = 1 << 30;

/// The largest bias.
pub const BIAS: i32 = (1 << 29) - 1;

/// `v` within `-limit..=limit`.
#[inline(always)]
pub fn sat(v: i32, limit: i32) -> i32 {
    if v > limit {
        limit
    } else if v < -limit {
        -limit
    } else {
        v
    }
}

/// `v · 2^-shift`, to nearest, ties up; `shift` is below 32. To the left (`shift` below zero) saturating at the ends of i32, which
/// is exact wherever the caller saturates at less.
#[inline(always)]
pub fn rnd(v: i32, shift: i32) -> i32 {
    if shift > 0 {
        // Shifting before adding leaves room for the carry.
        let twice = v >> (shift - 1);
        (twice >> 1) + (twice & 1)
    } else if shift == 0 {
        v
    } else {
        left(v, -shift)
    }
}

#[inline(never)]
fn left(v: i32, shift: i32) -> i32 {
    let most = i32::MAX >> shift.min(31);
    if v > most {
        i32::MAX
    } else if v < -most {
        i32::MIN
    } else {
        v << shift.min(31)
    }
}

/// `sat(rnd(v, shift), limit)`.
#[inline(always)]
pub fn rnd_sat(v: i32, shift: i32, limit: i32) -> i32 {
    sat(rnd(v, shift), limit)
}

/// A bijection of u32 whose output looks random (C. Wellons' `lowbias32`, 2018).
#[inline(always)]
pub fn mix(mut x: u32) -> u32 {
    x ^= x >> 16;
    x = x.wrapping_mul(0x7feb_352d);
    x ^= x >> 15;
    x = x.wrapping_mul(0x846c_a68b);
    x ^ (x >> 16)
}

/// Numbers below 2^shift, one a row of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dither {
    seed: u32,
    shift: u32,
}

impl Dither {
    /// The dither of step `step`, counted from 1, of layer `layer`; `shift` is 1 to 31.
    pub fn new(step: u32, layer: u32, shift: u32) -> Self {
        Self {
            seed: mix(step.wrapping_mul(0x9e37_79b9).wrapping_add(layer)),
            shift,
        }
    }

    /// That of a row.
    #[inline(always)]
    pub fn row(self, row: usize) -> i32 {
        let x = self
            .seed
            .wrapping_add((row as u32).wrapping_mul(0x2545_f491));
        (mix(x) >> ((32 - self.shift) & 31)) as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_with_wide_integers() {
        let edges = [
            0,
            1,
            2,
            3,
            127,
            128,
            32_767,
            1 << 29,
            i32::MAX - 1,
            i32::MAX,
        ];
        for v in edges.into_iter().flat_map(|v: i32| [v, -v, !v]) {
            for shift in -31..=31 {
                let wide = i64::from(v);
                let expected = match shift {
                    1.. => (wide + (1 << (shift - 1))) >> shift,
                    _ => wide << -shift,
                };
                let expected = expected.clamp(i32::MIN.into(), i32::MAX.into());
                assert_eq!(i64::from(rnd(v, shift)), expected, "{v} by {shift}");
            }
        }
    }

    #[test]
    fn dither_is_below_its_power_and_spreads() {
        for shift in 1..=31 {
            let dither = Dither::new(7, 3, shift);
            let mean = (0..1000).map(|row| f64::from(dither.row(row))).sum::<f64>() / 1000.0;
            let top = f64::from(2f32.powi(shift as i32));
            assert!((0..1000).all(|row| f64::from(dither.row(row)) < top && dither.row(row) >= 0));
            let expected = (top - 1.0) / 2.0;
            assert!((mean - expected).abs() < 0.05 * top, "{shift}: {mean}");
        }
    }
}
