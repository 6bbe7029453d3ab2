//! Requests and responses over a transport that may lose and damage them.
//!
//! A request is repeated, under its number, until its response is there or patience ends. The device
//! carries out a number once, so repeating is safe.

use crate::error::Error;
use crate::transport::Transport;
use runtime_protocol::frame::{self, Arrival, Collector, FRAME_BYTES, RAW_BYTES};
use runtime_protocol::link::UNKNOWN_SEQUENCE;
use runtime_protocol::{Refused, Request, Response};
use std::time::{Duration, Instant};

/// How long and how often the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long an answer to a short request may take.
    pub answer: Duration,
    /// How often a request is sent.
    pub attempts: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(5),
            attempts: 8,
        }
    }
}

/// What the link had to put up with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Requests that were sent again.
    pub repeats: u64,
    /// Requests that the device found damaged.
    pub refused: u64,
    /// Frames that arrived here damaged.
    pub damaged: u64,
}

/// The host's end of the link.
pub struct Link<T> {
    transport: T,
    sequence: u8,
    collector: Collector<Vec<u8>>,
    pending: Vec<u8>,
    message: Vec<u8>,
    /// How patient it is.
    pub patience: Patience,
    /// What went wrong so far, and was mended.
    pub trouble: Trouble,
}

impl<T: Transport> Link<T> {
    /// A link over `transport`.
    pub fn new(transport: T, patience: Patience) -> Self {
        Self {
            transport,
            sequence: UNKNOWN_SEQUENCE,
            collector: Collector::new(vec![0; FRAME_BYTES]),
            pending: Vec::new(),
            message: Vec::new(),
            patience,
            trouble: Trouble::default(),
        }
    }

    /// The transport.
    pub fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Asks, waits at most `extra` longer than usual, gives the response.
    ///
    /// # Errors
    /// [`Error::Silent`], [`Error::Damaged`], [`Error::Refused`], and what the transport says.
    pub fn ask(&mut self, request: &Request<'_>, extra: Duration) -> Result<Response<'_>, Error> {
        // Number 0 is kept for refusals of frames whose own number is not known.
        self.sequence = self.sequence.checked_add(1).unwrap_or(UNKNOWN_SEQUENCE + 1);
        let (mut scratch, mut out) = ([0; RAW_BYTES], [0; FRAME_BYTES]);
        let sealed = frame::seal(self.sequence, request, &mut scratch, &mut out);
        let len = sealed.ok_or(Error::Answer {
            request: "an oversized request",
        })?;
        let patience = self.patience.answer + extra;
        let mut damaged = false;
        for attempt in 0..self.patience.attempts {
            if attempt > 0 {
                self.trouble.repeats += 1;
                // Ends whatever is left of a frame that lost its own zero.
                self.transport.send(&[0])?;
            }
            self.transport.send(&out[..len])?;
            match self.answer(Instant::now() + patience)? {
                Heard::Answer => {
                    return match frame::parse(&self.message) {
                        Some(Response::Refused(refused)) => Err(Error::Refused(refused)),
                        Some(response) => Ok(response),
                        None => Err(Error::Answer {
                            request: "a request",
                        }),
                    };
                }
                Heard::Damage => damaged = true,
                Heard::Nothing => {}
            }
        }
        let attempts = self.patience.attempts;
        Err(if damaged {
            Error::Damaged { attempts }
        } else {
            Error::Silent {
                patience,
                attempts,
                state: self.transport.state().unwrap_or_default(),
            }
        })
    }

    /// Waits for the response to the request under way, and leaves it in `message`.
    fn answer(&mut self, deadline: Instant) -> Result<Heard, Error> {
        loop {
            if self.pending.is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(Heard::Nothing);
                }
                self.transport.receive(&mut self.pending, left)?;
            }
            let mut heard = None;
            let mut used = 0;
            for &byte in &self.pending {
                used += 1;
                heard = match self.collector.push(byte) {
                    Arrival::Pending => continue,
                    Arrival::Overrun => Some(Heard::Damage),
                    Arrival::Frame(len) => match frame::open(&mut self.collector.buffer()[..len]) {
                        Some((sequence, message)) if sequence == self.sequence => {
                            self.message.clear();
                            self.message.extend_from_slice(message);
                            Some(Heard::Answer)
                        }
                        Some((UNKNOWN_SEQUENCE, message)) => {
                            let refused = Response::Refused(Refused::Damaged);
                            (frame::parse(message) == Some(refused)).then(|| {
                                self.trouble.refused += 1;
                                Heard::Damage
                            })
                        }
                        // An answer to a request that was repeated and answered before.
                        Some(_) => None,
                        None => {
                            self.trouble.damaged += 1;
                            Some(Heard::Damage)
                        }
                    },
                };
                if heard.is_some() {
                    break;
                }
            }
            self.pending.drain(..used);
            if let Some(heard) = heard {
                return Ok(heard);
            }
        }
    }
}

/// What came back.
enum Heard {
    Answer,
    Damage,
    Nothing,
}
