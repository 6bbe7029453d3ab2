//! Tasks one after the other: Split-, Permuted-, Rotated- and corrupted streams of continual learning.

use super::concept::{Change, Concept, View};
use super::corruption::{Corruption, SEVERITIES};
use super::plan::{Parts, Phase, Plan, Set, Settings, Sources, lay_out};
use super::{Describe, Problem, defaults};
use serde::{Deserialize, Serialize};

/// What tells one task from the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sequence {
    /// So many classes a task, with the labels that they have (Split-MNIST, class-incremental).
    Split(usize),
    /// So many classes a task, labelled from 0 in each (Split-MNIST, domain-incremental).
    SplitRenumbered(usize),
    /// So many orders of the pixels, the first as they are (Permuted-MNIST).
    Permuted(u32),
    /// Images turned by these degrees, task by task (Rotated-MNIST).
    Rotated(Vec<f64>),
    /// These corruptions at a severity, after images as they are.
    Corrupted {
        /// Which, in order.
        kinds: Vec<Corruption>,
        /// 1 to 5.
        severity: u8,
    },
}

/// Tasks of one length, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// Samples in the stream, shared among the tasks.
    #[serde(default = "defaults::length")]
    pub length: usize,
    /// What they are.
    pub sequence: Sequence,
    /// Accuracy on every task is measured after every so many samples, and around every change of task.
    #[serde(default = "defaults::evaluate_every")]
    pub evaluate_every: usize,
    /// Held-out images of each task, drawn for every seed; 0 for all.
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

impl Tasks {
    /// Name and concept of each task.
    fn tasks(&self, classes: usize) -> Vec<(String, Concept)> {
        let plain = || Concept::plain(classes);
        let all: Vec<usize> = (0..classes).collect();
        let named = |chosen: &[usize]| {
            let names: Vec<String> = chosen.iter().map(usize::to_string).collect();
            format!("classes {}", names.join(", "))
        };
        match &self.sequence {
            Sequence::Split(size) => {
                let task = |c: &[usize]| (named(c), Concept::of(classes, c));
                all.chunks((*size).max(1)).map(task).collect()
            }
            Sequence::SplitRenumbered(size) => {
                let task = |c: &[usize]| (named(c), Concept::renumbered(classes, c));
                all.chunks((*size).max(1)).map(task).collect()
            }
            Sequence::Permuted(count) => {
                let task = |i| match i {
                    0 => ("as they are".to_owned(), plain()),
                    _ => (format!("order {i}"), Change::Permute(i).apply(plain())),
                };
                (0..*count).map(task).collect()
            }
            Sequence::Rotated(degrees) => {
                let task = |d: &f64| (format!("{d}°"), plain().seen(View::Rotated(*d)));
                degrees.iter().map(task).collect()
            }
            Sequence::Corrupted { kinds, severity } => {
                let task = |kind: &Corruption| {
                    let concept = plain().seen(View::Corrupted(*kind, *severity));
                    (kind.name().replace('_', " "), concept)
                };
                let clean = ("as they are".to_owned(), plain());
                [clean].into_iter().chain(kinds.iter().map(task)).collect()
            }
        }
    }

    fn task_at(&self, t: usize, tasks: usize) -> usize {
        (t * tasks / self.length).min(tasks - 1)
    }
}

impl Describe for Tasks {
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
        let fail = |why: &str| Err(("sequence", why.to_owned()));
        match &self.sequence {
            Sequence::Split(size) | Sequence::SplitRenumbered(size)
                if *size == 0 || *size >= classes =>
            {
                return fail("must leave two tasks or more");
            }
            Sequence::SplitRenumbered(1) => return fail("must give a task two classes or more"),
            Sequence::Permuted(count) if !(2..=1000).contains(count) => {
                return fail("must have between 2 and 1000 orders of the pixels");
            }
            Sequence::Rotated(degrees)
                if degrees.len() < 2 || !degrees.iter().all(|d| d.is_finite()) =>
            {
                return fail("must have two angles or more, all of them finite");
            }
            Sequence::Corrupted { kinds, severity }
                if kinds.is_empty() || !SEVERITIES.contains(severity) =>
            {
                return fail("must name a corruption, and a severity of 1, 2, 3, 4 or 5");
            }
            _ => {}
        }
        if self.tasks(classes).len() > self.length {
            return Err(("length", "must be at least the number of tasks".to_owned()));
        }
        Ok(())
    }

    fn outputs(&self, classes: usize) -> usize {
        match self.sequence {
            Sequence::SplitRenumbered(size) => size,
            _ => classes,
        }
    }

    fn before(&self, classes: usize) -> Concept {
        let first = self.tasks(classes).into_iter().next();
        first.map_or_else(|| Concept::plain(classes), |(_, concept)| concept)
    }

    fn needs_pretraining(&self) -> bool {
        false
    }

    fn phases(&self, classes: usize) -> Vec<Phase> {
        let tasks = self.tasks(classes);
        let count = tasks.len();
        let phase = |(i, (name, _)): (usize, (String, Concept))| Phase {
            name,
            start: (i * self.length).div_ceil(count),
            drift: i > 0,
        };
        tasks.into_iter().enumerate().map(phase).collect()
    }

    fn sets(&self, classes: usize) -> Vec<Set> {
        let tasks = self.tasks(classes).into_iter().enumerate();
        tasks.map(|(i, (name, _))| (name, i, i)).collect()
    }

    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan {
        let tasks = self.tasks(sources.classes);
        let concepts: Vec<Concept> = tasks.into_iter().map(|(_, concept)| concept).collect();
        let tasks = concepts.len();
        let shares = |t| {
            let now = self.task_at(t, tasks);
            (0..tasks)
                .map(|task| f64::from(u8::from(task == now)))
                .collect()
        };
        // What was seen so far counts alike: the average accuracy of continual learning.
        let weights = |t| {
            let seen = self.task_at(t, tasks) + 1;
            let share = |task| if task < seen { 1.0 / seen as f32 } else { 0.0 };
            (0..tasks).map(share).collect()
        };
        let parts = Parts {
            concepts,
            sets: self.sets(sources.classes),
            phases: self.phases(sources.classes),
        };
        lay_out(parts, &self.settings(), sources, seed, shares, weights)
    }
}
