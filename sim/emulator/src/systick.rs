//! SysTick: a counter that goes down with the core's clock (ARMv7-M ARM B3.3).
//!
//! There is no other clock, as its calibration register says, so the bit that chooses one reads as one.

/// Of its control register.
const ENABLE: u32 = 1;
const TICKINT: u32 = 2;
const CORE_CLOCK: u32 = 4;
const COUNTFLAG: u32 = 1 << 16;
/// It has 24 bits.
const LARGEST: u32 = 0x00ff_ffff;

/// The counter with its registers. What it holds is computed where somebody asks.
#[derive(Debug, Clone)]
pub(crate) struct SysTick {
    control: u32,
    reload: u32,
    /// What it held at the clock `since`.
    value: u32,
    since: u64,
    /// Whether it reached zero since that was asked.
    fired: bool,
}

impl SysTick {
    /// After reset, clocked by the core.
    pub fn new() -> Self {
        SysTick {
            control: CORE_CLOCK,
            reload: 0,
            value: 0,
            since: 0,
            fired: false,
        }
    }

    /// The clock at which it next reaches zero, if it counts.
    fn zero(&self) -> u64 {
        match (self.control & ENABLE, self.value, self.reload) {
            (0, ..) | (_, 0, 0) => u64::MAX,
            // From zero it goes to its reload value first.
            (_, 0, reload) => self.since + 1 + u64::from(reload),
            (_, value, _) => self.since + u64::from(value),
        }
    }

    /// The clock at which it next interrupts.
    pub fn deadline(&self) -> u64 {
        if self.control & TICKINT != 0 {
            self.zero()
        } else {
            u64::MAX
        }
    }

    /// Takes note of the time; whether its interrupt becomes pending.
    pub fn advance(&mut self, clock: u64) -> bool {
        if self.control & ENABLE == 0 {
            self.since = clock;
            return false;
        }
        let zero = self.zero();
        if clock < zero {
            let elapsed = clock - self.since;
            // A value of zero becomes the one to reload by the first cycle.
            if elapsed > 0 && (self.value > 0 || self.reload > 0) {
                let from = if self.value > 0 {
                    self.value
                } else {
                    self.reload + 1
                };
                self.value = from - elapsed as u32;
            }
            self.since = clock;
            return false;
        }
        // What is left of it, after all whole rounds, is counted from the last zero.
        let round = u64::from(self.reload) + 1;
        let beyond = (clock - zero) % round;
        (self.value, self.since) = (0, clock - beyond);
        self.fired = true;
        let pends = self.control & TICKINT != 0;
        if beyond > 0 {
            self.advance(clock);
        }
        self.since = clock;
        pends
    }

    /// Reads the control register, which forgets that zero was reached.
    pub fn control(&mut self) -> u32 {
        let fired = std::mem::take(&mut self.fired);
        self.control | if fired { COUNTFLAG } else { 0 }
    }

    /// The reload value.
    pub fn reload(&self) -> u32 {
        self.reload
    }

    /// What it held when it last took note of the time.
    pub fn value(&self) -> u32 {
        self.value
    }

    /// Writes the control register; a counter that is stopped keeps its value.
    pub fn set_control(&mut self, value: u32) {
        self.control = value & (ENABLE | TICKINT) | CORE_CLOCK;
    }

    /// Writes the reload value, which counts from the next zero on.
    pub fn set_reload(&mut self, value: u32) {
        self.reload = value & LARGEST;
    }

    /// Any write of its value clears it.
    pub fn clear(&mut self) {
        (self.value, self.fired) = (0, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition, cycle by cycle.
    fn reference(value: u32, reload: u32, cycles: u64) -> (u32, bool) {
        let (mut value, mut fired) = (value, false);
        for _ in 0..cycles {
            if value == 0 {
                value = reload;
            } else {
                value -= 1;
                fired |= value == 0;
            }
        }
        (value, fired)
    }

    #[test]
    fn it_counts_as_cycle_by_cycle() {
        for reload in [0, 1, 2, 7] {
            for value in [0, 1, 5] {
                for cycles in 0..30 {
                    let mut s = SysTick::new();
                    s.set_reload(reload);
                    (s.value, s.since) = (value, 1000);
                    s.set_control(7);
                    let deadline = s.deadline();
                    let pends = s.advance(1000 + cycles);
                    let (expected, fired) = reference(value, reload, cycles);
                    let case = format!("{value} of {reload} after {cycles}");
                    // With nothing to reload it stays where it is, and fires no more.
                    assert_eq!((s.value(), pends), (expected, fired), "{case}");
                    assert_eq!(s.control() & COUNTFLAG != 0, fired, "{case}");
                    assert_eq!(s.control() & COUNTFLAG, 0, "{case}: read twice");
                    assert_eq!(pends, 1000 + cycles >= deadline, "{case}");
                    // In two goes it is the same.
                    let mut t = SysTick::new();
                    t.set_reload(reload);
                    (t.value, t.since) = (value, 1000);
                    t.set_control(7);
                    t.advance(1000 + cycles / 2);
                    t.advance(1000 + cycles);
                    assert_eq!(
                        (t.value(), t.deadline()),
                        (s.value(), s.deadline()),
                        "{case}"
                    );
                }
            }
        }
    }

    #[test]
    fn it_keeps_its_value_while_stopped_and_reloads_at_zero() {
        let mut s = SysTick::new();
        s.set_reload(99);
        s.set_control(1);
        s.advance(31);
        s.set_control(0);
        s.advance(1000);
        assert_eq!(s.value(), 69);
        s.set_control(3);
        s.set_reload(9);
        assert_eq!(s.deadline(), 1069);
        assert!(s.advance(1072));
        assert_eq!((s.value(), s.deadline()), (7, 1079));
    }
}
