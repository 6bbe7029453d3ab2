//! Everything that is known about a finished run, as plain data.
//!
//! The binary fills these types, the rest of this crate turns them into files and back. They name no
//! type of another crate, so that an old report can be read whatever has changed since.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Summary;

/// One run: what `report.html` and all its neighbours are made from.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Title of the report; the experiment's name where it is `None`.
    pub title: Option<String>,
    /// The first line of the report, above all figures: that stand-in data was used, for example.
    pub headline: Option<String>,
    /// The figures that scripts may rely on.
    pub summary: Summary,
    /// One row per sample, strategy, board and seed, in any order; may be thinned.
    pub samples: Vec<SampleRow>,
    /// RAM and flash of every strategy and board, item by item.
    pub bills: Vec<Bill>,
    /// Cycles of every strategy and board, kernel by kernel.
    pub kernels: Vec<KernelCost>,
    /// Stream index of the first sample after the (first) drift; `None` where nothing drifts.
    pub drift_at: Option<u64>,
    /// Remarks printed below the first table, a sentence each.
    pub notes: Vec<String>,
    /// Where it all came from: resolved config, seeds, digests of the data, versions, host.
    pub about: serde_json::Value,
}

/// What happened at one sample of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRow {
    /// Name of the strategy, as in the summary.
    pub strategy: Arc<str>,
    /// Name of the board, as in the summary.
    pub board: Arc<str>,
    /// Seed of the repetition.
    pub seed: u64,
    /// Index in the stream, from 0.
    pub sample: u64,
    /// The class that the stream gives the sample.
    pub label: u16,
    /// The class predicted before the sample was learnt from.
    pub prediction: u16,
    /// Mean loss of the samples that were learnt from at this step, before they were; `None` where none was.
    pub loss: Option<f32>,
    /// Windowed prequential accuracy up to and including this sample, fraction of 1.
    pub prequential: f32,
    /// Accuracy on held-out samples after this sample, fraction of 1, where it was evaluated.
    pub test_accuracy: Option<f32>,
    /// Samples in the replay buffer after this one.
    pub buffer_len: u32,
    /// Whether the sample was drawn from the drifted concept.
    pub drift: bool,
}

impl SampleRow {
    /// Whether the prediction was the label.
    #[must_use]
    pub fn correct(&self) -> bool {
        self.prediction == self.label
    }
}

/// What fills one memory of a board under one strategy, item by item.
///
/// The items sum to `ram_bytes` or `flash_bytes` of the summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bill {
    /// Name of the strategy, as in the summary.
    pub strategy: String,
    /// Name of the board, as in the summary.
    pub board: String,
    /// The memory that is billed.
    pub memory: Memory,
    /// Bytes that a program may use.
    pub budget_bytes: u64,
    /// What the bytes are for, largest concern first or in memory order.
    pub items: Vec<BillItem>,
}

/// One line of a [`Bill`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BillItem {
    /// What the bytes are for: `weights`, `activations`, `replay buffer`, `stack`.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

/// A memory of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// What is written while running.
    Ram,
    /// Constants and code.
    Flash,
}

/// Cycles that one kind of kernel takes in one step of a strategy on a board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCost {
    /// Name of the strategy, as in the summary.
    pub strategy: String,
    /// Name of the board, as in the summary.
    pub board: String,
    /// The step that the cycles belong to.
    pub phase: Phase,
    /// Name of the kernel: `conv2d`, `dense backward`, `sgd`.
    pub kernel: String,
    /// Mean calls a step.
    pub calls: f64,
    /// Mean cycles a step, all calls together.
    pub cycles: f64,
}

/// The two steps that a device takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// One prediction.
    Infer,
    /// One learning step, with all its passes over the buffer.
    Train,
}

impl Bill {
    /// Sum of the items, bytes.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.items
            .iter()
            .map(|item| item.bytes)
            .fold(0, u64::saturating_add)
    }
}
