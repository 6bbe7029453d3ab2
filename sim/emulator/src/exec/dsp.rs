//! The DSP extension and saturation (ARMv7-M ARM A4.4.3 to A4.4.6).

use crate::core::Core;
use crate::op::{Kind, Op, VARIANT};

/// The low and high halfwords, signed.
fn halves(value: u32) -> [i32; 2] {
    [i32::from(value as i16), i32::from((value >> 16) as i16)]
}

fn join(low: i32, high: i32) -> u32 {
    low as u32 & 0xffff | (high as u32) << 16
}

/// A value saturated to a signed range of `width` bits, and whether it had to be.
fn saturate_signed(value: i64, width: u32) -> (i32, bool) {
    let limit = 1i64 << (width - 1);
    let clamped = value.clamp(-limit, limit - 1);
    (clamped as i32, clamped != value)
}

fn saturate_unsigned(value: i64, width: u32) -> (u32, bool) {
    let clamped = value.clamp(0, (1i64 << width) - 1);
    (clamped as u32, clamped != value)
}

/// Executes an instruction of the extension.
pub(super) fn execute(core: &mut Core, op: &Op) {
    let (n, m, a) = (core.reg(op.rn), core.reg(op.rm), core.reg(op.ra));
    let [n0, n1] = halves(n);
    let exchanged = if op.has(VARIANT) {
        m.rotate_right(16)
    } else {
        m
    };
    let [m0, m1] = halves(exchanged);
    let (product0, product1) = (i64::from(n0) * i64::from(m0), i64::from(n1) * i64::from(m1));
    let long = i64::from(a as i32) << 32 | i64::from(core.reg(op.rd));
    let addend = i64::from(a as i32);
    let selected = i64::from(halves(n)[usize::from(op.shift >> 1 & 1)])
        * i64::from(halves(m)[usize::from(op.shift & 1)]);
    let by_half = (i64::from(n as i32) * i64::from(halves(m)[usize::from(op.shift & 1)])) >> 16;
    let top = i64::from(n as i32).wrapping_mul(i64::from(m as i32));
    let rounding = if op.has(VARIANT) { 0x8000_0000i64 } else { 0 };
    let rotated = m.rotate_right(op.amount.into());

    let result = match op.kind {
        Kind::Umaal => {
            let wide = u64::from(n) * u64::from(m) + u64::from(a) + u64::from(core.reg(op.rd));
            core.set(op.ra, (wide >> 32) as u32);
            wide as u32
        }
        Kind::Smulxy => selected as u32,
        Kind::Smlaxy => accumulate(core, selected + addend),
        Kind::Smulw => by_half as u32,
        Kind::Smlaw => accumulate(core, by_half + addend),
        Kind::Smuad => accumulate(core, product0 + product1),
        Kind::Smusd => (product0 - product1) as u32,
        Kind::Smlad => accumulate(core, product0 + product1 + addend),
        Kind::Smlsd => accumulate(core, product0 - product1 + addend),
        Kind::Smlalxy => return set_long(core, op, long.wrapping_add(selected)),
        Kind::Smlald => return set_long(core, op, long.wrapping_add(product0 + product1)),
        Kind::Smlsld => return set_long(core, op, long.wrapping_add(product0 - product1)),
        Kind::Smmul => (top.wrapping_add(rounding) >> 32) as u32,
        Kind::Smmla => ((addend << 32).wrapping_add(top).wrapping_add(rounding) >> 32) as u32,
        Kind::Smmls => ((addend << 32).wrapping_sub(top).wrapping_add(rounding) >> 32) as u32,
        Kind::Usad8 => differences(n, m),
        Kind::Usada8 => differences(n, m).wrapping_add(a),
        Kind::Parallel => parallel(core, op, n, m),
        Kind::Qadd => saturating(core, i64::from(m as i32) + i64::from(n as i32)),
        Kind::Qsub => saturating(core, i64::from(m as i32) - i64::from(n as i32)),
        Kind::Qdadd | Kind::Qdsub => {
            let doubled = i64::from(saturating(core, 2 * i64::from(n as i32)) as i32);
            let m = i64::from(m as i32);
            saturating(
                core,
                if op.kind == Kind::Qdadd {
                    m + doubled
                } else {
                    m - doubled
                },
            )
        }
        Kind::Ssat | Kind::Usat => {
            let (shifted, _) = super::alu::shift(n, op.shift, op.amount.into(), false);
            let value = i64::from(shifted as i32);
            let (result, saturated) = if op.kind == Kind::Ssat {
                let (result, saturated) = saturate_signed(value, op.imm.clamp(1, 32));
                (result as u32, saturated)
            } else {
                saturate_unsigned(value, op.imm & 31)
            };
            core.q |= saturated;
            result
        }
        Kind::Ssat16 => {
            let each = halves(n).map(|v| saturate_signed(v.into(), op.imm.clamp(1, 16)));
            core.q |= each[0].1 || each[1].1;
            join(each[0].0, each[1].0)
        }
        Kind::Usat16 => {
            let each = halves(n).map(|v| saturate_unsigned(v.into(), op.imm & 15));
            core.q |= each[0].1 || each[1].1;
            join(each[0].0 as i32, each[1].0 as i32)
        }
        Kind::Sel => (0..4).fold(0, |word, i| {
            let from = if core.ge >> i & 1 == 1 { n } else { m };
            word | from & 0xff << (8 * i)
        }),
        Kind::Pkhbt => {
            n & 0xffff | super::alu::shift(m, op.shift, op.amount.into(), false).0 & 0xffff_0000
        }
        Kind::Pkhtb => {
            n & 0xffff_0000 | super::alu::shift(m, 2, op.amount.into(), false).0 & 0xffff
        }
        Kind::Sxtab => n.wrapping_add(rotated as i8 as u32),
        Kind::Sxtah => n.wrapping_add(rotated as i16 as u32),
        Kind::Uxtab => n.wrapping_add(rotated & 0xff),
        Kind::Uxtah => n.wrapping_add(rotated & 0xffff),
        Kind::Sxtb16 => join(i32::from(rotated as i8), i32::from((rotated >> 16) as i8)),
        Kind::Uxtb16 => rotated & 0x00ff_00ff,
        Kind::Sxtab16 => join(
            n0 + i32::from(rotated as i8),
            n1 + i32::from((rotated >> 16) as i8),
        ),
        Kind::Uxtab16 => join(
            n0 + (rotated & 0xff) as i32,
            n1 + (rotated >> 16 & 0xff) as i32,
        ),
        _ => return,
    };
    core.set(op.rd, result);
}

