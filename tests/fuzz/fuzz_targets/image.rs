//! Any bytes load or are refused, and run to a stop: `cargo fuzz run image`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_emulator::{Bank, Emulator, Image, Machine};

fuzz_target!(|bytes: &[u8]| {
    let machine = Machine {
        flash: vec![Bank::new("flash", 0, 64 << 10)],
        ram: vec![Bank::new("ram", 0x2000_0000, 16 << 10)],
        ..Machine::generic("cortex-m4f")
    };
    let Ok(image) = Image::read(bytes, &machine) else { return };
    let Ok(mut emulator) = Emulator::new(machine) else { return };
    if emulator.load(image).is_ok() {
        emulator.run(10_000);
    }
});
