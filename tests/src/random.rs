//! Random small networks: every layer, every padding, residuals, and whatever may follow what.

use runtime_shared::kernels::Shape;
use runtime_shared::rng::Rng;
use sim_compiler::graph::Op;
use sim_compiler::moved::Axis;
use sim_compiler::network::{LayerSpec, PaddingSpec, Size};
use sim_compiler::ops::activation::{ActivationLayerSpec, ActivationSpec};
use sim_compiler::ops::add::AddSpec;
use sim_compiler::ops::affine::AffineSpec;
use sim_compiler::ops::average_pool::{AveragePoolSpec, GlobalAveragePoolSpec};
use sim_compiler::ops::batch_norm::BatchNormSpec;
use sim_compiler::ops::concat::ConcatSpec;
use sim_compiler::ops::conv2d::ConvSpec;
use sim_compiler::ops::dense::DenseSpec;
use sim_compiler::ops::depthwise::DepthwiseSpec;
use sim_compiler::ops::dropout::DropoutSpec;
use sim_compiler::ops::flatten::FlattenSpec;
use sim_compiler::ops::log_softmax::LogSoftmaxSpec;
use sim_compiler::ops::max_pool::{GlobalMaxPoolSpec, MaxPoolSpec};
use sim_compiler::ops::multiply::MultiplySpec;
use sim_compiler::ops::pad::PadSpec;
use sim_compiler::ops::reshape::ReshapeSpec;
use sim_compiler::ops::series::{
    AveragePool1dSpec, Conv1dSpec, DepthwiseConv1dSpec, MaxPool1dSpec,
};
use sim_compiler::ops::slice::SliceSpec;
use sim_compiler::ops::softmax::SoftmaxSpec;
use sim_compiler::ops::transpose::TransposeSpec;
use sim_compiler::{Graph, LossSpec, NetworkSpec, Online, Options, Part, Scheme, Training};

/// A network with weights, options to compile it with, and a sample to show it.
#[derive(Clone, Debug)]
pub struct Case {
    /// As it would be written in a config.
    pub spec: NetworkSpec,
    /// With random weights and biases.
    pub graph: Graph,
    /// Scheme, loss and normalisation are random.
    pub options: Options,
    /// Random bytes, many of them zero.
    pub sample: Vec<u8>,
    /// A class that the outputs know.
    pub label: usize,
}

