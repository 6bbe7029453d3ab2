//! Sums and products. With a constant they are a scale and a shift: of the samples where nothing comes before,
//! a layer's bias where it has none, else a normalisation with fixed statistics.

use super::moves::axis;
use super::view;
use super::{Computed, Lowering, State};
use crate::model::{Arithmetic, Node, Tensor};
use ndarray::{ArrayD, IxDyn};
use sim_compiler::graph::Op;
use sim_compiler::ops::add::Add;
use sim_compiler::ops::batch_norm::{BatchNorm, Statistics};
use sim_compiler::ops::flatten::Flatten;

impl Lowering {
    pub(super) fn binary(
        &mut self,
        at: usize,
        node: &Node,
        kind: Arithmetic,
        first: Option<State>,
        rest: Vec<Option<State>>,
    ) -> Result<State, String> {
        let second = rest.into_iter().next().flatten();
        let (x, constant, constant_first) = match (first, second) {
            (Some(State::Computed(x)), Some(State::Constant(c))) => (x, c, false),
            (Some(State::Constant(c)), Some(State::Computed(x))) => (x, c, true),
            (Some(State::Computed(a)), Some(State::Computed(b))) => {
                return match kind {
                    Arithmetic::Add => self.add(at, node, a, b).map(State::Computed),
                    _ => Err("of two computed inputs only the sum is supported".to_owned()),
                };
            }
            _ => return Err("an input is left out".to_owned()),
        };
        let constant = constant.numbers();
        let zero = || ArrayD::zeros(IxDyn(&[]));
        let number = |v: f32| ArrayD::from_elem(IxDyn(&[]), v);
        let (scale, shift) = match (kind, constant_first) {
            (Arithmetic::Add, _) => (number(1.0), constant),
            (Arithmetic::Subtract, false) => (number(1.0), -constant),
            (Arithmetic::Subtract, true) => (number(-1.0), constant),
            (Arithmetic::Multiply, _) => (constant, zero()),
            (Arithmetic::Divide, false) => (constant.mapv(|c| 1.0 / c), zero()),
            (Arithmetic::Divide, true) => {
                return Err("it divides a constant by what is computed".to_owned());
            }
        };
        self.affine(at, x, &scale, &shift).map(State::Computed)
    }

    /// The sum of two computed values of equal shape.
    fn add(
        &mut self,
        at: usize,
        node: &Node,
        a: Computed,
        b: Computed,
    ) -> Result<Computed, String> {
        if a.view.shape() != b.view.shape() {
            return Err(format!(
                "it adds {} and {}; only equal shapes are supported",
                view::axes_text(a.view.shape()),
                view::axes_text(b.view.shape())
            ));
        }
        if a.view != b.view {
            return Err(
                "the elements of its inputs lie in different orders, so one would have to be transposed first, which is not supported".to_owned(),
            );
        }
        let shape = self.drafts.get(a.draft).shape;
        let same = shape == self.drafts.get(b.draft).shape;
        let (left, right) = match same {
            true => (a.draft, b.draft),
            false => (self.vector(at, a.draft), self.vector(at, b.draft)),
        };
        let shape = self.drafts.get(left).shape;
        let draft = self
            .drafts
            .push(&node.name, Add.into(), vec![left, right], shape, at);
        Ok(Computed {
            draft,
            view: a.view,
        })
    }

    /// gamma · (x − mean) / sqrt(variance + epsilon) + beta.
    pub(super) fn batch_norm(
        &mut self,
        at: usize,
        x: Computed,
        constants: Vec<Option<Tensor>>,
        epsilon: f32,
        channels: i64,
    ) -> Result<Computed, String> {
        let mut constants = constants.into_iter();
        let mut next = || constants.next().flatten().map(|t| t.numbers());
        let (gamma, beta, mean, variance) = (next(), next(), next(), next());
        let (Some(mean), Some(variance)) = (mean, variance) else {
            return Err("its statistics are no constants".to_owned());
        };
        let channels = axis(channels, x.view.ndim())?;
        let count = x.view.shape()[channels];
        let given = [Some(&mean), Some(&variance), gamma.as_ref(), beta.as_ref()];
        if let Some(odd) = given.into_iter().flatten().find(|a| a.len() != count) {
            return Err(format!(
                "it has statistics of {} channels, but is given {count}",
                odd.len()
            ));
        }
        let of = |a: &Option<ArrayD<f32>>, i: usize, default: f32| -> f64 {
            f64::from(
                a.as_ref()
                    .and_then(|a| a.iter().nth(i))
                    .copied()
                    .unwrap_or(default),
            )
        };
        let (mean, variance) = (Some(mean), Some(variance));
        let mut scale = Vec::with_capacity(count);
        let mut shift = Vec::with_capacity(count);
        for i in 0..count {
            let s = of(&gamma, i, 1.0) / (of(&variance, i, 1.0) + f64::from(epsilon)).sqrt();
            scale.push(s as f32);
            shift.push((of(&beta, i, 0.0) - of(&mean, i, 0.0) * s) as f32);
        }
        let mut axes = vec![1; x.view.ndim()];
        axes[channels] = count;
        let shaped =
            |v: Vec<f32>| ArrayD::from_shape_vec(IxDyn(&axes), v).map_err(|e| e.to_string());
        self.affine(at, x, &shaped(scale)?, &shaped(shift)?)
    }

