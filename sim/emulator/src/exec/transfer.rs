//! Loads and stores beyond the plain ones: indexed, multiple, pairs, exclusive.

use super::branch::interworking;
use crate::core::Core;
use crate::fault::{Cause, Trap};
use crate::memory::Bus;
use crate::op::{Kind, Op, PRE_INDEX, WRITE_BACK};
use crate::word::Word;

/// Writes a loaded value; one loaded to PC is a branch.
#[inline(always)]
pub(super) fn set_loaded(core: &mut Core, register: u8, value: u32) -> Result<(), Trap> {
    if register >= 13 {
        return set_high(core, register, value);
    }
    core.set(register, value);
    Ok(())
}

#[inline(never)]
fn set_high(core: &mut Core, register: u8, value: u32) -> Result<(), Trap> {
    if register == 15 {
        return interworking(core, value);
    }
    core.set_any(register, value);
    Ok(())
}

/// Base and address of an indexed access: before the offset applies, or after.
#[inline(always)]
fn indexed(core: &Core, op: &Op) -> (u32, u32) {
    let base = core.reg(op.rn);
    let moved = base.wrapping_add(op.imm);
    (if op.has(PRE_INDEX) { moved } else { base }, moved)
}

#[inline(always)]
pub(super) fn load_indexed<W: Word>(
    core: &mut Core,
    bus: &mut Bus,
    op: &Op,
    extend: fn(u32) -> u32,
) -> Result<(), Trap> {
    let (address, moved) = indexed(core, op);
    let value = extend(bus.load::<W>(address)?);
    core.set_any(op.rn, moved);
    set_loaded(core, op.rd, value)
}

#[inline(always)]
pub(super) fn store_indexed<W: Word>(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let (address, moved) = indexed(core, op);
    bus.store::<W>(address, core.reg(op.rd))?;
    core.set_any(op.rn, moved);
    Ok(())
}

/// LDM, STM, LDRD, STRD. All must be aligned to words.
pub(super) fn several(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let base = core.reg(op.rn);
    let bytes = 4 * op.imm.count_ones();
    match op.kind {
        Kind::Ldm => load_multiple(core, bus, op, base, base.wrapping_add(bytes)),
        Kind::LdmDb => load_multiple(
            core,
            bus,
            op,
            base.wrapping_sub(bytes),
            base.wrapping_sub(bytes),
        ),
        Kind::Stm => store_multiple(core, bus, op, base, base.wrapping_add(bytes)),
        Kind::StmDb => store_multiple(
            core,
            bus,
            op,
            base.wrapping_sub(bytes),
            base.wrapping_sub(bytes),
        ),
        Kind::LdrdLit => load_pair(core, bus, op, op.imm),
        Kind::Ldrd => {
            let (address, moved) = indexed(core, op);
            load_pair(core, bus, op, address)?;
            if op.has(WRITE_BACK) {
                core.set_any(op.rn, moved);
            }
            Ok(())
        }
        _ => {
            let (address, moved) = indexed(core, op);
            check_aligned(address)?;
            bus.store::<u32>(address, core.reg(op.rd))?;
            bus.store::<u32>(address.wrapping_add(4), core.reg(op.ra))?;
            bus.last = address;
            if op.has(WRITE_BACK) {
                core.set_any(op.rn, moved);
            }
            Ok(())
        }
    }
}

fn check_aligned(address: u32) -> Result<(), Trap> {
    if address & 3 == 0 {
        Ok(())
    } else {
        Err(Trap::Fault(Cause::Unaligned(address)))
    }
}

fn load_pair(core: &mut Core, bus: &mut Bus, op: &Op, address: u32) -> Result<(), Trap> {
    check_aligned(address)?;
    let first = bus.load::<u32>(address)?;
    let second = bus.load::<u32>(address.wrapping_add(4))?;
    bus.last = address;
    core.set(op.rd, first);
    core.set(op.ra, second);
    Ok(())
}

fn load_multiple(
    core: &mut Core,
    bus: &mut Bus,
    op: &Op,
    start: u32,
    end: u32,
) -> Result<(), Trap> {
    check_aligned(start)?;
    // All words are read before any register changes, so that a fault leaves the state as it was.
    let mut values = [0; 16];
    let mut list = op.imm & 0xffff;
    let mut address = start;
    while list != 0 {
        let register = list.trailing_zeros() as usize;
        values[register & 15] = bus.load::<u32>(address)?;
        address = address.wrapping_add(4);
        list &= list - 1;
    }
    bus.last = start;
    if op.has(WRITE_BACK) {
        core.set_any(op.rn, end);
    }
    let mut list = op.imm & 0x7fff;
    while list != 0 {
        let register = list.trailing_zeros() as usize & 15;
        core.r[register] = values[register];
        list &= list - 1;
    }
    if op.imm & 0x8000 != 0 {
        interworking(core, values[15])
    } else {
        Ok(())
    }
}

fn store_multiple(
    core: &mut Core,
    bus: &mut Bus,
    op: &Op,
    start: u32,
    end: u32,
) -> Result<(), Trap> {
    check_aligned(start)?;
    let mut list = op.imm & 0xffff;
    let mut address = start;
    while list != 0 {
        let register = list.trailing_zeros() as u8;
        bus.store::<u32>(address, core.reg(register))?;
        address = address.wrapping_add(4);
        list &= list - 1;
    }
    bus.last = start;
    if op.has(WRITE_BACK) {
        core.set_any(op.rn, end);
    }
    Ok(())
}

/// LDREX, STREX and their sizes, acquire and release forms. One core: the reservation is an address.
pub(super) fn exclusive(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    let address = core.reg(op.rn).wrapping_add(op.imm);
    match op.kind {
        Kind::Clrex => core.exclusive = None,
        Kind::Ldrex | Kind::Lda => {
            let value = match op.amount {
                1 => bus.load_strict::<u8>(address)?,
                2 => bus.load_strict::<u16>(address)?,
                _ => bus.load_strict::<u32>(address)?,
            };
            if op.kind == Kind::Ldrex {
                core.exclusive = Some(address);
            }
            core.set(op.rd, value);
        }
        _ => {
            let value = core.reg(op.rd);
            if op.kind == Kind::Strex && core.exclusive.take() != Some(address) {
                if u32::from(op.amount).wrapping_sub(1) & address != 0 {
                    return Err(Trap::Fault(Cause::Unaligned(address)));
                }
                core.set(op.ra, 1);
                return Ok(());
            }
            match op.amount {
                1 => bus.store_strict::<u8>(address, value)?,
                2 => bus.store_strict::<u16>(address, value)?,
                _ => bus.store_strict::<u32>(address, value)?,
            }
            if op.kind == Kind::Strex {
                core.set(op.ra, 0);
            }
        }
    }
    Ok(())
}
