//! Boards, budgets and energy.
//!
//! What a microcontroller offers and what a network costs on it, as data and plain arithmetic. Three questions, one module
//! each, none of which knows the others' callers:
//!
//! - [`board`]: what is on the board? Profiles are TOML files in which every figure names its source; those of
//!   `configs/boards` are built in, a board of the user's own is read from its path.
//! - [`bill`]: does it fit? Every byte of RAM and flash, what it is for, against the board's budget.
//! - [`energy`]: how many milliseconds and microjoules is that? Power × cycles / clock, and how far to trust it.
//!
//! [`thesis`] holds the RAM formula of the work that is reproduced, to be reported beside the planner's true figure.
//! Nothing here prints, reads the clock or knows a neural network.

pub mod bill;
pub mod board;
pub mod energy;
pub mod error;
pub mod parse;
pub mod source;
pub mod suggest;
pub mod thesis;

pub use bill::{Bill, Item, Kind, Region};
pub use board::{Board, boards, find};
pub use energy::Energy;
pub use error::Error;
pub use source::{Source, Tag};
