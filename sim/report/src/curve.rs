//! Accuracy along a stream, as mean and confidence band over seeds.

use std::collections::BTreeMap;

use crate::{Estimate, Run, SampleRow, stats};

/// More points than this are finer than a page can show.
const MOST_POINTS: usize = 900;

/// Which accuracy a [`Curve`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// On held-out samples.
    Test,
    /// Windowed prequential, where held-out samples were never looked at.
    Prequential,
}

/// Accuracy of one strategy over the stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// Name of the strategy, followed by the board's where boards differ.
    pub(crate) label: String,
    /// Index of the strategy's name in the summary; its colour.
    pub(crate) colour: usize,
    /// Samples in an epoch of the strategy's data set, where it has epochs.
    pub(crate) epoch: Option<u64>,
    /// Stream index and accuracy (fraction of 1), in rising order.
    pub(crate) points: Vec<(u64, Estimate)>,
}

impl Curve {
    /// The last point at or before `sample`.
    pub(crate) fn at(&self, sample: u64) -> Option<(u64, Estimate)> {
        self.points
            .iter()
            .rev()
            .find(|(x, _)| *x <= sample)
            .copied()
    }
}

/// The curves of `run` and what they measure; boards that give the same curve share it.
pub(crate) fn curves(run: &Run) -> (Measure, Vec<Curve>) {
    let tested = run.samples.iter().any(|row| row.test_accuracy.is_some());
    let measure = if tested {
        Measure::Test
    } else {
        Measure::Prequential
    };
    let value = |row: &SampleRow| match measure {
        Measure::Test => row.test_accuracy,
        Measure::Prequential => Some(row.prequential),
    };
    let mut groups: BTreeMap<(&str, &str), BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for row in &run.samples {
        if let Some(value) = value(row).filter(|value| value.is_finite()) {
            let group = groups.entry((&row.strategy, &row.board)).or_default();
            group.entry(row.sample).or_default().push(f64::from(value));
        }
    }
    let mut curves: Vec<(Curve, &str)> = Vec::new();
    for (colour, name) in run.summary.names().into_iter().enumerate() {
        let mut own: Vec<(Curve, &str)> = Vec::new();
        for board in run.summary.boards() {
            let Some(group) = groups.remove(&(name, board)) else {
                continue;
            };
            let points = band(group);
            let entry = run.summary.strategy(name, board);
            let epoch = entry.and_then(|e| e.samples_per_epoch).filter(|n| *n > 0);
            if !points.is_empty() && own.iter().all(|(curve, _)| curve.points != points) {
                own.push((
                    Curve {
                        label: name.to_owned(),
                        colour,
                        epoch,
                        points,
                    },
                    board,
                ));
            }
        }
        if own.len() > 1 {
            for (curve, board) in &mut own {
                curve.label = format!("{name} · {board}");
            }
        }
        curves.append(&mut own);
    }
    (
        measure,
        curves.into_iter().map(|(curve, _)| curve).collect(),
    )
}

/// Mean and interval at each stream index, thinned to what a page can show; the last point stays. Where some seeds have no
/// value, because they diverged before, there is no mean: it would be one of the others.
fn band(mut group: BTreeMap<u64, Vec<f64>>) -> Vec<(u64, Estimate)> {
    let seeds = group.values().map(Vec::len).max().unwrap_or(0);
    group.retain(|_, values| values.len() == seeds);
    let every = group.len().div_ceil(MOST_POINTS).max(1);
    let last = group.len().saturating_sub(1);
    let mut points = Vec::new();
    for (index, (sample, mut values)) in group.into_iter().enumerate() {
        if index % every == 0 || index == last {
            // One order of addition, whatever the order of the rows.
            values.sort_by(f64::total_cmp);
            points.extend(stats::estimate(&values).map(|estimate| (sample, estimate)));
        }
    }
    points
}
