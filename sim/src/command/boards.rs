//! `sim boards`: what there is to run on, and where every figure is from.

use crate::cli::Common;
use crate::failure::Failure;
use crate::outcome::columns;
use sim_mcu::Board;
use std::io::Write;

/// Lists all boards, or shows those named.
///
/// # Errors
/// [`Failure::Mcu`] with the nearest name.
pub fn boards(names: &[String], common: &Common) -> Result<(), Failure> {
    let shown: Vec<Board> = if names.is_empty() {
        sim_mcu::boards()?
    } else {
        names
            .iter()
            .map(|name| sim_mcu::find(name))
            .collect::<Result<_, _>>()?
    };
    let text = if common.json {
        let list: Vec<_> = shown.iter().map(json).collect();
        format!(
            "{}\n",
            serde_json::to_string_pretty(&list).unwrap_or_default()
        )
    } else if names.is_empty() {
        table(&shown)
    } else {
        shown.iter().map(details).collect::<Vec<_>>().join("\n")
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)
}

fn json(board: &Board) -> serde_json::Value {
    serde_json::json!({
        "name": board.name,
        "title": board.title,
        "core": board.core.value.name(),
        "target": board.target(),
        "clock_hz": board.clock_hz.value,
        "ram_bytes": board.ram_total_bytes(),
        "ram_budget_bytes": board.ram_budget_bytes(),
        "arena_budget_bytes": board.arena_budget_bytes(),
        "flash_bytes": board.flash_budget_bytes(),
        "sources": board.sources().iter().map(|(what, source)| serde_json::json!({
            "figure": what, "source": source.to_string(),
        })).collect::<Vec<_>>(),
        "notes": board.notes,
    })
}

fn table(boards: &[Board]) -> String {
    let mut rows = vec![
        [
            "board",
            "title",
            "core",
            "MHz",
            "RAM KiB",
            "arena KiB",
            "flash KiB",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for board in boards {
        rows.push(vec![
            board.name.clone(),
            board.title.clone(),
            board.core.value.name().to_owned(),
            (board.clock_hz.value / 1_000_000).to_string(),
            (board.ram_total_bytes() / 1024).to_string(),
            (board.arena_budget_bytes() / 1024).to_string(),
            (board.flash_budget_bytes() / 1024).to_string(),
        ]);
    }
    format!(
        "{}The arena is what the learner may take: the largest gap-free RAM less the firmware's stack and statics.\n\
         `sim boards NAME` shows the source of every figure. A board of your own is a TOML file like those in configs/boards.\n",
        columns(&rows)
    )
}

fn details(board: &Board) -> String {
    let mut text = format!("{} ({})\n", board.title, board.name);
    text.push_str(&format!(
        "  {} at {} MHz, target {}\n",
        board.core.value.name(),
        board.clock_hz.value as f64 / 1e6,
        board.target()
    ));
    for bank in &board.ram {
        text.push_str(&format!(
            "  RAM {:8} {:#010x}  {:>8} B\n",
            bank.name, bank.base, bank.bytes
        ));
    }
    text.push_str(&format!(
        "  flash        {:#010x}  {:>8} B\n",
        board.flash.base, board.flash.bytes
    ));
    let runtime = &board.runtime;
    text.push_str(&format!(
        "  firmware: {} B stack, {} B statics, {} B code\n  sources:\n",
        runtime.stack_bytes, runtime.statics_bytes, runtime.code_bytes
    ));
    for (what, source) in board.sources() {
        text.push_str(&format!("    {what:24} {source}\n"));
    }
    for note in &board.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}
