//! Class-incremental learning: the network knows some classes, then others turn up.

use super::concept::Concept;
use super::plan::{Parts, Phase, Plan, Set, Settings, Sources, lay_out};
use super::{Describe, Problem, defaults};
use serde::{Deserialize, Serialize};

/// Classes that turn up in the middle of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassIncremental {
    /// Samples in the stream.
    #[serde(default = "defaults::length")]
    pub length: usize,
    /// The first sample that may be of a new class.
    #[serde(default = "fifty")]
    pub new_from: usize,
    /// The classes that turn up then; all others are known before.
    #[serde(default = "eight_and_nine")]
    pub new: Vec<usize>,
    /// Accuracy is measured after every so many samples, and where the new classes turn up.
    #[serde(default = "defaults::evaluate_every")]
    pub evaluate_every: usize,
    /// Held-out images of old and of new classes each, drawn for every seed; 0 for all.
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

fn fifty() -> usize {
    50
}

fn eight_and_nine() -> Vec<usize> {
    vec![8, 9]
}

impl ClassIncremental {
    fn old(&self, classes: usize) -> Vec<usize> {
        (0..classes)
            .filter(|class| !self.new.contains(class))
            .collect()
    }
}

impl Describe for ClassIncremental {
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
        self.settings().check()?;
        if self.new_from == 0 || self.new_from >= self.length {
            let last = self.length - 1;
            return Err((
                "new_from",
                format!("must lie inside the stream: between 1 and {last}"),
            ));
        }
        let distinct =
            |(i, class): (usize, &usize)| *class < classes && !self.new[..i].contains(class);
        if self.new.is_empty()
            || self.new.len() >= classes
            || !self.new.iter().enumerate().all(distinct)
        {
            let why = format!(
                "must name different classes below {classes}, and leave some that are known before"
            );
            return Err(("new", why));
        }
        Ok(())
    }

    fn before(&self, classes: usize) -> Concept {
        Concept::of(classes, &self.old(classes))
    }

    fn fresh_outputs(&self, _: usize) -> Vec<usize> {
        self.new.clone()
    }

    fn phases(&self, _: usize) -> Vec<Phase> {
        let phase = |name: &str, start, drift| Phase {
            name: name.to_owned(),
            start,
            drift,
        };
        vec![
            phase("old classes", 0, false),
            phase("all classes", self.new_from, true),
        ]
    }

    fn sets(&self, _: usize) -> Vec<Set> {
        vec![
            ("old classes".to_owned(), 0, 0),
            ("new classes".to_owned(), 1, 1),
        ]
    }

    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan {
        let classes = sources.classes;
        let old = Concept::of(classes, &self.old(classes));
        let new = Concept::of(classes, &self.new);
        // From then on all classes are as likely as they are many.
        let share = self.new.len() as f64 / classes as f64;
        let shares = |t| match t >= self.new_from {
            true => vec![1.0 - share, share],
            false => vec![1.0, 0.0],
        };
        let weights = |t| shares(t).iter().map(|share| *share as f32).collect();
        lay_out(
            Parts {
                concepts: vec![old, new],
                sets: self.sets(classes),
                phases: self.phases(classes),
            },
            &self.settings(),
            sources,
            seed,
            shares,
            weights,
        )
    }
}
