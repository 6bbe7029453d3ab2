//! Finished repetitions, a file each: what an interrupted run goes on from, and what a report is assembled of, whichever
//! machine a part was made on.
//!
//! A part names the run, the strategy and the seed that it is of, a digest of everything that decides it, and the code that
//! made it. So a part that does not belong to a run, or that other code made, is never taken for one that does.

use crate::cache::{self, CODE};
use crate::failure::Failure;
use experiments::online::Record;
use serde::{Deserialize, Serialize};
use sim_measure::Recording;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The layout of a part's file.
const FORMAT: u32 = 2;
/// Lines of each kind that a complaint lists at most.
const LISTED: usize = 10;

/// One repetition of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What happened.
    pub record: Record,
    /// The pre-trained network that it began with, where there is one.
    pub pretrained: Option<Origin>,
    /// Moments of it, to be measured; of one seed.
    pub recording: Option<Recording>,
}

/// A pre-trained network, as far as a report needs it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The digest of all that decides it.
    pub key: String,
    /// Its accuracy on the whole test set.
    pub accuracy: f32,
}

/// Which part it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// Name of the run.
    pub run: String,
    /// Name of the strategy.
    pub strategy: String,
    /// The repetition's seed.
    pub seed: u64,
    /// Digest of everything that decides it, the run's name among it, except the code.
    pub key: String,
}

impl Identity {
    /// Its file. The key is part of the name, so that no part ever takes the file of another run's.
    fn file(&self) -> String {
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        };
        let name: String = self.strategy.chars().map(plain).take(40).collect();
        format!(
            "{name}-{}-{}.json",
            self.seed,
            &self.key[..12.min(self.key.len())]
        )
    }
}

/// What a part's file holds.
#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    code: String,
    identity: Identity,
    part: Part,
}

/// Folders of parts. Parts are written into the first.
pub struct Parts {
    folders: Vec<PathBuf>,
    /// Whether the folders are the user's, who decides when they go.
    kept: bool,
}

impl Parts {
    /// In folders that the user named; there is at least one.
    pub fn in_folders(folders: &[PathBuf]) -> Self {
        Self {
            folders: folders.to_vec(),
            kept: true,
        }
    }

    /// In the cache folder, for the run with this digest.
    pub fn of(key: &str) -> Self {
        Self {
            folders: vec![cache::folder().join("parts").join(&key[..32])],
            kept: false,
        }
    }

    /// The folder that parts are written into.
    pub fn folder(&self) -> &Path {
        &self.folders[0]
    }

    /// Whether the part is finished; a file of it that cannot be used is said to `remark`.
    pub fn finished(&self, identity: &Identity, remark: &dyn Fn(&str)) -> bool {
        let file = identity.file();
        let paths = self.folders.iter().map(|folder| folder.join(&file));
        paths.filter(|path| path.exists()).any(|path| {
            let fault = match read(&path) {
                Ok(file) if file.code != CODE => format!("was made by other code ({})", file.code),
                Ok(file) if file.identity != *identity => "is of another run".to_owned(),
                Ok(_) => {
                    tracing::trace!(path = %path.display(), "part reused");
                    return true;
                }
                Err(fault) => fault,
            };
            remark(&format!(
                "{} {fault}; this part is made again.",
                path.display()
            ));
            false
        })
    }

    /// Keeps a finished part.
    ///
    /// # Errors
    /// [`Failure::Write`].
    pub fn write(&self, identity: &Identity, part: Part) -> Result<(), Failure> {
        let path = self.folder().join(identity.file());
        let file = File {
            format: FORMAT,
            code: CODE.to_owned(),
            identity: identity.clone(),
            part,
        };
        let bytes = serde_json::to_vec(&file).map_err(|e| Failure::Write {
            path: path.clone(),
            source: e.into(),
        })?;
        tracing::trace!(path = %path.display(), bytes = bytes.len(), "part finished");
        cache::write(&path, &bytes)
    }

