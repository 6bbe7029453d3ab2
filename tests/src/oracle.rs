//! Networks evaluated in f64 straight from the graph: a second opinion that shares no code with the
//! compiler's passes or the core's kernels.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::rng::Rng;
use sim_compiler::graph::{Graph, NodeId, Op, Window};
use sim_compiler::lower::Part;
use sim_compiler::ops::{
    batch_norm::BatchNorm, conv2d::Conv2d, depthwise::Depthwise, dropout::Dropout,
};
use sim_compiler::{LossSpec, Options, Target, Tensor};

/// A graph with its parameters widened to f64, so that they can be moved by very little.
#[derive(Clone, Debug)]
pub struct Oracle<'g> {
    graph: &'g Graph,
    weights: Vec<Vec<f64>>,
    biases: Vec<Vec<f64>>,
}

impl<'g> Oracle<'g> {
    /// The network of `graph`.
    pub fn new(graph: &'g Graph) -> Self {
        let wide = |part: Part| -> Vec<Vec<f64>> {
            let parameters = graph.nodes().iter().map(|n| n.op.parameters());
            let tensors = parameters.map(|p| p.and_then(|p| p.part(part)));
            let values = |t: Option<&Tensor>| t.map_or(Vec::new(), |t| t.values().into_owned());
            tensors
                .map(|t| values(t).into_iter().map(f64::from).collect())
                .collect()
        };
        Self {
            graph,
            weights: wide(Part::Weights),
            biases: wide(Part::Bias),
        }
    }

    /// A parameter tensor, to be moved.
    pub fn parameter_mut(&mut self, node: NodeId, part: Part) -> &mut Vec<f64> {
        match part {
            Part::Weights => &mut self.weights[node],
            Part::Bias => &mut self.biases[node],
        }
    }

    /// The outputs for `sample`; those that the loss is taken of, so without the softmax or sigmoid that
    /// is part of it. `dropout` draws the masks of the layers in order, as training does.
    pub fn outputs(&self, options: &Options, sample: &[u8], dropout: Option<Rng>) -> Vec<f64> {
        let mut values = self.values(options, sample, dropout);
        values.swap_remove(self.graph.output())
    }

    /// The outputs for an input that is normalised already, with the softmax or sigmoid that may be last.
    pub fn infer(&self, input: Vec<f64>) -> Vec<f64> {
        let in_loss = |_: &Op| false;
        let mut values = self.evaluate(input, None, in_loss);
        values.swap_remove(self.graph.output())
    }

    /// How far the surest probability of the network is from 1: of a softmax, or of a sigmoid at the end.
    /// Subtracting what is close to 1 from 1 costs digits.
    pub fn doubt(&self, options: &Options, sample: &[u8], dropout: Option<Rng>) -> f64 {
        let values = self.values(options, sample, dropout);
        let nodes = self.graph.nodes().iter().zip(&values).enumerate();
        let probabilities = nodes.filter(|(id, (node, _))| {
            let last = *id == self.graph.output();
            match node.op {
                Op::Softmax(_) | Op::LogSoftmax(_) => !(last && is_part_of(options.loss, &node.op)),
                Op::Activation(Activation::Sigmoid) => last && !is_part_of(options.loss, &node.op),
                _ => false,
            }
        });
        probabilities
            .flat_map(|(_, (node, v))| {
                let logarithms = matches!(node.op, Op::LogSoftmax(_));
                v.iter().map(move |&p| if logarithms { p.exp() } else { p })
            })
            .map(|p| 1.0 - p)
            .fold(1.0, f64::min)
    }

    /// What each node computes.
    fn values(&self, options: &Options, sample: &[u8], dropout: Option<Rng>) -> Vec<Vec<f64>> {
        let input = pixels(sample, &options.normalisation);
        self.evaluate(input, dropout, |op| is_part_of(options.loss, op))
    }

