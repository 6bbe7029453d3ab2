//! Files that are whole or not there.
//!
//! All files of a report are first written into a folder beside their final places, then renamed. A full
//! disk or an interruption therefore leaves what was finished before as it was; `run.json`, which names
//! the digests of the others, takes its place last. One process at a time writes into a folder: it holds a
//! lock there, and every other one is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;

/// Names of the folders, inside the report's, that files are staged in begin with this.
const STAGE: &str = ".unfinished";
/// The file, inside the report's folder, that whoever writes into it holds a lock on.
const LOCK: &str = ".lock";

/// The sole right to write into a folder, until it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    dir: PathBuf,
    /// The lock goes with the file: it is released however this process ends.
    _lock: File,
}

impl Claim {
    /// Makes `dir` where it is missing, and claims it.
    pub(crate) fn of(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(|cause| write_error(dir, &cause))?;
        let path = dir.join(LOCK);
        let fail = |cause: std::io::Error| write_error(&path, &cause);
        loop {
            let mut lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
                .map_err(fail)?;
            match lock.try_lock() {
                Ok(()) if is_at(&lock, &path) => {
                    let holder = format!("process {}", std::process::id());
                    lock.set_len(0)
                        .and_then(|()| lock.write_all(holder.as_bytes()))
                        .map_err(fail)?;
                    return Ok(Self {
                        dir: dir.to_owned(),
                        _lock: lock,
                    });
                }
                // The one before removed the file between our opening and our locking it.
                Ok(()) => {}
                // Some network file systems have no locks; then nobody can be refused.
                Err(TryLockError::Error(cause)) if cause.kind() == ErrorKind::Unsupported => {
                    return Ok(Self {
                        dir: dir.to_owned(),
                        _lock: lock,
                    });
                }
                Err(TryLockError::Error(cause)) => return Err(fail(cause)),
                Err(TryLockError::WouldBlock) => {
                    let mut holder = String::new();
                    // What cannot be read stays unsaid: that another process holds it is known.
                    let _ = lock.read_to_string(&mut holder);
                    return Err(Error::Claimed {
                        dir: dir.to_owned(),
                        holder: holder.trim().to_owned(),
                    });
                }
            }
        }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Removed while it is still locked, and only where the next one notices (see `is_at`). A file that stays is locked
        // again.
        if cfg!(unix) {
            let _ = fs::remove_file(self.dir.join(LOCK));
        }
    }
}

/// Whether `file` is the one at `path` still.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let number = |m: fs::Metadata| (m.dev(), m.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(file), Ok(path)) => number(file) == number(path),
        _ => false,
    }
}

/// Elsewhere the file is never removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Files that wait to take their places in `dir`.
pub(crate) struct Stage<'a> {
    dir: &'a Path,
    stage: PathBuf,
    names: Vec<String>,
    /// Set while files move: those that could not are kept.
    keep: bool,
}

impl<'a> Stage<'a> {
    /// Opens a stage in a folder that is claimed. What interrupted processes left there is removed.
    pub(crate) fn open(claim: &'a Claim) -> Result<Self, Error> {
        let dir = claim.dir();
        for entry in fs::read_dir(dir)
            .map_err(|cause| write_error(dir, &cause))?
            .flatten()
        {
            if entry.file_name().to_string_lossy().starts_with(STAGE) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(|cause| write_error(&path, &cause))?;
            }
        }
        let stage = dir.join(format!("{STAGE}-{}", std::process::id()));
        fs::create_dir_all(&stage).map_err(|cause| write_error(&stage, &cause))?;
        Ok(Self {
            dir,
            stage,
            names: Vec::new(),
            keep: false,
        })
    }

    /// Writes `bytes` to be the file `name`; it takes its place in the order of these calls.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let place = self.dir.join(name);
        if place.is_dir() {
            let cause = "a folder is in its place".to_owned();
            return Err(Error::Write { path: place, cause });
        }
        let path = self.stage.join(name);
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&path)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|cause| write_error(&place, &cause))?;
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Moves all files to their places and returns these. Of the files that `stale` names, those that
    /// were not staged are from an earlier report and go.
    pub(crate) fn finish(
        mut self,
        stale: impl IntoIterator<Item = String>,
    ) -> Result<Vec<PathBuf>, Error> {
        self.keep = true;
        let mut written = Vec::with_capacity(self.names.len());
        for name in &self.names {
            let (from, to) = (self.stage.join(name), self.dir.join(name));
            fs::rename(&from, &to).map_err(|cause| Error::Rename {
                from,
                to: to.clone(),
                cause,
            })?;
            written.push(to);
        }
        self.keep = false;
        for name in stale.into_iter().filter(|name| !self.names.contains(name)) {
            let path = self.dir.join(name);
            if path.exists() {
                fs::remove_file(&path).map_err(|cause| write_error(&path, &cause))?;
            }
        }
        Ok(written)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        if !self.keep {
            // A stage that cannot be removed harms nothing: the next run removes it.
            let _ = fs::remove_dir_all(&self.stage);
        }
    }
}

/// Reads the file `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|cause| Error::Read {
        path: path.to_owned(),
        cause,
    })
}

/// SHA-256 of `bytes` in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn write_error(path: &Path, cause: &std::io::Error) -> Error {
    Error::Write {
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}
