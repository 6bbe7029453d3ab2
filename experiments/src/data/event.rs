//! What happens while a data set is being had, for a progress bar or a log.

use std::path::Path;

use super::table::DataSet;

/// One step of looking for, getting or checking a file.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A folder is searched for a file.
    Looking {
        /// The file, without a compression suffix.
        file: &'a str,
        /// The folder.
        place: &'a Path,
    },
    /// The file is there.
    Found {
        /// Its path, with its compression suffix if it has one.
        path: &'a Path,
    },
    /// A compressed file is being unpacked into the cache folder.
    Unpacking {
        /// The compressed file.
        path: &'a Path,
    },
    /// The content is the published one.
    Verified {
        /// The unpacked file.
        path: &'a Path,
        /// Its sha256, in hex.
        sha256: &'a str,
    },
    /// Bytes have arrived.
    Downloading {
        /// The file or archive.
        name: &'a str,
        /// Bytes so far.
        done: u64,
        /// Bytes in all, where the server says.
        total: Option<u64>,
    },
    /// One address failed; the next one is tried.
    Failed {
        /// The address.
        url: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// The data set is being drawn by the crate itself.
    Generating {
        /// The data set.
        set: DataSet,
    },
}

/// Takes the events of a load, in order.
pub type Observer<'a> = dyn FnMut(Event<'_>) + 'a;
