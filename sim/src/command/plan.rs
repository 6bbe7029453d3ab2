//! `sim plan`: what every byte is for, on every board, for every strategy, without running anything.

use crate::bill::{bill, nearest};
use crate::cli::Common;
use crate::config::{self, Config, Strategy, options};
use crate::failure::Failure;
use crate::outcome::columns;
use experiments::data::Normalisation;
use sim_compiler::graph::Op;
use sim_compiler::{Account, Graph, Parameters, PolicySpec, account};
use sim_mcu::thesis::ThesisModel;
use sim_mcu::{Bill, Board, Region};
use std::io::Write;
use std::path::Path;

/// Prints the memory map of the config at `path`.
///
/// # Errors
/// [`Failure`]; [`Failure::NothingFits`] after the whole plan is printed, if so.
pub fn plan(path: &Path, boards: &[String], items: bool, common: &Common) -> Result<(), Failure> {
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
    let text = if common.json {
        let list: Vec<_> = entries.iter().map(Entry::json).collect();
        format!(
            "{}\n",
            serde_json::to_string_pretty(&list).unwrap_or_default()
        )
    } else {
        text(&config, &entries, items)?
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
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

    fn json(&self) -> serde_json::Value {
        let (slots, fitting) = self.slots();
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
        // The figures of the normalisation decide no byte, only how many there are.
        let channels = match strategy.data.normalise {
            Normalisation::PerChannel => config::resolved::shape(strategy.data.set).c,
            _ => 1,
        };
        let shift = if strategy.data.normalise == Normalisation::Unit {
            0.0
        } else {
            -1.0
        };
        let account = account(
            &graph,
            &options(strategy, &vec![(1.0, shift); channels], 1, 0),
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
