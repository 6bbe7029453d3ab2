//! Binary formats taken apart and put together, for any format up to double precision.
//!
//! A finite number is unpacked to `significand · 2^exponent`; an operation computes its exact result, or
//! the result with a sticky bit below it, and `pack` rounds once.

use super::{FZ, Fpscr, IDC, IXC, OFC, Rounding, UFC};

/// An IEEE 754 binary format, by the widths of its fields.
pub trait Format {
    /// Bits of the stored fraction.
    const FRACTION: u32;
    /// Bits of the exponent.
    const EXPONENT: u32;
    /// Bias of the exponent.
    const BIAS: i32 = (1 << (Self::EXPONENT - 1)) - 1;
    /// The largest biased exponent: infinities and NaNs.
    const MAX: u64 = (1 << Self::EXPONENT) - 1;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::FRACTION + Self::EXPONENT);
    /// Positive infinity.
    const INFINITY: u64 = Self::MAX << Self::FRACTION;
    /// The bit that makes a NaN quiet.
    const QUIET: u64 = 1 << (Self::FRACTION - 1);
    /// The NaN that operations on no NaN produce.
    const DEFAULT_NAN: u64 = Self::INFINITY | Self::QUIET;
}

/// binary16.
#[derive(Debug)]
pub struct Half;
/// binary32.
#[derive(Debug)]
pub struct Single;
/// binary64.
#[derive(Debug)]
pub struct Double;

impl Format for Half {
    const FRACTION: u32 = 10;
    const EXPONENT: u32 = 5;
}
impl Format for Single {
    const FRACTION: u32 = 23;
    const EXPONENT: u32 = 8;
}
impl Format for Double {
    const FRACTION: u32 = 52;
    const EXPONENT: u32 = 11;
}

/// What a bit pattern stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Zero,
    Finite,
    Infinity,
    QuietNan,
    SignallingNan,
}

/// A number taken apart; `significand` is not zero for finite ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unpacked {
    pub class: Class,
    pub negative: bool,
    pub exponent: i32,
    pub significand: u64,
}

impl Unpacked {
    pub(super) fn is_nan(&self) -> bool {
        matches!(self.class, Class::QuietNan | Class::SignallingNan)
    }
    pub(super) fn is(&self, class: Class) -> bool {
        self.class == class
    }
}

/// FPUnpack: flushes denormal inputs where FZ asks for it.
pub(super) fn unpack<F: Format>(value: u64, fp: &mut Fpscr) -> Unpacked {
    let fraction = value & ((1 << F::FRACTION) - 1);
    let exponent = value >> F::FRACTION & F::MAX;
    let negative = value & F::SIGN != 0;
    let zero = Unpacked {
        class: Class::Zero,
        negative,
        exponent: 0,
        significand: 0,
    };
    if exponent == 0 {
        if fraction == 0 {
            return zero;
        }
        if fp.has(FZ) && F::FRACTION > Half::FRACTION {
            fp.raise(IDC);
            return zero;
        }
        let lowest = 1 - F::BIAS - F::FRACTION as i32;
        return Unpacked {
            class: Class::Finite,
            exponent: lowest,
            significand: fraction,
            ..zero
        };
    }
    if exponent == F::MAX {
        let class = match fraction {
            0 => Class::Infinity,
            _ if fraction & F::QUIET != 0 => Class::QuietNan,
            _ => Class::SignallingNan,
        };
        return Unpacked {
            class,
            significand: fraction,
            ..zero
        };
    }
    Unpacked {
        class: Class::Finite,
        exponent: exponent as i32 - F::BIAS - F::FRACTION as i32,
        significand: fraction | 1 << F::FRACTION,
        ..zero
    }
}

pub(super) fn zero<F: Format>(negative: bool) -> u64 {
    if negative { F::SIGN } else { 0 }
}

pub(super) fn infinity<F: Format>(negative: bool) -> u64 {
    zero::<F>(negative) | F::INFINITY
}

/// Whether rounding moves the magnitude up, given the discarded part against one half.
pub(super) fn rounds_up(
    mode: Rounding,
    negative: bool,
    odd: bool,
    half: std::cmp::Ordering,
    inexact: bool,
) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match (mode, half) {
        (Rounding::Nearest, Equal) => odd,
        (Rounding::NearestAway, Equal) | (Rounding::Nearest | Rounding::NearestAway, Greater) => {
            true
        }
        (Rounding::Nearest | Rounding::NearestAway, Less) | (Rounding::Zero, _) => false,
        (Rounding::Up, _) => inexact && !negative,
        (Rounding::Down, _) => inexact && negative,
    }
}

/// A right shift that says what it lost: the quotient, the lost part against one half, whether any was lost.
pub(super) fn shift_out(value: u128, shift: u32, sticky: bool) -> (u128, std::cmp::Ordering, bool) {
    use std::cmp::Ordering;
    if shift == 0 {
        return (value, Ordering::Less, sticky);
    }
    if shift > 127 {
        return (0, Ordering::Less, value != 0 || sticky);
    }
    let lost = value & ((1 << shift) - 1);
    let half = lost.cmp(&(1 << (shift - 1)));
    let half = if half == Ordering::Equal && sticky {
        Ordering::Greater
    } else {
        half
    };
    (value >> shift, half, lost != 0 || sticky)
}

/// FPRound: `significand · 2^exponent`, with `sticky` for what lies below it, to the format.
pub(super) fn pack<F: Format>(
    negative: bool,
    exponent: i32,
    significand: u128,
    sticky: bool,
    mode: Rounding,
    fp: &mut Fpscr,
) -> u64 {
    let magnitude = exponent + 127 - significand.leading_zeros() as i32;
    let minimum = 1 - F::BIAS;
    let tiny = magnitude < minimum;
    if tiny && fp.has(FZ) && F::FRACTION > Half::FRACTION {
        fp.raise(UFC);
        return zero::<F>(negative);
    }
    let unit = magnitude.max(minimum) - F::FRACTION as i32;
    let (kept, half, inexact) = if unit >= exponent {
        shift_out(significand, (unit - exponent) as u32, sticky)
    } else {
        (
            significand << (exponent - unit),
            std::cmp::Ordering::Less,
            sticky,
        )
    };
    let kept = kept as u64 + u64::from(rounds_up(mode, negative, kept & 1 == 1, half, inexact));
    // Below the normal numbers the biased exponent is that of the unit, without the implicit bit.
    let biased = (unit + F::FRACTION as i32 + F::BIAS - 1) as u64;
    let value = (biased << F::FRACTION) + kept;
    if value >= F::INFINITY {
        fp.raise(OFC | IXC);
        let to_infinity = match mode {
            Rounding::Nearest | Rounding::NearestAway => true,
            Rounding::Up => !negative,
            Rounding::Down => negative,
            Rounding::Zero => false,
        };
        return if to_infinity {
            infinity::<F>(negative)
        } else {
            zero::<F>(negative) | (F::INFINITY - 1)
        };
    }
    if inexact {
        fp.raise(if tiny { UFC | IXC } else { IXC });
    }
    zero::<F>(negative) | value
}
