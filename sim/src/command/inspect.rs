//! `sim inspect`: a model of another framework, before anything is decided: what is in it, what of it can be trained,
//! and what training its last layers takes.

use crate::bill::bill;
use crate::cli::{Common, Inspect};
use crate::failure::Failure;
use crate::outcome::columns;
use serde::Serialize;
use sim_compiler::graph::{Node, Op};
use sim_compiler::{Account, Graph, LossSpec, Options, Scheme, Training, account};
use sim_import::{Cut, Import, Parity, Summary};
use sim_mcu::{Board, Region};
use std::io::Write;

/// Prints what there is to know of a model.
///
/// # Errors
/// [`Failure`].
pub fn inspect(options: &Inspect, common: &Common) -> Result<(), Failure> {
    let boards = match options.board.iter().any(|b| b == "all") {
        true => sim_mcu::boards()?,
        false => {
            let boards = options.board.iter().map(|b| sim_mcu::find(b));
            boards.collect::<Result<_, _>>()?
        }
    };
    let cut = Cut {
        from: options.from_layer.clone(),
        until: options.until_layer.clone(),
        dims: options.dim.iter().cloned().collect(),
    };
    let import = sim_import::import(&options.model, &cut)?;
    let inspection = Inspection::of(&import, &boards)?;
    let text = match common.json {
        true => serde_json::to_string_pretty(&inspection).unwrap_or_default() + "\n",
        false => inspection.text(),
    };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// All that is printed.
#[derive(Serialize)]
struct Inspection {
    file: Summary,
    parameters: usize,
    macs: u64,
    layers: Vec<Layer>,
    loss: &'static str,
    inference: Memory,
    training: Vec<Step>,
    notes: Vec<String>,
    parity: Parity,
}

/// A node of the graph.
#[derive(Serialize)]
struct Layer {
    name: String,
    kind: String,
    shape: [usize; 3],
    parameters: usize,
    flash_bytes: usize,
    activation_bytes: usize,
    macs: u64,
    train: &'static str,
}

/// What a Program takes, and which boards have it.
#[derive(Serialize)]
struct Memory {
    arena_bytes: usize,
    image_bytes: usize,
    boards: Vec<Fit>,
}

/// A board with the Program and the firmware around it.
#[derive(Serialize)]
struct Fit {
    board: String,
    fits: bool,
    ram_bytes: u64,
    ram_left_bytes: i64,
    flash_bytes: u64,
    flash_left_bytes: i64,
}

/// Training the last layers.
#[derive(Serialize)]
struct Step {
    scheme: String,
    first_layer: String,
    trained_parameters: usize,
    #[serde(flatten)]
    memory: Option<Memory>,
    unavailable: Option<String>,
}

impl Inspection {
    fn of(import: &Import, boards: &[Board]) -> Result<Self, Failure> {
        let graph = &import.lowered.graph;
        let layers: Vec<Layer> = (0..graph.nodes().len())
            .map(|id| layer(import, id))
            .collect();
        let loss = loss(graph);
        let taken = |scheme: Scheme| account(graph, &options(scheme, loss, import));
        let weighted: Vec<_> = graph.weighted().collect();
        let training = weighted.iter().rev().enumerate().map(|(i, &first)| {
            let scheme = Scheme::Last(i + 1);
            let trained = weighted[weighted.len() - 1 - i..].iter();
            let (memory, unavailable) = match taken(scheme.clone()) {
                Ok(account) => (Some(memory(&account, boards)), None),
                Err(why) => (None, Some(why.to_string())),
            };
            Step {
                scheme: scheme.into(),
                first_layer: graph.nodes()[first].name.clone(),
                trained_parameters: trained.map(|&id| layers[id].parameters).sum(),
                memory,
                unavailable,
            }
        });
        Ok(Self {
            file: import.summary.clone(),
            parameters: graph.parameter_count(),
            macs: layers.iter().map(|l| l.macs).sum(),
            loss: loss.name(),
            inference: memory(&taken(Scheme::None)?, boards),
            training: training.collect(),
            notes: import.lowered.notes.clone(),
            parity: import.parity,
            layers,
        })
    }

    fn text(&self) -> String {
        let Summary {
            format,
            producer,
            types,
            inputs,
            outputs,
            ..
        } = &self.file;
        let mut text = format.to_string();
        if let Some(producer) = producer {
            text.push_str(&format!(", by {producer}"));
        }
        text.push_str(&format!("; {types}\n"));
        for (what, ports) in [("input", inputs), ("output", outputs)] {
            for port in ports {
                text.push_str(&format!("{what:<6} {}", port.name));
                if !port.shape.is_empty() {
                    text.push_str(&format!(", {}", port.shape.join("×")));
                }
                text.push_str(&format!(", {}", port.element));
                if let (Some(scale), Some(zero)) = (port.scale, port.zero_point) {
                    text.push_str(&format!(", scale {scale}, zero point {zero}"));
                }
                text.push('\n');
            }
        }
        text.push_str(&format!(
            "{} parameters, {} multiply-accumulates\n\n",
            self.parameters, self.macs
        ));
        text.push_str(&self.layers_text());
        text.push('\n');
        text.push_str(&self.memory_text());
        if !self.notes.is_empty() {
            text.push_str("\nChanged on the way:\n");
            self.notes
                .iter()
                .for_each(|n| text.push_str(&format!("  {n}\n")));
        }
        let Parity {
            samples,
            difference,
            largest,
            same,
        } = self.parity;
        text.push_str(&format!(
            "\nHeld against the file on {samples} drawn samples: outputs differ by at most {difference:.1e} where the \
             largest is {largest:.3};\nthe largest output is the same for {same} of {samples}.\n"
        ));
        text
    }

    fn layers_text(&self) -> String {
        let header = [
            "layer",
            "type",
            "output",
            "parameters",
            "flash B",
            "activation B",
            "MACs",
            "train",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        for l in &self.layers {
            let [h, w, c] = l.shape;
            let shape = match (h, w) {
                (1, 1) => c.to_string(),
                (1, w) => format!("{w}×{c}"),
                (h, w) => format!("{h}×{w}×{c}"),
            };
            let number = |n: u64| {
                if n == 0 {
                    "-".to_owned()
                } else {
                    n.to_string()
                }
            };
            rows.push(vec![
                l.name.clone(),
                l.kind.clone(),
                shape,
                number(l.parameters as u64),
                number(l.flash_bytes as u64),
                number(l.activation_bytes as u64),
                number(l.macs),
                l.train.to_owned(),
            ]);
        }
        columns(&rows)
    }

    fn memory_text(&self) -> String {
        let mut header = vec!["train", "from", "parameters", "RAM B", "flash B"];
        header.extend(self.inference.boards.iter().map(|f| f.board.as_str()));
        let mut rows = vec![header.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>()];
        let mut row = |train: &str, from: &str, parameters: usize, memory: &Memory| {
            let mut row = vec![train.to_owned(), from.to_owned(), parameters.to_string()];
            row.extend([
                memory.arena_bytes.to_string(),
                memory.image_bytes.to_string(),
            ]);
            row.extend(memory.boards.iter().map(Fit::text));
            rows.push(row);
        };
        row("none", "-", 0, &self.inference);
        let mut unavailable = Vec::new();
        for t in &self.training {
            match (&t.memory, &t.unavailable) {
                (Some(memory), _) => row(&t.scheme, &t.first_layer, t.trained_parameters, memory),
                (None, why) => {
                    unavailable.push(format!("{}: {}\n", t.scheme, why.as_deref().unwrap_or("?")))
                }
            }
        }
        let mut text = columns(&rows);
        unavailable.iter().for_each(|u| text.push_str(u));
        text.push_str(&format!(
            "RAM is the arena of a Program with the loss {}, plain gradient descent and no replay buffer.\n",
            self.loss
        ));
        text
    }
}

impl Fit {
    fn text(&self) -> String {
        match self.fits {
            true => format!("{} B left", self.ram_left_bytes),
            false if self.ram_left_bytes < 0 => format!("{} B RAM too much", -self.ram_left_bytes),
            false => format!("{} B flash too much", -self.flash_left_bytes),
        }
    }
}

fn layer(import: &Import, id: usize) -> Layer {
    let graph = &import.lowered.graph;
    let node = &graph.nodes()[id];
    let parameters = node.op.parameters().map_or(0, |p| p.len());
    let constants: usize = node
        .op
        .operator()
        .constants()
        .iter()
        .map(|(_, t)| t.len())
        .sum();
    let origin = import.lowered.origins[id].as_ref();
    Layer {
        name: node.name.clone(),
        kind: origin.map_or_else(|| "input".to_owned(), |o| o.kind.clone()),
        shape: [node.shape.h, node.shape.w, node.shape.c],
        parameters: parameters + constants,
        flash_bytes: 4 * (parameters + constants),
        activation_bytes: match node.op.operator().is_view() {
            true => 0,
            false => 4 * node.shape.len(),
        },
        macs: macs(node),
        train: match (parameters, constants) {
            (0, 0) => "-",
            (0, _) => "frozen",
            _ => "yes",
        },
    }
}

/// Products that are added up: each weight once for every place that it is used at.
fn macs(node: &Node) -> u64 {
    let weights = node.op.parameters().map_or(0, |p| p.weights.len() as u64);
    let places = match node.op {
        Op::Dense(_) => 1,
        _ => (node.shape.h * node.shape.w) as u64,
    };
    weights * places
}

/// The loss that belongs to what a model ends in. Without a softmax or a sigmoid nobody can say that it is a
/// classifier.
fn loss(graph: &Graph) -> LossSpec {
    let last = &graph.nodes()[graph.output()].op;
    let is_part = |loss| last.operator().is_part_of(loss);
    let candidates = [LossSpec::CrossEntropy, LossSpec::BinaryCrossEntropy];
    candidates
        .into_iter()
        .find(|&l| is_part(l))
        .unwrap_or(LossSpec::Mse)
}

fn options(scheme: Scheme, loss: LossSpec, import: &Import) -> Options {
    let normalisation = &import.lowered.normalisation;
    Options {
        scheme,
        loss,
        training: Training::sgd(0.01),
        online: sim_compiler::Online::default(),
        normalisation: normalisation.clone(),
        seed: 1,
    }
}

fn memory(account: &Account, boards: &[Board]) -> Memory {
    Memory {
        arena_bytes: account.arena_bytes(),
        image_bytes: account.image_bytes(),
        boards: boards.iter().map(|board| fit(account, board)).collect(),
    }
}

fn fit(account: &Account, board: &Board) -> Fit {
    let bill = bill(account, board);
    let left = |region| bill.left(region) as i64 - bill.excess(region) as i64;
    Fit {
        board: board.name.clone(),
        fits: bill.fits(),
        ram_bytes: bill.sum(Region::Ram),
        ram_left_bytes: left(Region::Ram),
        flash_bytes: bill.sum(Region::Flash),
        flash_left_bytes: left(Region::Flash),
    }
}
