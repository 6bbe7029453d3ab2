//! 32-bit loads and stores (ARMv7-M ARM A5.3.5 to A5.3.10; ARMv8-M ARM C2.2.3 for acquire and release).

use super::{bit, bits, undefined};
use crate::features::Features;
use crate::op::{Kind, Op, PRE_INDEX, VARIANT, WRITE_BACK};

const fn op(kind: Kind) -> Op {
    Op::new(kind, 4)
}

/// A5.3.5: load and store multiple.
pub(super) fn multiple(w: u32) -> Op {
    let (n, list, load) = (bits(w, 19, 16), bits(w, 15, 0), bit(w, 20));
    let write_back = bit(w, 21);
    let decrement = match bits(w, 24, 23) {
        0b01 => false,
        0b10 => true,
        _ => return undefined(4),
    };
    let both = list >> 14 == 3;
    let stores_pc = !load && bit(list, 15);
    let overwritten = write_back && list >> n & 1 == 1;
    if n == 15 || list.count_ones() < 2 || bit(list, 13) || both || stores_pc || overwritten {
        return undefined(4);
    }
    let kind = match (load, decrement) {
        (true, false) => Kind::Ldm,
        (true, true) => Kind::LdmDb,
        (false, false) => Kind::Stm,
        (false, true) => Kind::StmDb,
    };
    op(kind).n(n).i(list).with(WRITE_BACK, write_back)
}

/// A5.3.6: pairs, exclusive and ordered accesses, table branches.
pub(super) fn pair_or_exclusive(w: u32, address: u32, f: &Features) -> Op {
    let (n, t, t2) = (bits(w, 19, 16), bits(w, 15, 12), bits(w, 11, 8));
    let (pre, up, write_back, load) = (bit(w, 24), bit(w, 23), bit(w, 21), bit(w, 20));
    let bad = |r: u32| r == 13 || r == 15;
    if w == 0xe97f_e97f && f.v8m {
        return op(Kind::Nop).with(VARIANT, true);
    }
    if pre || write_back {
        let offset = 4 * bits(w, 7, 0);
        let offset = if up { offset } else { offset.wrapping_neg() };
        if bad(t) || bad(t2) || load && t == t2 {
            return undefined(4);
        }
        if n == 15 {
            let target = (address.wrapping_add(4) & !3).wrapping_add(offset);
            return if load && !write_back {
                op(Kind::LdrdLit).d(t).a(t2).n(15).i(target)
            } else {
                undefined(4)
            };
        }
        if write_back && (n == t || n == t2) {
            return undefined(4);
        }
        return op(if load { Kind::Ldrd } else { Kind::Strd })
            .d(t)
            .a(t2)
            .n(n)
            .i(offset)
            .with(PRE_INDEX, pre)
            .with(WRITE_BACK, write_back);
    }
    let d = bits(w, 3, 0);
    if !up {
        if n == 15 {
            return undefined(4);
        }
        let imm = 4 * bits(w, 7, 0);
        return match load {
            true if !bad(t) && t2 == 15 => op(Kind::Ldrex).d(t).n(n).i(imm).sh(0, 4),
            false if t == 15 && f.v8m && !bad(t2) && bits(w, 5, 0) == 0 => op(Kind::Tt).d(t2).n(n),
            false if !bad(t) && !bad(t2) && t2 != n && t2 != t => {
                op(Kind::Strex).d(t).n(n).a(t2).i(imm).sh(0, 4)
            }
            _ => undefined(4),
        };
    }
    let op3 = bits(w, 7, 4);
    if load && op3 < 2 && t == 15 && t2 == 0 {
        let m = d;
        return if n == 13 || bad(m) {
            undefined(4)
        } else {
            op(if op3 == 0 { Kind::Tbb } else { Kind::Tbh })
                .n(n)
                .m(m)
                .i(address.wrapping_add(4))
        };
    }
    let width = 1 << (op3 & 3);
    if n == 15 || bad(t) || op3 & 3 == 3 || t2 != 15 {
        return undefined(4);
    }
    let status_allowed = !bad(d) && d != n && d != t;
    match (op3 >> 2, load) {
        (1, true) if width < 4 && d == 15 => op(Kind::Ldrex).d(t).n(n).sh(0, width),
        (1, false) if width < 4 && status_allowed => op(Kind::Strex).d(t).n(n).a(d).sh(0, width),
        (2, true) if f.v8m && d == 15 => op(Kind::Lda).d(t).n(n).sh(0, width),
        (2, false) if f.v8m && d == 15 => op(Kind::Stl).d(t).n(n).sh(0, width),
        (3, true) if f.v8m && d == 15 => op(Kind::Ldrex).d(t).n(n).sh(0, width).with(VARIANT, true),
        (3, false) if f.v8m && status_allowed => op(Kind::Strex)
            .d(t)
            .n(n)
            .a(d)
            .sh(0, width)
            .with(VARIANT, true),
        _ => undefined(4),
    }
}

