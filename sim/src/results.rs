//! What the repetitions of a strategy reached: means over all seeds, or nothing where not all of them have a figure.
//!
//! A seed that diverged has no end, and a seed that did not recover has no time of recovery. To leave such seeds out of a
//! mean would make a strategy look the better the more of its seeds failed.

use crate::config::Protocol;
use crate::data::Prepared;
use crate::outcome::Finished;
use crate::parts::Part;
use experiments::metrics::{Recovery, drift_metrics, guessing};
use experiments::statistics::survival::{Survival, Time};
use sim_report::{AccuracySummary, Estimate, Stop, StrategySummary, estimate};

/// Enters what `parts` reached into the summary of a strategy that fits its board.
pub fn enter(entry: &mut StrategySummary, protocol: &Protocol, data: &Prepared, parts: &Finished) {
    let (drift, guess) = match protocol {
        Protocol::ConceptDrift(drift) => {
            let test = &data.loaded.data.test;
            let images = match drift.test_images {
                0 => test.len(),
                count => count,
            };
            (Some(drift.drift_at as u64), guessing(test.labels(), images))
        }
        Protocol::FromScratch(scratch) => {
            entry.samples_per_epoch = Some(scratch.epoch_len(data.train_images()) as u64);
            (None, 0.0)
        }
    };
    entry.stopped = stopped(parts);
    let reached: Vec<Reached> = parts
        .iter()
        .map(|(_, part)| Reached::of(part, drift, guess))
        .collect();
    if reached.is_empty() {
        return;
    }
    entry.accuracy = Some(AccuracySummary {
        before_drift: over(&reached, |r| r.before),
        at_drift: over(&reached, |r| r.at),
        lowest: over(&reached, |r| r.lowest),
        last: over(&reached, |r| r.last),
    });
    let recoveries: Option<Vec<Recovery>> = reached.iter().map(|r| r.recovery).collect();
    if let Some(recoveries) = recoveries {
        recover(entry, &recoveries);
    }
}

/// What one repetition reached, as far as it got.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    before: Option<f64>,
    at: Option<f64>,
    lowest: Option<f64>,
    last: Option<f64>,
    recovery: Option<Recovery>,
}

impl Reached {
    fn of(part: &Part, drift: Option<u64>, guess: f64) -> Self {
        let curve = part.record.curve();
        let metrics = drift.and_then(|at| drift_metrics(&curve, at, guess));
        let whole = part.record.stop.is_none();
        let end = metrics.filter(|_| whole);
        Self {
            before: metrics.map(|m| m.before),
            at: metrics.map(|m| m.at),
            lowest: end.map(|m| m.lowest),
            last: curve
                .last()
                .filter(|_| whole)
                .map(|(_, accuracy)| *accuracy),
            recovery: end.map(|m| m.recovery),
        }
    }
}

/// The mean of a figure that every repetition has.
fn over(reached: &[Reached], figure: impl Fn(&Reached) -> Option<f64>) -> Option<Estimate> {
    let values: Option<Vec<f64>> = reached.iter().map(figure).collect();
    values.and_then(|values| estimate(&values))
}

/// Enters how many seeds recovered, and after how many samples.
fn recover(entry: &mut StrategySummary, recoveries: &[Recovery]) {
    let times: Vec<Time> = recoveries
        .iter()
        .filter_map(|recovery| {
            let (samples, happened) = match *recovery {
                Recovery::After(samples) => (samples, true),
                Recovery::NotWithin(samples) => (samples, false),
                Recovery::Guessing => return None,
            };
            let time = samples as f64;
            Some(Time { time, happened })
        })
        .collect();
    let recovered: Vec<f64> = times
        .iter()
        .filter(|t| t.happened)
        .map(|t| t.time)
        .collect();
    let guessing = recoveries.len() - times.len();
    entry.recovered_seeds = Some(recovered.len() as u32);
    entry.guessing_seeds = (guessing > 0).then_some(guessing as u32);
    if recovered.len() == recoveries.len() {
        entry.recovery_samples = estimate(&recovered);
    }
    entry.recovery_median_samples = Survival::of(&times).median();
    let watched = recoveries.iter().filter_map(|recovery| match recovery {
        Recovery::NotWithin(samples) => Some(*samples),
        _ => None,
    });
    entry.recovery_watched_samples = watched.min();
}

