//! Parameters whose values may be given, or described and made when an image needs them.
//!
//! A plan of memory needs lengths alone. A network of a billion weights is planned in no time, and weights that
//! are given are shared between the copies of a graph.

use crate::error::Error;
use crate::listing::Part;
use runtime_shared::rng::Rng;
use std::borrow::Cow;
use std::sync::Arc;

/// Weights that one tensor may have: 64 MB of them, more than any microcontroller's flash.
pub const MOST_WEIGHTS: usize = 1 << 24;

/// A parameter tensor in the layout of its operator.
#[derive(Clone, Debug)]
pub struct Tensor {
    len: usize,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Given(Arc<[f32]>),
    Same(f32),
    /// Uniform between ±`limit`.
    Drawn {
        seed: u64,
        purpose: u64,
        limit: f32,
    },
    /// `of · scale[c] + shift[c]`, the channel being the innermost axis.
    Folded {
        of: Arc<Tensor>,
        scale: Arc<[f32]>,
        shift: Option<Arc<[f32]>>,
    },
}

impl Tensor {
    /// `len` zeros, to be replaced or drawn.
    pub fn zeros(len: usize) -> Self {
        Self::same(len, 0.0)
    }

    /// `len` times `value`.
    pub fn same(len: usize, value: f32) -> Self {
        Self {
            len,
            source: Source::Same(value),
        }
    }

    /// Zeros in the product of `dimensions`, for the weights of `layer`.
    ///
    /// # Errors
    /// [`Error::Dimension`] where they are more than [`MOST_WEIGHTS`].
    pub fn sized(layer: &str, dimensions: &[usize]) -> Result<Self, Error> {
        let count = dimensions
            .iter()
            .fold(1, |n: usize, &d| n.saturating_mul(d));
        if count > MOST_WEIGHTS {
            return Err(Error::Dimension {
                layer: layer.to_owned(),
                what: "the number of weights",
                value: count,
                most: MOST_WEIGHTS,
            });
        }
        Ok(Self::zeros(count))
    }

    /// `len` values between ±`limit`, decided by `seed` and `purpose`.
    pub fn drawn(len: usize, seed: u64, purpose: u64, limit: f32) -> Self {
        Self {
            len,
            source: Source::Drawn {
                seed,
                purpose,
                limit,
            },
        }
    }

    /// The tensor with each channel scaled and shifted.
    pub fn folded(&self, scale: &Arc<[f32]>, shift: Option<&Arc<[f32]>>) -> Self {
        Self {
            len: self.len,
            source: Source::Folded {
                of: Arc::new(self.clone()),
                scale: scale.clone(),
                shift: shift.cloned(),
            },
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest absolute value that is given; what is only described, as weights that are drawn, counts as none.
    pub fn largest(&self) -> f32 {
        match &self.source {
            Source::Same(_) | Source::Drawn { .. } => 0.0,
            _ => self
                .values()
                .iter()
                .fold(0.0, |most: f32, v| most.max(v.abs())),
        }
    }

    /// The values: borrowed where they were given, made where not.
    pub fn values(&self) -> Cow<'_, [f32]> {
        match &self.source {
            Source::Given(values) => Cow::Borrowed(values),
            Source::Same(value) => Cow::Owned(vec![*value; self.len]),
            Source::Drawn {
                seed,
                purpose,
                limit,
            } => {
                let mut rng = Rng::for_purpose(*seed, *purpose);
                let draw = |_| (2.0 * rng.unit() - 1.0) * limit;
                Cow::Owned((0..self.len).map(draw).collect())
            }
            Source::Folded { of, scale, shift } => {
                let mut values = of.values().into_owned();
                for position in values.chunks_mut(scale.len().max(1)) {
                    for (v, s) in position.iter_mut().zip(scale.iter()) {
                        *v *= s;
                    }
                    for (v, t) in position.iter_mut().zip(shift.iter().flat_map(|t| t.iter())) {
                        *v += t;
                    }
                }
                Cow::Owned(values)
            }
        }
    }
}

impl From<Vec<f32>> for Tensor {
    fn from(values: Vec<f32>) -> Self {
        Self {
            len: values.len(),
            source: Source::Given(values.into()),
        }
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.values() == other.values()
    }
}

/// What an operator learns: weights, and perhaps a bias for each of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// In the layout of the operator.
    pub weights: Tensor,
    /// One an output or channel.
    pub bias: Option<Tensor>,
}

impl Parameters {
    /// Weights, or the bias where there is one.
    pub fn part(&self, part: Part) -> Option<&Tensor> {
        match part {
            Part::Weights => Some(&self.weights),
            Part::Bias => self.bias.as_ref(),
        }
    }

    /// As [`part`](Self::part), to be replaced.
    pub fn part_mut(&mut self, part: Part) -> Option<&mut Tensor> {
        match part {
            Part::Weights => Some(&mut self.weights),
            Part::Bias => self.bias.as_mut(),
        }
    }

    /// The number of values in both.
    pub fn len(&self) -> usize {
        self.weights.len() + self.bias.as_ref().map_or(0, Tensor::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses weights and biases of other lengths than `weights` and `channels`.
    ///
    /// # Errors
    /// [`Error::Weights`].
    pub fn check(&self, layer: &str, weights: usize, channels: usize) -> Result<(), Error> {
        let lengths = [
            (weights, self.weights.len()),
            (channels, self.bias.as_ref().map_or(channels, Tensor::len)),
        ];
        match lengths
            .into_iter()
            .find(|(expected, given)| expected != given)
        {
            None => Ok(()),
            Some((expected, given)) => Err(Error::Weights {
                layer: layer.to_owned(),
                expected,
                given,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_are_described_are_those_that_are_given() {
        let drawn = Tensor::drawn(6, 3, 1, 0.5);
        let given = Tensor::from(drawn.values().into_owned());
        assert_eq!(drawn, given);
        assert!(given.values().iter().all(|v| v.abs() <= 0.5));
        assert_ne!(drawn, Tensor::drawn(6, 3, 2, 0.5));
        let folded = Tensor::from(vec![1.0, 2.0, 3.0, 4.0])
            .folded(&vec![2.0, -1.0].into(), Some(&vec![0.5, 0.0].into()));
        assert_eq!(*folded.values(), [2.5, -2.0, 6.5, -4.0]);
    }
}