    /// What each node computes; `left_out` says whether the last one is part of the loss instead.
    fn evaluate(
        &self,
        given: Vec<f64>,
        mut dropout: Option<Rng>,
        left_out: impl Fn(&Op) -> bool,
    ) -> Vec<Vec<f64>> {
        let nodes = self.graph.nodes();
        let mut values: Vec<Vec<f64>> = Vec::new();
        for (id, node) in nodes.iter().enumerate() {
            let input = |i: usize| -> &[f64] { &values[node.inputs[i]] };
            let shape = |i: usize| nodes[node.inputs[i]].shape;
            let in_loss = id == self.graph.output() && left_out(&node.op);
            let value = match &node.op {
                _ if in_loss => input(0).to_vec(),
                Op::Input(_) => {
                    let before = nodes[..id].iter().filter(|n| matches!(n.op, Op::Input(_)));
                    let at: usize = before.map(|n| n.shape.len()).sum();
                    given[at..at + node.shape.len()].to_vec()
                }
                Op::Dense(_) => self.dense(id, input(0), node.shape.c),
                Op::Conv2d(Conv2d { window, .. }) => {
                    self.conv(id, window, input(0), shape(0), node.shape)
                }
                Op::Depthwise(layer) => self.depthwise(id, layer, input(0), shape(0)),
                Op::MaxPool(p) => pool(&p.window, input(0), shape(0), |w| {
                    w.iter().copied().fold(f64::MIN, f64::max)
                }),
                Op::AveragePool(p) => pool(&p.window, input(0), shape(0), |w| {
                    w.iter().sum::<f64>() / w.len() as f64
                }),
                Op::Activation(kind) => input(0).iter().map(|&x| activate(*kind, x)).collect(),
                Op::Softmax(_) => softmax(input(0)),
                Op::Add(_) => input(0).iter().zip(input(1)).map(|(a, b)| a + b).collect(),
                Op::Flatten(_) | Op::Reshape(_) => input(0).to_vec(),
                Op::Multiply(_) => input(0).iter().zip(input(1)).map(|(a, b)| a * b).collect(),
                Op::LogSoftmax(_) => softmax(input(0)).iter().map(|p| p.ln()).collect(),
                Op::Affine(affine) => {
                    let constant = |row: &[f32], i: usize| f64::from(row[i % row.len()]);
                    let pairs = input(0).iter().enumerate();
                    pairs
                        .map(|(i, x)| x * constant(&affine.scale, i) + constant(&affine.shift, i))
                        .collect()
                }
                Op::Concat(concat) => {
                    let parts: Vec<_> = (0..node.inputs.len())
                        .map(|i| (input(i), shape(i)))
                        .collect();
                    places(node.shape)
                        .map(|mut place| {
                            // Steps over the inputs that end before this place.
                            let axis = concat.axis as usize;
                            let mut parts = parts.iter();
                            loop {
                                let &(values, shape) = parts.next().expect("some input holds it");
                                let len = [shape.h, shape.w, shape.c][axis];
                                if place[axis] < len {
                                    return values[index(shape, place)];
                                }
                                place[axis] -= len;
                            }
                        })
                        .collect()
                }
                Op::Pad(pad) => places(node.shape)
                    .map(|place| {
                        let from = shape(0);
                        let mut inner = [0; 3];
                        for (i, len) in [from.h, from.w, from.c].into_iter().enumerate() {
                            match place[i].checked_sub(pad.before[i]).filter(|&at| at < len) {
                                Some(at) => inner[i] = at,
                                None => return f64::from(pad.value),
                            }
                        }
                        input(0)[index(from, inner)]
                    })
                    .collect(),
                Op::Unfold(unfold) => {
                    let (window, from) = (&unfold.window, shape(0));
                    let (dy, dx) = unfold.dilation;
                    let columns = (window.kernel.1 - 1) / dx + 1;
                    places(node.shape)
                        .map(|[oy, ox, channel]| {
                            let (tap, c) = (channel / from.c, channel % from.c);
                            let y = oy * window.stride.0 + tap / columns * dy;
                            let x = ox * window.stride.1 + tap % columns * dx;
                            let inside = y.checked_sub(window.pad.0).filter(|&y| y < from.h);
                            let inside =
                                inside.zip(x.checked_sub(window.pad.1).filter(|&x| x < from.w));
                            inside.map_or(0.0, |(y, x)| input(0)[index(from, [y, x, c])])
                        })
                        .collect()
                }
                Op::Slice(slice) => places(node.shape)
                    .map(|[y, x, c]| {
                        let [top, left, first] = slice.start;
                        input(0)[index(shape(0), [top + y, left + x, first + c])]
                    })
                    .collect(),
                Op::Transpose(transpose) => places(node.shape)
                    .map(|place| {
                        let mut from = [0; 3];
                        for (at, axis) in place.into_iter().zip(transpose.axes) {
                            from[axis as usize] = at;
                        }
                        input(0)[index(shape(0), from)]
                    })
                    .collect(),
                Op::BatchNorm(norm) => batch_norm(norm, input(0)),
                Op::Dropout(Dropout { rate }) => match &mut dropout {
                    Some(rng) if *rate > 0.0 => {
                        let mut keep = || {
                            if rng.unit() < *rate {
                                0.0
                            } else {
                                1.0 / (1.0 - f64::from(*rate))
                            }
                        };
                        input(0).iter().map(|x| x * keep()).collect()
                    }
                    _ => input(0).to_vec(),
                },
            };
            values.push(value);
        }
        values
    }

