//! Models of other frameworks as graphs that can be trained.
//!
//! ```text
//! .keras .h5 .tflite .onnx ──read──▶ Model ──lower──▶ sim_compiler::Graph
//! ```
//!
//! A [`Model`] is what a file says, in terms that all frameworks share. There is one reader a format, and one
//! [`lower()`]. Files are untrusted: what a file says of its own sizes is held against [`limits`], nothing
//! recurses deeper than these, and nothing of a file is run.

mod c_array;
pub mod cut;
mod elements;
pub mod error;
mod import;
mod keras;
pub mod limits;
pub mod lower;
pub mod model;
mod names;
mod onnx;
pub mod parity;
pub mod reference;
pub mod summary;
mod tflite;

pub use cut::Cut;
pub use error::{Error, Refusal};
pub use import::{Import, import};
pub use lower::{Lowered, lower};
pub use model::Model;
pub use parity::Parity;
pub use summary::{Summary, summary};

use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path};

/// The model of a file.
///
/// # Errors
/// [`Error`]: it cannot be read, is of another kind, or is damaged.
pub fn read(path: &Path) -> Result<Model, Error> {
    let name = path.display().to_string();
    let failed = |source| Error::Read {
        path: name.clone(),
        source,
    };
    if path.is_dir() {
        let what = match path.join("saved_model.pb").exists() {
            true => "a TensorFlow SavedModel; save the model as .keras, or convert it to TFLite.",
            false => "a folder; give a model's file.",
        };
        return Err(Error::Kind {
            path: name,
            what: what.to_owned(),
        });
    }
    let length = std::fs::metadata(path).map_err(failed)?.len();
    if length > limits::FILE {
        return Err(Error::TooLarge {
            path: name,
            what: "its size in bytes",
            value: length,
            most: limits::FILE,
        });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    read_bytes(&name, bytes, path.parent())
}

/// The model of a file's bytes; `name` is what errors call it, `folder` is where files beside it are looked for.
///
/// # Errors
/// [`Error`]: it is of another kind, or is damaged.
pub fn read_bytes(name: &str, bytes: Vec<u8>, folder: Option<&Path>) -> Result<Model, Error> {
    let damaged = |format: &'static str| {
        let path = name.to_owned();
        move |why| Error::Damaged { path, format, why }
    };
    if tflite::is_one(&bytes) {
        return tflite::read(&bytes).map_err(damaged("TFLite model"));
    }
    if keras::is_h5(&bytes) {
        return keras::read_h5(bytes).map_err(damaged("Keras model"));
    }
    if keras::is_zip(&bytes) && !is_pickle(&bytes) {
        return keras::read_keras(bytes).map_err(damaged("Keras model"));
    }
    if onnx::is_one(&bytes) {
        let beside = |file: &str, offset, length| beside(folder, file, offset, length);
        return onnx::read(&bytes, &beside).map_err(damaged("ONNX model"));
    }
    if let Some(what) = other_kind(&bytes) {
        return Err(Error::Kind {
            path: name.to_owned(),
            what: what.to_owned(),
        });
    }
    if let Some(array) = c_array::bytes(&bytes) {
        return tflite::read(&array).map_err(damaged("TFLite model in C"));
    }
    Err(Error::Kind {
        path: name.to_owned(),
        what: "no model that is read here. Keras (.keras, .h5), TFLite (.tflite, or as an array in C) and ONNX are.".to_owned(),
    })
}

/// A part of a file in the same folder.
fn beside(
    folder: Option<&Path>,
    file: &str,
    offset: u64,
    length: Option<u64>,
) -> Result<Vec<u8>, String> {
    let inside = |p: &Path| {
        p.components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
    };
    if !inside(Path::new(file)) || file.contains('\\') {
        return Err("which is outside of the model's folder and not read".to_owned());
    }
    let not_found = |_| "not found".to_owned();
    let folder = folder.ok_or("not found")?;
    let mut open = std::fs::File::open(folder.join(file)).map_err(not_found)?;
    let size = open.metadata().map_err(not_found)?.len();
    let length = length.unwrap_or(size.saturating_sub(offset));
    if length > limits::FILE || offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(format!("which has only {size} bytes"));
    }
    let mut bytes = vec![0; length as usize];
    open.seek(SeekFrom::Start(offset)).map_err(not_found)?;
    open.read_exact(&mut bytes).map_err(not_found)?;
    Ok(bytes)
}

/// Whether an archive is PyTorch's.
fn is_pickle(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(4096)];
    head.windows(8).any(|w| w == b"data.pkl")
}

/// What a file is that is no model for other reasons than damage.
fn other_kind(bytes: &[u8]) -> Option<&'static str> {
    let is_safetensors = bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]);
    if bytes.starts_with(&[0x80, 2]) || keras::is_zip(bytes) && is_pickle(bytes) {
        return Some(
            "a PyTorch pickle, which can hold any code; export the model with torch.onnx.export, or its weights as safetensors.",
        );
    }
    is_safetensors
        .then_some("a file of weights without a network; give it beside a network in TOML.")
}
