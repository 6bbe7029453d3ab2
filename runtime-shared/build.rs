//! Lays out the firmware's memory: `memory.x` from the board's regions, which the environment gives.
//!
//! | variable | meaning | default: QEMU's mps2-an386 |
//! |---|---|---|
//! | `SIM_FLASH_ORIGIN`, `SIM_FLASH_LENGTH` | flash | `0x0`, `4M` |
//! | `SIM_RAM_ORIGIN`, `SIM_RAM_LENGTH` | RAM, one run of it | `0x20000000`, `4M` |
//! | `SIM_STACK_LENGTH` | what of the RAM is stack | `8K` |
//! | `SIM_PROGRAM_ORIGIN` | where in flash a Program is looked for | 128 KiB into flash |
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
    println!("cargo:rustc-env=SIM_TARGET={target}");
    if !target.starts_with("thumbv6m") {
        println!("cargo:rustc-cfg=sim_dwt");
    }
    println!("cargo:rustc-link-search={}", out.display());
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo:rustc-link-arg-bin=firmware=-T{root}/firmware.x");
    println!("cargo:rustc-link-arg-bin=firmware=--nmagic");
}
