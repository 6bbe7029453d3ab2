//! 32-bit data processing, branches and control (ARMv7-M ARM A5.3.1 to A5.3.4, A5.3.11 to A5.3.17).

use super::{bit, bits, sign_extend, undefined};
use crate::features::Features;
use crate::op::{CARRY, CARRY_VALUE, Kind, Op, PRE_INDEX, S, VARIANT};

const fn op(kind: Kind) -> Op {
    Op::new(kind, 4)
}

/// One row of the data-processing operations: the immediate, the register and the shifted form.
type Forms = (Kind, Kind, Kind);

const AND: Forms = (Kind::AndImm, Kind::AndReg, Kind::AndShift);
const BIC: Forms = (Kind::BicImm, Kind::BicReg, Kind::BicShift);
const ORR: Forms = (Kind::OrrImm, Kind::OrrReg, Kind::OrrShift);
const ORN: Forms = (Kind::OrnImm, Kind::OrnReg, Kind::OrnShift);
const EOR: Forms = (Kind::EorImm, Kind::EorReg, Kind::EorShift);
const MOV: Forms = (Kind::MovImm, Kind::MovReg, Kind::MovShift);
const MVN: Forms = (Kind::MovImm, Kind::MvnReg, Kind::MvnShift);
const TST: Forms = (Kind::TstImm, Kind::TstReg, Kind::TstShift);
const TEQ: Forms = (Kind::TeqImm, Kind::TeqReg, Kind::TeqShift);
const ADD: Forms = (Kind::AddImm, Kind::AddReg, Kind::AddShift);
const ADC: Forms = (Kind::AdcImm, Kind::AdcReg, Kind::AdcShift);
const SBC: Forms = (Kind::SbcImm, Kind::SbcReg, Kind::SbcShift);
const SUB: Forms = (Kind::SubImm, Kind::SubReg, Kind::SubShift);
const RSB: Forms = (Kind::RsbImm, Kind::RsbReg, Kind::RsbShift);
const CMP: Forms = (Kind::CmpImm, Kind::CmpReg, Kind::CmpShift);
const CMN: Forms = (Kind::CmnImm, Kind::CmnReg, Kind::CmnShift);

/// Tables A5-10 and A5-22: the operation of bits 24..21, by whether `Rd` and `Rn` are 15.
fn forms(w: u32) -> Option<Forms> {
    let no_d = bits(w, 11, 8) == 15;
    let no_n = bits(w, 19, 16) == 15;
    let set = bit(w, 20);
    Some(match bits(w, 24, 21) {
        0b0000 if no_d && set => TST,
        0b0000 => AND,
        0b0001 => BIC,
        0b0010 if no_n => MOV,
        0b0010 => ORR,
        0b0011 if no_n => MVN,
        0b0011 => ORN,
        0b0100 if no_d && set => TEQ,
        0b0100 => EOR,
        0b1000 if no_d && set => CMN,
        0b1000 => ADD,
        0b1010 => ADC,
        0b1011 => SBC,
        0b1101 if no_d && set => CMP,
        0b1101 => SUB,
        0b1110 => RSB,
        _ => return None,
    })
}

fn compares(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::TstImm
            | Kind::TeqImm
            | Kind::CmpImm
            | Kind::CmnImm
            | Kind::TstReg
            | Kind::TeqReg
            | Kind::CmpReg
            | Kind::CmnReg
    )
}

/// Whether the registers of a data-processing instruction are ones it may name.
fn registers_allowed(kind: Kind, w: u32) -> bool {
    let (n, d) = (bits(w, 19, 16), bits(w, 11, 8));
    let moves = matches!(kind, Kind::MovImm | Kind::MovReg | Kind::MvnReg);
    let stack = matches!(
        kind,
        Kind::AddImm | Kind::AddReg | Kind::SubImm | Kind::SubReg
    );
    let d_allowed =
        compares(kind) || d != 15 && (d != 13 || stack && n == 13 || kind == Kind::MovReg);
    let n_allowed = moves || n != 15;
    d_allowed && n_allowed
}