fn stopped(parts: &Finished) -> Option<Stop> {
    let mut stops = parts
        .iter()
        .filter_map(|(seed, part)| Some((seed, part.record.stop.as_ref()?)));
    let (&seed, (step, stop)) = stops.next()?;
    Some(Stop {
        seeds: 1 + stops.count() as u32,
        seed,
        step: *step,
        layer: stop.layer.clone(),
        reason: stop.reason.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments::device;
    use experiments::online::{Record, Row};

    /// A repetition that was measured at these samples, and diverged at `stop`.
    fn part(curve: &[(u64, f32)], stop: Option<u64>) -> Part {
        let row = |&(sample, accuracy): &(u64, f32)| Row {
            sample,
            label: 0,
            prediction: 0,
            loss: None,
            prequential: 0.0,
            test_accuracy: Some(accuracy),
            stored: 0,
            drifted: sample >= 100,
        };
        let stop = stop.map(|at| {
            let (layer, reason) = ("dense_1".to_owned(), "it exploded".to_owned());
            (at, device::Stop { layer, reason })
        });
        Part {
            record: Record {
                rows: curve.iter().map(row).collect(),
                stop,
            },
            ..Part::default()
        }
    }

    fn reached(parts: &[Part]) -> Vec<Reached> {
        parts
            .iter()
            .map(|part| Reached::of(part, Some(100), 0.15))
            .collect()
    }

    #[test]
    fn a_seed_that_diverged_leaves_no_mean_of_the_end() {
        let whole = part(&[(99, 0.9), (100, 0.7), (200, 0.9)], None);
        let late = part(&[(99, 0.8), (100, 0.6)], Some(150));
        let both = reached(&[whole.clone(), late.clone()]);
        assert!(over(&both, |r| r.before).is_some_and(|e| (e.mean - 0.85).abs() < 1e-6));
        assert!(over(&both, |r| r.at).is_some());
        assert_eq!(over(&both, |r| r.last), None);
        assert_eq!(over(&both, |r| r.lowest), None);
        // One that diverged before the drift leaves not even what was before.
        let early = reached(&[whole.clone(), part(&[(0, 0.9)], Some(3))]);
        assert_eq!(over(&early, |r| r.before), None);
        let stop = stopped(&vec![(7, whole), (8, late.clone()), (9, late)]).expect("two stopped");
        assert_eq!((stop.seeds, stop.seed, stop.step), (2, 8, 150));
    }

    #[test]
    fn seeds_that_did_not_recover_are_counted() {
        let summary = |recoveries: &[Recovery]| {
            let mut entry = StrategySummary::default();
            recover(&mut entry, recoveries);
            entry
        };
        use Recovery::{After, Guessing, NotWithin};
        let all = summary(&[After(10), After(20)]);
        assert_eq!(all.recovery_samples.map(|e| e.mean), Some(15.0));
        let some = summary(&[After(10), After(20), NotWithin(499)]);
        assert_eq!(some.recovery_samples, None);
        assert_eq!(
            (some.recovered_seeds, some.recovery_median_samples),
            (Some(2), Some(20.0))
        );
        let few = summary(&[After(10), NotWithin(499), NotWithin(499)]);
        assert_eq!(
            (few.recovery_median_samples, few.recovery_watched_samples),
            (None, Some(499))
        );
        let none = summary(&[Guessing, Guessing]);
        assert_eq!(
            (none.recovered_seeds, none.guessing_seeds),
            (Some(0), Some(2))
        );
        assert_eq!(none.recovery_samples, None);
    }
}
