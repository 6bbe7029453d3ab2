//! Where firmware comes from and goes to: its sources, and a board's memories.

use sim_device::Memory;
use sim_mcu::Board;
use std::path::{Path, PathBuf};

/// Where in flash a Program is looked for, from its start: every supported chip has an erase boundary there.
const PROGRAM_OFFSET: u32 = 128 << 10;

/// The sources that the firmware is built from.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where the firmware lies on `board`: its flash from the start, its largest run of RAM.
pub fn memory(board: &Board) -> Memory {
    let run = board.arena_run();
    Memory {
        flash_origin: board.flash.base,
        flash_bytes: board.flash.bytes,
        program_origin: board.flash.base + PROGRAM_OFFSET.min(board.flash.bytes / 2),
        ram_origin: run.base,
        // A run of all 4 GB is no RAM.
        ram_bytes: u32::try_from(run.bytes).unwrap_or(u32::MAX),
        stack_bytes: board.runtime.stack_bytes,
    }
}
