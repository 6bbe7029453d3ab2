//! Values joined, cut and bordered.

use super::moves::axis;
use super::order::{axis_of, direction};
use super::view::{self, Along, View};
use super::{Computed, Lowering, State};
use crate::model::Tensor;
use runtime_shared::kernels::Shape;
use sim_compiler::moved::Axis;
use sim_compiler::ops::concat::Concat;
use sim_compiler::ops::pad::Pad;
use sim_compiler::ops::slice::Slice;

impl Lowering {
    /// Computed values one behind the other along an axis.
    pub(super) fn concat(
        &mut self,
        at: usize,
        inputs: Vec<Option<State>>,
        along: i64,
    ) -> Result<Computed, String> {
        let mut parts = Vec::new();
        for input in inputs {
            let Some(State::Computed(x)) = input else {
                return Err(
                    "it joins what is computed with constants, which is not supported".to_owned(),
                );
            };
            parts.push(x);
        }
        let rank = parts.first().map_or(0, |p| p.view.ndim());
        let along = axis(along, rank)?;
        // What lies alike is joined as it lies.
        let images = parts.iter().map(|p| self.joint(p, along));
        let joints: Option<Vec<(Axis, Vec<Along>)>> = images.collect();
        let alike = joints.is_some_and(|joints| {
            let (axis, first) = &joints[0];
            let rest = |list: &[Along]| -> Vec<Along> {
                let others = (0..list.len()).filter(|&i| i != along);
                others.map(|i| list[i]).collect()
            };
            let same =
                |(other, list): &(Axis, Vec<Along>)| other == axis && rest(list) == rest(first);
            joints.iter().all(same)
        });
        if !alike {
            let ordered = parts.into_iter().map(|p| {
                let p = self.in_order(at, p)?;
                let shape = box_of(p.view.shape())?;
                let draft = self.under(at, p.draft, shape);
                Ok(Computed { draft, ..p })
            });
            parts = ordered.collect::<Result<_, String>>()?;
        }
        let (axis, mut directions) = self
            .joint(&parts[0], along)
            .ok_or_else(|| "it joins along an axis that is none of an image".to_owned())?;
        directions[along] = direction(axis);
        let mut shape = self.drafts.get(parts[0].draft).shape;
        let mut axes = parts[0].view.shape().to_vec();
        for part in &parts[1..] {
            axes[along] += part.view.shape().get(along).copied().unwrap_or(0);
            *axis.of_mut(&mut shape) += axis.of(self.drafts.get(part.draft).shape);
        }
        if axes.iter().product::<usize>() != shape.len() {
            return Err("the shapes of its inputs do not fit together".to_owned());
        }
        let name = self.model.nodes[at].name.clone();
        let inputs = parts.iter().map(|p| p.draft).collect();
        let op = Concat { axis };
        let draft = self.drafts.push(&name, op.into(), inputs, shape, at);
        let view = view::along(&axes, &directions, shape);
        Ok(Computed { draft, view })
    }

    /// The axis of the image that an axis of a value is, and where the others run.
    fn joint(&self, x: &Computed, along: usize) -> Option<(Axis, Vec<Along>)> {
        let shape = self.drafts.get(x.draft).shape;
        let directions = view::directions(&x.view, shape)?;
        let axis = axis_of(*directions.get(along)?, shape)?;
        Some((axis, directions))
    }

    /// The part of `x` that `view` names, which is a box of its image.
    pub(super) fn part(&mut self, at: usize, x: &Computed, view: View) -> Result<Computed, String> {
        let from = self.drafts.get(x.draft).shape;
        let place = |p: u32| {
            let p = p as usize;
            [p / (from.w * from.c), p / from.c % from.w, p % from.c]
        };
        let (mut first, mut last) = ([usize::MAX; 3], [0; 3]);
        for &p in &view {
            for (i, at) in place(p).into_iter().enumerate() {
                first[i] = first[i].min(at);
                last[i] = last[i].max(at);
            }
        }
        let size = |i: usize| last[i].saturating_sub(first[i]) + 1;
        let shape = Shape {
            h: size(0),
            w: size(1),
            c: size(2),
        };
        if view.is_empty() || shape.len() != view.len() {
            return Err(
                "it takes elements that are not next to each other, which is not supported"
                    .to_owned(),
            );
        }
        let made = view.mapv(|p| {
            let [y, x, c] = place(p);
            let place = ((y - first[0]) * shape.w + x - first[1]) * shape.c + c - first[2];
            place as u32
        });
        if shape == from {
            return Ok(Computed {
                draft: x.draft,
                view: made,
            });
        }
        let name = self.model.nodes[at].name.clone();
        let op = Slice {
            start: first,
            shape,
        };
        let draft = self.drafts.push(&name, op.into(), vec![x.draft], shape, at);
        Ok(Computed { draft, view: made })
    }

