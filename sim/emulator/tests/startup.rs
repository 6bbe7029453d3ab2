//! Start-up code of vendors, and what goes wrong in firmware: a program that waits for ready bits, moves its
//! vector table, handles faults itself, overflows its stack; in every format that images come in.

mod toolchain;

use std::path::{Path, PathBuf};
use std::process::Command;

use sim_emulator::{Alias, Bank, Cause, Emulator, Fault, Image, Machine, Mode, Stop, Unmapped};
use toolchain::{M4_HARD, M33, Target, build, folder, load};

const FLASH: u32 = 0x0800_0000;
const TARGET: Target = Target {
    flash: FLASH,
    ..M4_HARD
};

fn program(directory: &Path, options: &[&str]) -> PathBuf {
    let options = [&["-O1"], options].concat();
    build(directory, &TARGET, "hal.c", &options)
}

fn board(unmapped: Unmapped) -> Machine {
    Machine {
        unmapped,
        aliases: vec![Alias {
            base: 0,
            size: 1 << 20,
            target: FLASH,
        }],
        ..TARGET.machine()
    }
}

fn symbol(emulator: &Emulator, name: &str) -> u32 {
    let symbols = &emulator.image().unwrap().symbols;
    symbols.named(name).expect("the program has it").address
}

fn variable(emulator: &Emulator, name: &str) -> u32 {
    emulator.read_word(symbol(emulator, name)).unwrap()
}

fn fault(stop: Stop) -> Fault {
    match stop {
        Stop::Fault(fault) => *fault,
        other => panic!("{other}"),
    }
}