/// The low word of a sum; Q where it does not fit.
fn accumulate(core: &mut Core, value: i64) -> u32 {
    core.q |= i64::from(value as i32) != value;
    value as u32
}

/// The sum saturated to a word; Q where it had to be.
fn saturating(core: &mut Core, value: i64) -> u32 {
    let (result, saturated) = saturate_signed(value, 32);
    core.q |= saturated;
    result as u32
}

fn set_long(core: &mut Core, op: &Op, value: i64) {
    core.set(op.rd, value as u32);
    core.set(op.ra, (value >> 32) as u32);
}

fn differences(n: u32, m: u32) -> u32 {
    n.to_le_bytes()
        .iter()
        .zip(m.to_le_bytes())
        .map(|(&a, b)| u32::from(a.abs_diff(b)))
        .sum()
}

/// Parallel addition and subtraction: `shift` is the operation, `amount` the prefix
/// (0 S, 1 Q, 2 SH, 4 U, 5 UQ, 6 UH), tables A5-24 and A5-25.
fn parallel(core: &mut Core, op: &Op, n: u32, m: u32) -> u32 {
    let unsigned = op.amount & 4 != 0;
    let bytes = matches!(op.shift, 0 | 4);
    let width = if bytes { 8 } else { 16 };
    let lane = |word: u32, i: u32| -> i32 {
        let raw = word >> (width * i) & ((1 << width) - 1);
        if unsigned {
            raw as i32
        } else {
            (raw << (32 - width)) as i32 >> (32 - width)
        }
    };
    let mut result = 0;
    let mut ge = 0;
    for i in 0..32 / width {
        let (subtract, j) = match op.shift {
            0 | 1 => (false, i),
            4 | 5 => (true, i),
            // ASX: the low lane subtracts the high one, the high lane adds the low one; SAX the reverse.
            2 => (i == 0, 1 - i),
            _ => (i == 1, 1 - i),
        };
        let (a, b) = (lane(n, i), lane(m, j));
        let value = if subtract { a - b } else { a + b };
        let (kept, flag) = match op.amount & 3 {
            0 => {
                let flag = if unsigned && !subtract {
                    value >> width != 0
                } else {
                    value >= 0
                };
                (value, flag)
            }
            1 if unsigned => (saturate_unsigned(value.into(), width).0 as i32, false),
            1 => (saturate_signed(value.into(), width).0, false),
            _ => (value >> 1, false),
        };
        result |= (kept as u32 & ((1 << width) - 1)) << (width * i);
        if flag {
            ge |= if bytes { 1 << i } else { 3 << (2 * i) };
        }
    }
    if op.amount & 3 == 0 {
        core.ge = ge;
    }
    result
}
