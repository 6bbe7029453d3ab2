//! A model computed as its file says it: axes in the file's order, one operator after the other, in f64. It shares
//! no order of elements, no window and no folding with [`lower`](fn@crate::lower), so that what comes of that can be
//! held against it on every import.

use crate::limits;
use crate::lower::{fold, joins, moves};
use crate::model::{Arithmetic, Border, Model, Node, Operator, Reduction, Sliding, Tensor};
use ndarray::{Array4, ArrayD, Axis, Ix2, Ix4, IxDyn};
use runtime_shared::kernels::activation::Activation;

type Numbers = ArrayD<f64>;

/// What is known of a value.
#[derive(Clone)]
enum Known {
    Constant(Tensor),
    Computed(Numbers),
}

/// What a model with one output makes of a sample: one array for each of its inputs.
///
/// # Errors
/// Which operator cannot be computed, and why.
pub fn outputs(model: &Model, sample: Vec<Numbers>) -> Result<Numbers, String> {
    outputs_and_work(model, sample).map(|(outputs, _)| outputs)
}

/// As [`outputs`], with the number of multiplications.
pub(crate) fn outputs_and_work(
    model: &Model,
    sample: Vec<Numbers>,
) -> Result<(Numbers, u64), String> {
    let mut work = 0;
    let mut uses = vec![0usize; model.values.len()];
    let read = model.nodes.iter().flat_map(|n| n.inputs.iter().flatten());
    read.chain(&model.outputs).for_each(|&id| uses[id] += 1);
    let Some(&last) = model.outputs.first() else {
        return Err("the model has no output".to_owned());
    };
    let mut values: Vec<Option<Known>> = vec![None; model.values.len()];
    for (&id, x) in model.inputs.iter().zip(sample) {
        values[id] = Some(Known::Computed(x));
    }
    for node in &model.nodes {
        let mut inputs = Vec::new();
        for &id in &node.inputs {
            inputs.push(match id {
                None => None,
                Some(id) => {
                    uses[id] -= 1;
                    let computed = match uses[id] {
                        0 => values[id].take(),
                        _ => values[id].clone(),
                    };
                    computed.or_else(|| model.values[id].constant.clone().map(Known::Constant))
                }
            });
        }
        let named = |why: String| format!("{} `{}`: {why}", node.kind, node.name);
        let made = step(node, inputs, &mut work).map_err(named)?;
        if let Some(&id) = node.outputs.first() {
            values[id] = Some(made);
        }
    }
    match values[last].take() {
        Some(Known::Computed(made)) => Ok((made, work)),
        _ => Err("its output does not depend on its input".to_owned()),
    }
}

