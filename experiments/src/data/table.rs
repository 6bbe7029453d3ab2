//! The data sets there are: files, sizes, digests and addresses. Everything else is derived from here.
//!
//! Digests are those of the unpacked files, so that a file compressed anew is still recognised; those of
//! the published compressed files check a download.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{error::Error, images::Shape};

/// A data set by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataSet {
    /// Handwritten digits (LeCun, Cortes, Burges).
    Mnist,
    /// Articles of clothing (Xiao, Rasul, Vollgraf, 2017; MIT licence).
    FashionMnist,
    /// Small colour photographs (Krizhevsky, 2009).
    #[serde(rename = "cifar-10")]
    Cifar10,
    /// Digits drawn by [`super::strokes`]; needs no file.
    Strokes,
}

/// How a file is laid out, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// IDX, three dimensions: `count` grey images of `height` × `width`, after a header of 16 bytes.
    IdxImages {
        /// Number of images.
        count: u32,
        /// Rows of each.
        height: u32,
        /// Columns of each.
        width: u32,
    },
    /// IDX, one dimension: `count` labels, after a header of 8 bytes.
    IdxLabels {
        /// Number of labels.
        count: u32,
    },
    /// CIFAR-10, binary version: `count` records of one label and 3,072 bytes, colour planes apart.
    CifarRecords {
        /// Number of records.
        count: u32,
    },
}

impl Format {
    /// Images, labels or records of the file.
    pub const fn count(self) -> usize {
        match self {
            Self::IdxImages { count, .. }
            | Self::IdxLabels { count }
            | Self::CifarRecords { count } => count as usize,
        }
    }

    /// Bytes of the unpacked file.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::IdxImages {
                count,
                height,
                width,
            } => 16 + count as u64 * height as u64 * width as u64,
            Self::IdxLabels { count } => 8 + count as u64,
            Self::CifarRecords { count } => count as u64 * super::cifar::RECORD as u64,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdxImages {
                count,
                height,
                width,
            } => {
                write!(f, "{count} images of {height}x{width}")
            }
            Self::IdxLabels { count } => write!(f, "{count} labels"),
            Self::CifarRecords { count } => write!(f, "{count} records of a label and 32x32x3"),
        }
    }
}

/// A published file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileSpec {
    /// Its name, unpacked.
    pub name: &'static str,
    /// Its layout, and so its size.
    pub format: Format,
    /// sha256 of the unpacked file, in hex.
    pub sha256: &'static str,
    /// sha256 of the published `.gz`, where it is published so.
    pub gz_sha256: Option<&'static str>,
    /// Whether its publisher offers it, or it is an excerpt that only found folders hold.
    pub published: bool,
}

/// A published archive of several files (`.tar.gz`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its name.
    pub name: &'static str,
    /// Its sha256, in hex.
    pub sha256: &'static str,
    /// Addresses of the archive, the official one first.
    pub urls: &'static [&'static str],
}

/// How a data set is downloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// File by file, each as `.gz` below one of these addresses, the official one first.
    Files(&'static [&'static str]),
    /// As one archive.
    Archive(Archive),
    /// Not at all: the crate makes it.
    Generated,
}

/// What is known of a data set before any file of it is opened.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name, as written in a config.
    pub name: &'static str,
    /// Shape of each image.
    pub shape: Shape,
    /// Number of classes.
    pub classes: usize,
    /// Folders in which it may lie below a place; the first is the one in the cache folder. A place
    /// itself is looked at last.
    pub folders: &'static [&'static str],
    /// Where it comes from.
    pub origin: Origin,
    /// Every file that may be used.
    pub files: &'static [FileSpec],
}

const GREY: Shape = Shape {
    height: 28,
    width: 28,
    channels: 1,
};

const fn images(
    name: &'static str,
    count: u32,
    sha256: &'static str,
    gz: &'static str,
) -> FileSpec {
    let format = Format::IdxImages {
        count,
        height: 28,
        width: 28,
    };
    FileSpec {
        name,
        format,
        sha256,
        gz_sha256: Some(gz),
        published: true,
    }
}

const fn labels(
    name: &'static str,
    count: u32,
    sha256: &'static str,
    gz: &'static str,
) -> FileSpec {
    FileSpec {
        name,
        format: Format::IdxLabels { count },
        sha256,
        gz_sha256: Some(gz),
        published: true,
    }
}

const fn records(name: &'static str, count: u32, sha256: &'static str) -> FileSpec {
    FileSpec {
        name,
        format: Format::CifarRecords { count },
        sha256,
        gz_sha256: None,
        published: true,
    }
}

