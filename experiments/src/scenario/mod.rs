//! Scenarios: what happens to a learner on its device.
//!
//! A scenario is a few keys of a config. From them, the labels of the images and a seed follows a [`Plan`]: which sample
//! comes when, what it looks like, what its label means by then and when that is known, and what is measured where.
//! [`driver::run`] takes any plan through any device.
//!
//! A new scenario is a file here that implements [`Describe`], and a line in the table below.

mod class_incremental;
pub mod concept;
pub mod corruption;
mod drift;
pub mod driver;
pub mod plan;
mod tasks;
mod transfer;

pub use class_incremental::ClassIncremental;
pub use drift::{ConceptDrift, Profile};
pub use plan::{Phase, Plan, Settings, Sources};
pub use tasks::{Sequence, Tasks};
pub use transfer::Transfer;

use concept::Concept;
use plan::Set;
use serde::de::MapAccess;
use serde::{Deserialize, Serialize};

/// The key that is wrong, and what is wrong with it.
pub type Problem = (&'static str, String);

/// What every scenario says of itself.
pub trait Describe {
    /// What all scenarios have.
    fn settings(&self) -> Settings;

    /// Refuses what makes no sense for a data set of `classes`.
    ///
    /// # Errors
    /// Key and sentence.
    fn check(&self, classes: usize) -> Result<(), Problem>;

    /// The concept that pre-training sees.
    fn before(&self, classes: usize) -> Concept;

    /// Outputs that the network must have for a data set of `classes`.
    fn outputs(&self, classes: usize) -> usize {
        classes
    }

    /// Output units whose weights are drawn again before the stream begins, because pre-training knew nothing of them.
    fn fresh_outputs(&self, classes: usize) -> Vec<usize> {
        let _ = classes;
        Vec::new()
    }

    /// Whether the network must know something before.
    fn needs_pretraining(&self) -> bool {
        true
    }

    /// The stretches of the stream for a data set of `classes`, in order; the first starts at 0.
    fn phases(&self, classes: usize) -> Vec<Phase>;

    /// The held-out sets for a data set of `classes`.
    fn sets(&self, classes: usize) -> Vec<Set>;

    /// What happens in the run of `seed`.
    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan;
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $Name:ident $name:literal;)*) => {
        /// A scenario, by its name in configs.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Scenario {
            $($(#[$doc])* $Name($Name),)*
        }

        impl Scenario {
            /// Their names in configs.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The scenario called `name` from the value that stands beside it in `map`; `None` where there is no such
            /// scenario.
            ///
            /// # Errors
            /// The map's, which know the place.
            pub fn next_value<'de, A: MapAccess<'de>>(name: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                Ok(match name {
                    $($name => Some(Self::$Name(map.next_value()?)),)*
                    _ => None,
                })
            }

            /// Its name in configs.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$Name(_) => $name,)* }
            }

            fn inner(&self) -> &dyn Describe {
                match self { $(Self::$Name(scenario) => scenario,)* }
            }
        }
    };
}

scenarios! {
    /// The world changes in the middle of a stream.
    ConceptDrift "concept_drift";
    /// Classes turn up that were not known.
    ClassIncremental "class_incremental";
    /// Another task on the same outputs.
    Transfer "transfer";
    /// Tasks one after the other.
    Tasks "tasks";
}

impl Describe for Scenario {
    fn settings(&self) -> Settings {
        self.inner().settings()
    }

    fn check(&self, classes: usize) -> Result<(), Problem> {
        self.inner().check(classes)
    }

    fn before(&self, classes: usize) -> Concept {
        self.inner().before(classes)
    }

    fn outputs(&self, classes: usize) -> usize {
        self.inner().outputs(classes)
    }

    fn fresh_outputs(&self, classes: usize) -> Vec<usize> {
        self.inner().fresh_outputs(classes)
    }

    fn needs_pretraining(&self) -> bool {
        self.inner().needs_pretraining()
    }

    fn phases(&self, classes: usize) -> Vec<Phase> {
        self.inner().phases(classes)
    }

    fn sets(&self, classes: usize) -> Vec<Set> {
        self.inner().sets(classes)
    }

    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan {
        self.inner().plan(sources, seed)
    }
}

/// What stands where a config says nothing.
mod defaults {
    pub fn length() -> usize {
        600
    }

    pub fn drift_at() -> usize {
        100
    }

    pub fn evaluate_every() -> usize {
        5
    }

    pub fn test_images() -> usize {
        1000
    }

    pub fn window() -> usize {
        50
    }

    pub fn labelled() -> f64 {
        1.0
    }
}
