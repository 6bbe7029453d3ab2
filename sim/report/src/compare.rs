//! Several runs side by side: what changed in the results, and what in the settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files::{Claim, Stage};
use crate::report::{Document, title};
use crate::tables::{Align, Cell, Column, Table, Tone};
use crate::{Error, Run, StrategySummary, check, format, markdown, page};

/// File names of a comparison that [`Comparison::write`] makes.
const FILES: [&str; 2] = ["compare.html", "compare.md"];

/// A report that sets several runs side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// A self-contained page.
    pub html: String,
    /// The same without plots.
    pub markdown: String,
}

/// Sets `runs` side by side, each with the name that it shall have; the first is the one compared with.
///
/// # Errors
///
/// Where there is no run, or the parts of one contradict each other.
pub fn compare(runs: &[(&str, &Run)]) -> Result<Comparison, Error> {
    if runs.is_empty() {
        return Err(Error::Empty);
    }
    for (_, run) in runs {
        check::check(run)?;
    }
    let document = Document::comparing(runs);
    Ok(Comparison {
        html: page::page(&document)?,
        markdown: markdown::markdown(&document),
    })
}

impl Comparison {
    /// Writes `compare.html` and `compare.md` into `dir`.
    ///
    /// # Errors
    ///
    /// Where a file cannot be written; what the folder held before is then untouched.
    pub fn write(&self, dir: &Path) -> Result<Vec<PathBuf>, Error> {
        let claim = Claim::of(dir)?;
        let mut stage = Stage::open(&claim)?;
        for (name, text) in FILES.into_iter().zip([&self.html, &self.markdown]) {
            stage.add(name, text.as_bytes())?;
        }
        stage.finish([])
    }
}

/// Names for runs to be told apart by: their titles, numbered where these are alike.
#[must_use]
pub fn names(runs: &[Run]) -> Vec<String> {
    let titles: Vec<String> = runs.iter().map(title).collect();
    let alike = |title: &String| titles.iter().filter(|other| *other == title).count() > 1;
    titles
        .iter()
        .enumerate()
        .map(|(index, title)| {
            if alike(title) {
                format!("{title} {}", index + 1)
            } else {
                title.clone()
            }
        })
        .collect()
}

/// How each strategy of the later runs differs from its namesake on the same board in the first.
pub(crate) fn changes(runs: &[(&str, &Run)]) -> Option<Table> {
    let ((first_name, first), others) = runs.split_first()?;
    let mut rows = Vec::new();
    for (name, run) in others {
        for entry in &run.summary.strategies {
            if let Some(before) = first.summary.strategy(&entry.name, &entry.board) {
                let mut row = vec![
                    Cell::new(*name),
                    Cell::new(&entry.name),
                    Cell::new(&entry.board),
                ];
                row.extend(differences(before, entry));
                rows.push(row);
            }
        }
    }
    let right = [
        "lowest, points",
        "final, points",
        "recovery, samples",
        "RAM",
        "flash",
        "cycles a step",
        "µJ a step",
    ];
    let mut columns = ["run", "strategy", "board"]
        .map(|name| column(name, Align::Left))
        .to_vec();
    columns.extend(right.map(|name| column(name, Align::Right)));
    (!rows.is_empty()).then(|| Table {
        title: format!("Change from {first_name}"),
        columns,
        rows,
        totals: 0,
        notes: vec!["Differences of means. Whether one exceeds chance, the confidence intervals above tell.".to_owned()],
    })
}

fn differences(before: &StrategySummary, after: &StrategySummary) -> [Cell; 7] {
    let accuracy = |entry: &StrategySummary| entry.accuracy.clone().unwrap_or_default();
    let (then, now) = (accuracy(before), accuracy(after));
    let points = |then: Option<crate::Estimate>, now: Option<crate::Estimate>| match (then, now) {
        (Some(then), Some(now)) => signed(100.0 * (now.mean - then.mean), 1, true),
        _ => Cell::new(format::NONE),
    };
    let recovery = match (before.recovery_samples, after.recovery_samples) {
        (Some(then), Some(now)) => signed(now.mean - then.mean, 0, false),
        _ => Cell::new(format::NONE),
    };
    [
        points(then.lowest, now.lowest),
        points(then.last, now.last),
        recovery,
        ratio(before.ram_bytes as f64, after.ram_bytes as f64),
        ratio(before.flash_bytes as f64, after.flash_bytes as f64),
        ratio(
            before.train_cycles_per_step.unwrap_or(0) as f64,
            after.train_cycles_per_step.unwrap_or(0) as f64,
        ),
        ratio(
            before.train_uj_per_step.unwrap_or(0.0),
            after.train_uj_per_step.unwrap_or(0.0),
        ),
    ]
}

/// A difference with its sign; coloured by whether `more` is better.
fn signed(value: f64, decimals: usize, more: bool) -> Cell {
    let size = format!("{:.decimals$}", value.abs());
    if size.chars().all(|digit| matches!(digit, '0' | '.')) {
        return Cell {
            tone: Tone::Quiet,
            ..Cell::new(size)
        };
    }
    let tone = if (value > 0.0) == more {
        Tone::Good
    } else {
        Tone::Bad
    };
    Cell {
        tone,
        ..Cell::new(format!("{}{size}", if value > 0.0 { "+" } else { "−" }))
    }
}

/// A relative difference in percent; less is better.
fn ratio(before: f64, after: f64) -> Cell {
    if before == after {
        return Cell {
            tone: Tone::Quiet,
            ..Cell::new("same")
        };
    }
    if before == 0.0 {
        return Cell::new(format::NONE);
    }
    let mut cell = signed(100.0 * (after / before - 1.0), 1, false);
    cell.main.push_str(" %");
    cell
}

/// The settings in which the runs differ, a row each; `None` where they do not.
pub(crate) fn settings(runs: &[(&str, &Run)]) -> Option<Table> {
    let flat: Vec<BTreeMap<String, String>> = runs
        .iter()
        .map(|(_, run)| {
            let mut leaves = BTreeMap::new();
            flatten("", &run.about, &mut leaves);
            leaves
        })
        .collect();
    let mut keys: Vec<&String> = flat.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    let rows: Vec<Vec<Cell>> = keys
        .into_iter()
        .filter(|key| {
            flat.windows(2)
                .any(|pair| pair[0].get(*key) != pair[1].get(*key))
        })
        .map(|key| {
            let cells = flat
                .iter()
                .map(|leaves| Cell::new(leaves.get(key).map_or(format::NONE, String::as_str)));
            std::iter::once(Cell::new(key)).chain(cells).collect()
        })
        .collect();
    let mut columns = vec![column("setting", Align::Left)];
    columns.extend(runs.iter().map(|(name, _)| column(name, Align::Left)));
    (!rows.is_empty()).then(|| Table {
        title: "Settings that differ".to_owned(),
        columns,
        rows,
        ..Table::default()
    })
}

/// The leaves of `value` by their dotted paths.
fn flatten(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    let below = |key: &str| {
        if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        }
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields
                .iter()
                .for_each(|(key, value)| flatten(&below(key), value, leaves));
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, item)| flatten(&below(&index.to_string()), item, leaves));
        }
        Value::String(text) => {
            leaves.insert(path.to_owned(), text.clone());
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf.to_string());
        }
    }
}

fn column(name: &str, align: Align) -> Column {
    Column {
        name: name.to_owned(),
        align,
    }
}
