//! Differential test against QEMU: random valid instructions from random states must leave the same state.
//!
//! Each image holds many short blocks. A block loads all registers, flags and FPSCR from random data, runs
//! random instructions, and appends its state to a file by semihosting; at the end the memory that loads
//! and stores used follows. The same image runs in QEMU and here, and the files must be equal.
//!
//! `SIM_EMULATOR_RANDOM` sets how many instructions per core (1,000,000 for the full run).

mod image;
mod patterns;
mod random;
mod registers;

use std::path::Path;
use std::process::{Command, Stdio};

use image::{Board, Program};
use sim_emulator::{Bank, Emulator, Host, Image, Machine, MemoryHost, Mode, Stop, disassemble};

const DEFAULT: u64 = 20_000;

fn boards() -> [Board; 5] {
    let mps2 = |core, qemu, mainline, dsp, fpu, double, v8m| Board {
        core,
        qemu,
        flash: 0,
        flash_size: 4 << 20,
        ram: 0x2000_0000,
        ram_size: 64 << 10,
        mainline,
        dsp,
        fpu,
        double,
        v8m,
    };
    [
        Board {
            flash_size: 256 << 10,
            ram_size: 16 << 10,
            ..mps2(
                "cortex-m0plus",
                "microbit",
                false,
                false,
                false,
                false,
                false,
            )
        },
        mps2("cortex-m3", "mps2-an385", true, false, false, false, false),
        mps2("cortex-m4f", "mps2-an386", true, true, true, false, false),
        mps2("cortex-m7", "mps2-an500", true, true, true, true, false),
        Board {
            flash: 0x1000_0000,
            ram: 0x3800_0000,
            ..mps2("cortex-m33", "mps2-an505", true, true, true, false, true)
        },
    ]
}

/// Collects what the program writes to its one file.
#[derive(Default)]
struct Capture {
    written: std::sync::Arc<std::sync::Mutex<Vec<u8>>>,
}

impl Host for Capture {
    fn write(&mut self, handle: u32, bytes: &[u8]) -> usize {
        assert_eq!(handle, 3, "only the file is written");
        self.written.lock().unwrap().extend_from_slice(bytes);
        bytes.len()
    }
    fn read(&mut self, _: u32, _: &mut [u8]) -> usize {
        0
    }
    fn open(&mut self, _: &str, _: u32) -> Option<u32> {
        Some(3)
    }
    fn close(&mut self, _: u32) -> bool {
        true
    }
}

fn ours(board: &Board, program: &Program) -> Vec<u8> {
    let machine = Machine {
        flash: vec![Bank::new("flash", board.flash, board.flash_size)],
        ram: vec![Bank::new("ram", board.ram, board.ram_size)],
        ..Machine::generic(board.core)
    };
    let mut emulator = Emulator::new(machine).unwrap();
    let capture = Capture::default();
    let written = capture.written.clone();
    emulator.set_host(Box::new(capture));
    emulator
        .load(Image::raw(&program.bytes, board.flash).unwrap())
        .unwrap();
    emulator.set_mode(Mode::Time);
    let stop = emulator.run(100_000_000);
    assert_eq!(stop, Stop::Exit(0), "{}: {stop}", board.core);
    std::mem::take(&mut written.lock().unwrap())
}

fn qemu(board: &Board, program: &Program, directory: &Path, options: &[&str]) -> Vec<u8> {
    let image = directory.join("image.bin");
    std::fs::write(&image, &program.bytes).unwrap();
    let output = directory.join("out.bin");
    let _ = std::fs::remove_file(&output);
    let mut command = Command::new("qemu-system-arm");
    command
        .current_dir(directory)
        .args([
            "-M",
            board.qemu,
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            "none",
        ])
        .args(["-semihosting-config", "enable=on,target=native"])
        .arg("-device")
        .arg(format!(
            "loader,file={},addr={:#x},force-raw=on",
            image.display(),
            board.flash
        ))
        .args(options)
        .stdin(Stdio::null());
    let status = command
        .status()
        .expect("this test needs QEMU: apt-get install qemu-system-arm");
    assert!(status.success(), "{}: QEMU ended with {status}", board.qemu);
    std::fs::read(output).unwrap()
}

