//! From a network to a Program: graph, autodiff, update schemes, memory planner.
//!
//! ```text
//! NetworkSpec (TOML) ──build──▶ Graph ──stages──▶ [Stage] ──lower──▶ lists of calls ──link──▶ Image
//! ```
//!
//! The device decides nothing that can be decided here: which tensors get gradients, the order of the
//! calls, the address of every operand. What a scheme does not train costs neither cycles nor RAM.

pub mod compile;
pub mod error;
pub mod graph;
pub mod image;
pub mod lower;
pub mod memory;
pub mod network;
pub mod options;
pub mod stage;

pub use compile::{Block, BlockKind, Compiled, Options, ParameterInfo, compile};
pub use error::Error;
pub use graph::Graph;
pub use image::Image;
pub use lower::Part;
pub use network::NetworkSpec;
pub use options::{
    LossSpec, Online, Optimiser, PolicySpec, ScheduleSpec, Scheme, Store, Training, Trigger,
};
