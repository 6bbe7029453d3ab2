//! Layers: what becomes a node of the graph, with its weights in the graph's order.

use super::moves::axis;
use super::view::{self, Along};
use super::{Computed, Lowering};
use crate::limits;
use crate::model::{Border, Reduction, Sliding, Tensor};
use ndarray::{ArrayD, Ix2};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use sim_compiler::Parameters;
use sim_compiler::graph::{Op, Window};
use sim_compiler::ops::average_pool::AveragePool;
use sim_compiler::ops::conv2d::Conv2d;
use sim_compiler::ops::dense::Dense;
use sim_compiler::ops::depthwise::Depthwise;
use sim_compiler::ops::dropout::Dropout;
use sim_compiler::ops::log_softmax::LogSoftmax;
use sim_compiler::ops::max_pool::{self, MaxPool};
use sim_compiler::ops::softmax::Softmax;

impl Lowering {
    fn push(
        &mut self,
        at: usize,
        suffix: &str,
        op: impl Into<Op>,
        input: usize,
        shape: Shape,
    ) -> usize {
        let name = format!("{}{suffix}", self.model.nodes[at].name);
        self.drafts.push(&name, op.into(), vec![input], shape, at)
    }

    pub(super) fn dense(
        &mut self,
        at: usize,
        x: Computed,
        constants: Vec<Option<Tensor>>,
        transposed: bool,
    ) -> Result<Computed, String> {
        let (weights, bias) = weights_and_bias(constants)?;
        let rank = weights.ndim();
        let mut weights = weights
            .into_dimensionality::<Ix2>()
            .map_err(|_| format!("its weights have {rank} axes where 2 are expected"))?;
        if transposed {
            weights = weights.reversed_axes();
        }
        let (inputs, outputs) = weights.dim();
        check_bias(&bias, outputs)?;
        let axes = x.view.shape().to_vec();
        let last = axes.last().copied().unwrap_or(1);
        if last != inputs {
            return Err(format!(
                "its weights are for {inputs} inputs, but it is given {}",
                view::axes_text(&axes)
            ));
        }
        let positions = x.view.len() / last.max(1);
        let mut made = axes;
        if let Some(last) = made.last_mut() {
            *last = outputs;
        }
        if positions > 1 {
            return self.dense_of_each(at, x, weights.into_dyn(), bias, &made);
        }
        if !view::is_in_order(&x.view.view()) {
            let mut rows = vec![0; inputs];
            for (i, &place) in x.view.iter().enumerate() {
                rows[place as usize] = i;
            }
            weights = weights.select(ndarray::Axis(0), &rows);
            let node = &self.model.nodes[at];
            self.notes.push(format!(
                "The inputs of {} `{}` are permuted, because channels come last here.",
                node.kind, node.name
            ));
        }
        let op = Dense {
            units: outputs,
            parameters: parameters(in_order(weights.into_dyn()), bias),
        };
        let shape = Shape {
            h: 1,
            w: 1,
            c: outputs,
        };
        let draft = self.push(at, "", op, x.draft, shape);
        Ok(Computed {
            draft,
            view: view::in_order(&made),
        })
    }

    /// The same layer for each of several positions: a convolution with a window of one.
    fn dense_of_each(
        &mut self,
        at: usize,
        x: Computed,
        weights: ArrayD<f32>,
        bias: Option<Vec<f32>>,
        made: &[usize],
    ) -> Result<Computed, String> {
        let x = self.in_order(at, x)?;
        let inputs = weights.shape()[0];
        let from = self.drafts.get(x.draft).shape;
        let positions = x.view.len() / inputs.max(1);
        let from = match from.c == inputs {
            true => from,
            false => Shape {
                h: 1,
                w: positions,
                c: inputs,
            },
        };
        let draft = self.under(at, x.draft, from);
        let x = Computed { draft, ..x };
        let window = window(
            from,
            (1, 1),
            &Sliding {
                kernel: vec![1, 1],
                stride: vec![1, 1],
                border: Border::Valid,
                channels_first: false,
            },
        )?;
        let shape = Shape {
            c: made.last().copied().unwrap_or(1),
            ..from
        };
        let op = Conv2d {
            window,
            filters: shape.c,
            parameters: parameters(in_order(weights), bias),
        };
        let draft = self.push(at, "", op, x.draft, shape);
        Ok(Computed {
            draft,
            view: view::in_order(made),
        })
    }

