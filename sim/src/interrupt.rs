//! Ctrl-C: what takes long looks here, ends in order and keeps what it has.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// What a shell takes a program to have died of by Ctrl-C.
pub const EXIT_CODE: u8 = 130;

/// Listens from here on. Whoever asks a second time, because nobody looked, is out at once.
pub fn listen() {
    // A second handler cannot be set in one process; the first does all that is needed.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(EXIT_CODE.into());
        }
    });
}

/// Whether somebody asked.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}