fn step(node: &Node, inputs: Vec<Option<Known>>, work: &mut u64) -> Result<Known, String> {
    if let Operator::Shape { from, to } = node.op {
        let axes: Vec<usize> = match inputs.first() {
            Some(Some(Known::Computed(x))) => x.shape().to_vec(),
            Some(Some(Known::Constant(x))) => x.shape().to_vec(),
            _ => return Err("it has no input".to_owned()),
        };
        return fold::shape_of(&axes, from, to).map(Known::Constant);
    }
    let is_computed = |known: &Option<Known>| matches!(known, Some(Known::Computed(_)));
    if !inputs.iter().any(is_computed) {
        let constants = inputs.into_iter().map(|known| match known {
            Some(Known::Constant(tensor)) => Some(tensor),
            _ => None,
        });
        return fold::fold(&node.op, constants.collect()).map(Known::Constant);
    }
    let numbers = |known: Option<Known>| match known {
        Some(Known::Computed(x)) => Some(x),
        Some(Known::Constant(tensor)) => Some(tensor.numbers().mapv(f64::from)),
        None => None,
    };
    let made = match &node.op {
        op @ (Operator::Reshape { .. }
        | Operator::Flatten { .. }
        | Operator::Squeeze(_)
        | Operator::Unsqueeze(_)
        | Operator::Transpose(_)) => {
            let mut inputs = inputs.into_iter();
            let x = numbers(inputs.next().flatten()).ok_or("it has no input")?;
            let constants: Vec<Option<Tensor>> = inputs
                .map(|known| match known {
                    Some(Known::Constant(tensor)) => Some(tensor),
                    _ => None,
                })
                .collect();
            // A batch that was written into the shape is whatever does not fit.
            moves::moved(op, x.clone(), &constants, None)
                .or_else(|_| moves::moved(op, x, &constants, batch(&constants)))?
        }
        op @ (Operator::Gather { .. }
        | Operator::Slice
        | Operator::StridedSlice { .. }
        | Operator::Pad { .. }) => {
            let mut inputs = inputs.into_iter();
            let x = numbers(inputs.next().flatten()).ok_or("it has no input")?;
            let constants: Vec<Option<Tensor>> = inputs
                .map(|known| match known {
                    Some(Known::Constant(tensor)) => Some(tensor),
                    _ => None,
                })
                .collect();
            match op {
                Operator::Pad { borders, value } => {
                    let (pads, value) = joins::borders(borders, &constants, *value, x.ndim())?;
                    pad(x, &pads, f64::from(value))?
                }
                op => fold::part_of(op, x, &constants)?,
            }
        }
        Operator::Concat { axis } => {
            let parts: Option<Vec<Numbers>> = inputs.into_iter().map(numbers).collect();
            let parts = parts.ok_or("an input of it is missing")?;
            let views: Vec<_> = parts.iter().map(|p| p.view()).collect();
            let axis = Axis(moves::axis(*axis, parts[0].ndim())?);
            ndarray::concatenate(axis, &views).map_err(|e| e.to_string())?
        }
        op => {
            let numbers = inputs.into_iter().map(numbers).collect();
            compute(op, numbers, work)?
        }
    };
    match made.len() > limits::ACTIVATION {
        true => Err("what it makes is too large".to_owned()),
        false => Ok(Known::Computed(made)),
    }
}

/// The first axis of a shape.
fn batch(constants: &[Option<Tensor>]) -> Option<usize> {
    let shape = constants.first()?.as_ref()?.integers()?;
    usize::try_from(*shape.first()?).ok()
}

/// Counts multiplications.
///
/// # Errors
/// Where they are more than any microcontroller's model has.
fn spend(work: &mut u64, sizes: &[usize]) -> Result<(), String> {
    let product = sizes.iter().fold(1u64, |n, &s| n.saturating_mul(s as u64));
    *work = work.saturating_add(product);
    match *work > limits::WORK {
        true => Err(format!(
            "the model needs more than {} multiplications",
            limits::WORK
        )),
        false => Ok(()),
    }
}

