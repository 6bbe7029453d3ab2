//! The console of a debugger or emulator as a stream of bytes.

use crate::machine;
use runtime_protocol::Port;

/// Standard input and output of whoever runs the firmware.
pub struct Console {
    input: usize,
    output: usize,
}

impl Console {
    /// Opens it; `None` where the host offers none.
    pub fn open() -> Option<Self> {
        Some(Self {
            input: machine::open_console(false)?,
            output: machine::open_console(true)?,
        })
    }
}

impl Port for Console {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let count = machine::read_console(self.input, into);
        (count > 0).then_some(count)
    }

    fn write(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let count = machine::write_console(self.output, bytes);
            match bytes.get(count..) {
                Some(rest) if count > 0 => bytes = rest,
                // The host takes nothing more: it will ask again, or is gone.
                _ => return,
            }
        }
    }
}
