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
pub use plan::{Plan, Settings, Sources};
pub use tasks::{Sequence, Tasks};
pub use transfer::Transfer;

use concept::Concept;
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

    /// What happens in the run of `seed`.
    fn plan(&self, sources: &Sources<'_>, seed: u64) -> Plan;
}

macro_rules! scenarios {
    ($($(#[$doc:meta])* $Name:ident;)*) => {
        /// A scenario, by its name in configs.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Scenario {
            $($(#[$doc])* $Name($Name),)*
        }

        impl Scenario {
            fn inner(&self) -> &dyn Describe {
                match self { $(Self::$Name(scenario) => scenario,)* }
            }
        }
    };
}

scenarios! {
    /// The world changes in the middle of a stream.
    ConceptDrift;
    /// Classes turn up that were not known.
    ClassIncremental;
    /// Another task on the same outputs.
    Transfer;
    /// Tasks one after the other.
    Tasks;
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
