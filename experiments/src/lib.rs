//! Data sets, streams, drifts, protocols and metrics.

pub mod data;
