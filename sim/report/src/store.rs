//! A run as data files: `summary.json`, `samples.parquet`, `samples.csv` and `run.json`.
//!
//! The first three depend on the run's results alone, so that the same config and seeds give the same
//! bytes anywhere. `run.json` holds the rest, and the digests that tie the four together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::files::{self, Stage};
use crate::{Bill, Error, KernelCost, Run, SCHEMA, SampleRow, Summary, table};

/// The figures of a run, on which scripts may rely.
pub const SUMMARY_FILE: &str = "summary.json";
/// The sample table, compact.
pub const PARQUET_FILE: &str = "samples.parquet";
/// The sample table, for everything that reads text.
pub const CSV_FILE: &str = "samples.csv";
/// Where the run came from, and what the report needs beside the other files.
pub const RUN_FILE: &str = "run.json";

/// What `run.json` holds.
#[derive(Serialize, Deserialize)]
struct RunFile {
    schema: u32,
    title: Option<String>,
    headline: Option<String>,
    notes: Vec<String>,
    drift_at: Option<u64>,
    about: serde_json::Value,
    bills: Vec<Bill>,
    kernels: Vec<KernelCost>,
    /// SHA-256 of the files beside this one, by name.
    files: BTreeMap<String, String>,
    /// SHA-256 of this file with an empty seal.
    seal: String,
}

/// Stages the data files of `run`, whose rows are given sorted, and returns the bytes of `run.json`.
///
/// `run.json` goes last, when all that it vouches for is staged.
pub(crate) fn stage(
    run: &Run,
    rows: &[SampleRow],
    stage: &mut Stage<'_>,
    dir: &Path,
) -> Result<Vec<u8>, Error> {
    let encode = |name: &str, cause: String| Error::Write {
        path: dir.join(name),
        cause,
    };
    let mut table = table::frame(rows).map_err(|cause| encode(PARQUET_FILE, cause.to_string()))?;
    let parquet =
        table::to_parquet(&mut table).map_err(|cause| encode(PARQUET_FILE, cause.to_string()))?;
    let csv = table::to_csv(&mut table).map_err(|cause| encode(CSV_FILE, cause.to_string()))?;
    let summary = json(&run.summary).map_err(|cause| encode(SUMMARY_FILE, cause.to_string()))?;

    let mut digests = BTreeMap::new();
    for (name, bytes) in [
        (SUMMARY_FILE, &summary),
        (PARQUET_FILE, &parquet),
        (CSV_FILE, &csv),
    ] {
        stage.add(name, bytes)?;
        digests.insert(name.to_owned(), files::digest(bytes));
    }
    let mut file = RunFile {
        schema: SCHEMA,
        title: run.title.clone(),
        headline: run.headline.clone(),
        notes: run.notes.clone(),
        drift_at: run.drift_at,
        about: run.about.clone(),
        bills: run.bills.clone(),
        kernels: run.kernels.clone(),
        files: digests,
        seal: String::new(),
    };
    let encoded = |file: &RunFile| json(file).map_err(|cause| encode(RUN_FILE, cause.to_string()));
    file.seal = files::digest(&encoded(&file)?);
    encoded(&file)
}

/// Rebuilds a run from `summary.json`, `samples.parquet` and `run.json` in `dir`.
///
/// # Errors
///
/// Where one of these is missing, damaged, from another run or of another schema.
pub fn read(dir: &Path) -> Result<Run, Error> {
    let path = dir.join(RUN_FILE);
    let bytes = files::read(&path)?;
    let file: RunFile = parse(&path, &bytes)?;
    if !sealed(&bytes, &file.seal) {
        let cause = "its content does not match its seal".to_owned();
        return Err(Error::Damaged { path, cause });
    }
    let intact = |name: &str| -> Result<Vec<u8>, Error> {
        let path = dir.join(name);
        let bytes = files::read(&path)?;
        let Some(expected) = file.files.get(name) else {
            return Err(Error::Damaged {
                path: dir.join(RUN_FILE),
                cause: format!("it gives no digest of {name}"),
            });
        };
        let found = files::digest(&bytes);
        if &found != expected {
            let short = |digest: &str| digest.chars().take(12).collect();
            return Err(Error::Swapped {
                path,
                found: short(&found),
                expected: short(expected),
            });
        }
        Ok(bytes)
    };
    let summary: Summary = parse(&dir.join(SUMMARY_FILE), &intact(SUMMARY_FILE)?)?;
    let samples = table::from_parquet(&intact(PARQUET_FILE)?).map_err(|cause| Error::Damaged {
        path: dir.join(PARQUET_FILE),
        cause: cause.to_string(),
    })?;
    Ok(Run {
        title: file.title,
        headline: file.headline,
        summary,
        samples,
        bills: file.bills,
        kernels: file.kernels,
        drift_at: file.drift_at,
        notes: file.notes,
        about: file.about,
    })
}

/// Whether `bytes` are those that `seal` was made of, the seal itself apart.
fn sealed(bytes: &[u8], seal: &str) -> bool {
    let field = |seal: &str| format!("\"seal\": \"{seal}\"");
    // Only the last one is the file's own: `about` may hold anything.
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.rfind(&field(seal)).is_some_and(|at| {
            let after = &text[at + field(seal).len()..];
            files::digest(format!("{}{}{after}", &text[..at], field("")).as_bytes()) == seal
        })
    })
}

/// `value` as indented JSON that ends in a newline.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Parses JSON whose `schema` is checked before all else.
fn parse<T: for<'de> Deserialize<'de>>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    let damaged = |cause: serde_json::Error| Error::Damaged {
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    if let Some(found) = value.get("schema").and_then(serde_json::Value::as_u64)
        && found != u64::from(SCHEMA)
    {
        return Err(Error::Schema {
            path: path.to_owned(),
            found,
            expected: SCHEMA,
        });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}
