//! Takes any plan through any device: each sample is predicted, then learnt from once its label is known, and what the
//! device knows by then is measured on images that it never learns from.

use super::concept::{Concept, Lens};
use super::plan::{HeldOut, Plan, Sources};
use crate::data::Images;
use crate::device::{Device, Stop};
use crate::metrics::Window;
use crate::record::{Record, Row};
use runtime_shared::learner::Step;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// Runs `plan` through `device`, with `window` samples in the window of the prequential accuracy. `tick` is told of every
/// sample and may end the run, upon which nothing is given.
pub fn run<D: Device>(
    device: &mut D,
    plan: &Plan,
    sources: &Sources<'_>,
    (window, seed): (usize, u64),
    mut tick: impl FnMut() -> ControlFlow<()>,
) -> Option<Record> {
    let mut record = Record::default();
    let mut stage = match Stage::new(device, plan, sources, seed) {
        Ok(stage) => stage,
        Err(stop) => {
            record.stop = Some((0, stop));
            return Some(record);
        }
    };
    let mut window = Window::new(window);
    for t in 0..plan.events.len() {
        if tick().is_break() {
            return None;
        }
        match stage.sample(device, t) {
            Ok(mut row) => {
                row.prequential = window.push(row.prediction == row.label);
                record.rows.push(row);
            }
            Err(stop) => {
                record.stop = Some((t as u64, stop));
                break;
            }
        }
    }
    Some(record)
}

/// The samples of a plan, made when they are asked for.
pub struct Samples<'a> {
    plan: &'a Plan,
    stream: &'a Images,
    lenses: Vec<Lens>,
}

impl<'a> Samples<'a> {
    /// Those of `plan`, made of the images of `stream` in the run of `seed`.
    pub fn new(plan: &'a Plan, stream: &'a Images, seed: u64) -> Self {
        let lens = |concept: &Concept| Lens::new(&concept.view, stream.shape(), seed);
        Self {
            plan,
            stream,
            lenses: plan.concepts.iter().map(lens).collect(),
        }
    }

    /// The bytes and the label of sample `t`; `None` past the end.
    pub fn get(&self, t: usize) -> Option<(Cow<'a, [u8]>, usize)> {
        let event = self.plan.events.get(t)?;
        let label = self.plan.label(event, self.stream)?;
        let image = self.stream.image(event.image);
        let bytes = self.lenses[event.concept].look(image, event.image as u64);
        Some((bytes, usize::from(label)))
    }
}

/// A plan on its way.
struct Stage<'a> {
    plan: &'a Plan,
    samples: Samples<'a>,
    held: Vec<Held<'a>>,
    /// The first sample whose label was not looked for yet. Labels come in the order of their samples.
    unlabelled: usize,
}

impl<'a> Stage<'a> {
    fn new<D: Device>(
        device: &mut D,
        plan: &'a Plan,
        sources: &'a Sources<'a>,
        seed: u64,
    ) -> Result<Self, Stop> {
        let samples = Samples::new(plan, sources.stream, seed);
        let held = Held::all(device, plan, sources.test, &samples.lenses)?;
        Ok(Self {
            plan,
            samples,
            held,
            unlabelled: 0,
        })
    }

    fn sample<D: Device>(&mut self, device: &mut D, t: usize) -> Result<Row, Stop> {
        let event = &self.plan.events[t];
        let (sample, label) = self.samples.get(t).unwrap_or_default();
        let now = event.label_at == Some(t);
        // A sample that is learnt from at once is predicted by learning.
        let mut prediction = if now {
            None
        } else {
            Some(device.infer(&sample)?)
        };
        let mut steps: Vec<Step> = Vec::new();
        while self.unlabelled <= t {
            match self.plan.events[self.unlabelled].label_at {
                Some(at) if at > t => break,
                None => {}
                Some(_) => {
                    let (sample, label) = self.samples.get(self.unlabelled).unwrap_or_default();
                    let step = device.learn(&sample, label)?;
                    if self.unlabelled == t {
                        prediction = Some(step.prediction);
                    }
                    steps.push(step);
                }
            }
            self.unlabelled += 1;
        }
        let last = steps.iter().rev().find(|step| step.replayed > 0);
        let mut row = Row {
            sample: t as u64,
            label: label as u16,
            prediction: prediction.unwrap_or(usize::from(u16::MAX)) as u16,
            loss: last.map(|step| step.loss),
            prequential: 0.0,
            test_accuracy: None,
            sets: Vec::new(),
            stored: steps.last().map_or(0, |step| step.stored),
            phase: event.phase as u16,
            concept: event.concept as u16,
            detected: steps.iter().any(|step| step.drift),
        };
        if let Some(weights) = &event.measure {
            row.sets = vec![0.0; weights.len()];
            for held in &mut self.held {
                let accuracies = held.accuracies(device)?;
                for ((number, _), accuracy) in held.sets.iter().zip(accuracies) {
                    row.sets[*number] = accuracy;
                }
            }
            let parts = weights
                .iter()
                .zip(&row.sets)
                .filter(|(weight, _)| **weight > 0.0);
            row.test_accuracy = Some(parts.map(|(weight, accuracy)| weight * accuracy).sum());
            if row.sets.len() == 1 {
                row.sets.clear();
            }
        }
        Ok(row)
    }
}

