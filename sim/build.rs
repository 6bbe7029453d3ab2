//! A fingerprint of the code that decides results, for the keys of what is cached.
//!
//! Checkpoints and finished parts may only be reused by the code that made them. A version number does not say that: a
//! kernel changes many times between two versions. So the fingerprint is a digest of the sources themselves.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folders with the sources that decide results, from this package's folder.
const SOURCES: [&str; 8] = [
    "../runtime-shared/core/src",
    "../runtime-shared/kernels/src",
    "../experiments/src",
    "compiler/src",
    "emulator/src",
    "import/src",
    "measure/src",
    "src",
];

/// Versions and features of what these are built with.
const MANIFESTS: [&str; 2] = ["../Cargo.toml", "../Cargo.lock"];

fn main() -> io::Result<()> {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?);
    let mut files = Vec::new();
    for folder in SOURCES {
        println!("cargo:rerun-if-changed={folder}");
        collect(&package, Path::new(folder), &mut files)?;
    }
    for file in MANIFESTS {
        println!("cargo:rerun-if-changed={file}");
        if package.join(file).is_file() {
            files.push(PathBuf::from(file));
        }
    }
    // The order of a folder's entries depends on the file system.
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let bytes = fs::read(package.join(&file))?;
        let name = file.to_string_lossy().replace('\\', "/");
        for part in [name.as_bytes(), bytes.as_slice()] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    let hex: String = digest
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    println!("cargo:rustc-env=SIM_CODE_FINGERPRINT={}", &hex[..32]);
    Ok(())
}

/// Adds the Rust sources, assembly and manifests below `folder`. A folder that is not there is an error: it was renamed, and
/// this list was not.
fn collect(package: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = fs::read_dir(package.join(folder))
        .map_err(|e| io::Error::other(format!("{}: {e}", folder.display())))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(package, &path, files)?;
        } else if path
            .extension()
            .is_some_and(|e| e == "rs" || e == "s" || e == "toml")
        {
            files.push(path);
        }
    }
    Ok(())
}
