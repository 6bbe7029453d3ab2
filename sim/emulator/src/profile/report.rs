//! What a profile says, by function, source line and call stack.

use std::collections::BTreeMap;

use super::collect::ROOT;
use crate::emulator::Emulator;
use crate::timing::{Counts, Timing};

/// Counts of one function or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The function's name, or `file:line`.
    pub name: String,
    /// Instructions and cycles.
    pub counts: Counts,
}

/// The function of an address; where nothing is known, where such code begins.
fn function_name(emulator: &Emulator, address: u32) -> String {
    let Some(symbols) = emulator.image.as_ref().map(|i| &i.symbols) else {
        return format!("0x{address:08x}");
    };
    if symbols.is_empty() {
        return format!("0x{address:08x}");
    }
    let span = symbols.span(address);
    let symbol = symbols.symbol(span);
    symbol.map_or_else(|| format!("0x{:08x}", span.start), |s| s.name.clone())
}

/// The costliest first; among equals by name.
fn sorted(rows: BTreeMap<String, Counts>) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .into_iter()
        .map(|(name, counts)| Row { name, counts })
        .collect();
    rows.sort_by(|a, b| {
        b.counts
            .cycles
            .cmp(&a.counts.cycles)
            .then_with(|| a.name.cmp(&b.name))
    });
    rows
}

fn gather(emulator: &Emulator, name: impl Fn(u32) -> String) -> Vec<Row> {
    let mut rows: BTreeMap<String, Counts> = BTreeMap::new();
    for (address, counts) in emulator
        .timing()
        .map(Timing::by_address)
        .unwrap_or_default()
    {
        *rows.entry(name(address)).or_default() += counts;
    }
    sorted(rows)
}

/// Counts by function, the costliest first. Empty where cycles were not counted.
#[must_use]
pub fn by_function(emulator: &Emulator) -> Vec<Row> {
    if emulator
        .image
        .as_ref()
        .is_some_and(|i| !i.symbols.is_empty())
    {
        return gather(emulator, |address| function_name(emulator, address));
    }
    // Without symbols, functions are where calls lead.
    let mut entries: Vec<u32> = emulator
        .profile()
        .map(|p| p.nodes.iter().map(|n| n.entry).collect())
        .unwrap_or_default();
    entries.sort_unstable();
    gather(emulator, |address| {
        let behind = entries.partition_point(|&e| e <= address);
        behind
            .checked_sub(1)
            .map_or_else(|| "?".to_owned(), |i| format!("0x{:08x}", entries[i]))
    })
}

/// Counts by source line, the costliest first. Empty where cycles were not counted or without line tables.
#[must_use]
pub fn by_line(emulator: &Emulator) -> Vec<Row> {
    let Some(lines) = emulator
        .image
        .as_ref()
        .and_then(crate::loader::Image::lines)
    else {
        return Vec::new();
    };
    gather(emulator, |address| {
        lines.line_of(address).unwrap_or_else(|| "?".to_owned())
    })
}

/// Counts by address with its instruction, the costliest first. Empty where cycles were not counted.
#[must_use]
pub fn by_address(emulator: &Emulator) -> Vec<Row> {
    gather(emulator, |address| {
        let instruction = emulator.instruction_at(address).unwrap_or_default();
        format!("0x{address:08x}  {instruction}")
    })
}

/// Call stacks with their own cycles: `main;learn;dense 1234` a line, which flame-graph tools read. Empty without a profile.
#[must_use]
pub fn folded(emulator: &Emulator) -> String {
    let Some(profile) = emulator.profile() else {
        return String::new();
    };
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for node in profile.nodes.iter().filter(|n| n.counts.cycles > 0) {
        let mut names = vec![function_name(emulator, node.entry)];
        let mut at = node.parent;
        while at != ROOT {
            names.push(function_name(emulator, profile.nodes[at].entry));
            at = profile.nodes[at].parent;
        }
        names.reverse();
        // A semicolon separates frames, so names must not hold one.
        let stack: Vec<String> = names.into_iter().map(|n| n.replace(';', ":")).collect();
        *lines.entry(stack.join(";")).or_default() += node.counts.cycles;
    }
    lines
        .into_iter()
        .map(|(stack, cycles)| format!("{stack} {cycles}\n"))
        .collect()
}
