//! What the operands of a call were like, as far as its cost depends on it.

use crate::trips::{Fields, Winners};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Figures of one run of a call, or sums over several, or means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Shares of zeros among the elements of the first two operands, and of the update rule's state: a software float is done
    /// sooner with a zero.
    pub zeros: [f64; 3],
    /// Shares of the elements of a softmax, loss or activation whose exponential takes the short cut, and the shorter way.
    pub near: [f64; 2],
    /// Of a forward pass of a maximum pool: how often an element is larger than those of its window before it.
    pub rises: f64,
    /// Of kernels that add up without products of weights, additions of something to nothing.
    pub fresh: f64,
    /// Of the same kernels, additions of what has the other sign.
    pub opposite: f64,
    /// Of a bias's backward pass, the share of channels without any delta.
    pub idle: f64,
    /// Of a dense layer that skips zeros, inputs at which a branch on zero is not foreseen, by a core that foresees any.
    pub surprises: f64,
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
        let rises = match call.kernel {
            Kernel::MaxPool => rises(&call.conv2d(), operand(0)),
            _ => 0,
        };
        let [fresh, opposite, idle] = match call.kernel {
            Kernel::Normalise | Kernel::ChannelAffine => shifts(call, &operand),
            Kernel::Add | Kernel::AddAssign => {
                let pairs = floats(operand(0)).zip(floats(operand(1)));
                meetings(pairs)
            }
            Kernel::BiasBackward if call.dim(0) > 1 => sums(call.dim(1), operand(0)),
            Kernel::MaxPoolBackward => [first_hits(&call.conv2d(), operand(0), operand(1)), 0, 0],
            _ => [0; 3],
        };
        let surprises = match call.kernel {
            Kernel::Dense | Kernel::DenseBackwardWeights if call.flags & SKIP_ZEROS != 0 => {
                surprises(floats(operand(0)).map(|x| x.to_bits() == 0))
            }
            _ => 0,
        };
        Self {
            zeros,
            surprises: surprises as f64,
            near: near(call, operand(0)),
            rises: rises as f64,
            fresh: fresh as f64,
            opposite: opposite as f64,
            idle: idle as f64 / call.dim(1).max(1) as f64,
            winners: winners.unwrap_or_default(),
        }
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.zeros.iter_mut().zip(other.zeros) {
            *mine += theirs;
        }
        for (mine, theirs) in self.near.iter_mut().zip(other.near) {
            *mine += theirs;
        }
        self.rises += other.rises;
        self.surprises += other.surprises;
        self.fresh += other.fresh;
        self.opposite += other.opposite;
        self.idle += other.idle;
        self.winners.add(&other.winners);
    }

    /// These figures times `factor`.
    pub fn times(mut self, factor: f64) -> Self {
        self.zeros = self.zeros.map(|zeros| zeros * factor);
        self.near = self.near.map(|share| share * factor);
        self.rises *= factor;
        self.surprises *= factor;
        self.fresh *= factor;
        self.opposite *= factor;
        self.idle *= factor;
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
/// From there to below this it is reduced by one ln 2: 3 ln 2 / 2.
const ONCE: f32 = 1.039_720_8;
/// Below this, a hyperbolic tangent is a short series.
const SERIES: f32 = 0.25;

/// The shares of the elements of `bytes`, the first operand of `call`, whose exponential takes a short cut, and whose argument is
/// reduced the short way. The largest element of a softmax, whose exponential always takes the short cut, is not counted.
fn near(call: &Call, bytes: &[u8]) -> [f64; 2] {
    let floats = || floats(bytes);
    let share = |count: usize| count as f64 / (bytes.len() / 4).max(1) as f64;
    let below = |bounds: [f32; 2]| {
        let [near, both] = bounds.map(|bound| floats().filter(|x| x.abs() < bound).count());
        [share(near), share(both - near)]
    };
    let beside_largest = || {
        let largest = floats().fold(f32::NEG_INFINITY, f32::max);
        let [near, both] =
            [REDUCED, ONCE].map(|bound| floats().filter(|x| largest - x < bound).count());
        [share(near.saturating_sub(1)), share(both - near)]
    };
    match (call.kernel, call.dim(2)) {
        (Kernel::Softmax, _) | (Kernel::Loss, 0 | 3) => beside_largest(),
        (Kernel::Loss, 2) => below([REDUCED, ONCE]),
        (Kernel::Activation, _) => match call.activation {
            Activation::Sigmoid => below([REDUCED, ONCE]),
            // Its exponential is one of twice the magnitude.
            Activation::Tanh => below([SERIES, ONCE / 2.0]),
            _ => [0.0; 2],
        },
        _ => [0.0; 2],
    }
}

/// How many of `branches` a two-bit counter foresees wrongly, which is what small cores predict by, where they do: it goes up
/// with each that is taken and down with each that is not, and foresees what it leans to.
///
/// Source: J. E. Smith, *A Study of Branch Prediction Strategies*, ISCA 1981.
fn surprises(branches: impl Iterator<Item = bool>) -> usize {
    let mut counter = 0u8;
    branches
        .filter(|&taken| {
            let surprised = taken != (counter >= 2);
            counter = if taken {
                (counter + 1).min(3)
            } else {
                counter.saturating_sub(1)
            };
            surprised
        })
        .count()
}

/// How often, over all windows of the pool `g`, an element of `x` is larger than those of its window before it; the first always is.
fn rises(g: &Conv2d, x: &[u8]) -> usize {
    let (words, _) = x.as_chunks::<4>();
    let on_input = |at: usize, pad: usize, size: usize| at.checked_sub(pad).filter(|i| *i < size);
    let mut rises = 0;
    for (oy, ox, c) in (0..g.output.len()).map(|i| {
        let pixel = i / g.output.c;
        (pixel / g.output.w, pixel % g.output.w, i % g.output.c)
    }) {
        let mut largest: Option<f32> = None;
        for (ky, kx) in (0..g.kernel.0).flat_map(|ky| (0..g.kernel.1).map(move |kx| (ky, kx))) {
            let row = on_input(oy * g.stride.0 + ky, g.pad.0, g.input.h);
            let column = on_input(ox * g.stride.1 + kx, g.pad.1, g.input.w);
            let Some((row, column)) = row.zip(column) else {
                continue;
            };
            let Some(word) = words.get((row * g.input.w + column) * g.input.c + c) else {
                continue;
            };
            let x = f32::from_le_bytes(*word);
            if largest.is_none_or(|largest| x > largest) {
                largest = Some(x);
                rises += 1;
            }
        }
    }
    rises
}

/// The floats that `bytes` are.
fn floats<'b>(bytes: &'b [u8]) -> impl Iterator<Item = f32> + Clone + 'b {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word))
}

