//! Lays out the firmware's memory: `memory.x` from the board's regions, which the environment gives.
//!
//! | variable | meaning | default: QEMU's mps2-an386 |
//! |---|---|---|
//! | `SIM_FLASH_ORIGIN`, `SIM_FLASH_LENGTH` | flash | `0x0`, `4M` |
//! | `SIM_RAM_ORIGIN`, `SIM_RAM_LENGTH` | RAM, one run of it | `0x20000000`, `4M` |
//! | `SIM_STACK_LENGTH` | what of the RAM is stack | `8K` |
//! | `SIM_PROGRAM_ORIGIN` | where in flash a Program is looked for | 128 KiB into flash |
//! | `SIM_UART` | feature `serial`: kind (`cmsdk`, `stm32v1`, `stm32v2`, `nrf`), base address, divider | `cmsdk,0x40004000,16` |
//! | `SIM_SETUP` | register writes before all else, each `address:bits to clear:bits to set`, separated by commas | none |
//!
//! For any target but bare metal there is nothing to lay out.

use std::path::PathBuf;
use std::{env, fs};

const VARIABLES: [(&str, &str); 5] = [
    ("SIM_FLASH_ORIGIN", "0x0"),
    ("SIM_FLASH_LENGTH", "4M"),
    ("SIM_RAM_ORIGIN", "0x20000000"),
    ("SIM_RAM_LENGTH", "4M"),
    ("SIM_STACK_LENGTH", "8K"),
];

/// Families of serial ports, in the order of the table in src/uart.rs.
const UARTS: [&str; 4] = ["cmsdk", "stm32v1", "stm32v2", "nrf"];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=firmware.x");
    println!("cargo:rustc-check-cfg=cfg(sim_dwt)");
    let bare = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    if env::var_os("CARGO_FEATURE_EMBEDDED").is_none() || !bare {
        return;
    }
    let mut symbols = String::new();
    for (name, default) in VARIABLES {
        println!("cargo:rerun-if-env-changed={name}");
        let value = env::var(name).unwrap_or_else(|_| default.to_owned());
        symbols += &format!("{name} = {value};\n");
    }
    println!("cargo:rerun-if-env-changed=SIM_PROGRAM_ORIGIN");
    let program =
        env::var("SIM_PROGRAM_ORIGIN").unwrap_or_else(|_| "SIM_FLASH_ORIGIN + 128K".to_owned());
    symbols += &format!("SIM_PROGRAM_ORIGIN = {program};\n");

    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return;
    };
    let target = env::var("TARGET").unwrap_or_default();
    if let Err(error) = fs::write(out.join("memory.x"), symbols) {
        println!("cargo:warning=memory.x cannot be written: {error}");
    }
    let serial = env::var_os("CARGO_FEATURE_SERIAL").is_some();
    for (name, text) in [("setup.rs", Some(setup())), ("uart.rs", serial.then(uart))] {
        match text {
            Some(Some(text)) => {
                if let Err(error) = fs::write(out.join(name), text) {
                    println!("cargo:warning={name} cannot be written: {error}");
                }
            }
            Some(None) => println!(
                "cargo::error=SIM_UART or SIM_SETUP is not of the form that runtime-shared/firmware/build.rs describes."
            ),
            None => {}
        }
    }
    println!("cargo:rustc-env=SIM_TARGET={target}");
    if !target.starts_with("thumbv6m") {
        println!("cargo:rustc-cfg=sim_dwt");
    }
    println!("cargo:rustc-link-search={}", out.display());
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bin=firmware=-T{root}/firmware.x");
    println!("cargo:rustc-link-arg-bin=firmware=--nmagic");
}

/// The serial port as constants.
fn uart() -> Option<String> {
    println!("cargo:rerun-if-env-changed=SIM_UART");
    let port = env::var("SIM_UART").unwrap_or_else(|_| "cmsdk,0x40004000,16".to_owned());
    let (kind, numbers) = port.split_once(',')?;
    let (base, divider) = numbers.split_once(',')?;
    let family = UARTS.iter().position(|name| *name == kind)?;
    Some(format!(
        "const FAMILY: usize = {family};\nconst BASE: u32 = {:#x};\nconst DIVIDER: u32 = {:#x};\n",
        number(base)?,
        number(divider)?
    ))
}

/// Register writes as a constant.
fn setup() -> Option<String> {
    println!("cargo:rerun-if-env-changed=SIM_SETUP");
    let mut setup = String::new();
    let writes = env::var("SIM_SETUP").unwrap_or_default();
    for write in writes.split(',').filter(|write| !write.is_empty()) {
        let numbers: Option<Vec<u32>> = write.split(':').map(number).collect();
        let [address, clear, set] = numbers?.try_into().ok()?;
        setup += &format!("({address:#x}, {clear:#x}, {set:#x}), ");
    }
    Some(format!("const SETUP: &[(u32, u32, u32)] = &[{setup}];\n"))
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}
