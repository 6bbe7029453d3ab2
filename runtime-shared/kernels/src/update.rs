//! Where a gradient goes the moment it exists: into an accumulator, or straight into the weights.
//!
//! Updating at once is what makes gradient memory the size of a tile instead of the size of the model.
//! The rules are those of PyTorch's `SGD` and `Adam` (coupled weight decay), with gradients clipped as
//! by `clip_grad_value_` before the step. For one parameter `w` with gradient `g` the order is
//!
//! 1. `g ← g · scale`
//! 2. `g ← min(max(g, −clip_value), clip_value)`
//! 3. `g ← g + weight_decay · w`
//! 4. SGD: `w ← w − learning_rate · g`
//!    Momentum: `m ← beta1 · m + g`, `w ← w − learning_rate · m`
//!    Adam: `m ← beta1 · m + (1 − beta1) · g`, `v ← beta2 · v + (1 − beta2) · (g · g)`,
//!    `w ← w − learning_rate · ((m · correction1) / (√(v · correction2) + epsilon))`
//!
//! Plain SGD (no decay, no clipping of values) does the same with fewer products:
//! `w ← w + (−learning_rate · scale) · g`, and for a row of an outer product, `g = a · delta`,
//! `w ← w + ((−learning_rate · scale) · a) · delta`.

use super::block::{axpy, part_mut};
use crate::math;

/// What an update rule needs beside the gradient. Single precision throughout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// Step size.
    pub learning_rate: f32,
    /// L2 penalty: `weight_decay · w` is added to the gradient.
    pub weight_decay: f32,
    /// Largest magnitude of a gradient; infinite for no limit.
    pub clip_value: f32,
    /// Factor on every gradient, for clipping by global norm; 1 for none.
    pub scale: f32,
    /// Momentum, or Adam's decay of the first moment.
    pub beta1: f32,
    /// Adam's decay of the second moment.
    pub beta2: f32,
    /// Adam's guard against division by zero.
    pub epsilon: f32,
    /// Adam's bias correction 1 / (1 − beta1ᵗ) at step t, counted from 1.
    pub correction1: f32,
    /// Adam's bias correction 1 / (1 − beta2ᵗ).
    pub correction2: f32,
}

impl Hyper {
    /// Plain gradient descent.
    pub fn sgd(learning_rate: f32) -> Self {
        Self {
            learning_rate,
            weight_decay: 0.0,
            clip_value: f32::INFINITY,
            scale: 1.0,
            beta1: 0.0,
            beta2: 0.0,
            epsilon: 0.0,
            correction1: 1.0,
            correction2: 1.0,
        }
    }

    /// Whether the step is linear in the gradient alone: no decay, no clipping of values.
    fn is_plain(&self) -> bool {
        self.weight_decay == 0.0 && self.clip_value == f32::INFINITY
    }

    /// Steps 1 to 3 of the module's list.
    #[inline(always)]
    fn effective(&self, gradient: f32, w: f32) -> f32 {
        let g = gradient * self.scale;
        let g = if g > self.clip_value {
            self.clip_value
        } else {
            g
        };
        let g = if g < -self.clip_value {
            -self.clip_value
        } else {
            g
        };
        g + self.weight_decay * w
    }
}

/// An update rule with its state, which is as long as the weights.
#[derive(Debug)]
pub enum Rule<'a> {
    /// Add to the sum of a batch; `apply` takes the step later.
    Accumulate(&'a mut [f32]),
    /// Stochastic gradient descent.
    Sgd,
    /// Gradient descent with momentum; holds the velocity.
    Momentum(&'a mut [f32]),
    /// Adam; holds both moments.
    Adam {
        /// Decaying mean of the gradient.
        first: &'a mut [f32],
        /// Decaying mean of its square.
        second: &'a mut [f32],
    },
}

/// The destination of one parameter tensor's gradient.
#[derive(Debug)]
pub struct Sink<'a> {
    /// The tensor; empty when accumulating.
    pub weights: &'a mut [f32],
    /// What happens to a gradient.
    pub rule: Rule<'a>,
    /// The rule's constants.
    pub hyper: Hyper,
}