/// Of `additions` of something to something: how many to zero, how many to what has the other sign; and none.
fn meetings(additions: impl Iterator<Item = (f32, f32)>) -> [usize; 3] {
    let [mut fresh, mut opposite] = [0; 2];
    for (x, to) in additions.filter(|(x, _)| *x != 0.0) {
        fresh += usize::from(to == 0.0);
        opposite += usize::from(to != 0.0 && (x < 0.0) != (to < 0.0));
    }
    [fresh, opposite, 0]
}

/// The meetings of a channel's shift with its elements, scaled.
fn shifts<'o>(call: &Call, operand: &impl Fn(usize) -> &'o [u8]) -> [usize; 3] {
    let channels: Vec<(f32, f32)> = floats(operand(1)).zip(floats(operand(2))).collect();
    let many = channels.len().max(1);
    if call.kernel == Kernel::Normalise {
        // Every value of a byte, as often as it occurs: this is done for each sample.
        let mut counts = vec![[0usize; 256]; channels.len()];
        for bytes in operand(0).chunks_exact(many) {
            for (count, byte) in counts.iter_mut().zip(bytes) {
                count[usize::from(*byte)] += 1;
            }
        }
        let mut sums = [0; 3];
        for (&(scale, shift), counts) in channels.iter().zip(&counts) {
            for (byte, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let one = meetings(std::iter::once((byte as f32 * scale, shift)));
                for (sum, one) in sums.iter_mut().zip(one) {
                    *sum += one * count;
                }
            }
        }
        return sums;
    }
    let channels = channels.iter().cycle();
    let meet = |(x, channel): (f32, &(f32, f32))| (x * channel.0, channel.1);
    meetings(floats(operand(0)).zip(channels).map(meet))
}

/// The meetings of deltas with the sums of their channels so far, and how many channels have no delta.
fn sums(channels: usize, deltas: &[u8]) -> [usize; 3] {
    let channels = channels.max(1);
    let mut sums = vec![0.0; channels];
    let mut any = vec![false; channels];
    let mut channel = 0;
    let [fresh, opposite, _] = meetings(floats(deltas).map(|delta| {
        let sum = &mut sums[channel];
        any[channel] |= delta != 0.0;
        channel = (channel + 1) % channels;
        let before = *sum;
        *sum += delta;
        (delta, before)
    }));
    [fresh, opposite, any.into_iter().filter(|any| !any).count()]
}

/// How many elements of the input of the pool `g` get a delta that is not zero.
fn first_hits(g: &Conv2d, deltas: &[u8], argmax: &[u8]) -> usize {
    let (words, _) = deltas.as_chunks::<4>();
    let mut hit = vec![false; g.input.len()];
    for (i, (word, winner)) in words.iter().zip(argmax).enumerate() {
        let (pixel, k) = (i / g.output.c.max(1), usize::from(*winner));
        let (oy, ox) = (pixel / g.output.w.max(1), pixel % g.output.w.max(1));
        let (ky, kx) = (k / g.kernel.1.max(1), k % g.kernel.1.max(1));
        let row = (oy * g.stride.0 + ky).saturating_sub(g.pad.0);
        let column = (ox * g.stride.1 + kx).saturating_sub(g.pad.1);
        let at = (row * g.input.w + column) * g.input.c + i % g.output.c.max(1);
        if let Some(hit) = hit.get_mut(at) {
            *hit |= f32::from_le_bytes(*word) != 0.0;
        }
    }
    hit.into_iter().filter(|hit| *hit).count()
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
    fn a_counter_leans_to_what_it_saw_twice() {
        let of = |bits: &[u8]| surprises(bits.iter().map(|b| *b == 1));
        assert_eq!(of(&[0, 0, 0, 0]), 0);
        // Two to learn it, and one that changes nothing.
        assert_eq!(of(&[1, 1, 1, 1, 0, 1, 1]), 3);
        assert_eq!(of(&[1, 0, 1, 0, 1, 0]), 3);
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
            near: [1.0, 0.5],
            rises: 3.0,
            surprises: 4.0,
            fresh: 2.0,
            opposite: 1.0,
            idle: 0.25,
            ..Data::default()
        };
        let mut two = one;
        two.add(&one);
        assert_eq!(two.zeros, [1.0, 0.5, 0.0]);
        assert_eq!(two.times(0.5), one);
    }
}
