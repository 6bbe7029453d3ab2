//! The device at the other end: which one it is, the firmware for it, and the way to it.

use super::way::{Way, board_of, way};
use crate::cli::{DeviceKind, Validate};
use crate::command::emulate;
use crate::config::Config;
use crate::failure::Failure;
use crate::firmware::{self, memory};
use crate::progress::{Progress, Task};
use sim_device::firmware::Talk;
use sim_device::probe::Flashing;
use sim_device::remote::Greeting;
use sim_device::{
    Emulated, EmulatedProbe, Firmware, Machine, Memory, Probe, Qemu, Rtt, Transport, chip, rtt,
};
use sim_emulator::timing::CoreTable;
use sim_emulator::{Image, Mode};
use sim_mcu::Board;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a firmware may take from its reset to its first word.
const START: Duration = Duration::from_secs(5);

/// A device and what is known of it.
pub struct Bench {
    kind: Kind,
    /// Its core, as in configs/cores.
    pub core: String,
    /// Its board, where it is one.
    pub board: Option<Board>,
    target: &'static str,
    memory: Memory,
}

enum Kind {
    Qemu(&'static Machine),
    Emulated(Box<sim_emulator::Machine>),
    Board {
        chip: String,
        way: Way,
        /// Whether the firmware is to be written first.
        flash: bool,
    },
}

impl Bench {
    /// The device that `options` ask for.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is none such; [`Failure::Mcu`] where its board is unknown.
    pub fn find(options: &Validate, config: &Config) -> Result<Self, Failure> {
        let named = options.board.as_deref().map(sim_mcu::find).transpose()?;
        if options.device == DeviceKind::Board {
            return Self::on_board(options, named, config);
        }
        for (given, flag) in [
            (options.chip.is_some(), "--chip"),
            (options.probe.is_some(), "--probe"),
            (options.serial.is_some(), "--serial"),
            (options.no_flash, "--no-flash"),
            (options.unlock, "--unlock"),
        ] {
            if given {
                return Err(Failure::Usage(format!(
                    "{flag} is for boards: add --device board."
                )));
            }
        }
        if let (Some(core), Some(board)) = (&options.core, &named) {
            return Err(Failure::Usage(format!(
                "The board {} has the core {}: give either --board or --core {core}.",
                board.name, board.core.value
            )));
        }
        let board = named.or_else(|| config.boards.first().cloned());
        let board = board.filter(|_| options.core.is_none());
        let core = match (&options.core, &board) {
            (Some(core), _) => core.clone(),
            (None, Some(board)) => board.core.value.name().to_owned(),
            (None, None) => "cortex-m4f".to_owned(),
        };
        let machine = Machine::for_core(&core).ok_or_else(|| {
            let known: Vec<_> = sim_device::qemu::MACHINES.iter().map(|m| m.core).collect();
            Failure::Usage(format!(
                "There is no machine with the core {core}. Known cores: {}.",
                known.join(", ")
            ))
        })?;
        // QEMU's machine has memories of its own; the emulator's are the board's where one is named.
        let (kind, board, memory) = match (options.device, board) {
            (DeviceKind::Qemu, _) => (Kind::Qemu(machine), None, machine.memory),
            (_, Some(board)) => {
                let kind = Kind::Emulated(Box::new(emulate::machine(&board)));
                let memory = memory(&board);
                (kind, Some(board), memory)
            }
            (_, None) => {
                let kind = Kind::Emulated(Box::new(emulate::generic(machine)));
                (kind, None, machine.memory)
            }
        };
        Ok(Self {
            kind,
            core,
            board,
            target: machine.target,
            memory,
        })
    }

