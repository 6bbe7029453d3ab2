//! Where cycles go: by address, function, source line and call stack.

mod collect;

pub use collect::Profile;
pub(crate) use collect::Profiler;