#[test]
fn ready_bits_come_and_what_is_not_described_is_named() {
    let directory = folder("hal");
    let elf = std::fs::read(program(&directory, &[])).unwrap();

    let (mut emulator, _) = load(board(Unmapped::Fault), &elf);
    let named = fault(emulator.run(1_000_000));
    assert_eq!(named.cause, Cause::UnmappedRead(0x4002_3840));
    assert_eq!(named.function.as_deref(), Some("clock_config"));
    assert!(named.line.is_some_and(|l| l.contains("hal.c:")));

    // Registers that only keep their value never become ready: the program's own time-out ends the wait.
    let (mut emulator, _) = load(board(Unmapped::Register), &elf);
    let error_handler = symbol(&emulator, "error_handler");
    assert_eq!(
        emulator.run_until(error_handler, 50_000_000),
        Stop::Address(error_handler)
    );
    assert_eq!(variable(&emulator, "ticks"), 101);

    let (mut emulator, _) = load(board(Unmapped::Ready), &elf);
    let serial_loop = symbol(&emulator, "serial_loop");
    assert_eq!(
        emulator.run_until(serial_loop, 1_000_000),
        Stop::Address(serial_loop)
    );
    assert_eq!(variable(&emulator, "result"), 6 * 7 + 32);
    assert_eq!(
        variable(&emulator, "room"),
        1 << 5,
        "written through its bit-band alias"
    );
    let touched = emulator.touched_peripherals();
    assert!(
        touched
            .iter()
            .any(|t| t.address == 0x4002_3c00 && t.value == 0x705)
    );

    // After start-up a function is called with all that it needs; only the call is counted.
    emulator.clear_figures();
    emulator.set_mode(Mode::Time);
    let multiply = symbol(&emulator, "multiply");
    let stop = emulator.call(multiply, &[6, 7], 1000).unwrap();
    assert_eq!(stop, Stop::Returned);
    assert_eq!(emulator.core().r[0], 42 + 32);
    assert!(emulator.instructions() < 20 && emulator.cycles().memory < 40);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn faults_go_to_the_program_where_that_is_wanted() {
    let directory = folder("probe");
    let elf = std::fs::read(program(&directory, &["-DPROBE"])).unwrap();
    let (mut emulator, _) = load(board(Unmapped::Ready), &elf);
    let named = fault(emulator.run(1_000_000));
    assert_eq!(named.cause, Cause::UnmappedRead(0x9000_0000));

    let (mut emulator, _) = load(board(Unmapped::Ready), &elf);
    emulator.set_vector_faults(true);
    let serial_loop = symbol(&emulator, "serial_loop");
    assert_eq!(
        emulator.run_until(serial_loop, 1_000_000),
        Stop::Address(serial_loop)
    );
    assert_eq!(variable(&emulator, "faulted"), 1);
    assert_eq!(variable(&emulator, "address"), 0x9000_0000);

    // An undefined instruction goes to the handler of hard faults, which loops; while that runs there is
    // nobody to send another one to.
    let undefined = TARGET.ram + 0x3_0000;
    emulator.write(undefined, &0xde00u16.to_le_bytes()).unwrap();
    emulator.set_entry(undefined).unwrap();
    assert_eq!(emulator.run(10), Stop::InstructionLimit);
    emulator.set_entry(undefined).unwrap();
    assert_eq!(fault(emulator.run(10)).cause, Cause::Undefined);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_stack_that_reaches_the_variables_is_named() {
    let directory = folder("overflow");
    let elf = std::fs::read(program(&directory, &[])).unwrap();
    let deep = |limit: Option<u32>, depth: u32| {
        let (mut emulator, _) = load(board(Unmapped::Ready), &elf);
        let serial_loop = symbol(&emulator, "serial_loop");
        emulator.run_until(serial_loop, 1_000_000);
        if let Some(limit) = limit {
            emulator.set_stack_limit(limit);
        }
        let descend = symbol(&emulator, "descend");
        emulator.call(descend, &[depth], 10_000_000).unwrap()
    };
    // 256 KB of RAM hold about three thousand frames.
    let named = fault(deep(None, 10_000));
    assert!(matches!(named.cause, Cause::StackOverflow(_)), "{named}");
    assert_eq!(named.function.as_deref(), Some("descend"));
    assert!(named.line.is_some());
    assert_eq!(deep(None, 1000), Stop::Returned);
    let limited = fault(deep(Some(TARGET.ram + 0x3_f000), 1000));
    assert!(
        matches!(limited.cause, Cause::StackOverflow(_)),
        "{limited}"
    );
    // Without any limit it overwrites what it meets and leaves the RAM at its lower end.
    let left = fault(deep(Some(0), 10_000));
    assert!(
        matches!(left.cause, Cause::StackOverflow(a) if a < TARGET.ram),
        "{left}"
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn every_format_gives_the_same_run() {
    let directory = folder("formats");
    let elf = program(&directory, &[]);
    let convert = |format: &str| {
        let path = directory.join(format);
        let status = Command::new("arm-none-eabi-objcopy")
            .args(["-O", format])
            .arg(&elf)
            .arg(&path)
            .status()
            .expect("this test needs binutils: apt-get install gcc-arm-none-eabi");
        assert!(status.success());
        std::fs::read(path).unwrap()
    };
    let binary = convert("binary");
    let images = [
        std::fs::read(&elf).unwrap(),
        convert("ihex"),
        uf2(FLASH, &binary),
        binary,
    ];
    let (emulator, _) = load(board(Unmapped::Ready), &images[0]);
    let [serial_loop, result] = ["serial_loop", "result"].map(|name| symbol(&emulator, name));
    let runs = images.map(|image| {
        let (mut emulator, _) = load(board(Unmapped::Ready), &image);
        let stop = emulator.run_until(serial_loop, 1_000_000);
        (stop, emulator.read_word(result).unwrap())
    });
    for run in runs {
        assert_eq!(run, (Stop::Address(serial_loop), 6 * 7 + 32));
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

/// A UF2 file, 256 bytes a block.
fn uf2(base: u32, bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len().div_ceil(256);
    let mut file = Vec::new();
    for (index, piece) in bytes.chunks(256).enumerate() {
        let address = base + 256 * index as u32;
        let (number, count, family) = (index as u32, count as u32, 0);
        let size = piece.len() as u32;
        let header = [
            0x0a32_4655,
            0x9e5d_5157,
            0,
            address,
            size,
            number,
            count,
            family,
        ];
        file.extend(header.iter().flat_map(|w: &u32| w.to_le_bytes()));
        file.extend(piece);
        file.resize(512 * (index + 1) - 4, 0);
        file.extend(0x0ab1_6f30u32.to_le_bytes());
    }
    file
}

#[test]
fn a_vector_table_behind_a_boot_loader_is_found() {
    // 256 bytes that are no vector table, then one; MOVS r0, #7; BKPT 1.
    let mut image = vec![0xa5; 256];
    let words = [0x2000_1000u32, 0x1000_0109, 0xbe01_2007];
    image.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    let machine = Machine {
        flash: vec![Bank::new("flash", 0x1000_0000, 64 << 10)],
        ..Machine::generic("cortex-m0plus")
    };
    let (mut emulator, _) = load(machine, &image);
    assert!(matches!(
        emulator.run(10),
        Stop::Breakpoint { number: 1, .. }
    ));
    assert_eq!(emulator.core().r[0], 7);
}

#[test]
fn the_table_at_the_start_of_flash_counts_whatever_its_stack() {
    // The first table's stack is in flash; its code sets another: movs r0, #1; lsls r0, #29; adds r0, #64; msr msp, r0;
    // push {r0}; bkpt. The second table, behind 256 bytes, has a stack in RAM: bkpt 1.
    let code = [0x2001, 0x0740, 0x3040, 0xf380, 0x8808, 0xb401, 0xbe00];
    let mut image: Vec<u8> = [0x7c0u32, 9].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|h: &u16| h.to_le_bytes()));
    image.resize(256, 0);
    let second = [0x2000_1000u32, 0x109, 0xbe01].map(u32::to_le_bytes);
    image.extend(second.concat());
    let (mut emulator, _) = load(Machine::generic("cortex-m0plus"), &image);
    assert_eq!(emulator.stack_outside(), Some(0x7c0));
    let stop = emulator.run(20);
    assert!(matches!(stop, Stop::Breakpoint { number: 0, .. }), "{stop}");
    assert_eq!(emulator.core().r[13], 0x2000_003c);

    // Code that uses such a stack as it is writes where nothing is, and that is no overflow.
    image[8..10].copy_from_slice(&0xb401u16.to_le_bytes());
    let (mut emulator, _) = load(Machine::generic("cortex-m0plus"), &image);
    assert_eq!(fault(emulator.run(20)).cause, Cause::WriteToFlash(0x7bc));
    // What leads nowhere is refused.
    image[4..8].copy_from_slice(&0x9000_0001u32.to_le_bytes());
    image.truncate(256);
    let mut emulator = Emulator::new(Machine::generic("cortex-m0plus")).unwrap();
    let said = emulator.load(Image::raw(&image, 0).unwrap()).unwrap_err();
    assert!(said.to_string().contains("0x90000001"), "{said}");
}

#[test]
fn a_fault_that_no_handler_can_take_ends_the_run() {
    // cpsid f; udf #1.
    let mut image: Vec<u8> = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    image.extend([0xb671u16, 0xde01].iter().flat_map(|h| h.to_le_bytes()));
    let (mut emulator, _) = load(Machine::generic("cortex-m4f"), &image);
    emulator.set_vector_faults(true);
    assert_eq!(fault(emulator.run(100)).cause, Cause::Undefined);
}

#[test]
fn the_stack_limit_registers_hold() {
    // movw r0, #0xff0; movt r0, #0x2000; msr msplim, r0; push {r0-r3}; push {r0}; b .
    let code = [
        0xf640, 0x70f0, 0xf2c2, 0x0000, 0xf380, 0x880a, 0xb40f, 0xb401, 0xe7fe,
    ];
    let mut image: Vec<u8> = [0x2000_1000u32, 9].map(u32::to_le_bytes).concat();
    image.extend(code.iter().flat_map(|h: &u16| h.to_le_bytes()));
    let mut emulator = Emulator::new(Machine::generic(M33.core)).unwrap();
    emulator.load(Image::raw(&image, 0).unwrap()).unwrap();
    let named = fault(emulator.run(100));
    assert_eq!(named.cause, Cause::StackOverflow(0x2000_0fec));
    assert_eq!(named.pc, 8 + 14);
}

#[test]
fn a_damaged_program_with_sections_and_line_tables_never_panics() {
    let directory = folder("damaged");
    let whole = std::fs::read(program(&directory, &[])).unwrap();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize % below
    };
    let mut accepted = 0;
    for _ in 0..300 {
        let mut damaged = whole.clone();
        for _ in 0..1 + next(8) {
            // Headers and section tables, which decide what is read, lie at the ends; DWARF between.
            let at = match next(3) {
                0 => next(300),
                1 => damaged.len() - 1 - next(2000),
                _ => next(damaged.len()),
            };
            damaged[at] = [0, 0xff, next(256) as u8][next(3)];
        }
        damaged.truncate(damaged.len() - next(2) * next(whole.len()));
        let machine = board(Unmapped::Ready);
        let Ok(image) = Image::read(&damaged, &machine) else {
            continue;
        };
        let mut emulator = Emulator::new(machine).unwrap();
        if emulator.load(image).is_ok() {
            accepted += 1;
            emulator.set_mode(Mode::Profile);
            emulator.run(2_000);
            let lines = sim_emulator::profile::by_line(&emulator);
            assert!(lines.len() <= 2_000);
        }
    }
    assert!(accepted > 10, "some of it still runs");
    std::fs::remove_dir_all(&directory).unwrap();
}
