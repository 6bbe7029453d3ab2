//! Data sets: found or downloaded, checked against the published digests, and kept as bytes.
//!
//! [`load`] searches the [`Places`] in order, downloads what is nowhere (feature `download`), and hands
//! out a [`Dataset`] only when every file is byte for byte the published one. It never prints: what
//! happens is told to an [`Observer`]. A run whose config names a [`Fallback`] may go on with drawn digits
//! where the data cannot be had; [`Loaded`] then says so, and why.

mod acquire;
mod cifar;
mod content;
#[cfg(feature = "download")]
mod download;
mod error;
mod event;
mod images;
mod inventory;
mod mnist;
mod normalise;
mod places;
mod split;
pub mod strokes;
mod table;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use error::Error;
pub use event::{Event, Observer};
pub use images::{Dataset, Images, Shape};
pub use inventory::{State, Status, fetch, list};
pub use normalise::{Affine, Normalisation, Normaliser};
pub use places::{DATA_DIR_VARIABLE, Places};
pub use split::Split;
pub use table::{Archive, DataSet, Entry, FileSpec, Format, Origin};

/// What a run may go on with where its data set cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// [`DataSet::Strokes`], drawn by the crate itself.
    Strokes,
}

impl From<Fallback> for DataSet {
    fn from(fallback: Fallback) -> Self {
        match fallback {
            Fallback::Strokes => Self::Strokes,
        }
    }
}

/// What a run wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// The data set.
    pub set: DataSet,
    /// Whether files that are in no place may be downloaded.
    pub download: bool,
    /// What to take instead where the data set is absent. A damaged file is an error all the same.
    pub fallback: Option<Fallback>,
}

/// A data set, and whether it is the one that was asked for. `Display` is the report's first line.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The data.
    pub data: Arc<Dataset>,
    /// The data set asked for.
    pub asked: DataSet,
    /// Why other data than those asked for are used; `None` if they are those.
    pub why: Option<String>,
}

impl Loaded {
    /// Whether other data than those asked for are used.
    pub fn is_fallback(&self) -> bool {
        self.why.is_some()
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            None => f.write_str(&self.data.provenance),
            Some(why) => write!(
                f,
                "NOT {} but {}. The data set asked for could not be had: {why}",
                self.asked, self.data.provenance
            ),
        }
    }
}

/// Has a data set: from the places, from its publisher, or, where the request allows it, its fallback.
///
/// # Errors
/// Any of [`Error`]; those that [`Error::is_absence`] only without a fallback.
pub fn load(
    request: Request,
    places: &Places,
    observe: &mut Observer<'_>,
) -> Result<Loaded, Error> {
    let asked = request.set;
    let (data, why) = match (
        acquire::dataset(asked, request.download, places, observe),
        request,
    ) {
        (Ok(data), _) => (data, None),
        (
            Err(error),
            Request {
                fallback: Some(fallback),
                ..
            },
        ) if error.is_absence() => {
            let data = acquire::dataset(fallback.into(), false, places, observe)?;
            (data, Some(error.to_string()))
        }
        (Err(error), _) => return Err(error),
    };
    Ok(Loaded {
        data: Arc::new(data),
        asked,
        why,
    })
}
