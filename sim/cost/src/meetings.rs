//! Additions of one element to another: how long a software float takes with them.

use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel, RuleKind};
use serde::{Deserialize, Serialize};

/// How many additions are of which kind. What adds zero to something is counted elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meetings {
    /// Of nothing to nothing.
    pub empty: f64,
    /// Of something to nothing.
    pub fresh: f64,
    /// Of what has the other sign.
    pub opposite: f64,
    /// Of these, those whose sum has a smaller exponent than the larger of both.
    pub shrunk: f64,
    /// By how many places more than one.
    pub places: f64,
    /// Of what is too small to matter.
    pub far: f64,
}

impl Meetings {
    /// Those of `call`.
    pub fn of<'o>(call: &Call, rate: f32, operand: &impl Fn(usize) -> &'o [u8]) -> Self {
        match call.kernel {
            Kernel::Normalise => bytes(call, operand),
            Kernel::ChannelAffine => {
                let channels: Vec<_> = floats(operand(1)).zip(floats(operand(2))).collect();
                let shifts = floats(operand(0)).zip(channels.iter().cycle());
                Self::among(shifts.map(|(x, (scale, shift))| (x * scale, *shift)))
            }
            Kernel::Add | Kernel::AddAssign => {
                Self::among(floats(operand(0)).zip(floats(operand(1))))
            }
            Kernel::BiasBackward if call.dim(0) > 1 => sums(call.dim(1), operand(0)),
            Kernel::SoftmaxBackward => softmax(operand(0), operand(1)),
            Kernel::DenseBackwardWeights => {
                let target = match call.rule {
                    RuleKind::Accumulate => 4,
                    RuleKind::Sgd => 2,
                    _ => return Self::default(),
                };
                steps(rate, operand(0), operand(1), operand(target))
            }
            Kernel::Dense => products(call, operand(0), operand(1), operand(2)),
            Kernel::MaxPoolBackward => Self {
                fresh: first_hits(&call.conv2d(), operand(0), operand(1)) as f64,
                ..Self::default()
            },
            _ => Self::default(),
        }
    }

    /// Those of `additions` of something to something.
    fn among(additions: impl Iterator<Item = (f32, f32)>) -> Self {
        let mut all = Self::default();
        additions.for_each(|(x, to)| all.meet(x, to, 1));
        all
    }

    /// Counts an addition of `x` that is done so `often`.
    fn meet(&mut self, x: f32, to: f32, often: usize) {
        let mut once = Counts::default();
        once.meet(x, to);
        self.add(&Self::from(once).times(often as f64));
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.empty += other.empty;
        self.fresh += other.fresh;
        self.opposite += other.opposite;
        self.shrunk += other.shrunk;
        self.places += other.places;
        self.far += other.far;
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            empty: self.empty * factor,
            fresh: self.fresh * factor,
            opposite: self.opposite * factor,
            shrunk: self.shrunk * factor,
            places: self.places * factor,
            far: self.far * factor,
        }
    }
}

/// The same as whole numbers. Products are many, so that none of them takes a branch that the host cannot foresee.
#[derive(Clone, Copy, Default)]
struct Counts {
    empty: u32,
    fresh: u32,
    opposite: u32,
    shrunk: u32,
    places: u32,
    far: u32,
}

impl Counts {
    /// Counts an addition of `x`.
    #[inline(always)]
    fn meet(&mut self, x: f32, to: f32) {
        // Of magnitudes, bits are ordered as values are.
        let magnitude = |x: f32| x.to_bits() & (u32::MAX >> 1);
        let (x_bits, to_bits) = (magnitude(x), magnitude(to));
        if x_bits == 0 || to_bits == 0 {
            self.fresh += u32::from(x_bits != 0);
            self.empty += u32::from(x_bits == 0 && to_bits == 0);
            return;
        }
        let exponent = |magnitude: u32| magnitude >> 23;
        let larger = exponent(x_bits.max(to_bits));
        let far = u32::from(larger - exponent(x_bits.min(to_bits)) > FARTHEST);
        let opposite = (x.to_bits() ^ to.to_bits()) >> 31 & (1 - far);
        let sum = magnitude(x + to);
        let places = larger.saturating_sub(exponent(sum)) * opposite * u32::from(sum != 0);
        self.far += far;
        self.opposite += opposite;
        self.shrunk += u32::from(places > 0);
        self.places += places.saturating_sub(1);
    }
}

