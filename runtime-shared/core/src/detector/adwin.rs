//! ADWIN: a window as long as its older and newer parts agree about the mean.
//!
//! Samples are kept as an exponential histogram: row r holds up to five buckets of 2^r samples each, with their sum
//! and their summed squared deviation; a sixth makes the two oldest one bucket of the next row. Every 32 samples each
//! boundary between buckets is tried as a cut: means that differ by more than ε_cut are a drift.
//!
//! ```text
//! d = ln(2 ln(width) / delta)      h = 1 / (n₀ − 4) + 1 / (n₁ − 4)      ε_cut = √(2 h · variance · d) + 2/3 · d · h
//! ```
//!
//! A. Bifet, R. Gavaldà, *Learning from time-changing data with adaptive windowing*, SDM 2007. As river's, which takes
//! rises and falls alike for a drift and forgets the whole window upon one. Memory is bounded, which the published form is
//! not: where the last row is full, its oldest bucket is forgotten. The window is exact up to 5 (2^rows − 1) samples and
//! never longer, nor then shorter than nine tenths of that. With 8 rows that is 432 bytes and 1,275 samples. f32; counts
//! and sums of errors are exact.

use super::{Detect, Parameter, Verdict, count, real};
use crate::math;

/// Words before the first row: samples seen, width, total, squared deviation.
const HEAD: usize = 4;

/// Parameters of ADWIN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adwin {
    /// The probability of a false drift that is accepted.
    pub delta: f32,
    /// Samples between two looks at the window.
    pub clock: u32,
    /// Buckets a row.
    pub buckets: u32,
    /// Samples that either part must have.
    pub shortest: u32,
    /// The window must be wider than this.
    pub grace: u32,
    /// Rows of the histogram.
    pub rows: u32,
}

impl Detect for Adwin {
    const PARAMETERS: &'static [Parameter] = &[
        real(
            "delta",
            "accepted probability of a false drift",
            0.002,
            [1e-30, 1.0],
        ),
        count("clock", "samples between two looks", 32, [1, super::MOST]),
        count("buckets", "buckets a row", 5, [2, 64]),
        count(
            "shortest",
            "samples that either part must have",
            5,
            [1, super::MOST],
        ),
        count("grace", "the window must be wider", 10, [1, super::MOST]),
        count(
            "rows",
            "rows of the histogram, which bound the window",
            8,
            [1, 20],
        ),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[delta, clock, buckets, shortest, grace, rows] = parameters else {
            return None;
        };
        Some(Self {
            delta,
            clock: clock as u32,
            buckets: buckets as u32,
            shortest: shortest as u32,
            grace: grace as u32,
            rows: rows as u32,
        })
    }

    fn words(&self) -> usize {
        HEAD + self.rows as usize * self.row_words()
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        if state.len() != self.words() {
            return Verdict::None;
        }
        let Some((head, rows)) = state.split_first_chunk_mut::<HEAD>() else {
            return Verdict::None;
        };
        let mut window = Window::load(head);
        window.seen = window.seen.wrapping_add(1);
        window.add(x);
        self.insert(&mut window, rows, x);
        window.store(head);
        let looks = window.seen.is_multiple_of(self.clock) && window.width > self.grace;
        if looks && self.differs(&window, rows) {
            self.reset(state);
            return Verdict::Drift;
        }
        Verdict::None
    }
}

/// Of all samples in the window together.
struct Window {
    seen: u32,
    width: u32,
    total: f32,
    squares: f32,
}

impl Window {
    fn load(head: &[u32; HEAD]) -> Self {
        Self {
            seen: head[0],
            width: head[1],
            total: f32::from_bits(head[2]),
            squares: f32::from_bits(head[3]),
        }
    }

    fn store(&self, head: &mut [u32; HEAD]) {
        *head = [
            self.seen,
            self.width,
            self.total.to_bits(),
            self.squares.to_bits(),
        ];
    }

    fn add(&mut self, x: f32) {
        if self.width > 0 {
            let n = self.width as f32;
            let distance = x - self.total / n;
            self.squares += n * distance * distance / (n + 1.0);
        }
        self.width = self.width.saturating_add(1);
        self.total += x;
    }

