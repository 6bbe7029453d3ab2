//! What the tests across crates share.
//!
//! - [`integer`] — networks trained by the integer kernels, layer by layer.
//! - [`memory`] — aligned bytes for images and arenas, with guards around them.
//! - [`fixture`] — what PyTorch computed, read from `fixtures/torch` (made by `scripts/fixtures.py`).
//! - [`gradient`] — the gradient of one sample, read from a Program's own gradient buffers.
//! - [`npz`] — arrays that numpy wrote.
//! - [`oracle`] — networks evaluated in f64 from the graph, independently of compiler and kernels.
//! - [`random`] — random small networks that reach every layer and every way of joining them.

pub mod fixture;
pub mod gradient;
pub mod integer;
pub mod memory;
pub mod npz;
pub mod oracle;
pub mod random;
