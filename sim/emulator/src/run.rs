//! The run loop, and what it does when an instruction does not end by itself.

use crate::disassembly::disassemble;
use crate::emulator::{Emulator, Mode, RETURN};
use crate::exceptions;
use crate::exec::{advance_it, execute};
use crate::fault::{Cause, Fault, Stop, Trap};
use crate::hook::{HookAction, HookContext};
use crate::memory::events;
use crate::observer::{Nobody, Observer, Retired};
use crate::op::{Kind, OUTSIDE_IT, Op, S};
use crate::profile::Profiler;
use crate::semihosting::{self, Surroundings};

/// How an instruction that did not end by itself has been dealt with.
enum Outcome {
    /// It is executed.
    Done,
    /// It is not: its fault's handler comes next.
    Vectored,
}

/// A write outside the memories by way of the stack pointer: the stack has grown out of its memory.
fn stack_overflow(cause: Cause) -> Cause {
    match cause {
        Cause::UnmappedWrite(a) | Cause::WriteToFlash(a) => Cause::StackOverflow(a),
        other => other,
    }
}

impl Emulator {
    /// Runs with the observer that the mode asks for.
    pub(crate) fn run_from(&mut self, limit: u64, until: Option<u32>) -> Stop {
        let Some(mut timing) = self.timing.take() else {
            return self.execute_with(&mut Nobody, limit, until);
        };
        let stop = match self.mode {
            Mode::Count => self.execute_with(&mut Nobody, limit, until),
            Mode::Time => self.execute_with(&mut *timing, limit, until),
            Mode::Profile => {
                let mut profile = self.profile.take().unwrap_or_default();
                let stop = {
                    let mut both = Profiler::new(&mut profile, &mut timing, self.core.pc);
                    self.execute_with(&mut both, limit, until)
                };
                self.profile = Some(profile);
                stop
            }
        };
        self.timing = Some(timing);
        stop
    }

    /// The run loop.
    fn execute_with<O: Observer>(
        &mut self,
        observer: &mut O,
        limit: u64,
        until: Option<u32>,
    ) -> Stop {
        let end = self.instructions.saturating_add(limit);
        let mut first = true;
        let mut deadline = 0;
        self.bus.events |= events::EXCEPTIONS;
        // The window that code runs from is held here, so that fetching is one bounds check.
        let mut window = usize::MAX;
        let mut base = 0;
        let mut ops: Vec<Op> = Vec::new();
        let mut special;
        macro_rules! put_back {
            () => {
                if let Some(w) = self.code.windows.get_mut(window) {
                    w.ops = std::mem::take(&mut ops);
                }
            };
        }
        macro_rules! take_out {
            ($index:expr) => {
                window = $index;
                if let Some(w) = self.code.windows.get_mut(window) {
                    base = w.base;
                    ops = std::mem::take(&mut w.ops);
                }
            };
        }
        macro_rules! retire {
            ($op:expr, $pc:expr, $slot:expr, $behind:expr, $skipped:expr) => {{
                self.instructions += 1;
                let retired = Retired {
                    pc: $pc,
                    op: $op,
                    window,
                    slot: $slot,
                    generation: self.generation,
                    branched: self.core.pc != $behind,
                    next: self.core.pc,
                    skipped: $skipped,
                    accessed: self.bus.last,
                    effort: self.core.effort,
                    sp: self.core.r[13],
                    lr: self.core.r[14],
                };
                self.bus.clock += observer.retire(&retired);
            }};
        }
        let stop = loop {
            if self.bus.events != 0 || self.bus.clock >= deadline || self.instructions == end {
                if self.instructions == end {
                    break Stop::InstructionLimit;
                }
                put_back!();
                let outcome = self.attend(observer);
                deadline = self.bus.system.systick_deadline();
                take_out!(window);
                if let Err(stop) = outcome {
                    break stop;
                }
            }
            let pc = self.core.pc;
            let mut slot = (pc.wrapping_sub(base) >> 1) as usize;
            let mut op = match ops.get(slot) {
                Some(op) if op.kind > Kind::Hook => op,
                _ => {
                    put_back!();
                    if pc == RETURN {
                        window = usize::MAX;
                        break Stop::Returned;
                    }
                    let looked = self.look(pc, until.filter(|_| !first));
                    take_out!(self.code.window_of(pc).unwrap_or(usize::MAX));
                    slot = (pc.wrapping_sub(base) >> 1) as usize;
                    match looked {
                        Ok(Some(op)) => special = op,
                        Ok(None) => continue,
                        Err(stop) => break stop,
                    }
                    &special
                }
            };
            first = false;
            let behind = pc.wrapping_add(op.size.into());
            self.core.pc = behind;
            let it = self.core.it;
            if it != 0 {
                self.core.it = advance_it(it);
                if !self.core.condition(it >> 4) {
                    retire!(op, pc, slot, behind, true);
                    continue;
                }
                if op.has(OUTSIDE_IT) {
                    special = *op;
                    special.flags &= !S;
                    op = &special;
                }
            }
            if let Err(trap) = execute(&mut self.core, &mut self.bus, op) {
                special = *op;
                put_back!();
                let outcome = self.trapped(observer, trap, pc);
                deadline = self.bus.system.systick_deadline();
                take_out!(window);
                op = &special;
                match outcome {
                    Ok(Outcome::Done) => {}
                    Ok(Outcome::Vectored) => {
                        self.core.it = it;
                        continue;
                    }
                    Err(stop) => {
                        if matches!(stop, Stop::Fault(_)) {
                            self.core.it = it;
                        } else {
                            self.instructions += 1;
                        }
                        break stop;
                    }
                }
            }
            retire!(op, pc, slot, behind, false);
            let sp = self.core.r[13];
            if sp < self.stack.watch
                && let Some(cause) = self.stack.moved(&self.core, op)
            {
                break self.fault(pc, cause);
            }
        };
        put_back!();
        stop
    }

