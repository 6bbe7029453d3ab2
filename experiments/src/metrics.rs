//! Figures of a run: before, at and after a drift; recovery; windows.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Accuracy at the moments that matter, of one seed. Fractions of 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftMetrics {
    /// At the last measurement before the drift.
    pub before: f64,
    /// At the first measurement under the new concept.
    pub at: f64,
    /// The lowest from there on.
    pub lowest: f64,
    /// At the end.
    pub last: f64,
    /// Whether and when accuracy is back at [`RECOVERED`] of what it was before.
    pub recovery: Recovery,
}

/// Whether a network came back from a drift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recovery {
    /// After so many samples.
    After(u64),
    /// Not within so many samples, after which it was not looked at any longer.
    NotWithin(u64),
    /// It was no better than guessing before: there was nothing to come back to.
    Guessing,
}

/// The accuracy up to which a network may be guessing: what always naming the most frequent of `labels` reaches on `images`
/// of them, and three standard errors more.
pub fn guessing(labels: &[u8], images: usize) -> f64 {
    let mut counts = [0u64; 256];
    labels
        .iter()
        .for_each(|&label| counts[usize::from(label)] += 1);
    let most = counts.iter().copied().max().unwrap_or(0);
    let share = most as f64 / labels.len().max(1) as f64;
    share + 3.0 * (share * (1.0 - share) / images.max(1) as f64).sqrt()
}

/// The share of the accuracy before the drift that counts as recovered.
pub const RECOVERED: f64 = 0.95;

/// The metrics of a curve of (sample, accuracy) with the drift at sample `drift_at`, where an accuracy up to `guess` is
/// guessing; `None` where the curve does not reach both sides of the drift.
pub fn drift_metrics(curve: &[(u64, f64)], drift_at: u64, guess: f64) -> Option<DriftMetrics> {
    let before = curve.iter().rev().find(|(sample, _)| *sample < drift_at)?.1;
    let after: Vec<&(u64, f64)> = curve.iter().filter(|(s, _)| *s >= drift_at).collect();
    let at = after.first()?.1;
    let (end, last) = **after.last()?;
    let lowest = after.iter().map(|(_, a)| *a).fold(f64::INFINITY, f64::min);
    let fell = after.iter().position(|(_, a)| *a < RECOVERED * before);
    let recovery = match fell {
        _ if before <= guess => Recovery::Guessing,
        // It never fell below the mark: nothing to recover from.
        None => Recovery::After(0),
        Some(fell) => {
            let back = after[fell..].iter().find(|(_, a)| *a >= RECOVERED * before);
            back.map_or(Recovery::NotWithin(end - drift_at), |(sample, _)| {
                Recovery::After(sample - drift_at)
            })
        }
    };
    Some(DriftMetrics {
        before,
        at,
        lowest,
        last,
        recovery,
    })
}

/// The share of the last so many outcomes that were right.
#[derive(Clone, Debug)]
pub struct Window {
    size: usize,
    outcomes: VecDeque<bool>,
    right: usize,
}

impl Window {
    /// A window of `size` outcomes.
    pub fn new(size: usize) -> Self {
        Self {
            size: size.max(1),
            outcomes: VecDeque::new(),
            right: 0,
        }
    }

    /// Takes the next outcome; gives the share of right ones in the window.
    pub fn push(&mut self, right: bool) -> f32 {
        if self.outcomes.len() == self.size && self.outcomes.pop_front() == Some(true) {
            self.right -= 1;
        }
        self.outcomes.push_back(right);
        self.right += usize::from(right);
        self.right as f32 / self.outcomes.len() as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_counts_from_the_drift_to_the_mark() {
        let curve = [
            (0, 0.9),
            (90, 1.0),
            (100, 0.7),
            (150, 0.6),
            (200, 0.94),
            (250, 0.96),
            (300, 0.9),
        ];
        let metrics = drift_metrics(&curve, 100, 0.12).expect("both sides are there");
        assert_eq!(
            metrics,
            DriftMetrics {
                before: 1.0,
                at: 0.7,
                lowest: 0.6,
                last: 0.9,
                recovery: Recovery::After(150)
            }
        );
        assert_eq!(
            drift_metrics(&curve[..5], 100, 0.12).map(|m| m.recovery),
            Some(Recovery::NotWithin(100))
        );
        assert_eq!(drift_metrics(&curve[..2], 100, 0.12), None);
    }

    #[test]
    fn who_guesses_does_not_recover() {
        // Ten classes, one of them a little more frequent; 100 images.
        let labels: Vec<u8> = (0..1000u32)
            .map(|i| if i < 20 { 1 } else { (i % 10) as u8 })
            .collect();
        let guess = guessing(&labels, 100);
        let expected = 0.118 + 3.0 * (0.118f64 * 0.882 / 100.0).sqrt();
        assert!((guess - expected).abs() < 1e-12, "{guess}");
        let recovery = |before: f64, after: f64| {
            let curve = [(0, before), (99, before), (100, after), (200, after)];
            drift_metrics(&curve, 100, guess).map(|m| m.recovery)
        };
        assert_eq!(recovery(0.10, 0.10), Some(Recovery::Guessing));
        assert_eq!(recovery(0.20, 0.20), Some(Recovery::Guessing));
        assert_eq!(recovery(0.30, 0.30), Some(Recovery::After(0)));
        assert_eq!(recovery(0.90, 0.10), Some(Recovery::NotWithin(100)));
    }

    #[test]
    fn a_window_forgets() {
        let mut window = Window::new(2);
        assert_eq!(
            [true, false, false, true].map(|o| window.push(o)),
            [1.0, 0.5, 0.0, 0.5]
        );
    }
}
