//! Closures at addresses: what they see, and what they may ask for.

use crate::core::Core;
use crate::fault::Error;
use crate::memory::Bus;

/// What a hook wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookAction {
    /// Execute the instruction at the hook and go on.
    Continue,
    /// Return to the caller as if the instruction were `BX LR`.
    Return,
    /// Stop before the instruction.
    Stop,
}

/// Called when execution reaches an address, before the instruction there.
pub type Hook = Box<dyn FnMut(&mut HookContext<'_>) -> HookAction + Send>;

/// What a hook may look at and change.
#[derive(Debug)]
pub struct HookContext<'a> {
    /// The registers.
    pub core: &'a mut Core,
    pub(crate) bus: &'a mut Bus,
    /// Instructions so far.
    pub instructions: u64,
    /// Cycles so far (instructions, where no timing model runs).
    pub clock: u64,
}

impl HookContext<'_> {
    /// Reads memory.
    ///
    /// # Errors
    /// [`Error::NoMemory`] outside the board's memories.
    pub fn read(&self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.bus.peek(address, bytes)
    }

    /// Writes memory, flash too.
    ///
    /// # Errors
    /// [`Error::NoMemory`] outside the board's memories.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bus.poke(address, bytes)
    }
}
