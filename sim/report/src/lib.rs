//! From results to tables, plots and pages.
//!
//! A leaf: plain data come in as a [`Run`], files go out. Nothing here knows how a network is trained or a
//! cycle is counted, so that a report of last year can be rebuilt and set beside one of today.

mod check;
mod error;
mod files;
mod run;
mod store;
mod summary;
mod table;

use std::path::{Path, PathBuf};

pub use error::Error;
pub use run::{Bill, BillItem, KernelCost, Memory, Phase, Run, SampleRow};
pub use store::{CSV_FILE, PARQUET_FILE, RUN_FILE, SUMMARY_FILE, read};
pub use summary::{AccuracySummary, Estimate, SCHEMA, Stop, StrategySummary, Summary};

/// Writes the report of `run` into the folder `dir`, which is made where it is missing.
///
/// Returns the files, in the order in which they took their places. Files of other names are left alone.
///
/// # Errors
///
/// Where the parts of `run` contradict each other, or a file cannot be written. What the folder held
/// before is then untouched.
pub fn write(run: &Run, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    check::check(run)?;
    let rows = table::sorted(&run.samples, &run.summary).map_err(Error::Inconsistent)?;
    let mut stage = files::Stage::open(dir)?;
    let run_json = store::stage(run, &rows, &mut stage, dir)?;
    stage.add(RUN_FILE, &run_json)?;
    stage.finish()
}