    /// Reads all `wanted` parts of the run `name`, in their order. Other files of the folders, and parts that are there
    /// twice, are said to `remark`.
    ///
    /// # Errors
    /// [`Failure::Parts`], which names every part that is missing, or there twice with different content, and every file
    /// that was not used.
    pub fn collect(
        &self,
        name: &str,
        wanted: &[Identity],
        remark: &dyn Fn(&str),
    ) -> Result<Vec<Part>, Failure> {
        let index: BTreeMap<&Identity, usize> =
            wanted.iter().enumerate().map(|(i, id)| (id, i)).collect();
        let mut found: Vec<Option<(PathBuf, Part)>> = wanted.iter().map(|_| None).collect();
        let (mut unused, mut contradicting) = (Vec::new(), Vec::new());
        for path in self.files()? {
            let file = match read(&path) {
                Ok(file) => file,
                Err(fault) => {
                    unused.push(format!("{} {fault}", path.display()));
                    continue;
                }
            };
            let what = describe(&file.identity);
            let Some(&i) = index.get(&file.identity) else {
                unused.push(foreign(&path, &file.identity, name, wanted));
                continue;
            };
            if file.code != CODE {
                unused.push(format!(
                    "{}: {what}, was made by other code ({}; this is {CODE})",
                    path.display(),
                    file.code
                ));
                continue;
            }
            match &found[i] {
                None => found[i] = Some((path, file.part)),
                Some((first, part)) => {
                    let both = format!("{} and {}", first.display(), path.display());
                    if *part == file.part {
                        unused.push(format!("{both} are duplicates: both hold {what}"));
                    } else {
                        contradicting.push(format!("{both} both hold {what}, but differ"));
                    }
                }
            }
        }
        let missing: Vec<String> = wanted
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|(identity, _)| describe(identity))
            .collect();
        if missing.is_empty() && contradicting.is_empty() {
            unused.iter().for_each(|line| remark(&format!("{line}.")));
            return Ok(found.into_iter().flatten().map(|(_, part)| part).collect());
        }
        let mut text = format!("The parts of the run `{name}` cannot be assembled.");
        let absent = format!("{} of {} are missing", missing.len(), wanted.len());
        list(&mut text, &absent, &missing);
        list(&mut text, "These contradict each other", &contradicting);
        list(&mut text, "These files are not used", &unused);
        Err(Failure::Parts(text))
    }

    /// Every file that may be a part, in a fixed order.
    fn files(&self) -> Result<Vec<PathBuf>, Failure> {
        let mut files = Vec::new();
        for folder in &self.folders {
            // Parts that were never made have no folder either: all are missing then, and are named.
            let Ok(entries) = std::fs::read_dir(folder) else {
                if self.kept && !folder.is_dir() {
                    return Err(Failure::Parts(format!(
                        "There is no folder {}. Name the folders that `sim run CONFIG --part I/N --parts DIR` wrote.",
                        folder.display()
                    )));
                }
                continue;
            };
            let paths = entries.flatten().map(|entry| entry.path());
            files.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "json")));
        }
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Removes these parts from the cache folder: the report holds what they held. Folders of the user's stay as they are.
    pub fn remove(&self, identities: &[Identity]) {
        if self.kept {
            return;
        }
        for identity in identities {
            // Best effort: what is left behind is read again by the same run only.
            let _ = std::fs::remove_file(self.folder().join(identity.file()));
        }
        let _ = std::fs::remove_dir(self.folder());
    }
}

/// Reads a part's file, or says what is wrong with it.
fn read(path: &Path) -> Result<File, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read ({e})"))?;
    let file: File =
        serde_json::from_slice(&bytes).map_err(|_| "is damaged, or is not a part".to_owned())?;
    if file.format != FORMAT {
        return Err(format!("has format {}, not {FORMAT}", file.format));
    }
    Ok(file)
}

fn describe(identity: &Identity) -> String {
    format!("strategy `{}`, seed {}", identity.strategy, identity.seed)
}

/// The sentence about a part that no job of this run makes.
fn foreign(path: &Path, identity: &Identity, name: &str, wanted: &[Identity]) -> String {
    let what = describe(identity);
    let path = path.display();
    let same = |w: &Identity| (&w.strategy, w.seed) == (&identity.strategy, identity.seed);
    if identity.run != name {
        format!(
            "{path} is foreign: it is a part of the run `{}` ({what})",
            identity.run
        )
    } else if wanted.iter().any(same) {
        format!("{path} is foreign: {what}, but with another config or other data")
    } else {
        format!("{path} is foreign: this run has no {what}")
    }
}

