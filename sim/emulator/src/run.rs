//! The run loop, and what it does when an instruction does not end by itself.

use crate::disassembly::disassemble;
use crate::emulator::{Emulator, Mode, RETURN};
use crate::exceptions;
use crate::fault::{Cause, Fault, Stop, Trap};
use crate::hook::{HookAction, HookContext};
use crate::memory::events;
use crate::nvic::SVCALL;
use crate::observer::{Exception, Nobody, Observer};
use crate::op::{Kind, Op};
use crate::profile::Profiler;
use crate::semihosting::{self, Surroundings};
use crate::stretch::{Pause, Stretch, execute_stretch, retire};

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
                    let symbols = self.image.as_ref().map(|i| i.symbols.clone());
                    let symbols = symbols.unwrap_or_default();
                    let mut both = Profiler::new(&mut profile, &mut timing, symbols, self.core.pc);
                    self.execute_with(&mut both, limit, until)
                };
                self.profile = Some(profile);
                stop
            }
        };
        self.timing = Some(timing);
        stop
    }

    /// The run loop: stretches of code, and what comes between them.
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
        // What to execute next in place of its slot.
        let mut special: Option<Op> = None;
        let stop = loop {
            let due =
                self.bus.events != 0 || self.bus.clock >= deadline || self.instructions == end;
            if due && special.is_none() {
                if self.instructions == end {
                    break Stop::InstructionLimit;
                }
                let outcome = self.attend(observer);
                deadline = self.bus.system.systick_deadline();
                if let Err(stop) = outcome {
                    break stop;
                }
            }
            let start = self.core.pc;
            let Some(window) = self.code.window_of(start) else {
                if start == RETURN {
                    break Stop::Returned;
                }
                match self.look(start, until) {
                    Ok(_) => continue,
                    Err(stop) => break stop,
                }
            };
            observer.enter(window, self.generation);
            let window = &self.code.windows[window];
            let mut stretch = Stretch {
                ops: &window.ops,
                base: window.base,
                first_slot: 0,
                instructions: end - self.instructions,
                deadline,
                watch: self.stack.watch,
            };
            let own = special.take();
            if let Some(op) = &own {
                stretch.first_slot = (start.wrapping_sub(window.base) >> 1) as usize;
                stretch.base = start;
                stretch.ops = std::slice::from_ref(op);
                stretch.instructions = 1;
            }
            let base = window.base;
            let (retired, pause) =
                execute_stretch(&mut self.core, &mut self.bus, observer, &stretch);
            self.instructions += retired;
            first &= retired == 0;
            match pause {
                Pause::Over => {}
                Pause::Look if self.core.pc == RETURN || self.code.is_ready(self.core.pc) => {}
                Pause::Look => match self.look(self.core.pc, until.filter(|_| !first)) {
                    Ok(op) => special = op,
                    Err(stop) => break stop,
                },
                Pause::Stack { op, pc } => {
                    if let Some(cause) = self.stack.moved(&self.core, &op) {
                        break self.fault(pc, cause);
                    }
                }
                Pause::Trapped { trap, op, pc, it } => {
                    first = false;
                    let outcome = self.trapped(observer, trap, pc);
                    deadline = self.bus.system.systick_deadline();
                    match outcome {
                        Ok(Outcome::Done) => {}
                        Ok(Outcome::Vectored) => {
                            self.core.it = it;
                            continue;
                        }
                        Err(stop) => {
                            if matches!(stop, Stop::Fault(_) | Stop::Stuck { .. }) {
                                self.core.it = it;
                            } else {
                                self.instructions += 1;
                            }
                            break stop;
                        }
                    }
                    self.instructions += 1;
                    let slot = (pc.wrapping_sub(base) >> 1) as usize;
                    retire(observer, &self.core, &mut self.bus, (&op, pc, slot), false);
                    if self.core.r[13] < self.stack.watch
                        && let Some(cause) = self.stack.moved(&self.core, &op)
                    {
                        break self.fault(pc, cause);
                    }
                }
            }
        };
        observer.leave();
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
        if asked & events::FLASH_ACCESS != 0 {
            observer.flash_access(&self.bus.flash_access);
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
                let cause = match self.stack_outside() {
                    Some(_) => cause,
                    None => stack_overflow(cause),
                };
                return Err(self.fault(pc, cause));
            }
            self.bus.clock += observer.exception(Exception::Taken(self.core.pc));
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
                if !self.bus.system.nvic.preempts(SVCALL, &self.core) {
                    let behind = std::mem::replace(&mut self.core.pc, pc);
                    self.faulted(pc, Cause::Escalated)?;
                    // The call is over: its HardFault returns behind it.
                    self.core.pc = behind;
                    return Ok(Outcome::Done);
                }
                self.bus.system.nvic.pend(SVCALL);
                self.bus.events |= events::EXCEPTIONS;
                Ok(Outcome::Done)
            }
            Trap::Breakpoint(0xab) => self.semihosting_call(),
            Trap::Breakpoint(number) => Err(Stop::Breakpoint { pc, number }),
            Trap::Stay => {
                self.core.pc = pc;
                if self.bus.system.nvic.masks_interrupts(&self.core) {
                    Err(Stop::Stuck { pc })
                } else {
                    Ok(Outcome::Done)
                }
            }
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
                self.bus.clock += observer.exception(Exception::Over);
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
        if self.vector_faults && self.bus.system.raise(&cause, &self.core).is_some() {
            self.bus.events |= events::EXCEPTIONS;
            return Ok(Outcome::Vectored);
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
        let outcome = semihosting::call(
            &mut self.core,
            &mut self.bus,
            &mut *self.host,
            &mut self.extensions,
            &around,
        );
        match outcome {
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
        let cause = if by_stack && self.stack_outside().is_none() {
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
