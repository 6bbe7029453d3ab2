//! 16-bit encodings (ARMv7-M ARM A5.2; the baseline is a subset).

use super::{bit, bits, sign_extend, undefined};
use crate::features::Features;
use crate::op::{Kind, OUTSIDE_IT, Op, PRE_INDEX, S, VARIANT, WRITE_BACK};

const fn op(kind: Kind) -> Op {
    Op::new(kind, 2)
}

/// Data processing that sets flags outside an IT block.
const fn flagged(kind: Kind) -> Op {
    let mut op = op(kind);
    op.flags = S | OUTSIDE_IT;
    op
}

/// Decodes a halfword that stands alone.
pub(super) fn decode(h: u32, address: u32, f: &Features) -> Op {
    match bits(h, 15, 10) {
        0b000000..=0b001111 => shift_add_move(h),
        0b010000 => data_processing(h),
        0b010001 => special_data(h, address, f),
        0b010010 | 0b010011 => op(Kind::LdrLit)
            .d(bits(h, 10, 8))
            .i((address.wrapping_add(4) & !3).wrapping_add(4 * bits(h, 7, 0))),
        0b010100..=0b100111 => load_store(h),
        0b101000 | 0b101001 => op(Kind::Adr)
            .d(bits(h, 10, 8))
            .n(15)
            .i((address.wrapping_add(4) & !3).wrapping_add(4 * bits(h, 7, 0))),
        0b101010 | 0b101011 => op(Kind::AddImm)
            .d(bits(h, 10, 8))
            .n(13)
            .i(4 * bits(h, 7, 0)),
        0b101100..=0b101111 => miscellaneous(h, address, f),
        0b110000..=0b110011 => multiple(h),
        0b110100..=0b110111 => conditional_branch(h, address),
        0b111000 | 0b111001 => op(Kind::B).i(address
            .wrapping_add(4)
            .wrapping_add(sign_extend(bits(h, 10, 0) << 1, 12))),
        _ => undefined(2),
    }
}

/// A5.2.1: shift by immediate, add, subtract, move and compare.
fn shift_add_move(h: u32) -> Op {
    let (low, mid) = (bits(h, 2, 0), bits(h, 5, 3));
    let (imm8, r8) = (bits(h, 7, 0), bits(h, 10, 8));
    match bits(h, 13, 9) {
        0b00000..=0b00011 if bits(h, 10, 6) == 0 => flagged(Kind::MovReg).d(low).m(mid),
        0b00000..=0b00011 => flagged(Kind::MovShift).d(low).m(mid).sh(0, bits(h, 10, 6)),
        kind @ 0b00100..=0b01011 => {
            let amount = bits(h, 10, 6);
            flagged(Kind::MovShift)
                .d(low)
                .m(mid)
                .sh(kind >> 2, if amount == 0 { 32 } else { amount })
        }
        0b01100 => flagged(Kind::AddReg).d(low).n(mid).m(bits(h, 8, 6)),
        0b01101 => flagged(Kind::SubReg).d(low).n(mid).m(bits(h, 8, 6)),
        0b01110 => flagged(Kind::AddImm).d(low).n(mid).i(bits(h, 8, 6)),
        0b01111 => flagged(Kind::SubImm).d(low).n(mid).i(bits(h, 8, 6)),
        0b10000..=0b10011 => flagged(Kind::MovImm).d(r8).i(imm8),
        0b10100..=0b10111 => op(Kind::CmpImm).with(S, true).n(r8).i(imm8),
        0b11000..=0b11011 => flagged(Kind::AddImm).d(r8).n(r8).i(imm8),
        _ => flagged(Kind::SubImm).d(r8).n(r8).i(imm8),
    }
}

