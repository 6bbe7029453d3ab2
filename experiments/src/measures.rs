//! Measures of a repetition, by name: what reports, comparisons and statistics have in common.
//!
//! A measure is a line of [`TABLE`] and a value in [`of`]. Reports take its title, its unit and which way is better from
//! there. A repetition has no value of a measure that means nothing for it: of an end that it did not reach, or of a drift
//! where nothing drifts.

use crate::metrics::{Recovery, drift_metrics};
use crate::record::Record;
use crate::scenario::Phase;
use crate::scenario::plan::Set;

/// What a measure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share of 1, or a difference of shares.
    Share,
    /// Samples of the stream.
    Samples,
    /// How often something happened.
    Count,
}

/// A line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in files.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Whether more of it is better.
    pub more_is_better: bool,
    /// How it is defined, in a sentence.
    pub about: &'static str,
}

const fn share(name: &'static str, title: &'static str, about: &'static str) -> Measure {
    Measure {
        name,
        title,
        unit: Unit::Share,
        more_is_better: true,
        about,
    }
}

const fn less(name: &'static str, title: &'static str, unit: Unit, about: &'static str) -> Measure {
    Measure {
        name,
        title,
        unit,
        more_is_better: false,
        about,
    }
}

/// All measures, in the order in which reports show them.
pub const TABLE: &[Measure] = &[
    share(
        "accuracy_before",
        "before",
        "Accuracy on held-out images at the last measurement before the first drift.",
    ),
    share(
        "accuracy_at",
        "at the drift",
        "Accuracy at the first measurement from the first drift on.",
    ),
    share(
        "accuracy_lowest",
        "lowest",
        "The lowest accuracy from the first drift on.",
    ),
    share(
        "accuracy_after",
        "mean after",
        "Mean of all measurements of accuracy from the first drift on, or of all where nothing drifts.",
    ),
    share(
        "accuracy_final",
        "final",
        "Accuracy at the end of the stream.",
    ),
    less(
        "recovery",
        "recovery",
        Unit::Samples,
        "Samples from the first drift until accuracy is back at 95 % of what it was before; a repetition that did not get there counts as longer than it was looked at.",
    ),
    share(
        "prequential",
        "prequential",
        "Share of samples predicted right before they were learnt from.",
    ),
    share(
        "prequential_faded",
        "prequential, faded",
        "The same where each older sample counts 1 % less than the one after it, at the end of the stream (J. Gama et al., 2013).",
    ),
    less(
        "detection_delay",
        "detection delay",
        Unit::Samples,
        "Samples from the first drift to the first detection, at most until the next drift; a drift that was not detected counts as longer than that.",
    ),
    less(
        "false_alarms",
        "false alarms",
        Unit::Count,
        "Detections before the first drift, and those after the first one since a drift.",
    ),
    less(
        "missed_drifts",
        "missed drifts",
        Unit::Count,
        "Drifts without a detection until the next one or the end.",
    ),
    share(
        "average_accuracy",
        "average accuracy",
        "Mean of the final accuracies on all tasks (D. Lopez-Paz, M. Ranzato, 2017).",
    ),
    share(
        "backward_transfer",
        "backward transfer",
        "Mean change of the accuracy on earlier tasks from the end of each to the end of the stream (the same).",
    ),
    share(
        "forward_transfer",
        "forward transfer",
        "Mean rise of the accuracy on later tasks from the first measurement to the one before each begins (the same).",
    ),
    less(
        "forgetting",
        "forgetting",
        Unit::Share,
        "Mean fall of the accuracy on earlier tasks from its highest at the end of a task to the end of the stream (A. Chaudhry et al., 2018).",
    ),
];

/// The line of the table with this name.
pub fn find(name: &str) -> Option<&'static Measure> {
    TABLE.iter().find(|measure| measure.name == name)
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// So much.
    Known(f64),
    /// More than this, up to which it was looked at.
    Beyond(f64),
}

/// The weight of a sample against the one after it, of the faded prequential accuracy.
const FADING: f64 = 0.99;