    fn on_board(
        options: &Validate,
        named: Option<Board>,
        config: &Config,
    ) -> Result<Self, Failure> {
        if options.core.is_some() {
            return Err(Failure::Usage(
                "A board has the core that its profile names: give --board instead of --core."
                    .to_owned(),
            ));
        }
        let board = match (named, &options.chip) {
            (Some(board), _) => board,
            (None, Some(chip)) => board_of(chip, config)?,
            (None, None) => config.boards.first().cloned().ok_or_else(|| {
                Failure::Usage("The config names no board; give one with --board.".to_owned())
            })?,
        };
        let known = board.probe_chip.as_ref().map(|chip| chip.value.clone());
        let chip = options.chip.clone().or(known).ok_or_else(|| {
            Failure::Usage(format!(
                "The profile of {} does not say what probe-rs calls its chip; give it with --chip.",
                board.name
            ))
        })?;
        if let Some(obstacle) = chip::obstacle(&chip) {
            return Err(Failure::Usage(format!(
                "{} cannot be flashed with this firmware: {obstacle}. It is not supplied.",
                board.title
            )));
        }
        let way = way(options, &board, &chip)?;
        let memory = memory(&board);
        Ok(Self {
            kind: Kind::Board {
                chip,
                way,
                flash: !options.no_flash,
            },
            core: board.core.value.name().to_owned(),
            target: board.target(),
            memory,
            board: Some(board),
        })
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match &self.kind {
            Kind::Qemu(_) => "qemu",
            Kind::Emulated(_) => "emulated",
            Kind::Board {
                way: Way::Rehearsal,
                ..
            } => "board, rehearsed",
            #[cfg(feature = "embedded")]
            Kind::Board { .. } => "board",
        }
    }

    /// Whether its cycles mean anything: QEMU's clocks do not count them.
    pub fn counts_cycles(&self) -> bool {
        !matches!(self.kind, Kind::Qemu(_))
    }

    /// The same core and memory in the emulator, to count the cycles of the same steps beside the device. `None` where the emulator
    /// is the device, or has no instruction table of the core.
    ///
    /// # Errors
    /// [`Failure::Device`] where its firmware cannot be built.
    pub fn emulated(&self, progress: &Progress) -> Result<Option<Emulated>, Failure> {
        let machine = match (&self.kind, &self.board) {
            (Kind::Emulated(_), _) => return Ok(None),
            (_, Some(board)) => emulate::machine(board),
            (Kind::Qemu(machine), None) => emulate::generic(machine),
            (Kind::Board { .. }, None) => return Ok(None),
        };
        if CoreTable::builtin(&machine.core).is_err() {
            return Ok(None);
        }
        let elf = self.build_for(Talk::Semihosting, progress)?;
        Ok(Some(Emulated::start(machine, &read(&elf)?, Mode::Time)?))
    }

    /// Builds its firmware; gives the ELF file.
    ///
    /// # Errors
    /// [`Failure::Device`].
    pub fn build(&self, progress: &Progress) -> Result<PathBuf, Failure> {
        let talk = match &self.kind {
            #[cfg(feature = "embedded")]
            Kind::Board {
                way: Way::Serial { uart, .. },
                ..
            } => Talk::Serial(*uart),
            Kind::Board { .. } => Talk::Rtt,
            _ => Talk::Semihosting,
        };
        self.build_for(talk, progress)
    }

    fn build_for(&self, talk: Talk, progress: &Progress) -> Result<PathBuf, Failure> {
        progress.line(&format!("Building the firmware for {}", self.target));
        let firmware = Firmware {
            target: self.target,
            memory: self.memory,
            talk,
        };
        Ok(firmware.build(
            &firmware::workspace(),
            &crate::cache::folder().join("firmware"),
        )?)
    }

    /// Whether the Program lies in its flash from the start, as on a board that runs by itself; elsewhere it comes over the link.
    pub fn has_program(&self) -> bool {
        matches!(self.kind, Kind::Emulated(_))
    }

