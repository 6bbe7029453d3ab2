//! What can go wrong between data and files.

use std::path::PathBuf;

/// Why a report could not be written, read or drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be written.
    #[error(
        "cannot write {path}: {cause}. What the folder held before is untouched; free some space or choose another folder, then run again."
    )]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system or the encoder said.
        cause: String,
    },
    /// Another process writes into the folder.
    #[error(
        "{} is in use{}. Two runs cannot write into one folder: wait for the other, or choose another folder with --out.",
        dir.display(), by(holder)
    )]
    Claimed {
        /// The folder.
        dir: PathBuf,
        /// Who holds it, as far as that is known: `process 1234`.
        holder: String,
    },
    /// A staged file could not take its final place.
    #[error("cannot move {from} to {to}: {cause}. The finished files stay beside each other in {}; run again to replace them.", .from.parent().unwrap_or(from).display())]
    Rename {
        /// The finished file.
        from: PathBuf,
        /// Where it was to go.
        to: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A file of a report could not be opened.
    #[error(
        "cannot read {path}: {cause}. A report's folder holds summary.json, samples.parquet and run.json; name such a folder."
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A file of a report is not what this crate writes.
    #[error("{path} is damaged: {cause}. Restore it, or run the experiment again.")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        cause: String,
    },
    /// A file of a report comes from another run than `run.json` beside it.
    #[error(
        "{path} does not belong to the run.json beside it: its SHA-256 begins with {found}, expected {expected}. It was changed or comes from another run; restore it, or run the experiment again."
    )]
    Swapped {
        /// The file.
        path: PathBuf,
        /// First digits of the digest that was found.
        found: String,
        /// First digits of the digest that `run.json` names.
        expected: String,
    },
    /// A report of another version of this crate.
    #[error(
        "{path} has schema {found}, and this program reads schema {expected}. Use the version of sim that wrote it, or run the experiment again."
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: u64,
        /// The schema that is understood.
        expected: u32,
    },
    /// The parts of a run contradict each other.
    #[error(
        "the run's data contradict each other: {0}. No report was written; this is a fault of the program that filled them."
    )]
    Inconsistent(String),
    /// A plot could not be drawn.
    #[error(
        "cannot draw the plot {plot}: {cause}. The data files do not need it; please report this."
    )]
    Plot {
        /// Name of the plot.
        plot: String,
        /// What the plotting library said.
        cause: String,
    },
    /// A comparison of nothing.
    #[error("there is nothing to compare. Name at least one folder that holds a report.")]
    Empty,
}

fn by(holder: &str) -> String {
    if holder.is_empty() {
        String::new()
    } else {
        format!(" by {holder}")
    }
}
