//! Why a file cannot be imported: whole sentences, and where a model has several faults all of them at once.

use std::fmt;

/// A file that cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("Cannot read {path}: {source}.")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is of no kind that is read here.
    #[error("{path} is {what}")]
    Kind {
        /// The file.
        path: String,
        /// What it is, and what to do: a sentence's end.
        what: String,
    },
    /// It is damaged, or not what it says it is.
    #[error("{path} is no readable {format}: {why}.")]
    Damaged {
        /// The file.
        path: String,
        /// What it should be.
        format: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It is larger than what is read here.
    #[error("{path}: {what} is {value}, and at most {most} is read.")]
    TooLarge {
        /// The file.
        path: String,
        /// What of it.
        what: &'static str,
        /// How large that is.
        value: u64,
        /// The limit.
        most: u64,
    },
    /// It was read, and cannot be run.
    #[error("{path} cannot be imported:\n{refusal}")]
    Refused {
        /// The file.
        path: String,
        /// Everything that is in the way.
        refusal: Refusal,
    },
}

/// Everything that is in a model's way, one line a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// In the order of the model.
    pub reasons: Vec<Reason>,
}

/// A reason, and all nodes that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What the file calls the operator; empty where it is about the model.
    pub kind: String,
    /// Why, and what would do instead: a sentence.
    pub why: String,
    /// The nodes.
    pub names: Vec<String>,
}

impl Refusal {
    /// Adds what is wrong with a node.
    pub fn add(&mut self, kind: &str, name: &str, why: impl Into<String>) {
        let why = why.into();
        let known = self
            .reasons
            .iter_mut()
            .find(|r| r.kind == kind && r.why == why);
        match known {
            Some(reason) => reason.names.push(name.to_owned()),
            None => self.reasons.push(Reason {
                kind: kind.to_owned(),
                why,
                names: vec![name.to_owned()],
            }),
        }
    }

    /// Adds what is wrong with the model.
    pub fn add_model(&mut self, why: impl Into<String>) {
        self.reasons.push(Reason {
            kind: String::new(),
            why: why.into(),
            names: Vec::new(),
        });
    }

    /// Whether nothing is in the way.
    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, reason) in self.reasons.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            let Reason { kind, why, names } = reason;
            match names.len() {
                0 => write!(f, "  - {why}")?,
                1 => write!(f, "  - {kind} `{}`: {why}", names[0])?,
                n => {
                    let shown: Vec<String> =
                        names.iter().take(8).map(|n| format!("`{n}`")).collect();
                    let more = if n > 8 { ", …" } else { "" };
                    write!(f, "  - {n} × {kind} ({}{more}): {why}", shown.join(", "))?;
                }
            }
        }
        Ok(())
    }
}
