//! Executing one decoded instruction.
//!
//! The dispatch holds what programs spend their time on; the rest is in functions by topic. An instruction
//! changes registers and memory or returns a [`Trap`]; `core.pc` already points behind it.

mod alu;
mod branch;
mod dsp;
mod fp;
mod transfer;

use crate::core::Core;
use crate::fault::{Cause, Trap};
use crate::memory::Bus;
use crate::op::{CARRY, CARRY_VALUE, Kind, Op, S};

pub(crate) use branch::advance_it;

#[inline(always)]
fn logical(core: &mut Core, op: &Op, result: u32, carry: bool) {
    if op.has(S) {
        core.set_nz(result);
        core.c = carry;
    }
}

/// The carry a logical operation with an immediate leaves.
#[inline(always)]
fn immediate_carry(core: &Core, op: &Op) -> bool {
    if op.has(CARRY) {
        op.has(CARRY_VALUE)
    } else {
        core.c
    }
}

/// The sum and, where asked for, its flags.
#[inline(always)]
fn add(core: &mut Core, op: &Op, a: u32, b: u32, carry: u32) -> u32 {
    let wide = u64::from(a) + u64::from(b) + u64::from(carry);
    let result = wide as u32;
    if op.has(S) {
        core.set_nz(result);
        core.c = wide >> 32 != 0;
        core.v = ((a ^ result) & (b ^ result)) >> 31 != 0;
    }
    result
}

