//! What is where: for `sim data list` and `sim data fetch`.

use std::path::PathBuf;

use super::{
    acquire, content,
    error::Error,
    event::Observer,
    places::Places,
    table::{DataSet, FileSpec},
};

/// What is known of a file.
#[derive(Debug)]
pub enum State {
    /// No place holds it.
    Absent,
    /// It lies here; its content was not looked at.
    Present(PathBuf),
    /// It lies here and is the published one.
    Verified(PathBuf),
    /// It lies here and is not the published one.
    Damaged(PathBuf, Error),
}

/// A file of a data set, and what is known of it.
#[derive(Debug)]
pub struct Status {
    /// The data set.
    pub set: DataSet,
    /// The file, with its published size and digest.
    pub file: &'static FileSpec,
    /// What is known of it.
    pub state: State,
}

/// Every file of every data set, in the order of the table. With `verify`, each is read and its digest
/// checked, which takes some seconds and unpacks compressed files into the cache folder.
pub fn list(places: &Places, verify: bool, observe: &mut Observer<'_>) -> Vec<Status> {
    let sets = DataSet::ALL.into_iter();
    sets.flat_map(|set| status(set, places, verify, observe))
        .collect()
}

/// Sees to it that `set` can be loaded, downloading what is in no place, and says what there is.
///
/// # Errors
/// Any of [`Error`]: unlike a load, this has no fallback.
pub fn fetch(
    set: DataSet,
    places: &Places,
    observe: &mut Observer<'_>,
) -> Result<Vec<Status>, Error> {
    acquire::complete(set, places, observe)?;
    Ok(status(set, places, true, observe))
}

fn status(set: DataSet, places: &Places, verify: bool, observe: &mut Observer<'_>) -> Vec<Status> {
    let mut state = |file| match places.find(set, file, observe) {
        None => State::Absent,
        Some(path) if !verify => State::Present(path),
        Some(path) => match content::read(file, &path, &places.unpacked(), observe) {
            Ok(_) => State::Verified(path),
            Err(error) => State::Damaged(path, error),
        },
    };
    set.entry()
        .files
        .iter()
        .map(|file| Status {
            set,
            file,
            state: state(file),
        })
        .collect()
}
