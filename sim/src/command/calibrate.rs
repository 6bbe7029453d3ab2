//! `sim calibrate`: what kernels cost on a core, fitted to the firmware's machine code.

use crate::cli::{Calibrate, Common};
use crate::command::emulate;
use crate::failure::Failure;
use crate::firmware::{memory, workspace};
use crate::outcome::columns;
use crate::progress::Progress;
use sha2::{Digest, Sha256};
use sim_compiler::Image;
use sim_cost::calibrate::{Error, Step};
use sim_cost::workload::{DENSITY, SEED, WARM_UP_SEED};
use sim_cost::{Conditions, Measured, Meter, Room, Task};
use sim_device::firmware::Talk;
use sim_device::{
    Emulated, EmulatedProbe, Firmware, Machine, Memory, Patience, Qemu, RemoteLearner, Rtt,
    Transport, rtt,
};
use sim_emulator::Mode;
use sim_emulator::timing::CoreTable;
use sim_mcu::cost::{Footprint, Provenance, RawModel, Table, Unit};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The core that is not emulated here: QEMU counts its instructions.
const COUNTED_BY_QEMU: &str = "esp32c3";
/// How long a device may work on one request.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Measures, fits, writes the core's file and shows the errors on what was held out.
///
/// # Errors
/// [`Failure::Usage`] for an unknown core, [`Failure::Device`] where the firmware cannot be built or run.
pub fn calibrate(options: &Calibrate, common: &Common) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let by_qemu = options.core == COUNTED_BY_QEMU;
    let name = if by_qemu { "rv32imc" } else { &options.core };
    let known = || sim_mcu::board::Core::all().iter().map(|info| info.name);
    let machine = Machine::for_core(name)
        .filter(|_| known().any(|core| core == options.core))
        .ok_or_else(|| {
            Failure::Usage(format!(
                "There is no core {} to calibrate. Known cores: {}.",
                options.core,
                known().collect::<Vec<_>>().join(", ")
            ))
        })?;
    let mut shown = vec![HEADER.map(str::to_owned).to_vec()];
    let (mut firmware, mut stack) = (String::new(), 0);
    let foresees = CoreTable::builtin(machine.core)
        .is_ok_and(|table| table.rules.mispredicted_branch.is_some());
    let mut run =
        |what: &str, mut device: Device, core: Option<&Table>| -> Result<Table, Failure> {
            if firmware.is_empty() {
                firmware = hex(&Sha256::digest(&device.elf));
            }
            let room = device.room()?;
            let conditions = Conditions {
                core,
                foresees,
                held_out: options.held_out,
            };
            let mut tell = |kernel: &str| tracing::info!("{what}: {kernel}");
            progress.line(&format!("Measuring {what}"));
            let (table, steps) =
                sim_cost::calibrate(&mut device, room, conditions, &mut tell).map_err(failure)?;
            stack = stack.max(device.stack);
            shown.extend(rows(what, &table, &steps));
            Ok(table)
        };
    let start = |memory: Memory, host: Host| -> Result<Device, Failure> {
        progress.line(&format!("Building the firmware for {}", machine.target));
        let firmware = Firmware {
            target: machine.target,
            memory,
            talk: Talk::Semihosting,
        };
        let path = firmware.build(&workspace(), &crate::cache::folder().join("firmware"))?;
        let elf = std::fs::read(&path).map_err(|source| Failure::ReadConfig {
            path: path.clone(),
            source,
        })?;
        Ok(Device {
            host,
            path,
            elf,
            memory,
            stack: 0,
        })
    };
    let host = if by_qemu {
        Host::Qemu(machine)
    } else {
        Host::Emulator(Box::new(emulate::generic(machine)))
    };
    let bare = run(
        "memory that never stalls",
        start(machine.memory, host)?,
        None,
    )?;
    let mut boards = BTreeMap::new();
    if !options.bare && !by_qemu {
        for board in sim_mcu::boards()? {
            if board.core.value.name() != options.core {
                continue;
            }
            let host = Host::Emulator(Box::new(emulate::machine(&board)));
            let table = run(&board.name, start(memory(&board), host)?, Some(&bare))?;
            boards.insert(board.name.clone(), table);
        }
    }
    let footprint = if by_qemu {
        None
    } else {
        Some(footprint(machine, stack)?)
    };
    let model = RawModel {
        core: toml::Spanned::new(0..0, options.core.clone()),
        provenance: provenance(machine.target, &firmware, by_qemu)?,
        footprint,
        bare,
        boards,
    };
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| workspace().join(format!("configs/kernels/{}.toml", options.core)));
    let text = format!(
        "# Written by `sim calibrate {}`: cycles of a trip through each loop of each kernel [fit], and the errors on what was held out.\n{}",
        options.core,
        model.text()
    );
    crate::cache::write(&out, text.as_bytes())?;
    let text = format!("{}\nWritten to {}.\n", columns(&shown), out.display());
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}

