//! `sim data`: what there is, and having it before it is needed.

use crate::cli::{Common, Data};
use crate::data::places;
use crate::failure::Failure;
use crate::outcome::columns;
use crate::progress::Progress;
use experiments::data::{DataSet, State, Status, fetch, list};
use std::io::Write;

/// Lists or fetches.
///
/// # Errors
/// [`Failure::Data`].
pub fn data(command: &Data, common: &Common) -> Result<(), Failure> {
    let places = places(common.data.as_deref())?;
    let progress = Progress::new(common.quiet);
    if let Data::Fetch { sets } = command {
        let all: Vec<DataSet> = DataSet::ALL
            .into_iter()
            .filter(|s| *s != DataSet::Strokes)
            .collect();
        for &set in if sets.is_empty() { &all } else { sets } {
            fetch(set, &places, &mut |event| progress.data(&event))?;
        }
    }
    let statuses = list(&places, true, &mut |event| progress.data(&event));
    let rows = statuses.iter().map(row);
    let text = if common.json {
        let list: Vec<_> = rows
            .map(|[set, file, bytes, state, place]| {
                serde_json::json!({ "set": set, "file": file, "bytes": bytes, "state": state, "place": place })
            })
            .collect();
        format!(
            "{}\n",
            serde_json::to_string_pretty(&list).unwrap_or_default()
        )
    } else {
        let header = ["set", "file", "bytes", "state", ""].map(str::to_owned);
        let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).map(Vec::from).collect();
        format!(
            "{}strokes is drawn by sim itself and needs no file.\n",
            columns(&rows)
        )
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}

/// Set, file, bytes, state, place or complaint.
fn row(status: &Status) -> [String; 5] {
    let (state, place) = match &status.state {
        State::Absent => ("absent", String::new()),
        State::Present(path) => ("present", path.display().to_string()),
        State::Verified(path) => ("verified", path.display().to_string()),
        State::Damaged(_, error) => ("DAMAGED", error.to_string()),
    };
    let file = status.file;
    [
        status.set.to_string(),
        file.name.to_owned(),
        file.format.bytes().to_string(),
        state.to_owned(),
        place,
    ]
}
