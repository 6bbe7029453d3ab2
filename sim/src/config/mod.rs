//! Configs: what was written ([`raw`]) and what it means ([`resolved`]).

pub mod model;
pub mod raw;
pub mod resolved;
pub mod sizes;

pub use model::Model;
pub use resolved::{Config, DataPlan, PretrainPlan, Protocol, Strategy, digest, load};

use experiments::data::Normalisation;
use sim_compiler::{Options, ScheduleSpec, Training};

/// What the compiler is told for a strategy. `updates` is the length of the training, where the schedule
/// leaves it open.
pub fn options(
    strategy: &Strategy,
    normalisation: &[(f32, f32)],
    updates: u32,
    seed: u64,
) -> Options {
    Options {
        scheme: strategy.train.clone(),
        loss: strategy.loss,
        training: with_period(&strategy.training, updates),
        online: strategy.online.clone(),
        normalisation: normalisation.to_vec(),
        seed,
    }
}

/// Some normalisation with as many channels as that of the strategy: its figures decide no byte, only how many there are.
pub fn any_normalisation(strategy: &Strategy) -> Vec<(f32, f32)> {
    let data = &strategy.data;
    match data.normalise {
        Normalisation::Unit => vec![(1.0, 0.0)],
        Normalisation::PerChannel => vec![(1.0, -1.0); resolved::shape(data.set).c],
        _ => vec![(1.0, -1.0)],
    }
}

/// `training` with an open cosine closed at `updates`.
pub fn with_period(training: &Training, updates: u32) -> Training {
    let mut training = training.clone();
    if let ScheduleSpec::Cosine { period: 0, last } = training.schedule {
        training.schedule = ScheduleSpec::Cosine {
            period: updates.max(1),
            last,
        };
    }
    training
}