/// The measures of a repetition whose stream has these phases and held-out sets. An accuracy up to `guess` is guessing.
/// `detects` says whether a detector was there.
pub fn of(
    record: &Record,
    (phases, sets): (&[Phase], &[Set]),
    guess: f64,
    detects: bool,
) -> Vec<(&'static str, Value)> {
    let mut values = Vec::new();
    let mut known = |name, value: f64| values.push((name, Value::Known(value)));
    let curve = record.curve();
    let whole = record.stop.is_none();
    let drifts: Vec<u64> = phases
        .iter()
        .filter(|p| p.drift)
        .map(|p| p.start as u64)
        .collect();
    let first = drifts.first().copied();
    let drift = first.and_then(|at| drift_metrics(&curve, at, guess));
    if let Some(drift) = drift {
        known("accuracy_before", drift.before);
        known("accuracy_at", drift.at);
    }
    if whole && let Some((_, last)) = curve.last() {
        if let Some(drift) = drift {
            known("accuracy_lowest", drift.lowest);
        }
        let after = curve
            .iter()
            .filter(|(sample, _)| first.is_none_or(|at| *sample >= at));
        let after: Vec<f64> = after.map(|(_, accuracy)| *accuracy).collect();
        if !after.is_empty() {
            known("accuracy_after", crate::statistics::mean(&after));
        }
        known("accuracy_final", *last);
    }
    if whole && !record.rows.is_empty() {
        let (mut right, mut faded, mut weights) = (0.0, 0.0, 0.0);
        for row in &record.rows {
            let hit = f64::from(u8::from(row.prediction == row.label));
            right += hit;
            faded = FADING * faded + hit;
            weights = FADING * weights + 1.0;
        }
        known("prequential", right / record.rows.len() as f64);
        known("prequential_faded", faded / weights);
        for (name, value) in continual(record, phases, sets) {
            known(name, value);
        }
    }
    match drift.map(|d| d.recovery).filter(|_| whole) {
        Some(Recovery::After(samples)) => known("recovery", samples as f64),
        Some(Recovery::NotWithin(samples)) => {
            values.push(("recovery", Value::Beyond(samples as f64)))
        }
        _ => {}
    }
    if whole && detects {
        values.extend(detection(record, &drifts));
    }
    values
}

/// Delay, false alarms and missed drifts.
fn detection(record: &Record, drifts: &[u64]) -> Vec<(&'static str, Value)> {
    let detected: Vec<u64> = record
        .rows
        .iter()
        .filter(|r| r.detected)
        .map(|r| r.sample)
        .collect();
    let end = record.rows.last().map_or(0, |row| row.sample + 1);
    let mut values = Vec::new();
    let (mut explained, mut missed) = (0, 0);
    for (i, &start) in drifts.iter().enumerate() {
        let until = drifts.get(i + 1).copied().unwrap_or(end);
        let found = detected.iter().find(|&&at| (start..until).contains(&at));
        if i == 0 {
            let delay = found.map_or(Value::Beyond((until - start) as f64), |at| {
                Value::Known((at - start) as f64)
            });
            values.push(("detection_delay", delay));
        }
        match found {
            Some(_) => explained += 1,
            None => missed += 1,
        }
    }
    values.push((
        "false_alarms",
        Value::Known((detected.len() - explained) as f64),
    ));
    if !drifts.is_empty() {
        values.push(("missed_drifts", Value::Known(f64::from(missed))));
    }
    values
}

