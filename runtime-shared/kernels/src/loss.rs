//! Losses with their gradients, for one sample whose target is a class or a value for each output.

use crate::call::{Call, Place};
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
        /// Mean over the outputs of the absolute error, against targets as for [`Mse`](Self::Mse). Its gradient is 0
        /// where there is no error.
        Mae = 4,
        /// Mean over the outputs of half the squared error up to a bend, and from there on a line (Huber 1964).
        Huber = 5,
    }
}

/// What outputs are compared with.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A class: one for its output and zero for the others. For a single output it is the value itself, 0 or 1.
    Class(usize),
    /// A value for each output.
    Values(&'a [f32]),
}

impl Target<'_> {
    /// What output `i` of so many should be.
    fn value(self, i: usize, count: usize) -> f32 {
        match self {
            Target::Values(values) => values.get(i).copied().unwrap_or(0.0),
            Target::Class(class) if count == 1 => class as f32,
            Target::Class(class) if class == i => 1.0,
            Target::Class(_) => 0.0,
        }
    }
}

impl Loss {
    /// Above which value a single output means class 1.
    pub fn threshold(self) -> f32 {
        match self {
            Loss::Mse | Loss::Mae | Loss::Huber => 0.5,
            Loss::CrossEntropy | Loss::BinaryCrossEntropy | Loss::Damped => 0.0,
        }
    }

    /// Whether the target must be a class.
    pub fn is_of_classes(self) -> bool {
        matches!(self, Loss::CrossEntropy | Loss::Damped)
    }

    /// The loss of `outputs` against `target`; writes its gradient with respect to `outputs`, times `scale`
    /// (1 / batch), to `delta`, of equal length. The loss itself is not scaled. `bend` is Huber's.
    ///
    /// A class is below `outputs.len()`, or 0 or 1 for a single output. Sums ascend from zero.
    #[inline(never)]
    pub fn evaluate(
        self,
        outputs: &[f32],
        target: Target<'_>,
        bend: f32,
        delta: &mut [f32],
        scale: f32,
    ) -> f32 {
        let count = outputs.len();
        let inverse = 1.0 / count.max(1) as f32;
        let (mut loss, mut share) = (0.0, 0.0);
        if let (true, Target::Class(class)) = (self.is_of_classes(), target) {
            delta.copy_from_slice(outputs);
            let (max, sum) = softmax::exponentials(delta);
            loss = math::ln(sum) + (max - outputs.get(class).copied().unwrap_or(max));
            share = 1.0 / sum;
        }
        for (i, (d, &y)) in delta.iter_mut().zip(outputs).enumerate() {
            let t = target.value(i, count);
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
                Loss::Mae | Loss::Huber => {
                    let bend = if self == Loss::Mae { 0.0 } else { bend };
                    let (error, size) = (y - t, (y - t).abs());
                    if size <= bend {
                        loss += 0.5 * error * error;
                        error * (inverse * scale)
                    } else {
                        // Without a bend the line has a slope of one.
                        let slope = if self == Loss::Mae { 1.0 } else { bend };
                        loss += slope * (size - 0.5 * bend);
                        let sign = if error > 0.0 { slope } else { -slope };
                        sign * (inverse * scale)
                    }
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
        if self.is_of_classes() {
            loss
        } else {
            loss * inverse
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

/// outputs → delta · targets, or absent, where the target is the class of the sample. Length; the loss in dimension 2;
/// the bend is the scalar.
pub struct Evaluate;

impl Routine for Evaluate {
    const NAME: &'static str = "loss";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT, X.optional()];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let loss = Loss::from_code(call.dim(2) as u32).ok_or(BadDimensions)?;
        demand(!loss.is_of_classes() || call.operands[2] == Place::Absent)?;
        demand(loss != Loss::Huber || (call.scalar > 0.0 && call.scalar < f32::INFINITY))?;
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let Some(loss) = Loss::from_code(call.dim(2) as u32) else {
            return;
        };
        let delta = o.write(1);
        let values = o.read(2);
        let target = if values.is_empty() {
            Target::Class(context.label)
        } else {
            Target::Values(values)
        };
        context.prediction = predict_above(o.read(0), loss.threshold());
        context.loss = loss.evaluate(o.read(0), target, call.scalar, delta, context.loss_scale);
    }
}
