//! A concept: what samples look like at a moment, and what their labels mean.
//!
//! A drift is a change from one concept to another. So a concept says which classes turn up, how their images are seen,
//! and which label each has; what comes when is the scenario's business.

use super::corruption::{Corruption, SEVERITIES, turned};
use crate::data::{Images, Shape};
use runtime_shared::rng::Rng;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

const PERMUTATION: u64 = 0x5045_524d;

/// How images are seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// As they are.
    #[default]
    Plain,
    /// With their pixels in another order, the same for all images of a seed.
    Permuted(u32),
    /// Turned by so many degrees.
    Rotated(f64),
    /// Corrupted, at a severity of 1 to 5.
    Corrupted(Corruption, u8),
}

/// What samples are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Concept {
    /// The label of each class of the data set; `None` for classes that do not turn up.
    pub labels: Vec<Option<u8>>,
    /// How images are seen.
    pub view: View,
}

impl Concept {
    /// All classes as they are.
    pub fn plain(classes: usize) -> Self {
        Self {
            labels: (0..classes).map(|class| Some(class as u8)).collect(),
            view: View::Plain,
        }
    }

    /// Only these classes, with the labels that they have.
    pub fn of(classes: usize, chosen: &[usize]) -> Self {
        let mut concept = Self::plain(classes);
        for (class, label) in concept.labels.iter_mut().enumerate() {
            if !chosen.contains(&class) {
                *label = None;
            }
        }
        concept
    }

    /// Only these classes, labelled 0, 1, … in the order given.
    pub fn renumbered(classes: usize, chosen: &[usize]) -> Self {
        let number = |class| {
            chosen
                .iter()
                .position(|c| *c == class)
                .map(|place| place as u8)
        };
        Self {
            labels: (0..classes).map(number).collect(),
            view: View::Plain,
        }
    }

    /// The same with two labels exchanged.
    pub fn swapped(mut self, [a, b]: [usize; 2]) -> Self {
        if a.max(b) < self.labels.len() {
            self.labels.swap(a, b);
        }
        self
    }

    /// The same, seen otherwise.
    pub fn seen(mut self, view: View) -> Self {
        self.view = view;
        self
    }

    /// The label of an image of `class`; `None` where that class does not turn up.
    pub fn label(&self, class: u8) -> Option<u8> {
        self.labels.get(usize::from(class)).copied().flatten()
    }

    /// Those of `pool` whose class turns up.
    pub fn pool(&self, images: &Images, pool: &[usize]) -> Vec<usize> {
        let turns_up = |&&i: &&usize| self.label(images.label(i)).is_some();
        pool.iter().filter(turns_up).copied().collect()
    }
}

/// Makes samples of images, on the fly.
pub struct Lens {
    shape: Shape,
    seed: u64,
    order: Vec<u32>,
    view: View,
}

impl Lens {
    /// Sees images of `shape` as `view` has it, in the run of `seed`.
    pub fn new(view: &View, shape: Shape, seed: u64) -> Self {
        let mut order = Vec::new();
        if let View::Permuted(number) = view {
            // Whole pixels are moved, so that colours stay together.
            order = (0..(shape.width * shape.height) as u32).collect();
            Rng::for_purpose(seed ^ u64::from(*number) << 32, PERMUTATION).shuffle(&mut order);
        }
        Self {
            shape,
            seed,
            order,
            view: view.clone(),
        }
    }

    /// The bytes of the sample that is made of `image`, which has the number `i` in its set.
    pub fn look<'a>(&self, image: &'a [u8], i: u64) -> Cow<'a, [u8]> {
        match &self.view {
            View::Plain => Cow::Borrowed(image),
            View::Permuted(_) => {
                let pixel = |&p: &u32| {
                    let at = p as usize * self.shape.channels;
                    image[at..at + self.shape.channels].iter().copied()
                };
                Cow::Owned(self.order.iter().flat_map(pixel).collect())
            }
            View::Rotated(degrees) => Cow::Owned(turned(image, self.shape, degrees.to_radians())),
            View::Corrupted(corruption, severity) => {
                let seed = self.seed ^ i << 20;
                Cow::Owned(corruption.apply(image, self.shape, *severity, seed))
            }
        }
    }
}

/// What a drift changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Two labels mean each other.
    Swap([usize; 2]),
    /// The pixels of all images come in another order.
    Permute(u32),
    /// Images are turned by so many degrees.
    Rotate(f64),
    /// Images are corrupted.
    Corrupt {
        /// How.
        kind: Corruption,
        /// 1 to 5.
        severity: u8,
    },
}

impl Change {
    /// Refuses what makes no sense for a data set of `classes`.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        match self {
            Self::Swap([a, b]) if a == b || *a.max(b) >= classes => {
                Err(format!("must name two different labels below {classes}"))
            }
            Self::Rotate(degrees) if !degrees.is_finite() => Err("must be finite".to_owned()),
            Self::Corrupt { severity, .. } if !SEVERITIES.contains(severity) => {
                Err("has a severity that is not 1, 2, 3, 4 or 5".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// `concept` after the change.
    pub fn apply(&self, concept: Concept) -> Concept {
        match self {
            Self::Swap(swap) => concept.swapped(*swap),
            Self::Permute(number) => concept.seen(View::Permuted(*number)),
            Self::Rotate(degrees) => concept.seen(View::Rotated(*degrees)),
            Self::Corrupt { kind, severity } => concept.seen(View::Corrupted(*kind, *severity)),
        }
    }

    /// The change by degrees, the least first and the whole last; `None` where it has no degrees.
    pub fn degrees(&self) -> Option<Vec<Self>> {
        match self {
            Self::Swap(_) | Self::Permute(_) => None,
            Self::Rotate(all) => {
                let part = |i: u32| Self::Rotate(all * f64::from(i) / 5.0);
                Some((1..=5).map(part).collect())
            }
            Self::Corrupt { kind, severity } => {
                let at = |severity| Self::Corrupt {
                    kind: *kind,
                    severity,
                };
                Some((1..=*severity).map(at).collect())
            }
        }
    }
}
