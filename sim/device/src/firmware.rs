//! Builds the firmware for a core and a memory map.
//!
//! cargo does the work, in a folder of its own, so that a build in progress elsewhere holds up nothing.

use crate::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a device's memories lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// First address of flash.
    pub flash_origin: u32,
    /// Bytes of flash.
    pub flash_bytes: u32,
    /// Where in flash a Program is looked for: where a sector starts that the firmware does not reach.
    pub program_origin: u32,
    /// First address of RAM.
    pub ram_origin: u32,
    /// Bytes of RAM, in one run.
    pub ram_bytes: u32,
    /// What of it is stack.
    pub stack_bytes: u32,
}

/// How the firmware talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Talk {
    /// Through the debugger's or emulator's console.
    #[default]
    Semihosting,
    /// Through a block in RAM that a probe reads and writes.
    Rtt,
}

/// What to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware<'a> {
    /// rustc's target.
    pub target: &'a str,
    /// Where its memories lie.
    pub memory: Memory,
    /// How it talks.
    pub talk: Talk,
}

impl Firmware<'_> {
    /// A name for this memory map and transport.
    fn name(&self) -> String {
        let m = &self.memory;
        let talk = match self.talk {
            Talk::Semihosting => "semihosting",
            Talk::Rtt => "rtt",
        };
        format!(
            "{:x}+{:x}-{:x}-{:x}+{:x}-{:x}-{talk}",
            m.flash_origin,
            m.flash_bytes,
            m.program_origin,
            m.ram_origin,
            m.ram_bytes,
            m.stack_bytes
        )
    }

    /// Builds it from the sources in `workspace`, below `folder`; gives the ELF file.
    ///
    /// # Errors
    /// [`Error::Missing`] without cargo, [`Error::Target`] without the target, [`Error::Build`].
    pub fn build(&self, workspace: &Path, folder: &Path) -> Result<PathBuf, Error> {
        let m = &self.memory;
        // One folder a layout: two builds at the same time do not take each other's file.
        let folder = folder.join(self.name());
        let features = match self.talk {
            Talk::Semihosting => "embedded",
            Talk::Rtt => "rtt",
        };
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(workspace)
            .args([
                "build",
                "--quiet",
                "--package",
                "runtime-shared",
                "--bin",
                "firmware",
            ])
            .args([
                "--profile",
                "firmware",
                "--features",
                features,
                "--target",
                self.target,
            ])
            .env("CARGO_TARGET_DIR", &folder)
            .env("SIM_FLASH_ORIGIN", format!("{:#x}", m.flash_origin))
            .env("SIM_FLASH_LENGTH", format!("{:#x}", m.flash_bytes))
            .env("SIM_PROGRAM_ORIGIN", format!("{:#x}", m.program_origin))
            .env("SIM_RAM_ORIGIN", format!("{:#x}", m.ram_origin))
            .env("SIM_RAM_LENGTH", format!("{:#x}", m.ram_bytes))
            .env("SIM_STACK_LENGTH", format!("{:#x}", m.stack_bytes))
            .env_remove("RUSTFLAGS")
            .output()
            .map_err(|source| Error::Missing {
                program: "cargo".to_owned(),
                source,
                install: "see https://rustup.rs",
            })?;
        if !output.status.success() {
            let target = self.target.to_owned();
            let output = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(if output.contains("can't find crate for `core`") {
                Error::Target { target }
            } else {
                Error::Build { target, output }
            });
        }
        Ok(folder.join(self.target).join("firmware").join("firmware"))
    }
}
