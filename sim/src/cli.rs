//! What can be typed.

use crate::jobs::Share;
use crate::place::{
    Call, MemoryRange, Place, address, call, flash, place, range, register, rom, space, uart,
    variable,
};
use clap::{Args, Parser, Subcommand};
use sim_emulator::FlashSetting;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Can this network be trained on that microcontroller, what does a learning step cost, and how well does
/// it recover when the world drifts?
#[derive(Debug, Parser)]
#[command(
    name = "sim",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  sim run configs/concept_drift.toml        run an experiment and write reports/concept_drift/
  sim plan configs/concept_drift.toml       what every byte is for on every board, without running
  sim emulate firmware.elf --board nano33ble --profile
                                            where any firmware's cycles go
  sim boards nano33ble                      one board with the source of every figure
  sim data fetch mnist                      have a data set before it is needed

Exit codes: 0 done, 1 stopped or diverged, 2 bad config or arguments, 3 no data, 4 nothing fits, 5 cannot write,
130 interrupted (run the same command again to go on)."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub common: Common,
}

/// What holds for every command.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Say nothing but errors and results.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more; twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Folder of data sets, searched first [also: SIM_DATA_DIR].
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an experiment: every strategy, every seed, and the report.
    Run(Run),
    /// Print the memory map of every board and strategy, without running anything.
    Plan {
        /// The experiment.
        config: PathBuf,
        /// Other boards than the config's: names or files; `all` for every built-in board.
        #[arg(long, value_name = "BOARD", value_delimiter = ',')]
        board: Vec<String>,
        /// Every item of every bill.
        #[arg(long)]
        items: bool,
        /// Bytes only: build no firmware and measure no cycles.
        #[arg(long)]
        no_cycles: bool,
    },
    /// Show a model of Keras, TFLite or ONNX: its layers, what is trainable, and what training the last of them takes.
    Inspect(Inspect),
    /// Rebuild a report from its data; several folders are compared side by side.
    Report {
        /// Folders that `sim run` wrote.
        #[arg(required = true)]
        folders: Vec<PathBuf>,
        /// Where the comparison goes.
        #[arg(long, value_name = "DIR", default_value = "reports/comparison")]
        out: PathBuf,
    },
    /// List the boards, or show some with the source of every figure.
    Boards {
        /// Names, or paths of board files.
        boards: Vec<String>,
    },
    /// Run any firmware in the emulator: cycles, where they go, stack, faults.
    Emulate(Box<Emulate>),
    /// Run the same samples on the host and on a device, and compare the bits.
    Validate(Validate),
    /// List the data sets, or fetch some.
    #[command(subcommand)]
    Data(Data),
}

/// What `sim run` is told.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// The experiment.
    pub config: PathBuf,
    /// Where reports go, in a folder of the run's name.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub out: PathBuf,
    /// Threads, at most 256; results do not depend on it [default: all cores].
    #[arg(long, short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Repetitions, at most 10000, in place of those of the config.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub seeds: Option<u32>,
    /// Run share I of N of the jobs, and keep their parts for --assemble. The shares may run on different machines.
    #[arg(long, value_name = "I/N", conflicts_with = "assemble")]
    pub part: Option<Share>,
    /// Run nothing: make the report from parts that are finished.
    #[arg(long)]
    pub assemble: bool,
    /// Folder of parts; --assemble takes several [default: the cache folder].
    #[arg(long, value_name = "DIR")]
    pub parts: Vec<PathBuf>,
    /// List the jobs, and run nothing.
    #[arg(long, conflicts_with = "assemble")]
    pub dry_run: bool,
}

