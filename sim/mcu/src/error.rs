//! What can go wrong, each with the place and the way out.

use std::path::PathBuf;

/// Why a board or its energy is unavailable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("{} cannot be read: {source}. Check the path and its permissions.", path.display())]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not what it should be: syntax, an unknown key, a wrong type or an impossible value.
    #[error("{file}:{line}:{column}: {message}")]
    Invalid {
        /// The file's path, or the name of the built-in profile.
        file: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1, in characters.
        column: usize,
        /// What is wrong, what was probably meant, and what is allowed.
        message: String,
    },
    /// No built-in board has this name, and no file lies there.
    #[error(
        "There is no board \"{name}\".{hint} Known boards: {known}. A board of your own is a TOML file: give its path."
    )]
    UnknownBoard {
        /// The name that was asked for.
        name: String,
        /// "Did you mean …?", with a leading blank, or nothing.
        hint: String,
        /// Every built-in board.
        known: String,
    },
    /// The board has no power row of this mode.
    #[error(
        "The board {board} has no power row for the mode \"{mode}\".{hint} Known modes: {known}."
    )]
    UnknownMode {
        /// The board's name.
        board: String,
        /// The mode that was asked for.
        mode: String,
        /// "Did you mean …?", with a leading blank, or nothing.
        hint: String,
        /// Every mode of the board.
        known: String,
    },
    /// The board's profile has no power row at all.
    #[error(
        "The board {board} has no power row, so its energy is not known. Add a [[power]] table to its profile."
    )]
    NoPower {
        /// The board's name.
        board: String,
    },
}
