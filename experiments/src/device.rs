//! What an experiment needs of whoever runs the training core: the host, an emulator or a board.

use runtime_shared::learner::{Step, Update};

/// Why a device went no further.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stop {
    /// The layer in which it was seen first; empty where that cannot be told.
    pub layer: String,
    /// What was seen, in a sentence without a full stop.
    pub reason: String,
}

/// A learner, wherever it runs.
pub trait Device {
    /// Predicts a labelled sample, then learns from it as its Program says.
    ///
    /// # Errors
    /// [`Stop`] where the device cannot go on; what it learnt before stays.
    fn learn(&mut self, sample: &[u8], label: usize) -> Result<Step, Stop>;

    /// One supervised update from a raw sample, past buffer and trigger.
    ///
    /// # Errors
    /// As [`Device::learn`].
    fn train(&mut self, sample: &[u8], label: usize) -> Result<Update, Stop>;

    /// The class of a raw sample.
    ///
    /// # Errors
    /// As [`Device::learn`].
    fn infer(&mut self, sample: &[u8]) -> Result<usize, Stop>;

    /// What the frozen extractor makes of a raw sample, as the learner stores it; empty where there is none.
    ///
    /// # Errors
    /// As [`Device::learn`].
    fn extract(&mut self, sample: &[u8]) -> Result<Vec<u8>, Stop>;

    /// The class that features belong to.
    ///
    /// # Errors
    /// As [`Device::learn`].
    fn classify(&mut self, features: &[u8]) -> Result<usize, Stop>;

    /// Whether parameters ever change. Where not, one evaluation holds for ever.
    fn learns(&self) -> bool;
}
