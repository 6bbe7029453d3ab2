//! What the firmware takes for itself on a board, whatever the network.
//!
//! `configs/firmware.toml` states it by core; a board's profile may state its own.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::core::Core;
use crate::error::Error;
use crate::parse::Document;
use crate::source::Source;

/// What the firmware takes for itself, whatever the network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Call stack, bytes of RAM.
    pub stack_bytes: u32,
    /// Static variables: the transport's buffers, the vector table's copy, the learner's handle. Bytes of RAM.
    pub statics_bytes: u32,
    /// The firmware's own code and constants, bytes of flash, the Program aside.
    pub code_bytes: u32,
    /// Where these three are from.
    pub source: Source,
}

/// What the firmware takes on `core`.
pub(super) fn of(core: Core) -> Result<Runtime, Error> {
    let document = Document {
        file: "configs/firmware.toml",
        text: include_str!("../../../../configs/firmware.toml"),
    };
    let mut all: BTreeMap<String, Runtime> = document.parse()?;
    all.remove(core.name())
        .ok_or_else(|| document.at(0..0, format!("There is no table [{core}].")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_core_has_its_firmware() {
        for info in Core::all() {
            let runtime = of(info.core);
            assert!(runtime.is_ok_and(|r| r.code_bytes > 0), "{}", info.name);
        }
    }
}
