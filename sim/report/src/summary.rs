//! What `summary.json` holds: the few figures of a run that scripts may rely on.
//!
//! Schema 2: cycles are measured, and absent (`null`) where they are unavailable; `cycles_unavailable` then says why.

use serde::{Deserialize, Serialize};

/// The version of `summary.json` that this crate writes and reads.
pub const SCHEMA: u32 = 2;

/// The figures of one run: an experiment, its data set and every strategy on every board.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Version of this layout, [`SCHEMA`].
    pub schema: u32,
    /// Name of the experiment, as in the config: `concept_drift`.
    pub experiment: String,
    /// Name of the data set that was used: `mnist`, `strokes`.
    pub dataset: String,
    /// Whether `dataset` stands in for another one that could not be had.
    pub fallback: bool,
    /// Number of independent repetitions behind every mean.
    pub seeds: u32,
    /// One entry per strategy and board, in the order of the config.
    pub strategies: Vec<StrategySummary>,
}

/// What one strategy costs on one board, and what it reaches there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategySummary {
    /// Name of the strategy, as in the config: `static`, `transfer`, `full`.
    pub name: String,
    /// Name of the board profile: `nano33ble`.
    pub board: String,
    /// Whether both the RAM and the flash bill stay within the board's budgets.
    pub fits: bool,
    /// RAM in use, bytes; the sum of the RAM bill.
    pub ram_bytes: u64,
    /// RAM of the board that a program may use, bytes.
    pub ram_budget_bytes: u64,
    /// Flash in use, bytes; the sum of the flash bill.
    pub flash_bytes: u64,
    /// Replay buffer capacity, samples.
    pub buffer_slots: u64,
    /// Mean cycles of one learning step (prediction and all passes over the buffer), over the steps of the run; 0 where nothing
    /// trains, `None` where cycles are unavailable.
    pub train_cycles_per_step: Option<u64>,
    /// Time of one learning step at the board's clock, milliseconds; `None` where instructions are counted.
    pub train_ms_per_step: Option<f64>,
    /// Energy of one learning step, µJ; the middle of the band where only a band is known, `None` where the board's power is not.
    pub train_uj_per_step: Option<f64>,
    /// Accuracy on held-out samples; `None` where the strategy never ran.
    pub accuracy: Option<AccuracySummary>,
    /// Samples from the drift until accuracy is back at 95 % of its level before it; `None` unless every seed recovered,
    /// since a mean of those that did would say the less the fewer they are.
    pub recovery_samples: Option<Estimate>,

    /// Flash of the board that a program may use, bytes.
    #[serde(default)]
    pub flash_budget_bytes: u64,
    /// Lower end of the energy of one learning step, µJ, where power is known as a band only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_uj_low: Option<f64>,
    /// Upper end of the energy of one learning step, µJ, where power is known as a band only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_uj_high: Option<f64>,
    /// Mean cycles of one prediction.
    pub infer_cycles_per_step: Option<u64>,
    /// Time of one prediction at the board's clock, milliseconds.
    pub infer_ms_per_step: Option<f64>,
    /// Energy of one prediction, µJ; the middle of the band where only a band is known.
    pub infer_uj_per_step: Option<f64>,
    /// Lower end of the energy of one prediction, µJ, where power is known as a band only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infer_uj_low: Option<f64>,
    /// Upper end of the energy of one prediction, µJ, where power is known as a band only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infer_uj_high: Option<f64>,
    /// Cycles of the first learning step of the stream, with an empty buffer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_cycles_first_step: Option<u64>,
    /// Cycles of a learning step with a full buffer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_cycles_full_buffer: Option<u64>,
    /// What the cycles above are: `cycles`, or `instructions` of a core without an instruction table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_unit: Option<Unit>,
    /// Standard error of the mean cycles of a learning step, from sampling steps of the run, percent of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_standard_error_percent: Option<f64>,
    /// What is known of the emulator's cycles against those of hardware with this core: a sentence with its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_against_hardware: Option<String>,
    /// Why cycles are unavailable, with the command that would bring them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_unavailable: Option<String>,
    /// Number of seeds that recovered from the drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_seeds: Option<u32>,
    /// Samples by which half of the seeds recovered, where those that did not count as taking longer than the stream
    /// (Kaplan–Meier); `None` where fewer than half did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_median_samples: Option<f64>,
    /// Samples after the drift at which seeds that did not recover were last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_watched_samples: Option<u64>,
    /// Number of seeds whose network was no better than guessing before the drift, so that there was nothing to recover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guessing_seeds: Option<u32>,
    /// Samples in one epoch of the strategy's data set, where it is learnt from scratch in several. Epoch k ends with sample
    /// k·n − 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_per_epoch: Option<u64>,
    /// Why the strategy was not run, with the nearest thing that would fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Where the strategy diverged, so that it stopped before its stream ended. What happened by then is kept; figures of
    /// the end are not given, not even of the seeds that reached it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stop>,
}

/// What was counted for a core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Cycles, by the core's instruction table and the board's memory.
    Cycles,
    /// Instructions, of a core without an instruction table.
    Instructions,
}

/// Accuracy on held-out samples, as a fraction of 1, at the moments that matter.
///
/// Without a drift only `last` is known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AccuracySummary {
    /// Just before the drift.
    pub before_drift: Option<Estimate>,
    /// At the drift: the first evaluation under the new concept.
    pub at_drift: Option<Estimate>,
    /// The lowest point from the drift on.
    pub lowest: Option<Estimate>,
    /// At the end of the stream; `None` where a seed did not reach it.
    #[serde(rename = "final")]
    pub last: Option<Estimate>,
}

/// A mean over seeds with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Arithmetic mean over the seeds.
    pub mean: f64,
    /// Half width of the 95 % confidence interval (Student's t); `None` from a single seed.
    pub ci95: Option<f64>,
}

/// Where and why a strategy stopped before its stream ended, in some of its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    /// How many seeds stopped.
    pub seeds: u32,
    /// The first of them, in the order of the config.
    pub seed: u64,
    /// Index in the stream of the sample that it stopped at.
    pub step: u64,
    /// Name of the layer in which the value was seen.
    pub layer: String,
    /// What was seen: "the loss is not a number".
    pub reason: String,
}

impl Summary {
    /// The entry of `strategy` on `board`.
    #[must_use]
    pub fn strategy(&self, strategy: &str, board: &str) -> Option<&StrategySummary> {
        self.strategies
            .iter()
            .find(|entry| entry.name == strategy && entry.board == board)
    }

    /// The boards of the run, each once, in the order of their first strategy.
    #[must_use]
    pub fn boards(&self) -> Vec<&str> {
        let mut boards: Vec<&str> = Vec::new();
        for entry in &self.strategies {
            if !boards.contains(&entry.board.as_str()) {
                boards.push(&entry.board);
            }
        }
        boards
    }

    /// The strategies of the run by name, each once, in the order of the config.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for entry in &self.strategies {
            if !names.contains(&entry.name.as_str()) {
                names.push(&entry.name);
            }
        }
        names
    }
}
