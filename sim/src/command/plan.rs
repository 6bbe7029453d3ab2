//! `sim plan`: what every byte is for, and what a prediction and a learning step cost, on every board, for every strategy, without a
//! run.

use crate::bill::{bill, nearest};
use crate::cli::Common;
use crate::config::{self, Config, Strategy, any_normalisation, digest, options};
use crate::costs::Cost;
use crate::cycles::{Meter, against_hardware};
use crate::failure::Failure;
use crate::outcome::columns;
use crate::progress::Progress;
use crate::seeded::Samples;
use rayon::prelude::*;
use sim_compiler::graph::Op;
use sim_compiler::{Account, Graph, Parameters, PolicySpec, account};
use sim_mcu::thesis::ThesisModel;
use sim_mcu::{Bill, Board, Region};
use sim_measure::{Limit, Measured, Recording, Unit};
use std::io::Write;
use std::path::Path;

/// How much is measured: one step or a few.
const LIMIT: Limit = Limit {
    standard_error: 0.005,
    cycles: 30_000_000,
    replayed: 4,
    profiled: 0,
};

/// Prints the memory map of the config at `path`.
///
/// # Errors
/// [`Failure`]; [`Failure::NothingFits`] after the whole plan is printed, if so.
pub fn plan(
    path: &Path,
    boards: &[String],
    items: bool,
    cycles: bool,
    common: &Common,
) -> Result<(), Failure> {
    let progress = Progress::new(common.quiet);
    let mut config = config::load(path)?;
    if boards.iter().any(|b| b == "all") {
        config.boards = sim_mcu::boards()?;
    } else if !boards.is_empty() {
        config.boards = boards
            .iter()
            .map(|b| sim_mcu::find(b))
            .collect::<Result<_, _>>()?;
    }
    let entries = entries(&config)?;
    // Bytes are there at once; to build firmware and to measure takes a while.
    if !common.json {
        say(&text(&config, &entries, items)?)?;
    }
    let planned = if cycles {
        planned(&config, &entries, common.data.as_deref(), &progress)?
    } else {
        Vec::new()
    };
    if common.json {
        let list: Vec<_> = entries
            .iter()
            .enumerate()
            .map(|(i, entry)| entry.json(planned.iter().filter(|p| p.entry == i)))
            .collect();
        let text = serde_json::to_string_pretty(&list).unwrap_or_default();
        say(&format!("{text}\n"))?;
    } else if cycles {
        say(&cycles_text(&config, &entries, &planned))?;
    }
    if entries.iter().any(|e| e.bill.fits()) {
        return Ok(());
    }
    Err(Failure::NothingFits(
        "No strategy fits any of the boards.".to_owned(),
    ))
}

/// A strategy on a board.
struct Entry<'a> {
    strategy: &'a Strategy,
    board: &'a Board,
    account: Account,
    bill: Bill,
    thesis: Option<ThesisModel>,
}

impl Entry<'_> {
    /// Slots of the buffer: those that there are, and those that would fit.
    fn slots(&self) -> (u64, u64) {
        let has = match self.strategy.online.policy {
            PolicySpec::None => 0,
            _ => u64::from(self.strategy.online.slots),
        };
        let slot = self.account.slot_bytes as u64;
        let lacking = self.bill.excess(Region::Ram).div_ceil(slot);
        let fitting = (has + self.bill.slots_left(slot)).saturating_sub(lacking);
        (has, fitting)
    }

    fn learns(&self) -> bool {
        !self.account.parameters.is_empty()
    }

    fn json<'p>(&self, planned: impl Iterator<Item = &'p Planned>) -> serde_json::Value {
        let (slots, fitting) = self.slots();
        let cycles: Vec<_> = planned.map(|p| p.json(self.board)).collect();
        serde_json::json!({
            "strategy": self.strategy.name,
            "board": self.board.name,
            "fits": self.bill.fits(),
            "ram_bytes": self.bill.sum(Region::Ram),
            "ram_budget_bytes": self.bill.budget(Region::Ram),
            "arena_bytes": self.account.arena_bytes(),
            "flash_bytes": self.bill.sum(Region::Flash),
            "flash_budget_bytes": self.bill.budget(Region::Flash),
            "buffer_slots": slots,
            "buffer_slots_that_fit": self.learns().then_some(fitting),
            "buffer_slots_by_the_thesis": self.thesis_slots(),
            "items": self.bill.items().iter().map(|item| serde_json::json!({
                "region": item.region.to_string(), "kind": item.kind.name(),
                "what": item.what, "bytes": item.bytes,
            })).collect::<Vec<_>>(),
            "cycles": cycles,
        })
    }

    fn thesis_slots(&self) -> Option<u64> {
        let learns = self.learns();
        self.thesis
            .filter(|_| learns)
            .map(|t| t.slots(self.board.ram_budget_bytes()))
    }
}

