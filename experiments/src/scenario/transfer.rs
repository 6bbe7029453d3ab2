//! Transfer: a network that was trained for one task learns another on the device, with the same outputs.

use super::concept::Concept;
use super::plan::{Parts, Phase, Plan, Set, Settings, Sources, lay_out};
use super::{Describe, Problem, defaults};
use serde::{Deserialize, Serialize};

/// Another task from the first sample on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Samples in the stream.
    #[serde(default = "defaults::length")]
    pub length: usize,
    /// The classes of the task before, labelled 0, 1, … in this order; all where pre-training has data of its own.
    #[serde(default)]
    pub from: Vec<usize>,
    /// The classes of the task on the device, labelled 0, 1, … in this order.
    pub to: Vec<usize>,
    /// Accuracy is measured after every so many samples.
    #[serde(default = "defaults::evaluate_every")]
    pub evaluate_every: usize,
    /// Held-out images that it is measured on, drawn for every seed; 0 for all.
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

impl Describe for Transfer {
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
        for (key, list) in [("from", &self.from), ("to", &self.to)] {
            let distinct =
                |(i, class): (usize, &usize)| *class < classes && !list[..i].contains(class);
            if !list.iter().enumerate().all(distinct) {
                return Err((key, format!("must name different classes below {classes}")));
            }
        }
        if self.to.len() < 2 {
            return Err(("to", "must name two classes or more".to_owned()));
        }
        if !self.from.is_empty() && self.from.len() < 2 {
            return Err(("from", "must name two classes or more, or none".to_owned()));
        }
        Ok(())
    }

    fn outputs(&self, classes: usize) -> usize {
        let before = if self.from.is_empty() {
            classes
        } else {
            self.from.len()
        };
        before.max(self.to.len())
    }

    fn before(&self, classes: usize) -> Concept {
        match self.from.as_slice() {
            [] => Concept::plain(classes),
            from => Concept::renumbered(classes, from),
        }
    }

    fn phases(&self, _: usize) -> Vec<Phase> {
        vec![Phase {
            name: "new task".to_owned(),
            start: 0,
            drift: false,
        }]
    }

    fn sets(&self, _: usize) -> Vec<Set> {
        vec![("new task".to_owned(), 0, 0)]
    }

    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan {
        let task = Concept::renumbered(sources.classes, &self.to);
        let parts = Parts {
            concepts: vec![task],
            sets: self.sets(sources.classes),
            phases: self.phases(sources.classes),
        };
        lay_out(
            parts,
            &self.settings(),
            sources,
            seed,
            |_| vec![1.0],
            |_| vec![1.0],
        )
    }
}