impl Sink<'_> {
    /// Delivers gradients: `gradient[j]` belongs to parameter `start + j·stride`, all of which must
    /// exist; `stride` is at least 1. Parameters out of range are left alone.
    #[inline(never)]
    pub fn push(&mut self, start: usize, stride: usize, gradient: &[f32]) {
        step(
            self.weights,
            &mut self.rule,
            &self.hyper,
            (start, stride),
            gradient,
        );
    }

    /// Delivers one row of an outer product: gradient `a · delta[j]` for parameter `start + j`.
    pub fn push_outer(&mut self, start: usize, a: f32, delta: &[f32]) {
        if let Some((target, factor)) = self.linear() {
            axpy(factor * a, delta, part_mut(target, start, delta.len()));
            return;
        }
        let mut start = start;
        for chunk in delta.chunks(8) {
            let mut gradient = [0.0; 8];
            for (g, d) in gradient.iter_mut().zip(chunk) {
                *g = a * d;
            }
            self.push(start, 1, &gradient[..chunk.len()]);
            start += chunk.len();
        }
    }

    /// If a gradient `g` has no other effect than `target += factor · g`: that target and factor.
    pub(super) fn linear(&mut self) -> Option<(&mut [f32], f32)> {
        linear(self.weights, &mut self.rule, &self.hyper)
    }
}

/// One step for the parameters `start`, `start + stride`, …, as many as there are gradients.
pub(crate) fn step(
    weights: &mut [f32],
    rule: &mut Rule<'_>,
    hyper: &Hyper,
    (start, stride): (usize, usize),
    gradient: &[f32],
) {
    if let Some((target, factor)) = linear(weights, rule, hyper) {
        if stride == 1 {
            return axpy(factor, gradient, part_mut(target, start, gradient.len()));
        }
        each(start, stride, gradient, |i, g| {
            let w = target.get_mut(i)?;
            *w += factor * g;
            Some(())
        });
        return;
    }
    match rule {
        Rule::Accumulate(_) => {}
        Rule::Sgd => each(start, stride, gradient, |i, g| {
            sgd(weights.get_mut(i)?, g, hyper);
            Some(())
        }),
        Rule::Momentum(velocity) => each(start, stride, gradient, |i, g| {
            momentum(weights.get_mut(i)?, velocity.get_mut(i)?, g, hyper);
            Some(())
        }),
        Rule::Adam { first, second } => each(start, stride, gradient, |i, g| {
            adam(
                weights.get_mut(i)?,
                first.get_mut(i)?,
                second.get_mut(i)?,
                g,
                hyper,
            );
            Some(())
        }),
    }
}

/// Calls `update(parameter, gradient)` for each gradient, until it finds no such parameter.
#[inline(always)]
fn each(
    start: usize,
    stride: usize,
    gradient: &[f32],
    mut update: impl FnMut(usize, f32) -> Option<()>,
) {
    let mut i = start;
    for &g in gradient {
        if update(i, g).is_none() {
            return;
        }
        i += stride;
    }
}

/// If a gradient `g` has no other effect than `target += factor · g`: that target and factor.
fn linear<'s>(
    weights: &'s mut [f32],
    rule: &'s mut Rule<'_>,
    hyper: &Hyper,
) -> Option<(&'s mut [f32], f32)> {
    match rule {
        Rule::Accumulate(sum) => Some((sum, 1.0)),
        Rule::Sgd if hyper.is_plain() => Some((weights, -hyper.learning_rate * hyper.scale)),
        _ => None,
    }
}

#[inline(always)]
fn sgd(w: &mut f32, g: f32, hyper: &Hyper) {
    *w -= hyper.learning_rate * hyper.effective(g, *w);
}

#[inline(always)]
fn momentum(w: &mut f32, v: &mut f32, g: f32, hyper: &Hyper) {
    *v = hyper.beta1 * *v + hyper.effective(g, *w);
    *w -= hyper.learning_rate * *v;
}

#[inline(always)]
fn adam(w: &mut f32, m: &mut f32, v: &mut f32, g: f32, hyper: &Hyper) {
    let g = hyper.effective(g, *w);
    *m = hyper.beta1 * *m + (1.0 - hyper.beta1) * g;
    *v = hyper.beta2 * *v + (1.0 - hyper.beta2) * (g * g);
    let root = math::sqrt(*v * hyper.correction2);
    *w -= hyper.learning_rate * ((*m * hyper.correction1) / (root + hyper.epsilon));
}
