//! What can go wrong with a device, each with the way out.

use runtime_shared::protocol::Refused;
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
    /// A file could not be read.
    #[error("{} cannot be read: {source}.", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The device does not answer.
    #[error(
        "The device did not answer within {:.1} s, asked {attempts} times. Check that the firmware runs, then reset the device.",
        patience.as_secs_f64()
    )]
    Silent {
        /// How long each answer was waited for.
        patience: Duration,
        /// How often it was asked.
        attempts: u32,
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
        Refused::Corrupt => "its memory was changed while it worked; reset it and look at the stack".to_owned(),
    }
}
