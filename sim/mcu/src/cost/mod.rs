//! Cycles of a kernel call, from its counts.
//!
//! A kernel's cost is linear in a few counts ([`Feature`]) that the caller derives from dimensions, or that the kernel reports
//! where control flow depends on data:
//!
//! ```text
//! cycles = Σ coefficient[feature] × count[feature]
//! ```
//!
//! The first coefficients are products of two tables of data: what a unit of each count takes in operations
//! (`configs/kernels/recipes.toml`) and what an operation takes in cycles on the core (`configs/kernels/CORE.toml`). They are
//! reasoned, not measured, and [`KernelCost::calibrated`] says so. A core's file may hold coefficients that were fitted to
//! machine code; they take the place of the reasoned ones, kernel by kernel, with their residuals and provenance.
//!
//! Memory does not stall here: weights that are read from flash cost what
//! [`Flash::stream_stall_cycles`](crate::board::Flash::stream_stall_cycles) says on top.

mod counts;
mod operation;
mod raw;

use std::collections::BTreeMap;
use std::path::Path;

pub use self::counts::{Counts, Feature, blocks};
pub use self::operation::Operation;

use crate::board::Core;
use crate::error::Error;
use crate::source::Source;
use crate::suggest;

/// How far a fitted kernel is off on shapes that it was not fitted to, relative: 0.02 is two per cent.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitError {
    /// Mean of the absolute relative errors.
    pub mean: f64,
    /// Largest absolute relative error.
    pub max: f64,
    /// How many held-out calls they are over.
    pub samples: u32,
}

/// The machine code that coefficients were fitted to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The compiler and its version.
    pub compiler: String,
    /// Its flags.
    pub flags: String,
    /// The commit of the kernels.
    pub commit: String,
}

/// The linear model of one kernel on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelCost {
    /// Cycles of one of each feature; `None` where the kernel has no such count.
    coefficients: [Option<f64>; Feature::COUNT],
    /// Whether the coefficients were fitted to machine code.
    pub calibrated: bool,
    /// How the coefficients were come by, the derivation of each included.
    pub source: Source,
    /// Residuals on held-out shapes, for fitted coefficients.
    pub error: Option<FitError>,
}

impl KernelCost {
    /// Cycles of one of `feature`, if this kernel's cost depends on it.
    #[must_use]
    pub fn coefficient(&self, feature: Feature) -> Option<f64> {
        self.coefficients[feature as usize]
    }

    /// The features on which the cost depends, in the order of [`Feature`].
    pub fn features(&self) -> impl Iterator<Item = Feature> + '_ {
        Feature::ALL
            .iter()
            .copied()
            .filter(|&feature| self.coefficient(feature).is_some())
    }
}

/// The kernels' costs on one core.
#[derive(Clone, Debug, PartialEq)]
pub struct CostModel {
    core: Core,
    kernels: BTreeMap<String, KernelCost>,
    provenance: Option<Provenance>,
}

impl CostModel {
    /// The built-in model of the core of this name, for example `cortex-m4f`.
    ///
    /// # Errors
    /// [`Error::UnknownCore`] with the nearest name.
    pub fn for_core(name: &str) -> Result<Self, Error> {
        raw::embedded(name)
    }

    /// The model in the TOML file at `path`: a core's operations, and fitted kernels if it has them.
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

    /// Whether every kernel was fitted to machine code. Until then each figure has to be shown as uncalibrated.
    #[must_use]
    pub fn calibrated(&self) -> bool {
        self.kernels.values().all(|kernel| kernel.calibrated)
    }

    /// The machine code that fitted kernels were fitted to.
    #[must_use]
    pub fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    /// Every kernel's name and model, by name.
    pub fn kernels(&self) -> impl Iterator<Item = (&str, &KernelCost)> {
        self.kernels
            .iter()
            .map(|(name, cost)| (name.as_str(), cost))
    }

    /// The model of one kernel.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`] with the nearest name.
    pub fn kernel(&self, name: &str) -> Result<&KernelCost, Error> {
        self.kernels.get(name).ok_or_else(|| {
            let names: Vec<_> = self.kernels.keys().map(String::as_str).collect();
            Error::UnknownKernel {
                core: self.core.to_string(),
                kernel: name.to_owned(),
                hint: suggest::hint(name, names.iter().copied()),
                known: names.join(", "),
            }
        })
    }

    /// Cycles of a call of `kernel` with these counts.
    ///
    /// # Errors
    /// [`Error::UnknownKernel`]; [`Error::UnpricedFeature`] when something was counted that the kernel's model does not know,
    /// since its cycles would be lost in silence.
    pub fn cycles(&self, kernel: &str, counts: &Counts) -> Result<f64, Error> {
        let cost = self.kernel(kernel)?;
        let mut cycles = 0.0;
        for (feature, count) in counts.iter() {
            let coefficient = cost
                .coefficient(feature)
                .ok_or_else(|| Error::UnpricedFeature {
                    core: self.core.to_string(),
                    kernel: kernel.to_owned(),
                    feature: feature.name(),
                    count,
                    known: cost
                        .features()
                        .map(Feature::name)
                        .collect::<Vec<_>>()
                        .join(", "),
                })?;
            cycles += coefficient * count;
        }
        Ok(cycles)
    }
}