/// ThumbExpandImm (A5.3.2): the value, and the carry where the immediate is rotated.
fn expand_immediate(imm12: u32) -> (u32, Option<bool>) {
    let imm8 = imm12 & 0xff;
    match bits(imm12, 11, 8) {
        0 => (imm8, None),
        1 => (imm8 << 16 | imm8, None),
        2 => (imm8 << 24 | imm8 << 8, None),
        3 => (imm8 * 0x0101_0101, None),
        _ => {
            let value = (0x80 | imm12 & 0x7f).rotate_right(bits(imm12, 11, 7));
            (value, Some(value >> 31 == 1))
        }
    }
}

fn imm12(w: u32) -> u32 {
    bits(w, 26, 26) << 11 | bits(w, 14, 12) << 8 | bits(w, 7, 0)
}

/// A5.3.1: data processing with a modified immediate.
pub(super) fn modified_immediate(w: u32) -> Op {
    let Some((kind, reg, _)) = forms(w) else {
        return undefined(4);
    };
    if !registers_allowed(kind, w) {
        return undefined(4);
    }
    let (value, carry) = expand_immediate(imm12(w));
    let inverted = reg == Kind::MvnReg;
    op(kind)
        .d(bits(w, 11, 8))
        .n(bits(w, 19, 16))
        .i(if inverted { !value } else { value })
        .with(S, bit(w, 20))
        .with(CARRY, carry.is_some())
        .with(CARRY_VALUE, carry == Some(true))
}

/// A5.3.11: data processing with a shifted register.
pub(super) fn shifted_register(w: u32, f: &Features) -> Op {
    let (d, n, m) = (bits(w, 11, 8), bits(w, 19, 16), bits(w, 3, 0));
    let (shift, imm5) = (bits(w, 5, 4), bits(w, 14, 12) << 2 | bits(w, 7, 6));
    if bit(w, 15) {
        return undefined(4);
    }
    if bits(w, 24, 21) == 0b0110 {
        // PKH: table type bit 1 chooses the form; S and T must be zero.
        if !f.dsp || bit(w, 20) || bit(w, 4) || [d, n, m].iter().any(|&r| r == 13 || r == 15) {
            return undefined(4);
        }
        let top = bit(w, 5);
        let amount = if top && imm5 == 0 { 32 } else { imm5 };
        return op(if top { Kind::Pkhtb } else { Kind::Pkhbt })
            .d(d)
            .n(n)
            .m(m)
            .sh(shift, amount);
    }
    let Some((_, reg, shifted)) = forms(w) else {
        return undefined(4);
    };
    let moves_stack = reg == Kind::MovReg && shift == 0 && imm5 == 0 && !bit(w, 20);
    if !registers_allowed(reg, w)
        || m == 15
        || m == 13 && !moves_stack
        || d == 13 && reg == Kind::MovReg && !moves_stack
    {
        return undefined(4);
    }
    let (shift, amount) = match (shift, imm5) {
        (1 | 2, 0) => (shift, 32),
        (3, 0) => (4, 1),
        other => other,
    };
    let plain = shift == 0 && amount == 0 && d != 13;
    op(if plain { reg } else { shifted })
        .d(d)
        .n(n)
        .m(m)
        .sh(shift, amount)
        .with(S, bit(w, 20))
}

