//! Data sets, streams, drifts, protocols and metrics.
