//! Who watches execution: nobody, the timing model, or the profiler over it.

use crate::op::Op;
use crate::timing::Timing;

/// An instruction that has been executed.
pub(crate) struct Retired<'a> {
    pub pc: u32,
    pub op: &'a Op,
    /// Place among the decoded code of its window.
    pub slot: usize,
    /// Execution does not go on behind it.
    pub branched: bool,
    pub next: u32,
    /// Its condition in an IT block failed.
    pub skipped: bool,
    /// The first address it accessed.
    pub accessed: u32,
    /// Bits of its quotient or factor.
    pub effort: u32,
    pub sp: u32,
    pub lr: u32,
}

/// Where execution goes on by way of an exception.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exception {
    /// Its handler begins here.
    Taken(u32),
    /// It is over.
    Over,
}

/// Sees every instruction after it executed, and says what it cost.
pub(crate) trait Observer {
    /// Every instruction moves the clock by one, and nothing else does.
    const ONE_CYCLE_EACH: bool = false;
    /// What retires from here on lies in this window of the decoded code, which was emptied so often.
    fn enter(&mut self, _window: usize, _generation: u64) {}
    /// Nothing retires any more for now.
    fn leave(&mut self) {}
    /// Cycles by which the clock moves.
    fn retire(&mut self, retired: &Retired) -> u64;
    /// The same for taking an exception or returning from one.
    fn exception(&mut self, exception: Exception) -> u64;
    /// The program wrote these to the registers that say how flash is read.
    fn flash_access(&mut self, _values: &[Option<u32>]) {}
}

/// Nobody: each instruction moves the clock by one.
pub(crate) struct Nobody;

impl Observer for Nobody {
    const ONE_CYCLE_EACH: bool = true;
    #[inline(always)]
    fn retire(&mut self, _: &Retired) -> u64 {
        1
    }
    fn exception(&mut self, _: Exception) -> u64 {
        0
    }
}

impl Observer for Timing {
    fn enter(&mut self, window: usize, generation: u64) {
        Timing::enter(self, window, generation);
    }
    fn leave(&mut self) {
        Timing::leave(self);
    }
    #[inline(always)]
    fn retire(&mut self, retired: &Retired) -> u64 {
        Timing::retire(self, retired)
    }
    fn exception(&mut self, exception: Exception) -> u64 {
        Timing::exception(self, exception)
    }
    fn flash_access(&mut self, values: &[Option<u32>]) {
        self.set_flash_access(values);
    }
}
