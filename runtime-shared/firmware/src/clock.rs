//! What counts cycles: the DWT's counter where there is one, SysTick otherwise, `mcycle` on RISC-V.

use runtime_protocol::Clock;

#[cfg(target_arch = "arm")]
mod arm {
    use super::Clock;
    use crate::machine::Register;
    use core::sync::atomic::{AtomicU32, Ordering};

    /// SysTick counts down from here.
    const RELOAD: u32 = 0x00ff_ffff;
    /// SysTick: on, with its exception, at the core's clock (Armv6-M ARM, B3.3.3).
    const ON: u32 = 0b111;
    /// DEMCR.TRCENA, without which the DWT is off.
    const TRACE: u32 = 1 << 24;
    /// DWT_CTRL.CYCCNTENA.
    const COUNT: u32 = 1;

    /// How often SysTick went round.
    static ROUNDS: AtomicU32 = AtomicU32::new(0);

    /// Starts a counter.
    pub fn start() -> Clock {
        // ARMv6-M has no cycle counter, and reading where it would be is for the debugger only.
        if cfg!(sim_dwt) && dwt_counts() {
            return Clock::Dwt;
        }
        Register::SysTickReload.write(RELOAD);
        Register::SysTickValue.write(0);
        Register::SysTickControl.write(ON);
        Clock::SysTick
    }

    /// Switches the DWT's counter on, and sees whether there is one.
    fn dwt_counts() -> bool {
        Register::DebugControl.write(Register::DebugControl.read() | TRACE);
        Register::DwtCycles.write(0);
        Register::DwtControl.write(Register::DwtControl.read() | COUNT);
        let first = Register::DwtCycles.read();
        (0..8).any(|_| Register::DwtCycles.read() != first)
    }

    /// Cycles by SysTick, modulo 2³².
    pub fn systick() -> u32 {
        loop {
            let rounds = ROUNDS.load(Ordering::Relaxed);
            let value = Register::SysTickValue.read();
            // Once more where the counter went round between the two.
            if rounds == ROUNDS.load(Ordering::Relaxed) {
                return rounds
                    .wrapping_mul(RELOAD + 1)
                    .wrapping_add(RELOAD.wrapping_sub(value));
            }
        }
    }

    /// SysTick went round.
    pub fn tick() {
        // The only writer; ARMv6-M has no atomic addition.
        ROUNDS.store(
            ROUNDS.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }
}

#[cfg(target_arch = "arm")]
pub(super) use arm::tick;

/// Starts the core's counter.
pub fn start() -> Clock {
    #[cfg(target_arch = "arm")]
    return arm::start();
    #[cfg(target_arch = "riscv32")]
    return Clock::Mcycle;
}

/// Cycles counted so far, modulo 2³².
pub fn cycles(clock: Clock) -> u32 {
    match clock {
        #[cfg(target_arch = "arm")]
        Clock::Dwt => crate::machine::Register::DwtCycles.read(),
        #[cfg(target_arch = "arm")]
        Clock::SysTick => arm::systick(),
        #[cfg(target_arch = "riscv32")]
        Clock::Mcycle => crate::machine::mcycle(),
        _ => 0,
    }
}
