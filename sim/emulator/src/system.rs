//! The system control space: SysTick, NVIC, system control block, DWT cycle counter, floating-point control.
//!
//! As far as bare-metal start-up code and simple schedulers need it (ARMv7-M ARM B3, C1.8). The MPU reads
//! as absent; what is not listed reads as zero and ignores writes.

use crate::features::{Features, Fpu};
use crate::memory::events;

/// Exceptions 0 to 15 and 256 interrupts.
pub(crate) const EXCEPTIONS: usize = 272;
pub(crate) const NMI: u32 = 2;
pub(crate) const SVCALL: u32 = 11;
pub(crate) const PENDSV: u32 = 14;
pub(crate) const SYSTICK: u32 = 15;

const CCR_UNALIGN_TRP: u32 = 1 << 3;
const CCR_DIV_0_TRP: u32 = 1 << 4;
const DEMCR_TRCENA: u32 = 1 << 24;

/// One exception's state.
#[derive(Debug, Clone, Copy, Default)]
struct Exception {
    enabled: bool,
    pending: bool,
    active: bool,
    priority: u8,
}

/// The registers of the private peripheral bus.
#[derive(Debug, Clone)]
pub struct System {
    exceptions: Vec<Exception>,
    systick_control: u32,
    systick_reload: u32,
    /// Clock at which the counter was last zero or loaded.
    systick_origin: u64,
    systick_fired: bool,
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
}

