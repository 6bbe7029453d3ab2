//! Models of other frameworks as graphs that can be trained.
//!
//! ```text
//! .keras .h5 .tflite .onnx ──read──▶ Model ──lower──▶ sim_compiler::Graph
//! ```
//!
//! A [`Model`] is what a file says, in terms that all frameworks share. There is one reader a format, and one
//! [`lower`]. Files are untrusted: what a file says of its own sizes is held against [`limits`], nothing
//! recurses deeper than these, and nothing of a file is run.

mod c_array;
mod elements;
pub mod error;
mod keras;
pub mod limits;
pub mod lower;
pub mod model;
mod tflite;

pub use error::{Error, Refusal};
pub use lower::{Lowered, lower};
pub use model::Model;

use std::path::Path;

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
    read_bytes(&name, bytes)
}

/// The model of a file's bytes; `name` is what errors call it.
///
/// # Errors
/// [`Error`]: it is of another kind, or is damaged.
pub fn read_bytes(name: &str, bytes: Vec<u8>) -> Result<Model, Error> {
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
    if keras::is_zip(&bytes) {
        return keras::read_keras(bytes).map_err(damaged("Keras model"));
    }
    if let Some(array) = c_array::bytes(&bytes) {
        return tflite::read(&array).map_err(damaged("TFLite model in C"));
    }
    Err(Error::Kind {
        path: name.to_owned(),
        what: "no model that is read here. Keras (.keras, .h5), TFLite (.tflite, or as an array in C) and ONNX are.".to_owned(),
    })
}
