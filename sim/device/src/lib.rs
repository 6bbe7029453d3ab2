//! The host's side of a device that runs the firmware.
//!
//! From the bottom up:
//!
//! - [`transport`] — bytes to the device and back.
//! - [`link`] — requests and responses over a transport: frames, repeats, timeouts.
//! - [`remote`] — a learner at the other end: load a Program, learn, read the weights back.
//! - [`firmware`] — builds the firmware for a memory map.
//! - [`chip`] — what is particular about some chips.
//! - [`qemu`] — the firmware in QEMU, as a transport.
//! - [`emulated`] — the firmware in our own emulator, as a transport.
//! - [`probe`] — a debug probe: real ones (feature `embedded`), and one with the emulator behind it.
//! - [`rtt`] — the firmware behind a probe, as a transport.
//! - [`uart`], `serial` — the serial ports of boards, and one as a transport (feature `embedded`).
//! - [`loopback`] — the same server in a thread of this process, with a link that damages what it is told
//!   to: the stand-in for tests.

pub mod chip;
pub mod emulated;
pub mod error;
pub mod firmware;
pub mod link;
pub mod loopback;
pub mod probe;
pub mod qemu;
pub mod remote;
pub mod rtt;
#[cfg(feature = "embedded")]
pub mod serial;
pub mod transport;
pub mod uart;

pub use emulated::Emulated;
pub use error::Error;
pub use firmware::{Firmware, MOST_WRITES, Memory, Write};
pub use link::{Link, Patience};
pub use loopback::Loopback;
pub use probe::{EmulatedProbe, Probe};
pub use qemu::{Machine, Qemu};
pub use remote::{CallCycles, DeviceStep, Greeting, RemoteLearner};
pub use rtt::Rtt;
#[cfg(feature = "embedded")]
pub use serial::Serial;
pub use transport::Transport;
pub use uart::Uart;
