//! Training in integers (`docs/integer.md`): which format every tensor has, and the lists of calls that compute with them.
//!
//! [`mod@format`] chooses widths, fractions and classes, and proves that no sum leaves 32 bits; a layer for which that cannot be proven is refused by
//! name. [`lower`] lists the calls, [`values`] makes integers of initial weights, [`calibrate`] looks at what a frozen extractor makes of data.

pub mod calibrate;
pub mod format;
pub mod lower;
pub mod values;

pub use format::Formats;

use runtime_shared::program::Element;
use serde::{Deserialize, Serialize};

/// What a network is trained in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arithmetic {
    /// Floats of 32 bits.
    #[default]
    F32,
    /// Integers, weights of 16 bits.
    Int16,
    /// Integers, the largest weight tensor of 8 bits, the others of 16.
    Int8,
}

/// The class of a layer's weights: how many bits each has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Eight.
    I8,
    /// Sixteen.
    I16,
}

impl Class {
    /// The type of the weights.
    pub fn element(self) -> Element {
        match self {
            Class::I8 => Element::I8,
            Class::I16 => Element::I16,
        }
    }
}
