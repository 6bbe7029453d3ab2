//! The firmware in our own emulator: the same bits as on a board, and its cycles.
//!
//! The emulator has a thread of its own; its semihosting console is a pair of channels here.

use crate::error::Error;
use crate::transport::Transport;
use sim_emulator::{Emulator, Host, Image, Machine, Mode};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// A running emulator. It ends with this value.
pub struct Emulated {
    input: Sender<Vec<u8>>,
    output: Receiver<Vec<u8>>,
    /// Why it stopped, once it has.
    stopped: Receiver<String>,
}

impl Emulated {
    /// Starts the image `elf` on `machine`, counting as `mode` says. The core reads its own cycle counter
    /// in every mode but [`Mode::Count`].
    ///
    /// # Errors
    /// [`Error::Gone`] where the image does not go on that machine.
    pub fn start(machine: Machine, elf: &[u8], mode: Mode) -> Result<Self, Error> {
        Self::start_with(machine, elf, None, mode)
    }

    /// As [`start`](Self::start), with `flashed` bytes at an address beside the image: a Program in flash.
    ///
    /// # Errors
    /// [`Error::Gone`] where the machine has no memory there.
    pub fn start_with(
        machine: Machine,
        elf: &[u8],
        flashed: Option<(u32, &[u8])>,
        mode: Mode,
    ) -> Result<Self, Error> {
        let gone = |e: sim_emulator::Error| Error::Gone { why: e.to_string() };
        let image = Image::elf(elf).map_err(gone)?;
        let mut emulator = Emulator::new(machine).map_err(gone)?;
        let (input, from_host) = channel();
        let (to_host, output) = channel();
        let (why, stopped) = channel();
        emulator.set_host(Box::new(Console {
            from_host,
            to_host,
            waiting: VecDeque::new(),
        }));
        emulator.set_mode(mode);
        emulator.load(image).map_err(gone)?;
        if let Some((address, bytes)) = flashed {
            emulator.write(address, bytes).map_err(gone)?;
        }
        std::thread::spawn(move || {
            let stop = emulator.run(u64::MAX);
            // Nobody may be left to hear it.
            let _ = why.send(stop.to_string());
        });
        Ok(Self {
            input,
            output,
            stopped,
        })
    }

    fn gone(&self) -> Error {
        let why = self
            .stopped
            .recv()
            .unwrap_or_else(|_| "it ended without a word".to_owned());
        Error::Gone {
            why: format!("the emulator stopped: {why}"),
        }
    }
}

impl Transport for Emulated {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.input.send(bytes.to_vec()).map_err(|_| self.gone())
    }

    fn receive(&mut self, into: &mut Vec<u8>, patience: Duration) -> Result<(), Error> {
        match self.output.recv_timeout(patience) {
            Ok(bytes) => {
                into.extend(bytes);
                Ok(())
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err(self.gone()),
        }
    }
}

/// Standard input and output of the program, as channels.
struct Console {
    from_host: Receiver<Vec<u8>>,
    to_host: Sender<Vec<u8>>,
    waiting: VecDeque<u8>,
}

impl Host for Console {
    fn write(&mut self, _handle: u32, bytes: &[u8]) -> usize {
        match self.to_host.send(bytes.to_vec()) {
            Ok(()) => bytes.len(),
            Err(_) => 0,
        }
    }

    /// Waits until there is something, as a console does; the end of the host is the end of the input.
    fn read(&mut self, _handle: u32, bytes: &mut [u8]) -> usize {
        while self.waiting.is_empty() {
            match self.from_host.recv() {
                Ok(more) => self.waiting.extend(more),
                Err(_) => return 0,
            }
        }
        let count = bytes.len().min(self.waiting.len());
        for (to, from) in bytes.iter_mut().zip(self.waiting.drain(..count)) {
            *to = from;
        }
        count
    }
}