/// The case that `seed` decides.
///
/// # Panics
/// Where a network that should be sound does not build.
pub fn case(seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let input = Shape {
        h: 4 + pick(&mut rng, 4),
        w: 4 + pick(&mut rng, 4),
        c: 1 + pick(&mut rng, 3),
    };
    let outputs = [1, 2, 3, 5][pick(&mut rng, 4)];
    let mut builder = Builder {
        layers: Vec::new(),
        input,
        rng,
    };
    for _ in 0..1 + pick(&mut builder.rng, 6) {
        builder.image_layer();
    }
    match pick(&mut builder.rng, 4) {
        0 => {
            builder.offer(LayerSpec::GlobalMaxPool(GlobalMaxPoolSpec::default()));
        }
        1 | 2 => {
            builder.offer(LayerSpec::Flatten(FlattenSpec::default()));
        }
        _ => {}
    }
    for _ in 0..pick(&mut builder.rng, 3) {
        builder.vector_layer();
    }
    let dense = DenseSpec {
        name: None,
        units: outputs,
        activation: ActivationSpec::Linear,
        bias: pick(&mut builder.rng, 4) > 0,
    };
    // An image that is too large for a dense layer loses its last layers.
    while !builder.offer(LayerSpec::Dense(dense.clone())) {
        builder.layers.pop();
    }
    let loss = builder.ending(outputs);
    let Builder {
        layers, mut rng, ..
    } = builder;
    let spec = NetworkSpec { layers };
    let mut graph = spec.build(input, seed).expect("each layer was tried");
    let weighted: Vec<_> = graph.weighted().collect();
    for &id in &weighted {
        let parameters = graph.nodes()[id].op.parameters();
        if let Some(bias) = parameters.and_then(|p| p.bias.as_ref()) {
            let drawn = (0..bias.len()).map(|_| rng.unit() - 0.5).collect();
            graph
                .set_parameter(id, Part::Bias, drawn)
                .expect("as many as there were");
        }
    }
    let scheme = match pick(&mut rng, 5) {
        0 | 1 => Scheme::Full,
        2 => Scheme::Last(1 + pick(&mut rng, weighted.len())),
        3 if graph
            .nodes()
            .iter()
            .any(|n| n.op.parameters().is_some_and(|p| p.bias.is_some())) =>
        {
            Scheme::Bias
        }
        _ => Scheme::Layers(vec![
            graph.nodes()[weighted[pick(&mut rng, weighted.len())]]
                .name
                .clone(),
        ]),
    };
    let pair = |rng: &mut Rng| ((0.5 + rng.unit()) / 128.0, -rng.unit());
    let normalisation = match pick(&mut rng, 3) {
        0 => vec![(1.0 / 255.0, 0.0)],
        1 => vec![pair(&mut rng)],
        _ => (0..input.c).map(|_| pair(&mut rng)).collect(),
    };
    let sample = (0..input.len())
        .map(|_| {
            if rng.below(5) < 2 {
                0
            } else {
                rng.next_u32() as u8
            }
        })
        .collect();
    let label = pick(&mut rng, outputs.max(2));
    let training = Training::sgd(0.05);
    let options = Options {
        scheme,
        loss,
        training,
        online: Online::default(),
        normalisation,
        seed,
    };
    Case {
        spec,
        graph,
        options,
        sample,
        label,
    }
}

fn pick(rng: &mut Rng, n: usize) -> usize {
    rng.below(n as u32) as usize
}

struct Builder {
    layers: Vec<LayerSpec>,
    input: Shape,
    rng: Rng,
}

impl Builder {
    /// Appends `layer` if the network still builds with it and stays small; says whether it does.
    fn offer(&mut self, layer: LayerSpec) -> bool {
        self.layers.push(layer);
        let built = NetworkSpec {
            layers: self.layers.clone(),
        }
        .build(self.input, 0);
        let fits = built.is_ok_and(|g| {
            g.parameter_count() <= 1200 && g.nodes().iter().all(|n| n.shape.len() <= 400)
        });
        if !fits {
            self.layers.pop();
        }
        fits
    }

    fn activation(&mut self) -> ActivationSpec {
        let slope = 0.05 + 0.4 * self.rng.unit();
        [
            ActivationSpec::Linear,
            ActivationSpec::Relu,
            ActivationSpec::Relu,
            ActivationSpec::Relu6,
            ActivationSpec::LeakyRelu(slope),
            ActivationSpec::Sigmoid,
            ActivationSpec::Tanh,
            ActivationSpec::Elu(0.5 + slope),
            ActivationSpec::Selu,
        ][pick(&mut self.rng, 9)]
    }

    fn padding(&mut self) -> PaddingSpec {
        [
            PaddingSpec::Valid,
            PaddingSpec::Same,
            PaddingSpec::Same,
            PaddingSpec::Explicit(1),
        ][pick(&mut self.rng, 4)]
    }

    fn size(&mut self, most: usize) -> Size {
        Size(1 + pick(&mut self.rng, most), 1 + pick(&mut self.rng, most))
    }