    /// Starts the firmware `elf` on it, and reaches it. An emulator also gets `program` into its flash.
    ///
    /// # Errors
    /// [`Failure::Device`].
    pub fn connect(
        &self,
        elf: &Path,
        program: &[u8],
        progress: &Progress,
    ) -> Result<Box<dyn Transport>, Failure> {
        let (chip, way, flash) = match &self.kind {
            Kind::Qemu(machine) => return Ok(Box::new(Qemu::start(machine, elf)?)),
            Kind::Emulated(machine) => {
                let machine = machine.as_ref().clone();
                let flashed = Some((self.memory.program_origin, program));
                let elf = read(elf)?;
                return Ok(Box::new(Emulated::start_with(
                    machine,
                    &elf,
                    flashed,
                    Mode::Time,
                )?));
            }
            Kind::Board { chip, way, flash } => (chip, way, *flash),
        };
        let image = Image::elf(&read(elf)?).map_err(|e| Failure::Image {
            path: elf.to_owned(),
            message: e.to_string(),
        })?;
        let mut task: Option<Task> = None;
        let mut report = |event| match event {
            Flashing::Size(bytes) => task = Some(progress.task(&format!("Flashing {chip}"), bytes)),
            Flashing::Written(bytes) => {
                if let Some(task) = &task {
                    task.advance(bytes);
                }
            }
        };
        let transport = match way {
            Way::Rehearsal => {
                let mut probe = self.rehearsal()?;
                if !flash {
                    // As if somebody had.
                    sim_device::probe::launch(&mut probe, &image, &self.core, &mut |_| {})?;
                }
                self.through(probe, image, flash, &mut report)?
            }
            #[cfg(feature = "embedded")]
            Way::Probe(selection) => {
                let probe = sim_device::probe::HardwareProbe::open(selection)?;
                self.through(probe, image, flash, &mut report)?
            }
            #[cfg(feature = "embedded")]
            Way::Serial { port, uart, probe } => {
                if flash {
                    let mut probe = sim_device::probe::HardwareProbe::open(probe)?;
                    sim_device::probe::launch(&mut probe, &image, &self.core, &mut report)?;
                }
                progress.line(&format!("Talking through {port}, {}", uart.where_to));
                Box::new(sim_device::Serial::open(port, uart.baud)?)
            }
        };
        if let Some(task) = task {
            task.finish();
        }
        Ok(transport)
    }

    /// RTT through `probe`.
    fn through<P: Probe + 'static>(
        &self,
        probe: P,
        image: Image,
        flash: bool,
        report: &mut dyn FnMut(Flashing),
    ) -> Result<Box<dyn Transport>, Failure> {
        let ram = self.memory.ram_origin..self.memory.ram_origin + self.memory.ram_bytes;
        let board = rtt::Board {
            core: self.core.clone(),
            ram: std::iter::once(ram).collect(),
        };
        let rtt = if flash {
            Rtt::start(probe, image, &board, START, report)
        } else {
            Rtt::attach(probe, Some(image), &board, START)
        };
        Ok(Box::new(rtt?))
    }

    /// The board in the emulator, with a probe at it.
    fn rehearsal(&self) -> Result<EmulatedProbe, Failure> {
        let board = self.board.as_ref().map(emulate::machine);
        let machine = board.ok_or_else(|| Failure::Usage("There is no board.".to_owned()))?;
        Ok(EmulatedProbe::new(machine, Mode::Time)?)
    }

    /// Whether the device says that it is the one.
    ///
    /// # Errors
    /// [`Failure::Device`] where its firmware was built for another target.
    pub fn recognise(&self, greeting: &Greeting) -> Result<(), Failure> {
        if greeting.target == self.target {
            return Ok(());
        }
        Err(Failure::Device(format!(
            "The firmware on the device was built for {}, not for {}. Flash this build.",
            greeting.target, self.target
        )))
    }
}

fn read(elf: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(elf).map_err(|source| Failure::ReadConfig {
        path: elf.to_owned(),
        source,
    })
}