impl From<Counts> for Meetings {
    fn from(counts: Counts) -> Self {
        Self {
            empty: counts.empty.into(),
            fresh: counts.fresh.into(),
            opposite: counts.opposite.into(),
            shrunk: counts.shrunk.into(),
            places: counts.places.into(),
            far: counts.far.into(),
        }
    }
}

/// Exponents of an addition may differ by so much for the smaller to matter, as where floats are software.
const FARTHEST: u32 = 24;

/// Products of a call that are looked at, at most: the others are taken to be as these.
const LOOKED_AT: usize = 1 << 14;

/// The floats that `bytes` are.
pub(crate) fn floats<'b>(bytes: &'b [u8]) -> impl Iterator<Item = f32> + Clone + 'b {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word))
}

/// The meetings of a channel's shift with its bytes, scaled. Every value as often as it occurs: this is done for each sample.
fn bytes<'o>(call: &Call, operand: &impl Fn(usize) -> &'o [u8]) -> Meetings {
    let channels: Vec<_> = floats(operand(1)).zip(floats(operand(2))).collect();
    let many = call.dim(2).max(1);
    let mut counts = vec![[0usize; 256]; channels.len()];
    for bytes in operand(0).chunks_exact(many) {
        for (count, byte) in counts.iter_mut().zip(bytes) {
            count[usize::from(*byte)] += 1;
        }
    }
    let mut all = Meetings::default();
    for (&(scale, shift), counts) in channels.iter().zip(&counts) {
        for (byte, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            all.meet(byte as f32 * scale, shift, count);
        }
    }
    all
}

/// The meetings of deltas with the sums of their channels so far.
fn sums(channels: usize, deltas: &[u8]) -> Meetings {
    let channels = channels.max(1);
    let mut sums = vec![0.0; channels];
    let mut all = Meetings::default();
    for (i, delta) in floats(deltas).enumerate() {
        let sum = &mut sums[i % channels];
        all.meet(delta, *sum, 1);
        *sum += delta;
    }
    all
}

/// The meetings of a softmax's backward pass: products with their sum so far, and each delta with all of it.
fn softmax(outputs: &[u8], deltas: &[u8]) -> Meetings {
    let mut all = Meetings::default();
    let pairs = || floats(outputs).zip(floats(deltas));
    let sum = pairs().fold(0.0, |sum, (y, delta)| {
        all.meet(delta * y, sum, 1);
        sum + delta * y
    });
    pairs().for_each(|(_, delta)| all.meet(delta, -sum, 1));
    all
}

/// The meetings of a dense layer's products with the sums of their outputs so far.
fn products(call: &Call, x: &[u8], weights: &[u8], biases: &[u8]) -> Meetings {
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    let (weights, _) = weights.as_chunks::<4>();
    let columns = (LOOKED_AT / inputs.max(1)).clamp(1, outputs.max(1));
    let looked_at: Vec<usize> = (0..columns).map(|i| i * outputs / columns).collect();
    let bias = |column: &usize| floats(biases).nth(*column).unwrap_or(0.0);
    let mut sums: Vec<f32> = looked_at.iter().map(bias).collect();
    let mut all = Counts::default();
    for (x, row) in floats(x).zip(weights.chunks_exact(outputs.max(1))) {
        if x == 0.0 {
            continue;
        }
        for (sum, &column) in sums.iter_mut().zip(&looked_at) {
            let product = x * f32::from_le_bytes(row[column]);
            all.meet(product, *sum);
            *sum += product;
        }
    }
    Meetings::from(all).times(outputs as f64 / columns as f64)
}

/// The meetings of a dense layer's gradients, each worth `rate`, with what they are added to.
fn steps(rate: f32, x: &[u8], deltas: &[u8], target: &[u8]) -> Meetings {
    let deltas: Vec<f32> = floats(deltas).collect();
    let (words, _) = target.as_chunks::<4>();
    let width = deltas.len().max(1);
    let rows: Vec<_> = floats(x)
        .zip(words.chunks_exact(width))
        .filter(|(x, _)| *x != 0.0)
        .collect();
    let looked_at = (LOOKED_AT / width).clamp(1, rows.len().max(1));
    let mut all = Counts::default();
    for i in 0..looked_at.min(rows.len()) {
        let (x, row) = rows[i * rows.len() / looked_at];
        for (delta, word) in deltas.iter().zip(row) {
            all.meet(rate * x * delta, f32::from_le_bytes(*word));
        }
    }
    Meetings::from(all).times(rows.len() as f64 / looked_at as f64)
}