/// A5.2.2: data processing of two low registers.
fn data_processing(h: u32) -> Op {
    let (d, m) = (bits(h, 2, 0), bits(h, 5, 3));
    let dp = |kind| flagged(kind).d(d).n(d).m(m);
    let compare = |kind| op(kind).with(S, true).n(d).m(m);
    match bits(h, 9, 6) {
        0b0000 => dp(Kind::AndReg),
        0b0001 => dp(Kind::EorReg),
        0b0010 => dp(Kind::ShiftReg).sh(0, 0),
        0b0011 => dp(Kind::ShiftReg).sh(1, 0),
        0b0100 => dp(Kind::ShiftReg).sh(2, 0),
        0b0101 => dp(Kind::AdcReg),
        0b0110 => dp(Kind::SbcReg),
        0b0111 => dp(Kind::ShiftReg).sh(3, 0),
        0b1000 => compare(Kind::TstReg),
        0b1001 => flagged(Kind::RsbImm).d(d).n(m),
        0b1010 => compare(Kind::CmpReg),
        0b1011 => compare(Kind::CmnReg),
        0b1100 => dp(Kind::OrrReg),
        0b1101 => dp(Kind::Mul).n(m).m(d),
        0b1110 => dp(Kind::BicReg),
        _ => flagged(Kind::MvnReg).d(d).m(m),
    }
}

/// A5.2.3: high registers, and branch and exchange.
fn special_data(h: u32, address: u32, f: &Features) -> Op {
    let d = bits(h, 2, 0) | bits(h, 7, 7) << 3;
    let m = bits(h, 6, 3);
    let pc = address.wrapping_add(4);
    match bits(h, 9, 8) {
        0b00 if d == 15 && m == 15 => undefined(2),
        0b00 if d == 15 => op(Kind::AddPc).n(15).m(m).i(pc),
        0b00 if m == 15 => op(Kind::AddImm).d(d).n(d).i(pc),
        0b00 if d == 13 => op(Kind::AddShift).d(13).n(13).m(m),
        0b00 => op(Kind::AddReg).d(d).n(d).m(m),
        0b01 if d == 15 || m == 15 || d < 8 && m < 8 => undefined(2),
        0b01 => op(Kind::CmpReg).with(S, true).n(d).m(m),
        0b10 if d == 15 && m == 15 => undefined(2),
        0b10 if d == 15 => op(Kind::MovPc).m(m),
        0b10 if m == 15 => op(Kind::MovImm).d(d).i(pc),
        0b10 if d == 13 => op(Kind::MovShift).d(13).m(m),
        0b10 => op(Kind::MovReg).d(d).m(m),
        _ if m == 15 => undefined(2),
        // Bit 2 asks for the non-secure state, which the emulated cores do not leave.
        _ if bits(h, 2, 0) != 0 && !(f.v8m && bits(h, 2, 0) == 0b100) => undefined(2),
        _ if bit(h, 7) => op(Kind::BlxReg).m(m).i(address.wrapping_add(2) | 1),
        _ => op(Kind::Bx).m(m),
    }
}

/// A5.2.4: loads and stores of one register.
fn load_store(h: u32) -> Op {
    const BY_REGISTER: [Kind; 8] = [
        Kind::StrReg,
        Kind::StrhReg,
        Kind::StrbReg,
        Kind::LdrsbReg,
        Kind::LdrReg,
        Kind::LdrhReg,
        Kind::LdrbReg,
        Kind::LdrshReg,
    ];
    let (t, n, imm5) = (bits(h, 2, 0), bits(h, 5, 3), bits(h, 10, 6));
    let (t8, imm8) = (bits(h, 10, 8), bits(h, 7, 0));
    let load = bit(h, 11);
    let pick = |store, ldr| op(if load { ldr } else { store });
    match bits(h, 15, 12) {
        0b0101 => op(BY_REGISTER[bits(h, 11, 9) as usize])
            .d(t)
            .n(n)
            .m(bits(h, 8, 6)),
        0b0110 => pick(Kind::StrImm, Kind::LdrImm).d(t).n(n).i(4 * imm5),
        0b0111 => pick(Kind::StrbImm, Kind::LdrbImm).d(t).n(n).i(imm5),
        0b1000 => pick(Kind::StrhImm, Kind::LdrhImm).d(t).n(n).i(2 * imm5),
        _ => pick(Kind::StrImm, Kind::LdrImm).d(t8).n(13).i(4 * imm8),
    }
}

