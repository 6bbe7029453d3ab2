//! Everything that can be wrong with a data set, and what to do about it.

use std::path::PathBuf;

use super::table::DataSet;

/// Why a data set could not be had, or a part of it not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No place holds the file, and it was not to be downloaded.
    #[error(
        "The file {file} of the data set {set} is in none of the places looked at ({}). \
         Point SIM_DATA_DIR or --data at a folder that holds it, or run `sim data fetch {set}`.",
        list(looked)
    )]
    Missing {
        /// The data set asked for.
        set: DataSet,
        /// The file that is not there, without a compression suffix.
        file: &'static str,
        /// The folders looked at, in order.
        looked: Vec<PathBuf>,
    },
    /// The file ends too early.
    #[error(
        "The file {} is cut short: it should hold {expected} bytes and holds {found}. \
         Delete it and get it anew.", path.display()
    )]
    Truncated {
        /// The damaged file.
        path: PathBuf,
        /// Bytes that it should hold, unpacked.
        expected: u64,
        /// Bytes that it does hold.
        found: u64,
    },
    /// The file goes on after its end.
    #[error(
        "The file {} is longer than the {expected} bytes it should hold. \
         Replace it with the published file.", path.display()
    )]
    Oversize {
        /// The file.
        path: PathBuf,
        /// Bytes that it should hold, unpacked.
        expected: u64,
    },
    /// Size and header are right, the content is not.
    #[error(
        "The file {} is not the published one: its sha256 should be {expected} and is {found}. \
         Delete it and get it anew.", path.display()
    )]
    Digest {
        /// The file.
        path: PathBuf,
        /// Published sha256, in hex.
        expected: String,
        /// Its own sha256, in hex.
        found: String,
    },
    /// The file is of another kind altogether.
    #[error(
        "The file {} does not start with the magic number {expected:#010x} but with {found:#010x}, \
         so it is not an IDX file of that kind. Replace it with the published file.", path.display()
    )]
    Magic {
        /// The file.
        path: PathBuf,
        /// The magic number of the kind of file expected there.
        expected: u32,
        /// What stands in its place.
        found: u32,
    },
    /// The header promises other counts or dimensions than the data set has.
    #[error(
        "The header of {} says {found}, where this data set has {expected}. \
         Replace it with the published file.", path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Counts and dimensions of the published file.
        expected: String,
        /// Counts and dimensions stated.
        found: String,
    },
    /// A sound file under the name of another, such as labels where images should be.
    #[error(
        "The file {} should hold {expected} but holds {found}: two files were mixed up. \
         Give each the name under which it was published.", path.display()
    )]
    MixedUp {
        /// The file.
        path: PathBuf,
        /// What its name promises.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The compressed file cannot be unpacked.
    #[error("The file {} cannot be unpacked ({reason}). Delete it and get it anew.", path.display())]
    Unpack {
        /// The compressed file.
        path: PathBuf,
        /// What the decoder says.
        reason: String,
    },
    /// A label is outside the classes of the data set.
    #[error(
        "Record {index} of {} has the label {label}, but there are only {classes} classes. \
         Replace it with the published file.", path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// Index of the record, from 0.
        index: usize,
        /// The label found.
        label: u8,
        /// Number of classes of the set.
        classes: usize,
    },
    /// The operating system refuses to read.
    #[error("The file {} cannot be read ({source}). Check its permissions.", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The operating system refuses to write.
    #[error(
        "The file {} cannot be written ({source}). Free some space, or point XDG_CACHE_HOME at a \
         folder that can be written.", path.display()
    )]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// Every address failed.
    #[error(
        "The download of {name} failed: {}. Check the network, or get the file elsewhere and point \
         SIM_DATA_DIR or --data at its folder.", reasons.join("; ")
    )]
    Download {
        /// The file or archive.
        name: String,
        /// One line for each address tried.
        reasons: Vec<String>,
    },
    /// The parser of the `mnist` crate gave up on files that had passed every check.
    #[error(
        "The parser of MNIST files failed on {} ({reason}), although its digests were right. \
         Was the folder changed meanwhile? Try again.", path.display()
    )]
    Parser {
        /// The folder.
        path: PathBuf,
        /// Its panic message.
        reason: String,
    },
    /// The path cannot be handed to the `mnist` crate.
    #[error(
        "The path {} is not valid Unicode, which the parser of MNIST files needs. \
         Rename the folder, or point SIM_DATA_DIR at another.", path.display()
    )]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// More samples were asked for than there are.
    #[error("{asked} samples were asked for, but there are only {available}. Ask for fewer.")]
    TooFew {
        /// Samples asked for.
        asked: usize,
        /// Samples there are.
        available: usize,
    },
    /// Images and labels do not belong together.
    #[error(
        "{pixels} pixels and {labels} labels do not make images of {pixels_each} pixels with one \
         label each. Give as many images as labels."
    )]
    Mismatch {
        /// Bytes of pixels given.
        pixels: usize,
        /// Bytes of one image.
        pixels_each: usize,
        /// Labels given.
        labels: usize,
    },
    /// A name that no data set has.
    #[error("There is no data set called \"{name}\". Choose one of {choices}.")]
    Unknown {
        /// The name given.
        name: String,
        /// The names there are.
        choices: String,
    },
}

impl Error {
    /// Whether the data are merely absent, rather than damaged: what a run that names a fallback may
    /// go on without.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Download { .. })
    }
}

fn list(places: &[PathBuf]) -> String {
    match places {
        [] => "no folder at all".into(),
        _ => places
            .iter()
            .map(|p| p.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    }
}
