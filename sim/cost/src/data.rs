//! What the operands of a call were like, as far as its cost depends on it.

use crate::trips::{Fields, Winners};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Figures of one run of a call, or sums over several, or means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Shares of zeros among the elements of the first two operands, and of the update rule's state: a software float is done
    /// sooner with a zero.
    pub zeros: [f64; 3],
    /// Share of the elements of a softmax, loss or activation whose exponential takes a short cut.
    pub near: f64,
    /// Of a backward convolution with a pool: what falls on the input of the windows whose delta is not zero. Zero elsewhere.
    pub winners: Winners,
}

impl Data {
    /// Looks at the operands of one run of `call`.
    pub fn of<'o>(call: &Call, operand: impl Fn(usize) -> &'o [u8]) -> Self {
        let share = |i: usize| match (call.kernel, i) {
            // Bytes that are no numbers.
            (Kernel::Conv2dBackwardInput | Kernel::Dropout, 1) => 0.0,
            (Kernel::Normalise, _) => zero_share(operand(i)),
            (Kernel::DropoutBackward, 0) => zero_bits(operand(i), call.len()),
            _ => zero_share(operand(i).as_chunks::<4>().0),
        };
        let zeros = [Some(0), Some(1), state_operand(call.kernel)].map(|i| i.map_or(0.0, share));
        let pooled = match call.kernel {
            Kernel::Conv2dBackwardInput => Some((0, 1)),
            Kernel::Conv2dBackwardWeights => Some((1, 2)),
            _ => None,
        };
        let pooled = pooled.filter(|_| call.conv2d().pool != (1, 1));
        let winners = pooled.map(|(delta, argmax)| {
            let (deltas, _) = operand(delta).as_chunks::<4>();
            Fields::of(&call.conv2d()).winners(deltas, operand(argmax))
        });
        Self {
            zeros,
            near: near(call, operand(0)),
            winners: winners.unwrap_or_default(),
        }
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.zeros.iter_mut().zip(other.zeros) {
            *mine += theirs;
        }
        self.near += other.near;
        self.winners.add(&other.winners);
    }

    /// These figures times `factor`.
    pub fn times(mut self, factor: f64) -> Self {
        self.zeros = self.zeros.map(|zeros| zeros * factor);
        self.near *= factor;
        self.winners = self.winners.times(factor);
        self
    }
}

/// The operand that holds the first of an update rule's states, of the kernels where most gradients may be zero.
pub fn state_operand(kernel: Kernel) -> Option<usize> {
    match kernel {
        Kernel::DenseBackwardWeights => Some(4),
        Kernel::Apply => Some(2),
        _ => None,
    }
}

/// The share of `elements` that are zero.
fn zero_share<E: Default + PartialEq>(elements: &[E]) -> f64 {
    let zeros = elements.iter().filter(|e| **e == E::default()).count();
    zeros as f64 / elements.len().max(1) as f64
}

/// The share of the first `count` bits of `mask` that are zero.
fn zero_bits(mask: &[u8], count: usize) -> f64 {
    let bit = |i: usize| mask.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1);
    (0..count).filter(|i| !bit(*i)).count() as f64 / count.max(1) as f64
}

/// Below this, an exponential needs no reduction of its argument: ln 2 / 2.
const REDUCED: f32 = 0.346_573_6;
/// Below this, a hyperbolic tangent is a short series.
const SERIES: f32 = 0.25;

/// The share of the elements of `bytes`, the first operand of `call`, whose exponential takes a short cut. The largest
/// element of a softmax, whose exponential always does, is not counted.
fn near(call: &Call, bytes: &[u8]) -> f64 {
    let (words, _) = bytes.as_chunks::<4>();
    let floats = || words.iter().map(|word| f32::from_le_bytes(*word));
    let share = |count: usize| count as f64 / words.len().max(1) as f64;
    let below = |limit: f32| share(floats().filter(|x| x.abs() < limit).count());
    let beside_largest = || {
        let largest = floats().fold(f32::NEG_INFINITY, f32::max);
        let near = floats().filter(|x| largest - x < REDUCED).count();
        share(near.saturating_sub(1))
    };
    match (call.kernel, call.dim(2)) {
        (Kernel::Softmax, _) | (Kernel::Loss, 0 | 3) => beside_largest(),
        (Kernel::Loss, 2) => below(REDUCED),
        (Kernel::Activation, _) if call.activation == Activation::Sigmoid => below(REDUCED),
        (Kernel::Activation, _) if call.activation == Activation::Tanh => below(SERIES),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime_shared::kernels::Shape;
    use runtime_shared::kernels::conv2d::Conv2d;

    /// A padded convolution of 5×6×3 with a pool of 2×3: winners by the definition of a convolution, tap by tap.
    #[test]
    fn winners_are_counted_tap_by_tap() {
        let g = Conv2d {
            input: Shape { h: 5, w: 6, c: 3 },
            output: Shape { h: 5, w: 6, c: 2 },
            kernel: (3, 3),
            stride: (1, 1),
            pad: (1, 1),
            pool: (2, 3),
        };
        let mut call = Call::new(Kernel::Conv2dBackwardInput);
        call.set_conv2d(&g);
        let pooled = g.pooled();
        let deltas: Vec<f32> = (0..pooled.len()).map(|i| (i % 3) as f32).collect();
        let argmax: Vec<u8> = (0..pooled.len()).map(|i| (i * 5 % 6) as u8).collect();
        let bytes: Vec<u8> = deltas.iter().flat_map(|d| d.to_le_bytes()).collect();
        let data = Data::of(&call, |i| match i {
            0 => &bytes,
            1 => &argmax,
            _ => &[],
        });

        let (mut segments, mut taps) = (0, 0);
        for (i, _) in deltas.iter().enumerate().filter(|(_, d)| **d != 0.0) {
            let (window, k) = (i / pooled.c, usize::from(argmax[i]));
            let oy = window / pooled.w * 2 + k / 3;
            let ox = window % pooled.w * 3 + k % 3;
            for _ in (0..3).filter(|ky| (1..6).contains(&(oy + ky))) {
                segments += 1;
                taps += 3 * (0..3).filter(|kx| (1..7).contains(&(ox + kx))).count();
            }
        }
        assert!(segments > 0 && taps < segments * 9);
        assert_eq!(data.winners.segments(), segments as f64);
        assert_eq!(data.winners.taps(), taps as f64);
        assert_eq!(data.zeros[0], 3.0 / 8.0);
    }

    #[test]
    fn bits_of_a_mask_beyond_its_length_do_not_count() {
        assert_eq!(zero_bits(&[0b0000_1111, 0], 8), 0.5);
        assert_eq!(zero_bits(&[0b0000_1111, 0], 4), 0.0);
        assert_eq!(zero_bits(&[], 0), 0.0);
    }

    #[test]
    fn figures_are_sums_and_means_of_runs() {
        let one = Data {
            zeros: [0.5, 0.25, 0.0],
            near: 1.0,
            ..Data::default()
        };
        let mut two = one;
        two.add(&one);
        assert_eq!(two.zeros, [1.0, 0.5, 0.0]);
        assert_eq!(two.times(0.5), one);
    }
}
