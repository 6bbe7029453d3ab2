//! Programs built by gcc with newlib, and what they print in QEMU. Each test uses a part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use sim_emulator::{Bank, Emulator, Host, Image, Machine};

/// A core with the compiler's options, the QEMU machine that has it (or one that can do more), and where that
/// has flash and RAM.
#[derive(Clone, Copy)]
pub struct Target {
    pub core: &'static str,
    pub options: &'static [&'static str],
    pub machine: &'static str,
    pub flash: u32,
    pub ram: u32,
}

pub const M0PLUS: Target = Target {
    core: "cortex-m0plus",
    options: &["-mcpu=cortex-m0plus"],
    machine: "mps2-an385",
    flash: 0,
    ram: 0x2000_0000,
};
pub const M3: Target = Target {
    core: "cortex-m3",
    options: &["-mcpu=cortex-m3"],
    ..M0PLUS
};
pub const M4_SOFT: Target = Target {
    core: "cortex-m4f",
    options: &["-mcpu=cortex-m4", "-mfloat-abi=soft"],
    machine: "mps2-an386",
    ..M0PLUS
};
pub const M4_SOFTFP: Target = Target {
    options: &["-mcpu=cortex-m4", "-mfloat-abi=softfp", "-mfpu=fpv4-sp-d16"],
    ..M4_SOFT
};
pub const M4_HARD: Target = Target {
    options: &["-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"],
    ..M4_SOFT
};
pub const M7: Target = Target {
    core: "cortex-m7",
    options: &["-mcpu=cortex-m7", "-mfloat-abi=hard", "-mfpu=fpv5-d16"],
    machine: "mps2-an500",
    ..M0PLUS
};
pub const M33: Target = Target {
    core: "cortex-m33",
    options: &["-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"],
    machine: "mps2-an505",
    flash: 0x1000_0000,
    ram: 0x3800_0000,
};

/// Flash and RAM that programs are linked for.
pub const FLASH_BYTES: u32 = 1 << 20;
pub const RAM_BYTES: u32 = 256 << 10;

/// What a program wrote.
pub type Written = Arc<Mutex<Vec<u8>>>;

struct Capture(Written);

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

impl Target {
    /// The memories that programs are linked for.
    pub fn machine(&self) -> Machine {
        Machine {
            flash: vec![Bank::new("flash", self.flash, FLASH_BYTES)],
            ram: vec![Bank::new("ram", self.ram, RAM_BYTES)],
            ..Machine::generic(self.core)
        }
    }
}

/// A machine with the program loaded, and what it will write.
pub fn load(machine: Machine, image: &[u8]) -> (Emulator, Written) {
    let image = Image::read(image, &machine).unwrap();
    let mut emulator = Emulator::new(machine).unwrap();
    let written = Written::default();
    emulator.set_host(Box::new(Capture(written.clone())));
    emulator.load(image).unwrap();
    (emulator, written)
}

/// A folder of this test's own.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("sim-emulator-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Compiles a program with start-up code and the semihosting variant of the C library.
pub fn build(directory: &Path, target: &Target, program: &str, options: &[&str]) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware");
    let script = std::fs::read_to_string(source.join("link.ld"))
        .unwrap()
        .replace("FLASH_BASE", &format!("{:#x}", target.flash))
        .replace("RAM_BASE", &format!("{:#x}", target.ram))
        .replace("256K", "1M")
        .replace("16K", "256K");
    let script_path = directory.join("link.ld");
    std::fs::write(&script_path, script).unwrap();
    let elf = directory.join("program.elf");
    let compiler = if program.ends_with("cpp") {
        "arm-none-eabi-g++"
    } else {
        "arm-none-eabi-gcc"
    };
    let object = |name: &str, language: &str, extra: &[&str]| {
        let path = directory.join(format!("{name}.o"));
        let mut command = Command::new(if language == "c++" {
            compiler
        } else {
            "arm-none-eabi-gcc"
        });
        let status = command
            .args(target.options)
            .args(["-mthumb", "-g", "-c", "-x", language])
            .args(options.iter().filter(|o| !o.starts_with("--specs")))
            .args(extra)
            .arg(source.join(name))
            .arg("-o")
            .arg(&path)
            .status()
            .expect("this test needs gcc: apt-get install gcc-arm-none-eabi");
        assert!(status.success(), "{name} for {} {options:?}", target.core);
        path
    };
    let (language, extra): (&str, &[&str]) = match program {
        "library.cpp" => ("c++", &[]),
        _ => ("c", &["-DOWN_VECTORS"]),
    };
    let status = Command::new(compiler)
        .args(target.options)
        .args([
            "-mthumb",
            "-g",
            "-nostartfiles",
            "-Wl,--gc-sections,--no-warn-rwx-segments",
        ])
        .args(options)
        .arg(library_object("crti.o", target.options))
        .arg(library_object("crtbegin.o", target.options))
        .arg(library_object("rdimon-crt0.o", target.options))
        .arg(object("start.c", "c", extra))
        .arg(object(program, language, &[]))
        .arg(library_object("crtend.o", target.options))
        .arg(library_object("crtn.o", target.options))
        .args(["--specs=rdimon.specs", "-lm"])
        .arg("-T")
        .arg(&script_path)
        .arg("-o")
        .arg(&elf)
        .status()
        .expect(
            "this test needs gcc: apt-get install gcc-arm-none-eabi libstdc++-arm-none-eabi-newlib",
        );
    assert!(
        status.success(),
        "{program} for {} {options:?}",
        target.core
    );
    elf
}

/// A start-up object of the toolchain.
fn library_object(name: &str, options: &[&str]) -> String {
    let output = Command::new("arm-none-eabi-gcc")
        .args(options)
        .args(["-mthumb", &format!("-print-file-name={name}")])
        .output()
        .expect("this test needs gcc: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// What a program writes in QEMU, and the code with which it exits.
pub fn in_qemu(machine: &str, elf: &Path) -> (String, Option<i32>) {
    let output = Command::new("qemu-system-arm")
        .args([
            "-M",
            machine,
            "-nographic",
            "-monitor",
            "none",
            "-serial",
            "none",
        ])
        .args(["-icount", "shift=0"])
        .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
        .arg(elf)
        .stdin(Stdio::null())
        .output()
        .expect("this test needs QEMU: apt-get install qemu-system-arm");
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    (written, output.status.code())
}
