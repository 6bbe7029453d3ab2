//! What the header of a Program says about learning.

use crate::compile::Options;
use crate::image::Image;
use crate::ops::Op;
use crate::options::{LossSpec, Optimiser, ScheduleSpec, Trigger};
use crate::stage::Stage;
use runtime_shared::learner::TriggerKind;
use runtime_shared::program::Field;
use runtime_shared::schedule::ScheduleKind;

/// Writes what was chosen besides the network; `last` is its last stage.
pub fn write(image: &mut Image, options: &Options, last: Option<&Stage>) {
    let training = &options.training;
    let online = &options.online;
    // With the error itself, one output is compared with 0 and 1, and a softmax stays.
    let of_errors = matches!(
        options.loss,
        LossSpec::Mse | LossSpec::Mae | LossSpec::Huber(_)
    );
    let probabilities =
        of_errors && last.is_some_and(|s| s.shape.len() == 1 || matches!(s.op, Op::Softmax(_)));
    image.set(Field::OutputsAreProbabilities, u32::from(probabilities));
    image.set_float(Field::LearningRate, training.learning_rate);
    image.set_float(Field::WeightDecay, training.weight_decay);
    image.set_float(
        Field::ClipValue,
        training.clip_value.unwrap_or(f32::INFINITY),
    );
    let (beta1, beta2, epsilon) = match training.optimiser {
        Optimiser::Sgd => (0.0, 0.0, 0.0),
        Optimiser::Momentum { momentum } => (momentum, 0.0, 0.0),
        Optimiser::Adam {
            beta1,
            beta2,
            epsilon,
        } => (beta1, beta2, epsilon),
    };
    image.set_float(Field::Beta1, beta1);
    image.set_float(Field::Beta2, beta2);
    image.set_float(Field::Epsilon, epsilon);
    let (kind, period, factor) = match training.schedule {
        ScheduleSpec::Constant => (ScheduleKind::Constant, 0, 0.0),
        ScheduleSpec::Step { period, factor } => (ScheduleKind::Step, period, factor),
        ScheduleSpec::Cosine { period, last } => (ScheduleKind::Cosine, period.max(1), last),
    };
    image.set(Field::Schedule, kind.code());
    image.set(Field::SchedulePeriod, period);
    image.set_float(Field::ScheduleFactor, factor);
    image.set(Field::Batch, training.batch);
    let (trigger, every, confidence) = match online.trigger {
        Trigger::EverySample => (TriggerKind::EverySample, 0, 0.0),
        Trigger::Every(n) => (TriggerKind::Every, n, 0.0),
        Trigger::ConfidenceBelow(c) => (TriggerKind::ConfidenceBelow, 0, c),
        Trigger::AfterDrift(n) => (TriggerKind::AfterDrift, n, 0.0),
    };
    image.set(Field::Trigger, trigger.code());
    image.set(Field::TriggerEvery, every);
    image.set_float(Field::TriggerConfidence, confidence);
    image.set(Field::Passes, online.passes);
    image.set(Field::Draw, online.draw);
    let keep = online.detector.and_then(|d| d.purge_keep);
    image.set(Field::PurgeKeep, keep.unwrap_or(u32::MAX));
    image.set(Field::SeedLow, options.seed as u32);
    image.set(Field::SeedHigh, (options.seed >> 32) as u32);
}
