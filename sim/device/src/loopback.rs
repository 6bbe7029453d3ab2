//! The firmware's server in a thread of this process, behind a link that damages what it is told to.

use crate::error::Error;
use crate::transport::Transport;
use runtime_protocol::{Board, Clock, Port};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Does something to the bytes of one transfer.
pub type Damage = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// A device in a thread.
pub struct Loopback {
    to: Option<Sender<Vec<u8>>>,
    from: Receiver<Vec<u8>>,
    /// Done to what goes to the device.
    pub outward: Option<Damage>,
    /// Done to what comes back.
    pub inward: Option<Damage>,
}

impl Loopback {
    /// A device with `pool_bytes` of RAM, and `flash` where its Program is looked for.
    pub fn start(pool_bytes: usize, flash: Vec<f32>) -> Self {
        let (to, requests) = channel();
        let (responses, from) = channel();
        std::thread::spawn(move || {
            let port = ChannelPort {
                requests,
                responses,
                pending: Vec::new(),
            };
            // Floats, because they are aligned as the arena must be.
            let mut pool = vec![0.0f32; pool_bytes / 4];
            let pool = runtime_shared::machine::bytes_mut(&mut pool);
            runtime_protocol::serve(
                port,
                &mut HostBoard,
                pool,
                runtime_shared::machine::bytes(&flash),
            );
        });
        Self {
            to: Some(to),
            from,
            outward: None,
            inward: None,
        }
    }

    /// Pulls the plug.
    pub fn unplug(&mut self) {
        self.to = None;
    }
}

impl Transport for Loopback {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut bytes = bytes.to_vec();
        if let Some(damage) = &mut self.outward {
            damage(&mut bytes);
        }
        let sent = self.to.as_ref().is_some_and(|to| to.send(bytes).is_ok());
        if sent {
            Ok(())
        } else {
            Err(Error::Gone {
                why: "it was unplugged".to_owned(),
            })
        }
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        match self.from.recv_timeout(patience) {
            Ok(mut bytes) => {
                if let Some(damage) = &mut self.inward {
                    damage(&mut bytes);
                }
                into.extend(bytes);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(Error::Gone {
                why: "its firmware has ended".to_owned(),
            }),
        }
    }
}

struct ChannelPort {
    requests: Receiver<Vec<u8>>,
    responses: Sender<Vec<u8>>,
    pending: Vec<u8>,
}

impl Port for ChannelPort {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        if self.pending.is_empty() {
            self.pending = self.requests.recv().ok()?;
        }
        let count = into.len().min(self.pending.len());
        for (slot, byte) in into.iter_mut().zip(self.pending.drain(..count)) {
            *slot = byte;
        }
        Some(count)
    }

    fn write(&mut self, bytes: &[u8]) {
        // A host that is gone needs no answer; the next read ends the server.
        let _ = self.responses.send(bytes.to_vec());
    }
}

/// This computer: it counts nothing.
struct HostBoard;

impl Board for HostBoard {
    fn cycles(&mut self) -> u32 {
        0
    }

    fn clock(&self) -> Clock {
        Clock::None
    }

    fn target(&self) -> &'static str {
        "host"
    }

    fn stack_bytes(&self) -> u32 {
        0
    }

    fn stack_used(&self) -> u32 {
        0
    }

    fn static_bytes(&self) -> u32 {
        0
    }

    fn flash_bytes(&self) -> u32 {
        0
    }

    fn program_at(&self) -> u32 {
        0
    }
}
