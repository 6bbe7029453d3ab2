//! The firmware behind a debug probe: bytes through two rings in its RAM, while its core runs.
//!
//! What lies in the device's RAM is not trusted: every pointer and offset is checked before it is used
//! ([`block`]), so that a crashed device costs an error and no more.

pub mod block;

use crate::error::Error;
use crate::probe::{Flashing, Probe, Status, check_core};
use crate::transport::Transport;
use block::{ControlBlock, ID};
use sim_emulator::Image;
use std::ops::Range;
use std::time::{Duration, Instant};

/// The name under which the firmware offers its control block.
const SYMBOL: &str = "_SEGGER_RTT";
/// Functions of the firmware in which it stays once it has failed.
const FAILED: [&str; 2] = ["fault", "rust_begin_unwind"];

/// What the host knows of the device beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// Its core, as in configs/cores.
    pub core: String,
    /// Its RAM; nothing outside is taken for a ring.
    pub ram: Vec<Range<u32>>,
}

/// A device that talks through its RAM.
pub struct Rtt<P> {
    probe: P,
    block: ControlBlock,
    /// Names of what the core may be found in.
    image: Option<Image>,
    /// How long the device may leave the ring to it full.
    pub patience: Duration,
}

impl<P: Probe> Rtt<P> {
    /// Flashes `image`, starts it, and waits at most `patience` for its control block.
    ///
    /// # Errors
    /// [`Error::Chip`] before anything is written to a chip with another core; [`Error::Flash`],
    /// [`Error::NoControlBlock`], [`Error::ControlBlock`], [`Error::Probe`].
    pub fn start(
        mut probe: P,
        image: Image,
        board: &Board,
        patience: Duration,
        report: &mut dyn FnMut(Flashing),
    ) -> Result<Self, Error> {
        check_core(&mut probe, &board.core)?;
        probe.flash(&image, report)?;
        let at = image.symbols.named(SYMBOL).map(|symbol| symbol.address);
        if let Some(at) = at {
            // RAM keeps what it held over a reset: an older block is not to be taken for the new one.
            probe.halt()?;
            probe.write(at, &[0; ID.len()])?;
        }
        probe.reset()?;
        Self::find(probe, at, board, Some(image), patience)
    }

    /// Looks for the control block of a firmware that runs already, for at most `patience`.
    ///
    /// # Errors
    /// [`Error::Chip`], [`Error::NoControlBlock`], [`Error::ControlBlock`], [`Error::Probe`].
    pub fn attach(
        mut probe: P,
        image: Option<Image>,
        board: &Board,
        patience: Duration,
    ) -> Result<Self, Error> {
        check_core(&mut probe, &board.core)?;
        if probe.status()? == Status::Halted {
            probe.resume()?;
        }
        let at = image.as_ref().and_then(|i| i.symbols.named(SYMBOL));
        let at = at.map(|symbol| symbol.address);
        Self::find(probe, at, board, image, patience)
    }

    fn find(
        mut probe: P,
        at: Option<u32>,
        board: &Board,
        image: Option<Image>,
        patience: Duration,
    ) -> Result<Self, Error> {
        let deadline = Instant::now() + patience;
        let found = loop {
            let found = match at {
                Some(at) => {
                    let mut id = [0; ID.len()];
                    probe.read(at, &mut id)?;
                    (id == ID).then_some(at)
                }
                None => block::find(&mut probe, &board.ram)?,
            };
            if found.is_some() || Instant::now() >= deadline {
                break found;
            }
            probe.pause();
        };
        let Some(at) = found else {
            return Err(Error::NoControlBlock {
                place: at.map_or_else(|| "in RAM".to_owned(), |at| format!("at {at:#010x}")),
                state: state(&mut probe, image.as_ref()).unwrap_or_default(),
            });
        };
        let block = ControlBlock::read(&mut probe, at, &board.ram)?;
        Ok(Self {
            probe,
            block,
            image,
            patience,
        })
    }

    /// The probe.
    pub fn probe(&mut self) -> &mut P {
        &mut self.probe
    }
}

impl<P: Probe> Transport for Rtt<P> {
    fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        let ring = self.block.down;
        let mut deadline = Instant::now() + self.patience;
        while !bytes.is_empty() {
            let offsets = ring.offsets(&mut self.probe)?;
            let free = (offsets.read + ring.bytes - offsets.write - 1) % ring.bytes;
            // Up to the buffer's end; what is left goes to its start the next time round.
            let count = free.min(ring.bytes - offsets.write).min(bytes.len() as u32);
            if count == 0 {
                if Instant::now() >= deadline {
                    return Err(Error::Silent {
                        patience: self.patience,
                        attempts: 1,
                        state: self.state().unwrap_or_default(),
                    });
                }
                self.probe.pause();
                continue;
            }
            let (now, later) = bytes.split_at(count as usize);
            self.probe.write(ring.buffer + offsets.write, now)?;
            ring.set_write(&mut self.probe, (offsets.write + count) % ring.bytes)?;
            bytes = later;
            deadline = Instant::now() + self.patience;
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        let ring = self.block.up;
        let deadline = Instant::now() + patience;
        loop {
            let offsets = ring.offsets(&mut self.probe)?;
            if offsets.read != offsets.write {
                let end = if offsets.write > offsets.read {
                    offsets.write
                } else {
                    ring.bytes
                };
                let start = into.len();
                into.resize(start + (end - offsets.read) as usize, 0);
                self.probe
                    .read(ring.buffer + offsets.read, &mut into[start..])?;
                return ring.set_read(&mut self.probe, end % ring.bytes);
            }
            if Instant::now() >= deadline {
                return Ok(());
            }
            self.probe.pause();
        }
    }

    fn state(&mut self) -> Option<String> {
        state(&mut self.probe, self.image.as_ref())
    }
}

/// What a core that does not answer is at, as a sentence; it runs on afterwards where it ran before.
fn state<P: Probe>(probe: &mut P, image: Option<&Image>) -> Option<String> {
    let status = match probe.status() {
        Ok(status) => status,
        Err(error) => return Some(error.to_string()),
    };
    let pc = probe.halt().ok()?;
    if status == Status::Running {
        probe.resume().ok()?;
    }
    let function = image.and_then(|image| image.symbols.at(pc));
    let place = match function {
        Some(function) => format!("{pc:#010x}, in `{}`", function.name),
        None => format!("{pc:#010x}"),
    };
    let failed = function.is_some_and(|f| FAILED.contains(&f.name.as_str()));
    Some(match status {
        Status::Running if failed => {
            format!("The firmware has crashed: its core stays at {place}.")
        }
        Status::Running => format!("Its core runs, at {place}."),
        Status::Sleeping => format!("Its core sleeps, at {place}."),
        Status::Halted => format!("Its core is halted, at {place}: a debugger may hold it."),
        Status::Stopped(why) => format!("Its core cannot go on: {why}."),
    })
}
