//! Operators that only name elements otherwise: reshapes and transpositions, of views and of constants.

use super::view::axes_text;
use crate::limits;
use crate::model::{Operator, Tensor};
use ndarray::{ArrayD, IxDyn};

/// What becomes of an array.
enum Move {
    /// The same elements in order, with these axes.
    Axes(Vec<usize>),
    /// Its axes in this order.
    Order(Vec<usize>),
}

/// `array` after a reshape or transposition; `constants` are the operator's other inputs, `batch` is what the
/// model was exported for.
///
/// # Errors
/// Why it cannot be.
pub fn moved<T: Clone>(
    op: &Operator,
    array: ArrayD<T>,
    constants: &[Option<Tensor>],
    batch: Option<usize>,
) -> Result<ArrayD<T>, String> {
    let from = array.shape().to_vec();
    match target(op, &from, constants, batch)? {
        Move::Order(order) => Ok(array.permuted_axes(order)),
        Move::Axes(axes) => {
            let count = limits::elements(&axes, usize::MAX);
            if count != Some(array.len()) {
                return Err(format!(
                    "{} cannot be made {}",
                    axes_text(&from),
                    axes_text(&axes)
                ));
            }
            let straight = match array.is_standard_layout() {
                true => array,
                false => array.as_standard_layout().into_owned(),
            };
            straight
                .into_shape_with_order(IxDyn(&axes))
                .map_err(|e| e.to_string())
        }
    }
}

/// A list of axes: of an input, or else of the operator.
fn listed(own: &[i64], constants: &[Option<Tensor>]) -> Result<Vec<i64>, String> {
    match constants.first() {
        Some(Some(tensor)) => tensor
            .integers()
            .ok_or_else(|| "its list of axes is not of integers".to_owned()),
        _ => Ok(own.to_vec()),
    }
}

/// An axis counted from the first.
pub fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = match axis < 0 {
        true => axis + rank as i64,
        false => axis,
    };
    usize::try_from(counted)
        .ok()
        .filter(|&a| a < rank)
        .ok_or_else(|| format!("it names axis {axis} of {rank}"))
}

fn target(
    op: &Operator,
    from: &[usize],
    constants: &[Option<Tensor>],
    batch: Option<usize>,
) -> Result<Move, String> {
    let rank = from.len();
    match op {
        Operator::Reshape { shape, copy } => {
            let shape = listed(shape, constants)?;
            reshape(&shape, from, *copy, batch).map(Move::Axes)
        }
        Operator::Flatten { axis: at } => {
            let at = match *at == rank as i64 {
                true => rank,
                false => axis(*at, rank)?,
            };
            let (before, behind) = from.split_at(at);
            Ok(Move::Axes(vec![
                before.iter().product(),
                behind.iter().product(),
            ]))
        }
        Operator::Squeeze(own) => {
            let named = listed(own, constants)?;
            let named: Vec<usize> = named
                .iter()
                .map(|&a| axis(a, rank))
                .collect::<Result<_, _>>()?;
            if let Some(&wide) = named.iter().find(|&&a| from[a] != 1) {
                return Err(format!(
                    "it drops axis {wide}, whose extent is {}",
                    from[wide]
                ));
            }
            let kept = |a: usize| match named.is_empty() {
                true => from[a] != 1,
                false => !named.contains(&a),
            };
            Ok(Move::Axes(
                (0..rank).filter(|&a| kept(a)).map(|a| from[a]).collect(),
            ))
        }
        Operator::Unsqueeze(own) => {
            let named = listed(own, constants)?;
            let new_rank = rank + named.len();
            if new_rank > limits::RANK {
                return Err(format!("its output would have {new_rank} axes"));
            }
            let named: Vec<usize> = named
                .iter()
                .map(|&a| axis(a, new_rank))
                .collect::<Result<_, _>>()?;
            let mut old = from.iter();
            let extent = |a: usize| match named.contains(&a) {
                true => Some(1),
                false => old.next().copied(),
            };
            let axes: Option<Vec<usize>> = (0..new_rank).map(extent).collect();
            axes.map(Move::Axes)
                .ok_or_else(|| "it names an axis twice".to_owned())
        }
        Operator::Transpose(own) => {
            let order = match own.is_empty() && constants.first().is_none_or(Option::is_none) {
                true => (0..rank).rev().collect(),
                false => {
                    let own: Vec<i64> = own.iter().map(|&a| a as i64).collect();
                    let named = listed(&own, constants)?;
                    named
                        .iter()
                        .map(|&a| axis(a, rank))
                        .collect::<Result<Vec<_>, _>>()?
                }
            };
            let mut sorted = order.clone();
            sorted.sort_unstable();
            match sorted.into_iter().eq(0..rank) {
                true => Ok(Move::Order(order)),
                false => Err(format!("it orders {rank} axes as {order:?}")),
            }
        }
        _ => Err("it is no reshape".to_owned()),
    }
}

fn reshape(
    shape: &[i64],
    from: &[usize],
    copy: bool,
    batch: Option<usize>,
) -> Result<Vec<usize>, String> {
    if shape.len() > limits::RANK {
        return Err(format!("its output would have {} axes", shape.len()));
    }
    let total: usize = from.iter().product();
    let mut axes = Vec::new();
    let mut open = None;
    for (i, &extent) in shape.iter().enumerate() {
        axes.push(match extent {
            -1 if open.is_none() => {
                open = Some(i);
                1
            }
            0 if copy => *from
                .get(i)
                .ok_or_else(|| format!("it copies axis {i} of {}", from.len()))?,
            _ => {
                usize::try_from(extent).map_err(|_| format!("it asks for an extent of {extent}"))?
            }
        });
    }
    // A batch that was written into the shape.
    if let (Some(batch), Some(first)) = (batch, axes.first_mut())
        && *first == batch
        && open != Some(0)
    {
        *first = 1;
    }
    if let Some(open) = open {
        let known = limits::elements(&axes, limits::ACTIVATION).unwrap_or(0);
        if known == 0 || !total.is_multiple_of(known) {
            return Err(format!(
                "{} cannot be made {shape:?}",
                super::view::axes_text(from)
            ));
        }
        axes[open] = total / known;
    }
    Ok(axes)
}