    /// An address whose slot is empty or marked: the instruction to execute, or `None` to fetch again.
    #[inline(never)]
    fn look(&mut self, pc: u32, until: Option<u32>) -> Result<Option<Op>, Stop> {
        let Some(op) = self.code.fill(&mut self.bus, pc) else {
            return self.faulted(pc, Cause::UnmappedFetch(pc)).map(|_| None);
        };
        if op.kind != Kind::Hook {
            return Ok(Some(op));
        }
        if until == Some(pc) {
            return Err(Stop::Address(pc));
        }
        let arrived_before = self.stopped_at.take() == Some(pc);
        let hook = if arrived_before {
            None
        } else {
            self.hooks.remove(&pc)
        };
        if let Some(mut hook) = hook {
            let (instructions, clock) = (self.instructions, self.bus.clock);
            let action = hook(&mut HookContext {
                core: &mut self.core,
                bus: &mut self.bus,
                instructions,
                clock,
            });
            self.hooks.insert(pc, hook);
            match action {
                HookAction::Continue if self.core.pc == pc => {}
                HookAction::Continue => return Ok(None),
                HookAction::Return => {
                    self.core.pc = self.core.r[14] & !1;
                    return Ok(None);
                }
                HookAction::Stop => {
                    self.stopped_at = Some(pc);
                    return Err(Stop::Hook(pc));
                }
            }
        }
        Ok(self.code.decode_at(&self.bus, pc).map(|(op, _)| op))
    }

    /// Whatever the bus asked for, and exceptions.
    #[inline(never)]
    fn attend(&mut self, observer: &mut impl Observer) -> Result<(), Stop> {
        let asked = std::mem::take(&mut self.bus.events);
        if asked & events::CODE_CHANGED != 0 {
            let stale = std::mem::take(&mut self.bus.stale);
            self.generation += u64::from(self.code.invalidate(&stale));
        }
        if asked & events::RESET != 0 {
            self.reset()
                .map_err(|_| self.fault(self.core.pc, Cause::UnmappedFetch(0)))?;
        }
        if asked & events::STACK_SET != 0 {
            self.stack.main_was_set(&self.core);
        }
        self.bus.system.advance(self.bus.clock);
        let pending =
            self.bus
                .system
                .nvic
                .next(self.core.primask, self.core.faultmask, self.core.basepri);
        if let Some(number) = pending {
            let pc = self.core.pc;
            if let Err(Trap::Fault(cause)) =
                exceptions::enter(&mut self.core, &mut self.bus, number)
            {
                return Err(self.fault(pc, stack_overflow(cause)));
            }
            self.bus.clock += observer.exception(true);
        }
        self.stack.refresh(&self.core);
        Ok(())
    }

