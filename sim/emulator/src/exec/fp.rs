//! Floating-point instructions: which registers, which order, which flags. The arithmetic is in [`crate::float`].

use crate::core::Core;
use crate::fault::{Cause, Trap};
use crate::float::{self, Double, Format, Fpscr, Single};
use crate::memory::Bus;
use crate::op::{DOUBLE, Kind, Op, PRE_INDEX, VARIANT, WRITE_BACK};

/// The unit must be enabled; from the first use on, its state belongs to the context (CONTROL.FPCA).
#[inline(always)]
fn enter(core: &mut Core, bus: &Bus) -> Result<(), Trap> {
    if !bus.system.fpu_enabled() {
        return Err(Trap::Fault(Cause::NoCoprocessor));
    }
    core.control |= 4;
    Ok(())
}

#[inline(always)]
fn s(core: &Core, register: u8) -> u64 {
    core.s[usize::from(register & 31)].into()
}

#[inline(always)]
fn set_s(core: &mut Core, register: u8, value: u64) {
    core.s[usize::from(register & 31)] = value as u32;
}

/// A load or store of one single-precision register.
#[inline(always)]
pub(super) fn transfer(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    if op.amount != 1 {
        return rare(core, bus, op);
    }
    enter(core, bus)?;
    let base = core.reg(op.rn);
    let step = 4 * u32::from(op.has(WRITE_BACK));
    match op.kind {
        Kind::Vldm | Kind::Vstm => {
            let (address, end) = if op.has(PRE_INDEX) {
                (base.wrapping_sub(4), base.wrapping_sub(4))
            } else {
                (base, base.wrapping_add(step))
            };
            if op.kind == Kind::Vldm {
                let value = bus.load_strict::<u32>(address)?;
                set_s(core, op.rd, value.into());
            } else {
                bus.store_strict::<u32>(address, s(core, op.rd) as u32)?;
            }
            core.set_any(op.rn, end);
        }
        Kind::Vldr => {
            let value = bus.load_strict::<u32>(base.wrapping_add(op.imm))?;
            set_s(core, op.rd, value.into());
        }
        Kind::VldrLit => {
            let value = bus.load_strict::<u32>(op.imm)?;
            set_s(core, op.rd, value.into());
        }
        _ => {
            let value = s(core, op.rd) as u32;
            bus.store_strict::<u32>(base.wrapping_add(op.imm), value)?;
        }
    }
    Ok(())
}

/// What inner loops are made of.
#[inline(always)]
pub(super) fn common(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    if op.has(DOUBLE) {
        return rare(core, bus, op);
    }
    enter(core, bus)?;
    let (n, m, d) = (s(core, op.rn), s(core, op.rm), s(core, op.rd));
    let fp = &mut core.fpscr;
    let result = match op.kind {
        Kind::Vadd => float::add::<Single>(n, m, fp),
        Kind::Vsub => float::sub::<Single>(n, m, fp),
        Kind::Vmul => float::mul::<Single>(n, m, fp),
        Kind::Vmla => {
            let product = float::mul::<Single>(n, m, fp);
            float::add::<Single>(d, product, fp)
        }
        Kind::Vmls => {
            let product = float::mul::<Single>(n, m, fp) ^ Single::SIGN;
            float::add::<Single>(d, product, fp)
        }
        _ => float::fma::<Single>(d, n, m, fp),
    };
    set_s(core, op.rd, result);
    Ok(())
}

/// Everything else, and double precision.
#[inline(never)]
pub(super) fn rare(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    enter(core, bus)?;
    match op.kind {
        Kind::Vldr | Kind::VldrLit | Kind::Vstr | Kind::Vldm | Kind::Vstm => memory(core, bus, op),
        _ => {
            if !moves(core, op) {
                if op.has(DOUBLE) {
                    arithmetic::<Double>(core, op)
                } else {
                    arithmetic::<Single>(core, op)
                }
            }
            Ok(())
        }
    }
}

