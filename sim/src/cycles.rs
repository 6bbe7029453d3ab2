//! Cycles of Programs on boards: the firmware for each board, what was measured with it, and what is kept of that.

use crate::cache::{self, CODE};
use crate::command::emulate;
use crate::config::digest;
use crate::firmware::{memory, workspace};
use crate::offers::Offers;
use crate::outcome::Finished;
use crate::progress::Progress;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine};
use sim_emulator::timing::CoreTable;
use sim_mcu::Board;
use sim_measure::{Limit, Measured, Recording, Target};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

/// What QEMU calls the core of the one board that the emulator has no instruction table of.
const COUNTED_BY_QEMU: (&str, &str) = ("esp32c3", "rv32imc");

/// How much of a run is measured.
const LIMIT: Limit = Limit {
    standard_error: 0.005,
    cycles: 600_000_000,
    replayed: 8,
    profiled: 2,
};

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

    /// Measures `recording` on `board`, and keeps the result under `key`.
    ///
    /// # Errors
    /// Why it cannot be measured, in a sentence.
    pub fn measure(
        &self,
        board: &Board,
        recording: &Recording,
        limit: Limit,
        key: &str,
    ) -> Result<Measured, String> {
        if let Some(measured) = self.kept(board, key) {
            return Ok(measured);
        }
        let ready = self.ready(board)?;
        let measured = sim_measure::measure(&ready.target, recording, limit, &mut || ())
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
        let qemu =
            known.ok_or_else(|| format!("Nothing here runs firmware for the core {core}."))?;
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

/// Cycles of every strategy on every board, as the offers have them; nothing where it does not fit or was not recorded.
pub type Cycles = Vec<Vec<Option<Result<Measured, String>>>>;

/// Measures every strategy of a run on every board that has room for it.
pub fn of_run(offers: &[Offers], finished: &[Finished], progress: &Progress) -> Cycles {
    let meter = Meter::new(progress);
    let recording = |strategy: usize| {
        let parts: &Finished = &finished[strategy];
        parts.iter().find_map(|(_, part)| part.recording.as_ref())
    };
    let pairs: Vec<(usize, usize)> = (0..offers.len())
        .flat_map(|s| (0..offers[s].0.len()).map(move |b| (s, b)))
        .collect();
    let task = progress.task("Measuring cycles", pairs.len() as u64);
    let mut measured: Vec<_> = pairs
        .par_iter()
        .map(|&(s, b)| {
            let offer = &offers[s].0[b];
            let fits = offer.refusal.is_none();
            let result = recording(s).filter(|_| fits).map(|recording| {
                let key = digest(&(recording, LIMIT));
                meter.measure(&offer.board, recording, LIMIT, &key)
            });
            task.advance(1);
            result
        })
        .collect();
    task.finish();
    let mut cycles = Cycles::new();
    for offers in offers.iter().rev() {
        cycles.push(measured.split_off(measured.len() - offers.0.len()));
    }
    cycles.reverse();
    cycles
}

/// Where what was measured under `key` is kept.
fn path(ready: &Ready, key: &str) -> PathBuf {
    let name = digest(&(&ready.digest, key, CODE));
    cache::folder()
        .join("cycles")
        .join(format!("{}.json", &name[..32]))
}

/// What is known of the emulator's cycles against hardware with this core, as a sentence.
pub fn against_hardware(board: &Board) -> Option<String> {
    let core = board.core.value.name();
    let table = CoreTable::builtin(core).ok()?;
    let fidelity = table.fidelity();
    Some(format!(
        "the emulator's {core} against hardware: {fidelity}; source: {}.",
        fidelity.source().trim_end_matches('.')
    ))
}
