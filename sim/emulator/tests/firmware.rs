//! Firmware built by gcc with newlib's start-up: the same output as in QEMU, and the same number of
//! instructions as `-icount` says, to within its resolution.

mod toolchain;

use sim_emulator::{Cause, Emulator, Image, Mode, Stop, profile};
use toolchain::{M0PLUS, M3, M4_HARD, M33, Target, build, folder, in_qemu, load};

/// With the instructions to a tick of QEMU's SysTick: its machines count at 25 MHz, or 20 MHz, and take one
/// nanosecond an instruction.
const TARGETS: [(Target, u64); 4] = [(M0PLUS, 40), (M3, 40), (M4_HARD, 40), (M33, 50)];

fn field(text: &str, name: &str) -> u64 {
    let from = text
        .find(name)
        .unwrap_or_else(|| panic!("no `{name}` in {text}"))
        + name.len();
    text[from..]
        .split_whitespace()
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn programs_print_what_they_print_in_qemu() {
    let directory = folder("firmware");
    for (target, tick) in &TARGETS {
        let elf = build(&directory, target, "main.c", &["-O2"]);
        let (mut emulator, written) = load(target.machine(), &std::fs::read(&elf).unwrap());
        let stop = emulator.run(100_000_000);
        assert_eq!(stop, Stop::Exit(0), "{}: {stop}", target.core);
        let ours = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let (theirs, _) = in_qemu(target.machine, &elf);
        let without_ticks = |text: &str| {
            text.lines()
                .filter(|l| !l.starts_with("ticks"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(
            without_ticks(&ours),
            without_ticks(&theirs),
            "{}",
            target.core
        );
        assert!(ours.contains("calls 101"), "both exceptions were taken");
        let (a, b) = (field(&ours, "ticks "), field(&theirs, "ticks ") * tick);
        assert!(
            a.abs_diff(b) <= *tick,
            "{}: {a} instructions here, {b} in QEMU",
            target.core
        );
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn firmware_for_another_core_is_refused_before_it_runs() {
    let directory = folder("another-core");
    let elf = std::fs::read(build(&directory, &M4_HARD, "main.c", &["-O2"])).unwrap();
    let refusal = |target: &Target| {
        let mut emulator = Emulator::new(target.machine()).unwrap();
        emulator.load(Image::elf(&elf).unwrap())
    };
    for target in [&M0PLUS, &M3] {
        let said = refusal(target).unwrap_err().to_string();
        assert!(said.contains("ARMv7E-M with an FPv4 unit"), "{said}");
        assert!(said.contains(target.core), "{said}");
    }
    assert!(refusal(&M4_HARD).is_ok());
    std::fs::remove_dir_all(&directory).unwrap();
}

/// Each function's own cycles are the same in stacks and by function.
fn assert_own_cycles(folded: &str, functions: &[profile::Row]) {
    let mut own = std::collections::BTreeMap::new();
    for line in folded.lines() {
        let (stack, cycles) = line.rsplit_once(' ').unwrap();
        let name = stack.rsplit(';').next().unwrap();
        *own.entry(name).or_insert(0) += cycles.parse::<u64>().unwrap();
    }
    for row in functions.iter().filter(|row| row.counts.cycles > 0) {
        let stacks = own.remove(row.name.replace(';', ":").as_str());
        assert_eq!(stacks, Some(row.counts.cycles), "{}", row.name);
    }
    assert!(own.is_empty(), "{own:?}");
}

#[test]
fn stacks_and_functions_agree_over_tasks_handlers_and_tail_calls() {
    let directory = folder("stacks");
    for (target, program, options) in [
        (&M3, "tasks.c", &["-O2"][..]),
        (&M4_HARD, "main.c", &["-O2", "-foptimize-sibling-calls"]),
        (&M0PLUS, "library.cpp", &["-Os"]),
        (&M33, "library.cpp", &["-O2"]),
    ] {
        let elf = build(&directory, target, program, options);
        let (mut emulator, _) = load(target.machine(), &std::fs::read(&elf).unwrap());
        emulator.set_mode(Mode::Profile);
        assert!(matches!(emulator.run(100_000_000), Stop::Exit(_)));
        let folded = profile::folded(&emulator);
        assert_own_cycles(&folded, &profile::by_function(&emulator));
        if program == "tasks.c" {
            // Nobody calls a handler.
            assert!(
                folded.lines().any(|l| l.starts_with("systick_handler ")),
                "{folded}"
            );
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_profile_names_functions_and_lines_and_a_fault_its_place() {
    let directory = folder("profile");
    let elf = build(&directory, &M4_HARD, "main.c", &["-O2"]);
    let (mut emulator, _) = load(M4_HARD.machine(), &std::fs::read(&elf).unwrap());
    emulator.set_mode(Mode::Profile);
    assert_eq!(emulator.run(100_000_000), Stop::Exit(0));
    let functions = profile::by_function(&emulator);
    assert!(
        functions
            .iter()
            .any(|r| r.name == "qsort" && r.counts.cycles > 0),
        "{functions:?}"
    );
    let total: u64 = functions.iter().map(|r| r.counts.cycles).sum();
    assert_eq!(
        total + 2 * (12 + 10),
        emulator.cycles().memory,
        "all but the two exceptions' entry and return"
    );
    assert!(
        profile::by_line(&emulator)
            .iter()
            .any(|r| r.name.contains("main.c:"))
    );
    let folded = profile::folded(&emulator);
    assert_own_cycles(&folded, &functions);
    assert!(folded.lines().any(|l| l.contains("main;qsort")), "{folded}");
    assert!(profile::flame_graph(&folded, "test").contains("qsort"));

    // A fault in a known function: memcpy to flash.
    let symbols = Image::elf(&std::fs::read(&elf).unwrap()).unwrap().symbols;
    let checksum = symbols
        .named("checksum")
        .or_else(|| symbols.named("ascending"))
        .unwrap()
        .address;
    let stop = emulator
        .call(checksum | 1, &[0x7000_0000, 0x7000_0000], 1000)
        .unwrap();
    let Stop::Fault(fault) = stop else {
        panic!("{stop}")
    };
    assert_eq!(fault.cause, Cause::UnmappedRead(0x7000_0000));
    assert!(
        fault.function.is_some() && fault.line.as_deref().is_some_and(|l| l.contains("main.c:")),
        "{fault}"
    );
    std::fs::remove_dir_all(&directory).unwrap();
}
