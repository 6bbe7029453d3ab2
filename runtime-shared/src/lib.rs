//! The training core: the same code on the host and on the microcontroller.
#![cfg_attr(not(test), no_std)]
pub mod rng;
