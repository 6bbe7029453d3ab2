//! Floating-point operations from integers, in the terms of the architecture's pseudocode (ARMv7-M ARM A2.5).

use super::soft::{Class, Format, Unpacked, infinity, pack, shift_out, unpack, zero};
use super::{DN, DZC, Fpscr, IOC, Rounding};

fn invalid<F: Format>(fp: &mut Fpscr) -> u64 {
    fp.raise(IOC);
    F::DEFAULT_NAN
}

/// FPProcessNaN.
pub(super) fn propagate<F: Format>(value: u64, class: Class, fp: &mut Fpscr) -> u64 {
    if class == Class::SignallingNan {
        fp.raise(IOC);
    }
    if fp.has(DN) {
        F::DEFAULT_NAN
    } else {
        value | F::QUIET
    }
}

/// FPProcessNaNs and FPProcessNaNs3: the first signalling NaN, else the first quiet one.
fn first_nan<F: Format, const N: usize>(
    operands: [(u64, Unpacked); N],
    fp: &mut Fpscr,
) -> Option<u64> {
    let of = |class| operands.iter().find(move |(_, u)| u.class == class);
    let (value, unpacked) = of(Class::SignallingNan).or_else(|| of(Class::QuietNan))?;
    Some(propagate::<F>(*value, unpacked.class, fp))
}

/// A signed exact number for the adder: significand with its top bit at 125.
#[derive(Clone, Copy)]
struct Term {
    negative: bool,
    exponent: i32,
    significand: u128,
}

fn term(negative: bool, exponent: i32, significand: u128) -> Term {
    let shift = significand.leading_zeros() as i32 - 2;
    Term {
        negative,
        exponent: exponent - shift,
        significand: significand << shift,
    }
}

/// The rounded sum of two terms that are not zero.
fn sum<F: Format>(a: Term, b: Term, fp: &mut Fpscr) -> u64 {
    let a_larger = (a.exponent, a.significand) >= (b.exponent, b.significand);
    let (a, b) = if a_larger { (a, b) } else { (b, a) };
    let (small, _, sticky) = shift_out(b.significand, (a.exponent - b.exponent) as u32, false);
    let mode = fp.rounding();
    if a.negative == b.negative {
        return pack::<F>(
            a.negative,
            a.exponent,
            a.significand + small,
            sticky,
            mode,
            fp,
        );
    }
    let difference = a.significand - small - u128::from(sticky);
    if difference == 0 {
        return zero::<F>(mode == Rounding::Down);
    }
    pack::<F>(a.negative, a.exponent, difference, sticky, mode, fp)
}

/// FPAdd.
pub(super) fn add<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    let (ua, ub) = (unpack::<F>(a, fp), unpack::<F>(b, fp));
    if let Some(nan) = first_nan::<F, 2>([(a, ua), (b, ub)], fp) {
        return nan;
    }
    match (ua.class, ub.class) {
        (Class::Infinity, Class::Infinity) if ua.negative != ub.negative => invalid::<F>(fp),
        (Class::Infinity, _) => infinity::<F>(ua.negative),
        (_, Class::Infinity) => infinity::<F>(ub.negative),
        (Class::Zero, Class::Zero) => zero::<F>(if ua.negative == ub.negative {
            ua.negative
        } else {
            fp.rounding() == Rounding::Down
        }),
        (Class::Zero, _) => repack::<F>(ub, fp),
        (_, Class::Zero) => repack::<F>(ua, fp),
        _ => {
            let of = |u: Unpacked| term(u.negative, u.exponent, u.significand.into());
            sum::<F>(of(ua), of(ub), fp)
        }
    }
}

fn repack<F: Format>(u: Unpacked, fp: &mut Fpscr) -> u64 {
    pack::<F>(
        u.negative,
        u.exponent,
        u.significand.into(),
        false,
        fp.rounding(),
        fp,
    )
}

/// FPMul.
pub(super) fn mul<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    let (ua, ub) = (unpack::<F>(a, fp), unpack::<F>(b, fp));
    if let Some(nan) = first_nan::<F, 2>([(a, ua), (b, ub)], fp) {
        return nan;
    }
    let negative = ua.negative != ub.negative;
    match (ua.class, ub.class) {
        (Class::Infinity, Class::Zero) | (Class::Zero, Class::Infinity) => invalid::<F>(fp),
        (Class::Infinity, _) | (_, Class::Infinity) => infinity::<F>(negative),
        (Class::Zero, _) | (_, Class::Zero) => zero::<F>(negative),
        _ => {
            let product = u128::from(ua.significand) * u128::from(ub.significand);
            pack::<F>(
                negative,
                ua.exponent + ub.exponent,
                product,
                false,
                fp.rounding(),
                fp,
            )
        }
    }
}

/// FPDiv.
pub(super) fn div<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    let (ua, ub) = (unpack::<F>(a, fp), unpack::<F>(b, fp));
    if let Some(nan) = first_nan::<F, 2>([(a, ua), (b, ub)], fp) {
        return nan;
    }
    let negative = ua.negative != ub.negative;
    match (ua.class, ub.class) {
        (Class::Infinity, Class::Infinity) | (Class::Zero, Class::Zero) => invalid::<F>(fp),
        (Class::Infinity, _) => infinity::<F>(negative),
        (_, Class::Zero) => {
            fp.raise(DZC);
            infinity::<F>(negative)
        }
        (Class::Zero, _) | (_, Class::Infinity) => zero::<F>(negative),
        _ => {
            // The dividend's top bit goes to 126, so that the quotient keeps more bits than any format.
            let shift = u128::from(ua.significand).leading_zeros() as i32 - 1;
            let dividend = u128::from(ua.significand) << shift;
            let divisor = u128::from(ub.significand);
            let exponent = ua.exponent - shift - ub.exponent;
            pack::<F>(
                negative,
                exponent,
                dividend / divisor,
                !dividend.is_multiple_of(divisor),
                fp.rounding(),
                fp,
            )
        }
    }
}

