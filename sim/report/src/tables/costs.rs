//! What the strategies cost, item by item: bills of memory and cycles by kernel, a column per strategy.

use super::results::cycle_notes;
use super::{Cell, Column, Table, Tone};
use crate::{Bill, Memory, Phase, Run, format};

/// The part of a step by which its kernels' sum may differ without being remarked on.
const APART: f64 = 0.005;

/// A table for each board and memory.
pub(crate) fn bills(run: &Run) -> Vec<Table> {
    let mut tables = Vec::new();
    for board in run.summary.boards() {
        for (memory, name) in [(Memory::Ram, "RAM"), (Memory::Flash, "Flash")] {
            let own: Vec<&Bill> = run
                .bills
                .iter()
                .filter(|bill| bill.board == board && bill.memory == memory)
                .collect();
            if !own.is_empty() {
                tables.push(bill_table(&format!("{name} of {board}, bytes"), &own));
            }
        }
    }
    tables
}

/// A cell that sums up a bill.
type Sum = fn(&Bill) -> Cell;

fn bill_table(title: &str, bills: &[&Bill]) -> Table {
    let mut items: Vec<&str> = Vec::new();
    for item in bills.iter().flat_map(|bill| &bill.items) {
        if !items.contains(&item.name.as_str()) {
            items.push(&item.name);
        }
    }
    let mut columns = vec![Column::left("item")];
    columns.extend(bills.iter().map(|bill| Column::right(&bill.strategy)));
    let mut rows: Vec<Vec<Cell>> = items
        .iter()
        .map(|name| {
            let cells = bills.iter().map(|bill| {
                let own: Vec<u64> = bill
                    .items
                    .iter()
                    .filter(|item| item.name == *name)
                    .map(|item| item.bytes)
                    .collect();
                if own.is_empty() {
                    Cell::none()
                } else {
                    Cell::new(format::grouped(own.iter().sum()))
                }
            });
            std::iter::once(Cell::new(*name)).chain(cells).collect()
        })
        .collect();
    let sums: [(&str, Sum); 3] = [
        ("sum", |bill| Cell::new(format::grouped(bill.total()))),
        ("budget", |bill| {
            Cell::new(format::grouped(bill.budget_bytes))
        }),
        ("left", |bill| {
            match bill.budget_bytes.checked_sub(bill.total()) {
                Some(left) => Cell::new(format::grouped(left)),
                None => Cell::new(format!(
                    "−{}",
                    format::grouped(bill.total() - bill.budget_bytes)
                ))
                .tone(Tone::Bad),
            }
        }),
    ];
    let totals = sums.len();
    for (name, cell) in sums {
        rows.push(
            std::iter::once(Cell::new(name))
                .chain(bills.iter().map(|bill| cell(bill)))
                .collect(),
        );
    }
    Table {
        title: title.to_owned(),
        columns,
        rows,
        totals,
        notes: Vec::new(),
    }
}

/// A table for each board and phase.
pub(crate) fn kernels(run: &Run) -> Vec<Table> {
    let mut tables = Vec::new();
    for board in run.summary.boards() {
        for (phase, name) in [
            (Phase::Train, "Cycles of a learning step"),
            (Phase::Infer, "Cycles of a prediction"),
        ] {
            let own = || {
                run.kernels
                    .iter()
                    .filter(|kernel| kernel.board == board && kernel.phase == phase)
            };
            let (mut kernels, mut strategies): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
            for kernel in own() {
                if !kernels.contains(&kernel.kernel.as_str()) {
                    kernels.push(&kernel.kernel);
                }
                if !strategies.contains(&kernel.strategy.as_str()) {
                    strategies.push(&kernel.strategy);
                }
            }
            if kernels.is_empty() {
                continue;
            }
            let cycles = |strategy: &str, kernel: Option<&str>| -> Option<f64> {
                let chosen = own().filter(|cost| {
                    cost.strategy == strategy && kernel.is_none_or(|name| cost.kernel == name)
                });
                chosen.map(|cost| cost.cycles).reduce(|a, b| a + b)
            };
            let cell = |strategy: &str, kernel: Option<&str>| match cycles(strategy, kernel) {
                Some(cycles) => Cell::new(format::grouped(cycles.round() as u64)),
                None => Cell::none(),
            };
            let row = |name: &str, kernel: Option<&str>| {
                let cells = strategies.iter().map(|strategy| cell(strategy, kernel));
                std::iter::once(Cell::new(name)).chain(cells).collect()
            };
            let mut columns = vec![Column::left("kernel")];
            columns.extend(strategies.iter().map(|name| Column::right(name)));
            let mut rows: Vec<Vec<Cell>> =
                kernels.iter().map(|name| row(name, Some(name))).collect();
            rows.push(row("sum", None));
            let whole: Vec<u64> = strategies
                .iter()
                .map(|name| match (run.summary.strategy(name, board), phase) {
                    (Some(entry), Phase::Train) => entry.train_cycles_per_step.unwrap_or(0),
                    (Some(entry), Phase::Infer) => entry.infer_cycles_per_step.unwrap_or(0),
                    (None, _) => 0,
                })
                .collect();
            // What a step takes beside its kernels is shown where it would be seen.
            let apart = |(name, whole): (&&str, &u64)| {
                (cycles(name, None).unwrap_or(0.0) - *whole as f64).abs() > APART * *whole as f64
            };
            let totals = if strategies.iter().zip(&whole).any(apart) {
                let cells = whole.iter().map(|whole| Cell::new(format::grouped(*whole)));
                rows.push(
                    std::iter::once(Cell::new("whole step"))
                        .chain(cells)
                        .collect(),
                );
                2
            } else {
                1
            };
            let entries = run.summary.strategies.iter();
            let notes = cycle_notes(entries.filter(|entry| entry.board == board).collect());
            tables.push(Table {
                title: format!("{name} on {board}"),
                columns,
                rows,
                totals,
                notes,
            });
        }
    }
    tables
}
