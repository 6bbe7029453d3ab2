//! How deep the stack has been, and where it must not go.
//!
//! The run loop compares the stack pointer with one word after every instruction; all else happens where it
//! is lower than that.

use crate::core::Core;
use crate::fault::Cause;
use crate::op::{Kind, Op};

/// The main stack's marks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stack {
    /// Below this the run loop must ask [`Stack::moved`].
    pub watch: u32,
    /// The stack pointer after reset.
    pub start: u32,
    /// Where the stack started.
    top: u32,
    /// The lowest main stack pointer so far.
    lowest: u32,
    /// Where the memory of the stack begins; 0 where that is not known.
    bottom: u32,
    /// Bytes of stacks that the program left for another.
    left: u32,
    /// What the caller does not want to see it below.
    pub limit: u32,
    /// The end of the program's variables below the stack, as far as its image says; else 0.
    pub variables: u32,
}

impl Stack {
    /// Marks of a stack that starts at `top`, in memory that begins at `bottom`.
    pub fn new(top: u32, bottom: u32, limit: u32, variables: u32) -> Self {
        Stack {
            watch: top,
            start: top,
            top,
            lowest: top,
            left: 0,
            bottom,
            limit,
            variables,
        }
    }

    /// Measures from here on.
    pub fn clear(&mut self, core: &Core) {
        *self = Stack {
            start: self.start,
            ..Self::new(core.r[13], self.bottom, self.limit, self.variables)
        };
        self.refresh(core);
    }

    /// The most bytes that were in use.
    pub fn high_water(&self) -> u32 {
        self.left.max(self.top.saturating_sub(self.lowest))
    }

    /// What the stack in use must not fall below.
    fn floor(&self, core: &Core) -> u32 {
        if core.uses_psp() {
            core.stack_limits[1]
        } else {
            self.limit.max(self.variables).max(core.stack_limits[0])
        }
    }

    /// Notes that another stack may be in use, or have other limits.
    pub fn refresh(&mut self, core: &Core) {
        self.watch = if core.uses_psp() {
            self.floor(core)
        } else {
            self.lowest.max(self.floor(core))
        };
    }

    /// The program chose another place for the main stack, as a boot loader does for the program that it starts:
    /// that is another stack, and below its variables they say nothing about it.
    pub fn main_was_set(&mut self, core: &Core) {
        let (sp, _) = core.stack_pointers();
        if sp < self.variables {
            self.variables = 0;
        }
        self.left = self.high_water();
        (self.top, self.lowest, self.bottom) = (sp, sp, 0);
    }

    /// An instruction left the stack pointer below [`Stack::watch`]; a fault if that is too low.
    #[inline(never)]
    pub fn moved(&mut self, core: &Core, op: &Op) -> Option<Cause> {
        let sp = core.r[13];
        let process = core.uses_psp();
        if op.kind == Kind::Msr {
            self.main_was_set(core);
        }
        if !process {
            // A stack pointer that is set, rather than moved by pushing, belongs to another stack.
            let set = matches!(op.kind, Kind::MovShift | Kind::LdrImm | Kind::LdrLit);
            if set && op.rd == 13 && sp < self.variables.max(self.bottom) {
                self.main_was_set(core);
            }
            self.lowest = self.lowest.min(sp);
        }
        self.refresh(core);
        (sp < self.floor(core)).then_some(Cause::StackOverflow(sp))
    }
}
