//! Operators on constants: weights that are dequantised or transposed before they are used, and the
//! arithmetic of shapes that exporters write where a Flatten is meant.

use super::moves::{self, axis};
use crate::limits;
use crate::model::{Arithmetic, Operator, Tensor};
use ndarray::{ArrayD, Axis, IxDyn, concatenate};

/// Some of these axes, as integers.
pub fn shape_of(axes: &[usize], from: i64, to: i64) -> Result<Tensor, String> {
    let axes = axes.iter().map(|&a| a as i64).collect();
    stretch(vector(axes), 0, from, to, 1).map(Tensor::I64)
}

fn vector(list: Vec<i64>) -> ArrayD<i64> {
    ndarray::Array1::from(list).into_dyn()
}

/// What `op` makes of constants.
pub fn fold(op: &Operator, inputs: Vec<Option<Tensor>>) -> Result<Tensor, String> {
    let mut inputs = inputs.into_iter();
    let x = inputs
        .next()
        .flatten()
        .ok_or_else(|| "its first input is left out".to_owned())?;
    let rest: Vec<Option<Tensor>> = inputs.collect();
    let folded = match op {
        Operator::Identity | Operator::Dropout(_) => x,
        Operator::Dequantise { axis: at } => dequantise(x, &rest, *at)?,
        Operator::Cast { integers } => match (integers, x) {
            (true, Tensor::F32(a)) => Tensor::I64(a.mapv(|v| v as i64)),
            (false, Tensor::I64(a)) => Tensor::F32(a.mapv(|v| v as f32)),
            (_, x) => x,
        },
        Operator::Reshape { .. }
        | Operator::Flatten { .. }
        | Operator::Squeeze(_)
        | Operator::Unsqueeze(_)
        | Operator::Transpose(_) => match x {
            Tensor::F32(a) => Tensor::F32(moves::moved(op, a, &rest, None)?),
            Tensor::I64(a) => Tensor::I64(moves::moved(op, a, &rest, None)?),
        },
        Operator::Fill(value) => {
            let shape = x.integers().ok_or("its shape is not of integers")?;
            let axes = shape.iter().map(|&a| usize::try_from(a).ok());
            let axes: Option<Vec<usize>> = axes.collect();
            let axes = axes.filter(|a| limits::elements(a, limits::FILL).is_some());
            let axes = IxDyn(&axes.ok_or("what it makes is too large")?);
            match value {
                Tensor::F32(a) => Tensor::F32(ArrayD::from_elem(
                    axes,
                    a.iter().next().copied().unwrap_or(0.0),
                )),
                Tensor::I64(a) => Tensor::I64(ArrayD::from_elem(
                    axes,
                    a.iter().next().copied().unwrap_or(0),
                )),
            }
        }
        Operator::Binary(kind) => binary(*kind, x, rest)?,
        op @ (Operator::Gather { .. } | Operator::Slice | Operator::StridedSlice { .. }) => match x
        {
            Tensor::F32(a) => Tensor::F32(part_of(op, a, &rest)?),
            Tensor::I64(a) => Tensor::I64(part_of(op, a, &rest)?),
        },
        Operator::Concat { axis: at } => join(x, rest, *at, false)?,
        Operator::Pack { axis: at } => join(x, rest, *at, true)?,
        _ => return Err("it works on constants alone, which is not supported".to_owned()),
    };
    match limits::elements(folded.shape(), limits::ELEMENTS) {
        Some(_) => Ok(folded),
        None => Err("what it makes is too large".to_owned()),
    }
}

/// (x − zero point) · scale, for all or along an axis.
fn dequantise(x: Tensor, rest: &[Option<Tensor>], at: i64) -> Result<Tensor, String> {
    let Some(Some(scale)) = rest.first() else {
        return Ok(x);
    };
    let (x, scale) = (x.numbers(), scale.numbers());
    let zero = match rest.get(1) {
        Some(Some(zero)) => zero.numbers(),
        _ => ArrayD::zeros(IxDyn(&[])),
    };
    // A list of scales is one along its axis.
    let along = |a: ArrayD<f32>| -> Result<ArrayD<f32>, String> {
        if a.len() == 1 || a.ndim() != 1 {
            return Ok(a);
        }
        let mut axes = vec![1; x.ndim()];
        axes[axis(at, x.ndim())?] = a.len();
        a.into_shape_with_order(IxDyn(&axes))
            .map_err(|e| e.to_string())
    };
    let (scale, zero) = (along(scale)?, along(zero)?);
    let fit = |a: &ArrayD<f32>| a.broadcast(x.raw_dim()).map(|b| b.to_owned());
    match (fit(&scale), fit(&zero)) {
        (Some(scale), Some(zero)) => Ok(Tensor::F32((x - zero) * scale)),
        _ => Err("its scales do not fit its input".to_owned()),
    }
}