fn compute(op: &Operator, inputs: Vec<Option<Numbers>>, work: &mut u64) -> Result<Numbers, String> {
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().flatten();
    let missing = || "an input of it is missing".to_owned();
    let x = next().ok_or_else(missing)?;
    let rank = x.ndim();
    match op {
        Operator::Identity | Operator::Dropout(_) | Operator::Quantise => Ok(x),
        Operator::Dequantise { .. } | Operator::Cast { integers: false } => Ok(x),
        Operator::Dense { transposed } => {
            let weights = next().ok_or_else(missing)?;
            spend(
                work,
                &[
                    x.len(),
                    weights.len() / x.shape().last().copied().unwrap_or(1).max(1),
                ],
            )?;
            dense(x, weights, next(), *transposed)
        }
        Operator::Convolution {
            sliding,
            axes,
            depthwise,
        } => {
            let weights = next().ok_or_else(missing)?;
            if weights.ndim() != axes.len() {
                return Err("its weights have other axes".to_owned());
            }
            let weights = weights.permuted_axes(axes.clone());
            convolution(x, weights, next(), sliding, *depthwise, work)
        }
        Operator::Pool { sliding, reduction } => pool(x, sliding, *reduction, work),
        Operator::GlobalPool(reduction) => {
            let axes: Vec<usize> = (2..rank).collect();
            Ok(reduce(x, &axes, *reduction, true))
        }
        Operator::Reduce {
            reduction,
            axes,
            keep,
        } => {
            let named = match next() {
                Some(list) => list.iter().map(|&a| a as i64).collect(),
                None if axes.is_empty() => (1..rank as i64).collect(),
                None => axes.clone(),
            };
            let named: Vec<usize> = named
                .iter()
                .map(|&a| moves::axis(a, rank))
                .collect::<Result<_, _>>()?;
            Ok(reduce(x, &named, *reduction, *keep))
        }
        Operator::Activation(kind) => Ok(x.mapv(|x| activate(*kind, x))),
        Operator::Softmax { axis } => {
            let axis = Axis(moves::axis(*axis, rank)?);
            let mut x = x;
            for mut lane in x.lanes_mut(axis) {
                let max = lane.iter().copied().fold(f64::MIN, f64::max);
                lane.mapv_inplace(|v| (v - max).exp());
                let sum: f64 = lane.iter().sum();
                lane.mapv_inplace(|v| v / sum);
            }
            Ok(x)
        }
        Operator::LogSoftmax { axis } => {
            let axis = Axis(moves::axis(*axis, rank)?);
            let mut x = x;
            for mut lane in x.lanes_mut(axis) {
                let max = lane.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = lane.iter().map(|v| (v - max).exp()).sum();
                lane.mapv_inplace(|v| v - max - sum.ln());
            }
            Ok(x)
        }
        Operator::Binary(kind) => {
            let b = next().ok_or_else(missing)?;
            let (a, b) = fold::broadcast(x, b)?;
            Ok(match kind {
                Arithmetic::Add => a + b,
                Arithmetic::Subtract => a - b,
                Arithmetic::Multiply => a * b,
                Arithmetic::Divide => a / b,
            })
        }
        Operator::BatchNorm { epsilon, axis } => {
            let axis = Axis(moves::axis(*axis, rank)?);
            let (gamma, beta, mean, variance) = (next(), next(), next(), next());
            let (mean, variance) = (mean.ok_or_else(missing)?, variance.ok_or_else(missing)?);
            let at = |list: &Numbers, i: usize| list.iter().nth(i).copied().ok_or_else(missing);
            let mut x = x;
            for (i, mut channel) in x.axis_iter_mut(axis).enumerate() {
                let gamma = gamma.as_ref().map_or(Ok(1.0), |g| at(g, i))?;
                let beta = beta.as_ref().map_or(Ok(0.0), |b| at(b, i))?;
                let deviation = (at(&variance, i)? + f64::from(*epsilon)).sqrt();
                let mean = at(&mean, i)?;
                channel.mapv_inplace(|v| (v - mean) / deviation * gamma + beta);
            }
            Ok(x)
        }
        _ => Err("it is not computed here".to_owned()),
    }
}

fn pad(x: Numbers, pads: &[(usize, usize)], value: f64) -> Result<Numbers, String> {
    let extents = x.shape().iter().zip(pads);
    let axes: Vec<usize> = extents
        .map(|(e, p)| e.saturating_add(p.0).saturating_add(p.1))
        .collect();
    if limits::elements(&axes, limits::ACTIVATION).is_none() {
        return Err("what it makes is too large".to_owned());
    }
    let mut made = ArrayD::from_elem(IxDyn(&axes), value);
    for (index, &v) in x.indexed_iter() {
        let place: Vec<usize> = pads
            .iter()
            .enumerate()
            .map(|(i, p)| index[i] + p.0)
            .collect();
        made[IxDyn(&place)] = v;
    }
    Ok(made)
}

fn dense(
    x: Numbers,
    weights: Numbers,
    bias: Option<Numbers>,
    transposed: bool,
) -> Result<Numbers, String> {
    let two = |a: Numbers| a.into_dimensionality::<Ix2>().map_err(|e| e.to_string());
    let mut weights = two(weights)?;
    if transposed {
        weights = weights.reversed_axes();
    }
    let mut axes = x.shape().to_vec();
    let last = axes.pop().ok_or("it is given a single number")?;
    if last != weights.nrows() {
        return Err(format!(
            "it is given {last} values for {} inputs",
            weights.nrows()
        ));
    }
    let rows = two(in_axes(x, &[axes.iter().product(), last])?)?;
    let mut made = rows.dot(&weights).into_dyn();
    if let Some(bias) = bias {
        made = fold::broadcast(made, bias).map(|(a, b)| a + b)?;
    }
    axes.push(weights.ncols());
    in_axes(made, &axes)
}

fn in_axes(x: Numbers, axes: &[usize]) -> Result<Numbers, String> {
    let straight = x.as_standard_layout().into_owned();
    straight
        .into_shape_with_order(IxDyn(axes))
        .map_err(|e| e.to_string())
}

