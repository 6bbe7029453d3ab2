//! Power rows: what the board or chip draws while the core works.

use serde::Deserialize;

use crate::source::Source;

/// What was running when a row's figure was taken, which decides how far it can be trusted for training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// A neural network, on this chip.
    Network,
    /// Comparable work: a neural network on a close relative of this chip, or other work on this board. Its energy per cycle is
    /// a guide, not a measurement.
    Comparable,
    /// Something else, usually the datasheet's headline (CoreMark, `while (1)`): known to promise too little.
    Headline,
}

/// Power in one mode.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// The mode in words: clock, regulator, supply, meter.
    pub mode: String,
    /// Supply in volts.
    pub volts: f64,
    /// The clock at which the figure was taken, hertz.
    pub clock_hz: u64,
    /// Lowest figure, milliwatts.
    pub low_milliwatts: f64,
    /// Highest figure, milliwatts; equal to the lowest where there is one figure.
    pub high_milliwatts: f64,
    /// What was running.
    pub load: Load,
    /// Where the figure is from.
    pub source: Source,
}

impl Power {
    /// Lowest and highest energy of one cycle, picojoules.
    #[must_use]
    pub fn picojoules_per_cycle(&self) -> (f64, f64) {
        // mW / Hz = mJ; 1 mJ = 1e9 pJ.
        let scale = 1e9 / self.clock_hz as f64;
        (self.low_milliwatts * scale, self.high_milliwatts * scale)
    }
}