/// What `sim inspect` is told.
#[derive(Args, Clone, Debug)]
pub struct Inspect {
    /// The model: .keras, .h5, .tflite, .onnx, or a C file that holds a TFLite model.
    pub model: PathBuf,
    /// Boards to hold it against: names or files; `all` for every built-in board.
    #[arg(long, value_name = "BOARD", value_delimiter = ',')]
    pub board: Vec<String>,
    /// Leave out what comes before this layer.
    #[arg(long, value_name = "LAYER")]
    pub from_layer: Option<String>,
    /// Leave out what comes after this layer.
    #[arg(long, value_name = "LAYER")]
    pub until_layer: Option<String>,
    /// The extent of a free axis, by its name or number.
    #[arg(long, value_name = "AXIS=N", value_parser = extent)]
    pub dim: Vec<(String, usize)>,
}

fn extent(text: &str) -> Result<(String, usize), String> {
    let wrong = || format!("`{text}` is not like seq=15");
    let (name, number) = text.split_once('=').ok_or_else(wrong)?;
    let number = number.parse().ok().filter(|&n| n > 0).ok_or_else(wrong)?;
    Ok((name.to_owned(), number))
}

/// What `sim validate` is told.
#[derive(Args, Clone, Debug)]
pub struct Validate {
    /// The experiment.
    pub config: PathBuf,
    /// The device.
    #[arg(long, value_enum, default_value_t = DeviceKind::Emulated)]
    pub device: DeviceKind,
    /// The core, for qemu and emulated; that of the board where not given.
    #[arg(long, value_name = "NAME")]
    pub core: Option<String>,
    /// The board: a name or a board file; the config's first where not given.
    #[arg(long, value_name = "BOARD")]
    pub board: Option<String>,
    /// The board's chip, as probe-rs calls it; what the board's profile says where not given.
    #[arg(long, value_name = "CHIP")]
    pub chip: Option<String>,
    /// The debug probe, where several are plugged in: VID:PID or VID:PID:SERIAL. `emulated` rehearses all of it
    /// but the flashing without a board.
    #[arg(long, value_name = "PROBE")]
    pub probe: Option<String>,
    /// Talk through this serial port of the computer instead of through the probe.
    #[arg(long, value_name = "PORT")]
    pub serial: Option<String>,
    /// Count every step as a whole, and look at none kernel by kernel: to look takes cycles itself.
    #[arg(long)]
    pub whole_steps: bool,
    /// The firmware runs on the board already: do not flash it.
    #[arg(long)]
    pub no_flash: bool,
    /// Erase all flash of a protected chip to reach it.
    #[arg(long)]
    pub unlock: bool,
    /// Samples to learn from.
    #[arg(long, value_name = "N", default_value = "20")]
    pub steps: NonZeroUsize,
}

/// Who is compared with the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum DeviceKind {
    /// The firmware in QEMU, which counts no cycles.
    Qemu,
    /// The firmware in the emulator of this project.
    Emulated,
    /// The firmware on a board, flashed and reached through its debug probe.
    Board,
}

