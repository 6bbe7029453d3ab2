//! The system control space: SysTick, NVIC, system control block, DWT cycle counter, floating-point control.
//!
//! As far as bare-metal start-up code and simple schedulers need it (ARMv7-M ARM B3, C1.8). The MPU reads
//! as absent; what is not listed reads as zero and ignores writes.

use crate::core::Core;
use crate::fault::Cause;
use crate::features::{Features, Fpu};
use crate::machine::Machine;
use crate::memory::events;
use crate::nvic::{BUS_FAULT, EXCEPTIONS, HARD_FAULT, Nvic, SYSTICK, USAGE_FAULT};
use crate::systick::SysTick;

const CCR_UNALIGN_TRP: u32 = 1 << 3;
const CCR_DIV_0_TRP: u32 = 1 << 4;
/// DWT_CTRL.NOCYCCNT: there is no cycle counter.
const DWT_NOCYCCNT: u32 = 1 << 25;
const DEMCR_TRCENA: u32 = 1 << 24;

/// The registers of the private peripheral bus.
#[derive(Debug, Clone)]
pub struct System {
    pub(crate) nvic: Nvic,
    systick: SysTick,
    pub(crate) vtor: u32,
    ccr: u32,
    scr: u32,
    shcsr: u32,
    pub(crate) cpacr: u32,
    pub(crate) fpccr: u32,
    pub(crate) fpcar: u32,
    pub(crate) fpdscr: u32,
    demcr: u32,
    dwt_control: u32,
    dwt_origin: u64,
    aircr_group: u32,
    cpuid: u32,
    fpu: Fpu,
    mainline: bool,
    cycle_counter: bool,
    /// CFSR, HFSR, MMFAR and BFAR: why the last fault happened, for handlers of the program.
    faults: [u32; 4],
}

/// Bits of CFSR that a fault sets, with HFSR.FORCED where it escalates (ARMv7-M ARM B3.2.15, B3.2.16).
const HFSR_FORCED: u32 = 1 << 30;
const BFARVALID: u32 = 1 << 15;

impl System {
    /// The registers after reset.
    pub(crate) fn new(features: &Features, machine: &Machine) -> Self {
        // Most vendors implement four bits; the baseline has two.
        let bits = match (machine.priority_bits, features.mainline) {
            (0, true) => 4,
            (0, false) => 2,
            (bits, _) => bits.min(8),
        };
        System {
            nvic: Nvic::new((0xff00u32 >> bits) as u8),
            systick: SysTick::new(),
            vtor: 0,
            ccr: if features.mainline {
                1 << 9
            } else {
                1 << 9 | CCR_UNALIGN_TRP
            },
            scr: 0,
            shcsr: 0,
            cpacr: 0,
            fpccr: 0xc000_0000,
            fpcar: 0,
            fpdscr: 0,
            demcr: 0,
            dwt_control: 0,
            dwt_origin: 0,
            aircr_group: 0,
            cpuid: features.cpuid,
            fpu: features.fpu,
            mainline: features.mainline,
            cycle_counter: machine.cycle_counter && features.mainline,
            faults: [0; 4],
        }
    }

    #[inline]
    pub(crate) fn traps_unaligned(&self) -> bool {
        self.ccr & CCR_UNALIGN_TRP != 0
    }

    #[inline]
    pub(crate) fn traps_division(&self) -> bool {
        self.ccr & CCR_DIV_0_TRP != 0
    }

    /// Whether CPACR gives access to the floating-point unit.
    #[inline(always)]
    pub(crate) fn fpu_enabled(&self) -> bool {
        self.cpacr >> 20 & 1 == 1
    }

    /// Whether floating-point state is kept across exceptions (FPCCR.ASPEN).
    pub(crate) fn preserves_fp(&self) -> bool {
        self.fpu != Fpu::None && self.fpccr >> 31 == 1
    }

    /// Whether the core sleeps again after its last exception (SCR.SLEEPONEXIT).
    pub(crate) fn sleeps_on_exit(&self) -> bool {
        self.scr & 2 != 0
    }

