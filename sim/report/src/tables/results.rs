//! What the strategies reach, and at what cost: the tables that a reader looks at first.

use super::{Cell, Column, Table, Tone};
use crate::curve::{Curve, Measure, curves};
use crate::{Estimate, Run, StrategySummary, Unit, format};

/// The first table of a report: every strategy's accuracy, recovery and costs, a row each.
///
/// With more than one run, a first column names the run.
pub(crate) fn headline_figures(runs: &[(&str, &Run)]) -> Table {
    let drifts = runs.iter().any(|(_, run)| run.drift_at.is_some());
    let mut boards: Vec<&str> = runs
        .iter()
        .flat_map(|(_, run)| run.summary.boards())
        .collect();
    boards.sort_unstable();
    boards.dedup();
    // One board needs no column: it is in the title.
    let title = match boards[..] {
        [board] => format!("Results on {board}"),
        _ => "Results".to_owned(),
    };
    let mut columns = Vec::new();
    if runs.len() > 1 {
        columns.push(Column::left("run"));
    }
    columns.push(Column::left("strategy"));
    if boards.len() > 1 {
        columns.push(Column::left("board"));
    }
    columns.push(Column::left("fits"));
    let accuracies: &[&str] = if drifts {
        &[
            "accuracy before drift",
            "lowest",
            "final",
            "recovery, samples",
        ]
    } else {
        &["final accuracy"]
    };
    let costs = [
        "RAM, bytes",
        "flash, bytes",
        "buffer, samples",
        "cycles a step",
        "ms a step",
        "µJ a step",
    ];
    columns.extend(
        accuracies
            .iter()
            .chain(&costs)
            .map(|name| Column::right(name)),
    );
    let mut table = Table {
        title,
        columns,
        ..Table::default()
    };
    for (name, run) in runs {
        for entry in &run.summary.strategies {
            let mut row = Vec::new();
            if runs.len() > 1 {
                row.push(Cell::new(*name));
            }
            row.push(Cell::new(&entry.name));
            if boards.len() > 1 {
                row.push(Cell::new(&entry.board));
            }
            row.push(fits(entry));
            let accuracy = entry.accuracy.clone().unwrap_or_default();
            if drifts {
                row.extend([accuracy.before_drift, accuracy.lowest].map(percent));
            }
            row.push(match &entry.stopped {
                Some(stop) => Cell::new("diverged")
                    .tone(Tone::Bad)
                    .sub(format!("{} of {} seeds", stop.seeds, run.summary.seeds)),
                None => percent(accuracy.last),
            });
            if drifts {
                row.push(recovery(entry, run));
            }
            row.extend([
                memory(entry.ram_bytes, entry.ram_budget_bytes),
                memory(entry.flash_bytes, entry.flash_budget_bytes),
                Cell::new(format::grouped(entry.buffer_slots)),
            ]);
            row.extend(step(entry));
            table.rows.push(row);
        }
    }
    table.notes = notes(runs);
    table
}

fn notes(runs: &[(&str, &Run)]) -> Vec<String> {
    let mut notes = Vec::new();
    let entries = || runs.iter().flat_map(|(_, run)| &run.summary.strategies);
    let seeds = runs
        .iter()
        .map(|(_, run)| run.summary.seeds)
        .min()
        .unwrap_or(0);
    if runs.iter().all(|(_, run)| run.summary.seeds > 1) {
        notes.push(format!(
            "Accuracy: mean over {} seeds ± half its 95 % confidence interval (Student's t). A step is one learning step with all its passes over the buffer.",
            if runs.iter().all(|(_, run)| run.summary.seeds == seeds) { seeds.to_string() } else { "the".to_owned() }
        ));
    } else {
        notes.push("From a single seed no confidence interval can be given. A step is one learning step with all its passes over the buffer.".to_owned());
    }
    if entries().any(|e| e.recovered_seeds.is_some()) {
        notes.push("Recovery: samples from the drift until accuracy is back at 95 % of what it was. The mean where every seed recovered; else the median, for which seeds that did not recover count as taking longer than they were looked at.".to_owned());
    }
    notes.extend(cycle_notes(entries().collect()));
    for entry in entries() {
        let place = format!("{} on {}", entry.name, entry.board);
        if let Some(reason) = &entry.refused {
            notes.push(format!("{place} was not run: {reason}"));
        }
        if let Some(stop) = &entry.stopped {
            notes.push(format!(
                "{place} diverged in {} of its seeds, seed {} at sample {} in layer {}: {}. What happened by then is kept; no figure of the end is given.",
                stop.seeds,
                stop.seed,
                stop.step,
                stop.layer,
                stop.reason.trim_end_matches('.')
            ));
        }
    }
    notes
}

