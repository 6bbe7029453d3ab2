//! Branches, IT blocks and special registers.

use crate::core::Core;
use crate::fault::{Cause, Trap};
use crate::memory::{Bus, events};
use crate::op::{Kind, Op, VARIANT};

/// Moves ITSTATE to the next instruction (ARMv7-M ARM A7.3.3).
#[inline(always)]
pub(crate) fn advance_it(it: u8) -> u8 {
    if it & 7 == 0 {
        0
    } else {
        it & 0xe0 | it << 1 & 0x1f
    }
}

/// BXWritePC: bit 0 selects Thumb; values from 0xf000_0000 on return from exceptions in handler mode.
#[inline(always)]
pub(super) fn interworking(core: &mut Core, target: u32) -> Result<(), Trap> {
    if target >> 28 == 0xf && core.ipsr != 0 {
        return Err(Trap::ExceptionReturn(target));
    }
    if target & 1 == 0 {
        return Err(Trap::Fault(Cause::ArmState(target)));
    }
    core.pc = target & !1;
    Ok(())
}

/// TBB and TBH; a base of 15 is the address behind the instruction.
pub(super) fn table(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let base = if op.rn == 15 { op.imm } else { core.reg(op.rn) };
    let index = core.reg(op.rm);
    let halfwords = if op.kind == Kind::Tbb {
        bus.load::<u8>(base.wrapping_add(index))?
    } else {
        bus.load::<u16>(base.wrapping_add(index << 1))?
    };
    core.pc = op.imm.wrapping_add(2 * halfwords);
    Ok(())
}

/// CPS, MRS, MSR (B5.1), with the banked stack pointers and their limits.
pub(super) fn special(core: &mut Core, bus: &mut Bus, op: &Op) {
    let (msp, psp) = core.stack_pointers();
    let privileged = core.ipsr != 0 || core.control & 1 == 0;
    match op.kind {
        Kind::Cps => {
            if !privileged {
                return;
            }
            let disable = op.has(VARIANT);
            if op.imm & 2 != 0 {
                core.primask = disable;
            }
            if op.imm & 1 != 0 {
                core.faultmask = disable;
            }
            bus.events |= events::EXCEPTIONS;
        }
        Kind::Mrs => {
            let ipsr = core.ipsr;
            let value = match op.imm & 0xff {
                number @ 0..=7 => {
                    let apsr = if number & 4 == 0 { core.apsr() } else { 0 };
                    let ipsr = if number & 1 != 0 { ipsr } else { 0 };
                    apsr | ipsr
                }
                _ if !privileged && op.imm != 20 => 0,
                8 => msp,
                9 => psp,
                10 => core.stack_limits[0],
                11 => core.stack_limits[1],
                16 => core.primask.into(),
                17 | 18 => core.basepri.into(),
                19 => core.faultmask.into(),
                20 => core.control,
                _ => 0,
            };
            core.set(op.rd, value);
        }
        Kind::Msr => {
            let value = core.reg(op.rn);
            if op.imm & 0xff == 8 {
                bus.events |= events::STACK_SET;
            }
            match op.imm & 0xff {
                number @ 0..=3 => {
                    let _ = number;
                    if op.amount & 2 != 0 {
                        core.set_apsr(value);
                    }
                    if op.amount & 1 != 0 {
                        core.set_ge(value);
                    }
                }
                4..=7 => {}
                _ if !privileged => {}
                8 if core.uses_psp() => core.other_sp = value & !3,
                8 => core.r[13] = value & !3,
                9 if core.uses_psp() => core.r[13] = value & !3,
                9 => core.other_sp = value & !3,
                10 => core.stack_limits[0] = value & !7,
                11 => core.stack_limits[1] = value & !7,
                16 => core.primask = value & 1 != 0,
                17 => core.basepri = value as u8 & bus.system.nvic.priority_mask,
                // BASEPRI_MAX only ever masks more.
                18 => {
                    let wanted = value as u8 & bus.system.nvic.priority_mask;
                    if wanted != 0 && (core.basepri == 0 || wanted < core.basepri) {
                        core.basepri = wanted;
                    }
                }
                19 => core.faultmask = value & 1 != 0,
                20 => {
                    let fpca = if bus.system.preserves_fp() { 4 } else { 0 };
                    core.switch(core.ipsr, value & (3 | fpca));
                }
                _ => {}
            }
            bus.events |= events::EXCEPTIONS;
        }
        // TT without a protection unit: everything is readable and writable, nothing has a region.
        Kind::Tt => core.set(op.rd, 0x000c_0000),
        _ => {}
    }
}
