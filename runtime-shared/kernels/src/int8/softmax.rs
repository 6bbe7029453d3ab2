//! Softmax in 8 bits, in gemmlowp's fixed-point arithmetic. The output's scale is 1/256, its zero point -128.

use super::multiplier::{Multiplier, divide, high};

/// Bits before the point of a difference of inputs.
const DIFFERENCE: i32 = 5;
/// Bits before the point of the sum of exponentials.
const SUM: i32 = 12;

/// What a softmax of inputs of one scale needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// From differences of bytes to differences of 26 fraction bits.
    pub multiplier: Multiplier,
    /// The least difference from the maximum that counts.
    pub least: i32,
}

impl Softmax {
    /// Of inputs of scale `scale`, multiplied by `beta`. Nothing if their product is so small (2^-26) or so odd that there is none.
    pub fn new(scale: f32, beta: f32) -> Option<Self> {
        let real = f64::from(beta) * f64::from(scale) * f64::from(1 << (31 - DIFFERENCE));
        if real.is_nan() || real <= 1.0 {
            return None;
        }
        let multiplier = Multiplier::new(if real < 2_147_483_647.0 {
            real
        } else {
            2_147_483_647.0
        })?;
        let radius = ((1i64 << DIFFERENCE) - 1) << (31 - DIFFERENCE) >> multiplier.shift;
        Some(Self {
            multiplier,
            least: -(radius as i32),
        })
    }

    /// `y` = the softmax of `x`, of equal length.
    #[inline(never)]
    pub fn forward(self, x: &[i8], y: &mut [i8]) {
        let max = x.iter().copied().fold(i8::MIN, i8::max);
        let exponential = |x: i8| {
            let below = i32::from(x) - i32::from(max);
            (below >= self.least).then(|| exp(self.scaled(below)))
        };
        let sum = x
            .iter()
            .filter_map(|x| exponential(*x))
            .fold(0i32, |sum, e| sum.wrapping_add(divide(e, SUM)));
        let (reciprocal, over_unit) = reciprocal(sum);
        for (y, x) in y.iter_mut().zip(x) {
            *y = match exponential(*x) {
                Some(e) => {
                    let p = divide(high(reciprocal, e), (over_unit + 23).clamp(0, 31));
                    (p - 128).clamp(-128, 127) as i8
                }
                None => -128,
            };
        }
    }

    #[inline(always)]
    fn scaled(self, below: i32) -> i32 {
        let shift = self.multiplier.shift.clamp(0, 31) as u32;
        high(below.wrapping_shl(shift), self.multiplier.multiplier)
    }
}

/// e^a for a in -1/4 … 0, with 31 fraction bits: four terms of Taylor's series around -1/8.
fn exp_of_quarter(a: i32) -> i32 {
    const AT_EIGHTH: i32 = 1_895_147_668;
    const THIRD: i32 = 715_827_883;
    let x = a.wrapping_add(1 << 28);
    let x2 = high(x, x);
    let x3 = high(x2, x);
    let x4 = high(x2, x2);
    let rest = divide(high(divide(x4, 2) + x3, THIRD) + x2, 1);
    AT_EIGHTH.wrapping_add(high(AT_EIGHTH, x + rest))
}

/// e^-(2^(i - 2)) with 31 fraction bits.
const POWERS: [i32; 7] = [
    1_672_461_947,
    1_302_514_674,
    790_015_084,
    290_630_308,
    39_332_535,
    720_401,
    242,
];

/// e^a for a <= 0 of 26 fraction bits, with 31 fraction bits.
#[inline(never)]
fn exp(a: i32) -> i32 {
    const FRACTION: i32 = 31 - DIFFERENCE;
    const QUARTER: i32 = 1 << (FRACTION - 2);
    if a == 0 {
        return i32::MAX;
    }
    let within = (a & (QUARTER - 1)) - QUARTER;
    let mut result = exp_of_quarter(within << DIFFERENCE);
    let rest = within.wrapping_sub(a);
    for (i, power) in POWERS.iter().enumerate() {
        if rest & (QUARTER << i) != 0 {
            result = high(result, *power);
        }
    }
    result
}

/// 1 / sum with 31 fraction bits, for a sum of 19, and by how many bits more the sum exceeds 1.
#[inline(never)]
fn reciprocal(sum: i32) -> (i32, i32) {
    let zeros = sum.leading_zeros() as i32;
    let over_unit = SUM - zeros;
    let unit = (((sum as u32) << (zeros & 31)) as i32).wrapping_sub(i32::MIN);
    (one_over_one_plus(unit), over_unit)
}

/// 1 / (1 + a) for a in 0 … 1, both with 31 fraction bits: three steps of Newton's method on 2 / (1 + a), which has 29.
#[inline(never)]
fn one_over_one_plus(a: i32) -> i32 {
    // (a + 1) / 2, rounded.
    let half = ((i64::from(a) + i64::from(i32::MAX) + 1) / 2) as i32;
    const A: i32 = 1_515_870_810; // 48/17 with 29 fraction bits
    const B: i32 = -1_010_580_540; // -32/17
    let mut x = A.wrapping_add(high(half, B));
    for _ in 0..3 {
        let product = high(half, x);
        let error = (1 << 29) - product;
        x = x.wrapping_add(saturating_left(high(x, error), 2));
    }
    saturating_left(x, 1)
}

/// `x · 2^n`, saturated.
fn saturating_left(x: i32, n: u32) -> i32 {
    let most = (1i64 << (31 - n)) - 1;
    if i64::from(x) > most {
        i32::MAX
    } else if i64::from(x) < -most {
        i32::MIN
    } else {
        x << n
    }
}
