//! From a file that was found to bytes that are known to be the published ones.
//!
//! A file is untrusted until its digest says otherwise: nothing is allocated on the word of a header, and
//! decompression stops one byte past the size in the table. When a digest is wrong, [`diagnose`] looks
//! for the most helpful thing to say.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use lzma_rust2::XzReader;
use sha2::{Digest, Sha256};

use super::{
    error::Error,
    event::{Event, Observer},
    table::{DataSet, FileSpec, Format},
};

/// First word of an IDX file of bytes in three dimensions.
const IDX_IMAGES: u32 = 0x0000_0803;
/// First word of an IDX file of bytes in one dimension.
const IDX_LABELS: u32 = 0x0000_0801;
/// An xz stream may ask for a dictionary of any size; `xz -9` asks for 64 MiB.
const XZ_MEMORY_KIB: u32 = 96 * 1024;

/// An unpacked file whose digest is that of the table.
#[derive(Debug)]
pub struct Content {
    /// Where it lies, unpacked.
    pub path: PathBuf,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// The sha256 of `bytes`, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads, unpacks where needed, and checks the file at `found`.
///
/// An unpacked copy is kept below `unpacked`, in a folder named after the digest of the compressed file,
/// so that it is unpacked once and never mistaken for another.
///
/// # Errors
/// Whatever is wrong with the file; [`Error::Write`] if the copy cannot be kept.
pub fn read(
    file: &FileSpec,
    found: &Path,
    unpacked: &Path,
    observe: &mut Observer<'_>,
) -> Result<Content, Error> {
    let expected = file.format.bytes();
    let suffix = found.extension().and_then(|suffix| suffix.to_str());
    let content = match suffix {
        Some("gz" | "xz") => {
            // Compressed photographs and digits are smaller than they were; a little may be overhead.
            let packed = read_at_most(found, expected + expected / 8 + 65_536)?;
            let path = unpacked.join(&sha256(&packed)[..16]).join(file.name);
            if let Ok(bytes) = read_at_most(&path, expected + 1)
                && sha256(&bytes) == file.sha256
            {
                Content { path, bytes }
            } else {
                observe(Event::Unpacking { path: found });
                let bytes = match suffix {
                    Some("gz") => unpack(GzDecoder::new(packed.as_slice()), found, expected)?,
                    _ => {
                        let reader =
                            XzReader::new_mem_limit(packed.as_slice(), false, XZ_MEMORY_KIB);
                        unpack(reader, found, expected)?
                    }
                };
                check(file, found, &bytes)?;
                write(&path, &bytes)?;
                Content { path, bytes }
            }
        }
        _ => {
            let bytes = read_at_most(found, expected + 1)?;
            check(file, found, &bytes)?;
            Content {
                path: found.to_path_buf(),
                bytes,
            }
        }
    };
    observe(Event::Verified {
        path: &content.path,
        sha256: file.sha256,
    });
    Ok(content)
}

/// Writes a file whole or not at all: beside its place first, then renamed.
///
/// # Errors
/// [`Error::Write`] with the path that could not be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let fail = |path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Write { path, source }
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail(folder))?;
    }
    // The process id keeps two runs that start together out of each other's way.
    let part = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&part, bytes).map_err(fail(&part))?;
    fs::rename(&part, path).map_err(fail(path))
}

/// Whether `bytes` are the published file.
///
/// # Errors
/// What is wrong with them, as precisely as can be told.
pub fn check(file: &FileSpec, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let digest = sha256(bytes);
    if digest == file.sha256 {
        Ok(())
    } else {
        Err(diagnose(file, path, bytes, digest))
    }
}

/// At most `limit` bytes of a file.
fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|source| Error::Read {
            path: path.into(),
            source,
        })?;
    Ok(bytes)
}

/// Unpacks at most one byte more than `expected`.
fn unpack(reader: impl Read, path: &Path, expected: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match reader.take(expected + 1).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Truncated {
            path: path.into(),
            expected,
            found: bytes.len() as u64,
        }),
        Err(error) => Err(Error::Unpack {
            path: path.into(),
            reason: error.to_string(),
        }),
    }
}

/// Why these are not the published bytes: another file of the table, another kind of file, a header that
/// lies, too short, too long, or simply other content.
fn diagnose(file: &FileSpec, path: &Path, bytes: &[u8], digest: String) -> Error {
    let path = path.to_path_buf();
    let (expected, found) = (file.format.bytes(), bytes.len() as u64);
    let known = DataSet::ALL
        .into_iter()
        .flat_map(|set| set.entry().files.iter().map(move |other| (set, other)))
        .find(|(_, other)| other.sha256 == digest);
    if let Some((set, other)) = known {
        let found = format!("{} of {set}", other.name);
        return Error::MixedUp {
            path,
            expected: file.name.into(),
            found,
        };
    }
    match file.format {
        Format::IdxImages { .. } | Format::IdxLabels { .. } => {
            if let Err(error) = idx_header(file.format, &path, bytes) {
                return error;
            }
        }
        Format::CifarRecords { .. } => {
            let labels = bytes.iter().step_by(super::cifar::RECORD).copied();
            let classes = DataSet::Cifar10.entry().classes;
            if let Some((index, label)) = labels
                .enumerate()
                .find(|&(_, label)| usize::from(label) >= classes)
            {
                return Error::Label {
                    path,
                    index,
                    label,
                    classes,
                };
            }
        }
    }
    match found {
        _ if found < expected => Error::Truncated {
            path,
            expected,
            found,
        },
        _ if found > expected => Error::Oversize { path, expected },
        _ => Error::Digest {
            path,
            expected: file.sha256.into(),
            found: digest,
        },
    }
}

/// Checks magic number, counts and dimensions against the table, without believing any of them.
fn idx_header(format: Format, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let word = |i: usize| {
        let bytes = bytes.get(4 * i..4 * i + 4)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    };
    let (magic, other, dimensions) = match format {
        Format::IdxImages {
            count,
            height,
            width,
        } => (IDX_IMAGES, IDX_LABELS, vec![count, height, width]),
        Format::IdxLabels { count } => (IDX_LABELS, IDX_IMAGES, vec![count]),
        Format::CifarRecords { .. } => return Ok(()),
    };
    let path = path.to_path_buf();
    let cut = |path| Error::Truncated {
        path,
        expected: format.bytes(),
        found: bytes.len() as u64,
    };
    let name = |magic| {
        if magic == IDX_IMAGES {
            "images"
        } else {
            "labels"
        }
    };
    match word(0) {
        None => return Err(cut(path)),
        Some(found) if found == magic => {}
        Some(found) if found == other => {
            let (expected, found) = (name(magic).into(), name(other).into());
            return Err(Error::MixedUp {
                path,
                expected,
                found,
            });
        }
        Some(found) => {
            return Err(Error::Magic {
                path,
                expected: magic,
                found,
            });
        }
    }
    let stated: Option<Vec<u32>> = (1..=dimensions.len()).map(word).collect();
    match stated {
        None => Err(cut(path)),
        Some(stated) if stated == dimensions => Ok(()),
        Some(stated) => Err(Error::Header {
            path,
            expected: format!("{dimensions:?}"),
            found: format!("{stated:?}"),
        }),
    }
}