static MNIST: Entry = Entry {
    name: "mnist",
    shape: GREY,
    classes: 10,
    folders: &["mnist"],
    origin: Origin::Files(&[
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ]),
    files: &[
        images(
            "train-images-idx3-ubyte",
            60_000,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        labels(
            "train-labels-idx1-ubyte",
            60_000,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        images(
            "t10k-images-idx3-ubyte",
            10_000,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        labels(
            "t10k-labels-idx1-ubyte",
            10_000,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ],
};

static FASHION_MNIST: Entry = Entry {
    name: "fashion-mnist",
    shape: GREY,
    classes: 10,
    folders: &["fashion-mnist"],
    origin: Origin::Files(&[
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
    ]),
    files: &[
        images(
            "train-images-idx3-ubyte",
            60_000,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        labels(
            "train-labels-idx1-ubyte",
            60_000,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        images(
            "t10k-images-idx3-ubyte",
            10_000,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        labels(
            "t10k-labels-idx1-ubyte",
            10_000,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ],
};

static CIFAR_10: Entry = Entry {
    name: "cifar-10",
    shape: Shape {
        height: 32,
        width: 32,
        channels: 3,
    },
    classes: 10,
    folders: &["cifar-10-batches-bin", "cifar-10"],
    origin: Origin::Archive(Archive {
        name: "cifar-10-binary.tar.gz",
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        urls: &["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"],
    }),
    files: &[
        records(
            "data_batch_1.bin",
            10_000,
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
        ),
        records(
            "data_batch_2.bin",
            10_000,
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
        ),
        records(
            "data_batch_3.bin",
            10_000,
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
        ),
        records(
            "data_batch_4.bin",
            10_000,
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
        ),
        records(
            "data_batch_5.bin",
            10_000,
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
        ),
        records(
            "test_batch.bin",
            10_000,
            "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        ),
        // Not part of the official archive: records 0 to 999 of test_batch.bin.
        FileSpec {
            published: false,
            ..records(
                "test_batch_first1000.bin",
                1_000,
                "8314c96d7cd65618193bab23acdd5d4c4af15bf6dd00a1781d55beedf3be1ef5",
            )
        },
    ],
};

static STROKES: Entry = Entry {
    name: "strokes",
    shape: GREY,
    classes: 10,
    folders: &[],
    origin: Origin::Generated,
    files: &[],
};

impl DataSet {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Mnist,
        Self::FashionMnist,
        Self::Cifar10,
        Self::Strokes,
    ];

    /// Its row of the table.
    pub fn entry(self) -> &'static Entry {
        match self {
            Self::Mnist => &MNIST,
            Self::FashionMnist => &FASHION_MNIST,
            Self::Cifar10 => &CIFAR_10,
            Self::Strokes => &STROKES,
        }
    }

    /// Training and test images of the whole set.
    pub fn sizes(self) -> (usize, usize) {
        let files = self.entry().files;
        let count = |files: &[FileSpec]| files.iter().map(|file| file.format.count()).sum();
        match self {
            Self::Mnist | Self::FashionMnist => (count(&files[..1]), count(&files[2..3])),
            Self::Cifar10 => (count(&files[..5]), count(&files[5..6])),
            Self::Strokes => {
                let options = super::strokes::Options::default();
                (options.train, options.test)
            }
        }
    }
}

impl fmt::Display for DataSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.entry().name)
    }
}

impl FromStr for DataSet {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|set| set.entry().name == name)
            .ok_or_else(|| Error::Unknown {
                name: name.into(),
                choices: Self::ALL.map(|set| set.to_string()).join(", "),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_config() {
        for set in DataSet::ALL {
            assert_eq!(set.to_string().parse::<DataSet>().ok(), Some(set));
            let written = serde_json::to_string(&set).expect("a name");
            assert_eq!(written, format!("\"{set}\""));
        }
        let unknown = "mnits"
            .parse::<DataSet>()
            .expect_err("no such set")
            .to_string();
        assert!(
            unknown.contains("mnits") && unknown.contains("cifar-10"),
            "{unknown}"
        );
    }

    #[test]
    fn digests_are_256_bits_and_all_different() {
        let mut seen = std::collections::HashSet::new();
        for file in DataSet::ALL.iter().flat_map(|set| set.entry().files) {
            for digest in std::iter::once(file.sha256).chain(file.gz_sha256) {
                assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()));
                assert!(seen.insert(digest), "{digest} stands twice");
            }
        }
    }
}
