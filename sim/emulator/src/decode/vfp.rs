//! The floating-point extension (ARMv7-M ARM A6.4 to A6.7, with FPv5 from A6.5; ARMv8-M ARM C2.2.6).

use super::vfp_fields::{expand_double_high, expand_single, vd, vm, vn};
use super::{bit, bits, undefined};
use crate::features::{Features, Fpu};
use crate::op::{DOUBLE, Kind, Op, PRE_INDEX, VARIANT, WRITE_BACK};

const fn op(kind: Kind) -> Op {
    Op::new(kind, 4)
}

/// Decodes a coprocessor encoding: coprocessors 10 and 11 are the floating-point unit, others absent.
pub(super) fn decode(w: u32, address: u32, f: &Features) -> Op {
    if bits(w, 11, 9) != 0b101 || !f.has_fpu() {
        return undefined(4);
    }
    let double = bit(w, 8);
    let decoded = match bits(w, 25, 24) {
        0b10 if bit(w, 28) && fpv5(f) && !bit(w, 4) => fpv5_data_processing(w, double),
        _ if bit(w, 28) => undefined(4),
        0b10 if bit(w, 4) => single_transfer(w, double),
        0b10 => data_processing(w, double),
        0b00 | 0b01 if bits(w, 24, 21) == 0b0010 => pair_transfer(w, double),
        0b00 | 0b01 => memory(w, double, address),
        _ => undefined(4),
    };
    let arithmetic = decoded.has(DOUBLE)
        && !matches!(
            decoded.kind,
            Kind::Vldr
                | Kind::VldrLit
                | Kind::Vstr
                | Kind::Vldm
                | Kind::Vstm
                | Kind::VmovPairToCore
                | Kind::VmovPairFromCore
        );
    if arithmetic && f.fpu != Fpu::Fpv5Dp {
        undefined(4)
    } else {
        decoded
    }
}

fn fpv5(f: &Features) -> bool {
    f.fpu >= Fpu::Fpv5Sp
}

/// Whether a D register number exists: all units here have sixteen.
fn exists(double: bool, registers: &[u32]) -> bool {
    !double || registers.iter().all(|&r| r < 16)
}

fn register_form(kind: Kind, w: u32, double: bool, uses_n: bool) -> Op {
    let (d, n, m) = (
        vd(w, double),
        if uses_n { vn(w, double) } else { 0 },
        vm(w, double),
    );
    if !exists(double, &[d, n, m]) {
        return undefined(4);
    }
    op(kind).d(d).n(n).m(m).with(DOUBLE, double)
}

/// A6.5: data processing with `T` = 0.
fn data_processing(w: u32, double: bool) -> Op {
    let opc1 = bits(w, 23, 20) & 0b1011;
    let alternative = bit(w, 6);
    let pick =
        |plain, other| register_form(if alternative { other } else { plain }, w, double, true);
    match opc1 {
        0b0000 => pick(Kind::Vmla, Kind::Vmls),
        0b0001 => pick(Kind::Vnmls, Kind::Vnmla),
        0b0010 => pick(Kind::Vmul, Kind::Vnmul),
        0b0011 => pick(Kind::Vadd, Kind::Vsub),
        0b1000 if !alternative => register_form(Kind::Vdiv, w, double, true),
        0b1001 => pick(Kind::Vfnms, Kind::Vfnma),
        0b1010 => pick(Kind::Vfma, Kind::Vfms),
        0b1011 if !alternative => {
            let d = vd(w, double);
            if !exists(double, &[d]) || bit(w, 7) || bit(w, 5) {
                return undefined(4);
            }
            let imm8 = bits(w, 19, 16) << 4 | bits(w, 3, 0);
            let value = if double {
                expand_double_high(imm8)
            } else {
                expand_single(imm8)
            };
            op(Kind::VmovImm).d(d).i(value).with(DOUBLE, double)
        }
        0b1011 => other_data_processing(w, double),
        _ => undefined(4),
    }
}