/// What `sim emulate` is told. Numbers may be written 0x… or in decimal.
#[derive(Args, Clone, Debug)]
pub struct Emulate {
    /// An ELF file, Intel HEX, UF2, or a raw image whose vector table is at the start of flash.
    pub image: PathBuf,
    /// The board: a name or a board file.
    #[arg(long, default_value = "nano33ble")]
    pub board: String,
    /// Cycles by function and source line.
    #[arg(long)]
    pub profile: bool,
    /// Start here instead of at the reset vector: an address, or a name in the image.
    #[arg(long, value_name = "PLACE", value_parser = place)]
    pub entry: Option<Place>,
    /// Try an ELF file that was built for another core: an instruction which this one does not know stops it.
    #[arg(long)]
    pub any_core: bool,
    /// Start with this stack pointer instead of the vector table's.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub sp: Option<u32>,
    /// Where a raw image belongs, if not at the start of flash.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub base: Option<u32>,
    /// The vector table to start by, where the image has several.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub vectors: Option<u32>,
    /// Call this function with up to four arguments, numbers or names of variables, and stop when it returns.
    /// With --until, run start-up code up to there first. Of several, such as one that sets up and one that works,
    /// each is called after the one before, and the last is counted.
    #[arg(long, value_name = "PLACE[,ARG…]", value_parser = call, allow_hyphen_values = true)]
    pub call: Vec<Call>,
    /// Count only from where this place is reached.
    #[arg(long, value_name = "PLACE", value_parser = place, conflicts_with = "call")]
    pub from: Option<Place>,
    /// Stop when this place is reached; with --from, when it is reached after that, though it be the same.
    /// Where it is not reached, that is an error.
    #[arg(long, value_name = "PLACE", value_parser = place)]
    pub until: Option<Place>,
    /// Stop after so many instructions.
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    pub max_instructions: u64,
    /// Write a word before it starts.
    #[arg(long, value_name = "PLACE=VALUE", value_parser = variable)]
    pub poke: Vec<(Place, u32)>,
    /// Show memory as it was left: so many bytes, or else a variable, or a word.
    #[arg(long, value_name = "PLACE[,BYTES]", value_parser = range)]
    pub dump: Vec<MemoryRange>,
    /// A peripheral register that reads this value.
    #[arg(long, value_name = "ADDR=VALUE", value_parser = register)]
    pub mmio: Vec<(u32, u32)>,
    /// A serial port's data register: what the program writes there goes to standard output, what it reads comes from
    /// the file. Its status is another register, which --mmio or --mmio-default ready answers for.
    #[arg(long, value_name = "ADDR[=FILE]", value_parser = uart)]
    pub uart: Vec<(u32, Option<PathBuf>)>,
    /// How flash is read, whatever the profile says and the program sets: wait-states=N, line-bytes=N (16 for an STM32L4R5
    /// with one bank), and prefetch, caches, instruction-cache, data-cache =on or =off, separated by commas.
    #[arg(long, value_name = "KEY=VALUE[,…]", value_parser = flash)]
    pub flash: Option<FlashSetting>,
    /// What peripherals do that --mmio does not name.
    #[arg(long, value_enum, value_name = "POLICY", default_value_t = MmioDefault::Fault)]
    pub mmio_default: MmioDefault,
    /// A memory that nobody writes, such as the chip's boot ROM, from a file of its bytes.
    #[arg(long, value_name = "ADDR=FILE", value_parser = rom)]
    pub rom: Vec<(u32, PathBuf)>,
    /// More addresses where peripherals are, as first address and bytes: some chips have them among their RAM.
    #[arg(long, value_name = "ADDR,BYTES", value_parser = space)]
    pub mmio_space: Vec<(u32, u32)>,
    /// Let the program write flash, as far as clearing bits goes; erasing is not emulated.
    #[arg(long)]
    pub flash_writes: bool,
    /// Fault where the main stack falls below this address; without it, where it reaches the variables
    /// that the ELF file names. 0 lets it grow.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub stack_limit: Option<u32>,
    /// Send faults to the program's own handlers, as a board does, rather than stop and name them.
    #[arg(long)]
    pub vector_faults: bool,
    /// Show every instruction on standard error.
    #[arg(long)]
    pub trace: bool,
    /// Write call stacks for flame-graph tools; needs --profile.
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub folded: Option<PathBuf>,
    /// Write a flame graph as SVG; needs --profile.
    #[arg(long, value_name = "FILE", requires = "profile")]
    pub flame: Option<PathBuf>,
}

/// What peripherals do that nobody described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum MmioDefault {
    /// Touching one is a fault that names it.
    Fault,
    /// They read as zero and ignore writes.
    Zero,
    /// They read as what was written last.
    Register,
    /// As `register`, but a program that waits for a bit gets it: from the fifth read in a row on the
    /// register changes, so that start-up code gets through.
    Ready,
}

/// A command about data.
#[derive(Debug, Subcommand)]
pub enum Data {
    /// What there is, where it lies, and whether it is what was published.
    List,
    /// Download what is not there yet, checked against the published digests.
    Fetch {
        /// Data sets: mnist, fashion-mnist, cifar-10. All of them where none is named.
        sets: Vec<experiments::data::DataSet>,
    },
}
