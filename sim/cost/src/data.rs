//! What the operands of a call were like, as far as its cost depends on it.

use crate::gradients::Gradients;
use crate::meetings::{Meetings, floats};
use crate::windows::{Fields, Winners};
use crate::zeros::{self, Zeros};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// Figures of one run of a call, or sums over several, or means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// Shares of zeros among the elements of the first two operands, each as often as it is used: a software float is done
    /// sooner with a zero.
    pub zeros: [f64; 2],
    /// How many products behind a convolution's gradient are zero.
    pub zero_products: f64,
    /// Shares of the elements of a softmax, loss or activation, be it fused behind another kernel, whose exponential takes the short
    /// cut, and the shorter way; of an activation's backward pass, the share where its derivative is zero.
    pub near: [f64; 2],
    /// Of a softmax or loss, how many exponentials are subnormal, and how many too small to be a number at all.
    pub tiny: [f64; 2],
    /// Logarithms of a loss: of one, which is what is left where a class is as good as certain, and of other numbers up to √2, which are
    /// not scaled.
    pub logarithms: [f64; 2],
    /// Of a forward pass of a maximum pool: how often an element is larger than those of its window before it.
    pub rises: f64,
    /// Additions of kernels that add up without products of weights.
    pub meetings: Meetings,
    /// Of a backward pass of biases, or of a convolution's weights without a pool, the share of output channels without any delta.
    pub silent: f64,
    /// Of what is trained.
    pub gradients: Gradients,
    /// Of a dense layer that skips zeros, inputs at which a branch on zero is not foreseen, by a core that foresees any.
    pub surprises: f64,
    /// Of a backward convolution with a pool: what falls on the input of the windows whose delta is not zero. Zero elsewhere.
    pub winners: Winners,
}

impl Data {
    /// Looks at the operands of one run of `call`, whose gradients are worth `rate` each.
    pub fn of<'o>(call: &Call, rate: f32, operand: impl Fn(usize) -> &'o [u8]) -> Self {
        let (winners, zero_products) = match call.kernel {
            Kernel::Conv2dBackwardInput if call.conv2d().pool != (1, 1) => {
                let (deltas, _) = operand(0).as_chunks::<4>();
                let fields = Fields::of(&call.conv2d());
                (fields.winners(deltas, operand(1)), 0)
            }
            Kernel::Conv2dBackwardWeights if call.conv2d().pool != (1, 1) => {
                let (deltas, _) = operand(1).as_chunks::<4>();
                let fields = Fields::of(&call.conv2d());
                let winners = fields.winners(deltas, operand(2));
                let zeros = Zeros::of(operand(0), call.conv2d().input, 1);
                (winners, fields.zeros(deltas, operand(2), &zeros))
            }
            _ => (Winners::default(), zeros::products(call, &operand)),
        };
        let rises = match call.kernel {
            Kernel::MaxPool => rises(&call.conv2d(), operand(0)),
            _ => 0,
        };
        let silent = match call.kernel {
            Kernel::BiasBackward if call.dim(0) > 1 => silent(call.dim(1), operand(0)),
            Kernel::Conv2dBackwardWeights if call.conv2d().pool == (1, 1) => {
                silent(call.conv2d().output.c, operand(1))
            }
            Kernel::DepthwiseBackwardWeights => silent(call.conv2d().output.c, operand(1)),
            _ => 0.0,
        };
        let surprises = match call.kernel {
            Kernel::Dense | Kernel::DenseBackwardWeights if call.flags & SKIP_ZEROS != 0 => {
                surprises(floats(operand(0)).map(|x| x.to_bits() == 0))
            }
            _ => 0,
        };
        Self {
            zeros: [0, 1].map(|i| zeros::share(call, i, operand(i))),
            zero_products: zero_products as f64,
            near: near(call, operand(0)),
            tiny: tiny(call, operand(0)),
            logarithms: logarithms(call, operand(0)),
            rises: rises as f64,
            meetings: Meetings::of(call, rate, &operand),
            silent,
            gradients: Gradients::of(call, &operand),
            surprises: surprises as f64,
            winners,
        }
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.zeros.iter_mut().zip(other.zeros) {
            *mine += theirs;
        }
        self.add_near(other.near);
        for (mine, theirs) in self.tiny.iter_mut().zip(other.tiny) {
            *mine += theirs;
        }
        for (mine, theirs) in self.logarithms.iter_mut().zip(other.logarithms) {
            *mine += theirs;
        }
        self.zero_products += other.zero_products;
        self.rises += other.rises;
        self.meetings.add(&other.meetings);
        self.silent += other.silent;
        self.gradients.add(&other.gradients);
        self.surprises += other.surprises;
        self.winners.add(&other.winners);
    }

    /// Adds what [`near_of_outputs`] found.
    pub(crate) fn add_near(&mut self, near: [f64; 2]) {
        for (mine, theirs) in self.near.iter_mut().zip(near) {
            *mine += theirs;
        }
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            zeros: self.zeros.map(|zeros| zeros * factor),
            zero_products: self.zero_products * factor,
            near: self.near.map(|share| share * factor),
            tiny: self.tiny.map(|count| count * factor),
            logarithms: self.logarithms.map(|count| count * factor),
            rises: self.rises * factor,
            meetings: self.meetings.times(factor),
            silent: self.silent * factor,
            gradients: self.gradients.times(factor),
            surprises: self.surprises * factor,
            winners: self.winners.times(factor),
        }
    }
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
        (Kernel::ActivationBackward, _) => [share(saturated(call.activation, bytes)), 0.0],
        (Kernel::Activation, _) => match call.activation {
            Activation::Sigmoid => below([REDUCED, ONCE]),
            // Its exponential is one of twice the magnitude.
            Activation::Tanh => below([SERIES, ONCE / 2.0]),
            _ => [0.0; 2],
        },
        _ => [0.0; 2],
    }
}

