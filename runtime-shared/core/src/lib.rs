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
//!
//! # On a host
//!
//! ```
//! use runtime_shared::{learner::Learner, machine, program::Program};
//! # use runtime_shared::kernels::Shape;
//! # use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};
//! # let network: NetworkSpec = toml::from_str("layers = [{ dense = { units = 2 } }]").unwrap();
//! # let graph = network.build(Shape { h: 1, w: 4, c: 1 }, 1).unwrap();
//! # let options = Options {
//! #     scheme: Scheme::Full,
//! #     loss: LossSpec::CrossEntropy,
//! #     training: Training::sgd(0.5),
//! #     online: Online::default(),
//! #     normalisation: vec![(1.0 / 255.0, 0.0)],
//! #     seed: 1,
//! # };
//! # let compiled = compile(&graph, &options).unwrap();
//! # let image = compiled.image.bytes();
//! // `image` is what the compiler made; it must start at a multiple of four.
//! let program = Program::load(image).expect("a Program");
//! let mut arena = vec![0.0f32; program.arena_bytes().div_ceil(4)];
//! let mut learner = Learner::new(program, machine::bytes_mut(&mut arena)).expect("it fits");
//! for step in 0..100 {
//!     let label = step % 2;
//!     let sample = [0, 0, 255, 255].map(|b: u8| if label == 1 { b } else { 255 - b });
//!     learner.learn(&sample, label, &mut ()).expect("it learns");
//! }
//! assert_eq!(learner.infer(&[0, 0, 255, 255], &mut ()), Ok(1));
//! ```
//!
//! # On a board
//!
//! The same with `cortex-m-rt`: the Program in flash, the arena in RAM. Features of the crate choose the kernels that are
//! linked, so switch the default ones off.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! use panic_halt as _;
//! use runtime_shared::{learner::Learner, machine, program::Program};
//!
//! #[repr(align(4))]
//! struct Image([u8; include_bytes!("network.bin").len()]);
//! static IMAGE: Image = Image(*include_bytes!("network.bin"));
//!
//! #[cortex_m_rt::entry]
//! fn main() -> ! {
//!     // `entry` hands out a static exclusively.
//!     static mut ARENA: [f32; 4096] = [0.0; 4096];
//!     let program = Program::load(&IMAGE.0).expect("a Program");
//!     let mut learner = Learner::new(program, machine::bytes_mut(ARENA)).expect("it fits");
//!     loop {
//!         let (sample, label) = measure();
//!         learner.learn(&sample, label, &mut ()).expect("it learns");
//!     }
//! }
//! ```
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
