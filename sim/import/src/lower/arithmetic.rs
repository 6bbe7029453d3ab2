//! Sums and products. With a constant they are a scale and a shift: of the samples where nothing comes before,
//! a layer's bias where it has none, else a normalisation with fixed statistics.

use super::moves::axis;
use super::view;
use super::{Computed, Lowering, State};
use crate::model::{Arithmetic, Node, Tensor};
use ndarray::{ArrayD, IxDyn};
use sim_compiler::graph::Op;
use sim_compiler::ops::add::Add;
use sim_compiler::ops::affine::Affine;
use sim_compiler::ops::multiply::Multiply;

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
                let number = |v: f32| ArrayD::from_elem(IxDyn(&[]), v);
                let op = match kind {
                    Arithmetic::Add | Arithmetic::Subtract => Op::from(Add),
                    Arithmetic::Multiply => Multiply.into(),
                    Arithmetic::Divide => {
                        return Err(
                            "it divides by what is computed, which is not supported".to_owned()
                        );
                    }
                };
                let b = match kind {
                    Arithmetic::Subtract => self.affine(at, b, &number(-1.0), &number(0.0))?,
                    _ => b,
                };
                return self.pairwise(at, node, op, a, b).map(State::Computed);
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

    /// An operator on two computed values of equal shape.
    fn pairwise(
        &mut self,
        at: usize,
        node: &Node,
        op: Op,
        a: Computed,
        b: Computed,
    ) -> Result<Computed, String> {
        if a.view.shape() != b.view.shape() {
            return Err(format!(
                "it works on {} and {}; only equal shapes are supported",
                view::axes_text(a.view.shape()),
                view::axes_text(b.view.shape())
            ));
        }
        let (a, b) = match a.view == b.view {
            true => (a, b),
            false => (self.in_order(at, a)?, self.in_order(at, b)?),
        };
        let shape = self.drafts.get(a.draft).shape;
        let right = self.under(at, b.draft, shape);
        let draft = self
            .drafts
            .push(&node.name, op, vec![a.draft, right], shape, at);
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
        let shape = self.drafts.get(x.draft).shape;
        let repeats = |n: usize| pairs.iter().zip(pairs.iter().skip(n)).all(|(a, b)| a == b);
        let period = [1, shape.c].into_iter().find(|&n| repeats(n));
        pairs.truncate(period.unwrap_or(pairs.len()));
        if pairs.iter().all(|&p| p == (1.0, 0.0)) {
            return Ok(x);
        }
        let alone = self.model.inputs.len() == 1 && !self.is_read(0);
        if x.draft == 0 && period.is_some() && alone {
            return Ok(self.normalise(at, x, &pairs));
        }
        if self.joined(x.draft, &pairs) {
            return Ok(x);
        }
        let name = self.model.nodes[at].name.clone();
        let (scale, shift) = pairs.into_iter().unzip();
        let op = Affine::new(scale, shift);
        let draft = self.drafts.push(&name, op.into(), vec![x.draft], shape, at);
        Ok(Computed { draft, ..x })
    }

    /// Whether anything reads a draft, or will, besides who asks.
    pub(super) fn is_read(&self, draft: usize) -> bool {
        let mut states = self.states.iter().flatten();
        let awaited = states.any(|s| matches!(s, State::Computed(c) if c.draft == draft));
        awaited || self.drafts.reads(draft) > 0
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
        if self.is_read(draft) {
            return false;
        }
        let shape = self.drafts.get(draft).shape;
        let pair = |i: usize| pairs[i % pairs.len()];
        let op = &mut self.drafts.get_mut(draft).op;
        if let Op::Affine(affine) = op {
            let length = affine.scale.len().max(pairs.len());
            let both = (0..length).map(|i| {
                let i_own = i % affine.scale.len();
                let (s, t) = pair(i);
                (affine.scale[i_own] * s, affine.shift[i_own] * s + t)
            });
            let (scale, shift) = both.unzip();
            *affine = Affine { scale, shift };
            return true;
        }
        let Some(parameters) = op.parameters_mut() else {
            return false;
        };
        if pairs.iter().any(|&(scale, _)| scale != 1.0) || pairs.len() > shape.c {
            return false;
        }
        let bias = parameters.bias.as_ref();
        let mut bias = bias.map_or(vec![0.0; shape.c], |b| b.values().into_owned());
        bias.iter_mut()
            .enumerate()
            .for_each(|(i, b)| *b += pair(i).1);
        parameters.bias = Some(bias.into());
        true
    }
}