fn integers(input: Option<&Option<Tensor>>, what: &str) -> Result<Vec<i64>, String> {
    let tensor = input.and_then(Option::as_ref);
    tensor
        .and_then(Tensor::integers)
        .ok_or_else(|| format!("its {what} are no constant integers"))
}

/// Two arrays with the axes of both.
pub fn broadcast<T: Clone>(a: ArrayD<T>, b: ArrayD<T>) -> Result<(ArrayD<T>, ArrayD<T>), String> {
    let rank = a.ndim().max(b.ndim());
    let extent = |shape: &[usize], i: usize| match i + shape.len() >= rank {
        true => shape[i + shape.len() - rank],
        false => 1,
    };
    let axes: Vec<usize> = (0..rank)
        .map(|i| match (extent(a.shape(), i), extent(b.shape(), i)) {
            (1, n) => n,
            (n, _) => n,
        })
        .collect();
    if limits::elements(&axes, limits::ELEMENTS).is_none() {
        return Err("what it makes is too large".to_owned());
    }
    let wide = |x: &ArrayD<T>| x.broadcast(IxDyn(&axes)).map(|v| v.to_owned());
    match (wide(&a), wide(&b)) {
        (Some(a), Some(b)) => Ok((a, b)),
        _ => Err("the shapes of its inputs do not fit".to_owned()),
    }
}

fn binary(kind: Arithmetic, a: Tensor, mut rest: Vec<Option<Tensor>>) -> Result<Tensor, String> {
    let Some(Some(b)) = rest.pop() else {
        return Err("its second input is left out".to_owned());
    };
    if let (Tensor::I64(a), Tensor::I64(b)) = (&a, &b) {
        let (a, b) = broadcast(a.clone(), b.clone())?;
        let pairs = a.iter().zip(&b);
        let made: Option<Vec<i64>> = match kind {
            Arithmetic::Add => pairs.map(|(a, b)| a.checked_add(*b)).collect(),
            Arithmetic::Subtract => pairs.map(|(a, b)| a.checked_sub(*b)).collect(),
            Arithmetic::Multiply => pairs.map(|(a, b)| a.checked_mul(*b)).collect(),
            Arithmetic::Divide => pairs.map(|(a, b)| a.checked_div(*b)).collect(),
        };
        let made = made.ok_or_else(|| "its integers overflow".to_owned())?;
        let made = ArrayD::from_shape_vec(a.raw_dim(), made).map_err(|e| e.to_string())?;
        return Ok(Tensor::I64(made));
    }
    let (a, b) = broadcast(a.numbers(), b.numbers())?;
    Ok(Tensor::F32(match kind {
        Arithmetic::Add => a + b,
        Arithmetic::Subtract => a - b,
        Arithmetic::Multiply => a * b,
        Arithmetic::Divide => a / b,
    }))
}

/// A part of an array: what Gather, Slice and StridedSlice take.
///
/// # Errors
/// Why they cannot.
pub fn part_of<T: Clone>(
    op: &Operator,
    x: ArrayD<T>,
    rest: &[Option<Tensor>],
) -> Result<ArrayD<T>, String> {
    match op {
        Operator::Gather { axis: at } => gather(x, rest, *at),
        Operator::Slice => slice(x, rest),
        Operator::StridedSlice {
            begin_mask,
            end_mask,
            shrink_mask,
        } => strided_slice(x, rest, *begin_mask, *end_mask, *shrink_mask),
        _ => Err("it takes no part".to_owned()),
    }
}

fn gather<T: Clone>(x: ArrayD<T>, rest: &[Option<Tensor>], at: i64) -> Result<ArrayD<T>, String> {
    let Some(Some(Tensor::I64(indices))) = rest.first() else {
        return Err("its indices are no constant integers".to_owned());
    };
    let at = axis(at, x.ndim())?;
    let extent = x.shape()[at];
    if indices.ndim() > 1 {
        return Err("its indices have several axes".to_owned());
    }
    let places: Vec<usize> = indices
        .iter()
        .map(|&i| axis(i, extent))
        .collect::<Result<_, _>>()?;
    Ok(match (indices.ndim(), &places[..]) {
        (0, &[place]) => x.index_axis(Axis(at), place).to_owned(),
        _ => x.select(Axis(at), &places),
    })
}

