//! Floating point as the Cortex-M units do it: results, rounding, NaNs and FPSCR flags.
//!
//! The module `arithmetic` computes every operation from integers, in the terms of the architecture's
//! pseudocode. Single precision under the reset settings (nearest, no flushing, no default NaN)
//! takes the host's instruction instead, and falls back wherever the result is not a plain normal number;
//! whether it was exact is recovered by error-free transformations in double precision.

mod arithmetic;
mod convert;
mod fast;
mod soft;

pub use arithmetic::{compare, max_number, min_number};
pub use convert::{
    fixed_to_float, float_to_fixed, from_half, precision, round_to_integral, to_half,
};
pub use fast::{add, div, fma, mul, sqrt, sub};
pub use soft::{Double, Format, Single};

/// Invalid operation, cumulative.
pub const IOC: u32 = 1;
/// Division by zero, cumulative.
pub const DZC: u32 = 1 << 1;
/// Overflow, cumulative.
pub const OFC: u32 = 1 << 2;
/// Underflow, cumulative.
pub const UFC: u32 = 1 << 3;
/// Inexact, cumulative.
pub const IXC: u32 = 1 << 4;
/// Input denormal, cumulative.
pub const IDC: u32 = 1 << 7;
const RMODE: u32 = 3 << 22;
const FZ: u32 = 1 << 24;
const DN: u32 = 1 << 25;
const AHP: u32 = 1 << 26;

/// Bits of FPSCR that exist: N, Z, C, V, AHP, DN, FZ, RMode and the cumulative flags.
const IMPLEMENTED: u32 = 0xf000_0000 | AHP | DN | FZ | RMODE | IDC | 0x1f;

/// The floating-point status and control register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fpscr {
    bits: u32,
    special: bool,
}

/// How a result is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest,
    /// Towards plus infinity.
    Up,
    /// Towards minus infinity.
    Down,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    NearestAway,
}

impl Fpscr {
    /// A register with the given bits; those that do not exist read as zero.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Fpscr {
            bits: bits & IMPLEMENTED,
            special: bits & (RMODE | FZ | DN) != 0,
        }
    }

    /// All bits.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.bits
    }

    /// Sets the condition flags from a comparison, as four bits NZCV.
    #[inline]
    pub fn set_nzcv(&mut self, nzcv: u32) {
        self.bits = self.bits & 0x0fff_ffff | nzcv << 28;
    }

    /// Whether rounding, flushing or NaN handling differ from the reset settings.
    #[inline(always)]
    const fn is_special(self) -> bool {
        self.special
    }

    /// Raises cumulative flags.
    #[inline(always)]
    pub(crate) fn raise(&mut self, flags: u32) {
        self.bits |= flags;
    }

    #[inline(always)]
    const fn has(self, flag: u32) -> bool {
        self.bits & flag != 0
    }

    /// The rounding mode that the register selects.
    #[must_use]
    pub const fn rounding(self) -> Rounding {
        match self.bits >> 22 & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Up,
            2 => Rounding::Down,
            _ => Rounding::Zero,
        }
    }

    /// The rounding mode of an instruction's code: 0 to 3 as in the register, 4 the register's, 5 ties away.
    #[must_use]
    pub const fn rounding_of(self, code: u8) -> Rounding {
        match code {
            0 => Rounding::Nearest,
            1 => Rounding::Up,
            2 => Rounding::Down,
            3 => Rounding::Zero,
            5 => Rounding::NearestAway,
            _ => self.rounding(),
        }
    }
}
