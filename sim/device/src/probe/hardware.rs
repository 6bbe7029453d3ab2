//! A real debug probe, through probe-rs: CMSIS-DAP (DAPLink), ST-Link, J-Link and what else it knows.

use super::{Flashing, Probe, Status};
use crate::error::Error;
use probe_rs::config::Registry;
use probe_rs::flashing::{DownloadOptions, FlashProgress, ProgressEvent, ProgressOperation};
use probe_rs::probe::list::{Accessibility, Lister, ProbeListItem};
use probe_rs::probe::{DebugProbeInfo, DebugProbeSelector};
use probe_rs::{Core, CoreStatus, MemoryInterface, Permissions, Session};
use sim_emulator::Image;
use std::time::Duration;

/// How long a core may take to halt.
const HALT: Duration = Duration::from_millis(500);
/// Between two looks at RAM: short against a learning step, long enough to leave the core its bus.
const PAUSE: Duration = Duration::from_millis(1);

/// Which probe, and what is at its other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The chip, as probe-rs calls it.
    pub chip: String,
    /// `VID:PID` or `VID:PID:SERIAL`; the only one that is plugged in where not given.
    pub probe: Option<String>,
    /// Whether a chip that is protected may be erased to reach it.
    pub unlock: bool,
}

/// A probe that is attached to a chip.
pub struct HardwareProbe {
    session: Session,
}

impl HardwareProbe {
    /// Attaches to the chip.
    ///
    /// # Errors
    /// [`Error::NoProbe`], [`Error::Chip`] where the chip says that it is another one, [`Error::Probe`].
    pub fn open(selection: &Selection) -> Result<Self, Error> {
        let attach = |e: &dyn std::error::Error| Error::probe("attach to the chip", chain(e));
        let registry = Registry::from_builtin_families();
        if let Err(error) = registry.get_target_by_name(&selection.chip) {
            return Err(Error::NoProbe(format!(
                "There is no chip `{}`: {}. Name it as probe-rs does, with --chip: `probe-rs chip list`.",
                selection.chip,
                chain(&error)
            )));
        }
        let probe = choose(selection.probe.as_deref())?
            .open()
            .map_err(|e| attach(&e))?;
        let mut permissions = Permissions::new();
        if selection.unlock {
            permissions = permissions.allow_erase_all();
        }
        let session = probe.attach(selection.chip.as_str(), permissions);
        let session = session.map_err(|e| match e {
            probe_rs::Error::MissingPermissions(what) => Error::Probe {
                doing: "reach the chip, which is protected",
                why: format!("{what}; --unlock erases all of its flash and opens it"),
            },
            e => attach(&e),
        })?;
        let mut probe = Self { session };
        probe.check_part(&registry)?;
        Ok(probe)
    }

    /// Compares what the chip says of itself with its name, where the maker says how to ask it.
    fn check_part(&mut self, registry: &Registry) -> Result<(), Error> {
        let name = self.session.target().name.clone();
        let family = registry
            .families()
            .iter()
            .find(|family| family.variants.iter().any(|chip| chip.name == name));
        let parts: Vec<_> = family
            .iter()
            .flat_map(|family| &family.chip_detection)
            .filter_map(|method| method.as_nordic_ficr())
            .collect();
        let Some(first) = parts.first() else {
            return Ok(());
        };
        let word = self.core()?.read_word_32(first.part_address.into());
        let word = word.map_err(|e| Error::probe("read the chip's part number", chain(&e)))?;
        let named = |part: u32| {
            let names = parts.iter().filter(move |p| p.part == part);
            names.flat_map(|p| p.variants.values())
        };
        match named(word).next() {
            Some(other) if named(word).all(|chip| *chip != name) => Err(Error::Chip {
                expected: name,
                found: format!("an {other}"),
            }),
            _ => Ok(()),
        }
    }

    fn core(&mut self) -> Result<Core<'_>, Error> {
        let core = self.session.core(0);
        core.map_err(|e| Error::probe("reach the core", chain(&e)))
    }
}

