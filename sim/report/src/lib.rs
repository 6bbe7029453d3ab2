//! From results to tables, plots and pages.
//!
//! A leaf: plain data come in as a [`Run`], files go out. Nothing here knows how a network is trained or a
//! cycle is counted, so that a report of last year can be rebuilt and set beside one of today.
//!
//! [`write()`] makes `summary.json`, `samples.parquet`, `samples.csv`, `run.json`, the plots, `report.md` and
//! `report.html`; [`read`] rebuilds the [`Run`] from the data files; [`compare()`] sets several side by side.
//!
//! Inside, data become tables (`tables`) and plots (`plot`), these a document (`report`), and the document a
//! page (`page`) or Markdown (`markdown`). `store` holds the data files, `files` how any file takes its place.

mod check;
mod compare;
mod curve;
mod error;
mod files;
mod format;
mod markdown;
mod page;
mod plot;
mod report;
mod run;
mod stats;
mod store;
mod summary;
mod table;
mod tables;

use std::path::{Path, PathBuf};

pub use compare::{Comparison, compare, names};
pub use error::Error;
pub use run::{Bill, BillItem, KernelCost, Memory, Phase, Run, SampleRow};
pub use stats::{estimate, t_quantile};
pub use store::{CSV_FILE, PARQUET_FILE, RUN_FILE, SUMMARY_FILE, read};
pub use summary::{AccuracySummary, Estimate, SCHEMA, Stop, StrategySummary, Summary, Unit};

/// The report as one self-contained page.
pub const PAGE_FILE: &str = "report.html";
/// The report as Markdown.
pub const MARKDOWN_FILE: &str = "report.md";

/// Writes the report of `run` into the folder `dir`, which is made where it is missing.
///
/// Returns the files, in the order in which they took their places. Plots of an earlier report that this
/// one does not have are removed; files of other names are left alone.
///
/// # Errors
///
/// Where the parts of `run` contradict each other, or a file cannot be written. What the folder held
/// before is then untouched.
///
/// # Examples
///
/// ```
/// use sim_report::{Run, SCHEMA, StrategySummary, Summary};
///
/// let transfer = StrategySummary {
///     name: "transfer".into(),
///     board: "nano33ble".into(),
///     fits: true,
///     ..StrategySummary::default()
/// };
/// let run = Run {
///     title: None,
///     headline: None,
///     summary: Summary {
///         schema: SCHEMA,
///         experiment: "concept_drift".into(),
///         dataset: "mnist".into(),
///         fallback: false,
///         seeds: 1,
///         strategies: vec![transfer],
///     },
///     samples: vec![],
///     bills: vec![],
///     kernels: vec![],
///     drift_at: None,
///     notes: vec![],
///     about: serde_json::json!({"config": "concept_drift.toml"}),
/// };
/// let dir = tempfile::tempdir()?;
/// sim_report::write(&run, dir.path())?;
/// assert_eq!(sim_report::read(dir.path())?, run);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(run: &Run, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    check::check(run)?;
    claim(dir)?.write(run)
}

/// The sole right to write a report into a folder, for as long as this lives.
#[derive(Debug)]
pub struct Claim(files::Claim);

/// Makes the folder `dir` where it is missing and claims it, before the work is done that will be written there.
///
/// # Errors
///
/// [`Error::Claimed`] where another process holds the folder, [`Error::Write`] where it cannot be written to.
pub fn claim(dir: &Path) -> Result<Claim, Error> {
    files::Claim::of(dir).map(Claim)
}

impl Claim {
    /// As [`write()`], into the folder that is claimed.
    ///
    /// # Errors
    ///
    /// As [`write()`].
    pub fn write(&self, run: &Run) -> Result<Vec<PathBuf>, Error> {
        check::check(run)?;
        let rows = table::sorted(&run.samples, &run.summary).map_err(Error::Inconsistent)?;
        let document = report::Document::of(run);
        let mut stage = files::Stage::open(&self.0)?;
        let run_json = store::stage(run, &rows, &mut stage, self.0.dir())?;
        for plot in document.plots.iter().flat_map(|(_, plots)| plots) {
            stage.add(&format!("{}.svg", plot.name), plot.svg()?.as_bytes())?;
            stage.add(&format!("{}.png", plot.name), &plot.png()?)?;
        }
        stage.add(PAGE_FILE, page::page(&document)?.as_bytes())?;
        stage.add(MARKDOWN_FILE, markdown::markdown(&document).as_bytes())?;
        stage.add(RUN_FILE, &run_json)?;
        let plots = plot::NAMES
            .iter()
            .flat_map(|name| ["svg", "png"].map(|end| format!("{name}.{end}")));
        stage.finish(plots)
    }
}
