//! Requests and responses, as postcard writes them. Numbers of variants are positions: append only.

use runtime_shared::learner::{Error, Step};
use runtime_shared::program::{List, Refusal};
use serde::{Deserialize, Serialize};

/// What a host asks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Who are you? Answered by [`Response::Hello`]; never taken for a repetition.
    Hello,
    /// Room for an image of so many bytes in RAM. Ends what ran before.
    Load {
        /// Bytes of the image.
        bytes: u32,
    },
    /// Part of the image, of the sample or of the arena.
    Write {
        /// [`Area::Image`], [`Area::Sample`] or [`Area::Arena`]; behind the last, [`Request::Resume`] must come.
        area: Area,
        /// First byte.
        at: u32,
        /// The bytes, at most [`super::DATA_BYTES`].
        bytes: &'a [u8],
    },
    /// Check the image and start a learner on it. Answered by [`Response::Started`].
    Start(Source),
    /// Predict the sample that was written. Answered by [`Response::Prediction`].
    Infer,
    /// Predict and learn the sample as the Program says. Answered by [`Response::Step`].
    Learn {
        /// Its class.
        label: u32,
    },
    /// One supervised update from the sample. Answered by [`Response::Step`].
    Train {
        /// Its class.
        label: u32,
    },
    /// Samples drawn on the device, so that nothing but a seed crosses the link. Answered by
    /// [`Response::Summary`].
    Synthetic {
        /// What to do with each.
        job: Job,
        /// Decides them all, see [`super::synthetic`].
        seed: u64,
        /// How many.
        samples: u32,
        /// Share of bytes that are not zero, in 256ths.
        density: u8,
    },
    /// Part of an area. Answered by [`Response::Bytes`].
    Read {
        /// Any but the image and the sample.
        area: Area,
        /// First byte.
        at: u32,
        /// How many, at most [`super::DATA_BYTES`].
        bytes: u32,
    },
    /// CRC-32 of the whole arena. Answered by [`Response::Digest`].
    Digest,
    /// Start (and clear) or stop counting cycles by kernel call.
    Profile {
        /// Whether to count from now on.
        on: bool,
    },
    /// Bytes of stack that were ever used. Answered by [`Response::Stack`].
    Stack,
    /// Back to the initial parameters and an empty buffer.
    Reset,
    /// End the firmware, where it runs in something that it can leave.
    Exit,
    /// Go on from the arena that was written, if it is one that this Program left.
    Resume,
}

/// A stretch of bytes in the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Area {
    /// The image being loaded.
    Image,
    /// The sample that is predicted or learnt next.
    Sample,
    /// The learner's arena, from its state to its buffer.
    Arena,
    /// A parameter tensor, of the type that the Program says, little-endian.
    Parameter(u32),
    /// Outputs of the last inference, f32 little-endian.
    Outputs,
    /// Cycles by kernel call, see [`super::profile`].
    Profile,
}

/// Where an image lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// In RAM, written over the link.
    Ram,
    /// In flash, behind the firmware.
    Flash,
}

/// What to do with a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Predict it.
    Infer,
    /// Predict and learn it as the Program says.
    Learn,
    /// Update the parameters from it.
    Train,
}

/// What a device answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response<'a> {
    /// Done; nothing to tell.
    Done,
    /// Not done, and why.
    Refused(Refused),
    /// Who the device is.
    #[serde(borrow)]
    Hello(Hello<'a>),
    /// A learner has started.
    Started(Started),
    /// The class with the highest output.
    Prediction {
        /// The class.
        class: u32,
        /// Cycles that it took.
        cycles: u32,
    },
    /// What a sample did.
    Step {
        /// Class predicted before learning.
        prediction: u32,
        /// Bits of the loss, an f32; not a number where nothing was replayed.
        loss_bits: u32,
        /// Samples replayed.
        replayed: u32,
        /// Samples in the buffer now.
        stored: u32,
        /// Whether the detector fired.
        drift: bool,
        /// Cycles that it took.
        cycles: u32,
    },
    /// What synthetic samples did.
    Summary(Summary),
    /// Part of an area.
    Bytes(&'a [u8]),
    /// CRC-32 of the arena.
    Digest(u32),
    /// Stack used.
    Stack {
        /// Most bytes that were ever used.
        used: u32,
    },
}

/// Who the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// [`super::VERSION`].
    pub protocol: u16,
    /// The target that the firmware was built for.
    pub target: &'a str,
    /// The version of the core.
    pub version: &'a str,
    /// What counts cycles.
    pub clock: Clock,
    /// Bytes of RAM set aside for the stack.
    pub stack_bytes: u32,
    /// Bytes of RAM that the firmware's own statics take.
    pub static_bytes: u32,
    /// Bytes of RAM for the link's buffers.
    pub link_bytes: u32,
    /// Bytes of RAM left for image, arena, sample and profile.
    pub pool_bytes: u32,
    /// Bytes of flash that firmware and constants take.
    pub flash_bytes: u32,
    /// Where in flash a Program is looked for.
    pub program_at: u32,
}

