//! Shifts, bit fields, multiplication and division.

use crate::core::Core;
use crate::op::{Kind, Op};

/// Shift_C (ARMv7-M ARM A7.4.2): the result and the carry. Type 4 is RRX.
#[inline(always)]
pub(super) fn shift(value: u32, kind: u8, amount: u32, carry: bool) -> (u32, bool) {
    if amount == 0 {
        return (value, carry);
    }
    // In 64 bits, the last bit that was shifted out lies beside the result.
    let within = amount.min(33);
    if kind == 0 {
        let wide = u64::from(value) << within;
        (wide as u32, wide >> 32 & 1 == 1)
    } else if kind == 1 {
        let wide = u64::from(value) << 32 >> within;
        ((wide >> 32) as u32, wide >> 31 & 1 == 1)
    } else if kind == 2 {
        let wide = (u64::from(value) << 32) as i64 >> within;
        ((wide >> 32) as u32, wide >> 31 & 1 == 1)
    } else if kind == 3 {
        let result = value.rotate_right(amount & 31);
        (result, result >> 31 == 1)
    } else {
        (u32::from(carry) << 31 | value >> 1, value & 1 == 1)
    }
}

/// The shifted second operand and its carry.
#[inline(always)]
pub(super) fn shifted(core: &Core, op: &Op) -> (u32, bool) {
    shift(core.reg(op.rm), op.shift, op.amount.into(), core.c)
}

/// A mask of `width` ones from bit `lsb`.
fn mask(lsb: u32, width: u32) -> u32 {
    (u32::MAX >> (32 - width.clamp(1, 32))) << (lsb & 31)
}

/// Bits, bytes, long multiplication and division.
pub(super) fn rare(core: &mut Core, op: &Op) {
    let (n, m) = (core.reg(op.rn), core.reg(op.rm));
    let width = u32::from(op.amount);
    let long = u64::from(core.reg(op.ra)) << 32 | u64::from(core.reg(op.rd));
    let signed = (i64::from(n as i32) * i64::from(m as i32)) as u64;
    let unsigned = u64::from(n) * u64::from(m);
    let result = match op.kind {
        Kind::Rev => m.swap_bytes(),
        Kind::Rev16 => m.swap_bytes().rotate_left(16),
        Kind::Revsh => (m as u16).swap_bytes() as i16 as u32,
        Kind::Rbit => m.reverse_bits(),
        Kind::Clz => m.leading_zeros(),
        Kind::Bfi => {
            let mask = mask(op.imm, width);
            core.reg(op.rd) & !mask | n << (op.imm & 31) & mask
        }
        Kind::Bfc => core.reg(op.rd) & !mask(op.imm, width),
        Kind::Ubfx => n >> (op.imm & 31) & mask(0, width),
        Kind::Sbfx => {
            let unused = 32 - width.clamp(1, 32);
            ((n >> (op.imm & 31) << unused) as i32 >> unused) as u32
        }
        Kind::Sdiv => {
            // The one quotient that does not fit wraps (A7.7.127).
            let quotient = if m == 0 {
                0
            } else {
                (n as i32).wrapping_div(m as i32) as u32
            };
            core.effort = quotient_bits((n as i32).unsigned_abs(), (m as i32).unsigned_abs());
            quotient
        }
        Kind::Udiv => {
            core.effort = quotient_bits(n, m);
            n.checked_div(m).unwrap_or(0)
        }
        Kind::Smull | Kind::Umull | Kind::Smlal | Kind::Umlal => {
            core.effort = 32 - m.leading_zeros().max((!m).leading_zeros());
            let result = match op.kind {
                Kind::Smull => signed,
                Kind::Umull => unsigned,
                Kind::Smlal => long.wrapping_add(signed),
                _ => long.wrapping_add(unsigned),
            };
            core.set(op.ra, (result >> 32) as u32);
            result as u32
        }
        _ => return,
    };
    core.set(op.rd, result);
}

/// How many bits of quotient a divider has to produce: the rules for early termination build on it.
fn quotient_bits(dividend: u32, divisor: u32) -> u32 {
    if divisor == 0 || dividend < divisor {
        0
    } else {
        divisor.leading_zeros() - dividend.leading_zeros() + 1
    }
}
