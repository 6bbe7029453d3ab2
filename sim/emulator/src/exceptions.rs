//! Taking exceptions and returning from them (ARMv7-M ARM B1.5.6 to B1.5.8).
//!
//! Floating-point state is stacked at once where it belongs to the context; the architecture may put that
//! off (lazy stacking), which programs cannot tell apart but by time.

use crate::core::Core;
use crate::fault::{Cause, Trap};
use crate::float::Fpscr;
use crate::memory::Bus;

/// Words of the basic frame, and of one with floating-point state.
const BASIC: u32 = 8;
const EXTENDED: u32 = 26;

/// Stacks the context and enters the handler of an exception.
pub(crate) fn enter(core: &mut Core, bus: &mut Bus, number: u32) -> Result<(), Trap> {
    let with_fp = core.control & 4 != 0 && bus.system.preserves_fp();
    let words = if with_fp { EXTENDED } else { BASIC };
    let sp = core.r[13];
    let padding = sp & 4;
    let frame = sp.wrapping_sub(4 * words) & !7;
    let xpsr = core.xpsr() | padding << 7;
    let basic = [
        core.r[0], core.r[1], core.r[2], core.r[3], core.r[12], core.r[14], core.pc, xpsr,
    ];
    for (i, word) in basic.iter().enumerate() {
        bus.store::<u32>(frame.wrapping_add(4 * i as u32), *word)?;
    }
    if with_fp {
        for i in 0..16 {
            bus.store::<u32>(frame.wrapping_add(4 * (BASIC + i)), core.s[i as usize])?;
        }
        bus.store::<u32>(frame.wrapping_add(4 * (BASIC + 16)), core.fpscr.bits())?;
    }
    core.r[13] = frame;
    let mode = if core.ipsr != 0 {
        0x1
    } else if core.control & 2 != 0 {
        0xd
    } else {
        0x9
    };
    core.r[14] = 0xffff_ffe0 | mode | if with_fp { 0 } else { 0x10 };
    let handler = bus.load::<u32>(bus.system.vtor.wrapping_add(4 * number))?;
    core.switch(
        number,
        core.control & !4 & if core.ipsr == 0 { !2 } else { !0 },
    );
    core.it = 0;
    core.exclusive = None;
    if with_fp {
        core.fpscr = Fpscr::new(bus.system.fpdscr);
    }
    bus.system.nvic.activate(number);
    if handler & 1 == 0 {
        return Err(Trap::Fault(Cause::ArmState(handler)));
    }
    core.pc = handler & !1;
    Ok(())
}

/// Unstacks the context that an exception-return value names.
pub(crate) fn leave(core: &mut Core, bus: &mut Bus, value: u32) -> Result<(), Trap> {
    let to_thread = value & 8 != 0;
    let process = value & 4 != 0;
    if value >> 8 != 0x00ff_ffff || process && !to_thread {
        return Err(Trap::Fault(Cause::BadExceptionReturn(value)));
    }
    let with_fp = value & 0x10 == 0;
    bus.system.nvic.deactivate(core.ipsr);
    core.faultmask = false;
    let (msp, psp) = core.stack_pointers();
    let frame = if process { psp } else { msp };
    let mut basic = [0; BASIC as usize];
    for (i, word) in basic.iter_mut().enumerate() {
        *word = bus.load::<u32>(frame.wrapping_add(4 * i as u32))?;
    }
    if with_fp {
        for i in 0..16 {
            core.s[i as usize] = bus.load::<u32>(frame.wrapping_add(4 * (BASIC + i)))?;
        }
        core.fpscr = Fpscr::new(bus.load::<u32>(frame.wrapping_add(4 * (BASIC + 16)))?);
    }
    let xpsr = basic[7];
    let words = if with_fp { EXTENDED } else { BASIC };
    let restored = frame.wrapping_add(4 * words) | (xpsr >> 7 & 4);
    let control = core.control & 1 | if with_fp { 4 } else { 0 } | if process { 2 } else { 0 };
    // The handler used the main stack; the frame's stack moves behind the frame.
    core.switch(if to_thread { 0 } else { xpsr & 0x1ff }, control);
    core.r[13] = restored;
    [
        core.r[0], core.r[1], core.r[2], core.r[3], core.r[12], core.r[14],
    ] = [basic[0], basic[1], basic[2], basic[3], basic[4], basic[5]];
    core.pc = basic[6] & !1;
    core.set_apsr(xpsr);
    core.set_ge(xpsr);
    core.it = ((xpsr >> 25 & 3) | (xpsr >> 10 & 0x3f) << 2) as u8;
    core.exclusive = None;
    Ok(())
}
