//! The interrupt controller: which exceptions are enabled, pending and active, and which comes next
//! (ARMv7-M ARM B1.5.4, B3.4).

use crate::core::Core;

/// Exceptions 0 to 15 and 256 interrupts.
pub(crate) const EXCEPTIONS: usize = 272;
pub(crate) const NMI: u32 = 2;
pub(crate) const HARD_FAULT: u32 = 3;
pub(crate) const BUS_FAULT: u32 = 5;
pub(crate) const USAGE_FAULT: u32 = 6;
pub(crate) const SVCALL: u32 = 11;
const PENDSV: u32 = 14;
pub(crate) const SYSTICK: u32 = 15;

/// One exception's state.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Exception {
    pub enabled: bool,
    pub pending: bool,
    pub active: bool,
    priority: u8,
}

/// The state of all exceptions.
#[derive(Debug, Clone)]
pub(crate) struct Nvic {
    exceptions: Vec<Exception>,
    /// The bits of a priority that the chip implements.
    pub priority_mask: u8,
    /// The bits that decide about pre-emption (AIRCR.PRIGROUP).
    group_mask: i32,
}

impl Nvic {
    /// Exceptions of the core are enabled, interrupts are not.
    pub(crate) fn new(priority_mask: u8) -> Self {
        let mut exceptions = vec![Exception::default(); EXCEPTIONS];
        for exception in exceptions.iter_mut().take(16) {
            exception.enabled = true;
        }
        Nvic {
            exceptions,
            priority_mask,
            group_mask: !1,
        }
    }

    /// Splits priorities into group and subpriority: PRIGROUP bits and one more are the latter.
    pub(crate) fn set_group(&mut self, prigroup: u32) {
        self.group_mask = !0 << (prigroup + 1);
    }

    /// The part of a priority that decides about pre-emption; fixed ones have no subpriority.
    fn group(&self, priority: i32) -> i32 {
        if priority < 0 {
            priority
        } else {
            priority & self.group_mask
        }
    }