/// Executes an instruction.
#[inline(always)]
// Arms that look alike are compiled apart, each for its own kind.
#[allow(clippy::match_same_arms)]
pub(crate) fn execute(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    // Logical operations: result, and the carry of the second operand.
    macro_rules! logic_imm {
        (|$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (core.reg(op.rn), op.imm);
            let result = $e;
            core.set(op.rd, result);
            let carry = immediate_carry(core, op);
            logical(core, op, result, carry);
        }};
    }
    macro_rules! logic_reg {
        (|$a:ident, $b:ident| $e:expr) => {{
            let ($a, $b) = (core.reg(op.rn), core.reg(op.rm));
            let result = $e;
            core.set(op.rd, result);
            let carry = core.c;
            logical(core, op, result, carry);
        }};
    }
    macro_rules! logic_shift {
        (|$a:ident, $b:ident| $e:expr) => {{
            let ($b, carry) = alu::shifted(core, op);
            let $a = core.reg(op.rn);
            let result = $e;
            core.set_any(op.rd, result);
            logical(core, op, result, carry);
        }};
    }
    macro_rules! sum {
        ($a:expr, $b:expr, $c:expr) => {{
            let (a, b, c) = ($a, $b, $c);
            let result = add(core, op, a, b, c);
            core.set_any(op.rd, result);
        }};
    }
    macro_rules! compare {
        ($a:expr, $b:expr, $c:expr) => {{
            let (a, b, c) = ($a, $b, $c);
            add(core, op, a, b, c);
        }};
    }
    macro_rules! rn {
        () => {
            core.reg(op.rn)
        };
    }
    macro_rules! rm {
        () => {
            core.reg(op.rm)
        };
    }
    macro_rules! load {
        ($w:ty, $address:expr, $extend:expr) => {{
            let address = $address;
            let value: u32 = bus.load::<$w>(address)?;
            transfer::set_loaded(core, op.rd, $extend(value))?;
        }};
    }
    macro_rules! store {
        ($w:ty, $address:expr) => {{
            let address = $address;
            bus.store::<$w>(address, core.reg(op.rd))?;
        }};
    }
    macro_rules! by_imm {
        () => {
            core.reg(op.rn).wrapping_add(op.imm)
        };
    }
    macro_rules! by_reg {
        () => {
            core.reg(op.rn)
                .wrapping_add(core.reg(op.rm) << (op.amount & 3))
        };
    }
    let word = |v: u32| v;
    let byte_signed = |v: u32| v as u8 as i8 as u32;
    let half_signed = |v: u32| v as u16 as i16 as u32;

    match op.kind {
        Kind::AndImm => logic_imm!(|a, b| a & b),
        Kind::BicImm => logic_imm!(|a, b| a & !b),
        Kind::OrrImm => logic_imm!(|a, b| a | b),
        Kind::OrnImm => logic_imm!(|a, b| a | !b),
        Kind::EorImm => logic_imm!(|a, b| a ^ b),
        Kind::MovImm => {
            core.set(op.rd, op.imm);
            let carry = immediate_carry(core, op);
            logical(core, op, op.imm, carry);
        }
        Kind::Adr => core.set(op.rd, op.imm),
        Kind::TstImm => {
            let carry = immediate_carry(core, op);
            logical(core, op, rn!() & op.imm, carry);
        }
        Kind::TeqImm => {
            let carry = immediate_carry(core, op);
            logical(core, op, rn!() ^ op.imm, carry);
        }
        Kind::AddImm => sum!(rn!(), op.imm, 0),
        Kind::AdcImm => sum!(rn!(), op.imm, core.c.into()),
        Kind::SbcImm => sum!(rn!(), !op.imm, core.c.into()),
        Kind::SubImm => sum!(rn!(), !op.imm, 1),
        Kind::RsbImm => sum!(!rn!(), op.imm, 1),
        Kind::CmpImm => compare!(rn!(), !op.imm, 1),
        Kind::CmnImm => compare!(rn!(), op.imm, 0),

        Kind::AndReg => logic_reg!(|a, b| a & b),
        Kind::BicReg => logic_reg!(|a, b| a & !b),
        Kind::OrrReg => logic_reg!(|a, b| a | b),
        Kind::OrnReg => logic_reg!(|a, b| a | !b),
        Kind::EorReg => logic_reg!(|a, b| a ^ b),
        Kind::MovReg => {
            let result = rm!();
            core.set(op.rd, result);
            let carry = core.c;
            logical(core, op, result, carry);
        }
        Kind::MvnReg => {
            let result = !rm!();
            core.set(op.rd, result);
            let carry = core.c;
            logical(core, op, result, carry);
        }
        Kind::TstReg => {
            let carry = core.c;
            logical(core, op, rn!() & rm!(), carry);
        }
        Kind::TeqReg => {
            let carry = core.c;
            logical(core, op, rn!() ^ rm!(), carry);
        }
        Kind::AddReg => sum!(rn!(), rm!(), 0),
        Kind::AdcReg => sum!(rn!(), rm!(), core.c.into()),
        Kind::SbcReg => sum!(rn!(), !rm!(), core.c.into()),
        Kind::SubReg => sum!(rn!(), !rm!(), 1),
        Kind::RsbReg => sum!(!rn!(), rm!(), 1),
        Kind::CmpReg => compare!(rn!(), !rm!(), 1),
        Kind::CmnReg => compare!(rn!(), rm!(), 0),

        Kind::AndShift => logic_shift!(|a, b| a & b),
        Kind::BicShift => logic_shift!(|a, b| a & !b),
        Kind::OrrShift => logic_shift!(|a, b| a | b),
        Kind::OrnShift => logic_shift!(|a, b| a | !b),
        Kind::EorShift => logic_shift!(|a, b| a ^ b),
        Kind::MovShift => {
            let (result, carry) = alu::shifted(core, op);
            core.set_any(op.rd, result);
            logical(core, op, result, carry);
        }
        Kind::MvnShift => {
            let (result, carry) = alu::shifted(core, op);
            core.set(op.rd, !result);
            logical(core, op, !result, carry);
        }
        Kind::TstShift => {
            let (b, carry) = alu::shifted(core, op);
            logical(core, op, rn!() & b, carry);
        }
        Kind::TeqShift => {
            let (b, carry) = alu::shifted(core, op);
            logical(core, op, rn!() ^ b, carry);
        }
        Kind::AddShift => sum!(rn!(), alu::shifted(core, op).0, 0),
        Kind::AdcShift => sum!(rn!(), alu::shifted(core, op).0, core.c.into()),
        Kind::SbcShift => sum!(rn!(), !alu::shifted(core, op).0, core.c.into()),
        Kind::SubShift => sum!(rn!(), !alu::shifted(core, op).0, 1),
        Kind::RsbShift => sum!(!rn!(), alu::shifted(core, op).0, 1),
        Kind::CmpShift => compare!(rn!(), !alu::shifted(core, op).0, 1),
        Kind::CmnShift => compare!(rn!(), alu::shifted(core, op).0, 0),
        Kind::ShiftReg => {
            let (result, carry) = alu::shift(rn!(), op.shift, rm!() & 0xff, core.c);
            core.set(op.rd, result);
            logical(core, op, result, carry);
        }
        Kind::Movt => core.set(op.rd, core.reg(op.rd) & 0xffff | op.imm << 16),

        Kind::B => core.pc = op.imm,
        Kind::Stay => return Err(Trap::Stay),
        Kind::BCond => {
            if core.condition(op.shift) {
                core.pc = op.imm;
            }
        }
        Kind::Bl => {
            core.r[14] = core.pc | 1;
            core.pc = op.imm;
        }
        Kind::Bx => branch::interworking(core, rm!())?,
        Kind::BlxReg => {
            let target = rm!();
            core.r[14] = op.imm;
            branch::interworking(core, target)?;
        }
        Kind::Cbz => {
            if rn!() == 0 {
                core.pc = op.imm;
            }
        }
        Kind::Cbnz => {
            if rn!() != 0 {
                core.pc = op.imm;
            }
        }
        Kind::Tbb | Kind::Tbh => branch::table(core, bus, op)?,
        Kind::MovPc => core.pc = rm!() & !1,
        Kind::AddPc => core.pc = op.imm.wrapping_add(rm!()) & !1,

        Kind::LdrImm => load!(u32, by_imm!(), word),
        Kind::LdrbImm => load!(u8, by_imm!(), word),
        Kind::LdrhImm => load!(u16, by_imm!(), word),
        Kind::LdrsbImm => load!(u8, by_imm!(), byte_signed),
        Kind::LdrshImm => load!(u16, by_imm!(), half_signed),
        Kind::StrImm => store!(u32, by_imm!()),
        Kind::StrbImm => store!(u8, by_imm!()),
        Kind::StrhImm => store!(u16, by_imm!()),
        Kind::LdrReg => load!(u32, by_reg!(), word),
        Kind::LdrbReg => load!(u8, by_reg!(), word),
        Kind::LdrhReg => load!(u16, by_reg!(), word),
        Kind::LdrsbReg => load!(u8, by_reg!(), byte_signed),
        Kind::LdrshReg => load!(u16, by_reg!(), half_signed),
        Kind::StrReg => store!(u32, by_reg!()),
        Kind::StrbReg => store!(u8, by_reg!()),
        Kind::StrhReg => store!(u16, by_reg!()),
        Kind::LdrLit => load!(u32, op.imm, word),
        Kind::LdrbLit => load!(u8, op.imm, word),
        Kind::LdrhLit => load!(u16, op.imm, word),
        Kind::LdrsbLit => load!(u8, op.imm, byte_signed),
        Kind::LdrshLit => load!(u16, op.imm, half_signed),
        Kind::LdrIndexed => transfer::load_indexed::<u32>(core, bus, op, word)?,
        Kind::LdrbIndexed => transfer::load_indexed::<u8>(core, bus, op, word)?,
        Kind::LdrhIndexed => transfer::load_indexed::<u16>(core, bus, op, word)?,
        Kind::LdrsbIndexed => transfer::load_indexed::<u8>(core, bus, op, byte_signed)?,
        Kind::LdrshIndexed => transfer::load_indexed::<u16>(core, bus, op, half_signed)?,
        Kind::StrIndexed => transfer::store_indexed::<u32>(core, bus, op)?,
        Kind::StrbIndexed => transfer::store_indexed::<u8>(core, bus, op)?,
        Kind::StrhIndexed => transfer::store_indexed::<u16>(core, bus, op)?,

        Kind::Sxtb => core.set(op.rd, byte_signed(rm!().rotate_right(op.amount.into()))),
        Kind::Sxth => core.set(op.rd, half_signed(rm!().rotate_right(op.amount.into()))),
        Kind::Uxtb => core.set(op.rd, rm!().rotate_right(op.amount.into()) & 0xff),
        Kind::Uxth => core.set(op.rd, rm!().rotate_right(op.amount.into()) & 0xffff),
        Kind::Mul => {
            let (a, b) = (rn!(), rm!());
            let result = a.wrapping_mul(b);
            core.set(op.rd, result);
            if op.has(S) {
                core.set_nz(result);
            }
        }
        Kind::Mla => core.set(
            op.rd,
            rn!().wrapping_mul(rm!()).wrapping_add(core.reg(op.ra)),
        ),
        Kind::Mls => core.set(
            op.rd,
            core.reg(op.ra).wrapping_sub(rn!().wrapping_mul(rm!())),
        ),
        Kind::It => core.it = op.imm as u8,
        Kind::Nop | Kind::Barrier => {}

        Kind::Vldr => fp::transfer(core, bus, op)?,
        Kind::Vstr => fp::transfer(core, bus, op)?,
        Kind::Vldm | Kind::Vstm | Kind::VldrLit => fp::transfer(core, bus, op)?,
        Kind::Vadd => fp::common(core, bus, op)?,
        Kind::Vmul => fp::common(core, bus, op)?,
        Kind::Vfma => fp::common(core, bus, op)?,
        Kind::Vmla => fp::common(core, bus, op)?,
        Kind::Vsub | Kind::Vmls => fp::common(core, bus, op)?,
        Kind::Ldm
        | Kind::LdmDb
        | Kind::Stm
        | Kind::StmDb
        | Kind::Ldrd
        | Kind::Strd
        | Kind::LdrdLit => {
            transfer::several(core, bus, op)?;
        }
        Kind::Undecoded => return Err(Trap::Undecoded),
        Kind::Hook => return Err(Trap::Hook),
        Kind::Undefined => return Err(Trap::Fault(Cause::Undefined)),
        _ => return rare(core, bus, op),
    }
    Ok(())
}

