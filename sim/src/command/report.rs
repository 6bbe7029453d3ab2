//! `sim report`: a report rebuilt from its data, or several runs side by side.

use crate::cli::Common;
use crate::failure::Failure;
use crate::outcome;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Rebuilds the report in each of `folders`; with more than one, compares them in `out`.
///
/// # Errors
/// [`Failure::Report`] naming the file.
pub fn report(folders: &[PathBuf], out: &Path, common: &Common) -> Result<(), Failure> {
    let mut runs = Vec::new();
    for folder in folders {
        let run = sim_report::read(folder)?;
        sim_report::write(&run, folder)?;
        runs.push(run);
    }
    let mut text = String::new();
    if common.json {
        let summaries: Vec<_> = runs.iter().map(|r| &r.summary).collect();
        text = serde_json::to_string_pretty(&summaries).unwrap_or_default();
        text.push('\n');
    } else {
        for (run, folder) in runs.iter().zip(folders) {
            text.push_str(&outcome::table(run));
            text.push_str(&format!(
                "Report: {}\n",
                folder.join(sim_report::PAGE_FILE).display()
            ));
        }
    }
    if runs.len() > 1 {
        let names = sim_report::names(&runs);
        let named: Vec<_> = names.iter().map(String::as_str).zip(&runs).collect();
        let files = sim_report::compare(&named)?.write(out)?;
        if let (Some(file), false) = (files.first(), common.json) {
            text.push_str(&format!("Comparison: {}\n", file.display()));
        }
    }
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}
