//! Builds the firmware for a core and a memory map.
//!
//! cargo does the work, in a folder of its own, so that a build in progress elsewhere holds up nothing. All
//! layouts share what they depend on; each keeps its own ELF file, named by what it was made from: layout, sources, compiler. A file that
//! is there already is not built again. With the feature `bundled` the library holds images of its own, and builds nothing that it holds.

use crate::error::Error;
use crate::uart::Uart;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

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
    /// What the firmware writes first, so that flash is read as the board's profile says.
    pub setup: [Option<Write>; MOST_WRITES],
}

/// A change of a register: its address, bits to clear, bits to set.
pub type Write = (u32, u32, u32);

/// Registers that the firmware changes first at most, besides those of its serial port.
pub const MOST_WRITES: usize = 4;

/// How the firmware talks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Talk {
    /// Through the debugger's or emulator's console.
    #[default]
    Semihosting,
    /// Through a block in RAM that a probe reads and writes.
    Rtt,
    /// Through a serial port.
    Serial(Uart),
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
    /// Builds it from the sources in `workspace`, below `folder`; gives the ELF file.
    ///
    /// # Errors
    /// [`Error::Sources`] without the sources, [`Error::Missing`] without cargo, [`Error::Target`] without the target, [`Error::Build`].
    pub fn build(&self, workspace: &Path, folder: &Path) -> Result<PathBuf, Error> {
        if let Some(image) = bundled(&self.layout()) {
            return self.unpack(image, folder);
        }
        let kept = self.kept(workspace, folder)?;
        if !kept.is_file() {
            self.compile(workspace, folder, &kept)?;
        }
        Ok(kept)
    }

    /// Whether [`build`](Self::build) has nothing to do.
    pub fn is_built(&self, workspace: &Path, folder: &Path) -> bool {
        bundled(&self.layout()).is_some()
            || self
                .kept(workspace, folder)
                .is_ok_and(|path| path.is_file())
    }

    /// Writes a bundled image to `folder`, for programs that want a file.
    fn unpack(&self, image: &[u8], folder: &Path) -> Result<PathBuf, Error> {
        let digest = hex(&Sha256::digest(image)[..8]);
        let kept = folder.join(format!("{}-{digest}.elf", self.layout()));
        let fresh = kept.with_extension(format!("{}.part", std::process::id()));
        let written = match std::fs::read(&kept) {
            Ok(bytes) if bytes == image => Ok(()),
            _ => std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&fresh, image))
                .and_then(|()| std::fs::rename(&fresh, &kept)),
        };
        written.map_err(|source| Error::Read {
            path: kept.clone(),
            source,
        })?;
        Ok(kept)
    }

    /// Where its ELF file is kept.
    fn kept(&self, workspace: &Path, folder: &Path) -> Result<PathBuf, Error> {
        let name = format!("{}-{}.elf", self.layout(), sources(workspace)?);
        Ok(folder.join(name))
    }

    /// Has cargo build it, and leaves the ELF file at `kept`.
    fn compile(&self, workspace: &Path, folder: &Path, kept: &Path) -> Result<(), Error> {
        let m = &self.memory;
        let features = self.talk.feature();
        // One layout after the other, and its file in safety before the next one is linked.
        let _lock = lock(folder)?;
        let below = folder.join(checkout(workspace));
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .current_dir(workspace)
            .args([
                "build",
                "--quiet",
                "--package",
                "runtime-firmware",
                "--bin",
                "firmware",
            ])
            .args([
                "--profile",
                profile(self.target),
                "--features",
                features,
                "--target",
                self.target,
            ])
            .env("CARGO_TARGET_DIR", &below)
            .env("SIM_FLASH_ORIGIN", format!("{:#x}", m.flash_origin))
            .env("SIM_FLASH_LENGTH", format!("{:#x}", m.flash_bytes))
            .env("SIM_PROGRAM_ORIGIN", format!("{:#x}", m.program_origin))
            .env("SIM_RAM_ORIGIN", format!("{:#x}", m.ram_origin))
            .env("SIM_RAM_LENGTH", format!("{:#x}", m.ram_bytes))
            .env("SIM_STACK_LENGTH", format!("{:#x}", m.stack_bytes))
            .envs(self.talk.environment())
            .env("SIM_SETUP", self.setup())
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
        let built = below.join(self.target).join(profile(self.target));
        let built = built.join("firmware");
        let fresh = kept.with_extension("part");
        // Whoever reads the file of this layout has all of an old one or all of the new one.
        let copied = std::fs::copy(&built, &fresh).and_then(|_| std::fs::rename(&fresh, kept));
        copied.map_err(|source| Error::Read {
            path: built,
            source,
        })
    }

    /// The writes that come first, as its build wants them.
    fn setup(&self) -> String {
        let uart: &[Write] = match &self.talk {
            Talk::Serial(uart) => uart.setup,
            _ => &[],
        };
        let own = self.memory.setup.iter().flatten();
        let writes = own
            .chain(uart)
            .map(|(address, clear, set)| format!("{address:#x}:{clear:#x}:{set:#x}"));
        writes.collect::<Vec<_>>().join(",")
    }

    /// What tells this firmware from others of the same sources.
    fn layout(&self) -> String {
        let m = &self.memory;
        let writes = m.setup.iter().flatten();
        let writes = writes.map(|(address, clear, set)| format!("-{address:x}.{clear:x}.{set:x}"));
        format!(
            "{}-{}-{:x}+{:x}-{:x}-{:x}+{:x}-{:x}{}",
            self.target,
            self.talk.name(),
            m.flash_origin,
            m.flash_bytes,
            m.program_origin,
            m.ram_origin,
            m.ram_bytes,
            m.stack_bytes,
            writes.collect::<String>()
        )
    }
}

