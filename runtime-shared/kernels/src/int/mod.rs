//! Training in integers: the kernels of `docs/integer.md`.
//!
//! Weights are [`i16`] or [`i8`] (a [`Weight`]), activations `i8`, deltas `i16`, biases, accumulators and logits `i32`; every
//! scale is a power of two, so a rescaling is a shift with rounding. A Cortex-M0+ multiplies integers in a cycle or two and
//! floats in a hundred; and where memory is short, a weight takes two bytes or one.
//!
//! Kernels get shifts and limits as numbers. Which fractions they come from is the caller's business, since exponents of
//! activations change while training.
//!
//! **Bits.** Sums are exact, so their order is nobody's concern, but for sums that saturate: a gradient's, row by row of the output, and a
//! delta's over several readers. The page says in which order.

pub mod add;
pub mod bias;
pub mod conv2d;
pub mod convert;
pub mod decay;
pub mod delta;
pub mod dense;
pub mod depthwise;
pub mod fixed;
pub mod loss;
mod operands;
pub mod pool;
pub mod record;
pub mod update;

/// A weight as it is stored.
pub trait Weight: Copy {
    /// Its value.
    fn wide(self) -> i32;
    /// The weight of a value that is within the type's limits.
    fn narrow(value: i32) -> Self;
}

impl Weight for i8 {
    #[inline(always)]
    fn wide(self) -> i32 {
        i32::from(self)
    }
    #[inline(always)]
    fn narrow(value: i32) -> Self {
        value as i8
    }
}

impl Weight for i16 {
    #[inline(always)]
    fn wide(self) -> i32 {
        i32::from(self)
    }
    #[inline(always)]
    fn narrow(value: i32) -> Self {
        value as i16
    }
}

/// How accumulators become activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activation {
    /// The accumulator's fraction less the activation's.
    pub shift: i32,
    /// Whether negative values become zero.
    pub relu: bool,
}

impl record::Record {
    /// How the accumulators of a layer with weights become activations; `call` says whether there is a ReLU.
    fn activation(&self, call: &crate::call::Call) -> Activation {
        Activation {
            shift: self.weights + self.input - self.output,
            relu: call.activation == crate::activation::Activation::Relu,
        }
    }
}

impl Activation {
    /// The activation of an accumulator. Adds to `clipped` if the value was beyond what an `i8` holds.
    #[inline(always)]
    pub fn apply(self, acc: i32, clipped: &mut u32) -> i8 {
        let value = fixed::rnd(acc, self.shift);
        let low = if self.relu { 0 } else { -127 };
        if value > 127 || (value < low && !self.relu) {
            *clipped += 1;
        }
        value.clamp(low, 127) as i8
    }
}

/// The exponent (fraction) of a layer's activations after an update: one less if more than one output in 64 was clipped.
///
/// `clipped` of `outputs` values, which counts all samples of a batch.
pub fn exponent_after(exponent: u8, clipped: u32, outputs: u32) -> u8 {
    if clipped > outputs / 64 {
        exponent.saturating_sub(1)
    } else {
        exponent
    }
}
