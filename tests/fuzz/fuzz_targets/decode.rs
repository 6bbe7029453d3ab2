//! Any halfwords decode and disassemble: `cargo fuzz run decode`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sim_emulator::timing::{CORE_NAMES, CoreTable};
use sim_emulator::{decode::decode, disassemble};

fuzz_target!(|input: (u16, u16, u32, u8)| {
    let (first, second, address, core) = input;
    let name = CORE_NAMES[usize::from(core) % CORE_NAMES.len()];
    if let Ok(table) = CoreTable::builtin(name) {
        let op = decode(first, second, address & !1, &table.features);
        let _ = disassemble(&op, u32::from(first) << 16 | u32::from(second));
    }
});