/// A5.3.3: plain binary immediates, bit fields and saturation.
pub(super) fn plain_immediate(w: u32, address: u32) -> Op {
    let (d, n) = (bits(w, 11, 8), bits(w, 19, 16));
    let imm16 = n << 12 | imm12(w);
    let (lsb, last) = (bits(w, 14, 12) << 2 | bits(w, 7, 6), bits(w, 4, 0));
    let pc = address.wrapping_add(4) & !3;
    let bad = |r: u32| r == 13 || r == 15;
    match bits(w, 24, 20) {
        0b00000 if n == 15 && !bad(d) => op(Kind::Adr).d(d).n(15).i(pc.wrapping_add(imm12(w))),
        0b01010 if n == 15 && !bad(d) => op(Kind::Adr).d(d).n(15).i(pc.wrapping_sub(imm12(w))),
        0b00000 | 0b01010 if d == 15 || n == 15 || d == 13 && n != 13 => undefined(4),
        0b00000 => op(Kind::AddImm).d(d).n(n).i(imm12(w)),
        0b01010 => op(Kind::SubImm).d(d).n(n).i(imm12(w)),
        _ if bad(d) => undefined(4),
        0b00100 => op(Kind::MovImm).d(d).i(imm16).with(VARIANT, false),
        0b01100 => op(Kind::Movt).d(d).i(imm16),
        _ if bit(w, 26) || bit(w, 5) || n == 13 => undefined(4),
        code @ (0b10000 | 0b10010 | 0b11000 | 0b11010) => {
            let unsigned = bit(w, 23);
            if n == 15 {
                return undefined(4);
            }
            if code & 2 != 0 && lsb == 0 {
                if bit(w, 4) {
                    return undefined(4);
                }
                let kind = if unsigned { Kind::Usat16 } else { Kind::Ssat16 };
                return op(kind).d(d).n(n).i(last + u32::from(!unsigned));
            }
            let kind = if unsigned { Kind::Usat } else { Kind::Ssat };
            let shift = if bit(w, 21) { 2 } else { 0 };
            op(kind)
                .d(d)
                .n(n)
                .i(last + u32::from(!unsigned))
                .sh(shift, lsb)
        }
        0b10100 | 0b11100 => {
            if n == 15 || lsb + last > 31 {
                return undefined(4);
            }
            op(if bit(w, 23) { Kind::Ubfx } else { Kind::Sbfx })
                .d(d)
                .n(n)
                .i(lsb)
                .sh(0, last + 1)
        }
        0b10110 => {
            if last < lsb {
                return undefined(4);
            }
            op(if n == 15 { Kind::Bfc } else { Kind::Bfi })
                .d(d)
                .n(n)
                .i(lsb)
                .sh(0, last - lsb + 1)
        }
        _ => undefined(4),
    }
}

/// A5.3.4: branches, special registers, hints and barriers.
pub(super) fn branch_and_control(w: u32, address: u32, f: &Features) -> Op {
    let pc = address.wrapping_add(4);
    if bits(w, 14, 14) == 1 || bit(w, 12) {
        // B.W (T4), BL, and the holes that BLX to Arm state leaves.
        if !bit(w, 12) {
            return undefined(4);
        }
        let sign = bits(w, 26, 26);
        let (i1, i2) = (!(bits(w, 13, 13) ^ sign) & 1, !(bits(w, 11, 11) ^ sign) & 1);
        let offset = sign << 24 | i1 << 23 | i2 << 22 | bits(w, 25, 16) << 12 | bits(w, 10, 0) << 1;
        let target = pc.wrapping_add(sign_extend(offset, 25));
        return if bit(w, 14) {
            op(Kind::Bl).i(target)
        } else {
            op(Kind::B).i(target)
        };
    }
    match bits(w, 26, 20) {
        code if code & 0b0111000 != 0b0111000 => {
            if !f.mainline {
                return undefined(4);
            }
            let offset = bits(w, 26, 26) << 20
                | bits(w, 11, 11) << 19
                | bits(w, 13, 13) << 18
                | bits(w, 21, 16) << 12
                | bits(w, 10, 0) << 1;
            op(Kind::BCond)
                .sh(bits(w, 25, 22), 0)
                .i(pc.wrapping_add(sign_extend(offset, 21)))
        }
        0b0111000 | 0b0111001 => {
            let (n, mask) = (bits(w, 19, 16), bits(w, 11, 8));
            if n == 13 || n == 15 || bits(w, 7, 0) != 3 && mask & 0b1011 != 0b1000 && mask & 3 != 0
            {
                return undefined(4);
            }
            op(Kind::Msr).n(n).i(bits(w, 7, 0)).sh(0, bits(w, 11, 10))
        }
        0b0111010 => match (bits(w, 10, 8), bits(w, 7, 0)) {
            (0, 2) => op(Kind::Wfe),
            (0, 3) => op(Kind::Wfi),
            (0, 4) => op(Kind::Sev),
            (0, hint) => op(Kind::Nop).i(hint),
            _ => undefined(4),
        },
        0b0111011 => match bits(w, 7, 4) {
            0b0010 => op(Kind::Clrex),
            kind @ 4..=6 => op(Kind::Barrier).i(kind).sh(0, bits(w, 3, 0)),
            _ => undefined(4),
        },
        0b0111110 | 0b0111111 => {
            let d = bits(w, 11, 8);
            if d == 13 || d == 15 {
                undefined(4)
            } else {
                op(Kind::Mrs).d(d).i(bits(w, 7, 0))
            }
        }
        _ => undefined(4),
    }
}

