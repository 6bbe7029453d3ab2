//! Thumb decoding: from one or two halfwords to an [`Op`], by the encoding tables of the architecture.
//!
//! Each table of the Arm manuals (ARMv7-M ARM DDI0403E A5.2 and A5.3, ARMv8-M ARM DDI0553 C2.2) is one
//! function, in the manual's order. What a core lacks decodes as undefined, as does what the manuals call
//! unpredictable where no assembler emits it.

mod dp32;
mod loads32;
mod t16;
mod vfp;
mod vfp_fields;

use crate::features::Features;
use crate::op::{Kind, Op};

/// The bits `high..=low` of a word, at the right.
#[inline(always)]
pub(crate) const fn bits(word: u32, high: u32, low: u32) -> u32 {
    (word >> low) & ((1 << (high - low + 1)) - 1)
}

/// One bit of a word.
#[inline(always)]
pub(crate) const fn bit(word: u32, at: u32) -> bool {
    word >> at & 1 == 1
}

/// The value of `width` bits with its sign.
pub(crate) const fn sign_extend(value: u32, width: u32) -> u32 {
    let shift = 32 - width;
    ((value << shift) as i32 >> shift) as u32
}

/// Whether a halfword begins a 32-bit instruction.
#[inline(always)]
#[must_use]
pub const fn is_wide(first: u16) -> bool {
    first >> 11 >= 0b11101
}

/// Decodes the instruction at `address`; `second` is ignored where the first halfword stands alone.
///
/// Never fails: what the core does not know comes back as [`Kind::Undefined`].
#[must_use]
pub fn decode(first: u16, second: u16, address: u32, features: &Features) -> Op {
    if is_wide(first) {
        decode_wide(
            u32::from(first) << 16 | u32::from(second),
            address,
            features,
        )
    } else {
        t16::decode(u32::from(first), address, features)
    }
}

pub(crate) const fn undefined(size: u8) -> Op {
    Op::new(Kind::Undefined, size)
}

/// A5.3, table A5-9.
fn decode_wide(w: u32, address: u32, f: &Features) -> Op {
    let op = match (bits(w, 28, 27), bits(w, 26, 20)) {
        (0b01, op2) if op2 >> 5 == 0 => {
            if op2 & 4 == 0 {
                loads32::multiple(w)
            } else {
                loads32::pair_or_exclusive(w, address, f)
            }
        }
        (0b01, op2) if op2 >> 5 == 1 => dp32::shifted_register(w, f),
        (0b01 | 0b11, op2) if op2 >> 6 == 1 => vfp::decode(w, address, f),
        (0b10, op2) if !bit(w, 15) => {
            if op2 >> 5 & 1 == 0 {
                dp32::modified_immediate(w)
            } else {
                dp32::plain_immediate(w, address)
            }
        }
        (0b10, _) => dp32::branch_and_control(w, address, f),
        (0b11, op2) if op2 & 0b1110001 == 0 => loads32::store_single(w),
        (0b11, op2) if op2 >> 5 == 0 && op2 & 1 == 1 => loads32::load_single(w, address),
        (0b11, op2) if op2 >> 4 == 0b010 => dp32::register(w, f),
        (0b11, op2) if op2 >> 3 == 0b0110 => dp32::multiply(w, f),
        (0b11, op2) if op2 >> 3 == 0b0111 => dp32::long_multiply(w, f),
        _ => undefined(4),
    };
    if allowed(&op, f) { op } else { undefined(4) }
}

/// What the smaller architectures lack of the 32-bit instructions.
fn allowed(op: &Op, f: &Features) -> bool {
    if f.mainline {
        return true;
    }
    let v6m = matches!(
        op.kind,
        Kind::Bl | Kind::Barrier | Kind::Mrs | Kind::Msr | Kind::Undefined
    );
    let v8m_baseline = matches!(
        op.kind,
        Kind::B
            | Kind::Ldrex
            | Kind::Strex
            | Kind::Clrex
            | Kind::Lda
            | Kind::Stl
            | Kind::Sdiv
            | Kind::Udiv
            | Kind::Movt
            | Kind::Tt
    ) || op.kind == Kind::MovImm && op.flags == 0;
    v6m || f.v8m && v8m_baseline
}
