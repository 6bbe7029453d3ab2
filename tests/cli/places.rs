//! Where firmware starts and stops in the emulator, by name or address, what it is given and what it leaves.

use crate::support::{Place, text};
use std::io::Read;

/// Reset: r0 = 0, then count up for ever; functions that add seven, and that keep a number and apply a function.
const COUNTER: &str = "
    .syntax unified
    .cpu cortex-m4
    .thumb
    .word 0x20001000, reset
    .global reset, count, add_seven
    .type reset, %function
reset:
    movs r0, #0
    nop
    .type count, %function
count:
    adds r0, #1
    b count
    .type add_seven, %function
add_seven:
    adds r0, #7
    bx lr
    .type keep_and_apply, %function
keep_and_apply:
    push {lr}
    ldr r2, =result
    str r1, [r2]
    blx r0
    pop {pc}
    .ltorg
    .bss
    .type result, %object
    .size result, 6
result:
    .skip 6
";

/// Assembles it, and links it for two boards.
fn assembled() -> Place {
    let place = Place::new();
    assemble(&place, COUNTER);
    place
}

fn assemble(place: &Place, source: &str) {
    place.file("counter.s", source);
    for (tool, arguments) in [
        ("arm-none-eabi-as", "-o counter.o counter.s"),
        (
            "arm-none-eabi-ld",
            "-e reset -Ttext=0 -Tbss=0x20000010 -o counter.elf counter.o",
        ),
        (
            "arm-none-eabi-ld",
            "-e reset -Ttext=0x8000000 -Tbss=0x20000010 -o other.elf counter.o",
        ),
    ] {
        let done = std::process::Command::new(tool)
            .args(arguments.split(' '))
            .current_dir(place.folder.path())
            .output()
            .unwrap_or_else(|e| panic!("{tool} does not run ({e}): scripts/setup installs it"));
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
}

/// What is printed of `counter.elf` with `--json`.
fn json(place: &Place, arguments: &[&str]) -> serde_json::Value {
    let all = [&["emulate", "counter.elf", "--json"], arguments].concat();
    serde_json::from_str(&place.succeed(&all)).expect("--json prints JSON")
}

#[test]
fn places_have_names_and_counting_starts_where_it_is_told_to() {
    let place = assembled();
    let json = |arguments: &[&str]| json(&place, arguments);
    let called = json(&["--call", "add_seven,35"]);
    assert_eq!(
        (&called["registers"][0], &called["instructions"]),
        (&42.into(), &2.into())
    );
    // From the start, and one turn of the loop alone.
    assert_eq!(json(&["--until", "count"])["instructions"], 2);
    let turn = json(&["--from", "count", "--until", "count"]);
    assert_eq!(
        (&turn["registers"][0], &turn["instructions"]),
        (&1.into(), &2.into())
    );

    // Built for a Cortex-M4, it has nothing that a Cortex-M0+ does not know; but only who says so runs it there.
    let other = [
        "emulate",
        "other.elf",
        "--board",
        "nucleo_g0b1re",
        "--until",
        "count",
    ];
    assert!(place.fail(&other, 2).contains("--any-core"));
    place.succeed(&[&other[..], &["--any-core"]].concat());
    let said = place.fail(&["emulate", "counter.elf", "--until", "seven"], 2);
    assert!(said.contains("add_seven"), "{said}");
    std::fs::write(place.path("raw.bin"), [0, 16, 0, 32, 9, 0, 0, 0, 0, 190])
        .expect("the folder can be written to");
    let said = place.fail(&["emulate", "raw.bin", "--until", "main"], 2);
    assert!(said.contains("no names"), "{said}");
}

#[test]
fn a_place_that_is_not_reached_is_an_error() {
    let place = assembled();
    let short = ["--max-instructions", "1000"];
    for places in [
        &["--until", "add_seven"][..],
        &["--from", "add_seven"],
        &["--until", "add_seven", "--call", "count"],
    ] {
        let all = [&["emulate", "counter.elf"], places, &short].concat();
        let said = place.fail(&all, 1);
        assert!(
            said.contains("add_seven (0x") && said.contains("was not reached"),
            "{said}"
        );
    }
    // Where it starts is reached at once.
    assert_eq!(json(&place, &["--until", "reset"])["instructions"], 0);
    let from = json(&place, &["--from", "reset", "--until", "count"]);
    assert_eq!(from["instructions"], 2);
    let said = place.fail(&["emulate", "counter.elf", "--until", "0x50000000"], 2);
    assert!(said.contains("no code"), "{said}");
}

#[test]
fn functions_get_variables_functions_and_negative_numbers() {
    let place = assembled();
    let called = json(
        &place,
        &[
            "--call",
            "keep_and_apply,add_seven,-2",
            "--poke",
            "0x20000014=0x1234",
            "--dump",
            "result",
            "--dump",
            "0x20000010,2",
        ],
    );
    // The pointer to the function has the bit that says Thumb.
    let pointer = called["registers"][0].as_u64().expect("a register") - 7;
    assert_eq!(pointer % 2, 1);
    assert_eq!(called["ended"]["kind"], "returned");
    assert_eq!(called["failed"], false);
    let dumps = &called["dumps"];
    assert_eq!(dumps[0]["address"], 0x2000_0010);
    assert_eq!(
        dumps[0]["bytes"],
        serde_json::json!([0xfe, 0xff, 0xff, 0xff, 0x34, 0x12])
    );
    assert_eq!(dumps[1]["bytes"], serde_json::json!([0xfe, 0xff]));
    let shown = place.succeed(&[
        "emulate",
        "counter.elf",
        "--call",
        "add_seven,-1",
        "--poke",
        "result=0x21216948",
        "--dump",
        "result",
    ]);
    for part in ["r0 0x00000006", "20000010  48 69 21 21 00 00  ", "Hi!!.."] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    for wrong in [
        ["--dump", "0x2003ffff,2"],
        ["--dump", "nowhere"],
        ["--poke", "0x50000000=1"],
        ["--mmio", "0x20000000=1"],
        ["--base", "0"],
        ["--board", "esp32c3"],
    ] {
        place.fail(&[&["emulate", "counter.elf"], &wrong[..]].concat(), 2);
    }
    let twice = ["--mmio", "0x40000000=1", "--mmio", "0x40000000=2"];
    place.fail(&[&["emulate", "counter.elf"], &twice[..]].concat(), 2);
}

#[test]
fn a_stack_outside_the_boards_ram_is_named_where_it_is_used() {
    let place = assembled();
    assemble(&place, &COUNTER.replace("0x20001000", "0x30000000"));
    let flat = std::process::Command::new("arm-none-eabi-objcopy")
        .args(["-O", "binary", "-j", ".text", "counter.elf", "counter.bin"])
        .current_dir(place.folder.path())
        .status();
    assert!(flat.is_ok_and(|done| done.success()));
    // By address: a raw image has no names.
    let place_of = |name: &str| {
        let there = json(&place, &["--entry", name, "--until", name]);
        there["registers"][15].as_u64().expect("a register")
    };
    let (apply, add_seven) = (place_of("keep_and_apply"), place_of("add_seven"));
    let call = format!("{apply},{},0", add_seven | 1);
    for image in ["counter.elf", "counter.bin"] {
        // Code that needs no stack, as start-up code which sets its own, runs.
        place.succeed(&["emulate", image, "--until", "12"]);
        let said = place.fail(&["emulate", image, "--call", &call], 1);
        assert!(
            said.contains("0x30000000") && said.contains("--sp"),
            "{image}: {said}"
        );
        let given = [
            "emulate",
            image,
            "--call",
            &call,
            "--sp",
            "0x20000800",
            "--json",
        ];
        let given: serde_json::Value =
            serde_json::from_str(&place.succeed(&given)).expect("--json prints JSON");
        assert_eq!(given["registers"][13], 0x2000_0800);
    }
}

#[test]
fn a_reader_who_has_seen_enough_ends_a_trace() {
    let place = assembled();
    let mut traced = place
        .sim(&["emulate", "counter.elf", "--trace"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Nobody reads.
    drop(traced.stderr.take());
    let ended = traced.wait().expect("it ends");
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_pipe_gets_the_stacks_and_is_left_in_its_place() {
    let place = assembled();
    let both = place.succeed(&[
        "emulate",
        "counter.elf",
        "--call",
        "add_seven,1",
        "--profile",
        "--folded",
        "/dev/stdout",
    ]);
    assert!(both.contains("\nadd_seven "), "{both}");
}

#[test]
fn ctrl_c_shows_what_was_counted() {
    let place = assembled();
    let mut child = place
        .sim(&["emulate", "counter.elf", "--trace"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // Once it traces, it listens too.
    let mut traced = child.stderr.take().expect("it is piped");
    let mut said = vec![0];
    traced.read_exact(&mut said).expect("something is traced");
    let asked = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(asked.is_ok_and(|s| s.success()));
    traced.read_to_end(&mut said).expect("it ends");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    let last = text(&said);
    let last = last.lines().last().unwrap_or_default();
    assert!(last.contains("Interrupted"), "{last}");
    assert!(text(&output.stdout).contains("instructions"));
}
