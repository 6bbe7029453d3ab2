//! Concept drift: from one moment on, the world is another, at once or by and by, for good or for a while.

use super::concept::{Change, Concept, two_labels};
use super::plan::{Parts, Phase, Plan, Set, Settings, Sources, lay_out};
use super::{Describe, Problem, defaults};
use serde::{Deserialize, Deserializer, Serialize};

/// How the new concept takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Profile {
    /// At once.
    #[default]
    Abrupt,
    /// Ever more samples are of the new concept: P(new) = 1 / (1 + e^(−4 (t − drift_at) / width)).
    Gradual {
        /// Samples over which it goes from 12 % to 88 %.
        width: usize,
    },
    /// The change itself grows by degrees, over `width` samples from the drift on.
    Incremental {
        /// Samples from the first degree to the last.
        width: usize,
    },
    /// New and old concept take turns from the drift on.
    Recurring {
        /// Samples until the other's turn.
        period: usize,
    },
}

/// A drift in a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConceptDrift {
    /// Samples in the stream.
    #[serde(default = "defaults::length")]
    pub length: usize,
    /// The first sample of the new concept; of a gradual drift, its middle.
    #[serde(default = "defaults::drift_at")]
    pub drift_at: usize,
    /// How the new concept takes over.
    #[serde(default)]
    pub profile: Profile,
    /// The two labels that are swapped; 4 and 6 unless there is another change.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "some_two_labels"
    )]
    pub swap: Option<[usize; 2]>,
    /// What changes, if not two labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Accuracy is measured after every so many samples, and at the drift.
    #[serde(default = "defaults::evaluate_every")]
    pub evaluate_every: usize,
    /// Held-out images that it is measured on, drawn for every seed; 0 for the whole test set.
    #[serde(default = "defaults::test_images")]
    pub test_images: usize,
    /// Samples in the window of the prequential accuracy.
    #[serde(default = "defaults::window")]
    pub window: usize,
    /// Labels are known so many samples late.
    #[serde(default)]
    pub label_delay: usize,
    /// The share of samples whose label is ever known.
    #[serde(default = "defaults::labelled")]
    pub labelled: f64,
}

fn some_two_labels<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<[usize; 2]>, D::Error> {
    two_labels(deserializer).map(Some)
}

impl ConceptDrift {
    fn change(&self) -> Change {
        let swap = || Change::Swap(self.swap.unwrap_or([4, 6]));
        self.change.clone().unwrap_or_else(swap)
    }

    /// The concept before the drift, and those after it, the last for good.
    fn concepts(&self, classes: usize) -> Vec<Concept> {
        let old = Concept::plain(classes);
        let changes = match self.profile {
            Profile::Incremental { .. } => self.change().degrees(),
            _ => None,
        };
        let changes = changes.unwrap_or_else(|| vec![self.change()]);
        let new = changes.iter().map(|change| change.apply(old.clone()));
        let new: Vec<Concept> = new.collect();
        [vec![old], new].concat()
    }

    /// The probability of the new concept at sample `t`; where it comes by degrees, of its `degrees` the one reached.
    fn new_share(&self, t: usize, degrees: usize) -> (usize, f64) {
        let since = t as f64 - self.drift_at as f64;
        match self.profile {
            Profile::Abrupt => (1, f64::from(u8::from(since >= 0.0))),
            Profile::Gradual { width } => (1, 1.0 / (1.0 + libm::exp(-4.0 * since / width as f64))),
            Profile::Incremental { width } if since >= 0.0 => {
                let reached = (since / width as f64 * degrees as f64) as usize + 1;
                (reached.min(degrees), 1.0)
            }
            Profile::Incremental { .. } => (1, 0.0),
            Profile::Recurring { period } => {
                let new = since >= 0.0 && ((t - self.drift_at) / period).is_multiple_of(2);
                (1, f64::from(u8::from(new)))
            }
        }
    }
}

