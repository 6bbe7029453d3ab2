//! Where checkpoints and finished parts of unfinished runs are kept between two commands.

use crate::failure::Failure;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

/// Digest of the sources that decide results (see `build.rs`). What they computed is kept under keys that hold it, so that
/// changed code never takes the results of other code for its own.
pub const CODE: &str = env!("SIM_CODE_FINGERPRINT");

/// Names the folder, for this user or this machine.
pub const CACHE_DIR_VARIABLE: &str = "SIM_CACHE_DIR";

/// `SIM_CACHE_DIR`, or `sim` in `XDG_CACHE_HOME` or `~/.cache`, or in the folder of temporary files where
/// none of these is known.
pub fn folder() -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    variable(CACHE_DIR_VARIABLE).unwrap_or_else(|| {
        variable("XDG_CACHE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("sim")
    })
}

/// Writes `bytes` to `path` through a temporary file, so that no reader ever sees half of it. A pipe or a device is
/// written to as it is: it must not be replaced.
///
/// # Errors
/// [`Failure::Write`].
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fail = |source| Failure::Write {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        return std::fs::write(path, bytes).map_err(fail);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    // Processes of several machines may share the folder, and have the same number.
    let unique = RandomState::new().build_hasher().finish();
    let part = path.with_extension(format!("{unique:016x}.part"));
    let written = std::fs::write(&part, bytes).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|source| {
        // Best effort: the disk may be full, and what matters is said already.
        let _ = std::fs::remove_file(&part);
        fail(source)
    })
}

/// Makes `folder` and tries whether files can be written there, before hours are spent on what should go there.
///
/// # Errors
/// [`Failure::Write`].
pub fn try_folder(folder: &Path) -> Result<(), Failure> {
    let probe = folder.join(format!(".{}.probe", std::process::id()));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, b"sim"))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|source| Failure::Write {
            path: folder.to_owned(),
            source,
        })
}
