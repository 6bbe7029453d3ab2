//! Files that are whole or not there.
//!
//! All files of a report are first written into a folder beside their final places, then renamed. A full
//! disk or an interruption therefore leaves what was finished before as it was; `run.json`, which names
//! the digests of the others, takes its place last.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;

/// The folder, inside the report's, that files are staged in.
const STAGE: &str = ".unfinished";

/// Files that wait to take their places in `dir`.
pub(crate) struct Stage {
    dir: PathBuf,
    stage: PathBuf,
    names: Vec<String>,
    /// Set while files move: those that could not are kept.
    keep: bool,
}

impl Stage {
    /// Opens a stage in `dir`, which is made where it is missing. What an interrupted run left is removed.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let stage = dir.join(STAGE);
        if stage.exists() {
            fs::remove_dir_all(&stage).map_err(|cause| write_error(&stage, &cause))?;
        }
        fs::create_dir_all(&stage).map_err(|cause| write_error(&stage, &cause))?;
        Ok(Self {
            dir: dir.to_owned(),
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
            let mut file = fs::File::create(&path)?;
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

impl Drop for Stage {
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
