//! The training core: the same code on the host and on the microcontroller.
//!
//! From the bottom up:
//!
//! - [`machine`] — the one module with `unsafe`: bytes as floats, the square-root instruction.
//! - [`math`], [`rng`] — transcendentals and randomness that are the same bits everywhere.
//! - [`kernels`] — what a layer does forward and backward, as functions of slices.
//! - [`program`] — the image that a compiler on the host makes: validated, then read in place.
//! - [`exec`] — walks a Program's lists of kernel calls; a [`exec::Probe`] sees each of them.
//! - [`buffer`], [`detector`], [`schedule`], [`state`] — replay, drift, learning rate, and what is
//!   remembered between two samples.
//! - [`learner`] — all of it together: a Program, one `&mut [u8]`, one sample at a time.
//!
//! Nothing here allocates, and nothing is written but the arena that the caller gave. Arithmetic on
//! floats is `*` and `+`, each rounded, in an order that every kernel states, so that weights are the
//! same bits on every machine.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

pub mod buffer;
pub mod detector;
pub mod exec;
pub mod learner;
pub mod program;
pub mod schedule;
pub mod state;

pub use runtime_kernels as kernels;
pub use runtime_kernels::{machine, math, rng};
