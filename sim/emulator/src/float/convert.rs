//! Conversions: integers and fixed point, rounding to integral, and between precisions.

use super::arithmetic::propagate;
use super::soft::{
    Class, Double, Format, Half, Single, infinity, pack, rounds_up, shift_out, unpack, zero,
};
use super::{AHP, DN, Fpscr, IOC, IXC, Rounding};

/// FPToFixed: `value · 2^fraction` as a saturated integer of `width` bits.
pub fn float_to_fixed<F: Format>(
    value: u64,
    fraction: u32,
    width: u32,
    unsigned: bool,
    mode: Rounding,
    fp: &mut Fpscr,
) -> u32 {
    let u = unpack::<F>(value, fp);
    let (least, most) = if unsigned {
        (0, (1i128 << width) - 1)
    } else {
        (-(1i128 << (width - 1)), (1i128 << (width - 1)) - 1)
    };
    let saturate = |negative: bool, fp: &mut Fpscr| {
        fp.raise(IOC);
        if negative { least as u32 } else { most as u32 }
    };
    match u.class {
        Class::QuietNan | Class::SignallingNan => {
            fp.raise(IOC);
            0
        }
        Class::Zero => 0,
        Class::Infinity => saturate(u.negative, fp),
        Class::Finite => {
            let exponent = u.exponent + fraction as i32;
            let significand = u128::from(u.significand);
            if exponent > 64 {
                return saturate(u.negative, fp);
            }
            let (whole, inexact) = if exponent >= 0 {
                (significand << exponent, false)
            } else {
                let (whole, half, inexact) = shift_out(significand, exponent.unsigned_abs(), false);
                (
                    whole + u128::from(rounds_up(mode, u.negative, whole & 1 == 1, half, inexact)),
                    inexact,
                )
            };
            let signed = if u.negative {
                -(whole as i128)
            } else {
                whole as i128
            };
            if signed < least || signed > most {
                return saturate(u.negative, fp);
            }
            if inexact {
                fp.raise(IXC);
            }
            signed as u32
        }
    }
}

/// FixedToFP: the integer `value · 2^-fraction`.
pub fn fixed_to_float<F: Format>(value: i64, fraction: u32, mode: Rounding, fp: &mut Fpscr) -> u64 {
    if value == 0 {
        return 0;
    }
    pack::<F>(
        value < 0,
        -(fraction as i32),
        value.unsigned_abs().into(),
        false,
        mode,
        fp,
    )
}

/// FPRoundInt: to the nearest integral value in the given mode; `exact` raises Inexact.
pub fn round_to_integral<F: Format>(
    value: u64,
    mode: Rounding,
    exact: bool,
    fp: &mut Fpscr,
) -> u64 {
    let u = unpack::<F>(value, fp);
    match u.class {
        Class::QuietNan | Class::SignallingNan => propagate::<F>(value, u.class, fp),
        Class::Zero => zero::<F>(u.negative),
        Class::Infinity => value,
        Class::Finite if u.exponent >= 0 => value,
        Class::Finite => {
            let (whole, half, inexact) =
                shift_out(u.significand.into(), u.exponent.unsigned_abs(), false);
            let whole =
                whole + u128::from(rounds_up(mode, u.negative, whole & 1 == 1, half, inexact));
            if inexact && exact {
                fp.raise(IXC);
            }
            if whole == 0 {
                return zero::<F>(u.negative);
            }
            pack::<F>(u.negative, 0, whole, false, mode, fp)
        }
    }
}

/// FPConvert between single and double precision.
pub fn precision(value: u64, to_single: bool, fp: &mut Fpscr) -> u64 {
    if to_single {
        convert::<Double, Single>(value, fp)
    } else {
        convert::<Single, Double>(value, fp)
    }
}

/// A half-precision value to a wider format; AHP selects the alternative form without infinities and NaNs.
pub fn from_half<F: Format>(value: u64, fp: &mut Fpscr) -> u64 {
    if fp.has(AHP) && value >> Half::FRACTION & Half::MAX == Half::MAX {
        let significand = value & 0x3ff | 0x400;
        return pack::<F>(
            value & Half::SIGN != 0,
            16 - 10,
            significand.into(),
            false,
            Rounding::Nearest,
            fp,
        );
    }
    convert::<Half, F>(value, fp)
}

/// A value to half precision.
pub fn to_half<F: Format>(value: u64, fp: &mut Fpscr) -> u64 {
    if !fp.has(AHP) {
        return convert::<F, Half>(value, fp);
    }
    let u = unpack::<F>(value, fp);
    let sign = zero::<Half>(u.negative);
    match u.class {
        Class::Zero => sign,
        Class::QuietNan | Class::SignallingNan => {
            fp.raise(IOC);
            sign
        }
        Class::Infinity => {
            fp.raise(IOC);
            sign | 0x7fff
        }
        Class::Finite => {
            let mut trial = *fp;
            let packed = pack_alternative(u.negative, u.exponent, u.significand.into(), &mut trial);
            if let Some(bits) = packed {
                *fp = trial;
                return sign | bits;
            }
            fp.raise(IOC);
            sign | 0x7fff
        }
    }
}

/// Rounds to the alternative half-precision form; `None` where it does not fit.
fn pack_alternative(
    negative: bool,
    exponent: i32,
    significand: u128,
    fp: &mut Fpscr,
) -> Option<u64> {
    /// Half precision with one exponent more, of which the topmost half is unused.
    struct Wide;
    impl Format for Wide {
        const FRACTION: u32 = 10;
        const EXPONENT: u32 = 6;
        const BIAS: i32 = 15;
    }
    let bits =
        pack::<Wide>(negative, exponent, significand, false, fp.rounding(), fp) & !Wide::SIGN;
    (bits < 0x8000).then_some(bits)
}

fn convert<From: Format, To: Format>(value: u64, fp: &mut Fpscr) -> u64 {
    let u = unpack::<From>(value, fp);
    match u.class {
        Class::QuietNan | Class::SignallingNan => {
            if u.class == Class::SignallingNan {
                fp.raise(IOC);
            }
            if fp.has(DN) {
                return To::DEFAULT_NAN;
            }
            let fraction = if To::FRACTION > From::FRACTION {
                u.significand << (To::FRACTION - From::FRACTION)
            } else {
                u.significand >> (From::FRACTION - To::FRACTION)
            };
            infinity::<To>(u.negative) | To::QUIET | fraction
        }
        Class::Infinity => infinity::<To>(u.negative),
        Class::Zero => zero::<To>(u.negative),
        Class::Finite => pack::<To>(
            u.negative,
            u.exponent,
            u.significand.into(),
            false,
            fp.rounding(),
            fp,
        ),
    }
}