    /// The loss of one sample; not for the damped update, whose gradient is not that of its loss.
    pub fn loss(
        &self,
        options: &Options,
        sample: &[u8],
        label: usize,
        dropout: Option<Rng>,
    ) -> f64 {
        let y = self.outputs(options, sample, dropout);
        let input = pixels(sample, &options.normalisation);
        let target = |i: usize| match y.len() {
            _ if options.training.target == Target::Input => input[i],
            1 => label as f64,
            _ => f64::from(u8::from(i == label)),
        };
        let mean = |term: &dyn Fn(f64, f64) -> f64| {
            y.iter()
                .enumerate()
                .map(|(i, &y)| term(y, target(i)))
                .sum::<f64>()
                / y.len() as f64
        };
        match options.loss {
            LossSpec::CrossEntropy | LossSpec::Damped => -softmax(&y)[label].ln(),
            LossSpec::Mse => mean(&|y, t| (y - t) * (y - t)),
            LossSpec::Mae => mean(&|y, t| (y - t).abs()),
            LossSpec::Huber(bend) => mean(&|y, t| {
                let (error, bend) = ((y - t).abs(), f64::from(bend));
                if error < bend {
                    0.5 * error * error
                } else {
                    bend * (error - 0.5 * bend)
                }
            }),
            LossSpec::BinaryCrossEntropy => mean(&|y, t| {
                -(t * activate(Activation::Sigmoid, y).ln()
                    + (1.0 - t) * activate(Activation::Sigmoid, -y).ln())
            }),
        }
    }

    fn bias(&self, id: NodeId, channel: usize) -> f64 {
        self.biases[id].get(channel).copied().unwrap_or(0.0)
    }

    fn dense(&self, id: NodeId, x: &[f64], units: usize) -> Vec<f64> {
        let w = &self.weights[id];
        let unit = |o: usize| {
            self.bias(id, o)
                + x.iter()
                    .enumerate()
                    .map(|(i, x)| x * w[i * units + o])
                    .sum::<f64>()
        };
        (0..units).map(unit).collect()
    }

    fn conv(&self, id: NodeId, window: &Window, x: &[f64], from: Shape, to: Shape) -> Vec<f64> {
        let w = &self.weights[id];
        let mut y = Vec::new();
        for position in positions(window) {
            for o in 0..to.c {
                let taps = covered(window, from, position);
                let tap = |(k, at): (usize, usize)| {
                    (0..from.c)
                        .map(|c| x[at * from.c + c] * w[(k * from.c + c) * to.c + o])
                        .sum::<f64>()
                };
                y.push(self.bias(id, o) + taps.into_iter().map(tap).sum::<f64>());
            }
        }
        y
    }

