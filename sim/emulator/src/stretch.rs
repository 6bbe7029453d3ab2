//! The hot loop: instructions of one memory, one behind the other, until something needs the run loop.
//!
//! It holds nothing but what every instruction needs, so that the compiler keeps it in the host's registers.
//! Slots that are empty or marked announce themselves as traps of execution: ordinary instructions pay
//! nothing for them.

use crate::core::Core;
use crate::exec::{advance_it, execute};
use crate::fault::Trap;
use crate::memory::Bus;
use crate::observer::{Observer, Retired};
use crate::op::{Kind, OUTSIDE_IT, Op, S};

/// What may run without a look at anything else.
pub(crate) struct Stretch<'a> {
    /// Decoded code, one slot per halfword.
    pub ops: &'a [Op],
    /// Address of the first slot.
    pub base: u32,
    /// Place of the first slot in its window.
    pub first_slot: usize,
    /// At most this many instructions, at least one.
    pub instructions: u64,
    /// Not beyond this clock.
    pub deadline: u64,
    /// A stack pointer below this is for the run loop to judge.
    pub watch: u32,
}

/// Why a stretch ended.
pub(crate) enum Pause {
    /// Its instructions are executed, its time is over, or the bus asks for something.
    Over,
    /// The slot of the next instruction is elsewhere, empty or marked.
    Look,
    /// An instruction did not end by itself; it has not retired.
    Trapped {
        trap: Trap,
        op: Op,
        pc: u32,
        /// ITSTATE before it.
        it: u8,
    },
    /// An instruction has retired and left the stack pointer low.
    Stack { op: Op, pc: u32 },
}

/// Tells the observer of an instruction, and moves the clock.
#[inline(always)]
pub(crate) fn retire<O: Observer>(
    observer: &mut O,
    core: &Core,
    bus: &mut Bus,
    (op, pc, slot): (&Op, u32, usize),
    skipped: bool,
) {
    bus.clock += observer.retire(&Retired {
        pc,
        op,
        slot,
        branched: core.pc != pc.wrapping_add(op.size.into()),
        next: core.pc,
        skipped,
        accessed: bus.last,
        effort: core.effort,
        sp: core.r[13],
        lr: core.r[14],
    });
}

/// Whether the instructions that were left, or the time, are used up.
#[inline(always)]
fn is_over<O: Observer>(left: u64, clock: u64, last: u64) -> bool {
    if O::ONE_CYCLE_EACH {
        clock >= last
    } else {
        left == 0 || clock >= last
    }
}

/// Executes a stretch from where the core is; how many instructions retired, and why no more.
#[inline(never)]
pub(crate) fn execute_stretch<O: Observer>(
    core: &mut Core,
    bus: &mut Bus,
    observer: &mut O,
    stretch: &Stretch<'_>,
) -> (u64, Pause) {
    let ops = stretch.ops;
    // Where every instruction moves the clock by one, one number says when to stop.
    let most = if O::ONE_CYCLE_EACH {
        let time = stretch.deadline.saturating_sub(bus.clock).max(1);
        stretch.instructions.min(time)
    } else {
        stretch.instructions
    };
    let started = bus.clock;
    let last = if O::ONE_CYCLE_EACH {
        started.saturating_add(most)
    } else {
        stretch.deadline
    };
    let mut left = most;
    let pause = loop {
        let pc = core.pc;
        let index = (pc.wrapping_sub(stretch.base) >> 1) as usize;
        let Some(mut op) = ops.get(index) else {
            break Pause::Look;
        };
        core.pc = pc.wrapping_add(op.size.into());
        let it = core.it;
        let slot = stretch.first_slot + index;
        let without_flags;
        if it != 0 {
            if op.kind <= Kind::Hook {
                core.pc = pc;
                break Pause::Look;
            }
            core.it = advance_it(it);
            if !core.condition(it >> 4) {
                retire(observer, core, bus, (op, pc, slot), true);
                left -= 1;
                if is_over::<O>(left, bus.clock, last) {
                    break Pause::Over;
                }
                continue;
            }
            if op.has(OUTSIDE_IT) {
                without_flags = Op {
                    flags: op.flags & !S,
                    ..*op
                };
                op = &without_flags;
            }
        }
        if let Err(trap) = execute(core, bus, op) {
            if matches!(trap, Trap::Undecoded | Trap::Hook) {
                core.pc = pc;
                break Pause::Look;
            }
            let op = *op;
            break Pause::Trapped { trap, op, pc, it };
        }
        retire(observer, core, bus, (op, pc, slot), false);
        left -= 1;
        if core.r[13] < stretch.watch {
            break Pause::Stack { op: *op, pc };
        }
        if is_over::<O>(left, bus.clock, last) || bus.events != 0 {
            break Pause::Over;
        }
    };
    let retired = if O::ONE_CYCLE_EACH {
        bus.clock - started
    } else {
        most - left
    };
    (retired, pause)
}
