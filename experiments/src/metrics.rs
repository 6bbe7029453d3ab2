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
    /// Samples from the drift until accuracy is back at [`RECOVERED`] of what it was before, if it is.
    pub recovery: Option<u64>,
}

/// The share of the accuracy before the drift that counts as recovered.
pub const RECOVERED: f64 = 0.95;

/// The metrics of a curve of (sample, accuracy) with the drift at sample `drift_at`; `None` where the
/// curve does not reach both sides of the drift.
pub fn drift_metrics(curve: &[(u64, f64)], drift_at: u64) -> Option<DriftMetrics> {
    let before = curve.iter().rev().find(|(sample, _)| *sample < drift_at)?.1;
    let after: Vec<&(u64, f64)> = curve.iter().filter(|(s, _)| *s >= drift_at).collect();
    let at = after.first()?.1;
    let last = after.last()?.1;
    let lowest = after.iter().map(|(_, a)| *a).fold(f64::INFINITY, f64::min);
    let fell = after.iter().position(|(_, a)| *a < RECOVERED * before);
    let recovery = match fell {
        // It never fell below the mark: nothing to recover from.
        None => Some(0),
        Some(fell) => {
            let back = after[fell..].iter().find(|(_, a)| *a >= RECOVERED * before);
            back.map(|(sample, _)| sample - drift_at)
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
        let metrics = drift_metrics(&curve, 100).expect("both sides are there");
        assert_eq!(
            metrics,
            DriftMetrics {
                before: 1.0,
                at: 0.7,
                lowest: 0.6,
                last: 0.9,
                recovery: Some(150)
            }
        );
        assert_eq!(
            drift_metrics(&curve[..5], 100).and_then(|m| m.recovery),
            None
        );
        assert_eq!(drift_metrics(&curve[..2], 100), None);
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