/// How many elements of the input of the pool `g` get a delta that is not zero.
fn first_hits(g: &Conv2d, deltas: &[u8], argmax: &[u8]) -> usize {
    let mut hit = vec![false; g.input.len()];
    for (i, (delta, winner)) in floats(deltas).zip(argmax).enumerate() {
        let (pixel, k) = (i / g.output.c.max(1), usize::from(*winner));
        let (oy, ox) = (pixel / g.output.w.max(1), pixel % g.output.w.max(1));
        let (ky, kx) = (k / g.kernel.1.max(1), k % g.kernel.1.max(1));
        let row = (oy * g.stride.0 + ky).saturating_sub(g.pad.0);
        let column = (ox * g.stride.1 + kx).saturating_sub(g.pad.1);
        let at = (row * g.input.w + column) * g.input.c + i % g.output.c.max(1);
        if let Some(hit) = hit.get_mut(at) {
            *hit |= delta != 0.0;
        }
    }
    hit.into_iter().filter(|hit| *hit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_are_told_apart() {
        let additions = [
            (0.0, 1.0),
            (0.0, 0.0),
            (1.0, 0.0),
            (1.0, 2.0),
            // 7 - 1 keeps its exponent, 8 - 1 loses a place, 1 - 0.875 three.
            (7.0, -1.0),
            (-1.0, 8.0),
            (1.0, -0.875),
            (1.0, -1.0),
            // A half of the last place is still seen, a quarter is not, whatever the signs.
            (1.0, (1 << 24) as f32),
            (1.0, -(1 << 25) as f32),
        ];
        let found = Meetings::among(additions.into_iter());
        let expected = Meetings {
            empty: 1.0,
            fresh: 1.0,
            opposite: 4.0,
            shrunk: 2.0,
            places: 2.0,
            far: 1.0,
        };
        assert_eq!(found, expected);
        let mut twice = found;
        twice.add(&found);
        assert_eq!(twice, expected.times(2.0));
    }

    #[test]
    fn steps_meet_what_they_change() {
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let (x, deltas) = (bytes(&[0.0, 1.0, 2.0]), bytes(&[1.0, 1e-9, 0.0]));
        let target = bytes(&[9.0, 9.0, 9.0, 1.0, -1.0, 1.0, 0.0, 2.0, 1.0]);
        let found = steps(-0.5, &x, &deltas, &target);
        let expected = Meetings {
            fresh: 1.0,
            opposite: 1.0,
            shrunk: 1.0,
            far: 2.0,
            ..Meetings::default()
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn products_meet_the_sums_of_their_outputs() {
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        let mut call = Call::new(Kernel::Dense);
        call.dims[..2].copy_from_slice(&[3, 2]);
        // Sums of the first output: 1, 1, -2, 0; of the second: 0, 0, 3, 5.
        let (x, biases) = (bytes(&[0.0, 1.0, 2.0]), bytes(&[1.0, 0.0]));
        let weights = bytes(&[9.0, 9.0, -3.0, 3.0, 1.0, 1.0]);
        let found = products(&call, &x, &weights, &biases);
        let expected = Meetings {
            fresh: 1.0,
            opposite: 2.0,
            shrunk: 0.0,
            ..Meetings::default()
        };
        assert_eq!(found, expected);

        // Of many outputs only some are looked at.
        call.dims[..2].copy_from_slice(&[LOOKED_AT as u16, 10]);
        let found = products(
            &call,
            &bytes(&[1.0; LOOKED_AT]),
            &bytes(&vec![-1.0; 10 * LOOKED_AT]),
            &[],
        );
        assert_eq!(found.fresh, 10.0);
    }

    #[test]
    fn a_softmax_meets_its_sum() {
        let bytes =
            |floats: &[f32]| -> Vec<u8> { floats.iter().flat_map(|x| x.to_le_bytes()).collect() };
        // Products of 1, -1.5 and 0, of which the sums are 1, -0.5 and -0.5; the deltas plus a half are then 2.5, -2.5 and 0.5.
        let (outputs, deltas) = (bytes(&[0.5, 0.5, 0.5]), bytes(&[2.0, -3.0, 0.0]));
        let found = softmax(&outputs, &deltas);
        let expected = Meetings {
            fresh: 1.0,
            opposite: 2.0,
            shrunk: 1.0,
            ..Meetings::default()
        };
        assert_eq!(found, expected);
    }
}
