//! The machine that the firmware runs on, as the protocol's server wants it.

use crate::{clock, machine};
use runtime_protocol::{Board, Clock};

/// This machine.
pub struct ThisBoard {
    clock: Clock,
}

impl ThisBoard {
    /// Starts its cycle counter.
    pub fn new() -> Self {
        Self {
            clock: clock::start(),
        }
    }
}

impl Default for ThisBoard {
    fn default() -> Self {
        Self::new()
    }
}

impl Board for ThisBoard {
    fn cycles(&mut self) -> u32 {
        clock::cycles(self.clock)
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn target(&self) -> &'static str {
        env!("SIM_TARGET")
    }

    fn stack_bytes(&self) -> u32 {
        machine::stack_bytes() as u32
    }

    fn stack_used(&self) -> u32 {
        machine::stack_used() as u32
    }

    fn static_bytes(&self) -> u32 {
        machine::static_bytes() as u32
    }

    fn flash_bytes(&self) -> u32 {
        machine::flash_bytes() as u32
    }

    fn program_at(&self) -> u32 {
        machine::program_at() as u32
    }
}