    fn image_layer(&mut self) {
        let activation = self.activation();
        let padding = self.padding();
        let (kernel, stride) = (self.size(3), self.size(2));
        let bias = pick(&mut self.rng, 4) > 0;
        let name = None;
        match pick(&mut self.rng, 18) {
            0..=2 => {
                let filters = 1 + pick(&mut self.rng, 4);
                let dilation = match pick(&mut self.rng, 4) {
                    0 => self.size(2),
                    _ => Size(1, 1),
                };
                self.offer(LayerSpec::Conv2d(ConvSpec {
                    name,
                    filters,
                    dilation,
                    kernel,
                    stride,
                    padding,
                    activation,
                    bias,
                }));
            }
            3 => {
                // The shape stays, so that a residual may follow.
                let filters = self.channels();
                let (stride, padding) = (Size(1, 1), PaddingSpec::Same);
                self.offer(LayerSpec::Conv2d(ConvSpec {
                    name,
                    filters,
                    dilation: Size(1, 1),
                    kernel,
                    stride,
                    padding,
                    activation,
                    bias,
                }));
            }
            4 => {
                let multiplier = [1, 1, 2, 3][pick(&mut self.rng, 4)];
                self.offer(LayerSpec::DepthwiseConv2d(DepthwiseSpec {
                    name,
                    multiplier,
                    kernel,
                    stride,
                    padding,
                    activation,
                    bias,
                }));
            }
            5 => {
                let size = Size(2, 2);
                self.offer(LayerSpec::MaxPool(MaxPoolSpec {
                    name,
                    size,
                    stride: None,
                    padding: PaddingSpec::Valid,
                }));
            }
            6 => {
                let size = self.size(3);
                self.offer(LayerSpec::MaxPool(MaxPoolSpec {
                    name,
                    size,
                    stride: Some(stride),
                    padding,
                }));
            }
            7 => {
                let size = self.size(3);
                self.offer(LayerSpec::AveragePool(AveragePoolSpec {
                    name,
                    size,
                    stride: Some(stride),
                    padding,
                }));
            }
            8 => self.batch_norm(),
            9 => self.in_place(),
            10..=12 => self.moves(),
            13 => self.of_series(),
            14 => self.affine(),
            _ => self.residual(),
        }
    }

    /// What only puts values elsewhere.
    fn moves(&mut self) {
        let name = None;
        let axis = [Axis::Height, Axis::Width, Axis::Channels][pick(&mut self.rng, 3)];
        let mut border = || (pick(&mut self.rng, 2), pick(&mut self.rng, 2));
        let borders = [border(), border(), border()];
        match pick(&mut self.rng, 6) {
            0 | 1 => {
                let fits = |a: Shape, b: Shape| {
                    let equal = [a.h == b.h, a.w == b.w, a.c == b.c];
                    (0..3).all(|i| i == axis as usize || equal[i])
                };
                let alike = self.alike(fits);
                if !alike.is_empty() {
                    let count = 1 + pick(&mut self.rng, 2);
                    let with = (0..count)
                        .map(|_| alike[pick(&mut self.rng, alike.len())].clone())
                        .collect();
                    self.offer(LayerSpec::Concat(ConcatSpec { name, with, axis }));
                }
            }
            2 | 3 => {
                let value = [0.0, 0.0, -0.5][pick(&mut self.rng, 3)];
                self.offer(LayerSpec::Pad(PadSpec {
                    name,
                    height: borders[0],
                    width: borders[1],
                    channels: borders[2],
                    value,
                }));
            }
            4 => {
                use Axis::{Channels as C, Height as H, Width as W};
                let orders = [[H, C, W], [W, H, C], [W, C, H], [C, H, W], [C, W, H]];
                let axes = orders[pick(&mut self.rng, 5)];
                self.offer(LayerSpec::Transpose(TransposeSpec { name, axes }));
            }
            _ => {
                let shape = self.shape();
                let mut part = |all: usize| {
                    let start = pick(&mut self.rng, all);
                    Some((start, 1 + pick(&mut self.rng, all - start)))
                };
                let (height, width, channels) = (part(shape.h), part(shape.w), part(shape.c));
                self.offer(LayerSpec::Slice(SliceSpec {
                    name,
                    height,
                    width,
                    channels,
                }));
            }
        }
    }