/// A5.2.5: stack, extension, compare and branch, IT, hints.
fn miscellaneous(h: u32, address: u32, f: &Features) -> Op {
    let (d, m) = (bits(h, 2, 0), bits(h, 5, 3));
    let unary = |kind| op(kind).d(d).m(m);
    match bits(h, 11, 8) {
        0b0000 => op(if bit(h, 7) {
            Kind::SubImm
        } else {
            Kind::AddImm
        })
        .d(13)
        .n(13)
        .i(4 * bits(h, 6, 0)),
        0b0001 | 0b0011 | 0b1001 | 0b1011 if f.mainline || f.v8m => {
            let offset = bits(h, 9, 9) << 6 | bits(h, 7, 3) << 1;
            op(if bit(h, 11) { Kind::Cbnz } else { Kind::Cbz })
                .n(d)
                .i(address.wrapping_add(4).wrapping_add(offset))
        }
        0b0010 => unary([Kind::Sxth, Kind::Sxtb, Kind::Uxth, Kind::Uxtb][bits(h, 7, 6) as usize]),
        0b0100 | 0b0101 if h & 0x1ff == 0 => undefined(2),
        0b0100 | 0b0101 => op(Kind::StmDb)
            .n(13)
            .with(WRITE_BACK, true)
            .i(bits(h, 7, 0) | bits(h, 8, 8) << 14),
        0b0110 if h & 0xffe8 == 0xb660 && h & 3 != 0 => op(Kind::Cps)
            .with(VARIANT, bit(h, 4))
            .i(bits(h, 1, 0) & if f.mainline { 3 } else { 2 }),
        0b1010 => match bits(h, 7, 6) {
            0b00 => unary(Kind::Rev),
            0b01 => unary(Kind::Rev16),
            0b11 => unary(Kind::Revsh),
            _ => undefined(2),
        },
        0b1100 | 0b1101 if h & 0x1ff == 0 => undefined(2),
        0b1100 | 0b1101 => op(Kind::Ldm)
            .n(13)
            .with(WRITE_BACK, true)
            .i(bits(h, 7, 0) | bits(h, 8, 8) << 15),
        0b1110 => op(Kind::Bkpt).i(bits(h, 7, 0)),
        0b1111 => hint_or_it(h, f),
        _ => undefined(2),
    }
}

/// A5.2.5, table A5-8: IT and hints.
fn hint_or_it(h: u32, f: &Features) -> Op {
    let (condition, mask) = (bits(h, 7, 4), bits(h, 3, 0));
    if mask == 0 {
        return op(match condition {
            2 => Kind::Wfe,
            3 => Kind::Wfi,
            4 => Kind::Sev,
            _ => Kind::Nop,
        })
        .i(condition);
    }
    let unpredictable = condition == 15 || condition == 14 && mask.count_ones() != 1;
    if unpredictable || !f.mainline {
        return undefined(2);
    }
    op(Kind::It).i(bits(h, 7, 0))
}

/// LDM and STM of low registers.
fn multiple(h: u32) -> Op {
    let (n, list) = (bits(h, 10, 8), bits(h, 7, 0));
    if list == 0 {
        return undefined(2);
    }
    if bit(h, 11) {
        op(Kind::Ldm)
            .n(n)
            .i(list)
            .with(WRITE_BACK, list >> n & 1 == 0)
    } else {
        op(Kind::Stm).n(n).i(list).with(WRITE_BACK, true)
    }
    .with(PRE_INDEX, false)
}

/// A5.2.6: conditional branch and supervisor call.
fn conditional_branch(h: u32, address: u32) -> Op {
    match bits(h, 11, 8) {
        14 => undefined(2).i(bits(h, 7, 0)),
        15 => op(Kind::Svc).i(bits(h, 7, 0)),
        condition => {
            let target = address
                .wrapping_add(4)
                .wrapping_add(sign_extend(bits(h, 7, 0) << 1, 9));
            op(Kind::BCond).sh(condition, 0).i(target)
        }
    }
}