    /// Makes the exception of a fault pending and notes why; the exception's number, or `None` where the core locks up because
    /// not even a HardFault can be taken (ARMv7-M ARM B1.5.15).
    pub(crate) fn raise(&mut self, cause: &Cause, core: &Core) -> Option<u32> {
        let (status, own) = match cause {
            Cause::UnmappedFetch(_) => (1 << 8, BUS_FAULT),
            Cause::UnmappedRead(_) | Cause::UnmappedWrite(_) | Cause::WriteToFlash(_) => {
                (1 << 9, BUS_FAULT)
            }
            Cause::Undefined => (1 << 16, USAGE_FAULT),
            // A supervisor call has no status of its own, and nowhere to go but to HardFault.
            Cause::Escalated => (0, HARD_FAULT),
            Cause::ArmState(_) => (1 << 17, USAGE_FAULT),
            Cause::BadExceptionReturn(_) => (1 << 18, USAGE_FAULT),
            Cause::NoCoprocessor => (1 << 19, USAGE_FAULT),
            Cause::StackOverflow(_) => (1 << 20, USAGE_FAULT),
            Cause::Unaligned(_) => (1 << 24, USAGE_FAULT),
            Cause::DivisionByZero => (1 << 25, USAGE_FAULT),
        };
        self.faults[0] |= status;
        if let Cause::UnmappedRead(a) | Cause::UnmappedWrite(a) | Cause::WriteToFlash(a) = cause {
            self.faults[0] |= BFARVALID;
            self.faults[3] = *a;
        }
        let taken = |number: u32| self.nvic.preempts(number, core);
        // SHCSR enables BusFault with bit 17 and UsageFault with bit 18; what is not enabled, or cannot
        // pre-empt, becomes a HardFault.
        let enabled = self.mainline && own != HARD_FAULT && self.shcsr >> (own + 12) & 1 == 1;
        let number = if enabled && taken(own) {
            own
        } else if taken(HARD_FAULT) {
            self.faults[1] |= HFSR_FORCED;
            HARD_FAULT
        } else {
            return None;
        };
        self.nvic.pend(number);
        Some(number)
    }

    /// The clock at which SysTick next interrupts.
    pub(crate) fn systick_deadline(&self) -> u64 {
        self.systick.deadline()
    }

    /// Takes note of the time: pends SysTick if it passed zero.
    pub(crate) fn advance(&mut self, clock: u64) {
        if self.systick.advance(clock) {
            self.nvic.pend(SYSTICK);
        }
    }

    /// Reads a word of the private peripheral bus.
    pub(crate) fn read(&mut self, address: u32, clock: u64) -> u32 {
        match address {
            0xe000_1000 if !self.cycle_counter => DWT_NOCYCCNT,
            0xe000_1000 => self.dwt_control | 0x4000_0000,
            0xe000_1004 if self.dwt_control & 1 != 0 => clock.wrapping_sub(self.dwt_origin) as u32,
            0xe000_1004 => self.dwt_origin as u32,
            0xe000_e004 => (EXCEPTIONS as u32 - 16) / 32 - 1,
            0xe000_e010 => {
                self.advance(clock);
                self.systick.control()
            }
            0xe000_e014 => self.systick.reload(),
            0xe000_e018 => {
                self.advance(clock);
                self.systick.value()
            }
            0xe000_e01c => 0xc000_0000,
            0xe000_e100..=0xe000_e13c => self.nvic.bitmap(address, |e| e.enabled),
            0xe000_e180..=0xe000_e1bc => self.nvic.bitmap(address, |e| e.enabled),
            0xe000_e200..=0xe000_e23c => self.nvic.bitmap(address, |e| e.pending),
            0xe000_e280..=0xe000_e2bc => self.nvic.bitmap(address, |e| e.pending),
            0xe000_e300..=0xe000_e33c => self.nvic.bitmap(address, |e| e.active),
            0xe000_e400..=0xe000_e4fc => {
                self.nvic.priorities((address - 0xe000_e400) as usize + 16)
            }
            0xe000_ed00 => self.cpuid,
            0xe000_ed04 => self.nvic.icsr(self.mainline),
            0xe000_ed08 => self.vtor,
            0xe000_ed0c => 0xfa05_0000 | self.aircr_group << 8,
            0xe000_ed10 => self.scr,
            0xe000_ed14 => self.ccr,
            0xe000_ed18..=0xe000_ed20 => self.nvic.priorities((address - 0xe000_ed18) as usize + 4),
            // The baseline shows no more than that a supervisor call is pending.
            0xe000_ed24 if !self.mainline => self.nvic.system_handlers() & 1 << 15,
            0xe000_ed24 => self.shcsr | self.nvic.system_handlers(),
            0xe000_ed28 => self.faults[0],
            0xe000_ed2c => self.faults[1],
            0xe000_ed34 => self.faults[2],
            0xe000_ed38 => self.faults[3],
            0xe000_ed88 => self.cpacr,
            0xe000_edfc => self.demcr,
            0xe000_ef34 => self.fpccr,
            0xe000_ef38 => self.fpcar,
            0xe000_ef3c => self.fpdscr,
            // MVFR0 to MVFR2: what the unit can do.
            0xe000_ef40 => [0, 0x1011_0021, 0x1011_0021, 0x1011_0221][self.fpu as usize],
            0xe000_ef44 => [0, 0x1100_0011, 0x1100_0011, 0x1200_0011][self.fpu as usize],
            0xe000_ef48 => [0, 0, 0x40, 0x40][self.fpu as usize],
            _ => 0,
        }
    }