    /// An image as a series, and what works on that.
    fn of_series(&mut self) {
        let name = None;
        let shape = self.shape();
        let reshape = ReshapeSpec {
            name: None,
            shape: vec![shape.h * shape.w, shape.c],
        };
        if shape.h != 1 && !self.offer(LayerSpec::Reshape(reshape)) {
            return;
        }
        let (activation, padding) = (self.activation(), self.padding());
        let (kernel, stride) = (1 + pick(&mut self.rng, 4), 1 + pick(&mut self.rng, 2));
        let bias = pick(&mut self.rng, 4) > 0;
        let filters = 1 + pick(&mut self.rng, 4);
        let multiplier = 1 + pick(&mut self.rng, 2);
        let layer = match pick(&mut self.rng, 6) {
            0..=2 => LayerSpec::Conv1d(Conv1dSpec {
                name,
                filters,
                dilation: multiplier,
                kernel,
                stride,
                padding,
                activation,
                bias,
            }),
            3 => LayerSpec::DepthwiseConv1d(DepthwiseConv1dSpec {
                name,
                kernel,
                stride,
                padding,
                multiplier,
                activation,
                bias,
            }),
            4 => LayerSpec::MaxPool1d(MaxPool1dSpec {
                name,
                size: kernel,
                stride: Some(stride),
                padding,
            }),
            _ => LayerSpec::AveragePool1d(AveragePool1dSpec {
                name,
                size: kernel,
                stride: Some(stride),
                padding,
            }),
        };
        self.offer(layer);
    }

    fn affine(&mut self) {
        let shape = self.shape();
        let count = [1, shape.c, shape.len()][pick(&mut self.rng, 3)];
        let mut row = |low: f32| (0..count).map(|_| low + self.rng.unit()).collect();
        let (scale, shift) = (row(0.5), row(-0.5));
        self.offer(LayerSpec::Affine(AffineSpec {
            name: None,
            scale,
            shift,
        }));
    }

    /// The layers whose output, beside the shape of the last, satisfies `fits`.
    fn alike(&self, fits: impl Fn(Shape, Shape) -> bool) -> Vec<String> {
        let built = NetworkSpec {
            layers: self.layers.clone(),
        }
        .build(self.input, 0);
        let Ok(graph) = built else {
            return Vec::new();
        };
        let last = graph.nodes()[graph.output()].shape;
        let alike = graph
            .nodes()
            .iter()
            .filter(|n| fits(n.shape, last) && !matches!(n.op, Op::Input(_)));
        alike
            .map(|n| n.name.trim_end_matches(".activation").to_owned())
            .collect()
    }

    fn vector_layer(&mut self) {
        let activation = self.activation();
        match pick(&mut self.rng, 8) {
            0..=3 => {
                let bias = pick(&mut self.rng, 4) > 0;
                let units = 2 + pick(&mut self.rng, 7);
                self.offer(LayerSpec::Dense(DenseSpec {
                    name: None,
                    units,
                    activation,
                    bias,
                }));
            }
            4 => self.residual(),
            5 => self.batch_norm(),
            6 => {
                self.offer(LayerSpec::GlobalAveragePool(
                    GlobalAveragePoolSpec::default(),
                ));
            }
            _ => self.in_place(),
        }
    }

    /// What works on its input where it lies, and what moves nothing.
    fn in_place(&mut self) {
        let name = None;
        let kind = self.activation();
        // A softmax of one value is one, whatever the weights: there is nothing to compare.
        let single = self.shape().len() == 1;
        // Logarithms of many probabilities are so large that what follows saturates, and its derivative has no digits.
        let many = self.shape().len() > 8;
        match pick(&mut self.rng, 9) {
            4 | 8 if single => {}
            8 if many => {}
            0..=3 => {
                self.offer(LayerSpec::Activation(ActivationLayerSpec { name, kind }));
            }
            8 => {
                self.offer(LayerSpec::LogSoftmax(LogSoftmaxSpec::default()));
            }
            4 => {
                self.offer(LayerSpec::Softmax(SoftmaxSpec::default()));
            }
            5 => {
                self.offer(LayerSpec::Flatten(FlattenSpec::default()));
            }
            _ => {
                let rate = [0.0, 0.2, 0.5][pick(&mut self.rng, 3)];
                self.offer(LayerSpec::Dropout(DropoutSpec { name, rate }));
            }
        }
    }

