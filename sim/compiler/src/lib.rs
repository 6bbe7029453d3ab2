//! From a network to a Program: graph, autodiff, update schemes, memory planner.
//!
//! ```text
//! NetworkSpec (TOML) ──build──▶ Graph ──stages──▶ [Stage] ──lower──▶ lists of calls ──link──▶ Account, Image
//! ```
//!
//! The device decides nothing that can be decided here: which tensors get gradients, the order of the
//! calls, the address of every operand. What a scheme does not train costs neither cycles nor RAM.
//! What an operator does at each of these steps stands in one file of [`ops`].

pub mod account;
pub mod backward;
pub mod compile;
pub mod detector;
pub mod error;
pub mod forward;
pub mod graph;
pub mod image;
pub mod integer;
pub mod link;
pub mod listing;
pub mod lower;
pub mod memory;
pub mod moved;
pub mod network;
pub mod ops;
pub mod options;
pub mod plan;
pub mod settings;
pub mod stage;
pub mod statistics;
pub mod tensor;
pub mod window;

pub use account::{Account, Block, BlockKind, ParameterInfo};
pub use compile::{Compiled, Options, account, compile};
pub use error::Error;
pub use graph::Graph;
pub use image::Image;
pub use integer::{Arithmetic, Class};
pub use listing::Part;
pub use network::NetworkSpec;
pub use options::{
    LossSpec, Online, Optimiser, PolicySpec, ScheduleSpec, Scheme, Store, Target, Training, Trigger,
};
pub use tensor::{Parameters, Tensor};