/// FPSqrt.
pub(super) fn sqrt<F: Format>(a: u64, fp: &mut Fpscr) -> u64 {
    let u = unpack::<F>(a, fp);
    match u.class {
        Class::QuietNan | Class::SignallingNan => propagate::<F>(a, u.class, fp),
        Class::Zero => zero::<F>(u.negative),
        _ if u.negative => invalid::<F>(fp),
        Class::Infinity => F::INFINITY,
        Class::Finite => {
            let mut shift = u128::from(u.significand).leading_zeros() as i32 - 2;
            shift -= (u.exponent - shift) & 1;
            let radicand = u128::from(u.significand) << shift;
            let root = radicand.isqrt();
            pack::<F>(
                false,
                (u.exponent - shift) / 2,
                root,
                root * root != radicand,
                fp.rounding(),
                fp,
            )
        }
    }
}

/// FPMulAdd: `addend + a·b`, rounded once.
pub(super) fn fma<F: Format>(addend: u64, a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    let (uc, ua, ub) = (
        unpack::<F>(addend, fp),
        unpack::<F>(a, fp),
        unpack::<F>(b, fp),
    );
    let infinity_by_zero = ua.is(Class::Infinity) && ub.is(Class::Zero)
        || ua.is(Class::Zero) && ub.is(Class::Infinity);
    if uc.is(Class::QuietNan) && infinity_by_zero {
        return invalid::<F>(fp);
    }
    if let Some(nan) = first_nan::<F, 3>([(addend, uc), (a, ua), (b, ub)], fp) {
        return nan;
    }
    let negative = ua.negative != ub.negative;
    let product_infinite = ua.is(Class::Infinity) || ub.is(Class::Infinity);
    let product_zero = ua.is(Class::Zero) || ub.is(Class::Zero);
    if infinity_by_zero || uc.is(Class::Infinity) && product_infinite && uc.negative != negative {
        invalid::<F>(fp)
    } else if uc.is(Class::Infinity) {
        infinity::<F>(uc.negative)
    } else if product_infinite {
        infinity::<F>(negative)
    } else if product_zero {
        match uc.class {
            Class::Zero if uc.negative == negative => zero::<F>(negative),
            Class::Zero => zero::<F>(fp.rounding() == Rounding::Down),
            _ => repack::<F>(uc, fp),
        }
    } else {
        let product = u128::from(ua.significand) * u128::from(ub.significand);
        let exponent = ua.exponent + ub.exponent;
        if uc.is(Class::Zero) {
            return pack::<F>(negative, exponent, product, false, fp.rounding(), fp);
        }
        sum::<F>(
            term(uc.negative, uc.exponent, uc.significand.into()),
            term(negative, exponent, product),
            fp,
        )
    }
}

/// FPCompare: the flags NZCV as four bits.
pub fn compare<F: Format>(a: u64, b: u64, signalling: bool, fp: &mut Fpscr) -> u32 {
    let (ua, ub) = (unpack::<F>(a, fp), unpack::<F>(b, fp));
    if ua.is_nan() || ub.is_nan() {
        if signalling || ua.is(Class::SignallingNan) || ub.is(Class::SignallingNan) {
            fp.raise(IOC);
        }
        return 0b0011;
    }
    match order::<F>(a, ua).cmp(&order::<F>(b, ub)) {
        std::cmp::Ordering::Equal => 0b0110,
        std::cmp::Ordering::Less => 0b1000,
        std::cmp::Ordering::Greater => 0b0010,
    }
}

/// A number's place on the line, with both zeros (and flushed denormals) at zero.
fn order<F: Format>(value: u64, u: Unpacked) -> i64 {
    let magnitude = if u.is(Class::Zero) {
        0
    } else {
        (value & !F::SIGN) as i64
    };
    if u.negative { -magnitude } else { magnitude }
}

fn select_number<F: Format>(a: u64, b: u64, fp: &mut Fpscr, larger: bool) -> u64 {
    let (ua, ub) = (unpack::<F>(a, fp), unpack::<F>(b, fp));
    let one_quiet = |x: Unpacked, y: Unpacked| x.is(Class::QuietNan) && !y.is_nan();
    if one_quiet(ua, ub) {
        return flushed::<F>(b, ub);
    }
    if one_quiet(ub, ua) {
        return flushed::<F>(a, ua);
    }
    if let Some(nan) = first_nan::<F, 2>([(a, ua), (b, ub)], fp) {
        return nan;
    }
    // Of two zeros the positive one is the larger.
    let key = |value, u: Unpacked| (order::<F>(value, u), !u.negative);
    let first = (key(a, ua) > key(b, ub)) == larger;
    if first {
        flushed::<F>(a, ua)
    } else {
        flushed::<F>(b, ub)
    }
}

fn flushed<F: Format>(value: u64, u: Unpacked) -> u64 {
    if u.is(Class::Zero) {
        zero::<F>(u.negative)
    } else {
        value
    }
}

/// FPMaxNum: the larger, a number before a quiet NaN.
pub fn max_number<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    select_number::<F>(a, b, fp, true)
}

/// FPMinNum: the smaller, a number before a quiet NaN.
pub fn min_number<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    select_number::<F>(a, b, fp, false)
}
