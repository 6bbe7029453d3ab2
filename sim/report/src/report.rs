//! What a report says, in which order, whatever it is printed on.

use crate::plot::{Plot, plots};
use crate::tables::{Table, bills, epochs, headline_figures, kernels, milestones};
use crate::{Run, compare, format};

/// A report before it is a page or a text.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// Stands above everything.
    pub(crate) headline: Option<String>,
    pub(crate) title: String,
    /// One sentence on what was run.
    pub(crate) lead: String,
    /// Tables that a reader looks at first.
    pub(crate) results: Vec<Table>,
    /// Remarks below them.
    pub(crate) notes: Vec<String>,
    /// Plots, with the run's name where there are several.
    pub(crate) plots: Vec<(Option<String>, Vec<Plot>)>,
    /// Tables that a reader looks up.
    pub(crate) details: Vec<Table>,
    /// Where it came from: a title and JSON each.
    pub(crate) about: Vec<(String, String)>,
}

impl Document {
    /// The report of one run.
    pub(crate) fn of(run: &Run) -> Self {
        let mut results = vec![headline_figures(&[("", run)])];
        results.extend(epochs(run));
        results.extend(milestones(run));
        let mut details = bills(run);
        details.extend(kernels(run));
        Self {
            headline: headline(run),
            title: title(run),
            lead: lead(run),
            results,
            notes: run.notes.clone(),
            plots: vec![(None, plots(run))],
            details,
            about: vec![(
                "Configuration and provenance".to_owned(),
                pretty(&run.about),
            )],
        }
    }

    /// The report that sets `runs`, with their names, side by side.
    pub(crate) fn comparing(runs: &[(&str, &Run)]) -> Self {
        let mut headlines: Vec<String> = Vec::new();
        for (name, run) in runs {
            headlines.extend(headline(run).map(|headline| format!("{name}: {headline}")));
        }
        // A line that all runs share is said once.
        let first = runs.first().and_then(|(_, run)| headline(run));
        if first.is_some() && runs.iter().all(|(_, run)| headline(run) == first) {
            headlines = first.into_iter().collect();
        }
        let mut results = vec![headline_figures(runs)];
        results.extend(compare::changes(runs));
        let details = compare::settings(runs).into_iter().collect();
        let notes = runs
            .iter()
            .flat_map(|(name, run)| run.notes.iter().map(move |note| format!("{name}: {note}")));
        Self {
            headline: (!headlines.is_empty()).then(|| headlines.join(" ")),
            title: format!("{} runs compared", runs.len()),
            lead: runs
                .iter()
                .map(|(name, run)| format!("{name}: {}", lead(run)))
                .collect::<Vec<_>>()
                .join(" "),
            results,
            notes: notes.collect(),
            plots: runs
                .iter()
                .map(|(name, run)| (Some((*name).to_owned()), plots(run)))
                .collect(),
            details,
            about: runs
                .iter()
                .map(|(name, run)| {
                    (
                        format!("Configuration and provenance of {name}"),
                        pretty(&run.about),
                    )
                })
                .collect(),
        }
    }
}

/// The run's own first line; where it has none and stand-in data was used, one that says so.
fn headline(run: &Run) -> Option<String> {
    run.headline.clone().or_else(|| {
        let dataset = &run.summary.dataset;
        run.summary
            .fallback
            .then(|| format!("The data set {dataset} stands in for the one that the config names."))
    })
}

/// The title of `run`.
pub(crate) fn title(run: &Run) -> String {
    run.title
        .clone()
        .unwrap_or_else(|| run.summary.experiment.replace('_', " "))
}

fn lead(run: &Run) -> String {
    let count = |number: usize, one: &str, many: &str| {
        format!("{number} {}", if number == 1 { one } else { many })
    };
    let summary = &run.summary;
    let mut lead = format!(
        "{} on {}: {} on {}, {}",
        summary.experiment,
        summary.dataset,
        count(summary.names().len(), "strategy", "strategies"),
        count(summary.boards().len(), "board", "boards"),
        count(summary.seeds as usize, "seed", "seeds"),
    );
    if let Some(drift) = run.drift_at {
        lead.push_str(&format!(", drift at sample {}", format::grouped(drift)));
    }
    lead.push('.');
    lead
}

fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}")
}
