//! Where data sets lie: a chain of folders, searched in a fixed order.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{
    event::{Event, Observer},
    table::{DataSet, FileSpec},
};

/// Names the folder of data sets, for this user or this machine.
pub const DATA_DIR_VARIABLE: &str = "SIM_DATA_DIR";

/// Looked at when it exists, relative to the working directory.
const BESIDE_THE_PROJECT: &str = "../shared/data";

/// Suffixes under which a file is recognised, the cheapest to read first.
const SUFFIXES: [&str; 3] = ["", ".gz", ".xz"];

/// The folders to search, in order, and the cache folder, which comes last and receives downloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    folders: Vec<PathBuf>,
    cache: PathBuf,
}

impl Places {
    /// Exactly these folders, then `cache`.
    pub fn new(folders: Vec<PathBuf>, cache: PathBuf) -> Self {
        Self { folders, cache }
    }

    /// What the user said (`explicit`), then `SIM_DATA_DIR`, then `../shared/data` where it exists,
    /// then the cache folder: `sim/data` in `XDG_CACHE_HOME` or `~/.cache`, or in the folder of
    /// temporary files where neither is known.
    pub fn from_environment(explicit: Option<&Path>) -> Self {
        let variable = |name| {
            env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let beside = PathBuf::from(BESIDE_THE_PROJECT);
        let folders = explicit
            .map(Path::to_path_buf)
            .into_iter()
            .chain(variable(DATA_DIR_VARIABLE))
            .chain(beside.is_dir().then_some(beside))
            .collect();
        let cache = variable("XDG_CACHE_HOME")
            .or_else(|| variable("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(env::temp_dir);
        Self::new(folders, cache.join("sim").join("data"))
    }

    /// Every folder that is searched, in order.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        self.folders
            .iter()
            .chain([&self.cache])
            .map(PathBuf::as_path)
    }

    /// The first file that is `file` of `set`, compressed or not.
    ///
    /// Below each place the set's own folders come first (`mnist/`), then the place itself.
    pub fn find(
        &self,
        set: DataSet,
        file: &FileSpec,
        observe: &mut Observer<'_>,
    ) -> Option<PathBuf> {
        for place in self.all() {
            observe(Event::Looking {
                file: file.name,
                place,
            });
            let own = set.entry().folders.iter().map(|folder| place.join(folder));
            for folder in own.chain([place.to_path_buf()]) {
                let mut names = SUFFIXES
                    .iter()
                    .map(|s| folder.join(format!("{}{s}", file.name)));
                if let Some(path) = names.find(|path| path.is_file()) {
                    observe(Event::Found { path: &path });
                    return Some(path);
                }
            }
        }
        None
    }

    /// Where downloads of `set` go.
    pub fn downloads(&self, set: DataSet) -> PathBuf {
        self.cache
            .join(set.entry().folders.first().copied().unwrap_or_default())
    }

    /// Where compressed files are unpacked to.
    pub fn unpacked(&self) -> PathBuf {
        self.cache.join("unpacked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_place_wins_and_layouts_may_differ() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |p: &str| root.path().join(p);
        let file = &DataSet::Mnist.entry().files[0];
        let gz = format!("{}.gz", file.name);
        let places = Places::new(vec![at("first"), at("second")], at("cache"));
        let touch = |p: PathBuf| {
            fs::create_dir_all(p.parent().expect("below root")).expect("a folder");
            fs::write(&p, "x").expect("a file");
            p
        };
        let find = || places.find(DataSet::Mnist, file, &mut |_| {});
        // Each is added before the ones it must take precedence over are taken away.
        assert_eq!(find(), None);
        let mut last = None;
        for next in [
            at("cache").join(&gz),
            at("cache/mnist").join(file.name),
            at("second").join(&gz),
            at("second/mnist").join(&gz),
            at("second/mnist").join(file.name),
            at("first").join(format!("{}.xz", file.name)),
        ] {
            last = Some(touch(next));
            assert_eq!(find(), last);
        }
        assert!(last.is_some());
    }
}