/// What the firmware takes for itself that talks through a debug probe, as hardware has one; and `stack` bytes and a quarter more.
fn footprint(machine: &Machine, stack: u32) -> Result<Footprint, Failure> {
    let firmware = Firmware {
        target: machine.target,
        memory: machine.memory,
        talk: Talk::Rtt,
    };
    let path = firmware.build(&workspace(), &crate::cache::folder().join("firmware"))?;
    let elf = std::fs::read(&path).map_err(|source| Failure::ReadConfig {
        path: path.clone(),
        source,
    })?;
    let image = sim_emulator::Image::elf(&elf).map_err(|e| Failure::Image {
        path,
        message: e.to_string(),
    })?;
    let m = machine.memory;
    let board = rtt::Board {
        core: machine.core.to_owned(),
        ram: std::iter::once(m.ram_origin..m.ram_origin + m.ram_bytes).collect(),
    };
    let probe = EmulatedProbe::new(emulate::generic(machine), Mode::Count)?;
    let rtt = Rtt::start(probe, image, &board, Duration::from_secs(30), &mut |_| {})?;
    let remote = RemoteLearner::connect(rtt, Patience::default())?;
    let greeting = remote.greeting();
    Ok(Footprint {
        stack_bytes: (stack + stack / 4).next_multiple_of(64),
        static_bytes: greeting.static_bytes + greeting.link_bytes,
        flash_bytes: greeting.flash_bytes,
    })
}

const HEADER: [&str; 5] = ["memory", "what", "mean error", "largest", "over"];

/// A table's errors, for people.
fn rows(what: &str, table: &Table, steps: &[Step]) -> Vec<Vec<String>> {
    let percent = |error: f64| format!("{:.2} %", 100.0 * error);
    let kernels = table
        .kernels
        .iter()
        .map(|(name, cost)| (name.clone(), cost));
    let flashed = table
        .flash
        .iter()
        .map(|(name, cost)| (format!("{name}, constants in flash"), cost));
    let mut rows: Vec<_> = kernels
        .chain(flashed)
        .map(|(name, cost)| {
            let error = cost.error;
            let over = format!("{} calls", error.samples);
            vec![
                what.to_owned(),
                name,
                percent(error.mean),
                percent(error.max),
                over,
            ]
        })
        .collect();
    rows.extend(steps.iter().map(|step| {
        let error = format!("{:+.2} %", 100.0 * step.error());
        let over = format!("{:.0} cycles", step.measured);
        vec![
            what.to_owned(),
            format!("steps of {}", step.name),
            error,
            String::new(),
            over,
        ]
    }));
    rows
}

fn provenance(target: &str, firmware: &str, by_qemu: bool) -> Result<Provenance, Failure> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .map_err(|e| Failure::Device(format!("rustc does not run: {e}.")))?;
    let compiler = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let (unit, counter) = if by_qemu {
        (
            Unit::Instructions,
            "qemu-system-riscv32 -icount shift=0".to_owned(),
        )
    } else {
        let counter =
            "sim's emulator: configs/cores, table and rules; configs/boards, memory".to_owned();
        (Unit::Cycles, counter)
    };
    Ok(Provenance {
        unit,
        compiler,
        flags: format!(
            "--profile {} --target {target}",
            sim_device::firmware::profile(target)
        ),
        firmware: format!("sha256 {firmware}"),
        counter,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failure(error: Error<sim_device::Error>) -> Failure {
    match error {
        Error::Device(error) => error.into(),
        Error::Cost(error) => error.into(),
        other => Failure::Device(other.to_string()),
    }
}

/// What runs the firmware.
enum Host {
    Emulator(Box<sim_emulator::Machine>),
    Qemu(&'static Machine),
}

/// The firmware, started anew for each image.
struct Device {
    host: Host,
    path: PathBuf,
    elf: Vec<u8>,
    memory: Memory,
    /// Most bytes of stack that any run used.
    stack: u32,
}

impl Device {
    fn start(&self, image: &[u8]) -> Result<Box<dyn Transport>, sim_device::Error> {
        Ok(match &self.host {
            Host::Emulator(machine) => {
                let flashed = Some((self.memory.program_origin, image));
                let machine = machine.as_ref().clone();
                Box::new(Emulated::start_with(
                    machine,
                    &self.elf,
                    flashed,
                    Mode::Time,
                )?)
            }
            Host::Qemu(machine) => Box::new(Qemu::start_with(
                machine,
                &self.path,
                &["-icount", "shift=0"],
            )?),
        })
    }

    /// What it has room for.
    fn room(&self) -> Result<Room, Failure> {
        let remote = RemoteLearner::connect(self.start(&[])?, Patience::default())?;
        let flash = self.memory.flash_origin + (self.memory.flash_bytes - 1);
        Ok(Room {
            ram: remote.greeting().pool_bytes as usize,
            flash: (flash - self.memory.program_origin) as usize + 1,
        })
    }
}

impl Meter for Device {
    type Error = sim_device::Error;

    fn run(&mut self, image: &Image, task: Task) -> Result<(u64, Vec<Measured>), Self::Error> {
        let mut remote = RemoteLearner::connect(self.start(image.bytes())?, Patience::default())?;
        match self.host {
            Host::Emulator(_) => remote.start_flashed(image.bytes())?,
            Host::Qemu(_) => remote.load(image.bytes())?,
        };
        if task.warm_up > 0 {
            remote.synthetic(task.job, WARM_UP_SEED, task.warm_up, DENSITY, PATIENCE)?;
        }
        if task.profile {
            remote.count_cycles(true)?;
        }
        let summary = remote.synthetic(task.job, SEED, task.samples, DENSITY, PATIENCE)?;
        let calls = if task.profile {
            remote.profile()?
        } else {
            Vec::new()
        };
        self.stack = self.stack.max(remote.stack_used()?);
        let measured = calls.iter().map(|call| Measured {
            list: call.list,
            runs: call.entry.runs,
            active: call.entry.active,
            cycles: call.entry.cycles,
        });
        Ok((summary.cycles, measured.collect()))
    }
}