impl System {
    pub(crate) fn new(features: &Features) -> Self {
        let mut exceptions = vec![Exception::default(); EXCEPTIONS];
        for exception in exceptions.iter_mut().take(16) {
            exception.enabled = true;
        }
        System {
            exceptions,
            systick_control: 4,
            systick_reload: 0,
            systick_origin: 0,
            systick_fired: false,
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

    pub(crate) fn pend(&mut self, number: u32) {
        if let Some(e) = self.exceptions.get_mut(number as usize) {
            e.pending = true;
        }
    }

    pub(crate) fn activate(&mut self, number: u32) {
        if let Some(e) = self.exceptions.get_mut(number as usize) {
            e.pending = false;
            e.active = true;
        }
    }

    pub(crate) fn deactivate(&mut self, number: u32) {
        if let Some(e) = self.exceptions.get_mut(number as usize) {
            e.active = false;
        }
    }

    /// Priority of an exception: lower is more urgent; those that are fixed are negative.
    fn priority(&self, number: usize) -> i32 {
        match number {
            1 => -4,
            2 => -2,
            3 => -1,
            _ => i32::from(self.exceptions[number].priority),
        }
    }

    /// The priority that running code has, before masks.
    fn active_priority(&self) -> i32 {
        (1..EXCEPTIONS)
            .filter(|&n| self.exceptions[n].active)
            .map(|n| self.priority(n))
            .min()
            .unwrap_or(256)
    }

    /// The pending and enabled exception that may pre-empt under the given masks.
    pub(crate) fn next(&self, primask: bool, faultmask: bool, basepri: u8) -> Option<u32> {
        let mut limit = self.active_priority();
        if basepri != 0 {
            limit = limit.min(i32::from(basepri));
        }
        if primask {
            limit = limit.min(0);
        }
        if faultmask {
            limit = limit.min(-1);
        }
        self.most_urgent()
            .filter(|&(priority, _)| priority < limit)
            .map(|(_, number)| number)
    }

    /// Whether an exception would wake a sleeping core: PRIMASK does not hold it back.
    pub(crate) fn wakes(&self, basepri: u8) -> bool {
        let limit = if basepri == 0 {
            256
        } else {
            i32::from(basepri)
        };
        self.most_urgent()
            .is_some_and(|(priority, _)| priority < limit.min(self.active_priority()))
    }

    fn most_urgent(&self) -> Option<(i32, u32)> {
        (2..EXCEPTIONS)
            .filter(|&n| self.exceptions[n].pending && self.exceptions[n].enabled)
            .map(|n| (self.priority(n), n as u32))
            .min()
    }

    /// The clock at which SysTick next reaches zero, if it counts and interrupts.
    pub(crate) fn systick_deadline(&self) -> u64 {
        let counts = self.systick_control & 3 == 3 && self.systick_reload != 0;
        if counts {
            self.systick_origin + u64::from(self.systick_reload) + 1
        } else {
            u64::MAX
        }
    }

    /// Takes note of the time: pends SysTick if it passed zero.
    pub(crate) fn advance(&mut self, clock: u64) {
        if clock < self.systick_deadline() {
            return;
        }
        let period = u64::from(self.systick_reload) + 1;
        self.systick_origin += (clock - self.systick_origin) / period * period;
        self.systick_fired = true;
        self.pend(SYSTICK);
    }

    fn systick_value(&self, clock: u64) -> u32 {
        if self.systick_control & 1 == 0 || self.systick_reload == 0 {
            return 0;
        }
        let period = u64::from(self.systick_reload) + 1;
        let elapsed = clock.wrapping_sub(self.systick_origin) % period;
        if elapsed == 0 {
            0
        } else {
            (period - elapsed) as u32
        }
    }

    /// Reads a word of the private peripheral bus.
    pub(crate) fn read(&mut self, address: u32, clock: u64) -> u32 {
        match address {
            0xe000_1000 => self.dwt_control | 0x4000_0000,
            0xe000_1004 if self.dwt_control & 1 != 0 => clock.wrapping_sub(self.dwt_origin) as u32,
            0xe000_1004 => self.dwt_origin as u32,
            0xe000_e004 => (EXCEPTIONS as u32 - 16) / 32 - 1,
            0xe000_e010 => {
                let passed = self.systick_control & 1 == 1
                    && self.systick_reload != 0
                    && clock.wrapping_sub(self.systick_origin) > u64::from(self.systick_reload);
                let fired = std::mem::take(&mut self.systick_fired) || passed;
                if passed && self.systick_control & 2 == 0 {
                    let period = u64::from(self.systick_reload) + 1;
                    self.systick_origin += (clock - self.systick_origin) / period * period;
                }
                self.systick_control | u32::from(fired) << 16
            }
            0xe000_e014 => self.systick_reload,
            0xe000_e018 => self.systick_value(clock),
            0xe000_e01c => 0xc000_0000,
            0xe000_e100..=0xe000_e13c => self.bitmap(address, |e| e.enabled),
            0xe000_e180..=0xe000_e1bc => self.bitmap(address, |e| e.enabled),
            0xe000_e200..=0xe000_e23c => self.bitmap(address, |e| e.pending),
            0xe000_e280..=0xe000_e2bc => self.bitmap(address, |e| e.pending),
            0xe000_e300..=0xe000_e33c => self.bitmap(address, |e| e.active),
            0xe000_e400..=0xe000_e4fc => self.priorities((address - 0xe000_e400) as usize + 16),
            0xe000_ed00 => self.cpuid,
            0xe000_ed04 => self.icsr(),
            0xe000_ed08 => self.vtor,
            0xe000_ed0c => 0xfa05_0000 | self.aircr_group << 8,
            0xe000_ed10 => self.scr,
            0xe000_ed14 => self.ccr,
            0xe000_ed18..=0xe000_ed20 => self.priorities((address - 0xe000_ed18) as usize + 4),
            0xe000_ed24 => self.shcsr,
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
                self.set_priority((first + i) as usize, value >> (8 * i));
            }
            return events::EXCEPTIONS;
        }
        match address {
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
                if value & 1 == 1 && self.systick_control & 1 == 0 {
                    self.systick_origin = clock;
                }
                self.systick_control = value & 7;
            }
            0xe000_e014 => self.systick_reload = value & 0x00ff_ffff,
            0xe000_e018 => {
                self.systick_origin = clock;
                self.systick_fired = false;
            }
            0xe000_e100..=0xe000_e13c => self.each(address, value, |e| e.enabled = true),
            0xe000_e180..=0xe000_e1bc => self.each(address, value, |e| e.enabled = false),
            0xe000_e200..=0xe000_e23c => self.each(address, value, |e| e.pending = true),
            0xe000_e280..=0xe000_e2bc => self.each(address, value, |e| e.pending = false),
            0xe000_e400..=0xe000_e4fc => {
                for i in 0..4 {
                    self.set_priority((address - 0xe000_e400) as usize + 16 + i, value >> (8 * i));
                }
            }
            0xe000_ed04 => {
                let mut set = |bit: u32, number: u32, pending: bool| {
                    if value >> bit & 1 == 1 {
                        self.exceptions[number as usize].pending = pending;
                    }
                };
                set(31, NMI, true);
                set(28, PENDSV, true);
                set(27, PENDSV, false);
                set(26, SYSTICK, true);
                set(25, SYSTICK, false);
            }
            0xe000_ed08 => self.vtor = value & !0x7f,
            0xe000_ed0c if value >> 16 == 0x05fa => {
                self.aircr_group = value >> 8 & 7;
                if value & 4 != 0 {
                    return events::RESET;
                }
            }
            0xe000_ed10 => self.scr = value & 0x16,
            0xe000_ed14 if self.mainline => self.ccr = value & 0x0007_031b,
            0xe000_ed18..=0xe000_ed20 => {
                for i in 0..4 {
                    self.set_priority((address - 0xe000_ed18) as usize + 4 + i, value >> (8 * i));
                }
            }
            0xe000_ed24 => self.shcsr = value & 0x7_0000,
            0xe000_ed88 if self.fpu != Fpu::None => self.cpacr = value & 0x00f0_0000,
            0xe000_edfc => self.demcr = value & (DEMCR_TRCENA | 0x7f1),
            0xe000_ef00 if value < 256 => self.pend(16 + value),
            0xe000_ef34 => self.fpccr = value & 0xc000_0000 | self.fpccr & 0x0fff_ffff,
            0xe000_ef38 => self.fpcar = value & !7,
            0xe000_ef3c => self.fpdscr = value & 0x07c0_0000,
            _ => {}
        }
        events::EXCEPTIONS
    }

