//! A core with its memory, and the firmware on it.

use serde::{Deserialize, Serialize};
use sim_device::{Emulated, Error, Memory, Patience, Qemu, RemoteLearner, Transport};
use sim_emulator::Mode;
use std::path::PathBuf;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Cycles, by the core's instruction table and the memory's.
    Cycles,
    /// Instructions, of a core without an instruction table.
    Instructions,
}

/// A firmware and what runs it.
#[derive(Clone, Debug)]
pub enum Target {
    /// The emulator, which counts cycles.
    Emulator {
        /// Core, clock and memories with their timing.
        machine: Box<sim_emulator::Machine>,
        /// Where the firmware was laid out.
        memory: Memory,
        /// The firmware, an ELF file.
        elf: Vec<u8>,
    },
    /// QEMU, which counts instructions (`-icount shift=0`).
    Qemu {
        /// The machine.
        machine: &'static sim_device::Machine,
        /// The firmware's ELF file.
        elf: PathBuf,
    },
}

impl Target {
    /// What it counts.
    pub fn unit(&self) -> Unit {
        match self {
            Target::Emulator { .. } => Unit::Cycles,
            Target::Qemu { .. } => Unit::Instructions,
        }
    }

    /// Starts the firmware with the Program `image`: in flash behind the firmware, as on a board; in RAM in QEMU.
    ///
    /// # Errors
    /// What the device says: no memory for the Program, no such machine, QEMU missing.
    pub fn start(&self, image: &[u8]) -> Result<RemoteLearner<Box<dyn Transport>>, Error> {
        match self {
            Target::Emulator {
                machine,
                memory,
                elf,
            } => {
                let flashed = Some((memory.program_origin, image));
                let machine = machine.as_ref().clone();
                let emulated: Box<dyn Transport> =
                    Box::new(Emulated::start_with(machine, elf, flashed, Mode::Time)?);
                let mut remote = RemoteLearner::connect(emulated, Patience::default())?;
                remote.start_flashed(image)?;
                Ok(remote)
            }
            Target::Qemu { machine, elf } => {
                let count = ["-icount", "shift=0"];
                let qemu: Box<dyn Transport> = Box::new(Qemu::start_with(machine, elf, &count)?);
                let mut remote = RemoteLearner::connect(qemu, Patience::default())?;
                remote.load(image)?;
                Ok(remote)
            }
        }
    }
}