    fn shape(&self) -> Shape {
        let built = NetworkSpec {
            layers: self.layers.clone(),
        }
        .build(self.input, 0);
        built.map_or(self.input, |g| g.nodes()[g.output()].shape)
    }

    fn channels(&self) -> usize {
        self.shape().c
    }

    fn batch_norm(&mut self) {
        let channels = self.channels();
        let mut row = |low: f32, high: f32| {
            Some(
                (0..channels)
                    .map(|_| low + (high - low) * self.rng.unit())
                    .collect(),
            )
        };
        let spec = BatchNormSpec {
            name: None,
            gamma: row(-1.5, 1.5),
            beta: row(-0.5, 0.5),
            mean: row(-0.5, 0.5),
            variance: row(0.3, 2.0),
            epsilon: 1e-3,
        };
        self.offer(LayerSpec::BatchNorm(spec));
    }

    /// Adds or multiplies by an earlier output of the same shape, if there is one; the last layer itself is one.
    fn residual(&mut self) {
        let names = self.alike(|a, b| a == b);
        if names.is_empty() {
            return;
        }
        let with = names[pick(&mut self.rng, names.len())].clone();
        let name = None;
        // Powers of powers leave the range in which anything can be compared.
        let first = !self
            .layers
            .iter()
            .any(|l| matches!(l, LayerSpec::Multiply(_)));
        if first && pick(&mut self.rng, 3) == 0 {
            self.offer(LayerSpec::Multiply(MultiplySpec { name, with }));
        } else {
            self.offer(LayerSpec::Add(AddSpec { name, with }));
        }
    }

    /// A loss that fits `outputs` outputs, and perhaps the layer that belongs to it.
    fn ending(&mut self, outputs: usize) -> LossSpec {
        let kinds: &[LossSpec] = match outputs {
            1 => &[
                LossSpec::BinaryCrossEntropy,
                LossSpec::Mse,
                LossSpec::Mae,
                LossSpec::Huber(0.3),
            ],
            _ => &[
                LossSpec::CrossEntropy,
                LossSpec::CrossEntropy,
                LossSpec::BinaryCrossEntropy,
                LossSpec::Mse,
                LossSpec::Mae,
                LossSpec::Huber(0.3),
            ],
        };
        let loss = kinds[pick(&mut self.rng, kinds.len())];
        let softmax = if pick(&mut self.rng, 3) == 0 {
            LayerSpec::LogSoftmax(LogSoftmaxSpec::default())
        } else {
            LayerSpec::Softmax(SoftmaxSpec::default())
        };
        let sigmoid = LayerSpec::Activation(ActivationLayerSpec {
            name: None,
            kind: ActivationSpec::Sigmoid,
        });
        if pick(&mut self.rng, 2) == 0 {
            let ends = match loss {
                LossSpec::CrossEntropy => Some(softmax),
                LossSpec::BinaryCrossEntropy => Some(sigmoid),
                LossSpec::Mse | LossSpec::Mae | LossSpec::Huber(_)
                    if outputs > 1 && pick(&mut self.rng, 2) == 0 =>
                {
                    Some(softmax)
                }
                LossSpec::Mse | LossSpec::Mae | LossSpec::Huber(_) => Some(sigmoid),
                LossSpec::Damped => None,
            };
            if let Some(layer) = ends {
                self.offer(layer);
            }
        }
        loss
    }
}
