//! Firmware built by gcc with newlib's start-up: the same output as in QEMU, and the same number of
//! instructions as `-icount` says, to within its resolution.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use sim_emulator::{Bank, Cause, Emulator, Host, Image, Machine, Mode, Stop, profile};

/// Core, compiler options, QEMU's machine, flash, RAM, and instructions to a tick of QEMU's SysTick.
type Target = (
    &'static str,
    &'static [&'static str],
    &'static str,
    u32,
    u32,
    u64,
);

const TARGETS: [Target; 4] = [
    (
        "cortex-m0plus",
        &["-mcpu=cortex-m0plus"],
        "microbit",
        0,
        0x2000_0000,
        0,
    ),
    (
        "cortex-m3",
        &["-mcpu=cortex-m3"],
        "mps2-an385",
        0,
        0x2000_0000,
        40,
    ),
    (
        "cortex-m4f",
        &["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
        "mps2-an386",
        0,
        0x2000_0000,
        40,
    ),
    (
        "cortex-m33",
        &["-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
        "mps2-an505",
        0x1000_0000,
        0x3800_0000,
        50,
    ),
];

struct Capture(Arc<Mutex<Vec<u8>>>);

impl Host for Capture {
    fn write(&mut self, _: u32, bytes: &[u8]) -> usize {
        self.0.lock().unwrap().extend_from_slice(bytes);
        bytes.len()
    }
    fn read(&mut self, _: u32, _: &mut [u8]) -> usize {
        0
    }
    fn command_line(&self) -> &str {
        "program"
    }
}

fn build(target: &Target, directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware");
    let (core, options, _, flash, ram, _) = target;
    let elf = directory.join(format!("{core}.elf"));
    let script = std::fs::read_to_string(source.join("link.ld")).unwrap();
    let script = script
        .replace("FLASH_BASE", &format!("{flash:#x}"))
        .replace("RAM_BASE", &format!("{ram:#x}"));
    let script_path = directory.join(format!("{core}.ld"));
    std::fs::write(&script_path, script).unwrap();
    let status = Command::new("arm-none-eabi-gcc")
        .args(*options)
        .args([
            "-mthumb",
            "-g",
            "-O2",
            "-ffunction-sections",
            "-Wl,--gc-sections",
        ])
        .args([
            "--specs=rdimon.specs",
            "-nostartfiles",
            "-Wl,--no-warn-rwx-segments",
        ])
        .arg(crt("crti.o", options))
        .arg(crt("rdimon-crt0.o", options))
        .arg(source.join("main.c"))
        .arg(crt("crtn.o", options))
        .arg("-T")
        .arg(&script_path)
        .args(["-lm", "-o"])
        .arg(&elf)
        .status()
        .expect("this test needs gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi");
    assert!(status.success(), "{core} does not build");
    elf
}

/// A start-up object of the toolchain.
fn crt(name: &str, options: &[&str]) -> String {
    let output = Command::new("arm-none-eabi-gcc")
        .args(options)
        .args(["-mthumb", &format!("-print-file-name={name}")])
        .output()
        .expect("this test needs gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn in_qemu(machine: &str, elf: &Path) -> String {
    let output = Command::new("qemu-system-arm")
        .args([
            "-M",
            machine,
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            "none",
            "-icount",
            "shift=0",
        ])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf)
        .stdin(Stdio::null())
        .output()
        .expect("this test needs QEMU: apt-get install qemu-system-arm");
    String::from_utf8(output.stdout).unwrap()
}

fn emulator(target: &Target, elf: &Path) -> (Emulator, Arc<Mutex<Vec<u8>>>) {
    let (core, _, _, flash, ram, _) = *target;
    let machine = Machine {
        flash: vec![Bank::new("flash", flash, 256 << 10)],
        ram: vec![Bank::new("ram", ram, 16 << 10)],
        ..Machine::generic(core)
    };
    let image = Image::read(&std::fs::read(elf).unwrap(), &machine).unwrap();
    let mut emulator = Emulator::new(machine).unwrap();
    let written = Arc::new(Mutex::new(Vec::new()));
    emulator.set_host(Box::new(Capture(written.clone())));
    emulator.load(image).unwrap();
    (emulator, written)
}

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
    let directory =
        std::env::temp_dir().join(format!("sim-emulator-firmware-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for target in &TARGETS {
        let elf = build(target, &directory);
        let (mut emulator, written) = emulator(target, &elf);
        let stop = emulator.run(100_000_000);
        assert_eq!(stop, Stop::Exit(0), "{}: {stop}", target.0);
        let ours = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        let theirs = in_qemu(target.2, &elf);
        let without_ticks = |text: &str| {
            text.lines()
                .filter(|l| !l.starts_with("ticks"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(without_ticks(&ours), without_ticks(&theirs), "{}", target.0);
        assert!(ours.contains("calls 101"), "both exceptions were taken");
        if target.5 != 0 {
            let (a, b) = (field(&ours, "ticks "), field(&theirs, "ticks ") * target.5);
            assert!(
                a.abs_diff(b) <= target.5,
                "{}: {a} instructions here, {b} in QEMU",
                target.0
            );
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_profile_names_functions_and_lines_and_a_fault_its_place() {
    let directory =
        std::env::temp_dir().join(format!("sim-emulator-profile-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let target = &TARGETS[2];
    let elf = build(target, &directory);
    let (mut emulator, _) = emulator(target, &elf);
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