    /// An instruction that does not end by itself.
    #[inline(never)]
    fn trapped(
        &mut self,
        observer: &mut impl Observer,
        trap: Trap,
        pc: u32,
    ) -> Result<Outcome, Stop> {
        match trap {
            Trap::Fault(cause) => {
                self.core.pc = pc;
                self.faulted(pc, cause)
            }
            Trap::Svc => {
                self.bus.system.nvic.pend(crate::nvic::SVCALL);
                let next = self.bus.system.nvic.next(
                    self.core.primask,
                    self.core.faultmask,
                    self.core.basepri,
                );
                if next.is_none() {
                    self.core.pc = pc;
                    return self.faulted(pc, Cause::Escalated);
                }
                self.bus.events |= events::EXCEPTIONS;
                Ok(Outcome::Done)
            }
            Trap::Breakpoint(0xab) => self.semihosting_call(),
            Trap::Breakpoint(number) => Err(Stop::Breakpoint { pc, number }),
            Trap::Wait => self.sleep(pc),
            // An event that was signalled before ends the wait at once (ARMv7-M ARM B1.5.18).
            Trap::WaitForEvent if std::mem::take(&mut self.core.event) => Ok(Outcome::Done),
            Trap::WaitForEvent => self.sleep(pc),
            Trap::ExceptionReturn(value) => {
                if let Err(Trap::Fault(cause)) =
                    exceptions::leave(&mut self.core, &mut self.bus, value)
                {
                    return Err(self.fault(pc, cause));
                }
                self.core.event = true;
                self.bus.clock += observer.exception(false);
                self.bus.events |= events::EXCEPTIONS;
                if self.bus.system.sleeps_on_exit() && self.core.ipsr == 0 {
                    self.sleep(pc)
                } else {
                    Ok(Outcome::Done)
                }
            }
            Trap::Undecoded | Trap::Hook => Err(self.fault(pc, Cause::Undefined)),
        }
    }

    /// A fault ends the run, unless it goes to the program's own handler and that can be entered.
    fn faulted(&mut self, pc: u32, cause: Cause) -> Result<Outcome, Stop> {
        if self.vector_faults {
            let masked = self.core.primask || self.core.faultmask || self.core.ipsr != 0;
            if self.bus.system.raise(&cause, masked).is_some() {
                self.bus.events |= events::EXCEPTIONS;
                return Ok(Outcome::Vectored);
            }
        }
        Err(self.fault(pc, cause))
    }

    /// WFI and WFE: time passes until an exception wakes the core. Events of other cores do not exist, so
    /// that WFE without a pending exception is taken for a wait for an interrupt.
    fn sleep(&mut self, pc: u32) -> Result<Outcome, Stop> {
        self.bus.system.advance(self.bus.clock);
        if !self.bus.system.nvic.wakes(self.core.basepri) {
            let deadline = self.bus.system.systick_deadline();
            if deadline == u64::MAX {
                return Err(Stop::Asleep { pc });
            }
            self.bus.clock = self.bus.clock.max(deadline);
            self.bus.system.advance(self.bus.clock);
        }
        self.bus.events |= events::EXCEPTIONS;
        Ok(Outcome::Done)
    }

    fn semihosting_call(&mut self) -> Result<Outcome, Stop> {
        let ram = self.machine.ram.first();
        let ram_end = ram.map_or(0, |r| r.base.wrapping_add(r.size));
        // Zero tells the program that nobody knows: it has an opinion of its own.
        let heap_base = self
            .image
            .as_ref()
            .and_then(|i| i.heap_start())
            .unwrap_or(0);
        let around = Surroundings {
            clock: self.bus.clock,
            clock_hz: self.machine.clock_hz,
            heap: [
                heap_base,
                if heap_base == 0 { 0 } else { ram_end },
                ram_end,
                heap_base,
            ],
        };
        match semihosting::call(&mut self.core, &mut self.bus, &mut *self.host, &around) {
            semihosting::Outcome::Continue => Ok(Outcome::Done),
            semihosting::Outcome::Exit(code) => Err(Stop::Exit(code)),
        }
    }

    /// A fault with its place.
    fn fault(&self, pc: u32, cause: Cause) -> Stop {
        let (instruction, encoding, by_stack) = match self.code.decode_at(&self.bus, pc) {
            Some((op, encoding)) => (disassemble(&op, encoding), encoding, op.rn == 13),
            None => ("?".to_owned(), 0, false),
        };
        let cause = if by_stack {
            stack_overflow(cause)
        } else {
            cause
        };
        let image = self.image.as_ref();
        Stop::Fault(Box::new(Fault {
            pc,
            encoding,
            instruction,
            cause,
            function: image.and_then(|i| i.symbols.at(pc)).map(|s| s.name.clone()),
            line: image.and_then(|i| i.lines()?.line_of(pc)),
        }))
    }
}