/// A5.3.12 to A5.3.15: shifts by register, extensions, parallel arithmetic, bytes and bits.
pub(super) fn register(w: u32, f: &Features) -> Op {
    let (d, n, m) = (bits(w, 11, 8), bits(w, 19, 16), bits(w, 3, 0));
    let bad = |r: u32| r == 13 || r == 15;
    if bits(w, 15, 12) != 15 || bad(d) || bad(m) || n == 13 {
        return undefined(4);
    }
    let (op1, op2) = (bits(w, 23, 20), bits(w, 7, 4));
    match (op1, op2) {
        (0..=7, 0) if n != 15 => op(Kind::ShiftReg)
            .d(d)
            .n(n)
            .m(m)
            .sh(op1 >> 1, 0)
            .with(S, op1 & 1 == 1),
        (0..=5, 8..=15) => {
            const EXTEND: [(Kind, Kind); 6] = [
                (Kind::Sxtah, Kind::Sxth),
                (Kind::Uxtah, Kind::Uxth),
                (Kind::Sxtab16, Kind::Sxtb16),
                (Kind::Uxtab16, Kind::Uxtb16),
                (Kind::Sxtab, Kind::Sxtb),
                (Kind::Uxtab, Kind::Uxtb),
            ];
            if bit(w, 6) {
                return undefined(4);
            }
            let (add, plain) = EXTEND[op1 as usize];
            let kind = if n == 15 { plain } else { add };
            let basic = matches!(kind, Kind::Sxth | Kind::Uxth | Kind::Sxtb | Kind::Uxtb);
            if basic || f.dsp {
                op(kind).d(d).n(n).m(m).sh(0, 8 * bits(w, 5, 4))
            } else {
                undefined(4)
            }
        }
        (8..=15, 0..=7) if f.dsp && n != 15 => {
            // Bits 22..20 choose the operation, bits 6..4 the variant (A5.3.13, A5.3.14).
            let prefix = bits(w, 6, 4);
            if matches!(op1 & 7, 3 | 7) || prefix & 3 == 3 || bit(w, 7) {
                return undefined(4);
            }
            op(Kind::Parallel).d(d).n(n).m(m).sh(op1 & 7, prefix)
        }
        (8, 8..=11) if f.dsp && n != 15 => {
            op([Kind::Qadd, Kind::Qdadd, Kind::Qsub, Kind::Qdsub][(op2 & 3) as usize])
                .d(d)
                .n(n)
                .m(m)
        }
        (9, 8..=11) if n == m => {
            op([Kind::Rev, Kind::Rev16, Kind::Rbit, Kind::Revsh][(op2 & 3) as usize])
                .d(d)
                .m(m)
        }
        (10, 8) if f.dsp && n != 15 => op(Kind::Sel).d(d).n(n).m(m),
        (11, 8) if n == m => op(Kind::Clz).d(d).m(m),
        _ => undefined(4),
    }
}

