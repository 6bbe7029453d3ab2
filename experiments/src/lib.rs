//! What happens: data sets, streams, drifts, protocols and metrics.
//!
//! - [`data`] — data sets, checked and kept as bytes.
//! - [`scenario`] — what happens to a learner: which sample comes when, what it looks like, what its label means by then.
//! - [`device`] — whoever runs the training core; this crate does not know who.
//! - [`scratch`] — epochs from scratch.
//! - [`record`], [`metrics`], [`measures`] — what comes out; [`statistics`] — what it says about more than those seeds.

pub mod data;
pub mod device;
pub mod measures;
pub mod metrics;
pub mod record;
pub mod scenario;
pub mod scratch;
pub mod statistics;