impl Describe for ConceptDrift {
    fn settings(&self) -> Settings {
        Settings {
            length: self.length,
            evaluate_every: self.evaluate_every,
            test_images: self.test_images,
            window: self.window,
            label_delay: self.label_delay,
            labelled: self.labelled,
        }
    }

    fn check(&self, classes: usize) -> Result<(), Problem> {
        let fail = |key, why: String| Err((key, why));
        self.settings().check()?;
        if self.drift_at == 0 || self.drift_at >= self.length {
            let last = self.length - 1;
            return fail(
                "drift_at",
                format!("must lie inside the stream: between 1 and {last}"),
            );
        }
        if self.swap.is_some() && self.change.is_some() {
            return fail(
                "change",
                "stands beside `swap`: keep one of them".to_owned(),
            );
        }
        let key = if self.change.is_some() {
            "change"
        } else {
            "swap"
        };
        if let Err(why) = self.change().check(classes) {
            return fail(key, why);
        }
        let (before, after) = (self.drift_at, self.length - self.drift_at);
        match self.profile {
            Profile::Gradual { width }
                if width == 0 || width / 2 >= before || width.div_ceil(2) >= after =>
            {
                fail(
                    "profile",
                    "needs a width that leaves samples before and after the transition".to_owned(),
                )
            }
            Profile::Incremental { width } if width == 0 || width >= after => fail(
                "profile",
                "needs a width that leaves samples after the transition".to_owned(),
            ),
            Profile::Incremental { .. } if self.change().degrees().is_none() => {
                let why =
                    "is incremental, which takes a change that has degrees: `rotate` or `corrupt`";
                fail("profile", why.to_owned())
            }
            Profile::Recurring { period: 0 } => {
                fail("profile", "needs a period of at least 1".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn before(&self, classes: usize) -> Concept {
        Concept::plain(classes)
    }

    fn phases(&self, _: usize) -> Vec<Phase> {
        let phase = |name: &str, start, drift| Phase {
            name: name.to_owned(),
            start,
            drift,
        };
        let mut phases = vec![phase("before", 0, false)];
        match self.profile {
            Profile::Abrupt => phases.push(phase("after", self.drift_at, true)),
            Profile::Gradual { width } => {
                phases.push(phase("transition", self.drift_at - width / 2, true));
                phases.push(phase("after", self.drift_at + width.div_ceil(2), false));
            }
            Profile::Incremental { width } => {
                phases.push(phase("transition", self.drift_at, true));
                phases.push(phase("after", self.drift_at + width, false));
            }
            Profile::Recurring { period } => {
                let starts = (self.drift_at..self.length).step_by(period);
                let names = ["new", "old"].iter().cycle();
                phases.extend(
                    starts
                        .zip(names)
                        .map(|(start, name)| phase(name, start, true)),
                );
            }
        }
        phases
    }

    fn sets(&self, classes: usize) -> Vec<Set> {
        let degrees = self.concepts(classes).len() - 1;
        let names = (1..=degrees).map(|degree| match degrees {
            1 => ("new".to_owned(), degree, 1),
            _ => (format!("degree {degree}"), degree, 1),
        });
        [("old".to_owned(), 0, 0)]
            .into_iter()
            .chain(names)
            .collect()
    }

    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan {
        let concepts = self.concepts(sources.classes);
        let degrees = concepts.len() - 1;
        let shares = |t| {
            let (degree, new) = self.new_share(t, degrees);
            let mut shares = vec![0.0; degrees + 1];
            shares[0] = 1.0 - new;
            shares[degree] += new;
            shares
        };
        let weights = |t| shares(t).iter().map(|share| *share as f32).collect();
        let parts = Parts {
            concepts,
            sets: self.sets(sources.classes),
            phases: self.phases(sources.classes),
        };
        lay_out(parts, &self.settings(), sources, seed, shares, weights)
    }
}
