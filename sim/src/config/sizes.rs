//! Whether there are as many images as a config asks for: checked against the published sizes when it is read, and against
//! the images themselves when they are there, which may be a stand-in's.

use super::resolved::{DataPlan, PretrainPlan, Protocol};
use experiments::data::DataSet;

/// The table of a config that asks for too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `[data]`, of the run or of a strategy.
    Data,
    /// `[pretrain]`.
    Pretrain,
    /// `[experiment.…]`.
    Experiment,
}

/// What is asked of one data set.
#[derive(Clone, Copy)]
pub struct Demand<'a> {
    /// What happens on the device.
    pub protocol: &'a Protocol,
    /// What happened before.
    pub pretrain: Option<&'a PretrainPlan>,
    /// How the data are used.
    pub plan: &'a DataPlan,
}

impl Demand<'_> {
    /// Refuses what `set` with so many training and test images cannot give.
    ///
    /// # Errors
    /// The table that asks for it, and a sentence.
    pub fn check(self, set: DataSet, (train, test): (usize, usize)) -> Result<(), (Table, String)> {
        let held_out = self.plan.validation;
        if held_out > train {
            return fail(
                Table::Data,
                format!("`validation` is {held_out}, but {set} has {train} training images."),
            );
        }
        let left = train - held_out;
        let trains = self.pretrain.is_some() || matches!(self.protocol, Protocol::FromScratch(_));
        if trains && left == 0 {
            return fail(
                Table::Data,
                format!(
                    "`validation` holds out all {train} training images of {set}: none is left to train on."
                ),
            );
        }
        let limit = |limit: usize, table, name: &str| match limit > left {
            true => fail(
                table,
                format!(
                    "`{name}.limit` is {limit}, but {left} images of {set} are left to train on."
                ),
            ),
            false => Ok(()),
        };
        if let Some(plan) = self.pretrain {
            limit(plan.limit, Table::Pretrain, "pretrain")?;
        }
        match self.protocol {
            Protocol::FromScratch(protocol) => limit(protocol.limit, Table::Experiment, "experiment.from_scratch"),
            Protocol::ConceptDrift(_) if held_out == 0 => fail(
                Table::Data,
                "A stream needs images that pre-training does not see: set `validation`, for example to 5000.".to_owned(),
            ),
            Protocol::ConceptDrift(drift) if drift.length > held_out => fail(
                Table::Experiment,
                format!(
                    "`experiment.concept_drift.length` is {}, but the stream is drawn from {held_out} images: shorten it, or raise `validation`.",
                    drift.length
                ),
            ),
            Protocol::ConceptDrift(drift) if drift.test_images > test => fail(
                Table::Experiment,
                format!(
                    "`experiment.concept_drift.test_images` is {}, but {set} has {test} test images; 0 takes all of them.",
                    drift.test_images
                ),
            ),
            Protocol::ConceptDrift(_) => Ok(()),
        }
    }
}

fn fail(table: Table, message: String) -> Result<(), (Table, String)> {
    Err((table, message))
}