    /// x · scale + shift, each as the file broadcasts them.
    pub(super) fn affine(
        &mut self,
        at: usize,
        x: Computed,
        scale: &ArrayD<f32>,
        shift: &ArrayD<f32>,
    ) -> Result<Computed, String> {
        let wide = |a: &ArrayD<f32>| {
            let fits = a.broadcast(x.view.raw_dim());
            fits.map(|a| a.to_owned()).ok_or_else(|| {
                format!(
                    "a constant of {} does not fit its input of {}",
                    view::axes_text(a.shape()),
                    view::axes_text(x.view.shape())
                )
            })
        };
        let (scale, shift) = (wide(scale)?, wide(shift)?);
        if scale.iter().chain(&shift).any(|v| !v.is_finite()) {
            return Err("its constants are not finite".to_owned());
        }
        let mut pairs = vec![(1.0, 0.0); x.view.len()];
        for ((&place, &s), &t) in x.view.iter().zip(&scale).zip(&shift) {
            pairs[place as usize] = (s, t);
        }
        let channels = self.drafts.get(x.draft).shape.c;
        let period = match pairs
            .iter()
            .zip(pairs.iter().skip(channels))
            .all(|(a, b)| a == b)
        {
            true => channels,
            false => pairs.len(),
        };
        pairs.truncate(period);
        if pairs.iter().all(|&p| p == (1.0, 0.0)) {
            return Ok(x);
        }
        if x.draft == 0 && period == channels && self.uses_of_input() == 0 {
            return Ok(self.normalise(at, x, &pairs));
        }
        if self.joined(x.draft, &pairs) {
            return Ok(x);
        }
        let input = match period == channels {
            true => x.draft,
            false => self.vector(at, x.draft),
        };
        let shape = self.drafts.get(input).shape;
        let name = self.model.nodes[at].name.clone();
        let op = normalisation(pairs);
        let draft = self.drafts.push(&name, op.into(), vec![input], shape, at);
        Ok(Computed { draft, ..x })
    }

    /// How often the input is yet to be read, or is read by a node.
    fn uses_of_input(&self) -> usize {
        let read = self.drafts.reads(0);
        let states = self.states.iter().flatten();
        read + states
            .filter(|s| matches!(s, State::Computed(c) if c.draft == 0))
            .count()
    }

    fn normalise(&mut self, at: usize, x: Computed, pairs: &[(f32, f32)]) -> Computed {
        let length = self.normalisation.len().max(pairs.len());
        self.normalisation = (0..length)
            .map(|i| {
                let (a, b) = self.normalisation[i % self.normalisation.len()];
                let (s, t) = pairs[i % pairs.len()];
                (a * s, b * s + t)
            })
            .collect();
        let node = &self.model.nodes[at];
        let note = format!(
            "{} `{}` has become the normalisation of the input.",
            node.kind, node.name
        );
        if self.notes.last() != Some(&note) {
            self.notes.push(note);
        }
        x
    }

    /// Takes scale and shift into the node before, where that gives the same numbers and nobody else reads it.
    fn joined(&mut self, draft: usize, pairs: &[(f32, f32)]) -> bool {
        let states = self.states.iter().flatten();
        let awaited = states
            .filter(|s| matches!(s, State::Computed(c) if c.draft == draft))
            .count();
        if awaited > 0 || self.drafts.reads(draft) > 0 {
            return false;
        }
        let shape = self.drafts.get(draft).shape;
        if pairs.len() != shape.c {
            return false;
        }
        let op = &mut self.drafts.get_mut(draft).op;
        if let Op::BatchNorm(norm) = op {
            let both = norm.gamma.iter_mut().zip(&mut norm.beta);
            for ((a, b), &(s, t)) in both.zip(pairs) {
                *a *= s;
                *b = *b * s + t;
            }
            return true;
        }
        let Some(parameters) = op.parameters_mut() else {
            return false;
        };
        if pairs.iter().any(|&(scale, _)| scale != 1.0) {
            return false;
        }
        let bias = parameters.bias.as_ref();
        let mut bias = bias.map_or(vec![0.0; shape.c], |b| b.values().into_owned());
        bias.iter_mut().zip(pairs).for_each(|(b, (_, t))| *b += t);
        parameters.bias = Some(bias.into());
        true
    }

    /// A node's output as a vector.
    pub(super) fn vector(&mut self, at: usize, draft: usize) -> usize {
        let shape = self.drafts.get(draft).shape;
        if shape.h == 1 && shape.w == 1 {
            return draft;
        }
        let name = format!("{}.flatten", self.drafts.get(draft).name);
        let flat = runtime_shared::kernels::Shape {
            h: 1,
            w: 1,
            c: shape.len(),
        };
        self.drafts
            .push(&name, Flatten.into(), vec![draft], flat, at)
    }
}

/// A scale and a shift for each channel, as a normalisation whose statistics change nothing.
fn normalisation(pairs: Vec<(f32, f32)>) -> BatchNorm {
    let channels = pairs.len();
    let (gamma, beta) = pairs.into_iter().unzip();
    BatchNorm {
        gamma,
        beta,
        statistics: Some(Statistics {
            mean: vec![0.0; channels],
            variance: vec![1.0; channels],
        }),
        epsilon: 0.0,
    }
}