/// Exponentials of less are subnormal, and zero: 126 ln 2 and 150 ln 2, below zero.
const TINY: f32 = -87.336_54;
const NONE: f32 = -103.972_08;

/// How many exponentials of a softmax, or of a loss with one, are subnormal, and zero.
fn tiny(call: &Call, outputs: &[u8]) -> [f64; 2] {
    let softmax = matches!(
        (call.kernel, call.dim(2)),
        (Kernel::Softmax, _) | (Kernel::Loss, 0 | 3)
    );
    if !softmax {
        return [0.0; 2];
    }
    let largest = floats(outputs).fold(f32::NEG_INFINITY, f32::max);
    let below = |bound: f32| floats(outputs).filter(|x| x - largest <= bound).count() as f64;
    let zero = below(NONE);
    [below(TINY) - zero, zero]
}

/// How many outputs of a smooth activation are where its derivative is zero.
fn saturated(activation: Activation, outputs: &[u8]) -> usize {
    let derivative = |y: f32| match activation {
        Activation::Sigmoid => y * (1.0 - y),
        Activation::Tanh => 1.0 - y * y,
        _ => 1.0,
    };
    floats(outputs).filter(|y| derivative(*y) == 0.0).count()
}

/// As [`near`], from what an activation left in `outputs`: what went into it is gone, but its inverse is known.
pub(crate) fn near_of_outputs(activation: Activation, outputs: &[u8]) -> [f64; 2] {
    // Distances from what it gives for zero.
    let (middle, bounds) = match activation {
        Activation::Sigmoid => {
            let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
            (0.5, [REDUCED, ONCE].map(|x| sigmoid(x) - 0.5))
        }
        Activation::Tanh => (0.0, [SERIES, ONCE / 2.0].map(f32::tanh)),
        _ => return [0.0; 2],
    };
    let share = |count: usize| count as f64 / (outputs.len() / 4).max(1) as f64;
    let [near, both] = bounds.map(|bound| {
        floats(outputs)
            .filter(|y| (y - middle).abs() < bound)
            .count()
    });
    [share(near), share(both - near)]
}