    /// A border: so many elements before each axis, then so many behind each.
    pub(super) fn pad(
        &mut self,
        at: usize,
        x: Computed,
        own: &[(usize, usize)],
        constants: &[Option<Tensor>],
        value: f32,
    ) -> Result<Computed, String> {
        let (pads, value) = borders(own, constants, value, x.view.ndim())?;
        let (x, mut directions) = self.as_image(at, x)?;
        let mut shape = self.drafts.get(x.draft).shape;
        let (mut before, mut after) = ([0; 3], [0; 3]);
        let mut axes = x.view.shape().to_vec();
        for (i, &(head, tail)) in pads.iter().enumerate() {
            if (head, tail) == (0, 0) {
                continue;
            }
            let axis = axis_of(directions[i], shape)
                .filter(|_| i > 0)
                .ok_or_else(|| format!("it pads axis {i}, which is none of an image"))?;
            let slot = axis as usize;
            before[slot] = head.saturating_add(before[slot]);
            after[slot] = tail.saturating_add(after[slot]);
            directions[i] = direction(axis);
            axes[i] = axes[i].saturating_add(head).saturating_add(tail);
        }
        for axis in Axis::ALL {
            let border = before[axis as usize].saturating_add(after[axis as usize]);
            let extent = axis.of_mut(&mut shape);
            *extent = extent.saturating_add(border);
        }
        let most = crate::limits::ACTIVATION;
        let made = crate::limits::elements(&[shape.h, shape.w, shape.c], most);
        if made.is_none() || made != crate::limits::elements(&axes, most) {
            return Err("what it makes is too large".to_owned());
        }
        let name = self.model.nodes[at].name.clone();
        let op = Pad {
            before,
            after,
            value,
        };
        let draft = self.drafts.push(&name, op.into(), vec![x.draft], shape, at);
        let view = view::along(&axes, &directions, shape);
        Ok(Computed { draft, view })
    }
}

/// The image that axes of a batch of one are.
fn box_of(axes: &[usize]) -> Result<Shape, String> {
    let (h, w, c) = match *axes {
        [c] | [1, c] => (1, 1, c),
        [1, w, c] => (1, w, c),
        [1, h, w, c] => (h, w, c),
        _ => return Err(format!("{} is no image", view::axes_text(axes))),
    };
    Ok(Shape { h, w, c })
}

/// The border of each axis. TFLite lists pairs; ONNX all before the axes, then all behind, and the axes meant.
pub fn borders(
    own: &[(usize, usize)],
    constants: &[Option<Tensor>],
    value: f32,
    rank: usize,
) -> Result<(Vec<(usize, usize)>, f32), String> {
    let mut pads = vec![(0, 0); rank];
    let given = constants
        .iter()
        .skip(1)
        .flatten()
        .find(|t| t.shape().iter().product::<usize>() == 1);
    let value = match given {
        Some(tensor) => tensor.numbers().iter().next().copied().unwrap_or(value),
        None => value,
    };
    let size =
        |v: i64| usize::try_from(v).map_err(|_| format!("it pads by {v}, which is not supported"));
    if let Some(Some(tensor)) = constants.first() {
        let list = tensor.integers().ok_or("its borders are no integers")?;
        let pairs: Vec<(i64, i64)> = match tensor.shape() {
            [_, 2] => list.chunks(2).map(|p| (p[0], p[1])).collect(),
            _ => {
                let (before, behind) = list.split_at(list.len() / 2);
                before.iter().copied().zip(behind.iter().copied()).collect()
            }
        };
        if pairs.len() != rank {
            return Err(format!("it has {} borders for {rank} axes", pairs.len()));
        }
        for (pad, (before, behind)) in pads.iter_mut().zip(pairs) {
            *pad = (size(before)?, size(behind)?);
        }
        return Ok((pads, value));
    }
    if own.len() > rank {
        return Err(format!("it has {} borders for {rank} axes", own.len()));
    }
    pads[..own.len()].copy_from_slice(own);
    Ok((pads, value))
}
