//! What can go wrong with a device, each with the way out.

use runtime_protocol::Refused;
use std::path::PathBuf;
use std::time::Duration;

/// Why a device did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that is needed is not installed.
    #[error("{program} cannot be started: {source}. Install it: {install}")]
    Missing {
        /// The program.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
        /// A command that installs it.
        install: &'static str,
    },
    /// The sources that the firmware is built from are not there.
    #[error(
        "The sources of the firmware are unavailable: {}: {source}. `sim` looks where it was built. Build it in a checkout that stays there, or with the firmware in it: scripts/bundle.",
        path.display()
    )]
    Sources {
        /// What was looked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The target of a core is not installed.
    #[error("rustc has no target {target}. Run `rustup target add {target}`, or scripts/setup.")]
    Target {
        /// The target.
        target: String,
    },
    /// The firmware was not built.
    #[error("The firmware for {target} was not built. cargo says:\n{output}")]
    Build {
        /// The target.
        target: String,
        /// What cargo said.
        output: String,
    },
    /// A file could not be read, written or locked.
    #[error("{} cannot be used: {source}.", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The device does not answer.
    #[error(
        "The device did not answer within {:.1} s, asked {attempts} times. {state}{}Check that the firmware runs, then reset the device.",
        patience.as_secs_f64(),
        if state.is_empty() { "" } else { " " }
    )]
    Silent {
        /// How long each answer was waited for.
        patience: Duration,
        /// How often it was asked.
        attempts: u32,
        /// What is known of it, as sentences; may be empty.
        state: String,
    },
    /// Frames keep arriving damaged.
    #[error(
        "The link to the device damages what it carries: {attempts} attempts failed. Check the cable and its speed."
    )]
    Damaged {
        /// How often it was tried.
        attempts: u32,
    },
    /// The device is gone.
    #[error(
        "The device is gone: {why}. Start it again; what it had learnt since it was last read is lost."
    )]
    Gone {
        /// What is known of it.
        why: String,
    },
    /// The transport failed.
    #[error("The link to the device failed: {0}.")]
    Link(#[from] std::io::Error),
    /// The debug probe failed.
    #[error(
        "The debug probe could not {doing}: {why}. Check its cable and the board's power, then run this again."
    )]
    Probe {
        /// What it was to do.
        doing: &'static str,
        /// What it said.
        why: String,
    },
    /// There is no such probe.
    #[error("{0}")]
    NoProbe(String),
    /// A serial port cannot be opened.
    #[error(
        "The serial port {port} cannot be opened: {why}. Ports that are there: {}. On Linux your user has to be in the group dialout.",
        if known.is_empty() { "none" } else { known }
    )]
    Serial {
        /// Its name.
        port: String,
        /// What the system said.
        why: String,
        /// Names of the ports that there are.
        known: String,
    },
    /// There is no such core or machine.
    #[error("The device cannot be described: {0}.")]
    Core(String),
    /// The chip is another one than the firmware is for.
    #[error(
        "This is the wrong chip: expected is {expected}, and there is {found}. \
         Name the board that is connected with --board, and its chip with --chip. Nothing was written to it."
    )]
    Chip {
        /// The core or chip that was expected.
        expected: String,
        /// What was found, in words.
        found: String,
    },
    /// The firmware cannot be written into flash.
    #[error(
        "The firmware cannot be written into flash: {why}. Check that board and chip are named right and that the flash is not protected."
    )]
    Flash {
        /// What was seen.
        why: String,
    },
    /// The firmware's control block does not show up.
    #[error(
        "The firmware did not start: there is no RTT block {place}. {state}{}Check that board and memory map are the right ones, and that the firmware was built with RTT.",
        if state.is_empty() { "" } else { " " }
    )]
    NoControlBlock {
        /// Where it was looked for.
        place: String,
        /// What is known of the core, as sentences; may be empty.
        state: String,
    },
    /// The control block cannot be one.
    #[error(
        "The RTT block in the device's RAM is damaged: {why}. Reset the device; if it happens again, the firmware overwrites its own memory."
    )]
    ControlBlock {
        /// What is wrong with it.
        why: String,
    },
    /// The device speaks another version of the protocol.
    #[error(
        "The firmware speaks version {device} of the protocol, this program version {host}. Flash firmware of this build: scripts/firmware."
    )]
    Version {
        /// The device's.
        device: u16,
        /// The host's.
        host: u16,
    },
    /// The device refuses.
    #[error("The device refuses: {}.", sentence(.0))]
    Refused(Refused),
    /// The device answers something that was not asked.
    #[error(
        "The device's answer to {request} makes no sense. Flash firmware of this build: scripts/firmware."
    )]
    Answer {
        /// The request.
        request: &'static str,
    },
    /// Not a Program.
    #[error("The image is no valid Program: {why}. Compile it anew.")]
    Image {
        /// What is wrong with it.
        why: &'static str,
    },
    /// A sample of another length than the Program's.
    #[error("The Program takes samples of {expected} bytes, not of {given}.")]
    Sample {
        /// Bytes expected.
        expected: usize,
        /// Bytes given.
        given: usize,
    },
}

impl Error {
    /// [`Error::Probe`] for whatever a probe said.
    pub(crate) fn probe(doing: &'static str, why: impl std::fmt::Display) -> Self {
        Error::Probe {
            doing,
            why: why.to_string(),
        }
    }
}

/// A refusal in words.
fn sentence(refused: &Refused) -> String {
    match refused {
        Refused::Damaged => "the frame arrived damaged".to_owned(),
        Refused::Unknown => "it does not know this request; flash firmware of this build".to_owned(),
        Refused::NotStarted => "no learner was started; load a Program first".to_owned(),
        Refused::NoProgram => "there is no Program in its flash; write one there or load it over the link".to_owned(),
        Refused::Program(flaw) => format!(
            "the image was refused because {} (subject {}, call {}, operand {}); compile and send it again",
            flaw.sentence(),
            flaw.subject,
            flaw.place >> 8,
            flaw.place & 0xff
        ),
        Refused::TooLarge { needed, available } => format!(
            "this needs {needed} bytes of RAM, it has {available}; train fewer layers, shrink the buffer or put the Program in flash"
        ),
        Refused::Range { end } => format!("the bytes asked for reach beyond the {end} that there are"),
        Refused::Label { classes } => format!("labels must be below {classes}"),
        Refused::NotTrainable => {
            "the Program learns nothing, or from stored features only; compile it with another update scheme".to_owned()
        }
        Refused::Diverged { call } => {
            format!("the loss of call {call} exploded or is not a number; lower the learning rate")
        }
        Refused::Arena => "the arena that was written is not one that this Program left; send it whole, or reset the learner".to_owned(),
        Refused::Corrupt => "its memory was changed while it worked; reset it and look at the stack".to_owned(),
    }
}
