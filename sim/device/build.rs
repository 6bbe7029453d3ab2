//! With the feature `bundled`: puts the firmware images of a folder into the library.
//!
//! `SIM_FIRMWARE_BUNDLE` names the folder, which `scripts/bundle` fills. Its files are named LAYOUT-DIGEST.elf, as
//! `sim_device::firmware` keeps them.

use std::path::PathBuf;
use std::{env, fs};

const VARIABLE: &str = "SIM_FIRMWARE_BUNDLE";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed={VARIABLE}");
    if env::var_os("CARGO_FEATURE_BUNDLED").is_none() {
        return;
    }
    let (Some(folder), Some(out)) = (env::var_os(VARIABLE), env::var_os("OUT_DIR")) else {
        println!(
            "cargo::error={VARIABLE} must name the folder of firmware images: use scripts/bundle."
        );
        return;
    };
    let folder = PathBuf::from(folder);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut images: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "elf"))
        .collect();
    images.sort();
    if images.is_empty() {
        println!(
            "cargo::error=There is no firmware image in {}.",
            folder.display()
        );
    }
    let mut table = String::from("const IMAGES: &[(&str, &[u8])] = &[\n");
    for path in &images {
        println!("cargo:rerun-if-changed={}", path.display());
        let name = path
            .file_stem()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let layout = name
            .rsplit_once('-')
            .map_or(name.as_str(), |(layout, _)| layout);
        table += &format!(
            "    ({layout:?}, include_bytes!({:?})),\n",
            path.display().to_string()
        );
    }
    table += "];\n";
    if let Err(error) = fs::write(PathBuf::from(out).join("bundle.rs"), table) {
        println!("cargo::error=bundle.rs cannot be written: {error}");
    }
}