    pub(super) fn convolution(
        &mut self,
        at: usize,
        x: Computed,
        constants: Vec<Option<Tensor>>,
        sliding: &Sliding,
        axes: &[usize],
        depthwise: bool,
    ) -> Result<Computed, String> {
        let (weights, bias) = weights_and_bias(constants)?;
        if weights.ndim() != axes.len() {
            return Err(format!(
                "its weights are {} where {} axes are expected",
                view::axes_text(weights.shape()),
                axes.len()
            ));
        }
        let weights = weights.permuted_axes(axes.to_vec());
        let (_, x) = self.image(at, x, sliding.channels_first)?;
        let (kernel, channels, filters) = match *weights.shape() {
            [k, ci, co] => ((1, k), ci, co),
            [ky, kx, ci, co] => ((ky, kx), ci, co),
            _ => return Err("only windows of one or two axes are supported".to_owned()),
        };
        let smaller = |pads: &[(usize, usize)], kernel: (usize, usize)| {
            let extents = [kernel.0, kernel.1];
            let extents = &extents[2 - pads.len().min(2)..];
            pads.iter().zip(extents).all(|(p, &k)| p.0 < k && p.1 < k)
        };
        let (bare, own) = self.without_border(x.clone(), sliding);
        let (x, sliding) = match &own.border {
            Border::Explicit(pads) if smaller(pads, kernel) => (bare, own),
            _ => (x, sliding.clone()),
        };
        let image = self.drafts.get(x.draft).shape;
        let window = window(image, kernel, &sliding)?;
        let (op, c) = if depthwise {
            let filters = channels * filters;
            check_bias(&bias, filters)?;
            self.depthwise(window, image, in_order(weights), bias, filters)?
        } else {
            check_bias(&bias, filters)?;
            if channels != image.c {
                return Err(format!(
                    "its filters are for {channels} channels, but it is given {}",
                    image.c
                ));
            }
            let op = Conv2d {
                window,
                filters,
                parameters: parameters(in_order(weights), bias),
            };
            (op.into(), filters)
        };
        let shape = Shape {
            h: window.output.0,
            w: window.output.1,
            c,
        };
        let view = view::of_image(shape, x.view.ndim(), sliding.channels_first);
        let draft = self.push(at, "", op, x.draft, shape);
        Ok(Computed { draft, view })
    }

    /// One channel with several filters is an ordinary convolution.
    fn depthwise(
        &mut self,
        window: Window,
        image: Shape,
        weights: Vec<f32>,
        bias: Option<Vec<f32>>,
        filters: usize,
    ) -> Result<(Op, usize), String> {
        if image.c == 1 {
            let parameters = parameters(weights, bias);
            let op = Conv2d {
                window,
                filters,
                parameters,
            };
            return Ok((op.into(), filters));
        }
        if !filters.is_multiple_of(image.c) {
            return Err(format!("it has {filters} filters for {} channels", image.c));
        }
        let parameters = parameters(weights, bias);
        let op = Depthwise {
            window,
            multiplier: filters / image.c,
            parameters,
        };
        Ok((op.into(), filters))
    }

    /// A value as the image or series that a window slides over.
    fn image(
        &mut self,
        at: usize,
        x: Computed,
        channels_first: bool,
    ) -> Result<(Shape, Computed), String> {
        let rank = x.view.ndim();
        let turned = match channels_first {
            true => view::channels_last(&x.view).to_owned(),
            false => x.view,
        };
        let x = self.in_order(at, Computed { view: turned, ..x })?;
        let shape = match *x.view.shape() {
            [1, w, c] => Shape { h: 1, w, c },
            [1, h, w, c] => Shape { h, w, c },
            _ => {
                let given = view::axes_text(x.view.shape());
                return Err(format!(
                    "it works on one image or series, but is given {given}"
                ));
            }
        };
        let draft = self.under(at, x.draft, shape);
        let view = view::of_image(shape, rank, channels_first);
        Ok((shape, Computed { draft, view }))
    }

    /// A border of zeros that only this layer sees is its window's own.
    fn without_border(&self, x: Computed, sliding: &Sliding) -> (Computed, Sliding) {
        let mut sliding = sliding.clone();
        let space = sliding.stride.len();
        let Op::Pad(pad) = &self.drafts.get(x.draft).op else {
            return (x, sliding);
        };
        let mut pads = match &sliding.border {
            Border::Valid => vec![(0, 0); space],
            Border::Explicit(pads) => pads.clone(),
            _ => return (x, sliding),
        };
        let is_mine = !self.is_read(x.draft) && pads.len() == space && space <= 2;
        if !is_mine || pad.value != 0.0 || pad.before[2] + pad.after[2] > 0 {
            return (x, sliding);
        }
        for (i, p) in pads.iter_mut().rev().enumerate() {
            let axis = 1 - i;
            *p = (p.0 + pad.before[axis], p.1 + pad.after[axis]);
        }
        if space == 1 && pad.before[0] + pad.after[0] > 0 {
            return (x, sliding);
        }
        let draft = self.drafts.get(x.draft).inputs[0];
        sliding.border = Border::Explicit(pads);
        let shape = self.drafts.get(draft).shape;
        let view = view::of_image(shape, x.view.ndim(), sliding.channels_first);
        (Computed { draft, view }, sliding)
    }

