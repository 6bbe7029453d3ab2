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

/// A vector table at the start of an STM32's flash, and code behind it.
fn stm32_image(code: &[u16]) -> Vec<u8> {
    let mut image: Vec<u8> = [0x2000_1000u32, 0x0800_0009].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    image
}

#[test]
fn how_flash_is_read_is_shown_set_and_looked_at() {
    let place = Place::new();
    // movw r2, #0x2000; movt r2, #0x4002; movw r3, #0x704; str r3, [r2]; bkpt 0; and the last alone.
    let code = [
        0xf242u16, 0x0200, 0xf2c4, 0x0202, 0xf240, 0x7304, 0x6013, 0xbe00,
    ];
    for (name, code) in [("sets.bin", &code[..]), ("plain.bin", &code[7..])] {
        std::fs::write(place.path(name), stm32_image(code)).expect("the folder can be written to");
    }
    let said = |image: &str, options: &[&str]| {
        let all = [&["emulate", image, "--board", "nucleo_l4r5zi"], options].concat();
        place.succeed(&all)
    };
    let plain = said("plain.bin", &[]);
    let line = "flash: 5 wait states, prefetch off, caches on, as the board's profile says\n";
    assert!(plain.contains(line), "{plain}");
    let sets = said("sets.bin", &["--dump", "0x40022000"]);
    let line = "flash: 4 wait states, prefetch on, caches on, set by the program\n";
    assert!(
        sets.contains(line) && sets.contains("40022000  04 07 00 00"),
        "{sets}"
    );
    let fixed = said("sets.bin", &["--flash", "wait-states=7,caches=off"]);
    let line = "flash: 7 wait states, prefetch on, caches off, set by the command line and by the program\n";
    assert!(fixed.contains(line), "{fixed}");
    let poked = said("plain.bin", &["--poke", "0x40022000=0x201", "--json"]);
    let poked: serde_json::Value = serde_json::from_str(&poked).expect("--json prints JSON");
    let flash = &poked["flash"];
    assert_eq!(
        (&flash["wait_states"], &flash["data_cache"]),
        (&1.into(), &false.into())
    );
    for wrong in [
        ["--mmio", "0x40022000=1"],
        ["--flash", "speed=1"],
        ["--flash", "caches"],
    ] {
        let all = [
            &["emulate", "plain.bin", "--board", "nucleo_l4r5zi"],
            &wrong[..],
        ]
        .concat();
        place.fail(&all, 2);
    }
    let there_is_none = [
        "emulate",
        "plain.bin",
        "--board",
        "nrf5340",
        "--flash",
        "caches=on",
    ];
    place.fail(&there_is_none, 2);
}

#[test]
fn functions_are_called_one_after_the_other_and_the_last_is_counted() {
    let place = Place::new();
    // 8: movs r2, #1; lsls r2, r2, #29; str r0, [r2]; bx lr. 16: movs r2, #1; lsls r2, r2, #29; ldr r1, [r2]; adds r0, r0, r1; bx lr.
    let code = [
        0x2201u16, 0x0752, 0x6010, 0x4770, 0x2201, 0x0752, 0x6811, 0x1840, 0x4770,
    ];
    let mut image: Vec<u8> = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    std::fs::write(place.path("two.bin"), image).expect("the folder can be written to");
    let both = [
        "emulate", "two.bin", "--call", "8,40", "--call", "16,2", "--json",
    ];
    let json: serde_json::Value =
        serde_json::from_str(&place.succeed(&both)).expect("--json prints JSON");
    assert_eq!(
        (&json["registers"][0], &json["instructions"]),
        (&42.into(), &5.into())
    );
    place.fail(&["emulate", "two.bin", "--call", "8,"], 2);
}

#[test]
fn an_image_with_two_vector_tables_starts_by_the_one_that_is_named() {
    let place = Place::new();
    // Both tables lead to code: movs r0, #1; bkpt, and movs r0, #2; bkpt.
    let words = [
        0x2000_1000u32,
        17,
        0x2000_1000,
        21,
        0xbe00_2001,
        0xbe00_2002,
    ];
    let image = words.map(u32::to_le_bytes).concat();
    std::fs::write(place.path("both.bin"), image).expect("the folder can be written to");
    assert!(
        place
            .succeed(&["emulate", "both.bin"])
            .contains("r0 0x00000001")
    );
    let second = ["emulate", "both.bin", "--vectors", "8"];
    assert!(place.succeed(&second).contains("r0 0x00000002"));
    for nowhere in ["16", "0x90000000"] {
        place.fail(&["emulate", "both.bin", "--vectors", nowhere], 2);
    }
}

#[test]
fn a_serial_port_gives_a_file_and_takes_what_is_written() {
    let place = Place::new();
    // movs r2, #1; lsls r2, r2, #30; loop: ldr r0, [r2]; str r0, [r2, #4]; cmp r0, #0; bne loop; bkpt.
    let code = [0x2201u16, 0x0792, 0x6810, 0x6050, 0x2800, 0xd1fb, 0xbe00];
    let mut image: Vec<u8> = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
    for (name, bytes) in [("echo.bin", &image[..]), ("text", b"echo")] {
        std::fs::write(place.path(name), bytes).expect("the folder can be written to");
    }
    let ports = ["--uart", "0x40000000=text", "--uart", "0x40000004"];
    let said = place.succeed(&[&["emulate", "echo.bin", "--json"], &ports[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&said).expect("--json prints JSON");
    assert_eq!(json["output"], "echo\0");
    let twice = ["--uart", "0x40000000", "--mmio", "0x40000000=1"];
    place.fail(&[&["emulate", "echo.bin"], &twice[..]].concat(), 2);
    place.fail(&["emulate", "echo.bin", "--uart", "0x40000000=nowhere"], 2);
}

#[test]
fn what_never_ends_is_named_and_what_has_no_names_is_shown_by_address() {
    let place = Place::new();
    // cpsid i; nop; b .
    let image: Vec<u8> = [0x2000_1000u32, 9, 0xbf00_b672, 0xbe00_e7fe]
        .map(u32::to_le_bytes)
        .concat();
    std::fs::write(place.path("stuck.bin"), image).expect("the folder can be written to");
    let output = place.run(&["emulate", "stuck.bin", "--profile", "--trace"]);
    let (figures, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("loops at 0x0000000c for ever"), "{said}");
    assert!(!said.contains("--max-instructions"), "{said}");
    // The trace has cycles, the profile addresses with instructions.
    assert!(said.contains("         0  00000008  cpsid i"), "{said}");
    assert!(figures.contains("0x0000000a  nop"), "{figures}");
}
