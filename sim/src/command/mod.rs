//! The commands, a module each.

pub mod boards;
pub mod data;
pub mod emulate;
pub mod inspect;
pub mod plan;
pub mod report;
pub mod run;
pub mod validate;