    pub(super) fn pool(
        &mut self,
        at: usize,
        x: Computed,
        sliding: &Sliding,
        reduction: Reduction,
    ) -> Result<Computed, String> {
        let (image, x) = self.image(at, x, sliding.channels_first)?;
        let kernel = match sliding.kernel[..] {
            [k] => (1, k),
            [ky, kx] => (ky, kx),
            _ => return Err("only windows of one or two axes are supported".to_owned()),
        };
        let window = window(image, kernel, sliding)?;
        let op = match reduction {
            Reduction::Max => Op::from(MaxPool { window }),
            Reduction::Mean => AveragePool { window }.into(),
        };
        let shape = Shape {
            h: window.output.0,
            w: window.output.1,
            c: image.c,
        };
        let view = view::of_image(shape, x.view.ndim(), sliding.channels_first);
        let draft = self.push(at, "", op, x.draft, shape);
        Ok(Computed { draft, view })
    }

    pub(super) fn reduce(
        &mut self,
        at: usize,
        x: Computed,
        reduction: Reduction,
        axes: &[i64],
        keep: bool,
        constants: &[Option<Tensor>],
    ) -> Result<Computed, String> {
        let rank = x.view.ndim();
        let named = match constants.first() {
            Some(Some(tensor)) => tensor
                .integers()
                .ok_or_else(|| "its axes are no integers".to_owned())?,
            _ if axes.is_empty() => (1..rank as i64).collect(),
            _ => axes.to_vec(),
        };
        let named: Vec<usize> = named
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<_, _>>()?;
        let (x, directions) = self.as_image(at, x)?;
        let from = self.drafts.get(x.draft).shape;
        let (mut over_rows, mut over_columns) = (false, false);
        for &a in &named {
            match directions[a] {
                Along::Nothing => {}
                Along::Rows => over_rows = true,
                Along::Columns => over_columns = true,
                Along::Both => (over_rows, over_columns) = (true, true),
                Along::Channels => {
                    return Err(
                        "it reduces the axis of channels, which is not supported".to_owned()
                    );
                }
            }
        }
        let over = |yes: bool, extent: usize| if yes { extent } else { 1 };
        let kernel = (over(over_rows, from.h), over(over_columns, from.w));
        let shape = Shape {
            h: from.h / kernel.0,
            w: from.w / kernel.1,
            c: from.c,
        };
        let kept: Vec<usize> = (0..rank).filter(|a| keep || !named.contains(a)).collect();
        let made: Vec<usize> = kept
            .iter()
            .map(|a| {
                if named.contains(a) {
                    1
                } else {
                    x.view.shape()[*a]
                }
            })
            .collect();
        let along: Vec<Along> = kept
            .iter()
            .map(|a| {
                if named.contains(a) {
                    Along::Nothing
                } else {
                    directions[*a]
                }
            })
            .collect();
        let view = view::along(&made, &along, shape);
        if kernel == (1, 1) {
            return Ok(Computed { view, ..x });
        }
        // The largest of all is the largest of each column's; windows of the kernel have a limit.
        let is_large = kernel.0.saturating_mul(kernel.1) > max_pool::MOST;
        let steps = match (reduction, is_large) {
            (Reduction::Max, true) => vec![(kernel.0, 1), (1, kernel.1)],
            _ => vec![kernel],
        };
        let (mut draft, mut seen) = (x.draft, from);
        for kernel in steps {
            seen = Shape {
                h: seen.h / kernel.0,
                w: seen.w / kernel.1,
                c: seen.c,
            };
            let window = Window {
                kernel,
                stride: kernel,
                pad: (0, 0),
                output: (seen.h, seen.w),
            };
            let op = match reduction {
                Reduction::Max => Op::from(MaxPool { window }),
                Reduction::Mean => AveragePool { window }.into(),
            };
            draft = self.push(at, "", op, draft, seen);
        }
        Ok(Computed { draft, view })
    }

    pub(super) fn activation(&mut self, at: usize, x: Computed, kind: Activation) -> Computed {
        if kind == Activation::None {
            return x;
        }
        let shape = self.drafts.get(x.draft).shape;
        let draft = self.push(at, "", kind, x.draft, shape);
        Computed { draft, ..x }
    }

    pub(super) fn softmax(
        &mut self,
        at: usize,
        x: Computed,
        along: i64,
    ) -> Result<Computed, String> {
        self.over_all(at, x, along, Softmax.into())
    }

    pub(super) fn log_softmax(
        &mut self,
        at: usize,
        x: Computed,
        along: i64,
    ) -> Result<Computed, String> {
        self.over_all(at, x, along, LogSoftmax.into())
    }

