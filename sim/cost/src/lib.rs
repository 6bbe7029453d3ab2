//! What a Program costs in cycles.
//!
//! - [`counters`] — what a learner did, call by call.
//! - [`trips`] — how often each loop of a kernel runs for a call.
//! - [`mod@price`] — the cycles of a step, by kernel.
//! - [`grid`], [`mod@bench`] — the calls that calibration measures, and images that run them on operands like those of a training.
//! - [`workload`] — networks that are trained to see whether whole steps are predicted.
//! - [`mod@calibrate`] — measures all of it on a device.
//! - [`data`] — what the operands of a call were like: [`mod@zeros`], [`meetings`] of floats that are added, [`gradients`],
//!   [`windows`].
//! - [`fit`] — cycles of a trip from what was measured; `waiting` where memory makes calls wait.
#![deny(missing_docs)]

pub mod bench;
pub mod calibrate;
pub mod counters;
pub mod data;
pub mod fit;
pub mod gradients;
pub mod grid;
pub mod meetings;
mod operands;
pub mod price;
pub mod trips;
mod waiting;
pub mod windows;
pub mod workload;
pub mod zeros;

pub use calibrate::{
    Conditions, FITTED_SEED, HELD_OUT_SEED, Measured, Meter, Room, Task, calibrate,
};
pub use counters::Counters;
pub use price::{Breakdown, Share, StepCost, price};