/// A part of an axis; ends that lie outside are drawn in.
fn stretch<T: Clone>(
    x: ArrayD<T>,
    at: usize,
    from: i64,
    to: i64,
    step: i64,
) -> Result<ArrayD<T>, String> {
    let extent = x.shape()[at] as i64;
    let counted = |i: i64| if i < 0 { i.saturating_add(extent) } else { i };
    let places: Vec<usize> = match step {
        0 => return Err("it goes by a step of 0".to_owned()),
        1.. => {
            let (from, to) = (counted(from).clamp(0, extent), counted(to).clamp(0, extent));
            let step = usize::try_from(step).unwrap_or(usize::MAX);
            (from as usize..to as usize).step_by(step).collect()
        }
        _ => {
            let (from, to) = (counted(from).min(extent - 1), counted(to).max(-1));
            let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
            let backwards = (to + 1..from + 1).rev().step_by(step);
            backwards.filter_map(|i| usize::try_from(i).ok()).collect()
        }
    };
    Ok(x.select(Axis(at), &places))
}

fn slice<T: Clone>(mut x: ArrayD<T>, rest: &[Option<Tensor>]) -> Result<ArrayD<T>, String> {
    let starts = integers(rest.first(), "starts")?;
    let ends = integers(rest.get(1), "ends")?;
    let axes = match rest.get(2) {
        Some(Some(_)) => integers(rest.get(2), "axes")?,
        _ => (0..starts.len() as i64).collect(),
    };
    let steps = match rest.get(3) {
        Some(Some(_)) => integers(rest.get(3), "steps")?,
        _ => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("its starts, ends, axes and steps differ in number".to_owned());
    }
    for i in 0..starts.len() {
        let at = axis(axes[i], x.ndim())?;
        x = stretch(x, at, starts[i], ends[i], steps[i])?;
    }
    Ok(x)
}

fn strided_slice<T: Clone>(
    mut x: ArrayD<T>,
    rest: &[Option<Tensor>],
    begin_mask: i32,
    end_mask: i32,
    shrink_mask: i32,
) -> Result<ArrayD<T>, String> {
    let begin = integers(rest.first(), "starts")?;
    let end = integers(rest.get(1), "ends")?;
    let steps = integers(rest.get(2), "steps")?;
    if begin.len() > x.ndim() || [end.len(), steps.len()] != [begin.len(); 2] {
        return Err("its starts, ends and steps differ in number".to_owned());
    }
    let bit = |mask: i32, i: usize| mask >> i & 1 == 1;
    let mut shrunk = Vec::new();
    for i in 0..begin.len() {
        let extent = x.shape()[i];
        let from = if bit(begin_mask, i) { 0 } else { begin[i] };
        let to = match (bit(shrink_mask, i), bit(end_mask, i)) {
            (true, _) => axis(from, extent)? as i64 + 1,
            (_, true) => extent as i64,
            _ => end[i],
        };
        if bit(shrink_mask, i) {
            shrunk.push(i as i64);
        }
        x = stretch(x, i, from, to, steps[i])?;
    }
    match shrunk.is_empty() {
        true => Ok(x),
        false => moves::moved(&Operator::Squeeze(shrunk), x, &[], None),
    }
}

fn join(x: Tensor, rest: Vec<Option<Tensor>>, at: i64, new_axis: bool) -> Result<Tensor, String> {
    let mut parts = vec![x];
    for part in rest {
        parts.push(part.ok_or_else(|| "an input is left out".to_owned())?);
    }
    if new_axis {
        parts = parts
            .into_iter()
            .map(|p| fold(&Operator::Unsqueeze(vec![at]), vec![Some(p)]))
            .collect::<Result<_, _>>()?;
    }
    let at = axis(at, parts[0].shape().len())?;
    if parts.iter().all(|p| matches!(p, Tensor::I64(_))) {
        let views: Vec<_> = parts
            .iter()
            .filter_map(|p| match p {
                Tensor::I64(a) => Some(a.view()),
                Tensor::F32(_) => None,
            })
            .collect();
        return concatenate(Axis(at), &views)
            .map(Tensor::I64)
            .map_err(|e| e.to_string());
    }
    let numbers: Vec<ArrayD<f32>> = parts.iter().map(Tensor::numbers).collect();
    let views: Vec<_> = numbers.iter().map(|a| a.view()).collect();
    concatenate(Axis(at), &views)
        .map(Tensor::F32)
        .map_err(|e| e.to_string())
}