    fn icsr(&self) -> u32 {
        let active = (1..EXCEPTIONS)
            .filter(|&n| self.exceptions[n].active)
            .min_by_key(|&n| self.priority(n))
            .unwrap_or(0) as u32;
        let pending = self.most_urgent().map_or(0, |(_, number)| number);
        let is_pending = |n: u32| u32::from(self.exceptions[n as usize].pending);
        active
            | pending << 12
            | is_pending(SYSTICK) << 26
            | is_pending(PENDSV) << 28
            | is_pending(NMI) << 31
    }

    fn bitmap(&self, address: u32, flag: fn(&Exception) -> bool) -> u32 {
        let first = 16 + (address as usize & 0x3c) * 8;
        (0..32)
            .filter(|i| self.exceptions.get(first + i).is_some_and(flag))
            .fold(0, |word, i| word | 1 << i)
    }

    fn each(&mut self, address: u32, value: u32, change: fn(&mut Exception)) {
        let first = 16 + (address as usize & 0x3c) * 8;
        for i in (0..32).filter(|i| value >> i & 1 == 1) {
            if let Some(e) = self.exceptions.get_mut(first + i) {
                change(e);
            }
        }
    }

    fn priorities(&self, first: usize) -> u32 {
        (0..4).fold(0, |word, i| {
            word | u32::from(self.exceptions.get(first + i).map_or(0, |e| e.priority)) << (8 * i)
        })
    }

    fn set_priority(&mut self, number: usize, value: u32) {
        if let Some(e) = self.exceptions.get_mut(number) {
            // Eight priority bits are implemented on the larger cores, two on the baseline.
            e.priority = value as u8 & if self.mainline { 0xff } else { 0xc0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::CoreTable;

    fn system() -> System {
        System::new(&CoreTable::builtin("cortex-m4f").unwrap().features)
    }

    #[test]
    fn systick_counts_down_and_pends() {
        let mut s = system();
        s.write(0xe000_e014, 99, 4, 0);
        s.write(0xe000_e010, 7, 4, 1000);
        assert_eq!(s.systick_deadline(), 1100);
        assert_eq!(s.read(0xe000_e018, 1001), 99);
        s.advance(1100);
        assert_eq!(s.next(false, false, 0), Some(SYSTICK));
        assert_eq!(s.read(0xe000_e010, 1101) >> 16 & 1, 1);
    }

    #[test]
    fn urgent_exceptions_come_first_and_masks_hold_back() {
        let mut s = system();
        s.write(0xe000_e400, 0x40, 1, 0);
        s.write(0xe000_e401, 0x20, 1, 0);
        s.write(0xe000_e100, 3, 4, 0);
        s.write(0xe000_e200, 3, 4, 0);
        assert_eq!(s.next(false, false, 0), Some(17));
        assert_eq!(s.next(true, false, 0), None);
        assert_eq!(s.next(false, false, 0x20), None);
        s.activate(17);
        assert_eq!(
            s.next(false, false, 0),
            None,
            "a less urgent interrupt waits"
        );
        s.deactivate(17);
        assert_eq!(s.next(false, false, 0), Some(16));
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