/// What continual learning is measured by, where every phase has a held-out set of its own.
fn continual(record: &Record, phases: &[Phase], sets: &[Set]) -> Vec<(&'static str, f64)> {
    let tasks = sets.len();
    let own = sets
        .iter()
        .enumerate()
        .all(|(i, (_, _, learnt_in))| *learnt_in == i);
    if tasks < 2 || tasks != phases.len() || !own {
        return Vec::new();
    }
    // Accuracy on every task at the last measurement of each phase, and at the first of all.
    let measured: Vec<_> = record
        .rows
        .iter()
        .filter(|row| row.sets.len() == tasks)
        .collect();
    let at_end = |phase: usize| {
        let rows = measured.iter().rev();
        rows.clone()
            .find(|row| usize::from(row.phase) == phase)
            .map(|row| &row.sets)
    };
    let ends: Option<Vec<&Vec<f32>>> = (0..tasks).map(at_end).collect();
    let (Some(ends), Some(start)) = (ends, measured.first()) else {
        return Vec::new();
    };
    let after = |phase: usize, task: usize| f64::from(ends[phase][task]);
    let (last, earlier) = (tasks - 1, (tasks - 1) as f64);
    let mean = |sum: f64| sum / earlier;
    let backward: f64 = (0..last).map(|j| after(last, j) - after(j, j)).sum();
    let forward: f64 = (1..tasks)
        .map(|j| after(j - 1, j) - f64::from(start.sets[j]))
        .sum();
    let highest = |j: usize| {
        (0..last)
            .map(|i| after(i, j))
            .fold(f64::NEG_INFINITY, f64::max)
    };
    let forgotten: f64 = (0..last).map(|j| highest(j) - after(last, j)).sum();
    let average = (0..tasks).map(|j| after(last, j)).sum::<f64>() / tasks as f64;
    vec![
        ("average_accuracy", average),
        ("backward_transfer", mean(backward)),
        ("forward_transfer", mean(forward)),
        ("forgetting", mean(forgotten)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Row;

    fn phases(starts: &[usize]) -> Vec<Phase> {
        let phase = |(i, &start): (usize, &usize)| Phase {
            name: i.to_string(),
            start,
            drift: i > 0,
        };
        starts.iter().enumerate().map(phase).collect()
    }

    fn value(values: &[(&'static str, Value)], name: &str) -> Option<Value> {
        values
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| *value)
    }

    #[test]
    fn detections_are_counted_for_the_drift_that_they_follow() {
        let fired = [30, 120, 150, 310];
        let row = |sample| Row {
            sample,
            detected: fired.contains(&sample),
            prediction: u16::from(sample % 4 == 0),
            ..Row::default()
        };
        let record = Record {
            rows: (0..400).map(row).collect(),
            stop: None,
        };
        let all = of(&record, (&phases(&[0, 100, 200, 300]), &[]), 0.1, true);
        let known = |name| match value(&all, name) {
            Some(Value::Known(value)) => value,
            other => panic!("{name}: {other:?}"),
        };
        // 30 comes before any drift, 150 after the drift at 100 was detected at 120; that of 200 is missed.
        assert_eq!(known("detection_delay"), 20.0);
        assert_eq!((known("false_alarms"), known("missed_drifts")), (2.0, 1.0));
        assert_eq!(known("prequential"), 0.75);
        assert!((known("prequential_faded") - 0.75).abs() < 0.01);
        let missed = of(&record, (&phases(&[0, 200, 300]), &[]), 0.1, true);
        assert_eq!(
            value(&missed, "detection_delay"),
            Some(Value::Beyond(100.0))
        );
        let without = of(&record, (&phases(&[0, 100]), &[]), 0.1, false);
        assert_eq!(value(&without, "false_alarms"), None);
        assert!(all.iter().all(|(name, _)| find(name).is_some()));
    }

    #[test]
    fn continual_measures_follow_their_definitions() {
        // Accuracy on three tasks at the start, and at the end of each.
        let table = [
            [0.1, 0.2, 0.1],
            [0.9, 0.3, 0.2],
            [0.7, 0.8, 0.4],
            [0.5, 0.6, 0.9],
        ];
        let row = |(i, sets): (usize, &[f32; 3])| Row {
            sample: i as u64,
            phase: i.saturating_sub(1) as u16,
            sets: sets.to_vec(),
            test_accuracy: Some(sets[0]),
            ..Row::default()
        };
        let record = Record {
            rows: table.iter().enumerate().map(row).collect(),
            stop: None,
        };
        let sets: Vec<Set> = (0..3).map(|i| (i.to_string(), i, i)).collect();
        let all = of(&record, (&phases(&[0, 2, 3]), &sets), 0.1, false);
        for (name, expected) in [
            ("average_accuracy", (0.5 + 0.6 + 0.9) / 3.0),
            ("backward_transfer", ((0.5 - 0.9) + (0.6 - 0.8)) / 2.0),
            ("forward_transfer", ((0.3 - 0.2) + (0.4 - 0.1)) / 2.0),
            ("forgetting", ((0.9 - 0.5) + (0.8 - 0.6)) / 2.0),
        ] {
            match value(&all, name) {
                Some(Value::Known(found)) => {
                    assert!((found - expected).abs() < 1e-6, "{name}: {found}")
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}