/// Batch, rows, columns, channels; a series is one row. And the way back.
fn images(x: Numbers, channels_first: bool) -> Result<(Array4<f64>, bool), String> {
    let is_series = x.ndim() == 3;
    let mut x = if is_series {
        x.insert_axis(Axis(if channels_first { 2 } else { 1 }))
    } else {
        x
    };
    if channels_first && x.ndim() == 4 {
        x = x.permuted_axes(vec![0, 2, 3, 1]);
    }
    let x = x.into_dimensionality::<Ix4>().map_err(|e| e.to_string())?;
    Ok((x, is_series))
}

fn back(x: Array4<f64>, is_series: bool, channels_first: bool) -> Numbers {
    let x = x.into_dyn();
    let x = if is_series {
        x.index_axis_move(Axis(1), 0)
    } else {
        x
    };
    match (channels_first, is_series) {
        (false, _) => x,
        (true, true) => x.permuted_axes(vec![0, 2, 1]),
        (true, false) => x.permuted_axes(vec![0, 3, 1, 2]),
    }
}

/// How many windows an axis has, and how far before it the first one starts.
fn windows(
    input: usize,
    kernel: usize,
    stride: usize,
    border: &Border,
    axis: usize,
) -> Option<(usize, usize)> {
    let covered = |padded: usize| Some((padded.checked_sub(kernel)?) / stride + 1);
    if kernel == 0 || stride == 0 {
        return None;
    }
    match border {
        Border::Valid => Some((covered(input)?, 0)),
        Border::Explicit(pads) => {
            let (before, behind) = *pads.get(axis)?;
            Some((
                covered(input.checked_add(before)?.checked_add(behind)?)?,
                before,
            ))
        }
        Border::Same | Border::SameLower => {
            let count = input.div_ceil(stride);
            let lacking = ((count - 1) * stride + kernel).saturating_sub(input);
            let lower = *border == Border::SameLower;
            Some((
                count,
                if lower {
                    lacking.div_ceil(2)
                } else {
                    lacking / 2
                },
            ))
        }
    }
}

/// A place in the window, and the place on the image under it.
type Tap = ((usize, usize), (usize, usize));

/// A window on its way over an image.
struct Along<'a> {
    image: (usize, usize),
    kernel: (usize, usize),
    sliding: &'a Sliding,
    is_series: bool,
    /// Multiplications at each place of each window.
    each: usize,
}

impl Along<'_> {
    /// Calls `at` for every window in order, with what of it lies on the image. Gives the rows and columns of the
    /// output.
    fn slide(&self, work: &mut u64, mut at: impl FnMut(&[Tap])) -> Result<(usize, usize), String> {
        let (image, kernel, sliding) = (self.image, self.kernel, self.sliding);
        let skip = usize::from(self.is_series);
        let axis = |axis: usize, input: usize, kernel: usize| match axis < skip {
            true => Some((1, 0, 1)),
            false => {
                let stride = *sliding.stride.get(axis - skip)?;
                let (count, before) = windows(input, kernel, stride, &sliding.border, axis - skip)?;
                Some((count, before, stride))
            }
        };
        let fits = axis(0, image.0, kernel.0).zip(axis(1, image.1, kernel.1));
        let ((rows, top, down), (columns, left, right)) = fits.ok_or("its window does not fit")?;
        spend(work, &[rows, columns, kernel.0, kernel.1, self.each])?;
        let mut taps = Vec::new();
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            taps.clear();
            for (ky, kx) in (0..kernel.0).flat_map(|y| (0..kernel.1).map(move |x| (y, x))) {
                let y = (row * down + ky).checked_sub(top).filter(|&y| y < image.0);
                let x = (column * right + kx)
                    .checked_sub(left)
                    .filter(|&x| x < image.1);
                taps.extend(y.zip(x).map(|place| ((ky, kx), place)));
            }
            at(&taps);
        }
        Ok((rows, columns))
    }
}