/// Names the first block that differs, with its instructions.
fn explain(board: &Board, program: &Program, ours: &[u8], theirs: &[u8]) -> String {
    let size = board.state_words() * 4;
    let at = ours
        .iter()
        .zip(theirs)
        .position(|(a, b)| a != b)
        .unwrap_or(ours.len().min(theirs.len()));
    let block = at / size;
    let Some(listing) = program.listing.get(block) else {
        return format!(
            "{}: memory differs at byte {}",
            board.core,
            at - program.listing.len() * size
        );
    };
    let word = |bytes: &[u8], i: usize| {
        bytes
            .get(block * size + 4 * i..block * size + 4 * i + 4)
            .map_or(0, |b| u32::from_le_bytes(b.try_into().unwrap()))
    };
    let mut text = format!("{}: block {block} differs\n", board.core);
    for &(address, first, second) in listing {
        let features = sim_emulator::timing::CoreTable::builtin(board.core)
            .unwrap()
            .features;
        let op = sim_emulator::decode::decode(first, second, address, &features);
        let encoding = u32::from(first) << 16 | u32::from(second);
        text += &format!(
            "  {address:08x}: {first:04x} {second:04x}  {}\n",
            disassemble(&op, encoding)
        );
    }
    let state = &program.states[block];
    for (i, name) in board.state_names().iter().enumerate() {
        let (a, b) = (word(ours, i), word(theirs, i));
        let before = state.get(name).copied().unwrap_or(0);
        let mark = if a == b { "" } else { "   <-- differs" };
        text += &format!("  {name:>6} before {before:08x} ours {a:08x} QEMU {b:08x}{mark}\n");
    }
    text
}

fn check(index: usize) {
    let board = &boards()[index];
    let wanted = std::env::var("SIM_EMULATOR_RANDOM")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(DEFAULT);
    let first_seed: u64 = std::env::var("SIM_EMULATOR_SEED")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(1);
    let directory = std::env::temp_dir().join(format!(
        "sim-emulator-{}-{}",
        std::process::id(),
        board.core
    ));
    std::fs::create_dir_all(&directory).unwrap();
    let mut done = 0;
    let mut seed = first_seed;
    while done < wanted {
        let program = Program::random(board, seed, wanted - done);
        let (a, b) = (
            ours(board, &program),
            qemu(board, &program, &directory, &[]),
        );
        assert!(a == b, "seed {seed}, {}", explain(board, &program, &a, &b));
        done += program.instructions;
        seed += 1;
    }
    println!("{}: {done} random instructions agree with QEMU", board.core);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn cortex_m0plus_equals_qemu() {
    check(0);
}

#[test]
fn cortex_m3_equals_qemu() {
    check(1);
}

#[test]
fn cortex_m4f_equals_qemu() {
    check(2);
}

#[test]
fn cortex_m7_equals_qemu() {
    check(3);
}

#[test]
fn cortex_m33_equals_qemu() {
    check(4);
}

#[test]
fn registers_of_the_system_equal_qemus() {
    for (index, board) in boards().iter().enumerate() {
        let program = registers::program(board);
        let directory = std::env::temp_dir().join(format!(
            "sim-emulator-registers-{}-{index}",
            std::process::id()
        ));
        std::fs::create_dir_all(&directory).unwrap();
        // Its clock follows the instructions, so that timers are served in time.
        let theirs = qemu(board, &program, &directory, &["-icount", "shift=0"]);
        let ours = ours(board, &program);
        let words = |bytes: &[u8]| -> Vec<String> {
            let words = bytes.chunks(4).take(registers::NOTED);
            words
                .map(|w| format!("{:08x}", u32::from_le_bytes(w.try_into().unwrap())))
                .collect()
        };
        assert_eq!(words(&ours), words(&theirs), "{}", board.core);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}

#[test]
fn a_host_without_files_refuses_them() {
    assert_eq!(MemoryHost::default().open("out.bin", 5), None);
}
