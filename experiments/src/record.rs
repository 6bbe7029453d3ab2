//! What a repetition leaves behind: a row for every sample.

use crate::device::Stop;
use serde::{Deserialize, Serialize};

/// What happened at one sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the stream, from 0; over epochs it counts on.
    pub sample: u64,
    /// Its label, as its concept has it.
    pub label: u16,
    /// What was predicted before learning.
    pub prediction: u16,
    /// Mean loss of what was replayed; `None` where nothing was.
    pub loss: Option<f32>,
    /// Prequential accuracy over the window.
    pub prequential: f32,
    /// Accuracy on held-out images, where it was measured: that of each set by its share.
    pub test_accuracy: Option<f32>,
    /// Accuracy on each held-out set, where it was measured and there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<f32>,
    /// Samples in the replay buffer.
    pub stored: u32,
    /// The phase that it lies in.
    #[serde(default)]
    pub phase: u16,
    /// The concept that it is of; 0 is the first.
    #[serde(default)]
    pub concept: u16,
    /// Whether the device detected a drift.
    #[serde(default)]
    pub detected: bool,
}

/// One repetition of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened, sample by sample.
    pub rows: Vec<Row>,
    /// Where and why it ended early.
    pub stop: Option<(u64, Stop)>,
}

impl Record {
    /// The measurements: (sample, accuracy).
    pub fn curve(&self) -> Vec<(u64, f64)> {
        let measured = self.rows.iter();
        measured
            .filter_map(|r| r.test_accuracy.map(|a| (r.sample, f64::from(a))))
            .collect()
    }
}
