//! A board and its probe in the emulator: the stand-in for hardware.
//!
//! Firmware, memories and cycles are a board's; the core runs a stretch of instructions whenever the host
//! looks at it, so that what the host sees does not depend on how fast either of them is.

use super::{CPUID, Flashing, Probe, Status};
use crate::error::Error;
use sim_emulator::timing::CoreTable;
use sim_emulator::{Emulator, Image, Machine, Mode, Stop};

/// Instructions that pass while the probe accesses memory: tens of microseconds at 64 MHz, as over USB.
const ACCESS: u64 = 2_000;
/// Instructions that pass in a pause.
const PAUSE: u64 = 50_000;

/// An emulated core with a probe at it.
pub struct EmulatedProbe {
    emulator: Emulator,
    cpuid: u32,
    halted: bool,
    /// Why the core cannot go on, once it cannot.
    stopped: Option<Stop>,
}

impl EmulatedProbe {
    /// A board that is `machine`, with erased flash. Its core counts cycles as `mode` says; it reads its
    /// own cycle counter in every mode but [`Mode::Count`].
    ///
    /// # Errors
    /// [`Error::Core`] where there is no such machine.
    pub fn new(machine: Machine, mode: Mode) -> Result<Self, Error> {
        let core = |e: sim_emulator::Error| Error::Core(e.to_string());
        let cpuid = CoreTable::builtin(&machine.core)
            .map_err(core)?
            .features
            .cpuid;
        let mut emulator = Emulator::new(machine).map_err(core)?;
        emulator.set_mode(mode);
        Ok(Self {
            emulator,
            cpuid,
            // Erased flash is nothing to run.
            halted: true,
            stopped: None,
        })
    }

    /// Lets the core run so many instructions.
    fn run(&mut self, instructions: u64) {
        if self.halted || self.stopped.is_some() {
            return;
        }
        match self.emulator.run(instructions) {
            Stop::InstructionLimit => {}
            stop => self.stopped = Some(stop),
        }
    }
}

impl Probe for EmulatedProbe {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        self.run(ACCESS);
        if address == CPUID && into.len() == 4 {
            into.copy_from_slice(&self.cpuid.to_le_bytes());
            return Ok(());
        }
        self.emulator
            .read(address, into)
            .map_err(|e| Error::probe("read memory", e))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.run(ACCESS);
        self.emulator
            .write(address, bytes)
            .map_err(|e| Error::probe("write memory", e))
    }

    fn halt(&mut self) -> Result<u32, Error> {
        self.halted = true;
        Ok(self.emulator.core().pc)
    }

    fn resume(&mut self) -> Result<(), Error> {
        self.halted = false;
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.emulator
            .reset()
            .map_err(|e| Error::probe("reset the core", e))?;
        (self.halted, self.stopped) = (false, None);
        Ok(())
    }

    fn status(&mut self) -> Result<Status, Error> {
        Ok(match &self.stopped {
            Some(Stop::Asleep { .. }) => Status::Sleeping,
            Some(stop) => Status::Stopped(stop.to_string()),
            None if self.halted => Status::Halted,
            None => Status::Running,
        })
    }

    fn flash(&mut self, image: &Image, report: &mut dyn FnMut(Flashing)) -> Result<(), Error> {
        let bytes = image.segments.iter().map(|s| s.bytes.len() as u64).sum();
        report(Flashing::Size(bytes));
        self.emulator
            .load(image.clone())
            .map_err(|e| Error::Flash { why: e.to_string() })?;
        (self.halted, self.stopped) = (true, None);
        report(Flashing::Written(bytes));
        Ok(())
    }

    fn pause(&mut self) {
        self.run(PAUSE);
    }
}
