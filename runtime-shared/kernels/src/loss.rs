//! Losses with their gradients, for one sample whose target is a class.

use super::softmax;
use crate::math;

/// A loss function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Outputs are logits; softmax and negative log-likelihood in one.
    CrossEntropy,
    /// Mean over the outputs of the squared error against the one-hot target. With a single output
    /// the target is the label itself, 0 or 1.
    Mse,
    /// Outputs are logits; sigmoid and binary cross-entropy in one, mean over the outputs, against the
    /// one-hot target. With a single output the target is the label itself, 0 or 1.
    BinaryCrossEntropy,
    /// The update of E. Ostrovan's thesis: the gradient of softmax is damped by its diagonal,
    /// `p · (1 − p) · (p − t)`. Not the gradient of the loss it reports, which is the cross-entropy.
    Damped,
}

impl Loss {
    /// The loss of `outputs` for the class `label`; writes its gradient with respect to `outputs`,
    /// times `scale` (1 / batch), to `delta`, of equal length. The loss itself is not scaled.
    ///
    /// `label` is below `outputs.len()`, or 0 or 1 for a single output of the last two kinds. Sums
    /// ascend from zero.
    #[inline(never)]
    pub fn evaluate(self, outputs: &[f32], label: usize, delta: &mut [f32], scale: f32) -> f32 {
        match self {
            Loss::CrossEntropy | Loss::Damped => {
                delta.copy_from_slice(outputs);
                let (max, sum) = softmax::exponentials(delta);
                let inverse = 1.0 / sum;
                for (i, d) in delta.iter_mut().enumerate() {
                    let p = *d * inverse;
                    let gradient = p - target(i, label);
                    let damping = if self == Loss::Damped {
                        p * (1.0 - p)
                    } else {
                        1.0
                    };
                    *d = damping * gradient * scale;
                }
                math::ln(sum) + (max - outputs.get(label).copied().unwrap_or(max))
            }
            Loss::Mse => {
                let inverse = 1.0 / outputs.len().max(1) as f32;
                let gain = 2.0 * inverse * scale;
                mean(outputs, label, delta, |y, t| {
                    ((y - t) * (y - t), (y - t) * gain)
                }) * inverse
            }
            Loss::BinaryCrossEntropy => {
                let inverse = 1.0 / outputs.len().max(1) as f32;
                let gain = inverse * scale;
                let sum = mean(outputs, label, delta, |y, t| {
                    // max(y, 0) − y·t + ln(1 + e^−|y|) does not overflow.
                    let positive = if y > 0.0 { y } else { 0.0 };
                    let small = math::exp(-y.abs());
                    (
                        positive - y * t + math::ln(1.0 + small),
                        (math::sigmoid(y) - t) * gain,
                    )
                });
                sum * inverse
            }
        }
    }
}

/// The predicted class: the index of the largest output, the first of equals. A single output is a
/// logit: class 1 above zero.
pub fn predict(outputs: &[f32]) -> usize {
    predict_above(outputs, 0.0)
}

/// As [`predict`], but a single output means class 1 above `threshold`: one half for what was trained
/// towards 0 and 1.
#[inline(never)]
pub fn predict_above(outputs: &[f32], threshold: f32) -> usize {
    if let &[output] = outputs {
        return usize::from(output > threshold);
    }
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &y) in outputs.iter().enumerate() {
        if y > best.1 {
            best = (i, y);
        }
    }
    best.0
}

/// Sums the first of `term(output, target)` and stores the second.
#[inline(always)]
fn mean(
    outputs: &[f32],
    label: usize,
    delta: &mut [f32],
    term: impl Fn(f32, f32) -> (f32, f32),
) -> f32 {
    let single = outputs.len() == 1;
    let mut sum = 0.0;
    for (i, (&y, d)) in outputs.iter().zip(delta).enumerate() {
        let t = if single {
            label as f32
        } else {
            target(i, label)
        };
        let (loss, gradient) = term(y, t);
        sum += loss;
        *d = gradient;
    }
    sum
}

fn target(i: usize, label: usize) -> f32 {
    if i == label { 1.0 } else { 0.0 }
}
