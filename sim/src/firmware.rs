//! Where firmware comes from and goes to: its sources, and a board's memories.

use sim_device::{MOST_WRITES, Memory, Write};
use sim_mcu::Board;
use sim_mcu::board::{Flash, FlashControl};
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
        setup: setup(&board.flash),
    }
}

/// What the firmware writes first, so that flash is read as the profile says: caches, prefetch and wait states that are not so after a
/// reset. Wait states of the board's clock are the safe side of any other.
fn setup(flash: &Flash) -> [Option<Write>; MOST_WRITES] {
    let mut setup = [None; MOST_WRITES];
    let needed = flash.control.iter().filter_map(|c| write(flash, c));
    for (slot, write) in setup.iter_mut().zip(needed) {
        *slot = Some(write);
    }
    setup
}

/// The write of one register; nothing where it holds that already.
fn write(flash: &Flash, control: &FlashControl) -> Option<Write> {
    let bit = |bit: u32, on: bool| if on { bit } else { 0 };
    let timing = flash.timing.as_ref();
    let wait_states = timing.map_or(0, |t| t.wait_states / control.cycles) & control.wait_states;
    let set = wait_states
        | bit(control.prefetch, timing.is_some_and(|t| t.prefetch))
        | bit(control.instruction_cache, flash.instruction_cache.is_some())
        | bit(control.data_cache, flash.data_cache.is_some());
    let after = control.reset & !control.wait_states | set;
    (after != control.reset).then_some((control.register, control.wait_states, set))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(board: &str) -> Vec<Write> {
        let board = sim_mcu::find(board).expect("a built-in board");
        memory(&board).setup.into_iter().flatten().collect()
    }

    #[test]
    fn the_firmware_switches_on_what_the_profile_counts_on() {
        assert_eq!(writes("nano33ble"), [(0x4001_e540, 0, 1)]);
        assert_eq!(writes("stm32f407vg"), [(0x4002_3c00, 7, 0x705)]);
        // Four wait states of the bus are eight cycles; the caches of a Cortex-M7 are off after a reset.
        let h7 = [(0x5200_2000, 0xf, 4), (0xe000_ed14, 0, 0x3_0000)];
        assert_eq!(writes("stm32h743zi"), h7);
        // The cache of the PSoC 62 is on after a reset, and nothing is known of others.
        assert_eq!(writes("psoc62"), [(0x4024_0000, 0xf, 4)]);
        assert_eq!(writes("rpi_pico"), []);
        assert_eq!(writes("nrf5340"), []);
    }
}