impl Probe for HardwareProbe {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        let read = self.core()?.read(address.into(), into);
        read.map_err(|e| Error::probe("read memory", chain(&e)))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        let written = self.core()?.write(address.into(), bytes);
        written.map_err(|e| Error::probe("write memory", chain(&e)))
    }

    fn halt(&mut self) -> Result<u32, Error> {
        let halted = self.core()?.halt(HALT);
        let halted = halted.map_err(|e| Error::probe("halt the core", chain(&e)))?;
        // A 32-bit core's.
        Ok(halted.pc as u32)
    }

    fn resume(&mut self) -> Result<(), Error> {
        let resumed = self.core()?.run();
        resumed.map_err(|e| Error::probe("let the core run", chain(&e)))
    }

    fn reset(&mut self) -> Result<(), Error> {
        let reset = self.core()?.reset();
        reset.map_err(|e| Error::probe("reset the core", chain(&e)))
    }

    fn status(&mut self) -> Result<Status, Error> {
        let status = self.core()?.status();
        Ok(
            match status.map_err(|e| Error::probe("ask for the core's state", chain(&e)))? {
                CoreStatus::Running | CoreStatus::Unknown => Status::Running,
                CoreStatus::Sleeping => Status::Sleeping,
                CoreStatus::Halted(_) => Status::Halted,
                CoreStatus::LockedUp => {
                    Status::Stopped("it is locked up by a fault within a fault".to_owned())
                }
            },
        )
    }

    fn flash(&mut self, image: &Image, report: &mut dyn FnMut(Flashing)) -> Result<(), Error> {
        let failed = |e: &dyn std::error::Error| Error::Flash { why: chain(e) };
        let mut loader = self.session.target().flash_loader();
        for segment in &image.segments {
            let staged = loader.add_data(segment.address.into(), &segment.bytes);
            staged.map_err(|e| failed(&e))?;
        }
        report(Flashing::Size(
            image.segments.iter().map(|s| s.bytes.len() as u64).sum(),
        ));
        let mut options = DownloadOptions::default();
        options.verify = true;
        // What other programs keep in the same sector stays.
        options.keep_unwritten_bytes = true;
        options.progress = FlashProgress::new(|event| {
            if let ProgressEvent::Progress {
                operation: ProgressOperation::Program,
                size,
                ..
            } = event
            {
                report(Flashing::Written(size));
            }
        });
        let written = loader.commit(&mut self.session, options);
        written.map_err(|e| failed(&e))
    }

    fn pause(&mut self) {
        std::thread::sleep(PAUSE);
    }
}

/// The probe to use: the one that was named, or the only one.
fn choose(named: Option<&str>) -> Result<DebugProbeInfo, Error> {
    let selector = named.map(|text| {
        text.parse::<DebugProbeSelector>().map_err(|e| {
            Error::NoProbe(format!(
                "`{text}` names no probe ({e}). Write VID:PID or VID:PID:SERIAL, or `emulated`."
            ))
        })
    });
    let found = Lister::new().list_with_access(selector.transpose()?.as_ref());
    let list = |items: &[ProbeListItem]| {
        let lines = items.iter().map(|item| format!("\n  {}", item.info));
        lines.collect::<String>()
    };
    match found.as_slice() {
        [] => Err(Error::NoProbe(
            "No debug probe was found. Plug it in with a cable that carries data, and on Linux give yourself access \
             (udev rules, see docs/hardware.md); `--probe emulated` rehearses without one."
                .to_owned(),
        )),
        [one] if one.accessibility == Accessibility::PermissionDenied => Err(Error::NoProbe(
            format!(
                "The probe{} is there, but you may not use it. Install its udev rules (see docs/hardware.md) and plug it in again.",
                list(&found)
            ),
        )),
        [one] => Ok(one.info.clone()),
        several => Err(Error::NoProbe(format!(
            "There are several debug probes. Name one with --probe VID:PID:SERIAL:{}",
            list(several)
        ))),
    }
}

/// An error with what caused it, down to the wire.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{}: {cause_text}", text.trim_end_matches('.'));
        }
        source = cause.source();
    }
    text.trim_end_matches('.').to_owned()
}
