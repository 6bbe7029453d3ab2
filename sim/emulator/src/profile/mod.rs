//! Where cycles go: by address, function, source line and call stack.

mod collect;
mod flame;
mod report;

pub use crate::timing::Counts;
pub use collect::Profile;
pub(crate) use collect::Profiler;
pub use flame::flame_graph;
pub use report::{Row, by_address, by_function, by_line, folded};
