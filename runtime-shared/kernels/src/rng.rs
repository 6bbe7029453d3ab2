//! The one source of randomness: `xoshiro128++`, seeded through `splitmix64`.
//!
//! Every draw that decides anything (buffer admission, dropout, shuffles, initial weights, streams of
//! an experiment) comes from here, so that host and board draw the same bits. It needs 32-bit integer
//! operations only, which is what a Cortex-M0+ has.
//!
//! Source: D. Blackman, S. Vigna, *Scrambled linear pseudorandom number generators*, ACM TOMS 47(4),
//! 2021.

use crate::math;

/// A seedable generator of 16 bytes of state.
///
/// ```
/// use runtime_kernels::rng::Rng;
/// let (mut a, mut b) = (Rng::new(7), Rng::new(7));
/// assert_eq!(a.next_u32(), b.next_u32());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u32; 4],
}

impl Rng {
    /// A generator whose stream is decided by `seed` alone.
    pub fn new(seed: u64) -> Self {
        let mut x = seed;
        let (a, b) = (splitmix64(&mut x), splitmix64(&mut x));
        Self::from_state([a as u32, (a >> 32) as u32, b as u32, (b >> 32) as u32])
    }

    /// A generator for one purpose of a run: `purpose` separates streams that share a seed, so that
    /// drawing more for one never shifts another.
    pub fn for_purpose(seed: u64, purpose: u64) -> Self {
        let mut x = purpose;
        Self::new(seed ^ splitmix64(&mut x))
    }

    /// Resumes from a stored state. The all-zero state, which would stay zero for ever, is replaced.
    pub fn from_state(state: [u32; 4]) -> Self {
        Self {
            state: if state == [0; 4] {
                [0x9e37_79b9, 0, 0, 1]
            } else {
                state
            },
        }
    }

    /// The state, to be stored in the arena.
    pub fn state(&self) -> [u32; 4] {
        self.state
    }

    /// 32 uniform bits.
    pub fn next_u32(&mut self) -> u32 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(7).wrapping_add(s[0]);
        let t = s[1] << 9;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(11);
        result
    }

    /// A uniform integer in `0..n`, without bias (Lemire's multiply and reject). `0` for `n == 0`.
    pub fn below(&mut self, n: u32) -> u32 {
        if n == 0 {
            return 0;
        }
        let threshold = n.wrapping_neg() % n;
        loop {
            let m = u64::from(self.next_u32()) * u64::from(n);
            if m as u32 >= threshold {
                return (m >> 32) as u32;
            }
        }
    }

    /// A uniform float in `[0, 1)` with 24 random bits.
    pub fn unit(&mut self) -> f32 {
        (self.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// A standard normal draw (Marsaglia's polar method; the second of each pair is discarded, so that
    /// the state stays four words).
    pub fn normal(&mut self) -> f32 {
        loop {
            let u = 2.0 * self.unit() - 1.0;
            let v = 2.0 * self.unit() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * math::sqrt(-2.0 * math::ln(s) / s);
            }
        }
    }

    /// Fisher–Yates: every permutation of `items` is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

fn splitmix64(x: &mut u64) -> u64 {
    *x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *x;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut rng = Rng::new(1);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[rng.below(7) as usize] += 1;
        }
        assert!(
            counts.iter().all(|&c| (9_600..10_400).contains(&c)),
            "{counts:?}"
        );
    }

    #[test]
    fn normal_has_mean_zero_and_variance_one() {
        let mut rng = Rng::new(2);
        let n = 50_000;
        let (mut sum, mut squares) = (0.0f64, 0.0f64);
        for _ in 0..n {
            let x = f64::from(rng.normal());
            sum += x;
            squares += x * x;
        }
        let mean = sum / f64::from(n);
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((squares / f64::from(n) - mean * mean - 1.0).abs() < 0.03);
    }

    #[test]
    fn shuffle_permutes() {
        let mut items: [u8; 100] = core::array::from_fn(|i| i as u8);
        Rng::new(3).shuffle(&mut items);
        let mut sorted = items;
        sorted.sort_unstable();
        assert_ne!(items, sorted);
        assert!(sorted.iter().enumerate().all(|(i, &v)| usize::from(v) == i));
    }
}