/// What is to be known of the cycles: how they were counted, how far to trust them, why there are none.
pub(crate) fn cycle_notes(entries: Vec<&StrategySummary>) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    let mut add = |note: String| {
        if !notes.contains(&note) {
            notes.push(note);
        }
    };
    if entries
        .iter()
        .any(|e| e.cycles_standard_error_percent.is_some())
    {
        add("Cycles: counted by the emulator on sampled steps of the run itself; ± is the standard error of the mean that comes from sampling.".to_owned());
    }
    for entry in entries {
        if entry.cycles_unit == Some(Unit::Instructions) {
            add(format!(
                "{}: its core has no instruction table, so instructions are counted, and neither time nor energy follow.",
                entry.board
            ));
        }
        let clock = |cycles: u64| {
            let mean = entry.train_cycles_per_step.filter(|&c| c > 0)? as f64;
            Some(entry.train_ms_per_step? * cycles as f64 / mean)
        };
        let (first, full) = (
            entry.train_cycles_first_step.and_then(clock),
            entry.train_cycles_full_buffer.and_then(clock),
        );
        if let (Some(first), Some(full)) = (first, full)
            && first != full
        {
            add(format!(
                "{} on {}: the first learning step takes {} ms, one with a full buffer {} ms; the table has the mean over the run.",
                entry.name,
                entry.board,
                format::significant(first),
                format::significant(full)
            ));
        }
        if let Some(known) = &entry.cycles_against_hardware {
            add(format!("{}: {known}", entry.board));
        }
        if let Some(reason) = &entry.cycles_unavailable {
            add(format!("{}: no cycles. {reason}", entry.board));
        }
    }
    notes
}

fn fits(entry: &StrategySummary) -> Cell {
    match (entry.fits, &entry.stopped) {
        (false, _) => Cell::new("no").tone(Tone::Bad),
        (true, Some(stop)) => Cell::new("yes")
            .tone(Tone::Good)
            .sub(format!("diverged at {}", format::grouped(stop.step))),
        (true, None) => Cell::new("yes").tone(Tone::Good),
    }
}

fn percent(value: Option<Estimate>) -> Cell {
    if value.is_none() {
        Cell::none()
    } else {
        Cell::new(format::percent(value))
    }
}

/// The mean where every seed recovered, else the median over all of them; beyond what was looked at where fewer than half did.
fn recovery(entry: &StrategySummary, run: &Run) -> Cell {
    let Some(recovered) = entry.recovered_seeds.filter(|_| run.drift_at.is_some()) else {
        return Cell::none();
    };
    let seeds = run.summary.seeds;
    if entry.guessing_seeds == Some(seeds) {
        return Cell::none().sub("guessed before");
    }
    let cell = match (entry.recovery_samples, entry.recovery_median_samples) {
        (Some(mean), _) if recovered == seeds => return Cell::new(format::count(mean)),
        (_, Some(median)) => Cell::new(format!("median {}", format::significant(median))),
        (_, None) => match entry.recovery_watched_samples {
            Some(watched) => Cell::new(format!("> {}", format::grouped(watched))),
            None => Cell::none(),
        }
        .tone(Tone::Bad),
    };
    cell.sub(format!("{recovered} of {seeds} seeds"))
}

fn memory(bytes: u64, budget: u64) -> Cell {
    let cell = Cell::new(format::grouped(bytes));
    if budget == 0 {
        return cell;
    }
    let cell = cell.sub(format!(
        "{} of {}",
        format::share(bytes, budget),
        format::grouped(budget)
    ));
    if bytes > budget {
        cell.tone(Tone::Bad)
    } else {
        cell
    }
}