    /// Makes an exception pending.
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
        self.exceptions
            .iter()
            .enumerate()
            .filter(|(n, e)| e.active && *n >= 1)
            .map(|(n, _)| self.priority(n))
            .min()
            .unwrap_or(256)
    }

    /// The priority that an exception has to be above to pre-empt under the given masks.
    fn limit(&self, primask: bool, faultmask: bool, basepri: u8) -> i32 {
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
        limit
    }

    /// Whether an exception could pre-empt under the given masks, whatever else is pending.
    pub(crate) fn preempts(&self, number: u32, core: &Core) -> bool {
        let limit = self.limit(core.primask, core.faultmask, core.basepri);
        self.group(self.priority(number as usize)) < self.group(limit)
    }

    /// Whether not even the most urgent interrupt could pre-empt.
    pub(crate) fn masks_interrupts(&self, core: &Core) -> bool {
        let limit = self.limit(core.primask, core.faultmask, core.basepri);
        self.group(0) >= self.group(limit)
    }

    /// The pending and enabled exception that may pre-empt under the given masks.
    pub(crate) fn next(&self, primask: bool, faultmask: bool, basepri: u8) -> Option<u32> {
        let limit = self.limit(primask, faultmask, basepri);
        self.most_urgent()
            .filter(|&(priority, _)| self.group(priority) < self.group(limit))
            .map(|(_, number)| number)
    }

    /// Whether an exception would wake a sleeping core: PRIMASK does not hold it back.
    pub(crate) fn wakes(&self, basepri: u8) -> bool {
        let limit = if basepri == 0 {
            256
        } else {
            i32::from(basepri)
        };
        self.most_urgent().is_some_and(|(priority, _)| {
            self.group(priority) < self.group(limit.min(self.active_priority()))
        })
    }

    fn most_urgent(&self) -> Option<(i32, u32)> {
        self.exceptions
            .iter()
            .enumerate()
            .filter(|(n, e)| e.pending && e.enabled && *n >= 2)
            .map(|(n, _)| (self.priority(n), n as u32))
            .min()
    }

    /// The interrupt control and state register; `mainline` cores say whether the active exception is the only one.
    pub(crate) fn icsr(&self, mainline: bool) -> u32 {
        let active = (1..EXCEPTIONS)
            .filter(|&n| self.exceptions[n].active)
            .min_by_key(|&n| self.priority(n))
            .unwrap_or(0) as u32;
        let pending = self.most_urgent().map_or(0, |(_, number)| number);
        let is_pending = |n: u32| u32::from(self.exceptions[n as usize].pending);
        // An interrupt counts as pending whether it is enabled or not.
        let interrupts = self.exceptions[16..].iter().any(|e| e.pending);
        let actives = self.exceptions.iter().filter(|e| e.active).count();
        active
            | u32::from(mainline && actives < 2) << 11
            | pending << 12
            | u32::from(interrupts) << 22
            | is_pending(SYSTICK) << 26
            | is_pending(PENDSV) << 28
            | is_pending(NMI) << 31
    }

    /// Which exceptions of the core are active and pending, as SHCSR has them (ARMv7-M ARM B3.2.13).
    pub(crate) fn system_handlers(&self) -> u32 {
        const ACTIVE: [(u32, u32); 5] = [
            (BUS_FAULT, 1),
            (USAGE_FAULT, 3),
            (SVCALL, 7),
            (PENDSV, 10),
            (SYSTICK, 11),
        ];
        const PENDING: [(u32, u32); 3] = [(USAGE_FAULT, 12), (BUS_FAULT, 14), (SVCALL, 15)];
        let active = ACTIVE
            .iter()
            .map(|&(n, bit)| u32::from(self.exceptions[n as usize].active) << bit);
        let pending = PENDING
            .iter()
            .map(|&(n, bit)| u32::from(self.exceptions[n as usize].pending) << bit);
        active.chain(pending).sum()
    }

    /// One flag of the 32 interrupts that a register of the controller stands for.
    pub(crate) fn bitmap(&self, address: u32, flag: fn(&Exception) -> bool) -> u32 {
        let first = 16 + (address as usize & 0x3c) * 8;
        (0..32)
            .filter(|i| self.exceptions.get(first + i).is_some_and(flag))
            .fold(0, |word, i| word | 1 << i)
    }

    /// Changes the interrupts whose bits are set.
    pub(crate) fn each(&mut self, address: u32, value: u32, change: fn(&mut Exception)) {
        let first = 16 + (address as usize & 0x3c) * 8;
        for i in (0..32).filter(|i| value >> i & 1 == 1) {
            if let Some(e) = self.exceptions.get_mut(first + i) {
                change(e);
            }
        }
    }

    /// Four priorities, from an exception on.
    pub(crate) fn priorities(&self, first: usize) -> u32 {
        (0..4).fold(0, |word, i| {
            word | u32::from(self.exceptions.get(first + i).map_or(0, |e| e.priority)) << (8 * i)
        })
    }

    /// Sets the priority of one exception.
    pub(crate) fn set_priority(&mut self, number: usize, value: u32) {
        if let Some(e) = self.exceptions.get_mut(number) {
            e.priority = value as u8 & self.priority_mask;
        }
    }

    /// A write to the interrupt control and state register.
    pub(crate) fn set_icsr(&mut self, value: u32) {
        const BITS: [(u32, u32, bool); 5] = [
            (31, NMI, true),
            (28, PENDSV, true),
            (27, PENDSV, false),
            (26, SYSTICK, true),
            (25, SYSTICK, false),
        ];
        for (_, number, pending) in BITS.iter().filter(|(bit, _, _)| value >> bit & 1 == 1) {
            self.exceptions[*number as usize].pending = *pending;
        }
    }
}
