//! The boards that are built in, and how a name or a path becomes a board.

use std::path::Path;

use super::{Board, raw};
use crate::error::Error;
use crate::parse::{self, Document};
use crate::suggest;

/// Lists the profiles of `configs/boards` by name, each embedded at compile time.
macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every built-in profile, in the order in which tables list them.
        const PROFILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../../configs/boards/", $name, ".toml")))),*
        ];
    };
}

profiles![
    "nano33ble",
    "microbit_v2",
    "stm32f446re",
    "stm32f407vg",
    "stm32f746g_disco",
    "stm32h743zi",
    "stm32h7a3",
    "stm32l476rg",
    "nucleo_l4r5zi",
    "nucleo_u575zi_q",
    "nucleo_g0b1re",
    "rpi_pico",
    "rpi_pico2",
    "esp32c3",
    "ek_ra6m4",
    "nrf5340",
    "psoc62",
];

/// Every built-in board.
///
/// # Errors
/// [`Error::Invalid`] if a built-in profile is not well formed, which the tests rule out.
pub fn boards() -> Result<Vec<Board>, Error> {
    PROFILES
        .iter()
        .map(|(name, text)| embedded(name, text))
        .collect()
}

/// The board of this name, or the one in the TOML file at this path. What ends in `.toml` or holds a path separator is a path.
///
/// # Errors
/// [`Error::UnknownBoard`] with the nearest name, [`Error::Read`], or [`Error::Invalid`] with line and column.
pub fn find(name_or_path: &str) -> Result<Board, Error> {
    let is_path = name_or_path.ends_with(".toml") || name_or_path.contains(['/', '\\']);
    if is_path {
        return load(Path::new(name_or_path));
    }
    let found = PROFILES.iter().find(|(name, _)| *name == name_or_path);
    let (name, text) = found.ok_or_else(|| {
        let names: Vec<_> = PROFILES.iter().map(|(name, _)| *name).collect();
        Error::UnknownBoard {
            name: name_or_path.to_owned(),
            hint: suggest::hint(name_or_path, names.iter().copied()),
            known: names.join(", "),
        }
    })?;
    embedded(name, text)
}

/// The board in the TOML file at `path`.
///
/// # Errors
/// [`Error::Read`], or [`Error::Invalid`] with line and column.
pub fn load(path: &Path) -> Result<Board, Error> {
    let text = parse::read(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    raw::parse(Document {
        file: &path.display().to_string(),
        text: &text,
    })
}

fn embedded(name: &str, text: &str) -> Result<Board, Error> {
    raw::parse(Document {
        file: &format!("configs/boards/{name}.toml"),
        text,
    })
}