    /// Writes the private peripheral bus; returns the [`events`] that the run loop must see.
    pub(crate) fn write(&mut self, address: u32, value: u32, bytes: u32, clock: u64) -> u32 {
        if bytes < 4 && matches!(address, 0xe000_e400..=0xe000_e4ff | 0xe000_ed18..=0xe000_ed23) {
            let first = if address < 0xe000_ed00 {
                address - 0xe000_e400 + 16
            } else {
                address - 0xe000_ed18 + 4
            };
            for i in 0..bytes {
                self.nvic
                    .set_priority((first + i) as usize, value >> (8 * i));
            }
            return events::EXCEPTIONS;
        }
        match address {
            0xe000_1000 | 0xe000_1004 if !self.cycle_counter => {}
            0xe000_1000 => {
                // The counter keeps its value while stopped.
                let count = if self.dwt_control & 1 != 0 {
                    clock.wrapping_sub(self.dwt_origin)
                } else {
                    self.dwt_origin
                };
                self.dwt_control = if self.demcr & DEMCR_TRCENA != 0 {
                    value & 1
                } else {
                    0
                };
                self.dwt_origin = if self.dwt_control & 1 != 0 {
                    clock.wrapping_sub(count)
                } else {
                    count
                };
            }
            0xe000_1004 if self.dwt_control & 1 != 0 => {
                self.dwt_origin = clock.wrapping_sub(value.into())
            }
            0xe000_1004 => self.dwt_origin = value.into(),
            0xe000_e010 => {
                self.advance(clock);
                self.systick.set_control(value);
            }
            0xe000_e014 => {
                self.advance(clock);
                self.systick.set_reload(value);
            }
            0xe000_e018 => {
                self.advance(clock);
                self.systick.clear();
            }
            0xe000_e100..=0xe000_e13c => self.nvic.each(address, value, |e| e.enabled = true),
            0xe000_e180..=0xe000_e1bc => self.nvic.each(address, value, |e| e.enabled = false),
            0xe000_e200..=0xe000_e23c => self.nvic.each(address, value, |e| e.pending = true),
            0xe000_e280..=0xe000_e2bc => self.nvic.each(address, value, |e| e.pending = false),
            0xe000_e400..=0xe000_e4fc => {
                for i in 0..4 {
                    self.nvic
                        .set_priority((address - 0xe000_e400) as usize + 16 + i, value >> (8 * i));
                }
            }
            0xe000_ed04 => {
                self.nvic.set_icsr(value);
            }
            0xe000_ed08 => self.vtor = value & !0x7f,
            0xe000_ed0c if value >> 16 == 0x05fa => {
                self.aircr_group = value >> 8 & 7;
                self.nvic.set_group(self.aircr_group);
                if value & 4 != 0 {
                    return events::RESET;
                }
            }
            0xe000_ed10 => self.scr = value & 0x16,
            0xe000_ed14 if self.mainline => self.ccr = value & 0x0007_031b,
            0xe000_ed18..=0xe000_ed20 => {
                for i in 0..4 {
                    self.nvic
                        .set_priority((address - 0xe000_ed18) as usize + 4 + i, value >> (8 * i));
                }
            }
            0xe000_ed24 => self.shcsr = value & 0x7_0000,
            // Status bits are cleared by writing ones; parts of the word are registers of their own.
            0xe000_ed28..=0xe000_ed2b => self.faults[0] &= !(value << (8 * (address & 3))),
            0xe000_ed2c => self.faults[1] &= !value,
            0xe000_ed88 if self.fpu != Fpu::None => self.cpacr = value & 0x00f0_0000,
            0xe000_edfc => self.demcr = value & (DEMCR_TRCENA | 0x7f1),
            0xe000_ef00 if value < 256 => self.nvic.pend(16 + value),
            0xe000_ef34 => self.fpccr = value & 0xc000_0000 | self.fpccr & 0x0fff_ffff,
            0xe000_ef38 => self.fpcar = value & !7,
            0xe000_ef3c => self.fpdscr = value & 0x07c0_0000,
            _ => {}
        }
        events::EXCEPTIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::CoreTable;

    fn system() -> System {
        System::new(
            &CoreTable::builtin("cortex-m4f").unwrap().features,
            &Machine::generic("cortex-m4f"),
        )
    }

    #[test]
    fn systick_counts_down_and_pends() {
        let mut s = system();
        s.write(0xe000_e014, 99, 4, 0);
        s.write(0xe000_e010, 7, 4, 1000);
        assert_eq!(s.systick_deadline(), 1100);
        assert_eq!(s.read(0xe000_e018, 1001), 99);
        s.advance(1100);
        assert_eq!(s.nvic.next(false, false, 0), Some(SYSTICK));
        assert_eq!(s.read(0xe000_e010, 1101) >> 16 & 1, 1);
    }

    #[test]
    fn parts_of_the_fault_status_are_cleared_by_themselves() {
        let mut s = system();
        s.faults[0] = 0x0200_8200;
        s.write(0xe000_ed29, 0x82, 1, 0);
        assert_eq!(s.read(0xe000_ed28, 0), 0x0200_0000);
        s.write(0xe000_ed2a, 0x0200, 2, 0);
        assert_eq!(s.read(0xe000_ed28, 0), 0);
    }

    #[test]
    fn urgent_exceptions_come_first_and_masks_hold_back() {
        let mut s = system();
        s.write(0xe000_e400, 0x40, 1, 0);
        s.write(0xe000_e401, 0x20, 1, 0);
        s.write(0xe000_e100, 3, 4, 0);
        s.write(0xe000_e200, 3, 4, 0);
        assert_eq!(s.nvic.next(false, false, 0), Some(17));
        assert_eq!(s.nvic.next(true, false, 0), None);
        assert_eq!(s.nvic.next(false, false, 0x20), None);
        s.nvic.activate(17);
        assert_eq!(
            s.nvic.next(false, false, 0),
            None,
            "a less urgent interrupt waits"
        );
        s.nvic.deactivate(17);
        assert_eq!(s.nvic.next(false, false, 0), Some(16));
    }

    #[test]
    fn the_cycle_counter_needs_trace_enabled() {
        let mut s = system();
        s.write(0xe000_1000, 1, 4, 0);
        assert_eq!(s.read(0xe000_1004, 50), 0);
        s.write(0xe000_edfc, 1 << 24, 4, 50);
        s.write(0xe000_1000, 1, 4, 50);
        assert_eq!(s.read(0xe000_1004, 80), 30);
        s.write(0xe000_1004, 0, 4, 100);
        assert_eq!(s.read(0xe000_1004, 107), 7);
    }
}
