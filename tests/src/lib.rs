//! What the tests across crates share.
//!
//! - [`memory`] — aligned bytes for images and arenas, with guards around them.
//! - [`fixture`] — what PyTorch computed, read from `fixtures/torch` (made by `scripts/fixtures.py`).
//! - [`gradient`] — the gradient of one sample, read from a Program's own gradient buffers.

pub mod fixture;
pub mod gradient;
pub mod memory;