/// How the low twelve bits of a single load or store give its address.
enum Address {
    /// Base and offset, two's complement.
    Offset(u32),
    /// Base and offset with write-back, before (`true`) or after.
    Indexed(u32, bool),
    /// Base and shifted register: number, shift.
    Register(u32, u32),
    Undefined,
}

fn address_of(w: u32) -> Address {
    if bit(w, 23) {
        return Address::Offset(bits(w, 11, 0));
    }
    if bits(w, 11, 6) == 0 {
        let m = bits(w, 3, 0);
        return if m == 13 || m == 15 {
            Address::Undefined
        } else {
            Address::Register(m, bits(w, 5, 4))
        };
    }
    let imm8 = bits(w, 7, 0);
    let offset = if bit(w, 9) { imm8 } else { imm8.wrapping_neg() };
    match (bit(w, 10), bit(w, 9), bit(w, 8)) {
        _ if !bit(w, 11) => Address::Undefined,
        (true, false, false) => Address::Offset(offset),
        // Unprivileged access: the emulated cores run privileged or unprotected, so it is the plain one.
        (true, true, false) => Address::Offset(offset),
        (pre, _, true) => Address::Indexed(offset, pre),
        _ => Address::Undefined,
    }
}

/// The four forms of one width: offset, register, indexed, literal.
type Forms = [Kind; 4];
const LDR: Forms = [Kind::LdrImm, Kind::LdrReg, Kind::LdrIndexed, Kind::LdrLit];
const LDRB: Forms = [
    Kind::LdrbImm,
    Kind::LdrbReg,
    Kind::LdrbIndexed,
    Kind::LdrbLit,
];
const LDRH: Forms = [
    Kind::LdrhImm,
    Kind::LdrhReg,
    Kind::LdrhIndexed,
    Kind::LdrhLit,
];
const LDRSB: Forms = [
    Kind::LdrsbImm,
    Kind::LdrsbReg,
    Kind::LdrsbIndexed,
    Kind::LdrsbLit,
];
const LDRSH: Forms = [
    Kind::LdrshImm,
    Kind::LdrshReg,
    Kind::LdrshIndexed,
    Kind::LdrshLit,
];
const STR: Forms = [
    Kind::StrImm,
    Kind::StrReg,
    Kind::StrIndexed,
    Kind::Undefined,
];
const STRB: Forms = [
    Kind::StrbImm,
    Kind::StrbReg,
    Kind::StrbIndexed,
    Kind::Undefined,
];
const STRH: Forms = [
    Kind::StrhImm,
    Kind::StrhReg,
    Kind::StrhIndexed,
    Kind::Undefined,
];

fn single(w: u32, forms: &Forms) -> Op {
    let (n, t) = (bits(w, 19, 16), bits(w, 15, 12));
    match address_of(w) {
        Address::Offset(offset) => op(forms[0]).d(t).n(n).i(offset),
        Address::Register(m, amount) => op(forms[1]).d(t).n(n).m(m).sh(0, amount),
        Address::Indexed(offset, pre) if n != t => op(forms[2])
            .d(t)
            .n(n)
            .i(offset)
            .with(PRE_INDEX, pre)
            .with(WRITE_BACK, true),
        _ => undefined(4),
    }
}

/// A5.3.10: store a byte, halfword or word.
pub(super) fn store_single(w: u32) -> Op {
    let (n, t) = (bits(w, 19, 16), bits(w, 15, 12));
    let forms = match bits(w, 22, 21) {
        0 => &STRB,
        1 => &STRH,
        2 => &STR,
        _ => return undefined(4),
    };
    if n == 15 || t == 15 || t == 13 && bits(w, 22, 21) != 2 {
        return undefined(4);
    }
    single(w, forms)
}

/// A5.3.7 to A5.3.9: load a byte, halfword or word, and preload hints.
pub(super) fn load_single(w: u32, address: u32) -> Op {
    let (n, t) = (bits(w, 19, 16), bits(w, 15, 12));
    let signed = bit(w, 24);
    let (forms, word) = match (bits(w, 22, 21), signed) {
        (0, false) => (&LDRB, false),
        (0, true) => (&LDRSB, false),
        (1, false) => (&LDRH, false),
        (1, true) => (&LDRSH, false),
        (2, false) => (&LDR, true),
        _ => return undefined(4),
    };
    let decoded = if n == 15 {
        let base = address.wrapping_add(4) & !3;
        let imm12 = bits(w, 11, 0);
        op(forms[3]).d(t).n(15).i(if bit(w, 23) {
            base.wrapping_add(imm12)
        } else {
            base.wrapping_sub(imm12)
        })
    } else {
        single(w, forms)
    };
    // A sub-word load to PC is a preload hint, where one is defined; to SP it is not allowed.
    match t {
        15 if !word => {
            let hint = matches!(decoded.kind, Kind::Undefined) || decoded.flags & WRITE_BACK != 0;
            let unprivileged = n != 15 && !bit(w, 23) && bits(w, 11, 8) == 0b1110;
            if hint || unprivileged {
                undefined(4)
            } else {
                op(Kind::Nop).i(0x80)
            }
        }
        13 if !word => undefined(4),
        _ => decoded,
    }
}