fn memory(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let words = u32::from(op.amount);
    let base = core.reg(op.rn);
    let below = base.wrapping_sub(4 * op.imm);
    let start = match op.kind {
        Kind::VldrLit => op.imm,
        Kind::Vldr | Kind::Vstr => base.wrapping_add(op.imm),
        _ if op.has(PRE_INDEX) => below,
        _ => base,
    };
    for i in 0..words {
        let register = op.rd.wrapping_add(i as u8);
        let address = start.wrapping_add(4 * i);
        if matches!(op.kind, Kind::Vstr | Kind::Vstm) {
            bus.store_strict::<u32>(address, s(core, register) as u32)?;
        } else {
            let value = bus.load_strict::<u32>(address)?;
            set_s(core, register, value.into());
        }
    }
    bus.last = start;
    if op.has(WRITE_BACK) {
        let end = if op.has(PRE_INDEX) {
            below
        } else {
            base.wrapping_add(4 * op.imm)
        };
        core.set_any(op.rn, end);
    }
    Ok(())
}

/// Moves between registers; `false` where the instruction is arithmetic.
fn moves(core: &mut Core, op: &Op) -> bool {
    let double = op.has(DOUBLE);
    match op.kind {
        Kind::VmovToCore => core.set(op.rd, s(core, op.rn) as u32),
        Kind::VmovFromCore => set_s(core, op.rn, core.reg(op.rd).into()),
        Kind::VmovPairToCore => {
            let (first, second) = (s(core, op.rm) as u32, s(core, op.rm + 1) as u32);
            core.set(op.rd, first);
            core.set(op.ra, second);
        }
        Kind::VmovPairFromCore => {
            let (first, second) = (core.reg(op.rd), core.reg(op.ra));
            set_s(core, op.rm, first.into());
            set_s(core, op.rm + 1, second.into());
        }
        Kind::Vmrs if op.rd == 15 => {
            core.set_apsr(core.fpscr.bits() & 0xf000_0000 | u32::from(core.q) << 27)
        }
        Kind::Vmrs => core.set(op.rd, core.fpscr.bits()),
        Kind::Vmsr => core.fpscr = Fpscr::new(core.reg(op.rd)),
        Kind::VmovImm if double => core.set_double(op.rd, u64::from(op.imm) << 32),
        Kind::VmovImm => set_s(core, op.rd, op.imm.into()),
        Kind::VcvtPrecision => {
            let to_single = op.has(VARIANT);
            let value = if to_single {
                core.double(op.rm)
            } else {
                s(core, op.rm)
            };
            let result = float::precision(value, to_single, &mut core.fpscr);
            if to_single {
                set_s(core, op.rd, result)
            } else {
                core.set_double(op.rd, result)
            }
        }
        Kind::VcvtHalf => half(core, op),
        _ => return false,
    }
    true
}

/// VCVTB and VCVTT.
fn half(core: &mut Core, op: &Op) {
    let top = if op.has(VARIANT) { 16 } else { 0 };
    let double = op.has(DOUBLE);
    if op.shift & 1 == 1 {
        let bits = if double {
            float::to_half::<Double>(core.double(op.rm), &mut core.fpscr)
        } else {
            float::to_half::<Single>(s(core, op.rm), &mut core.fpscr)
        };
        let kept = s(core, op.rd) & !(0xffff << top);
        set_s(core, op.rd, kept | bits << top);
    } else {
        let bits = s(core, op.rm) >> top & 0xffff;
        if double {
            let value = float::from_half::<Double>(bits, &mut core.fpscr);
            core.set_double(op.rd, value);
        } else {
            let value = float::from_half::<Single>(bits, &mut core.fpscr);
            set_s(core, op.rd, value);
        }
    }
}

/// Registers of one format.
trait Registers: Format + Sized {
    fn get(core: &Core, register: u8) -> u64;
    fn put(core: &mut Core, register: u8, value: u64);
}

impl Registers for Single {
    fn get(core: &Core, register: u8) -> u64 {
        s(core, register)
    }
    fn put(core: &mut Core, register: u8, value: u64) {
        set_s(core, register, value);
    }
}

impl Registers for Double {
    fn get(core: &Core, register: u8) -> u64 {
        core.double(register)
    }
    fn put(core: &mut Core, register: u8, value: u64) {
        core.set_double(register, value);
    }
}

