//! Losses with their gradients, for one sample whose target is a class.

use crate::call::Call;
use crate::math;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, demand, flat};
use crate::routine::{Context, Operands, Routine};
use crate::softmax;

crate::codes! {
    /// A loss function.
    pub enum Loss {
        /// Outputs are logits; softmax and negative log-likelihood in one.
        CrossEntropy = 0,
        /// Mean over the outputs of the squared error against the one-hot target. With a single output
        /// the target is the label itself, 0 or 1.
        Mse = 1,
        /// Outputs are logits; sigmoid and binary cross-entropy in one, mean over the outputs, against the
        /// one-hot target. With a single output the target is the label itself, 0 or 1.
        BinaryCrossEntropy = 2,
        /// The update of E. Ostrovan's thesis: the gradient of softmax is damped by its diagonal,
        /// `p · (1 − p) · (p − t)`. Not the gradient of the loss it reports, which is the cross-entropy.
        Damped = 3,
    }
}

impl Loss {
    /// Above which value a single output means class 1.
    pub fn threshold(self) -> f32 {
        if self == Loss::Mse { 0.5 } else { 0.0 }
    }

    /// The loss of `outputs` for the class `label`; writes its gradient with respect to `outputs`,
    /// times `scale` (1 / batch), to `delta`, of equal length. The loss itself is not scaled.
    ///
    /// `label` is below `outputs.len()`, or 0 or 1 for a single output of the last two kinds. Sums
    /// ascend from zero.
    #[inline(never)]
    pub fn evaluate(self, outputs: &[f32], label: usize, delta: &mut [f32], scale: f32) -> f32 {
        let count = outputs.len();
        let inverse = 1.0 / count.max(1) as f32;
        let (mut loss, mut share) = (0.0, 0.0);
        if matches!(self, Loss::CrossEntropy | Loss::Damped) {
            delta.copy_from_slice(outputs);
            let (max, sum) = softmax::exponentials(delta);
            loss = math::ln(sum) + (max - outputs.get(label).copied().unwrap_or(max));
            share = 1.0 / sum;
        }
        for (i, (d, &y)) in delta.iter_mut().zip(outputs).enumerate() {
            let t = match count {
                1 if matches!(self, Loss::Mse | Loss::BinaryCrossEntropy) => label as f32,
                _ if i == label => 1.0,
                _ => 0.0,
            };
            *d = match self {
                Loss::CrossEntropy => {
                    let p = *d * share;
                    (p - t) * scale
                }
                Loss::Damped => {
                    let p = *d * share;
                    p * (1.0 - p) * (p - t) * scale
                }
                Loss::Mse => {
                    loss += (y - t) * (y - t);
                    (y - t) * (2.0 * inverse * scale)
                }
                Loss::BinaryCrossEntropy => {
                    // max(y, 0) − y·t + ln(1 + e^−|y|) does not overflow.
                    let positive = if y > 0.0 { y } else { 0.0 };
                    let small = math::exp(-y.abs());
                    loss += positive - y * t + math::ln(1.0 + small);
                    (math::sigmoid(y) - t) * (inverse * scale)
                }
            };
        }
        match self {
            Loss::CrossEntropy | Loss::Damped => loss,
            Loss::Mse | Loss::BinaryCrossEntropy => loss * inverse,
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

/// outputs → delta. Length; the loss in dimension 2.
pub struct Evaluate;

impl Routine for Evaluate {
    const NAME: &'static str = "loss";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(Loss::from_code(call.dim(2) as u32).is_some())?;
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let Some(loss) = Loss::from_code(call.dim(2) as u32) else {
            return;
        };
        let delta = o.write(1);
        context.prediction = predict_above(o.read(0), loss.threshold());
        context.loss = loss.evaluate(o.read(0), context.label, delta, context.loss_scale);
    }
}