    /// Forgets the oldest `n` samples.
    fn remove(&mut self, n: u32, bucket: Bucket) {
        self.width = self.width.saturating_sub(n);
        self.total -= bucket.total;
        let (n, rest) = (n as f32, self.width.max(1) as f32);
        let distance = bucket.total / n - self.total / rest;
        let between = n * rest * distance * distance / (n + rest);
        self.squares = (self.squares - bucket.squares - between).max(0.0);
    }
}

/// The sum of a bucket and its squared deviation.
#[derive(Clone, Copy, Default)]
struct Bucket {
    total: f32,
    squares: f32,
}

impl Bucket {
    fn read(row: &[u32], k: usize) -> Self {
        match row.get(1 + 2 * k..3 + 2 * k) {
            Some(&[total, squares]) => Self {
                total: f32::from_bits(total),
                squares: f32::from_bits(squares),
            },
            _ => Self::default(),
        }
    }

    /// This bucket and another of the same `n` samples.
    fn and(self, other: Self, n: f32) -> Self {
        let distance = (self.total - other.total) / n;
        Self {
            total: self.total + other.total,
            squares: self.squares + other.squares + 0.5 * n * distance * distance,
        }
    }
}

impl Adwin {
    /// A row: its number of buckets, then two words for each, the oldest first, with room for one too many.
    fn row_words(&self) -> usize {
        1 + 2 * (self.buckets as usize + 1)
    }

    fn insert(&self, window: &mut Window, rows: &mut [u32], x: f32) {
        let mut new = Bucket {
            total: x,
            squares: 0.0,
        };
        for (r, row) in rows.chunks_exact_mut(self.row_words()).enumerate() {
            let n = 1u32 << r;
            let k = (row[0] as usize).min(self.buckets as usize);
            row[1 + 2 * k] = new.total.to_bits();
            row[2 + 2 * k] = new.squares.to_bits();
            row[0] = k as u32 + 1;
            if row[0] <= self.buckets {
                return;
            }
            let (first, second) = (Bucket::read(row, 0), Bucket::read(row, 1));
            let last = r + 1 == self.rows as usize;
            let leaving = if last { 1 } else { 2 };
            row.copy_within(1 + 2 * leaving.., 1);
            row[0] -= leaving as u32;
            if last {
                window.remove(n, first);
            }
            new = first.and(second, n as f32);
        }
    }

    /// Whether some cut parts the window into means that differ.
    fn differs(&self, window: &Window, rows: &[u32]) -> bool {
        let (mut n0, mut u0) = (0u32, 0.0f32);
        let width = window.width as f32;
        let d = math::ln(2.0 * math::ln(width) / self.delta);
        let variance = window.squares / width;
        for (r, row) in rows.chunks_exact(self.row_words()).enumerate().rev() {
            for k in 0..row[0].min(self.buckets) as usize {
                n0 = n0.saturating_add(1 << r);
                u0 += Bucket::read(row, k).total;
                let n1 = window.width.saturating_sub(n0);
                if n0 < self.shortest || n1 < self.shortest {
                    continue;
                }
                let distance = u0 / n0 as f32 - (window.total - u0) / n1 as f32;
                let part = |n: u32| 1.0 / (n - self.shortest + 1) as f32;
                let h = part(n0) + part(n1);
                let cut = math::sqrt(2.0 * h * variance * d) + 2.0 / 3.0 * d * h;
                if distance.abs() > cut {
                    return true;
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_the_window_keeps_the_newest() {
        let adwin = Adwin {
            delta: 1e-9,
            clock: 1_000_000,
            buckets: 5,
            shortest: 5,
            grace: 10,
            rows: 4,
        };
        let mut state = vec![0; adwin.words()];
        assert_eq!(state.len() * 4, (4 + 4 * 13) * 4);
        for i in 0..5000u32 {
            adwin.update(&mut state, (i / 2500) as f32);
            let window = Window::load(&[state[0], state[1], state[2], state[3]]);
            let shortest = (i + 1).min(4 * 15 + 8);
            assert!((shortest..=5 * 15).contains(&window.width), "{i}");
            if i >= 2500 + 5 * 15 {
                assert_eq!(window.total, window.width as f32, "{i}");
                assert!(window.squares < 1e-4, "{i}: {}", window.squares);
            }
        }
    }
}