fn arithmetic<F: Registers>(core: &mut Core, op: &Op) {
    // Conversions name a single register where the format would misread it.
    match op.kind {
        Kind::VcvtToInt => {
            let value = F::get(core, op.rm);
            let mode = core.fpscr.rounding_of(op.shift);
            let result =
                float::float_to_fixed::<F>(value, 0, 32, op.amount & 1 == 0, mode, &mut core.fpscr);
            return set_s(core, op.rd, result.into());
        }
        Kind::VcvtFromInt => {
            let raw = s(core, op.rm) as u32;
            let value = if op.amount & 1 == 1 {
                i64::from(raw as i32)
            } else {
                i64::from(raw)
            };
            let mode = core.fpscr.rounding();
            let result = float::fixed_to_float::<F>(value, 0, mode, &mut core.fpscr);
            return F::put(core, op.rd, result);
        }
        Kind::VcvtFixed => return fixed::<F>(core, op),
        Kind::Vcmp | Kind::VcmpZero => {
            let a = F::get(core, op.rd);
            let b = if op.kind == Kind::Vcmp {
                F::get(core, op.rm)
            } else {
                0
            };
            let nzcv = float::compare::<F>(a, b, op.has(VARIANT), &mut core.fpscr);
            return core.fpscr.set_nzcv(nzcv);
        }
        _ => {}
    }
    let (n, m, d) = (
        F::get(core, op.rn),
        F::get(core, op.rm),
        F::get(core, op.rd),
    );
    let negated = |value: u64| value ^ F::SIGN;
    let selects =
        op.kind == Kind::Vsel && core.condition([0, 6, 10, 12][usize::from(op.shift & 3)]);
    let fp = &mut core.fpscr;
    let result = match op.kind {
        Kind::VmovReg => m,
        Kind::Vabs => m & !F::SIGN,
        Kind::Vneg => negated(m),
        Kind::Vadd => float::add::<F>(n, m, fp),
        Kind::Vsub => float::sub::<F>(n, m, fp),
        Kind::Vmul => float::mul::<F>(n, m, fp),
        Kind::Vnmul => negated(float::mul::<F>(n, m, fp)),
        Kind::Vdiv => float::div::<F>(n, m, fp),
        Kind::Vsqrt => float::sqrt::<F>(m, fp),
        Kind::Vmla | Kind::Vmls | Kind::Vnmla | Kind::Vnmls => {
            let product = float::mul::<F>(n, m, fp);
            let product = if matches!(op.kind, Kind::Vmls | Kind::Vnmla) {
                negated(product)
            } else {
                product
            };
            let addend = if matches!(op.kind, Kind::Vnmla | Kind::Vnmls) {
                negated(d)
            } else {
                d
            };
            float::add::<F>(addend, product, fp)
        }
        Kind::Vfma => float::fma::<F>(d, n, m, fp),
        Kind::Vfms => float::fma::<F>(d, negated(n), m, fp),
        Kind::Vfnma => float::fma::<F>(negated(d), negated(n), m, fp),
        Kind::Vfnms => float::fma::<F>(negated(d), n, m, fp),
        Kind::Vsel => {
            if selects {
                n
            } else {
                m
            }
        }
        Kind::Vmaxnm => float::max_number::<F>(n, m, fp),
        Kind::Vminnm => float::min_number::<F>(n, m, fp),
        Kind::Vrint => {
            let mode = fp.rounding_of(op.shift);
            float::round_to_integral::<F>(m, mode, op.has(VARIANT), fp)
        }
        _ => return,
    };
    F::put(core, op.rd, result);
}

/// VCVT between fixed point and floating point, in place: to nearest from fixed, towards zero to it.
fn fixed<F: Registers>(core: &mut Core, op: &Op) {
    let unsigned = op.shift & 1 == 1;
    let width = if op.shift & 4 != 0 { 32 } else { 16 };
    let fraction = u32::from(op.amount);
    let value = F::get(core, op.rd);
    if op.shift & 2 != 0 {
        let raw = float::float_to_fixed::<F>(
            value,
            fraction,
            width,
            unsigned,
            float::Rounding::Zero,
            &mut core.fpscr,
        );
        let extended = if unsigned {
            u64::from(raw)
        } else {
            i64::from(raw as i32) as u64
        };
        return F::put(core, op.rd, extended & (F::SIGN | (F::SIGN - 1)));
    }
    let raw = value as u32;
    let value = match (width, unsigned) {
        (32, true) => i64::from(raw),
        (32, false) => i64::from(raw as i32),
        (_, true) => i64::from(raw as u16),
        (_, false) => i64::from(raw as i16),
    };
    let result =
        float::fixed_to_float::<F>(value, fraction, float::Rounding::Nearest, &mut core.fpscr);
    F::put(core, op.rd, result);
}
