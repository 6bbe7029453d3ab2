//! Additions of one element to another, where no product of weights is near: how long a software float takes with them.

use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel};
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
}

impl Meetings {
    /// Those of `call`.
    pub fn of<'o>(call: &Call, operand: &impl Fn(usize) -> &'o [u8]) -> Self {
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
        let often = often as f64;
        if x == 0.0 {
            if to == 0.0 {
                self.empty += often;
            }
        } else if to == 0.0 {
            self.fresh += often;
        } else if (x < 0.0) != (to < 0.0) {
            self.opposite += often;
            let exponent = |x: f32| (x.to_bits() >> 23) & 255;
            let larger = exponent(x.abs().max(to.abs()));
            let sum = x + to;
            let places = larger.saturating_sub(exponent(sum.abs()));
            if sum != 0.0 && places > 0 {
                self.shrunk += often;
                self.places += often * f64::from(places - 1);
            }
        }
    }

    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.empty += other.empty;
        self.fresh += other.fresh;
        self.opposite += other.opposite;
        self.shrunk += other.shrunk;
        self.places += other.places;
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            empty: self.empty * factor,
            fresh: self.fresh * factor,
            opposite: self.opposite * factor,
            shrunk: self.shrunk * factor,
            places: self.places * factor,
        }
    }
}

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
        ];
        let found = Meetings::among(additions.into_iter());
        let expected = Meetings {
            empty: 1.0,
            fresh: 1.0,
            opposite: 4.0,
            shrunk: 2.0,
            places: 2.0,
        };
        assert_eq!(found, expected);
        let mut twice = found;
        twice.add(&found);
        assert_eq!(twice, expected.times(2.0));
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