/// What programs seldom execute, kept out of the dispatch loop.
#[inline(never)]
fn rare(core: &mut Core, bus: &mut Bus, op: &Op) -> Result<(), Trap> {
    match op.kind {
        Kind::Ldrex | Kind::Strex | Kind::Clrex | Kind::Lda | Kind::Stl => {
            transfer::exclusive(core, bus, op)
        }
        Kind::Wfi => Err(Trap::Wait),
        Kind::Wfe => Err(Trap::WaitForEvent),
        Kind::Sev => {
            core.event = true;
            Ok(())
        }
        Kind::Bkpt => Err(Trap::Breakpoint(op.imm as u8)),
        Kind::Svc => Err(Trap::Svc),
        Kind::Cps | Kind::Mrs | Kind::Msr | Kind::Tt => {
            branch::special(core, bus, op);
            Ok(())
        }
        kind if kind >= Kind::Vldr => fp::rare(core, bus, op),
        Kind::Sdiv | Kind::Udiv if core.reg(op.rm) == 0 && bus.system.traps_division() => {
            Err(Trap::Fault(Cause::DivisionByZero))
        }
        kind if kind >= Kind::Umaal => {
            dsp::execute(core, op);
            Ok(())
        }
        _ => {
            alu::rare(core, op);
            Ok(())
        }
    }
}
