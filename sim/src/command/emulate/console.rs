//! The program's console: its output is passed on, its input is what is typed or piped in.

use sim_emulator::Host;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

/// What a program wrote, kept.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Keeps more; whether that worked.
    pub fn keep(&self, bytes: &[u8]) -> bool {
        self.0
            .lock()
            .map(|mut kept| kept.extend_from_slice(bytes))
            .is_ok()
    }

    /// As text.
    pub fn text(&self) -> String {
        match self.0.lock() {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }
}

/// Where semihosting calls of the program go.
pub struct Console {
    /// Keeps standard output rather than passing it on.
    pub output: Option<Output>,
    /// The command line that the program sees.
    pub arguments: String,
}

impl Host for Console {
    fn write(&mut self, handle: u32, bytes: &[u8]) -> usize {
        let done = match (handle, &self.output) {
            (0 | 1, Some(output)) => output.keep(bytes),
            (0 | 1, None) => pass_on(&mut std::io::stdout().lock(), bytes),
            (2, _) => pass_on(&mut std::io::stderr().lock(), bytes),
            _ => false,
        };
        if done { bytes.len() } else { 0 }
    }

    fn read(&mut self, _handle: u32, bytes: &mut [u8]) -> usize {
        std::io::stdin().lock().read(bytes).unwrap_or(0)
    }

    fn command_line(&self) -> &str {
        &self.arguments
    }
}

/// Writes bytes through at once; whether that worked.
pub fn pass_on(stream: &mut impl Write, bytes: &[u8]) -> bool {
    stream
        .write_all(bytes)
        .and_then(|()| stream.flush())
        .is_ok()
}