/// Weights are `[rows][columns][inputs][outputs]`, without rows for a series.
fn convolution(
    x: Numbers,
    weights: Numbers,
    bias: Option<Numbers>,
    sliding: &Sliding,
    depthwise: bool,
    work: &mut u64,
) -> Result<Numbers, String> {
    let (x, is_series) = images(x, sliding.channels_first)?;
    let weights = if is_series {
        weights.insert_axis(Axis(0))
    } else {
        weights
    };
    let weights = weights
        .into_dimensionality::<Ix4>()
        .map_err(|e| e.to_string())?;
    let (_, h, w, channels) = x.dim();
    let (ky, kx, inputs, outputs) = weights.dim();
    let filters = if depthwise { inputs * outputs } else { outputs };
    let fits = if depthwise {
        filters.is_multiple_of(channels)
    } else {
        inputs == channels
    };
    if !fits || x.dim().0 != 1 || channels == 0 {
        return Err(format!("its weights do not fit {channels} channels"));
    }
    let each_channel = filters / channels;
    let mut made = Vec::new();
    let each = if depthwise {
        filters
    } else {
        channels * filters
    };
    let along = Along {
        image: (h, w),
        kernel: (ky, kx),
        sliding,
        is_series,
        each,
    };
    let size = along.slide(work, |taps| {
        for filter in 0..filters {
            let mut sum = bias
                .as_ref()
                .and_then(|b| b.iter().nth(filter).copied())
                .unwrap_or(0.0);
            for &((ky, kx), (y, x_)) in taps {
                sum += match depthwise {
                    true => {
                        let weight = weights[[ky, kx, filter / outputs, filter % outputs]];
                        x[[0, y, x_, filter / each_channel]] * weight
                    }
                    false => {
                        let here = x.slice(ndarray::s![0, y, x_, ..]);
                        let by = weights.slice(ndarray::s![ky, kx, .., filter]);
                        here.iter().zip(by).map(|(a, b)| a * b).sum()
                    }
                };
            }
            made.push(sum);
        }
    })?;
    let made =
        Array4::from_shape_vec((1, size.0, size.1, filters), made).map_err(|e| e.to_string())?;
    Ok(back(made, is_series, sliding.channels_first))
}

fn pool(
    x: Numbers,
    sliding: &Sliding,
    reduction: Reduction,
    work: &mut u64,
) -> Result<Numbers, String> {
    let (x, is_series) = images(x, sliding.channels_first)?;
    let (_, h, w, channels) = x.dim();
    let kernel = match sliding.kernel[..] {
        [k] => (1, k),
        [ky, kx] => (ky, kx),
        _ => return Err("its window has other axes".to_owned()),
    };
    let mut made = Vec::new();
    let along = Along {
        image: (h, w),
        kernel,
        sliding,
        is_series,
        each: channels,
    };
    let size = along.slide(work, |taps| {
        for channel in 0..channels {
            let values = taps.iter().map(|&(_, (y, x_))| x[[0, y, x_, channel]]);
            made.push(match reduction {
                Reduction::Max => values.fold(f64::MIN, f64::max),
                Reduction::Mean => values.sum::<f64>() / taps.len() as f64,
            });
        }
    })?;
    let made =
        Array4::from_shape_vec((1, size.0, size.1, channels), made).map_err(|e| e.to_string())?;
    Ok(back(made, is_series, sliding.channels_first))
}

fn reduce(x: Numbers, axes: &[usize], reduction: Reduction, keep: bool) -> Numbers {
    let mut axes = axes.to_vec();
    axes.sort_unstable();
    axes.dedup();
    let mut x = x;
    for &axis in axes.iter().rev() {
        let axis = Axis(axis);
        let reduced = match reduction {
            Reduction::Mean => x.sum_axis(axis) / x.len_of(axis) as f64,
            Reduction::Max => x.fold_axis(axis, f64::MIN, |a, b| a.max(*b)),
        };
        x = if keep {
            reduced.insert_axis(axis)
        } else {
            reduced
        };
    }
    x
}

fn activate(kind: Activation, x: f64) -> f64 {
    match kind {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) if x < 0.0 => f64::from(slope) * x,
        Activation::LeakyRelu(_) => x,
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Elu(alpha) if x < 0.0 => f64::from(alpha) * x.exp_m1(),
        Activation::Elu(_) => x,
        // Klambauer et al. 2017, in more digits than a float has.
        Activation::Selu if x < 0.0 => {
            1.050_700_987_355_480_5 * 1.673_263_242_354_377_3 * x.exp_m1()
        }
        Activation::Selu => 1.050_700_987_355_480_5 * x,
    }
}