/// Table A6-5: one operand, by `opc2` and `opc3`.
fn other_data_processing(w: u32, double: bool) -> Op {
    let unary = |kind| register_form(kind, w, double, false);
    let top = bit(w, 7);
    match bits(w, 19, 16) {
        0b0000 => unary(if top { Kind::Vabs } else { Kind::VmovReg }),
        0b0001 => unary(if top { Kind::Vsqrt } else { Kind::Vneg }),
        // To and from half precision: bit 7 chooses the top half of the half-precision register.
        opc2 @ (0b0010 | 0b0011) => {
            let to_half = opc2 & 1 == 1;
            let (d, m) = (vd(w, double && !to_half), vm(w, double && to_half));
            if !exists(
                double,
                if to_half {
                    std::slice::from_ref(&m)
                } else {
                    std::slice::from_ref(&d)
                },
            ) {
                return undefined(4);
            }
            op(Kind::VcvtHalf)
                .d(d)
                .m(m)
                .sh(u32::from(to_half), 0)
                .with(VARIANT, top)
                .with(DOUBLE, double)
        }
        0b0100 => unary(Kind::Vcmp).with(VARIANT, top),
        0b0101 => {
            if bit(w, 5) || bits(w, 3, 0) != 0 {
                return undefined(4);
            }
            let d = vd(w, double);
            if exists(double, &[d]) {
                op(Kind::VcmpZero)
                    .d(d)
                    .with(VARIANT, top)
                    .with(DOUBLE, double)
            } else {
                undefined(4)
            }
        }
        // VRINTR, VRINTZ (FPv5): shift 4 is the mode of FPSCR, 3 towards zero.
        0b0110 => vrint(unary(Kind::Vrint), if top { 3 } else { 4 }),
        0b0111 if !top => vrint(unary(Kind::Vrint), 4).with(VARIANT, true),
        0b0111 => {
            let (d, m) = (vd(w, !double), vm(w, double));
            if !exists(!double, &[d]) || !exists(double, &[m]) {
                return undefined(4);
            }
            op(Kind::VcvtPrecision)
                .d(d)
                .m(m)
                .with(DOUBLE, true)
                .with(VARIANT, double)
        }
        // Shift: the rounding mode; amount bit 0: signed.
        0b1000 => {
            let (d, m) = (vd(w, double), vm(w, false));
            if !exists(double, &[d]) {
                return undefined(4);
            }
            op(Kind::VcvtFromInt)
                .d(d)
                .m(m)
                .sh(4, u32::from(top))
                .with(DOUBLE, double)
        }
        opc2 @ (0b1100 | 0b1101) => {
            let (d, m) = (vd(w, false), vm(w, double));
            if !exists(double, &[m]) {
                return undefined(4);
            }
            op(Kind::VcvtToInt)
                .d(d)
                .m(m)
                .sh(if top { 3 } else { 4 }, opc2 & 1)
                .with(DOUBLE, double)
        }
        // Fixed point: shift bit 0 unsigned, bit 1 to fixed, bit 2 32 bits wide; amount the fraction bits.
        opc2 @ (0b1010 | 0b1011 | 0b1110 | 0b1111) => {
            let size = if top { 32 } else { 16 };
            let imm5 = bits(w, 3, 0) << 1 | bits(w, 5, 5);
            let d = vd(w, double);
            if imm5 > size || !exists(double, &[d]) {
                return undefined(4);
            }
            let form = opc2 & 1 | (opc2 >> 2 & 1) << 1 | u32::from(top) << 2;
            op(Kind::VcvtFixed)
                .d(d)
                .sh(form, size - imm5)
                .with(DOUBLE, double)
        }
        _ => undefined(4),
    }
}

fn vrint(mut decoded: Op, mode: u8) -> Op {
    decoded.shift = mode;
    decoded
}

/// A6.5, `T` = 1: selection, minimum and maximum, directed rounding.
fn fpv5_data_processing(w: u32, double: bool) -> Op {
    if !bit(w, 23) {
        return if bit(w, 6) {
            undefined(4)
        } else {
            register_form(Kind::Vsel, w, double, true).sh(bits(w, 21, 20), 0)
        };
    }
    match bits(w, 21, 20) {
        0 if bit(w, 6) => register_form(Kind::Vminnm, w, double, true),
        0 => register_form(Kind::Vmaxnm, w, double, true),
        3 if bit(w, 6) && bits(w, 19, 18) == 0b10 && !bit(w, 7) => vrint(
            register_form(Kind::Vrint, w, double, false),
            MODES[bits(w, 17, 16) as usize],
        ),
        3 if bit(w, 6) && bits(w, 19, 18) == 0b11 => {
            let (d, m) = (vd(w, false), vm(w, double));
            if !exists(double, &[m]) {
                return undefined(4);
            }
            let mode = MODES[bits(w, 17, 16) as usize];
            op(Kind::VcvtToInt)
                .d(d)
                .m(m)
                .sh(u32::from(mode), bits(w, 7, 7))
                .with(DOUBLE, double)
        }
        _ => undefined(4),
    }
}