/// Cycles, milliseconds and µJ of a learning step.
fn step(entry: &StrategySummary) -> [Cell; 3] {
    let cycles = match entry.train_cycles_per_step {
        None => return [Cell::none().sub("unavailable"), Cell::none(), Cell::none()],
        Some(0) => {
            return [
                Cell::none().sub("does not train"),
                Cell::none(),
                Cell::none(),
            ];
        }
        Some(cycles) => Cell::new(format::grouped(cycles)),
    };
    let cycles = match (entry.cycles_unit, entry.cycles_standard_error_percent) {
        (Some(Unit::Instructions), _) => cycles.sub("instructions"),
        (_, Some(error)) => cycles.sub(format!("± {error:.1} %")),
        _ => cycles,
    };
    let figure =
        |value: Option<f64>| value.map_or_else(Cell::none, |v| Cell::new(format::significant(v)));
    let energy = figure(entry.train_uj_per_step);
    let energy = match (entry.train_uj_low, entry.train_uj_high) {
        (Some(low), Some(high)) => energy.sub(format!(
            "{} to {}",
            format::significant(low),
            format::significant(high)
        )),
        _ => energy,
    };
    [cycles, figure(entry.train_ms_per_step), energy]
}

/// Accuracy at round places of the stream; `None` where nothing drifts.
pub(crate) fn milestones(run: &Run) -> Option<Table> {
    let drift = run.drift_at?;
    let (measure, curves) = curves(run);
    let last = curves
        .iter()
        .filter_map(|curve| curve.points.last())
        .map(|(x, _)| *x)
        .max()?;
    let mut places: Vec<u64> = vec![drift.saturating_sub(1), drift];
    places.extend([10, 30, 50, 100, 200, 300, 500, 1_000, 2_000, 5_000].map(|after| drift + after));
    places.retain(|place| *place < last);
    places.push(last);
    places.dedup();
    let mut columns = vec![Column::left("strategy")];
    columns.extend(
        places
            .iter()
            .map(|place| Column::right(&format!("at {}", format::grouped(*place)))),
    );
    let rows = curves
        .iter()
        .map(|curve| {
            let end = curve.points.last().map_or(0, |(x, _)| *x);
            let cells = places.iter().map(|place| match curve.at(*place) {
                Some((_, value)) if *place <= end => percent(Some(value)),
                _ => Cell::none(),
            });
            std::iter::once(Cell::new(&curve.label))
                .chain(cells)
                .collect()
        })
        .collect();
    let what = match measure {
        Measure::Test => {
            "Accuracy on held-out samples, the last one known at that sample of the stream"
        }
        Measure::Prequential => "Windowed prequential accuracy at that sample of the stream",
    };
    let notes = vec![format!(
        "{what}; the drift is at {}.",
        format::grouped(drift)
    )];
    Some(Table {
        title: "Accuracy along the stream".to_owned(),
        columns,
        rows,
        totals: 0,
        notes,
    })
}

/// Accuracy at the end of every epoch of each strategy's own data set; `None` where there are no epochs.
pub(crate) fn epochs(run: &Run) -> Option<Table> {
    let (measure, mut curves) = curves(run);
    curves.retain(|curve| curve.epoch.is_some());
    let length = |curve: &Curve| curve.epoch.unwrap_or(1);
    let count = |curve: &Curve| {
        let last = curve.points.last();
        last.map_or(0, |(last, _)| (last + 1).div_ceil(length(curve)))
    };
    let most = curves.iter().map(count).max()?;
    let mut columns = vec![Column::left("epoch")];
    columns.extend(curves.iter().map(|curve| Column::right(&curve.label)));
    let rows = (1..=most)
        .map(|number| {
            let cells = curves.iter().map(|curve| {
                let ends = number * length(curve) - 1;
                match curve.at(ends) {
                    Some((sample, value)) if sample + 1 > (number - 1) * length(curve) => {
                        let cell = percent(Some(value));
                        if sample == ends {
                            cell
                        } else {
                            cell.sub(format!("after {} samples", format::grouped(sample + 1)))
                        }
                    }
                    _ => Cell::none(),
                }
            });
            std::iter::once(Cell::new(number.to_string()))
                .chain(cells)
                .collect()
        })
        .collect();
    let note = match measure {
        Measure::Test => "Accuracy on held-out samples at the end of each epoch.",
        Measure::Prequential => "Windowed prequential accuracy at the end of each epoch.",
    };
    Some(Table {
        title: "Accuracy by epoch".to_owned(),
        columns,
        rows,
        totals: 0,
        notes: vec![note.to_owned()],
    })
}
