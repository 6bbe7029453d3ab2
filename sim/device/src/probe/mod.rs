//! A debug probe, as far as flashing a firmware and talking to it through RAM needs one.
//!
//! Whatever a probe is made of, the client of [`crate::rtt`] over it is the same, so that all of it but
//! the wire is tested against [`EmulatedProbe`].

mod emulated;
#[cfg(feature = "embedded")]
mod hardware;

pub use emulated::EmulatedProbe;
#[cfg(feature = "embedded")]
pub use hardware::{HardwareProbe, Selection};

use crate::error::Error;
use sim_emulator::Image;
use sim_emulator::timing::{CORE_NAMES, CoreTable};

/// CPUID, at the same address on every Cortex-M (Armv6-M ARM B3.2.3, Armv7-M ARM B3.2.3).
pub const CPUID: u32 = 0xe000_ed00;
/// Implementer and part number of CPUID; the rest are variant and revision.
const PART: u32 = 0xff00_fff0;

/// What a debug probe does to the core at its other end. Memory is accessed while the core runs.
pub trait Probe {
    /// Reads memory.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error>;

    /// Writes RAM or registers.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error>;

    /// Halts the core; gives the address of the instruction that is next.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn halt(&mut self) -> Result<u32, Error>;

    /// Lets a halted core run on.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn resume(&mut self) -> Result<(), Error>;

    /// Resets the core, which then runs.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn reset(&mut self) -> Result<(), Error>;

    /// What the core is at.
    ///
    /// # Errors
    /// [`Error::Probe`].
    fn status(&mut self) -> Result<Status, Error>;

    /// Writes the image into flash. The core does not run it before the next reset.
    ///
    /// # Errors
    /// [`Error::Flash`], [`Error::Probe`].
    fn flash(&mut self, image: &Image, report: &mut dyn FnMut(Flashing)) -> Result<(), Error>;

    /// Lets a moment pass between two looks at memory that has not changed.
    fn pause(&mut self);
}

/// Passes everything on.
macro_rules! forward {
    ($holder:ty) => {
        impl<P: Probe + ?Sized> Probe for $holder {
            fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error> {
                (**self).read(address, into)
            }

            fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
                (**self).write(address, bytes)
            }

            fn halt(&mut self) -> Result<u32, Error> {
                (**self).halt()
            }

            fn resume(&mut self) -> Result<(), Error> {
                (**self).resume()
            }

            fn reset(&mut self) -> Result<(), Error> {
                (**self).reset()
            }

            fn status(&mut self) -> Result<Status, Error> {
                (**self).status()
            }

            fn flash(
                &mut self,
                image: &Image,
                report: &mut dyn FnMut(Flashing),
            ) -> Result<(), Error> {
                (**self).flash(image, report)
            }

            fn pause(&mut self) {
                (**self).pause();
            }
        }
    };
}

forward!(Box<P>);
forward!(&mut P);

/// What a core is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It executes instructions.
    Running,
    /// It sleeps until an interrupt.
    Sleeping,
    /// A debugger halted it.
    Halted,
    /// It cannot go on, and why.
    Stopped(String),
}

/// How far flashing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flashing {
    /// So many bytes will be erased and written.
    Size(u64),
    /// So many bytes more were written.
    Written(u64),
}

/// Flashes `image` onto a chip whose core is `core`, and starts it: for firmware that talks elsewhere.
///
/// # Errors
/// [`Error::Chip`] before anything is written; [`Error::Flash`], [`Error::Probe`].
pub fn launch<P: Probe>(
    probe: &mut P,
    image: &Image,
    core: &str,
    report: &mut dyn FnMut(Flashing),
) -> Result<(), Error> {
    check_core(probe, core)?;
    probe.flash(image, report)?;
    probe.reset()
}

/// Whether the core at the other end is `core`, as in configs/cores.
///
/// # Errors
/// [`Error::Chip`] where it is another one; [`Error::Core`] where none is called so.
pub fn check_core<P: Probe>(probe: &mut P, core: &str) -> Result<(), Error> {
    let part = |name: &str| CoreTable::builtin(name).map(|table| table.features.cpuid & PART);
    let expected = part(core).map_err(|e| Error::Core(e.to_string()))?;
    let mut bytes = [0; 4];
    probe.read(CPUID, &mut bytes)?;
    let cpuid = u32::from_le_bytes(bytes);
    if cpuid & PART == expected {
        return Ok(());
    }
    let named = CORE_NAMES
        .iter()
        .find(|name| part(name).is_ok_and(|part| part == cpuid & PART));
    let named = named.map_or_else(
        || "a core that is unknown here".to_owned(),
        |n| format!("a {n}"),
    );
    Err(Error::Chip {
        expected: format!("a {core}"),
        found: format!("{named} (CPUID {cpuid:#010x})"),
    })
}
