//! A lock on a file, so that two processes never do the same work into one place.
//!
//! The operating system releases it when its process ends, however that ends: nothing is left behind that a person would
//! have to remove.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a lock that another process holds is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Locks the file at `path`, which is made where it is missing. While another process holds it, `tick` is asked every
    /// tenth of a second, after `busy` was called once; `None` where `tick` gives up.
    ///
    /// # Errors
    /// What the operating system says where the file cannot be made.
    pub fn wait(
        path: &Path,
        busy: impl FnOnce(),
        tick: &dyn Fn() -> ControlFlow<()>,
    ) -> std::io::Result<Option<Self>> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        let mut busy = Some(busy);
        loop {
            match file.try_lock() {
                Ok(()) => {
                    let path = path.to_owned();
                    return Ok(Some(Self { file, path }));
                }
                // Some network file systems have no locks. What is guarded is written whole or not at all, so that without
                // one the same work is done twice at worst.
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                    tracing::warn!(path = %path.display(), "the file system has no locks");
                    let path = path.to_owned();
                    return Ok(Some(Self { file, path }));
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {}
            }
            if let Some(busy) = busy.take() {
                busy();
            }
            if tick().is_break() {
                return Ok(None);
            }
            std::thread::sleep(RETRY);
        }
    }

    /// Removes the file, and releases it: what it guarded is done. Whoever opened it before gets the lock on a file
    /// without a name, and must look whether there is anything left to do.
    pub fn remove(self) {
        // Best effort: a lock file that stays is locked again by the next process.
        let _ = std::fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn the_second_is_told_and_gets_it_when_the_first_lets_go() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep").join("lock");
        let free = || ControlFlow::Continue(());
        let first = Lock::wait(&path, || panic!("nobody holds it"), &free);
        let first = Cell::new(first.expect("it is made"));
        let told = Cell::new(0);
        let release = || {
            drop(first.take());
            ControlFlow::Continue(())
        };
        let second = Lock::wait(&path, || told.set(told.get() + 1), &release);
        assert!(second.expect("it is there").is_some());
        assert_eq!(told.get(), 1);
    }

    #[test]
    fn whoever_is_interrupted_does_not_get_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        let first = Lock::wait(&path, || {}, &|| ControlFlow::Continue(()));
        assert!(first.as_ref().is_ok_and(Option::is_some));
        let second = Lock::wait(&path, || {}, &|| ControlFlow::Break(()));
        assert!(second.expect("it is there").is_none());
    }
}
