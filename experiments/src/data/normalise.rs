//! From bytes to the floats that a network sees.
//!
//! A normalisation is one multiplication and one addition a channel, so that a microcontroller does it in
//! the pass that copies the sample in, and host and board get the same bits. Its figures are computed
//! from the training images alone; the test images must not be looked at.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::images::Images;

/// How bytes are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// To 0..=1: the byte over 255.
    Unit,
    /// To mean 0 and standard deviation 1 over all bytes of the training images.
    #[default]
    Standard,
    /// The same, apart for each channel.
    PerChannel,
}

/// `y = byte · scale + shift`, in f32, rounded after each operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// Factor.
    pub scale: f32,
    /// Summand.
    pub shift: f32,
}

/// A normalisation with its figures: one [`Affine`] a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normaliser {
    kind: Normalisation,
    /// Mean and standard deviation of each channel's bytes, 0 to 255; none for [`Normalisation::Unit`].
    statistics: Vec<(f64, f64)>,
    channels: Vec<Affine>,
}

impl Normaliser {
    /// Computes the figures from `train`.
    ///
    /// Sums are exact integers, so that no order of summation can change them; the deviation is that of
    /// the population (division by n). Where all bytes are equal, they are only centred.
    pub fn of(kind: Normalisation, train: &Images) -> Self {
        let channels = train.shape().channels;
        let sums = match kind {
            Normalisation::Unit => Vec::new(),
            Normalisation::Standard => vec![Sums::of(train.pixels().iter())],
            Normalisation::PerChannel => (0..channels)
                .map(|channel| Sums::of(train.pixels().iter().skip(channel).step_by(channels)))
                .collect(),
        };
        let statistics: Vec<_> = sums.iter().map(Sums::mean_and_deviation).collect();
        let affine = |channel: usize| {
            let Some(&(mean, deviation)) = statistics.get(channel).or(statistics.first()) else {
                return Affine {
                    scale: 1.0 / 255.0,
                    shift: 0.0,
                };
            };
            let scale = if deviation > 0.0 {
                1.0 / deviation
            } else {
                1.0
            };
            Affine {
                scale: scale as f32,
                shift: (-mean * scale) as f32,
            }
        };
        let channels = (0..channels).map(affine).collect();
        Self {
            kind,
            statistics,
            channels,
        }
    }

    /// Which normalisation this is.
    pub fn kind(&self) -> Normalisation {
        self.kind
    }

    /// Scale and shift of each channel.
    pub fn channels(&self) -> &[Affine] {
        &self.channels
    }

    /// Mean and standard deviation, in bytes: of each channel, of all bytes, or of nothing for
    /// [`Normalisation::Unit`].
    pub fn statistics(&self) -> &[(f64, f64)] {
        &self.statistics
    }

    /// Normalises an image (HWC) into `out`. Elements beyond the shorter of the two are left alone.
    pub fn apply(&self, image: &[u8], out: &mut [f32]) {
        for ((y, &byte), affine) in out.iter_mut().zip(image).zip(self.channels.iter().cycle()) {
            *y = f32::from(byte) * affine.scale + affine.shift;
        }
    }
}

impl fmt::Display for Normaliser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Normalisation::Unit => return f.write_str("bytes over 255"),
            Normalisation::Standard => f.write_str("bytes standardised by the training set's ")?,
            Normalisation::PerChannel => {
                f.write_str("bytes standardised channel by channel by the training set's ")?;
            }
        }
        for (i, (mean, deviation)) in self.statistics.iter().enumerate() {
            let comma = if i == 0 { "" } else { "; " };
            write!(f, "{comma}mean {mean:.4}, deviation {deviation:.4}")?;
        }
        Ok(())
    }
}

/// Count, sum and sum of squares of bytes; exact for any set that fits in memory.
struct Sums {
    count: u64,
    sum: u64,
    squares: u64,
}

impl Sums {
    fn of<'a>(bytes: impl Iterator<Item = &'a u8>) -> Self {
        let mut sums = Self {
            count: 0,
            sum: 0,
            squares: 0,
        };
        for &byte in bytes {
            let byte = u64::from(byte);
            sums.count += 1;
            sums.sum += byte;
            sums.squares += byte * byte;
        }
        sums
    }

    fn mean_and_deviation(&self) -> (f64, f64) {
        if self.count == 0 {
            return (0.0, 0.0);
        }
        let (n, sum) = (u128::from(self.count), u128::from(self.sum));
        // n² times the variance, which is never negative, by the inequality of Cauchy and Schwarz.
        let spread = n * u128::from(self.squares) - sum * sum;
        let n = n as f64;
        (sum as f64 / n, (spread as f64).sqrt() / n)
    }
}

#[cfg(test)]
mod tests {
    use super::super::images::Shape;
    use super::*;

    fn colours(pixels: &[u8]) -> Images {
        let shape = Shape {
            height: 1,
            width: 1,
            channels: 3,
        };
        Images::new(shape, pixels.to_vec(), vec![0; pixels.len() / 3]).expect("whole pixels")
    }

    fn apply(normaliser: &Normaliser, image: &[u8]) -> Vec<f32> {
        let mut out = vec![0.0; image.len()];
        normaliser.apply(image, &mut out);
        out
    }

    #[test]
    fn unit_spans_zero_to_one() {
        let unit = Normaliser::of(Normalisation::Unit, &colours(&[1, 2, 3]));
        let ends = apply(&unit, &[0, 255, 51]);
        assert_eq!(ends[..2], [0.0, 1.0]);
        assert!((ends[2] - 0.2).abs() < 1e-7);
    }

    #[test]
    fn training_images_get_mean_zero_and_deviation_one() {
        let images = colours(&[0, 100, 7, 10, 200, 7, 20, 240, 7, 30, 255, 7]);
        for kind in [Normalisation::Standard, Normalisation::PerChannel] {
            let normaliser = Normaliser::of(kind, &images);
            let out = apply(&normaliser, images.pixels());
            let groups: Vec<Vec<f32>> = match kind {
                Normalisation::PerChannel => (0..3)
                    .map(|channel| out.iter().skip(channel).step_by(3).copied().collect())
                    .collect(),
                _ => vec![out],
            };
            for (i, group) in groups.iter().enumerate() {
                let n = group.len() as f32;
                let mean = group.iter().sum::<f32>() / n;
                let variance = group.iter().map(|y| (y - mean) * (y - mean)).sum::<f32>() / n;
                // The last channel is constant: centred, not scaled.
                let expected = if i == 2 { 0.0 } else { 1.0 };
                assert!(
                    mean.abs() < 1e-6 && (variance - expected).abs() < 1e-5,
                    "{kind:?} {i}"
                );
            }
        }
    }

    #[test]
    fn its_figures_are_stated() {
        let standard = Normaliser::of(Normalisation::Standard, &colours(&[0, 10, 20]));
        let text = standard.to_string();
        assert!(text.contains("mean 10.0000, deviation 8.1650"), "{text}");
    }
}
