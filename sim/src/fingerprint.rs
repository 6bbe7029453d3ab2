//! Which code this is.

/// Digest of the sources that decide results (see `build.rs`). What they computed is kept under keys that hold it, so that
/// changed code never takes the results of other code for its own.
pub const CODE: &str = env!("SIM_CODE_FINGERPRINT");