/// Held-out samples as a device sees them, and the sets that have them: sets whose labels alone differ share what was
/// predicted.
struct Held<'a> {
    samples: Vec<Cow<'a, [u8]>>,
    /// Features of each sample where the device has a frozen extractor, empty otherwise.
    features: Vec<Vec<u8>>,
    /// Number and labels of each set.
    sets: Vec<(usize, Vec<usize>)>,
    /// What was measured, where that holds for ever.
    known: Option<Vec<f32>>,
}

impl<'a> Held<'a> {
    /// The held-out sets of `plan`.
    fn all<D: Device>(
        device: &mut D,
        plan: &Plan,
        test: &'a Images,
        lenses: &[Lens],
    ) -> Result<Vec<Self>, Stop> {
        let mut all: Vec<(&HeldOut, Self)> = Vec::new();
        for (number, set) in plan.sets.iter().enumerate() {
            let concept = &plan.concepts[set.concept];
            let label = |&i: &usize| usize::from(concept.label(test.label(i)).unwrap_or_default());
            let labels: Vec<usize> = set.images.iter().map(label).collect();
            let same = |(other, _): &&mut (&HeldOut, Self)| {
                other.images == set.images && plan.concepts[other.concept].view == concept.view
            };
            match all.iter_mut().find(same) {
                Some((_, held)) => held.sets.push((number, labels)),
                None => {
                    let lens = &lenses[set.concept];
                    // Test images have numbers of their own: their noise is not that of the stream's.
                    let sample = |&i: &usize| lens.look(test.image(i), i as u64 | 1 << 32);
                    let samples = set.images.iter().map(sample).collect();
                    all.push((set, Self::new(device, samples, (number, labels))?));
                }
            }
        }
        Ok(all.into_iter().map(|(_, held)| held).collect())
    }

    fn new<D: Device>(
        device: &mut D,
        samples: Vec<Cow<'a, [u8]>>,
        set: (usize, Vec<usize>),
    ) -> Result<Self, Stop> {
        let mut held = Self {
            samples,
            features: Vec::new(),
            sets: vec![set],
            known: None,
        };
        for sample in &held.samples {
            let extracted = device.extract(sample)?;
            if extracted.is_empty() {
                return Ok(held);
            }
            held.features.push(extracted);
        }
        // Samples are not looked at again.
        held.samples.fill(Cow::Borrowed(&[]));
        Ok(held)
    }

    /// The accuracy on each of its sets.
    fn accuracies<D: Device>(&mut self, device: &mut D) -> Result<Vec<f32>, Stop> {
        if let Some(known) = &self.known {
            return Ok(known.clone());
        }
        let mut correct = vec![0u32; self.sets.len()];
        for (n, sample) in self.samples.iter().enumerate() {
            let predicted = match self.features.get(n) {
                Some(features) => device.classify(features)?,
                None => device.infer(sample)?,
            };
            for (correct, (_, labels)) in correct.iter_mut().zip(&self.sets) {
                *correct += u32::from(predicted == labels[n]);
            }
        }
        let share = |correct: u32| correct as f32 / self.samples.len() as f32;
        let accuracies: Vec<f32> = correct.into_iter().map(share).collect();
        if !device.learns() {
            self.known = Some(accuracies.clone());
        }
        Ok(accuracies)
    }
}
