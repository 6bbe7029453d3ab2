//! KSWIN: the newest samples against as many drawn from older ones, by the two-sample Kolmogorov–Smirnov test.
//!
//! Of a window of 100 samples the newest 30 are compared with 30 drawn without repetition from the other 70. The
//! statistic is the largest distance between their empirical distributions. Where its exact two-sided probability is at
//! most `alpha`, and the distance above 0.1, there is a drift.
//!
//! C. Raab et al., *Reactive soft prototype computing for concept drift streams*, Neurocomputing 416, 2020. As river's,
//! which forgets the whole window upon a drift and draws from its seed again; what is drawn is this project's
//! generator's. Bytes: 4 (6 + window / 32 + window), 440 by default. The statistic is a whole number, its probability is
//! f32. A look costs about window · 2 · recent comparisons.

use super::{Detect, Parameter, Verdict, count, real};
use crate::rng::Rng;

/// Words before the marks: samples in the window, the next place, the generator.
const HEAD: usize = 6;

/// Parameters of KSWIN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kswin {
    /// The probability below which there is a drift.
    pub alpha: f32,
    /// Samples in the window.
    pub window: u32,
    /// The newest of them.
    pub recent: u32,
    /// Seed of the draws.
    pub seed: u32,
}

impl Detect for Kswin {
    const PARAMETERS: &'static [Parameter] = &[
        real(
            "alpha",
            "probability below which there is a drift",
            0.005,
            [0.0, 1.0],
        ),
        count("window", "samples in the window", 100, [2, 4096]),
        count("recent", "the newest of them", 30, [1, 2048]),
        count("seed", "seed of the draws", 1, [0, super::MOST]),
    ];

    fn read(parameters: &[f32]) -> Option<Self> {
        let &[alpha, window, recent, seed] = parameters else {
            return None;
        };
        (2.0 * recent <= window).then_some(Self {
            alpha,
            window: window as u32,
            recent: recent as u32,
            seed: seed as u32,
        })
    }

    fn words(&self) -> usize {
        HEAD + self.marks() + self.window as usize
    }

    fn reset(&self, state: &mut [u32]) {
        if state.len() == self.words() {
            state.fill(0);
            state[2..HEAD].copy_from_slice(&Rng::new(u64::from(self.seed)).state());
        }
    }

    fn update(&self, state: &mut [u32], x: f32) -> Verdict {
        if state.len() != self.words() {
            return Verdict::None;
        }
        let Some(([filled, next, generator @ ..], rest)) = state.split_first_chunk_mut::<HEAD>()
        else {
            return Verdict::None;
        };
        let (marks, window) = rest.split_at_mut(self.marks());
        let at = (*next % self.window) as usize;
        window[at] = x.to_bits();
        *next = (at as u32 + 1) % self.window;
        *filled = filled.saturating_add(1).min(self.window);
        if *filled < self.window {
            return Verdict::None;
        }
        let mut rng = Rng::from_state(*generator);
        self.draw(&mut rng, marks);
        *generator = rng.state();

        let (newer, older) = window.split_at(*next as usize);
        let in_order = older.iter().chain(newer).map(|word| f32::from_bits(*word));
        let split = (self.window - self.recent) as usize;
        let drawn = in_order.clone().take(split).enumerate();
        let drawn = drawn
            .filter(|(i, _)| marks[i / 32] >> (i % 32) & 1 == 1)
            .map(|(_, v)| v);
        let distance = distance(drawn, in_order.skip(split));
        let far = distance as f32 > 0.1 * self.recent as f32;
        if far && probability(distance, self.recent) <= self.alpha {
            self.reset(state);
            return Verdict::Drift;
        }
        Verdict::None
    }
}

impl Kswin {
    /// Words with one bit for each sample that may be drawn.
    fn marks(&self) -> usize {
        (self.window as usize).div_ceil(32)
    }

    /// Marks `recent` of the older samples, every choice equally likely (Knuth's algorithm S).
    fn draw(&self, rng: &mut Rng, marks: &mut [u32]) {
        marks.fill(0);
        let older = self.window - self.recent;
        let mut wanted = self.recent;
        for i in 0..older {
            if rng.below(older - i) < wanted {
                marks[i as usize / 32] |= 1 << (i % 32);
                wanted -= 1;
            }
        }
    }
}

/// The largest difference between the numbers of values of `a` and of `b` up to any value: the Kolmogorov–Smirnov
/// statistic of two samples of one size, times that size.
pub fn distance(a: impl Iterator<Item = f32> + Clone, b: impl Iterator<Item = f32> + Clone) -> u32 {
    let mut largest = 0;
    for value in a.clone().chain(b.clone()) {
        let up_to_a = a.clone().filter(|v| *v <= value).count();
        let up_to_b = b.clone().filter(|v| *v <= value).count();
        largest = largest.max(up_to_a.abs_diff(up_to_b) as u32);
    }
    largest
}

/// The probability that two samples of `n` values of one distribution are `distance` apart or further, exact but for
/// rounding and for ties, with which it is too high: 2 Σⱼ (−1)ʲ⁻¹ C(2n, n − j·distance) / C(2n, n).
pub fn probability(distance: u32, n: u32) -> f32 {
    if distance == 0 {
        return 1.0;
    }
    let (mut sum, mut sign, mut reach) = (0.0, 1.0, distance);
    while reach <= n {
        let term = (1..=reach).fold(1.0, |t, i| t * (n - reach + i) as f32 / (n + i) as f32);
        sum += sign * term;
        sign = -sign;
        reach += distance;
    }
    (2.0f32 * sum).clamp(0.0, 1.0)
}
