//! What a host asks of a device that runs the learner, and what the device answers.
//!
//! ```text
//! host                                   device
//!  Request ─postcard─▶ seal ─▶ frame ─▶ link ─▶ open ─▶ server ─▶ Learner
//!  Response ◀─ open ◀─ frame ◀─ link ◀─ seal ◀─postcard─ Response
//! ```
//!
//! One request is under way at a time. Every frame carries a sequence number and a CRC-32 and ends with
//! the only zero byte in it, so a receiver that meets damage skips to the next zero and goes on:
//!
//! - a damaged request is answered by [`Refused::Damaged`], upon which the host sends it again;
//! - a request whose number was answered already (the answer was lost) gets the same answer again and is
//!   not carried out twice, so a sample is learnt exactly once however bad the link is.
//!
//! The [`server`] is generic over the link and the board: firmware, emulator and host tests run the same.
#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

pub mod cobs;
pub mod frame;
pub mod link;
pub mod message;
pub mod profile;
pub mod server;
pub mod synthetic;

pub use link::Port;
pub use message::{Area, Clock, Hello, Job, Refused, Request, Response, Source, Started, Summary};
pub use server::{Board, serve};

/// The version of the protocol; a host refuses a device of another one.
pub const VERSION: u16 = 3;
/// Most bytes of data that one request or response carries.
pub const DATA_BYTES: usize = 1024;