/// What counts a device's cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clock {
    /// Nothing: counts are zero.
    None,
    /// The cycle counter of the Data Watchpoint and Trace unit (Armv7-M ARM, C1.8.8).
    Dwt,
    /// SysTick at the core's clock (Armv6-M ARM, B3.3), extended by its exception.
    SysTick,
    /// The `mcycle` register (RISC-V Privileged Architecture, 3.1.10).
    Mcycle,
}

/// What a learner takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Checksum of its Program.
    pub checksum: u32,
    /// Bytes of the arena.
    pub arena_bytes: u32,
    /// Bytes of a sample.
    pub sample_bytes: u32,
    /// Bytes of the profile; 0 where there was no room for one.
    pub profile_bytes: u32,
    /// Bytes of the pool left.
    pub free_bytes: u32,
}

/// What synthetic samples did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many were drawn.
    pub samples: u32,
    /// How many were predicted rightly.
    pub correct: u32,
    /// How many were replayed, or updated from.
    pub replayed: u32,
    /// How often the detector fired.
    pub drifts: u32,
    /// Bits of the last loss, an f32.
    pub loss_bits: u32,
    /// Cycles that they took, drawing them excluded.
    pub cycles: u64,
}

/// Why a request was not carried out. Nothing was changed, unless it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refused {
    /// The frame was damaged: send it again.
    Damaged,
    /// The message is of no kind that this firmware knows.
    Unknown,
    /// No learner was started yet.
    NotStarted,
    /// There is no Program in flash.
    NoProgram,
    /// The image was refused.
    Program(Flaw),
    /// RAM does not suffice.
    TooLarge {
        /// Bytes asked for.
        needed: u32,
        /// Bytes there are.
        available: u32,
    },
    /// Bytes beyond the end of an area.
    Range {
        /// Where the area ends.
        end: u32,
    },
    /// A label that the network has no output for.
    Label {
        /// Labels are below this.
        classes: u32,
    },
    /// The Program learns nothing, or from stored features only.
    NotTrainable,
    /// A loss exploded or is not a number. What was learnt before stays.
    Diverged {
        /// The call of *learn*.
        call: u32,
    },
    /// The learner stopped for a reason that a validated Program does not give: flash or RAM was changed
    /// under it.
    Corrupt,
    /// The arena that was written is not one that this Program left.
    Arena,
}

/// Why an image was refused, in numbers: see [`Flaw::sentence`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// The kind of refusal.
    pub kind: u8,
    /// Version, header field, list or parameter that it is about.
    pub subject: u32,
    /// Call and operand, 256 times the first plus the second.
    pub place: u32,
}

impl Flaw {
    /// What is wrong, in words.
    pub fn sentence(&self) -> &'static str {
        runtime_shared::program::refusal::sentence(self.kind)
    }
}

impl From<Refusal> for Flaw {
    fn from(refusal: Refusal) -> Self {
        let list = |l: List| l as u32;
        let (subject, place) = match refusal {
            Refusal::Version(version) => (version, 0),
            Refusal::Header(field) | Refusal::Table(field) => (field as u32, 0),
            Refusal::Call(l, call) | Refusal::Dimensions(l, call) => (list(l), call << 8),
            Refusal::Operand(l, call, operand) => (list(l), call << 8 | operand),
            Refusal::Parameter(index) => (index, 0),
            Refusal::NotLinked(kernel) => (kernel as u32, 0),
            Refusal::Truncated | Refusal::Misaligned | Refusal::Magic | Refusal::Checksum => (0, 0),
        };
        Self {
            kind: refusal.code(),
            subject,
            place,
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        match error {
            Error::ArenaTooSmall { needed, given } => Refused::TooLarge {
                needed: needed as u32,
                available: given as u32,
            },
            Error::Label { classes, .. } => Refused::Label {
                classes: classes as u32,
            },
            Error::NotTrainable => Refused::NotTrainable,
            Error::Fault(runtime_shared::exec::Fault::Diverged { call }) => {
                Refused::Diverged { call }
            }
            Error::Fault(runtime_shared::exec::Fault::NotANumber(_, call)) => {
                Refused::Diverged { call }
            }
            Error::ForeignArena => Refused::Arena,
            _ => Refused::Corrupt,
        }
    }
}

impl Summary {
    /// Counts what one sample of class `label` did.
    pub fn add(&mut self, label: u32, response: &Response<'_>) {
        self.samples += 1;
        match *response {
            Response::Prediction { class, cycles } => {
                self.correct += u32::from(class == label);
                self.cycles += u64::from(cycles);
            }
            Response::Step {
                prediction,
                loss_bits,
                replayed,
                drift,
                cycles,
                ..
            } => {
                self.correct += u32::from(prediction == label);
                self.loss_bits = loss_bits;
                self.replayed = self.replayed.wrapping_add(replayed);
                self.drifts += u32::from(drift);
                self.cycles += u64::from(cycles);
            }
            _ => {}
        }
    }
}

impl Response<'_> {
    /// A step and its cycles.
    pub(super) fn step(step: &Step, cycles: u32) -> Self {
        Response::Step {
            prediction: step.prediction as u32,
            loss_bits: step.loss.to_bits(),
            replayed: step.replayed,
            stored: step.stored,
            drift: step.drift,
            cycles,
        }
    }
}
