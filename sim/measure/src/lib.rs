//! Cycles of a Program, measured: moments of a real training are handed to the firmware in the emulator.
//!
//! A learner is its arena, and host and device have the same bits. So any moment of a training on the host goes on in the emulated
//! firmware, and the step is counted there, kernel call by kernel call. No kernel, optimiser or data set needs a model of its cost.
//!
//! - [`moment`]: the arena before a step, with the samples that follow; which steps of a run become moments. A [`Recorder`] keeps them.
//! - [`seeded()`]: moments of a Program that has not run yet.
//! - [`variant`]: the same Program, made to replay a few samples only. A replay of hundreds costs as much for each.
//! - [`target`]: a core with its memory, and the firmware on it.
//! - [`measure()`]: the moments on the target, until the standard error of the mean step is small.
//! - [`regression`]: the estimate of a mean over all steps from those that were measured.
//!
//! Nothing here prints, caches or knows a board, a data set or a network.

#![deny(missing_docs)]

mod hex;
mod measure;
pub mod moment;
mod recorder;
pub mod regression;
mod seeded;
pub mod target;
pub mod variant;

pub use measure::{CallCost, Error, Footprint, Limit, Measured, Stretch, measure};
pub use moment::{Labelled, Moment, Protocol, moments};
pub use recorder::{Plan, Recorder, Recording};
pub use seeded::seeded;
pub use target::{Target, Unit};
