//! Inference in 8 bits, in TensorFlow Lite's arithmetic: what a frozen part of a network is quantised to.
//!
//! A tensor's byte q stands for the real number `scale · (q − zero point)`. Scales are any real numbers, so a rescaling is a multiplication by a
//! [`multiplier`]; weights have one scale a layer or one an output channel, and zero point 0. The bits are those of
//! TensorFlow Lite Micro's reference kernels with double rounding (the default), which tests compare in every byte. Training has another
//! arithmetic, [`crate::int`], whose scales are powers of two.
//!
//! Accumulators are i32. They cannot overflow up to a fan-in of 66,000 (255 · 127 each) and the biases of real models.

use multiplier::Multiplier;

pub mod conv2d;
pub mod dense;
pub mod elementwise;
pub mod layout;
pub mod multiplier;
pub mod pool;
pub mod softmax;

/// How accumulators become outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output<'a> {
    /// Multiplier and shift, alternating: a pair for each channel, or one for all.
    pub multipliers: &'a [i32],
    /// The output's zero point.
    pub zero: i32,
    /// The least output: -128, or what an activation function leaves.
    pub low: i32,
    /// The greatest output.
    pub high: i32,
}

impl Output<'_> {
    /// The multiplier of channel `c`.
    #[inline(always)]
    fn multiplier(&self, c: usize) -> Multiplier {
        let (pairs, _) = self.multipliers.as_chunks::<2>();
        let pair = if pairs.len() == 1 {
            pairs.first()
        } else {
            pairs.get(c)
        };
        let [multiplier, shift] = *pair.unwrap_or(&[0, 0]);
        Multiplier { multiplier, shift }
    }

    /// The output of channel `c` whose accumulator is `acc`.
    #[inline(always)]
    pub fn apply(&self, acc: i32, c: usize) -> i8 {
        self.limit(self.multiplier(c).apply(acc).wrapping_add(self.zero))
    }

    /// `value` within the limits.
    #[inline(always)]
    fn limit(&self, value: i32) -> i8 {
        value.min(self.high).max(self.low) as i8
    }
}

/// The least and the greatest byte of a tensor whose values an activation function keeps within `low` and `high`, where there are such.
pub fn limits(low: Option<f32>, high: Option<f32>, scale: f32, zero: i32) -> (i32, i32) {
    let byte = |v: f32| zero.saturating_add(elementwise::round((v / scale).clamp(-1e6, 1e6)));
    (
        low.map_or(-128, |v| byte(v).max(-128)),
        high.map_or(127, |v| byte(v).min(127)),
    )
}