/// A5.3.16: 32-bit multiplication, and the sum of absolute differences.
pub(super) fn multiply(w: u32, f: &Features) -> Op {
    let (d, n, m, a) = (
        bits(w, 11, 8),
        bits(w, 19, 16),
        bits(w, 3, 0),
        bits(w, 15, 12),
    );
    let bad = |r: u32| r == 13 || r == 15;
    if bad(d) || bad(n) || bad(m) || a == 13 || bits(w, 7, 6) != 0 {
        return undefined(4);
    }
    let low = bits(w, 5, 4);
    let none = a == 15;
    let either = |plain, accumulate| if none { plain } else { accumulate };
    let base = |kind| op(kind).d(d).n(n).m(m).a(a);
    match (bits(w, 22, 20), low) {
        (0, 0) => base(either(Kind::Mul, Kind::Mla)),
        (0, 1) if !none => base(Kind::Mls),
        _ if !f.dsp => undefined(4),
        // Shift bit 1: top half of Rn; bit 0: top half of Rm.
        (1, halves) => base(either(Kind::Smulxy, Kind::Smlaxy)).sh(halves, 0),
        (2, x) if x < 2 => base(either(Kind::Smuad, Kind::Smlad)).with(VARIANT, x == 1),
        (3, y) if y < 2 => base(either(Kind::Smulw, Kind::Smlaw)).sh(y, 0),
        (4, x) if x < 2 => base(either(Kind::Smusd, Kind::Smlsd)).with(VARIANT, x == 1),
        (5, r) if r < 2 => base(either(Kind::Smmul, Kind::Smmla)).with(VARIANT, r == 1),
        (6, r) if r < 2 && !none => base(Kind::Smmls).with(VARIANT, r == 1),
        (7, 0) => base(either(Kind::Usad8, Kind::Usada8)),
        _ => undefined(4),
    }
}

/// A5.3.17: 64-bit multiplication and division. `rd` is the low word, `ra` the high one.
pub(super) fn long_multiply(w: u32, f: &Features) -> Op {
    let (low, high, n, m) = (
        bits(w, 15, 12),
        bits(w, 11, 8),
        bits(w, 19, 16),
        bits(w, 3, 0),
    );
    let bad = |r: u32| r == 13 || r == 15;
    if bad(high) || bad(n) || bad(m) {
        return undefined(4);
    }
    let (op1, op2) = (bits(w, 22, 20), bits(w, 7, 4));
    match (op1, op2) {
        (1, 15) if low == 15 => return op(Kind::Sdiv).d(high).n(n).m(m),
        (3, 15) if low == 15 => return op(Kind::Udiv).d(high).n(n).m(m),
        _ => {}
    }
    if bad(low) || low == high {
        return undefined(4);
    }
    let long = |kind| op(kind).d(low).a(high).n(n).m(m);
    match (op1, op2) {
        (0, 0) => long(Kind::Smull),
        (2, 0) => long(Kind::Umull),
        (4, 0) => long(Kind::Smlal),
        (6, 0) => long(Kind::Umlal),
        _ if !f.dsp => undefined(4),
        (4, 8..=11) => long(Kind::Smlalxy).sh(op2 & 3, 0),
        (4, 12 | 13) => long(Kind::Smlald).with(VARIANT, op2 & 1 == 1),
        (5, 12 | 13) => long(Kind::Smlsld).with(VARIANT, op2 & 1 == 1),
        (6, 6) => long(Kind::Umaal),
        _ => undefined(4),
    }
    .with(PRE_INDEX, false)
}
