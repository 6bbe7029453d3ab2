//! The device at the other end: which one it is, the firmware for it, and the way to it.

use crate::cli::{DeviceKind, Validate};
use crate::command::emulate;
use crate::config::Config;
use crate::failure::Failure;
use crate::progress::{Progress, Task};
use sim_device::firmware::Talk;
use sim_device::probe::Flashing;
use sim_device::remote::Greeting;
use sim_device::{
    Emulated, EmulatedProbe, Firmware, Machine, Memory, Probe, Qemu, Rtt, Transport, chip, rtt,
};
use sim_emulator::{Image, Mode};
use sim_mcu::{Board, CostModel};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a firmware may take from its reset to its first word.
const START: Duration = Duration::from_secs(5);
/// Where in flash a Program is looked for, from its start: every supported chip has an erase boundary there.
const PROGRAM_OFFSET: u32 = 128 << 10;
/// The probe that is no hardware.
const EMULATED_PROBE: &str = "emulated";

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
    Emulated(&'static Machine),
    Board { chip: String, probe: ProbeKind },
}

enum ProbeKind {
    Emulated,
    #[cfg(feature = "embedded")]
    Hardware {
        named: Option<String>,
        unlock: bool,
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
            (options.unlock, "--unlock"),
        ] {
            if given {
                return Err(Failure::Usage(format!(
                    "{flag} is for boards: add --device board."
                )));
            }
        }
        let board = named.as_ref().or_else(|| config.boards.first());
        let core = match (&options.core, board) {
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
        let kind = match options.device {
            DeviceKind::Qemu => Kind::Qemu(machine),
            _ => Kind::Emulated(machine),
        };
        Ok(Self {
            kind,
            core,
            board: None,
            target: machine.target,
            memory: machine.memory,
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
        let probe = probe_kind(options)?;
        let run = board.arena_run();
        let memory = Memory {
            flash_origin: board.flash.base,
            flash_bytes: board.flash.bytes,
            program_origin: board.flash.base + PROGRAM_OFFSET.min(board.flash.bytes / 2),
            ram_origin: run.base,
            // A run of all 4 GB is no RAM.
            ram_bytes: u32::try_from(run.bytes).unwrap_or(u32::MAX),
            stack_bytes: board.runtime.stack_bytes,
        };
        Ok(Self {
            kind: Kind::Board { chip, probe },
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
                probe: ProbeKind::Emulated,
                ..
            } => "board, emulated probe",
            #[cfg(feature = "embedded")]
            Kind::Board { .. } => "board",
        }
    }

    /// Whether its cycles mean anything: QEMU's clocks do not count them.
    pub fn counts_cycles(&self) -> bool {
        !matches!(self.kind, Kind::Qemu(_))
    }

    /// The cost model of its core, where there is one.
    pub fn cost_model(&self) -> Option<CostModel> {
        CostModel::for_core(&self.core).ok()
    }

    /// Builds its firmware; gives the ELF file.
    ///
    /// # Errors
    /// [`Failure::Device`].
    pub fn build(&self, progress: &Progress) -> Result<PathBuf, Failure> {
        progress.line(&format!("Building the firmware for {}", self.target));
        let firmware = Firmware {
            target: self.target,
            memory: self.memory,
            talk: match self.kind {
                Kind::Board { .. } => Talk::Rtt,
                _ => Talk::Semihosting,
            },
        };
        Ok(firmware.build(&workspace(), &crate::cache::folder().join("firmware"))?)
    }

    /// Starts the firmware `elf` on it, and reaches it.
    ///
    /// # Errors
    /// [`Failure::Device`].
    pub fn connect(&self, elf: &Path, progress: &Progress) -> Result<Box<dyn Transport>, Failure> {
        let (chip, probe) = match &self.kind {
            Kind::Qemu(machine) => return Ok(Box::new(Qemu::start(machine, elf)?)),
            Kind::Emulated(machine) => {
                let machine = emulate::generic(machine);
                return Ok(Box::new(Emulated::start(machine, &read(elf)?, Mode::Time)?));
            }
            Kind::Board { chip, probe } => (chip, probe),
        };
        let image = Image::elf(&read(elf)?).map_err(|e| Failure::Image {
            path: elf.to_owned(),
            message: e.to_string(),
        })?;
        let probe = self.open(chip, probe)?;
        let board = rtt::Board {
            core: self.core.clone(),
            ram: std::iter::once(
                self.memory.ram_origin..self.memory.ram_origin + self.memory.ram_bytes,
            )
            .collect(),
        };
        let mut task: Option<Task> = None;
        let rtt = Rtt::start(probe, image, &board, START, &mut |event| match event {
            Flashing::Size(bytes) => task = Some(progress.task(&format!("Flashing {chip}"), bytes)),
            Flashing::Written(bytes) => {
                if let Some(task) = &task {
                    task.advance(bytes);
                }
            }
        });
        if let Some(task) = task {
            task.finish();
        }
        Ok(Box::new(rtt?))
    }

    fn open(&self, chip: &str, probe: &ProbeKind) -> Result<Box<dyn Probe>, Failure> {
        Ok(match (probe, &self.board) {
            #[cfg(feature = "embedded")]
            (ProbeKind::Hardware { named, unlock }, _) => {
                let selection = sim_device::probe::Selection {
                    chip: chip.to_owned(),
                    probe: named.clone(),
                    unlock: *unlock,
                };
                Box::new(sim_device::probe::HardwareProbe::open(&selection)?)
            }
            (ProbeKind::Emulated, Some(board)) => {
                Box::new(EmulatedProbe::new(emulate::machine(board), Mode::Time)?)
            }
            (ProbeKind::Emulated, None) => {
                return Err(Failure::Usage(format!("There is no board with a {chip}.")));
            }
        })
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

/// The board with this chip: the config's, or else a built-in one.
fn board_of(chip: &str, config: &Config) -> Result<Board, Failure> {
    let same = |board: &Board| {
        board.probe_chip.as_ref().is_some_and(|known| {
            let (a, b) = (known.value.to_lowercase(), chip.to_lowercase());
            // Makers append the package and the temperature range.
            a.starts_with(&b) || b.starts_with(&a)
        })
    };
    let built_in = sim_mcu::boards()?;
    let found = config.boards.iter().chain(&built_in).find(|b| same(b));
    found.cloned().ok_or_else(|| {
        let known: Vec<_> = built_in
            .iter()
            .filter_map(|board| Some(board.probe_chip.as_ref()?.value.as_str()))
            .collect();
        Failure::Usage(format!(
            "No board profile has the chip {chip}; name a board or a profile of your own with --board. Known chips: {}.",
            known.join(", ")
        ))
    })
}

fn probe_kind(options: &Validate) -> Result<ProbeKind, Failure> {
    if options.probe.as_deref() == Some(EMULATED_PROBE) {
        return Ok(ProbeKind::Emulated);
    }
    #[cfg(feature = "embedded")]
    return Ok(ProbeKind::Hardware {
        named: options.probe.clone(),
        unlock: options.unlock,
    });
    #[cfg(not(feature = "embedded"))]
    Err(Failure::Usage(format!(
        "This program was built without debug probes. Build it with them: \
         cargo run --release --features embedded -- validate {} --device board. \
         To rehearse without a board, add --probe {EMULATED_PROBE}.",
        options.config.display()
    )))
}

fn read(elf: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(elf).map_err(|source| Failure::ReadConfig {
        path: elf.to_owned(),
        source,
    })
}

/// The sources that the firmware is built from.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