    /// An operator over all elements, which are those of one axis.
    fn over_all(&mut self, at: usize, x: Computed, along: i64, op: Op) -> Result<Computed, String> {
        let along = axis(along, x.view.ndim())?;
        if x.view.shape()[along] != x.view.len() {
            return Err(format!(
                "it works on axis {along} of {} for each of the others; only one over all is supported",
                view::axes_text(x.view.shape())
            ));
        }
        let shape = self.drafts.get(x.draft).shape;
        let draft = self.push(at, "", op, x.draft, shape);
        Ok(Computed { draft, ..x })
    }

    pub(super) fn dropout(&mut self, at: usize, x: Computed, rate: f32) -> Computed {
        if rate == 0.0 {
            return x;
        }
        let shape = self.drafts.get(x.draft).shape;
        let draft = self.push(at, "", Dropout { rate }, x.draft, shape);
        Computed { draft, ..x }
    }
}

fn parameters(weights: Vec<f32>, bias: Option<Vec<f32>>) -> Parameters {
    Parameters {
        weights: weights.into(),
        bias: bias.map(Into::into),
    }
}

/// An array's elements in order.
fn in_order(array: ArrayD<f32>) -> Vec<f32> {
    match array.is_standard_layout() {
        true => array.into_raw_vec_and_offset().0,
        false => array.iter().copied().collect(),
    }
}

fn weights_and_bias(
    constants: Vec<Option<Tensor>>,
) -> Result<(ArrayD<f32>, Option<Vec<f32>>), String> {
    let mut constants = constants.into_iter();
    let numbers = |tensor| match tensor {
        Tensor::F32(a) => a,
        integers => integers.numbers(),
    };
    let weights = constants.next().flatten().map(numbers);
    let weights = weights.ok_or_else(|| "its weights are no constants".to_owned())?;
    if weights.is_empty() || limits::elements(weights.shape(), limits::ELEMENTS).is_none() {
        return Err(format!(
            "its weights are {}",
            view::axes_text(weights.shape())
        ));
    }
    let bias = constants.next().flatten().map(|t| in_order(numbers(t)));
    let all = weights.iter().chain(bias.iter().flatten());
    match all.into_iter().all(|w| w.is_finite()) {
        true => Ok((weights, bias)),
        false => Err("some of its weights are infinite or not numbers".to_owned()),
    }
}

fn check_bias(bias: &Option<Vec<f32>>, outputs: usize) -> Result<(), String> {
    match bias {
        Some(b) if b.len() != outputs => {
            Err(format!("it has {} biases for {outputs} outputs", b.len()))
        }
        _ => Ok(()),
    }
}

/// The window of `kernel` over `image`.
fn window(image: Shape, kernel: (usize, usize), sliding: &Sliding) -> Result<Window, String> {
    let one = |list: &[usize]| match *list {
        [x] => Ok((1, x)),
        [y, x] => Ok((y, x)),
        _ => Err(format!("its window has {} axes", list.len())),
    };
    let stride = one(&sliding.stride)?;
    let pads = match &sliding.border {
        Border::Explicit(pads) => match pads[..] {
            [x] => Some([(0, 0), x]),
            [y, x] => Some([y, x]),
            _ => return Err(format!("its padding is of {} axes", pads.len())),
        },
        _ => None,
    };
    let axis = |input: usize, kernel: usize, stride: usize, pads: Option<(usize, usize)>| {
        if kernel == 0 || stride == 0 {
            return None;
        }
        match (&sliding.border, pads) {
            (Border::Explicit(_), Some((before, behind))) => {
                let padded = input.checked_add(before)?.checked_add(behind)?;
                let fits = padded >= kernel && before < kernel && behind < kernel;
                fits.then(|| (before, (padded - kernel) / stride + 1))
            }
            (Border::Same | Border::SameLower, _) => {
                let output = input.div_ceil(stride);
                let total = ((output - 1) * stride)
                    .checked_add(kernel)?
                    .saturating_sub(input);
                match sliding.border {
                    Border::Same => Some((total / 2, output)),
                    _ => Some((total.div_ceil(2), output)),
                }
            }
            _ => (input >= kernel).then(|| (0, (input - kernel) / stride + 1)),
        }
    };
    let y = axis(image.h, kernel.0, stride.0, pads.map(|p| p[0]));
    let x = axis(image.w, kernel.1, stride.1, pads.map(|p| p[1]));
    match (y, x) {
        (Some((top, h)), Some((left, w))) => Ok(Window {
            kernel,
            stride,
            pad: (top, left),
            output: (h, w),
        }),
        _ => Err(format!(
            "its window of {}×{} with {:?} does not fit {}×{}",
            kernel.0, kernel.1, sliding.border, image.h, image.w
        )),
    }
}