impl Talk {
    /// The feature of the firmware that makes it talk so.
    fn feature(self) -> &'static str {
        match self {
            Talk::Semihosting => "embedded",
            Talk::Rtt => "rtt",
            Talk::Serial(_) => "serial",
        }
    }

    /// What its build is told besides.
    fn environment(self) -> Option<(&'static str, String)> {
        match self {
            Talk::Serial(uart) => Some(uart.environment()),
            _ => None,
        }
    }

    /// What tells it from others in the name of a file.
    fn name(self) -> String {
        match self {
            Talk::Serial(uart) => format!("serial-{}-{:x}", uart.family, uart.base),
            other => other.feature().to_owned(),
        }
    }
}

/// The cargo profile that the firmware for `target` is built with: what its floats are decides how far kernels are unrolled.
pub fn profile(target: &str) -> &'static str {
    if target.ends_with("eabihf") {
        "firmware"
    } else {
        "firmware-soft"
    }
}

/// The digest of all that the firmware is made from: its crates, the workspace's profiles and versions, the compiler. It is taken once
/// in a process: to ask the compiler takes longer than all else.
fn sources(workspace: &Path) -> Result<String, Error> {
    static KNOWN: Mutex<Option<(PathBuf, String)>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, digest)) = known.as_ref().filter(|(of, _)| of == workspace) {
        return Ok(digest.clone());
    }
    let digest = digest(workspace)?;
    *known = Some((workspace.to_owned(), digest.clone()));
    Ok(digest)
}

fn digest(workspace: &Path) -> Result<String, Error> {
    let missing = |path: &Path, source| Error::Sources {
        path: path.to_owned(),
        source,
    };
    let mut files = vec![workspace.join("Cargo.toml"), workspace.join("Cargo.lock")];
    let mut folders = vec![workspace.join("runtime-shared")];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|e| missing(&folder, e))?;
        for entry in entries {
            let path = entry.map_err(|e| missing(&folder, e))?.path();
            let hidden = path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes()[0] == b'.');
            if path.is_dir() && !hidden {
                folders.push(path);
            } else if !hidden {
                files.push(path);
            }
        }
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let bytes = std::fs::read(&file).map_err(|e| missing(&file, e))?;
        let name = file.strip_prefix(workspace).unwrap_or(&file);
        digest.update(name.as_os_str().as_encoded_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    digest.update(compiler(workspace)?);
    Ok(hex(&digest.finalize()[..8]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The image of this layout that the library holds, if it does.
fn bundled(layout: &str) -> Option<&'static [u8]> {
    #[cfg(feature = "bundled")]
    {
        include!(concat!(env!("OUT_DIR"), "/bundle.rs"));
        let mut images = IMAGES.iter();
        images
            .find(|(name, _)| *name == layout)
            .map(|(_, image)| *image)
    }
    #[cfg(not(feature = "bundled"))]
    {
        let _ = layout;
        None
    }
}

/// The folder of a checkout's intermediate files. cargo tells sources apart by their place in the workspace and by time, so that it would
/// take what another checkout left for its own.
fn checkout(workspace: &Path) -> String {
    let place = workspace.canonicalize();
    let place = place.as_deref().unwrap_or(workspace);
    let digest = Sha256::digest(place.as_os_str().as_encoded_bytes());
    format!("of-{}", hex(&digest[..4]))
}

/// What the compiler that cargo will call says of itself.
fn compiler(workspace: &Path) -> Result<Vec<u8>, Error> {
    // cargo takes the one beside itself, unless it is told another.
    let beside = std::env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
    let beside = beside
        .filter(|path| path.is_file())
        .map(PathBuf::into_os_string);
    let rustc = std::env::var_os("RUSTC").or(beside);
    let rustc = rustc.unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .current_dir(workspace)
        .arg("-vV")
        .output()
        .map_err(|source| Error::Missing {
            program: "rustc".to_owned(),
            source,
            install: "see https://rustup.rs",
        })?;
    Ok(output.stdout)
}

/// Waits until nobody else builds in `folder`; others wait until the file is closed.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("layout.lock");
    let locked = std::fs::create_dir_all(folder)
        .and_then(|()| File::create(&path))
        .and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::Read { path, source })
}