    fn depthwise(&self, id: NodeId, layer: &Depthwise, x: &[f64], from: Shape) -> Vec<f64> {
        let (w, m) = (&self.weights[id], layer.multiplier);
        let mut y = Vec::new();
        for position in positions(&layer.window) {
            for o in 0..from.c * m {
                let taps = covered(&layer.window, from, position);
                let tap = |(k, at): (usize, usize)| x[at * from.c + o / m] * w[k * from.c * m + o];
                y.push(self.bias(id, o) + taps.into_iter().map(tap).sum::<f64>());
            }
        }
        y
    }
}

/// Every row, column and channel of an image, in the order of memory.
fn places(shape: Shape) -> impl Iterator<Item = [usize; 3]> {
    let Shape { h, w, c } = shape;
    (0..h * w * c).map(move |i| [i / c / w, i / c % w, i % c])
}

fn index(shape: Shape, [y, x, c]: [usize; 3]) -> usize {
    (y * shape.w + x) * shape.c + c
}

fn is_part_of(loss: LossSpec, op: &Op) -> bool {
    match op {
        Op::Softmax(_) | Op::LogSoftmax(_) => {
            matches!(loss, LossSpec::CrossEntropy | LossSpec::Damped)
        }
        Op::Activation(Activation::Sigmoid) => loss == LossSpec::BinaryCrossEntropy,
        _ => false,
    }
}

fn pixels(sample: &[u8], normalisation: &[(f32, f32)]) -> Vec<f64> {
    let pairs = sample.iter().zip(normalisation.iter().cycle());
    pairs
        .map(|(&b, &(scale, shift))| f64::from(b) * f64::from(scale) + f64::from(shift))
        .collect()
}

fn positions(window: &Window) -> Vec<(usize, usize)> {
    let (h, w) = window.output;
    (0..h).flat_map(|y| (0..w).map(move |x| (y, x))).collect()
}

/// What of the window at an output position lies on the image: place in the window, place in the image.
fn covered(window: &Window, from: Shape, (oy, ox): (usize, usize)) -> Vec<(usize, usize)> {
    let mut taps = Vec::new();
    for ky in 0..window.kernel.0 {
        for kx in 0..window.kernel.1 {
            let y = (oy * window.stride.0 + ky)
                .checked_sub(window.pad.0)
                .filter(|&y| y < from.h);
            let x = (ox * window.stride.1 + kx)
                .checked_sub(window.pad.1)
                .filter(|&x| x < from.w);
            if let (Some(y), Some(x)) = (y, x) {
                taps.push((ky * window.kernel.1 + kx, y * from.w + x));
            }
        }
    }
    taps
}

fn pool(window: &Window, x: &[f64], from: Shape, reduce: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut y = Vec::new();
    for position in positions(window) {
        for c in 0..from.c {
            let taps = covered(window, from, position);
            let values: Vec<f64> = taps.iter().map(|(_, at)| x[at * from.c + c]).collect();
            y.push(reduce(&values));
        }
    }
    y
}

fn batch_norm(norm: &BatchNorm, x: &[f64]) -> Vec<f64> {
    let statistics = norm.statistics.as_ref().expect("random networks have them");
    let normalised = |(i, x): (usize, &f64)| {
        let c = i % norm.gamma.len();
        let [gamma, beta, mean, variance] = [
            &norm.gamma,
            &norm.beta,
            &statistics.mean,
            &statistics.variance,
        ]
        .map(|row| f64::from(row[c]));
        gamma * (x - mean) / (variance + f64::from(norm.epsilon)).sqrt() + beta
    };
    x.iter().enumerate().map(normalised).collect()
}

fn activate(kind: Activation, x: f64) -> f64 {
    match kind {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Tanh => x.tanh(),
        Activation::Elu(alpha) => x.max(0.0) + f64::from(alpha) * x.min(0.0).exp_m1(),
        Activation::Selu => {
            let (scale, alpha) = (1.050_700_987_355_480_5, 1.673_263_242_354_377_2);
            scale * (x.max(0.0) + alpha * x.min(0.0).exp_m1())
        }
    }
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let max = x.iter().copied().fold(f64::MIN, f64::max);
    let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
    x.iter().map(|x| (x - max).exp() / sum).collect()
}