/// Rounding of A, N, P, M: 5 is to nearest with ties away; the others are as in FPSCR.
const MODES: [u8; 4] = [5, 0, 1, 2];

/// A6.7: one core register to or from the unit.
fn single_transfer(w: u32, double: bool) -> Op {
    let (t, load) = (bits(w, 15, 12), bit(w, 20));
    if !double && bits(w, 23, 21) == 0 {
        if t == 13 || t == 15 || bits(w, 6, 5) != 0 || bits(w, 3, 0) != 0 {
            return undefined(4);
        }
        return op(if load {
            Kind::VmovToCore
        } else {
            Kind::VmovFromCore
        })
        .d(t)
        .n(vn(w, false));
    }
    if !double && bits(w, 23, 21) == 7 {
        let register = bits(w, 19, 16);
        let flags_only = load && t == 15 && register == 1;
        // FPSCR; the media and identification registers belong to other profiles.
        if register != 1 || t == 13 || t == 15 && !flags_only {
            return undefined(4);
        }
        return op(if load { Kind::Vmrs } else { Kind::Vmsr })
            .d(t)
            .i(register);
    }
    // VMOV of one half of a D register (`Dd[x]`), size word.
    if double && bits(w, 23, 22) == 0 && bits(w, 6, 5) == 0 && t != 13 && t != 15 {
        let d = vn(w, true);
        if d > 15 || bits(w, 3, 0) != 0 {
            return undefined(4);
        }
        let s = 2 * d + bits(w, 21, 21);
        return op(if load {
            Kind::VmovToCore
        } else {
            Kind::VmovFromCore
        })
        .d(t)
        .n(s)
        .with(VARIANT, true);
    }
    undefined(4)
}

/// A6.7: two core registers to or from two S or one D register.
fn pair_transfer(w: u32, double: bool) -> Op {
    let (t, t2, load) = (bits(w, 15, 12), bits(w, 19, 16), bit(w, 20));
    let first = if double {
        2 * vm(w, true)
    } else {
        vm(w, false)
    };
    let bad = |r: u32| r == 13 || r == 15;
    if !bit(w, 22)
        || bits(w, 7, 6) != 0
        || !bit(w, 4)
        || bad(t)
        || bad(t2)
        || first > 30
        || load && t == t2
    {
        return undefined(4);
    }
    op(if load {
        Kind::VmovPairToCore
    } else {
        Kind::VmovPairFromCore
    })
    .d(t)
    .a(t2)
    .m(first)
    .with(DOUBLE, double)
}

/// A6.6: loads and stores. Registers are S numbers: `rd` the first, `amount` how many words.
fn memory(w: u32, double: bool, address: u32) -> Op {
    let (n, imm8, load) = (bits(w, 19, 16), bits(w, 7, 0), bit(w, 20));
    let (pre, up, write_back) = (bit(w, 24), bit(w, 23), bit(w, 21));
    let first = if double {
        2 * vd(w, true)
    } else {
        vd(w, false)
    };
    if pre && !write_back {
        let offset = if up {
            4 * imm8
        } else {
            (4 * imm8).wrapping_neg()
        };
        if first > 31 || n == 15 && !load {
            return undefined(4);
        }
        let words = 1 + u32::from(double);
        if n == 15 {
            let target = (address.wrapping_add(4) & !3).wrapping_add(offset);
            return op(Kind::VldrLit)
                .d(first)
                .n(15)
                .i(target)
                .sh(0, words)
                .with(DOUBLE, double);
        }
        return op(if load { Kind::Vldr } else { Kind::Vstr })
            .d(first)
            .n(n)
            .i(offset)
            .sh(0, words)
            .with(DOUBLE, double);
    }
    let words = imm8 & !u32::from(double);
    let direction_valid = pre != up && (up || write_back);
    if !direction_valid || words == 0 || first + words > 32 || double && imm8 & 1 == 1 || n == 15 {
        return undefined(4);
    }
    op(if load { Kind::Vldm } else { Kind::Vstm })
        .d(first)
        .n(n)
        .i(imm8)
        .sh(0, words)
        .with(DOUBLE, double)
        .with(PRE_INDEX, pre)
        .with(WRITE_BACK, write_back)
}