fn entries(config: &Config) -> Result<Vec<Entry<'_>>, Failure> {
    let mut entries = Vec::new();
    for strategy in &config.strategies {
        let graph = strategy.graph(0)?;
        let account = account(
            &graph,
            &options(strategy, &any_normalisation(strategy), 1, 0),
        )?;
        for board in &config.boards {
            let bill = bill(&account, board);
            let thesis = thesis_model(&graph);
            entries.push(Entry {
                strategy,
                board,
                account: account.clone(),
                bill,
                thesis,
            });
        }
    }
    Ok(entries)
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// What a strategy costs on a board with some samples, or why that is unknown.
struct Planned {
    /// The strategy on the board, by its index.
    entry: usize,
    samples: Samples,
    measured: Result<Measured, String>,
}

impl Planned {
    fn json(&self, board: &Board) -> serde_json::Value {
        let measured = match &self.measured {
            Ok(measured) => measured,
            Err(why) => {
                return serde_json::json!({ "samples": self.samples, "unavailable": why });
            }
        };
        let cost = |cycles: f64| {
            let cost = Cost::of(board, measured.unit, cycles);
            serde_json::json!({
                "cycles": cycles.round(), "ms": cost.ms, "uj": cost.middle(), "uj_low": cost.uj.map(|b| b.0),
                "uj_high": cost.uj.map(|b| b.1),
            })
        };
        serde_json::json!({
            "samples": self.samples,
            "unit": measured.unit,
            "predict": cost(measured.infer),
            "learn_full_buffer": cost(measured.full),
            "learn_first_step": cost(measured.first),
            "standard_error_percent": measured.standard_error.map(|e| 100.0 * e),
            "against_hardware": against_hardware(board),
            "firmware": measured.firmware,
        })
    }
}

