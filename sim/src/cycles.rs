//! Cycles of Programs on boards: the firmware for each board, what was measured with it, and what is kept of that.

use crate::command::emulate;
use crate::config::digest;
use crate::firmware::{memory, workspace};
use crate::progress::Progress;
use crate::{cache, fingerprint};
use runtime_shared::program::Program;
use sha2::{Digest, Sha256};
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine};
use sim_emulator::timing::CoreTable;
use sim_mcu::Board;
use sim_measure::{Limit, Measured, Moment, Protocol, Stretch, Target};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// What QEMU calls the core of the one board that the emulator has no instruction table of.
const COUNTED_BY_QEMU: (&str, &str) = ("esp32c3", "rv32imc");

/// A firmware on a board, with the digest of both.
#[derive(Clone)]
struct Ready {
    target: Target,
    digest: String,
}

/// Measures Programs on boards. Why that cannot be is a sentence: every other figure is there without it.
pub struct Meter<'p> {
    progress: &'p Progress,
    ready: Mutex<BTreeMap<String, Result<Ready, String>>>,
}

/// What is measured.
pub struct Subject<'a> {
    /// The Program.
    pub program: Program<'a>,
    /// What a step does.
    pub protocol: Protocol,
    /// How much to measure.
    pub limit: Limit,
}

impl<'p> Meter<'p> {
    /// A meter that shows what it builds.
    pub fn new(progress: &'p Progress) -> Self {
        Self {
            progress,
            ready: Mutex::default(),
        }
    }

    /// Builds the firmware for `board`, unless that was done.
    ///
    /// # Errors
    /// Why there is none, and the command that would bring it.
    pub fn prepare(&self, board: &Board) -> Result<(), String> {
        self.ready(board).map(drop)
    }

    /// What was measured before under `key`, which names everything that decides the result besides firmware and board.
    pub fn kept(&self, board: &Board, key: &str) -> Option<Measured> {
        let ready = self.ready(board).ok()?;
        let bytes = std::fs::read(path(&ready, key)).ok()?;
        // A damaged file is none.
        serde_json::from_slice(&bytes).ok()
    }

    /// Measures `subject` on `board` at `moments` of a run of which `stretch` is known, and keeps the result under `key`.
    ///
    /// # Errors
    /// Why it cannot be measured, in a sentence.
    pub fn measure(
        &self,
        board: &Board,
        subject: &Subject<'_>,
        (moments, stretch): (&[Moment], &Stretch),
        key: &str,
    ) -> Result<Measured, String> {
        if let Some(measured) = self.kept(board, key) {
            return Ok(measured);
        }
        let ready = self.ready(board)?;
        let measured = sim_measure::measure(
            &ready.target,
            &subject.program,
            subject.protocol,
            moments,
            stretch,
            subject.limit,
            &mut || (),
        )
        .map_err(|e| e.to_string())?;
        let bytes = serde_json::to_vec(&measured).unwrap_or_default();
        // Best effort: what is not kept is measured again.
        if let Err(failure) = cache::write(&path(&ready, key), &bytes) {
            tracing::warn!("{failure}");
        }
        Ok(measured)
    }

    fn ready(&self, board: &Board) -> Result<Ready, String> {
        let name = digest(&format!("{:?}", emulate::machine(board)));
        let mut all = match self.ready.lock() {
            Ok(all) => all,
            Err(poisoned) => poisoned.into_inner(),
        };
        all.entry(name.clone())
            .or_insert_with(|| self.build(board, &name))
            .clone()
    }

    fn build(&self, board: &Board, machine: &str) -> Result<Ready, String> {
        let core = board.core.value.name();
        let by_qemu = core == COUNTED_BY_QEMU.0;
        let known = Machine::for_core(if by_qemu { COUNTED_BY_QEMU.1 } else { core });
        let qemu = known.ok_or_else(|| format!("Nothing here runs firmware for the core {core}."))?;
        let layout = if by_qemu { qemu.memory } else { memory(board) };
        let firmware = Firmware {
            target: board.target(),
            memory: layout,
            talk: Talk::Semihosting,
        };
        let (sources, folder) = (workspace(), cache::folder().join("firmware"));
        if !firmware.is_built(&sources, &folder) {
            self.progress
                .line(&format!("Building the firmware for {}", board.name));
        }
        let path = firmware
            .build(&sources, &folder)
            .map_err(|e| e.to_string())?;
        let elf = std::fs::read(&path).map_err(|e| format!("{}: {e}.", path.display()))?;
        let mut hash = Sha256::new();
        hash.update(&elf);
        hash.update(machine);
        let hash: String = hash.finalize()[..16]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        let target = if by_qemu {
            Target::Qemu {
                machine: qemu,
                elf: path,
            }
        } else {
            Target::Emulator {
                machine: Box::new(emulate::machine(board)),
                memory: layout,
                elf,
            }
        };
        Ok(Ready {
            target,
            digest: hash,
        })
    }
}

/// The key of what is measured at `moments`.
pub fn key(subject: &Subject<'_>, moments: &[Moment], stretch: &Stretch) -> String {
    let mut hash = Sha256::new();
    hash.update(subject.program.image());
    for moment in moments {
        hash.update(&moment.arena);
        for step in &moment.steps {
            hash.update(&step.sample);
            hash.update((step.label as u64).to_le_bytes());
        }
    }
    hash.update(format!("{:?} {:?} {stretch:?}", subject.protocol, subject.limit));
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

/// Where what was measured under `key` is kept.
fn path(ready: &Ready, key: &str) -> PathBuf {
    let name = digest(&(&ready.digest, key, fingerprint::CODE));
    cache::folder().join("cycles").join(format!("{}.json", &name[..32]))
}

/// What is known of the emulator's cycles against hardware with this core, as a sentence.
pub fn against_hardware(board: &Board) -> Option<String> {
    let table = CoreTable::builtin(board.core.value.name()).ok()?;
    Some(table.fidelity.to_string())
}
