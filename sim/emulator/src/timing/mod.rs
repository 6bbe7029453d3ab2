//! The timing model: cycles of each instruction, in three columns that build on one another.
//!
//! *Table* is the sum of the classes' cycles. *Rules* adds what a pipeline does between instructions.
//! *Memory* adds the board's wait states and caches. Figures are data (`configs/cores`), each with its source.

mod cache;
mod class;
mod clock;
mod fidelity;
mod memory;
mod pairing;
mod pipeline;
mod port;
mod predictor;
mod table;
mod traits;

pub use class::Class;
pub use clock::{Columns, Counts, Timing};
pub use fidelity::{Comparison, Fidelity, NotCompared};
pub use table::{CORE_NAMES, ClassRow, CoreTable, PredictorRow, Rule, Rules, Tag};