/// Measures every strategy on every board that has room for it.
fn planned(
    config: &Config,
    entries: &[Entry<'_>],
    folder: Option<&Path>,
    progress: &Progress,
) -> Result<Vec<Planned>, Failure> {
    let meter = Meter::new(progress);
    let mut wanted = Vec::new();
    for (index, entry) in entries.iter().enumerate().filter(|(_, e)| e.bill.fits()) {
        for &samples in Samples::of(entry.strategy, folder) {
            // All that decides the recording, so that data are only loaded where something is not known yet.
            let seed = config.seeds.first();
            let key = digest(&(
                "plan",
                &config.experiment,
                entry.strategy,
                samples,
                seed,
                LIMIT,
            ));
            wanted.push((index, samples, key));
        }
    }
    let mut recordings: Vec<(&str, Recording)> = Vec::new();
    for (index, samples, key) in &wanted {
        let entry = &entries[*index];
        let open = meter.prepare(entry.board).is_ok() && meter.kept(entry.board, key).is_none();
        if open && !recordings.iter().any(|(k, _)| k == key) {
            recordings.push((key, samples.recording(config, entry.strategy, folder)?));
        }
    }
    let task = progress.task("Measuring cycles", wanted.len() as u64);
    let planned = wanted
        .par_iter()
        .map(|(index, samples, key)| {
            let board = entries[*index].board;
            let recording = recordings.iter().find(|(k, _)| k == key);
            let measured = match recording {
                Some((_, recording)) => meter.measure(board, recording, LIMIT, key),
                // Without a recording it is known already, or there is no firmware.
                None => meter.prepare(board).and_then(|()| {
                    let kept = meter.kept(board, key);
                    kept.ok_or_else(|| "What was measured before is gone; try again.".to_owned())
                }),
            };
            task.advance(1);
            Planned {
                entry: *index,
                samples: *samples,
                measured,
            }
        })
        .collect();
    task.finish();
    Ok(planned)
}

/// Cycles, time and energy of all that fits.
fn cycles_text(config: &Config, entries: &[Entry<'_>], planned: &[Planned]) -> String {
    let header = [
        "strategy",
        "board",
        "samples",
        "predict",
        "ms",
        "µJ",
        "learn",
        "ms",
        "µJ",
        "±",
        "first learn",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut notes: Vec<String> = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for p in planned {
        let entry = &entries[p.entry];
        let board = entry.board;
        let measured = match &p.measured {
            Ok(measured) => measured,
            Err(why) => {
                note(format!("{}: no cycles. {}", board.name, why.trim_end()));
                continue;
            }
        };
        if measured.unit == Unit::Instructions {
            note(format!(
                "{}: its core has no instruction table; instructions are counted, and neither time nor energy follow.",
                board.name
            ));
        }
        against_hardware(board).into_iter().for_each(&mut note);
        let mut row = vec![
            entry.strategy.name.clone(),
            board.name.clone(),
            p.samples.name(entry.strategy),
        ];
        row.extend(cost(board, measured, measured.infer));
        row.extend(cost(board, measured, measured.full));
        let error = measured.standard_error;
        row.push(error.map_or_else(|| "-".to_owned(), |e| format!("{:.1} %", 100.0 * e)));
        row.push(if measured.learn > 0.0 {
            format!("{:.0}", measured.first)
        } else {
            "-".to_owned()
        });
        rows.push(row);
    }
    let mut text = String::from("\n");
    if rows.len() > 1 {
        text.push_str(&columns(&rows));
        let seed = config.seeds.first().copied().unwrap_or(1);
        text.push_str(&format!(
            "Cycles of a prediction, of a learning step with a full buffer and of the first, counted by the emulator on the firmware of the board.\n\
             Weights: drawn from seed {seed}, not trained. ± is the standard error from sampling; `sim run` measures steps of the run itself.\n",
        ));
    }
    for note in notes {
        text.push_str(&format!("{note}\n"));
    }
    text
}

/// Cycles, milliseconds and microjoules, as a table shows them.
fn cost(board: &Board, measured: &Measured, cycles: f64) -> [String; 3] {
    let dash = || "-".to_owned();
    if cycles == 0.0 {
        return [dash(), dash(), dash()];
    }
    let cost = Cost::of(board, measured.unit, cycles);
    [
        format!("{cycles:.0}"),
        cost.ms.map_or_else(dash, |ms| format!("{ms:.2}")),
        match (cost.band(), cost.middle()) {
            (Some((low, high)), _) => format!("{low:.0}–{high:.0}"),
            (None, Some(uj)) => format!("{uj:.0}"),
            (None, None) => dash(),
        },
    ]
}

fn text(config: &Config, entries: &[Entry<'_>], items: bool) -> Result<String, Failure> {
    let mut text = String::new();
    let header = [
        "strategy",
        "board",
        "fits",
        "RAM B",
        "left B",
        "arena B",
        "flash B",
        "slots",
        "fitting",
        "thesis' formula",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for entry in entries {
        let (slots, fitting) = entry.slots();
        let dash = || "-".to_owned();
        rows.push(vec![
            entry.strategy.name.clone(),
            entry.board.name.clone(),
            if entry.bill.fits() { "yes" } else { "NO" }.to_owned(),
            entry.bill.sum(Region::Ram).to_string(),
            match entry.bill.excess(Region::Ram) {
                0 => entry.bill.left(Region::Ram).to_string(),
                excess => format!("-{excess}"),
            },
            entry.account.arena_bytes().to_string(),
            entry.bill.sum(Region::Flash).to_string(),
            slots.to_string(),
            if entry.learns() {
                fitting.to_string()
            } else {
                dash()
            },
            entry.thesis_slots().map_or_else(dash, |s| s.to_string()),
        ]);
    }
    text.push_str(&columns(&rows));
    text.push_str(
        "RAM is all that is written: the arena, the firmware's statics and its stack. `fitting` is how many slots of the\n\
         strategy's own kind the board has room for; the thesis' formula charges frozen weights to RAM and leaves out\n\
         gradients, runtime and stack.\n",
    );
    let all = sim_mcu::boards()?;
    for entry in entries {
        let slots = entry.strategy.online.slots;
        let near = nearest(&entry.bill, &entry.account, slots, &all);
        if let Some(refusal) = entry.bill.refusal(&near) {
            text.push_str(&format!(
                "\nStrategy `{}` on {}: {refusal}\n",
                entry.strategy.name, entry.board.name
            ));
        } else if items || config.boards.len() == 1 {
            text.push_str(&format!(
                "\nStrategy `{}` on {}:\n{}\n",
                entry.strategy.name, entry.board.name, entry.bill
            ));
        }
    }
    Ok(text)
}

/// What the thesis' formula takes, for a network that is split at its one flatten layer.
fn thesis_model(graph: &Graph) -> Option<ThesisModel> {
    let nodes = graph.nodes();
    let mut flattens = (0..nodes.len()).filter(|&i| matches!(nodes[i].op, Op::Flatten(_)));
    let split = flattens.next()?;
    if flattens.next().is_some() {
        return None;
    }
    let parameters = |range: std::ops::Range<usize>| -> u64 {
        let counted = nodes[range].iter().filter_map(|n| n.op.parameters());
        counted.map(|p| Parameters::len(p) as u64).sum()
    };
    // A layer with its activation is one layer there; the input is none.
    let layers = |range: std::ops::Range<usize>| -> Vec<u64> {
        let layers = nodes[range].iter();
        layers
            .filter(|n| !matches!(n.op, Op::Activation(_)))
            .map(|n| n.shape.len() as u64)
            .collect()
    };
    let extractor = layers(1..split);
    let pair = extractor.windows(2).map(|w| w[0] + w[1]).max();
    Some(ThesisModel {
        extractor_parameters: parameters(0..split),
        extractor_activation_pair: pair.or(extractor.first().copied())?,
        extractor_weight_bytes: 4,
        classifier_parameters: parameters(split..nodes.len()),
        classifier_activations: layers(split..nodes.len()).iter().sum(),
        features: nodes[split].shape.len() as u64,
    })
}
