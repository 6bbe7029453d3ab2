//! The file in which a program reads what its host offers beyond the standard calls ("Feature reporting" in the
//! specification): C libraries ask it whether an exit may carry a code.

/// The name by which it is opened, for reading only.
pub(super) const NAME: &str = ":semihosting-features";

/// `SHFB`, then a byte: bit 0, `SYS_EXIT_EXTENDED` is there; bit 1, `:tt` opens output and errors apart.
const CONTENTS: [u8; 5] = [b'S', b'H', b'F', b'B', 0b11];

/// How far it was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extensions {
    position: usize,
}

impl Extensions {
    /// Opens it at its start; `None` for a mode other than `r` and `rb`.
    pub fn open(&mut self, mode: u32) -> Option<()> {
        self.position = 0;
        (mode <= 1).then_some(())
    }

    /// Copies what comes next; returns how much that was.
    pub fn read(&mut self, bytes: &mut [u8]) -> usize {
        let rest = &CONTENTS[self.position..];
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        count
    }

    /// Moves to a position, or to the end where that lies behind it.
    pub fn seek(&mut self, position: u32) {
        self.position = (position as usize).min(CONTENTS.len());
    }

    /// Bytes.
    pub const fn length() -> u32 {
        CONTENTS.len() as u32
    }
}
