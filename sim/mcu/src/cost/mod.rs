//! What the kernels cost on a core: the tables that `sim calibrate` fits and writes.
//!
//! A kernel's cost is linear in the trips of its loops, which the caller counts:
//!
//! ```text
//! cycles = Σ cycles of a trip × trips
//! ```
//!
//! The cycles of a trip were fitted to what an emulator counts of the firmware's machine code (`configs/kernels/CORE.toml`), with the
//! errors on calls that the fit did not see beside them. There is a table for the core with memory that never stalls, and one for
//! each board whose memory does, by where the constants lie that a kernel reads.

mod raw;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::board::{Board, Core, boards};
use crate::error::Error;
use crate::suggest;

pub use raw::RawModel;

/// How far predictions are off, relative: 0.02 is two per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitError {
    /// Mean of the absolute relative errors.
    pub mean: f64,
    /// Largest absolute relative error.
    pub max: f64,
    /// How many predictions they are over.
    pub samples: u32,
}

impl FitError {
    /// Sums up relative errors; `None` of none.
    #[must_use]
    pub fn of(errors: &[f64]) -> Option<Self> {
        let sum: f64 = errors.iter().map(|e| e.abs()).sum();
        let max = errors.iter().map(|e| e.abs()).fold(0.0, f64::max);
        (!errors.is_empty()).then(|| Self {
            mean: sum / errors.len() as f64,
            max,
            samples: errors.len() as u32,
        })
    }
}

/// What was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Cycles, by the instruction tables of the core.
    Cycles,
    /// Instructions, of a core that has no table: a cycle each is assumed, and the model is not calibrated.
    Instructions,
}

/// The machine code that a model was fitted to, and what counted its cycles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// What was counted.
    pub unit: Unit,
    /// The compiler and its version.
    pub compiler: String,
    /// Its flags.
    pub flags: String,
    /// The digest of the firmware.
    pub firmware: String,
    /// What counted.
    pub counter: String,
}

/// What the firmware takes for itself, measured with the calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footprint {
    /// Most bytes of stack that any run of the calibration used, and a quarter more.
    pub stack_bytes: u32,
    /// Bytes of RAM for statics and the link's buffers, of the build that talks through a debug probe.
    pub static_bytes: u32,
    /// Bytes of code and constants in flash, of the same build.
    pub flash_bytes: u32,
}

/// The linear model of one kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelCost {
    /// Error on held-out calls.
    pub error: FitError,
    /// Cycles of a trip through each of its loops `[fit]`.
    pub cycles: BTreeMap<String, f64>,
}

/// Where the constants of a Program lie that a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Placement {
    /// In RAM, as trained parameters do.
    Ram,
    /// In flash, with the image.
    Flash,
}

/// The kernels' costs with one kind of memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Error on whole steps of networks that the fit did not see.
    pub steps: FitError,
    /// By name; kernels that read constants, with these in RAM.
    pub kernels: BTreeMap<String, KernelCost>,
    /// Kernels that read constants, with these in flash; none where that makes no difference.
    #[serde(default)]
    pub flash: BTreeMap<String, KernelCost>,
}

impl Table {
    /// The model of one kernel.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`] with the nearest name.
    pub fn kernel(&self, name: &str, placement: Placement) -> Result<&KernelCost, Error> {
        let flashed = (placement == Placement::Flash).then(|| self.flash.get(name));
        let found = flashed.flatten().or_else(|| self.kernels.get(name));
        found.ok_or_else(|| {
            let names: Vec<_> = self.kernels.keys().map(String::as_str).collect();
            Error::UnknownKernel {
                kernel: name.to_owned(),
                hint: suggest::hint(name, names.iter().copied()),
                known: names.join(", "),
            }
        })
    }

    /// Cycles of a call of `kernel` whose loops run so often.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`]; [`Error::UnpricedLoop`] when something was counted that the model does not know, since its cycles
    /// would be lost in silence.
    pub fn cycles<'t>(
        &self,
        kernel: &str,
        placement: Placement,
        trips: impl IntoIterator<Item = (&'t str, f64)>,
    ) -> Result<f64, Error> {
        let cost = self.kernel(kernel, placement)?;
        let mut cycles = 0.0;
        for (name, count) in trips {
            let each = cost.cycles.get(name).ok_or_else(|| Error::UnpricedLoop {
                kernel: kernel.to_owned(),
                name: name.to_owned(),
                count,
                known: cost.cycles.keys().cloned().collect::<Vec<_>>().join(", "),
            })?;
            cycles += each * count;
        }
        Ok(cycles)
    }
}

/// The kernels' costs on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct CostModel {
    core: Core,
    provenance: Provenance,
    footprint: Option<Footprint>,
    bare: Table,
    boards: BTreeMap<String, Table>,
}

impl CostModel {
    /// The built-in model of the core of this name, for example `cortex-m4f`.
    ///
    /// # Errors
    /// [`Error::UnknownCore`] with the nearest name.
    pub fn for_core(name: &str) -> Result<Self, Error> {
        raw::embedded(name)
    }

    /// The model in the TOML file at `path`.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Invalid`] with line and column.
    pub fn load(path: &Path) -> Result<Self, Error> {
        raw::load(path)
    }

    /// The core.
    #[must_use]
    pub fn core(&self) -> Core {
        self.core
    }

    /// Whether cycles were counted by an instruction table. Otherwise each figure has to be shown as uncalibrated.
    #[must_use]
    pub fn calibrated(&self) -> bool {
        self.provenance.unit == Unit::Cycles
    }

    /// The machine code that it was fitted to.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// What the firmware takes for itself on this core, where it was measured.
    #[must_use]
    pub fn footprint(&self) -> Option<Footprint> {
        self.footprint
    }

    /// The costs with memory that never stalls.
    #[must_use]
    pub fn bare(&self) -> &Table {
        &self.bare
    }

    /// The costs that were fitted on the board of this name; those with memory that never stalls where none were.
    #[must_use]
    pub fn named(&self, board: &str) -> &Table {
        self.boards.get(board).unwrap_or(&self.bare)
    }

    /// The costs on a board; those with memory that never stalls where its memory was not [calibrated](Self::covers).
    #[must_use]
    pub fn on(&self, board: &Board) -> &Table {
        self.fitted(board).unwrap_or(&self.bare)
    }

    /// Whether the costs on a board were fitted with memory like its own. A board of a user's own need not be: its cycles are then
    /// those of memory that never stalls, and have to be shown as uncalibrated.
    #[must_use]
    pub fn covers(&self, board: &Board) -> bool {
        self.fitted(board).is_some()
    }

    /// The costs fitted with the memory of `board`, or with that of a built-in board whose flash is read alike.
    fn fitted(&self, board: &Board) -> Option<&Table> {
        let built_in = boards().unwrap_or_default();
        let alike = |other: &&Board| other.flash.reads_as(&board.flash);
        let mut alike = built_in.iter().filter(alike).collect::<Vec<_>>();
        alike.sort_by_key(|other| other.name != board.name);
        let table = alike.iter().find_map(|other| self.boards.get(&other.name));
        table.or((!board.flash.stalls()).then_some(&self.bare))
    }

    /// Whether a board's memory was part of the calibration.
    #[must_use]
    pub fn knows(&self, board: &str) -> bool {
        self.boards.contains_key(board)
    }
}
