//! What a user is told when something goes wrong, and the exit code that a script sees.

use crate::interrupt;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A config that cannot be read.
    #[error("{} cannot be read: {source}.{}", path.display(), advice(source))]
    ReadConfig {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A config or a board that is not right, with its place.
    #[error(transparent)]
    Mcu(#[from] sim_mcu::Error),
    /// Data that cannot be had.
    #[error(transparent)]
    Data(#[from] experiments::data::Error),
    /// A network that cannot be compiled.
    #[error(transparent)]
    Compiler(#[from] sim_compiler::Error),
    /// A report that cannot be written or read.
    #[error(transparent)]
    Report(#[from] sim_report::Error),
    /// A file of ours that cannot be written.
    #[error("{} cannot be written: {source}. What was finished before is kept.", path.display())]
    Write {
        /// Its path.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Nothing of what was asked for fits its board.
    #[error("{0}")]
    NothingFits(String),
    /// Parts of a run that are missing, or do not belong together.
    #[error("{0}")]
    Parts(String),
    /// Flags that do not go together, or ask for what there is not.
    #[error("{0}")]
    Usage(String),
    /// A firmware image that cannot be loaded.
    #[error("{}: {message}.", path.display())]
    Image {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// Firmware that faulted, or did not end.
    #[error("The firmware stopped: {0}.")]
    Firmware(String),
    /// A device that could not be built for, started or talked to.
    #[error("{0}")]
    Device(String),
    /// Host and device disagree.
    #[error(
        "Strategy `{strategy}`: the device's memory differs from the host's from step {step} on."
    )]
    Bits {
        /// The strategy.
        strategy: String,
        /// The first step that differs, from 0.
        step: usize,
    },
    /// Ctrl-C.
    #[error(
        "Interrupted. {done} of {total} parts are finished and kept; run the same command again to go on from there."
    )]
    Interrupted {
        /// Parts that are done.
        done: usize,
        /// Parts in all.
        total: usize,
    },
    /// Ctrl-C while firmware ran.
    #[error("Interrupted: the firmware {0}.")]
    InterruptedFirmware(String),
    /// Pre-training that stopped.
    #[error("Pre-training stopped in layer `{layer}` at sample {sample}: {reason}.")]
    Pretraining {
        /// The layer.
        layer: String,
        /// Samples that it had learnt from.
        sample: u64,
        /// What was seen.
        reason: String,
    },
    /// No repetition of any strategy reached its end.
    #[error(
        "Every strategy diverged with every seed. {} has what happened by then.", .0.display()
    )]
    Diverged(PathBuf),
    /// The core refused what the compiler made.
    #[error(
        "The training core refused its program: {0}. This is a fault of sim; please report it with the config."
    )]
    Core(String),
    /// Standard output that cannot be written.
    #[error("Standard output cannot be written: {0}.")]
    Output(std::io::Error),
}

/// What to do about a file that cannot be read.
fn advice(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => " Check the path.",
        ErrorKind::InvalidData => " A config is a TOML file.",
        ErrorKind::IsADirectory => " Name the file in it.",
        _ => "",
    }
}

impl From<sim_device::Error> for Failure {
    fn from(error: sim_device::Error) -> Self {
        Failure::Device(error.to_string())
    }
}

impl Failure {
    /// The exit code: 2 for what the user wrote, 3 for data, 4 for what does not fit, 5 for what cannot
    /// be written, 130 for Ctrl-C, 1 for the rest.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::ReadConfig { .. }
            | Failure::Mcu(_)
            | Failure::Compiler(_)
            | Failure::Usage(_)
            | Failure::Parts(_)
            | Failure::Image { .. } => 2,
            Failure::Data(_) => 3,
            Failure::NothingFits(_) => 4,
            Failure::Report(error) => match error {
                sim_report::Error::Write { .. }
                | sim_report::Error::Rename { .. }
                | sim_report::Error::Claimed { .. } => 5,
                sim_report::Error::Inconsistent(_) | sim_report::Error::Plot { .. } => 1,
                // A folder that holds no report, or a damaged one, is what the user named.
                _ => 2,
            },
            Failure::Write { .. } | Failure::Output(_) => 5,
            Failure::Interrupted { .. } | Failure::InterruptedFirmware(_) => interrupt::EXIT_CODE,
            Failure::Diverged(_)
            | Failure::Pretraining { .. }
            | Failure::Core(_)
            | Failure::Firmware(_) => 1,
            Failure::Device(_) | Failure::Bits { .. } => 1,
        }
    }
}
