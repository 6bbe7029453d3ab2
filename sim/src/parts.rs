//! The parts of a run that are finished: one file a strategy and seed, kept until the report is written,
//! so that an interrupted run goes on where it was.

use crate::cache;
use crate::failure::Failure;
use experiments::online::Record;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One repetition of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What happened.
    pub record: Record,
}

/// The folder of one run's parts.
pub struct Parts {
    folder: PathBuf,
}

impl Parts {
    /// Of the run whose resolved config and data have this digest.
    pub fn of(key: &str) -> Self {
        Self {
            folder: cache::folder().join("parts").join(&key[..32]),
        }
    }

    fn path(&self, strategy: usize, seed: u64) -> PathBuf {
        self.folder.join(format!("{strategy}-{seed}.json"))
    }

    /// A part, if it is finished. A damaged one is none.
    pub fn read(&self, strategy: usize, seed: u64) -> Option<Part> {
        let bytes = std::fs::read(self.path(strategy, seed)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Keeps a finished part.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn write(&self, strategy: usize, seed: u64, part: &Part) -> Result<(), Failure> {
        let path = self.path(strategy, seed);
        let bytes = serde_json::to_vec(part).map_err(|e| Failure::Write {
            path: path.clone(),
            source: e.into(),
        })?;
        cache::write(&path, &bytes)
    }

    /// Lets go of all of them: the report holds what they held.
    pub fn remove(&self) {
        // Best effort: what is left behind is read again, or overwritten, by the same run only.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
