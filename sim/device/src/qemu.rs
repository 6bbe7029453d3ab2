//! The firmware in QEMU: the same bits as on a board, no cycles.
//!
//! The console of semihosting is QEMU's own input and output, which are the pipes here.

use crate::error::Error;
use crate::firmware::{MOST_WRITES, Memory};
use crate::transport::Transport;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// A machine that QEMU emulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    /// QEMU's name of it.
    pub name: &'static str,
    /// The program that emulates it.
    pub emulator: &'static str,
    /// The core, as in configs/cores, or the instruction set where that is all there is.
    pub core: &'static str,
    /// rustc's target.
    pub target: &'static str,
    /// Its memories, as QEMU's `hw/arm/mps2.c`, `hw/arm/mps2-tz.c` and `hw/riscv/virt.c` map them.
    pub memory: Memory,
}

/// Bytes of stack in all machines.
const STACK: u32 = 8 << 10;
/// Code and data of the MPS2 boards: 4 MiB of SSRAM each.
const MPS2: Memory = Memory {
    flash_origin: 0,
    flash_bytes: 4 << 20,
    program_origin: 1 << 20,
    ram_origin: 0x2000_0000,
    ram_bytes: 4 << 20,
    stack_bytes: STACK,
    setup: [None; MOST_WRITES],
};

/// Emulates the Arm machines.
const ARM: &str = "qemu-system-arm";

/// The machines, one a core.
pub const MACHINES: [Machine; 6] = [
    // QEMU has no M0+ with enough RAM; a Cortex-M3 runs ARMv6-M code unchanged.
    Machine {
        emulator: ARM,
        name: "mps2-an385",
        core: "cortex-m0plus",
        target: "thumbv6m-none-eabi",
        memory: MPS2,
    },
    Machine {
        emulator: ARM,
        name: "mps2-an385",
        core: "cortex-m3",
        target: "thumbv7m-none-eabi",
        memory: MPS2,
    },
    Machine {
        emulator: ARM,
        name: "mps2-an386",
        core: "cortex-m4f",
        target: "thumbv7em-none-eabihf",
        memory: MPS2,
    },
    Machine {
        emulator: ARM,
        name: "mps2-an500",
        core: "cortex-m7",
        target: "thumbv7em-none-eabihf",
        memory: MPS2,
    },
    Machine {
        emulator: ARM,
        name: "mps2-an505",
        core: "cortex-m33",
        target: "thumbv8m.main-none-eabihf",
        // The secure views of SSRAM 1, and of SSRAM 2 and 3.
        memory: Memory {
            flash_origin: 0x1000_0000,
            flash_bytes: 4 << 20,
            program_origin: 0x1010_0000,
            ram_origin: 0x3800_0000,
            ram_bytes: 4 << 20,
            stack_bytes: STACK,
            setup: [None; MOST_WRITES],
        },
    },
    Machine {
        name: "virt",
        emulator: "qemu-system-riscv32",
        core: "rv32imc",
        target: "riscv32imc-unknown-none-elf",
        // All of it RAM: what is called flash is its start, where the core starts, too.
        memory: Memory {
            flash_origin: 0x8000_0000,
            flash_bytes: 4 << 20,
            program_origin: 0x8010_0000,
            ram_origin: 0x8040_0000,
            ram_bytes: 4 << 20,
            stack_bytes: STACK,
            setup: [None; MOST_WRITES],
        },
    },
];

impl Machine {
    /// The machine with this core.
    pub fn for_core(core: &str) -> Option<&'static Machine> {
        MACHINES.iter().find(|machine| machine.core == core)
    }
}

/// A running QEMU. It ends with this value.
pub struct Qemu {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
}

impl Qemu {
    /// Starts `elf` on `machine`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Link`].
    pub fn start(machine: &Machine, elf: &Path) -> Result<Self, Error> {
        Self::start_with(machine, elf, &[])
    }

    /// Starts `elf` on `machine` with further arguments for QEMU.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Link`].
    pub fn start_with(machine: &Machine, elf: &Path, arguments: &[&str]) -> Result<Self, Error> {
        let console = [
            "-serial",
            "none",
            "-semihosting-config",
            "enable=on,target=native",
        ];
        Self::spawn(machine, elf, &[&console[..], arguments].concat())
    }

    /// Starts `elf`, which talks through the first serial port, on `machine`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Link`].
    pub fn start_serial(machine: &Machine, elf: &Path) -> Result<Self, Error> {
        Self::spawn(
            machine,
            elf,
            &[
                "-chardev",
                "stdio,id=line,signal=off",
                "-serial",
                "chardev:line",
            ],
        )
    }

    fn spawn(machine: &Machine, elf: &Path, arguments: &[&str]) -> Result<Self, Error> {
        let mut child = Command::new(machine.emulator)
            .args(["-M", machine.name, "-bios", "none"])
            .args(["-display", "none", "-monitor", "none"])
            .arg("-kernel")
            .arg(elf)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| Error::Missing {
                program: machine.emulator.to_owned(),
                source,
                install: "apt-get install qemu-system-arm qemu-system-misc (or brew install qemu).",
            })?;
        let (Some(input), Some(mut stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Gone {
                why: "QEMU has no pipes".to_owned(),
            });
        };
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = stdout.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input,
            output,
        })
    }

    fn gone(&mut self) -> Error {
        let why = match self.child.wait() {
            Ok(status) => format!("QEMU ended with {status}"),
            Err(error) => format!("QEMU's end is unknown: {error}"),
        };
        Error::Gone { why }
    }
}

impl Transport for Qemu {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self
            .input
            .write_all(bytes)
            .and_then(|()| self.input.flush())
        {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(self.gone()),
            Err(error) => Err(error.into()),
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        match self.output.recv_timeout(patience) {
            Ok(bytes) => {
                into.extend(bytes);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // A process that has ended already cannot be killed, and that is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
