//! Drift detectors as they are chosen: `{ kind = "ddm", warning = 2.0, purge_keep = 0 }`.
//!
//! Kinds and parameters are those of the core's table; what is not given is the table's default, and the kind is
//! Page–Hinkley.

use runtime_shared::detector::{Detector, Entry, TABLE};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Parameters that a detector can have.
const MOST: usize = 8;

/// A drift detector on the prediction errors, and what happens to the buffer when it fires.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct DetectorSpec {
    kind: &'static Entry,
    values: [f32; MOST],
    /// Newest samples that a detected drift leaves in the buffer; all where not given.
    pub purge_keep: Option<u32>,
}

impl DetectorSpec {
    /// The detector called `kind` with parameters by their names.
    ///
    /// # Errors
    /// A sentence: what is unknown, or not allowed.
    pub fn new(kind: &str, given: &[(&str, f32)]) -> Result<Self, String> {
        let names = |names: Vec<&str>| names.join(", ");
        let Some(entry) = TABLE.iter().find(|entry| entry.name == kind) else {
            let all = names(TABLE.iter().map(|e| e.name).collect());
            return Err(format!(
                "there is no drift detector {kind:?}; there are {all}"
            ));
        };
        let mut values = [0.0; MOST];
        for (value, parameter) in values.iter_mut().zip(entry.parameters) {
            *value = parameter.default;
        }
        for &(name, value) in given {
            let Some(at) = entry.parameters.iter().position(|p| p.name == name) else {
                let all = names(entry.parameters.iter().map(|p| p.name).collect());
                return Err(format!("{kind} has no parameter {name:?}; it has {all}"));
            };
            let p = &entry.parameters[at];
            if !p.allows(value) {
                let whole = if p.whole { "whole and " } else { "" };
                return Err(format!(
                    "{name} of {kind} is {value}; it is {whole}between {} and {}",
                    p.lowest, p.highest
                ));
            }
            values[at] = value;
        }
        let spec = Self {
            kind: entry,
            values,
            purge_keep: None,
        };
        match spec.detector() {
            Some(_) => Ok(spec),
            None => Err(format!("the parameters of {kind} contradict each other")),
        }
    }

    /// The same, leaving the newest `keep` samples in the buffer when it fires; all for none.
    pub fn keeping(self, keep: impl Into<Option<u32>>) -> Self {
        Self {
            purge_keep: keep.into(),
            ..self
        }
    }

    /// Its number in images.
    pub fn number(&self) -> u32 {
        self.kind.number
    }

    /// Its parameters, in the order of the table.
    pub fn values(&self) -> Vec<f32> {
        self.values[..self.kind.parameters.len()].to_vec()
    }

    /// The core's detector. There always is one.
    pub fn detector(&self) -> Option<Detector> {
        Detector::read(self.number(), &self.values())
    }
}

impl Default for DetectorSpec {
    fn default() -> Self {
        Self {
            kind: &TABLE[0],
            values: std::array::from_fn(|i| TABLE[0].parameters.get(i).map_or(0.0, |p| p.default)),
            purge_keep: None,
        }
    }
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Raw {
    #[serde(default = "first")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purge_keep: Option<u32>,
    #[serde(flatten)]
    values: BTreeMap<String, f32>,
}

fn first() -> String {
    TABLE[0].name.to_owned()
}

impl TryFrom<Raw> for DetectorSpec {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let given: Vec<(&str, f32)> = raw.values.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        let spec = Self::new(&raw.kind, &given)?;
        Ok(Self {
            purge_keep: raw.purge_keep,
            ..spec
        })
    }
}

impl From<DetectorSpec> for Raw {
    fn from(spec: DetectorSpec) -> Self {
        let names = spec.kind.parameters.iter().map(|p| p.name.to_owned());
        Self {
            kind: spec.kind.name.to_owned(),
            purge_keep: spec.purge_keep,
            values: names.zip(spec.values).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let spec: DetectorSpec = toml::from_str("minimum = 10\nthreshold = 2.5\npurge_keep = 3")
            .expect("Page–Hinkley needs no name");
        let expected = DetectorSpec::new("page_hinkley", &[("minimum", 10.0), ("threshold", 2.5)]);
        assert_eq!(Ok(spec), expected.map(|d| d.keeping(3)));
        for entry in TABLE {
            let spec = DetectorSpec::new(entry.name, &[]).expect("its defaults are allowed");
            let text = toml::to_string(&spec).expect("it can be written");
            assert_eq!(toml::from_str::<DetectorSpec>(&text), Ok(spec), "{text}");
        }
        assert_eq!(
            DetectorSpec::default(),
            DetectorSpec::new("page_hinkley", &[]).unwrap()
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, named) in [
            ("kind = \"nonesuch\"", "page_hinkley, ddm"),
            ("kind = \"ddm\"\ndelta = 1.0", "it has minimum"),
            ("threshold = -1.0", "between 0 and"),
            ("minimum = 1.5", "whole"),
            ("delta = nan", "delta of page_hinkley"),
            ("kind = \"ddm\"\nwarning = 3.0\ndrift = 2.0", "contradict"),
        ] {
            let error = toml::from_str::<DetectorSpec>(text)
                .expect_err(text)
                .to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
