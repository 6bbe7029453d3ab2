//! The protocol of a stream: each sample is predicted, then learnt from, and what the device knows by
//! then is measured on images that it never learns from.

use crate::data::Images;
use crate::device::{Device, Stop};
use crate::evaluation::Evaluation;
use crate::metrics::Window;
use crate::stream::ConceptDrift;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// What happened at one sample.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the stream, from 0; over epochs it counts on.
    pub sample: u64,
    /// Its label, as the concept of the moment has it.
    pub label: u16,
    /// What was predicted before learning.
    pub prediction: u16,
    /// Mean loss of what was replayed; `None` where nothing was.
    pub loss: Option<f32>,
    /// Prequential accuracy over the window.
    pub prequential: f32,
    /// Accuracy on held-out images, where it was measured.
    pub test_accuracy: Option<f32>,
    /// Samples in the replay buffer.
    pub stored: u32,
    /// Whether the sample belongs to the new concept.
    pub drifted: bool,
}

/// One repetition of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What happened, sample by sample.
    pub rows: Vec<Row>,
    /// Where and why it ended early.
    pub stop: Option<(u64, Stop)>,
}

impl Record {
    /// The measurements: (sample, accuracy).
    pub fn curve(&self) -> Vec<(u64, f64)> {
        let measured = self.rows.iter();
        measured
            .filter_map(|r| r.test_accuracy.map(|a| (r.sample, f64::from(a))))
            .collect()
    }
}

/// What a repetition goes through.
pub struct Course<'a> {
    /// The stream's images.
    pub stream: &'a Images,
    /// Those of them that the stream may draw.
    pub pool: &'a [usize],
    /// Images that are only ever evaluated on.
    pub test: &'a Images,
    /// Decides which images come when, and which are evaluated on.
    pub seed: u64,
}

/// Runs the stream of `drift` through `device`. `tick` is told of every sample and may end the run,
/// upon which nothing is given.
pub fn run<D: Device>(
    device: &mut D,
    drift: &ConceptDrift,
    course: &Course<'_>,
    mut tick: impl FnMut() -> ControlFlow<()>,
) -> Option<Record> {
    let mut record = Record::default();
    let indices = drift.draw_test(course.test.len(), course.seed);
    let evaluation = match Evaluation::new(device, course.test, indices) {
        Ok(evaluation) => evaluation,
        Err(stop) => {
            record.stop = Some((0, stop));
            return Some(record);
        }
    };
    let mut window = Window::new(drift.window);
    let mut constant: [Option<f32>; 2] = [None; 2];
    for (at, image) in drift.draw(course.pool, course.seed).into_iter().enumerate() {
        if tick().is_break() {
            return None;
        }
        let label = drift.relabel(at, usize::from(course.stream.label(image)));
        let drifted = at >= drift.drift_at;
        let outcome = device
            .learn(course.stream.image(image), label)
            .and_then(|step| {
                let known = &mut constant[usize::from(drifted)];
                let accuracy = match (*known, drift.evaluates(at)) {
                    (_, false) => None,
                    // Nothing was learnt since the last measurement, nor ever will be.
                    (Some(accuracy), true) if !device.learns() => Some(accuracy),
                    _ => Some(evaluation.accuracy(device, |label| drift.relabel(at, label))?),
                };
                *known = accuracy.or(*known);
                Ok((step, accuracy))
            });
        let (step, test_accuracy) = match outcome {
            Ok(outcome) => outcome,
            Err(stop) => {
                record.stop = Some((at as u64, stop));
                break;
            }
        };
        record.rows.push(Row {
            sample: at as u64,
            label: label as u16,
            prediction: step.prediction as u16,
            loss: (step.replayed > 0).then_some(step.loss),
            prequential: window.push(step.prediction == label),
            test_accuracy,
            stored: step.stored,
            drifted,
        });
    }
    Some(record)
}
