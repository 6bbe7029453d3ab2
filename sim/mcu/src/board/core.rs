//! The cores that a board may have, and what follows from them.

use std::fmt;

/// A processor core, as far as cost and target depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Core {
    /// Armv6-M, no FPU.
    CortexM0Plus,
    /// Armv7-M, no FPU.
    CortexM3,
    /// Armv7E-M with a single-precision FPU.
    CortexM4F,
    /// Armv7E-M, dual issue, with a single- or double-precision FPU.
    CortexM7,
    /// Armv8-M mainline with a single-precision FPU.
    CortexM33,
    /// RISC-V of the ESP32-C3: RV32IMC, no FPU.
    Esp32C3,
}

/// How a core adds and multiplies f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Float {
    /// In an FPU.
    Hard,
    /// By calls into the compiler's run-time library.
    Soft,
}

/// What follows from a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoreInfo {
    /// The core.
    pub core: Core,
    /// Its name in profiles and in `configs/cores`.
    pub name: &'static str,
    /// Its Rust target triple (rustc book, platform support).
    pub target: &'static str,
    /// How it does f32.
    pub float: Float,
}

/// Every core that a profile may name.
const CORES: [CoreInfo; 6] = [
    CoreInfo {
        core: Core::CortexM0Plus,
        name: "cortex-m0plus",
        target: "thumbv6m-none-eabi",
        float: Float::Soft,
    },
    CoreInfo {
        core: Core::CortexM3,
        name: "cortex-m3",
        target: "thumbv7m-none-eabi",
        float: Float::Soft,
    },
    CoreInfo {
        core: Core::CortexM4F,
        name: "cortex-m4f",
        target: "thumbv7em-none-eabihf",
        float: Float::Hard,
    },
    CoreInfo {
        core: Core::CortexM7,
        name: "cortex-m7",
        target: "thumbv7em-none-eabihf",
        float: Float::Hard,
    },
    CoreInfo {
        core: Core::CortexM33,
        name: "cortex-m33",
        target: "thumbv8m.main-none-eabihf",
        float: Float::Hard,
    },
    CoreInfo {
        core: Core::Esp32C3,
        name: "esp32c3",
        target: "riscv32imc-unknown-none-elf",
        float: Float::Soft,
    },
];

impl Core {
    /// Every core that a profile may name.
    #[must_use]
    pub fn all() -> &'static [CoreInfo] {
        &CORES
    }

    /// What follows from this core.
    #[must_use]
    pub fn info(self) -> CoreInfo {
        // The table is in the order of the enum; a test holds the two together.
        CORES[self as usize]
    }

    /// The core's name in profiles.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The core of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        CORES
            .iter()
            .find(|info| info.name == name)
            .map(|info| info.core)
    }
}

impl fmt::Display for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_is_found_by_its_own_name() {
        for info in Core::all() {
            assert_eq!(info.core.info(), *info);
            assert_eq!(Core::from_name(info.name), Some(info.core));
        }
        assert_eq!(Core::from_name("cortex-m99"), None);
    }
}
