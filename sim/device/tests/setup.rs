//! What the firmware does before all else: it writes the registers that the build names.

use sim_device::firmware::Talk;
use sim_device::{Firmware, MOST_WRITES, Memory, Write};
use sim_emulator::{Bank, Emulator, FlashControl, Image, Machine, MemoryTiming, Mode};
use std::path::Path;

/// NVMC ICACHECNF of an nRF52840, and CCR of a Cortex-M7.
const WRITES: [Write; 2] = [(0x4001_e540, 2, 1), (0xe000_ed14, 0, 0x3_0000)];

#[test]
fn caches_are_on_before_the_firmware_serves() {
    let mut setup = [None; MOST_WRITES];
    for (slot, write) in setup.iter_mut().zip(WRITES) {
        *slot = Some(write);
    }
    let memory = Memory {
        flash_origin: 0,
        flash_bytes: 1 << 20,
        program_origin: 128 << 10,
        ram_origin: 0x2000_0000,
        ram_bytes: 256 << 10,
        stack_bytes: 8 << 10,
        setup,
    };
    let firmware = Firmware {
        target: "thumbv7em-none-eabihf",
        memory,
        talk: Talk::Semihosting,
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let elf = firmware.build(&workspace, &folder).expect("it builds");
    let control = |register, reset, instruction_cache, data_cache| FlashControl {
        register,
        reset,
        wait_states: 0,
        cycles: 1,
        prefetch: 0,
        instruction_cache,
        data_cache,
    };
    let machine = Machine {
        flash: vec![Bank::new("flash", memory.flash_origin, memory.flash_bytes)],
        ram: vec![Bank::new("ram", memory.ram_origin, memory.ram_bytes)],
        timing: MemoryTiming {
            controls: vec![
                control(WRITES[0].0, 6, 1, 0),
                control(WRITES[1].0, 0x200, 0x2_0000, 0x1_0000),
            ],
            ..MemoryTiming::default()
        },
        ..Machine::generic("cortex-m7")
    };
    let bytes = std::fs::read(elf).expect("the ELF file can be read");
    let mut emulator = Emulator::new(machine).expect("a machine");
    emulator
        .load(Image::elf(&bytes).expect("an ELF file"))
        .expect("it fits");
    emulator.set_mode(Mode::Time);
    // Its console is at its end, so that it ends too.
    let stop = emulator.run(10_000_000).to_string();
    assert!(stop.contains("exited with code 0"), "{stop}");
    assert_eq!(emulator.flash_register(WRITES[0].0), Some(5));
    assert_eq!(emulator.flash_register(WRITES[1].0), Some(0x3_0200));
}