/// What is smaller adds nothing to one: half a unit in the last place.
const NOTHING: f64 = 1.0 / (1 << 24) as f64;

/// How many logarithms of a loss of `outputs` are of one, and of more but less than √2.
fn logarithms(call: &Call, outputs: &[u8]) -> [f64; 2] {
    let outputs = || floats(outputs).map(f64::from);
    // By how much their arguments exceed one.
    let beyond: Vec<f64> = match (call.kernel, call.dim(2)) {
        (Kernel::Loss, 0 | 3) => {
            let largest = outputs().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = outputs().map(|x| (x - largest).exp()).sum();
            vec![sum - 1.0]
        }
        (Kernel::Loss, 2) => outputs().map(|x| (-x.abs()).exp()).collect(),
        _ => return [0.0; 2],
    };
    let below = |bound: f64| beyond.iter().filter(|x| **x <= bound).count() as f64;
    let one = below(NOTHING);
    [one, below(std::f64::consts::SQRT_2 - 1.0) - one]
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

/// The share of `channels` that have no delta.
fn silent(channels: usize, deltas: &[u8]) -> f64 {
    let channels = channels.max(1);
    let mut any = vec![false; channels];
    for (i, delta) in floats(deltas).enumerate() {
        any[i % channels] |= delta != 0.0;
    }
    any.into_iter().filter(|any| !any).count() as f64 / channels as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::PADDED;

    /// Winners by the definition of a convolution, tap by tap.
    #[test]
    fn winners_are_counted_tap_by_tap() {
        let g = Conv2d {
            pool: (2, 3),
            ..PADDED
        };
        let mut call = Call::new(Kernel::Conv2dBackwardInput);
        call.set_conv2d(&g);
        let pooled = g.pooled();
        let deltas: Vec<f32> = (0..pooled.len()).map(|i| (i % 3) as f32).collect();
        let argmax: Vec<u8> = (0..pooled.len()).map(|i| (i * 5 % 6) as u8).collect();
        let bytes: Vec<u8> = deltas.iter().flat_map(|d| d.to_le_bytes()).collect();
        let data = Data::of(&call, 1.0, |i| match i {
            0 => &bytes,
            1 => &argmax,
            _ => &[],
        });

        let (mut segments, mut taps, mut dark) = (0, 0, 0);
        for (i, _) in deltas.iter().enumerate().filter(|(_, d)| **d != 0.0) {
            let (window, k) = (i / pooled.c, usize::from(argmax[i]));
            let oy = window / pooled.w * 2 + k / 3;
            let ox = window % pooled.w * 3 + k % 3;
            for row in (oy..oy + 3).filter(|row| (1..6).contains(row)) {
                segments += 1;
                for column in (ox..ox + 3).filter(|column| (1..7).contains(column)) {
                    let pixel = 3 * ((row - 1) * 6 + column - 1);
                    taps += 3;
                    dark += (pixel..pixel + 3).filter(|i| i.is_multiple_of(4)).count();
                }
            }
        }
        assert!(segments > 0 && taps < segments * 9 && dark > 0);
        assert_eq!(data.winners.segments(), segments as f64);
        assert_eq!(data.winners.taps(), taps as f64);
        assert_eq!(data.zeros[0], 3.0 / 8.0);

        // Its gradient sees each fourth input as zero.
        call.kernel = Kernel::Conv2dBackwardWeights;
        let x = (0..g.input.len()).flat_map(|i| ((i % 4) as f32).to_le_bytes());
        let x: Vec<u8> = x.collect();
        let data = Data::of(&call, 1.0, |i| match i {
            0 => x.as_slice(),
            1 => &bytes,
            2 => &argmax,
            _ => &[],
        });
        assert_eq!(data.winners.taps(), taps as f64);
        assert_eq!(data.zero_products, dark as f64);
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
    fn logarithms_are_told_apart_by_their_argument() {
        let mut call = Call::new(Kernel::Loss);
        let of = |call: &Call, outputs: &[f32]| {
            let bytes: Vec<u8> = outputs.iter().flat_map(|x| x.to_le_bytes()).collect();
            logarithms(call, &bytes)
        };
        assert_eq!(of(&call, &[1.0, 18.0, 0.0]), [1.0, 0.0]);
        assert_eq!(of(&call, &[2.0, 18.0, 0.0]), [0.0, 1.0]);
        // Two that add up to more than rounds away; and ln 2.
        assert_eq!(of(&call, &[1.3, 1.3, 18.0]), [0.0, 1.0]);
        assert_eq!(of(&call, &[1.0, 1.0]), [0.0, 0.0]);
        call.dims[2] = 2;
        assert_eq!(of(&call, &[17.0, -17.0, 16.0, 0.5]), [2.0, 1.0]);
        call.dims[2] = 1;
        assert_eq!(of(&call, &[99.0, 0.0]), [0.0, 0.0]);
    }

    #[test]
    fn outputs_tell_what_went_into_an_activation() {
        let inputs: Vec<f32> = (-300..300).map(|i| i as f32 / 100.0).collect();
        for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Relu] {
            let mut call = Call::new(Kernel::Activation);
            call.activation = activation;
            let bytes = |x: &[f32]| -> Vec<u8> { x.iter().flat_map(|x| x.to_le_bytes()).collect() };
            let mut outputs = inputs.clone();
            activation.forward(&mut outputs);
            assert_eq!(
                near_of_outputs(activation, &bytes(&outputs)),
                near(&call, &bytes(&inputs)),
                "{activation:?}"
            );
        }
    }

    #[test]
    fn exponentials_become_subnormal_and_then_zero() {
        let mut call = Call::new(Kernel::Softmax);
        let outputs = [5.0f32, 0.0, -80.0, -85.0, -90.0, -98.0, -100.0, -200.0];
        let bytes: Vec<u8> = outputs.iter().flat_map(|x| x.to_le_bytes()).collect();
        let by_value = outputs.map(|x| (x - 5.0).exp());
        let zero = by_value.iter().filter(|y| **y == 0.0).count();
        let subnormal = by_value.iter().filter(|y| y.is_subnormal()).count();
        assert!(zero > 0 && subnormal > 0);
        assert_eq!(tiny(&call, &bytes), [subnormal as f64, zero as f64]);
        call.kernel = Kernel::Activation;
        assert_eq!(tiny(&call, &bytes), [0.0; 2]);
    }

    #[test]
    fn a_channel_is_silent_without_any_delta() {
        let deltas = [0.0f32, 1.0, 0.0, 0.0, 0.0, 2.0];
        let bytes: Vec<u8> = deltas.iter().flat_map(|d| d.to_le_bytes()).collect();
        assert_eq!(silent(2, &bytes), 0.5);
        assert_eq!(silent(3, &bytes), 1.0 / 3.0);
        assert_eq!(silent(0, &[]), 1.0);
    }

    #[test]
    fn figures_are_sums_and_means_of_runs() {
        let one = Data {
            zeros: [0.5, 0.25],
            zero_products: 0.125,
            near: [1.0, 0.5],
            tiny: [2.0, 1.0],
            logarithms: [1.0, 2.0],
            rises: 3.0,
            surprises: 4.0,
            meetings: Meetings {
                empty: 1.0,
                fresh: 2.0,
                opposite: 3.0,
                shrunk: 4.0,
                places: 5.0,
                far: 6.0,
            },
            gradients: Gradients {
                resting: 1.0,
                still: 0.5,
                nought: 3.0,
                first: 2.0,
            },
            silent: 0.25,
            winners: Winners {
                cuts: 1.0,
                channels: 2.0,
                segments: 3.0,
                fours: 4.0,
                rests: [5.0, 6.0, 7.0],
            },
        };
        let mut two = one;
        two.add(&one);
        assert_eq!(two.zeros, [1.0, 0.5]);
        assert_eq!(two.winners.channels, 4.0);
        assert_eq!(two.times(0.5), one);
    }
}
