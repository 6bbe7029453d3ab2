//! Who watches execution: nobody, the timing model, or the profiler over it.

use crate::op::{Kind, Op};
use crate::timing::Timing;

/// An instruction that has been executed.
pub(crate) struct Retired<'a> {
    pub pc: u32,
    pub op: &'a Op,
    /// Place among the decoded code, and how often that was emptied.
    pub window: usize,
    pub slot: usize,
    pub generation: u64,
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

impl Retired<'_> {
    /// Whether an access at an odd place was unaligned for its width.
    pub fn is_unaligned(&self) -> bool {
        use Kind as K;
        match self.op.kind {
            K::LdrImm
            | K::LdrReg
            | K::LdrIndexed
            | K::LdrLit
            | K::StrImm
            | K::StrReg
            | K::StrIndexed => true,
            K::LdrhImm | K::LdrhReg | K::LdrhIndexed | K::LdrhLit | K::LdrshImm | K::LdrshReg => {
                self.accessed & 1 != 0
            }
            K::LdrshIndexed | K::LdrshLit | K::StrhImm | K::StrhReg | K::StrhIndexed => {
                self.accessed & 1 != 0
            }
            _ => false,
        }
    }
}

/// Sees every instruction after it executed, and says what it cost.
pub(crate) trait Observer {
    /// Cycles by which the clock moves.
    fn retire(&mut self, retired: &Retired) -> u64;
    /// The same for taking an exception (`true`) or returning from one.
    fn exception(&mut self, entry: bool) -> u64;
}

/// Nobody: each instruction moves the clock by one.
pub(crate) struct Nobody;

impl Observer for Nobody {
    #[inline(always)]
    fn retire(&mut self, _: &Retired) -> u64 {
        1
    }
    fn exception(&mut self, _: bool) -> u64 {
        0
    }
}

impl Observer for Timing {
    #[inline(always)]
    fn retire(&mut self, retired: &Retired) -> u64 {
        Timing::retire(self, retired)
    }
    fn exception(&mut self, entry: bool) -> u64 {
        Timing::exception(self, entry)
    }
}