/// Adds a heading and the first of `lines`, if there are any.
fn list(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    // Writing to a String cannot fail.
    let _ = write!(text, "\n{heading}:");
    for line in lines.iter().take(LISTED) {
        let _ = write!(text, "\n  {line}");
    }
    if lines.len() > LISTED {
        let _ = write!(text, "\n  and {} more", lines.len() - LISTED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn identity(strategy: &str, seed: u64) -> Identity {
        Identity {
            run: "run".to_owned(),
            strategy: strategy.to_owned(),
            seed,
            key: crate::config::digest(&(strategy, seed)),
        }
    }

    fn part(accuracy: f32) -> Part {
        Part {
            pretrained: Some(Origin {
                key: "k".to_owned(),
                accuracy,
            }),
            ..Part::default()
        }
    }

    /// Rewrites the file of a part.
    fn edit(path: &Path, from: &str, to: &str) {
        let text = std::fs::read_to_string(path).expect("it is there");
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).expect("it can be written");
    }

    #[test]
    fn what_is_missing_foreign_damaged_duplicate_or_of_other_code_is_named() {
        let folders = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
        let paths: Vec<PathBuf> = folders.iter().map(|f| f.path().to_owned()).collect();
        let (first, second) = (
            Parts::in_folders(&paths[..1]),
            Parts::in_folders(&paths[1..]),
        );
        let wanted = [identity("a", 1), identity("a", 2), identity("b/β", 1)];
        let all = Parts::in_folders(&paths);
        let remarks = RefCell::new(Vec::new());
        let remark = |line: &str| remarks.borrow_mut().push(line.to_owned());
        let error = all
            .collect("run", &wanted, &remark)
            .expect_err("all missing");
        for identity in &wanted {
            assert!(error.to_string().contains(&describe(identity)), "{error}");
        }
        first.write(&wanted[0], part(0.1)).expect("written");
        first.write(&wanted[1], part(0.2)).expect("written");
        second.write(&wanted[2], part(0.3)).expect("written");
        let read = all.collect("run", &wanted, &remark).expect("all there");
        assert_eq!(read, [part(0.1), part(0.2), part(0.3)]);
        assert_eq!(remarks.take(), Vec::<String>::new());

        // Foreign, and a duplicate that agrees: said, but no obstacle.
        second.write(&identity("c", 9), part(0.9)).expect("written");
        second.write(&wanted[0], part(0.1)).expect("written");
        all.collect("run", &wanted, &remark).expect("all there");
        let said = remarks.take().join("\n");
        assert!(said.contains("no strategy `c`, seed 9"), "{said}");
        assert!(
            said.contains("duplicates: both hold strategy `a`, seed 1"),
            "{said}"
        );

        // A duplicate that differs, other code, damage.
        second.write(&wanted[0], part(0.7)).expect("written");
        edit(&paths[0].join(wanted[1].file()), CODE, "0123");
        std::fs::write(paths[1].join(wanted[2].file()), b"{").expect("written");
        let error = all
            .collect("run", &wanted, &remark)
            .expect_err("a mess")
            .to_string();
        for said in [
            "both hold strategy `a`, seed 1, but differ",
            "other code (0123",
            "damaged",
            "2 of 3 are missing",
        ] {
            assert!(error.contains(said), "{said}: {error}");
        }
        assert!(!all.finished(&wanted[1], &remark) && !second.finished(&wanted[2], &remark));
        assert!(first.finished(&wanted[0], &remark));
        assert!(
            remarks
                .take()
                .iter()
                .any(|line| line.contains("other code"))
        );
    }

    #[test]
    fn parts_of_another_config_are_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let parts = Parts::in_folders(&[folder.path().to_owned()]);
        let mine = identity("a", 1);
        let mut theirs = mine.clone();
        theirs.key = crate::config::digest(&"another");
        parts.write(&theirs, part(0.5)).expect("written");
        let error = parts.collect("run", &[mine], &|_| {}).expect_err("foreign");
        assert!(
            error.to_string().contains("another config or other data"),
            "{error}"
        );
    }
}
