//! Firmware in the emulator, from the command line.

use crate::support::{Place, text};

/// Vector table; MOVS r0, #6; MOVS r1, #7; MULS r0, r1; BKPT 1.
fn raw_image() -> Vec<u8> {
    let words = [0x2000_1000u32, 9, 0x2107_2006, 0xbe01_4348];
    words.map(u32::to_le_bytes).concat()
}

#[test]
fn a_raw_image_runs_and_is_counted() {
    let place = Place::new();
    std::fs::write(place.path("raw.bin"), raw_image()).expect("the folder can be written to");
    let said = place.succeed(&["emulate", "raw.bin", "--board", "nano33ble", "--profile"]);
    for part in ["breakpoint 1", "table + rules + memory", "r0 0x0000002a"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let json = place.succeed(&["emulate", "raw.bin", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("--json prints JSON");
    assert_eq!(json["registers"][0], 42);
    assert!(
        json["instructions"]
            .as_u64()
            .is_some_and(|n| (3..=4).contains(&n)),
        "{json}"
    );
}

#[test]
fn an_endless_loop_ends_at_the_limit() {
    let place = Place::new();
    // B . at the reset vector.
    let image: Vec<u8> = [0x2000_1000u32, 9, 0xe7fe_e7fe]
        .map(u32::to_le_bytes)
        .concat();
    std::fs::write(place.path("loop.bin"), image).expect("the folder can be written to");
    let said = place.fail(&["emulate", "loop.bin", "--max-instructions", "1000"], 1);
    assert!(said.contains("--max-instructions"), "{said}");
}

#[test]
fn what_is_no_image_is_refused() {
    let place = Place::new();
    let elf = std::fs::read(env!("CARGO_BIN_EXE_sim")).expect("the binary can be read");
    for (name, bytes) in [
        ("empty.elf", &[][..]),
        ("cut.elf", &elf[..40]),
        ("other.elf", &elf[..4096]),
    ] {
        std::fs::write(place.path(name), bytes).expect("the folder can be written to");
        let said = place.fail(&["emulate", name], 2);
        assert!(said.contains(name), "{said}");
    }
    place.fail(&["emulate", "nowhere.elf"], 2);
    let output = place.run(&["emulate", "raw.bin", "--mmio", "0x4000"]);
    assert!(text(&output.stderr).contains("ADDR=VALUE"));
}

#[test]
fn an_access_outside_the_board_names_its_address() {
    let place = Place::new();
    // MOVS r0, #1; LSLS r0, r0, #30; LDR r0, [r0]: 0x4000_0000, where nothing is.
    let image: Vec<u8> = [0x2000_1000u32, 9, 0x0780_2001, 0xbe01_6800]
        .map(u32::to_le_bytes)
        .concat();
    std::fs::write(place.path("stray.bin"), image).expect("the folder can be written to");
    let output = place.run(&["emulate", "stray.bin"]);
    let (figures, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("40000000") && said.contains("--mmio"),
        "{said}"
    );
    // Who sees both reads it once.
    assert!(figures.contains("instructions"), "{figures}");
    assert!(!figures.contains("--mmio"), "{figures}");
    let mmio = ["emulate", "stray.bin", "--mmio", "0x40000000=0x2a"];
    assert!(place.succeed(&mmio).contains("r0 0x0000002a"));
}

#[test]
fn intel_hex_is_read_and_damage_names_its_line() {
    let place = Place::new();
    let records = [":10000000001000200900000006200721484301BE1F", ":00000001FF"];
    std::fs::write(place.path("image.hex"), records.join("\n"))
        .expect("the folder can be written to");
    let said = place.succeed(&["emulate", "image.hex"]);
    for part in ["r0 0x0000002a", "multiply"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let damaged = records.join("\n").replace("200900", "200800");
    std::fs::write(place.path("damaged.hex"), damaged).expect("the folder can be written to");
    let said = place.fail(&["emulate", "damaged.hex"], 2);
    assert!(
        said.contains("line 1") && said.contains("checksum"),
        "{said}"
    );
}

#[test]
fn a_uf2_file_for_another_chip_is_refused() {
    let place = Place::new();
    let file = |family: u32| {
        let words = [0x0a32_4655u32, 0x9e5d_5157, 0x2000, 0, 16, 0, 1, family];
        let mut block: Vec<u8> = words.map(u32::to_le_bytes).concat();
        block.extend(raw_image());
        block.resize(508, 0);
        block.extend(0x0ab1_6f30u32.to_le_bytes());
        block
    };
    for (name, family) in [("own.uf2", 0xada5_2840), ("other.uf2", 0xe48b_ff56)] {
        std::fs::write(place.path(name), file(family)).expect("the folder can be written to");
    }
    let said = place.succeed(&["emulate", "own.uf2", "--board", "nano33ble"]);
    assert!(said.contains("r0 0x0000002a"), "{said}");
    let said = place.fail(&["emulate", "other.uf2", "--board", "nano33ble"], 2);
    assert!(
        said.contains("0xe48bff56") && said.contains("0xada52840"),
        "{said}"
    );
}

#[test]
fn a_call_after_start_up_finds_its_variables_and_is_counted_alone() {
    let place = Place::new();
    // reset: movs r2, #1; lsls r2, r2, #29; movs r1, #5; str r1, [r2]; b . (at 16);
    // function (at 18): movs r2, #1; lsls r2, r2, #29; ldr r1, [r2]; adds r0, r0, r1; bx lr.
    let code = [
        0x2201u16, 0x0752, 0x2105, 0x6011, 0xe7fe, 0x2201, 0x0752, 0x6811, 0x1840, 0x4770,
    ];
    let mut image: Vec<u8> = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    std::fs::write(place.path("raw.bin"), image).expect("the folder can be written to");
    let json = place.succeed(&[
        "emulate", "raw.bin", "--until", "16", "--call", "19,37", "--json",
    ]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("--json prints JSON");
    assert_eq!(json["registers"][0], 42, "{json}");
    assert_eq!(json["instructions"], 5);
    let ram = json["memories"].as_array().and_then(|m| m.first()).cloned();
    let ram = ram.expect("the board has RAM");
    assert_eq!((&ram["loads"], &ram["stores"]), (&1.into(), &0.into()));
}

#[test]
fn a_boot_rom_is_read_from_a_file() {
    let place = Place::new();
    // movs r3, #8; ldr r3, [r3]; movs r0, #37; blx r3; bkpt 1.
    let code = [0x2308u16, 0x681b, 0x2025, 0x4798, 0xbe01];
    let mut image: Vec<u8> = [0x2000_1000u32, 0x1000_0009].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    // At 8, where its function lies: adds r0, #5; bx lr.
    let rom = [0u32, 0, 13, 0x4770_3005].map(u32::to_le_bytes).concat();
    for (name, bytes) in [("image.bin", &image), ("rom.bin", &rom)] {
        std::fs::write(place.path(name), bytes).expect("the folder can be written to");
    }
    let here = ["emulate", "image.bin", "--board", "rpi_pico"];
    let said = place.fail(&here, 1);
    assert!(said.contains("--rom"), "{said}");
    let said = place.succeed(&[&here[..], &["--rom", "0=rom.bin"]].concat());
    assert!(said.contains("r0 0x0000002a"), "{said}");
    for wrong in ["0", "0=nowhere.bin", "x=rom.bin", "0x10000004=rom.bin"] {
        place.fail(&[&here[..], &["--rom", wrong]].concat(), 2);
    }
}
