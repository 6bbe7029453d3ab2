//! Why an image is refused.

use super::header::Field;
use super::{Kernel, List};

/// Why an image is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Shorter than a header, or than it says itself.
    Truncated,
    /// The image does not start at a multiple of four.
    Misaligned,
    /// Not a Program.
    Magic,
    /// A Program of another version of the format.
    Version(u32),
    /// The checksum does not hold: the image was damaged.
    Checksum,
    /// A header field has a value that makes no sense.
    Header(Field),
    /// A table reaches beyond the image.
    Table(Field),
    /// An unknown kernel, activation, rule, type or flag.
    Call(List, u32),
    /// The dimensions of a call make no sense.
    Dimensions(List, u32),
    /// An operand of a call is missing, out of bounds, misaligned, read-only or overlaps another.
    Operand(List, u32, u32),
    /// A parameter tensor is out of bounds, or of no known type.
    Parameter(u32),
    /// A kernel that this build of the core was made without: its cargo feature is off.
    NotLinked(Kernel),
}

/// What is wrong with an image, by [`Refusal::code`].
const SENTENCES: [&str; 13] = [
    "it is shorter than it says itself",
    "it does not start at a multiple of four",
    "it is not a Program",
    "it is of another version of the format",
    "its checksum does not hold",
    "a header field makes no sense",
    "a table reaches beyond it",
    "it calls an unknown kernel",
    "the dimensions of a call make no sense",
    "an operand of a call is out of place",
    "a parameter tensor is out of bounds",
    "it calls a kernel that was left out when the core was built",
    "it is of version 1 of the format, without types of tensors: compile the network again",
];

impl Refusal {
    /// The kind of refusal as a number, for links that carry no sentences.
    pub fn code(self) -> u8 {
        match self {
            Refusal::Truncated => 0,
            Refusal::Misaligned => 1,
            Refusal::Magic => 2,
            Refusal::Version(1) => 12,
            Refusal::Version(_) => 3,
            Refusal::Checksum => 4,
            Refusal::Header(_) => 5,
            Refusal::Table(_) => 6,
            Refusal::Call(..) => 7,
            Refusal::Dimensions(..) => 8,
            Refusal::Operand(..) => 9,
            Refusal::Parameter(_) => 10,
            Refusal::NotLinked(_) => 11,
        }
    }

    /// What is wrong, in words.
    pub fn sentence(self) -> &'static str {
        sentence(self.code())
    }
}

/// What is wrong with an image that was refused with this [`Refusal::code`].
pub fn sentence(code: u8) -> &'static str {
    SENTENCES
        .get(usize::from(code))
        .unwrap_or(&"the device gives an unknown reason")
}
