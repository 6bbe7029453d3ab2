//! Networks trained by the integer kernels alone, without a compiler: what `docs/integer.md` says of layers, fractions and order,
//! said with kernels. The test vectors run on it, and experiments with the arithmetic.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::kernels::int::decay::Decay;
use runtime_shared::kernels::int::delta::Delta;
use runtime_shared::kernels::int::loss::{self, Rate};
use runtime_shared::kernels::int::update::{self, Sink, Step, Sum, Update};
use runtime_shared::kernels::int::{
    Activation, Weight, add, bias, conv2d, dense, depthwise, exponent_after, pool,
};
use runtime_shared::kernels::pool::Pool2d;
use serde::Deserialize;

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Fully connected.
    Dense,
    /// Convolution, with a fused pool where `pool` is given.
    Conv,
    /// Depthwise convolution.
    Depthwise,
    /// Max pool.
    MaxPool,
    /// Average pool.
    AveragePool,
    /// Residual addition.
    Add,
}

/// A weight's class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// 8 bits.
    I8,
    /// 16 bits.
    I16,
}

/// A layer as a test vector describes it.
#[derive(Clone, Debug, Deserialize)]
pub struct LayerSpec {
    /// What it does.
    pub op: Op,
    /// Its name.
    pub name: String,
    /// Whose outputs it reads, if not the layer's before.
    pub from: Option<Vec<String>>,
    /// Outputs of a dense layer.
    #[serde(default)]
    pub units: usize,
    /// Outputs of a convolution.
    #[serde(default)]
    pub filters: usize,
    /// Height and width of a window.
    #[serde(default = "one")]
    pub kernel: [usize; 2],
    /// Strides.
    #[serde(default = "one")]
    pub stride: [usize; 2],
    /// The fused max pool.
    #[serde(default = "one")]
    pub pool: [usize; 2],
    /// `valid` or `same`.
    #[serde(default)]
    pub padding: String,
    /// Whether there is a ReLU behind it.
    #[serde(default)]
    pub relu: bool,
    /// Whether it is trained, if it has weights.
    #[serde(default = "yes")]
    pub trained: bool,
    /// The class of its weights.
    pub class: Option<Class>,
    /// Weights are drawn within this.
    #[serde(default)]
    pub amplitude: u32,
    /// Biases are drawn within this.
    #[serde(default)]
    pub bias: u32,
}

fn one() -> [usize; 2] {
    [1, 1]
}

fn yes() -> bool {
    true
}

/// How a network learns.
#[derive(Clone, Debug, Deserialize)]
pub struct Learning {
    /// Height, width and channels of the input.
    pub input: [usize; 3],
    /// Its fraction.
    pub fx: u8,
    /// `cross_entropy` or `mse`.
    pub loss: String,
    /// The learning rate.
    pub rate: f32,
    /// Samples of a step.
    #[serde(default = "single")]
    pub batch: u32,
    /// Weight decay.
    #[serde(default)]
    pub decay: f32,
    /// The probability, of 15 fraction bits, above which a sample is left out.
    pub confident: Option<u16>,
    /// The layers.
    pub layers: Vec<LayerSpec>,
}

fn single() -> u32 {
    1
}

/// Weights of either class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Weights {
    /// 8 bits each.
    I8(Vec<i8>),
    /// 16 bits each.
    I16(Vec<i16>),
}

impl Weights {
    /// Their bytes, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Weights::I8(w) => w.iter().map(|w| *w as u8).collect(),
            Weights::I16(w) => w.iter().flat_map(|w| w.to_le_bytes()).collect(),
        }
    }

    /// Their values.
    pub fn values(&self) -> Vec<i32> {
        match self {
            Weights::I8(w) => w.iter().map(|w| w.wide()).collect(),
            Weights::I16(w) => w.iter().map(|w| w.wide()).collect(),
        }
    }
}

/// Evaluates `$body` with the weights as a vector of their class.
macro_rules! of_class {
    ($weights:expr, |$w:ident| $body:expr) => {
        match $weights {
            Weights::I8($w) => $body,
            Weights::I16($w) => $body,
        }
    };
}

/// A layer with its state.
pub struct Layer {
    /// As it was described.
    pub spec: LayerSpec,
    /// Indices of the layers it reads; 0 is the input, 1 the first layer.
    from: Vec<usize>,
    input: Shape,
    /// What it computes before a fused pool.
    full: Shape,
    output: Shape,
    pad: (usize, usize),
    /// Bits of a weight without its sign.
    pub width: i32,
    /// Fraction of the weights.
    pub fraction: i32,
    /// Its number among all layers with weights.
    pub number: u32,
    /// Its weights.
    pub w: Weights,
    /// Its biases.
    pub b: Vec<i32>,
    sums: Vec<i32>,
    bias_sums: Vec<i32>,
    /// Fraction of its activations.
    pub exponent: u8,
    /// More bits of fraction of its delta, if it has one.
    pub extra: Option<i32>,
    clipped: u32,
    a: Vec<i8>,
    winners: Vec<u8>,
    /// The delta of its output.
    pub g: Vec<i16>,
    touched: bool,
}

/// A network and what it needs to learn.
pub struct Network {
    learning: Learning,
    /// Layer 0 is the input.
    pub layers: Vec<Layer>,
    /// Logits of the last sample.
    pub z: Vec<i32>,
    /// The learning rate.
    pub rate: Rate,
    decay: Option<(Decay, u8)>,
    /// Of the update to come, from 1.
    pub step: u32,
    in_batch: u32,
}

/// Bits of a 16-bit weight, without its sign, at a fan-in: as many as let no sum leave 32 bits.
pub fn width(fan_in: usize) -> i32 {
    let fits = |b: &i32| fan_in as i64 * ((1i64 << b) - 1) * 127 + (1 << 26) < 1 << 31;
    (1..=15)
        .rev()
        .find(fits)
        .expect("a fan-in below 16 millions")
}

/// log2 of the range of a layer's weights.
pub fn range(class: Class, fan_in: usize) -> i32 {
    let least = match class {
        Class::I8 => 20.0,
        Class::I16 => 50.0,
    };
    let wide = |r: &i32| 4f64.powi(*r) * fan_in as f64 >= least;
    (-7..=7).find(wide).expect("a fan-in")
}

impl Layer {
    fn new(spec: LayerSpec, from: Vec<usize>, input: Shape) -> Self {
        let [kh, kw] = spec.kernel;
        let taps = kh * kw;
        let (mut full, mut pad) = (input, (0, 0));
        let rows = match spec.op {
            Op::Dense => {
                full = Shape {
                    h: 1,
                    w: 1,
                    c: spec.units,
                };
                input.len()
            }
            Op::Conv => taps * input.c,
            Op::Depthwise => taps,
            _ => 0,
        };
        if spec.op == Op::Conv {
            full.c = spec.filters;
        }
        if !matches!(spec.op, Op::Dense | Op::Add) {
            let axis = |n: usize, k: usize, s: usize| match spec.padding.as_str() {
                "same" => {
                    let out = n.div_ceil(s);
                    (out, ((out - 1) * s + k).saturating_sub(n) / 2)
                }
                _ => ((n - k) / s + 1, 0),
            };
            (full.h, pad.0) = axis(input.h, kh, spec.stride[0]);
            (full.w, pad.1) = axis(input.w, kw, spec.stride[1]);
        }
        let output = Shape {
            h: full.h / spec.pool[0],
            w: full.w / spec.pool[1],
            c: full.c,
        };
        let width = match spec.class {
            Some(Class::I8) => 7,
            Some(Class::I16) => width(rows),
            None => 0,
        };
        let count = rows * full.c;
        let outputs = if rows == 0 { 0 } else { full.c };
        Self {
            from,
            input,
            full,
            output,
            pad,
            width,
            fraction: spec.class.map_or(0, |class| width - range(class, rows)),
            number: 0,
            w: match spec.class {
                Some(Class::I8) => Weights::I8(vec![0; count]),
                _ => Weights::I16(vec![0; count]),
            },
            b: vec![0; outputs],
            sums: vec![],
            bias_sums: vec![0; outputs],
            exponent: if spec.op == Op::AveragePool { 7 } else { 5 },
            extra: None,
            clipped: 0,
            a: vec![0; output.len()],
            winners: vec![0; output.len()],
            g: vec![0; output.len()],
            touched: false,
            spec,
        }
    }

    /// Rows of its weights.
    pub fn fan_in(&self) -> usize {
        self.w.values().len().checked_div(self.b.len()).unwrap_or(0)
    }

    fn conv(&self) -> Conv2d {
        Conv2d {
            input: self.input,
            output: self.full,
            kernel: self.spec.kernel.into(),
            stride: self.spec.stride.into(),
            pad: self.pad,
            pool: self.spec.pool.into(),
        }
    }

    fn pool(&self) -> Pool2d {
        Pool2d {
            input: self.input,
            output: self.output,
            kernel: self.spec.kernel.into(),
            stride: self.spec.stride.into(),
            pad: self.pad,
        }
    }

    fn weighted(&self) -> bool {
        !self.b.is_empty()
    }

    fn trained(&self) -> bool {
        self.weighted() && self.spec.trained
    }
}

impl Network {
    /// A network whose weights are zero.
    pub fn new(learning: Learning) -> Self {
        let [h, w, c] = learning.input;
        let input = Shape { h, w, c };
        let spec = LayerSpec {
            op: Op::Add,
            name: "input".into(),
            from: None,
            units: 0,
            filters: 0,
            kernel: one(),
            stride: one(),
            pool: one(),
            padding: String::new(),
            relu: false,
            trained: false,
            class: None,
            amplitude: 0,
            bias: 0,
        };
        let mut layers = vec![Layer::new(spec, vec![], input)];
        layers[0].exponent = learning.fx;
        let mut number = 0;
        for spec in &learning.layers {
            let find = |name: &String| {
                let found = layers.iter().position(|l| l.spec.name == *name);
                found.expect("a layer before this one")
            };
            let from = match &spec.from {
                Some(names) => names.iter().map(find).collect(),
                None => vec![layers.len() - 1],
            };
            let input = layers[from[0]].output;
            let mut layer = Layer::new(spec.clone(), from, input);
            if layer.weighted() {
                layer.number = number;
                number += 1;
            }
            if learning.batch > 1 && layer.trained() {
                layer.sums = vec![0; layer.w.values().len()];
            }
            layers.push(layer);
        }
        let outputs = layers[layers.len() - 1].output.len();
        let mut network = Self {
            rate: Rate {
                multiplier: 0,
                shift: 16,
            },
            decay: None,
            z: vec![0; outputs],
            step: 1,
            in_batch: 0,
            layers,
            learning,
        };
        network.plan_deltas();
        let (rate, decay) = (network.learning.rate, network.learning.decay);
        network.set_rate(rate);
        if decay > 0.0 {
            let period = Decay::period(rate * decay);
            let share = f32::from(1u16 << period) * rate * decay;
            network.decay = Some((Decay::new(share).expect("a share below 1"), period));
        }
        network
    }

    /// Which tensors get a delta, and with how many more bits of fraction.
    fn plan_deltas(&mut self) {
        let mut needed = vec![false; self.layers.len()];
        for (i, layer) in self.layers.iter().enumerate() {
            needed[i] = layer.trained() || layer.from.iter().any(|&f| needed[f]);
        }
        let last = self.layers.len() - 1;
        self.layers[last].extra = Some(0);
        for i in (1..=last).rev() {
            let layer = &self.layers[i];
            let Some(mut extra) = layer.extra else {
                continue;
            };
            if layer.spec.op == Op::AveragePool {
                let [h, w] = layer.spec.kernel;
                extra = (extra + (h * w).ilog2() as i32).min(8);
            }
            for from in layer.from.clone() {
                if needed[from] {
                    let e = &mut self.layers[from].extra;
                    *e = Some(e.map_or(extra, |e| e.min(extra)));
                }
            }
        }
    }

    /// Learns with `rate` from now on.
    pub fn set_rate(&mut self, rate: f32) {
        let mse = self.learning.loss == "mse";
        let factor = if mse { 2.0 / self.z.len() as f32 } else { 1.0 };
        let rate = rate * (1.0 / self.learning.batch as f32) * factor;
        self.rate = Rate::new(rate).expect("a rate below one half");
    }

    fn fraction_of(&self, i: usize) -> i32 {
        let layer = &self.layers[i];
        match layer.spec.op {
            Op::MaxPool => self.fraction_of(layer.from[0]),
            _ => layer.exponent.into(),
        }
    }

    /// Logits of `x`; returns how many outputs of each layer were clipped.
    pub fn forward(&mut self, x: &[i8]) -> Vec<u32> {
        self.layers[0].a.copy_from_slice(x);
        let last = self.layers.len() - 1;
        let mut clipped = vec![0; last + 1];
        for (i, clipped) in clipped.iter_mut().enumerate().skip(1) {
            let fin = self.fraction_of(self.layers[i].from[0]);
            let other = self.layers[i]
                .from
                .get(1)
                .map(|&f| (f, self.fraction_of(f)));
            let (before, rest) = self.layers.split_at_mut(i);
            let layer = &mut rest[0];
            let (conv, pool) = (layer.conv(), layer.pool());
            let x = &before[layer.from[0]].a;
            let activation = Activation {
                shift: layer.fraction + fin - i32::from(layer.exponent),
                relu: layer.spec.relu,
            };
            let b = (&layer.b[..], bias::FRACTION - fin);
            let (y, winners) = (&mut layer.a[..], &mut layer.winners[..]);
            *clipped = match layer.spec.op {
                Op::Dense if i == last => {
                    of_class!(&layer.w, |w| dense::logits(x, w, b, &mut self.z));
                    0
                }
                Op::Dense => {
                    let mut z = vec![0; y.len()];
                    of_class!(&layer.w, |w| dense::forward(x, w, b, &mut z, y, activation))
                }
                Op::Conv => of_class!(&layer.w, |w| conv2d::forward(
                    &conv, x, w, b, y, winners, activation
                )),
                Op::Depthwise => {
                    of_class!(&layer.w, |w| depthwise::forward(
                        &conv, x, w, b, y, activation
                    ))
                }
                Op::MaxPool => {
                    pool::max_forward(&pool, x, y, winners);
                    0
                }
                Op::AveragePool => pool::average_forward(
                    &pool,
                    x,
                    y,
                    Activation {
                        shift: 16 + fin - i32::from(layer.exponent),
                        ..activation
                    },
                ),
                Op::Add => {
                    let (f, fraction) = other.expect("two terms");
                    let finest = fin.max(fraction);
                    let activation = Activation {
                        shift: finest - i32::from(layer.exponent),
                        ..activation
                    };
                    add::forward(
                        x,
                        &before[f].a,
                        (finest - fin, finest - fraction),
                        y,
                        activation,
                    )
                }
            };
        }
        clipped
    }

    /// The predicted class of `x`.
    pub fn predict(&mut self, x: &[i8]) -> usize {
        self.forward(x);
        let threshold = if self.learning.loss == "mse" {
            1 << (self.logit_fraction() - 1)
        } else {
            0
        };
        loss::predict(&self.z, threshold)
    }

    fn logit_fraction(&self) -> i32 {
        let last = self.layers.last().expect("a layer");
        last.fraction + self.fraction_of(last.from[0])
    }

    /// One sample of a step.
    pub fn learn(&mut self, x: &[i8], label: usize) {
        let clipped = self.forward(x);
        let (fraction, last) = (self.logit_fraction(), self.layers.len() - 1);
        let (z, g) = (&self.z, &mut self.layers[last].g);
        if self.learning.loss == "mse" {
            loss::mse(z, fraction, label, self.rate, g);
        } else {
            let confident = self.learning.confident.unwrap_or(u16::MAX);
            if !loss::cross_entropy(z, fraction, label, self.rate, confident, g) {
                return;
            }
        }
        for (layer, clipped) in self.layers.iter_mut().zip(clipped) {
            layer.clipped += clipped;
            layer.touched = false;
        }
        self.in_batch += 1;
        let complete = self.in_batch == self.learning.batch;
        for i in (1..=last).rev() {
            self.backward(i);
            if self.layers[i].trained() {
                self.update(i, complete);
            }
        }
        if complete {
            self.in_batch = 0;
            self.step = self.step.wrapping_add(1);
            for (i, layer) in self.layers.iter_mut().enumerate().skip(1) {
                let outputs = layer.output.len() as u32 * self.learning.batch;
                if i < last {
                    layer.exponent = exponent_after(layer.exponent, layer.clipped, outputs);
                }
                layer.clipped = 0;
            }
        }
    }

    /// Adds the contributions of layer `i` to the deltas of what it reads.
    fn backward(&mut self, i: usize) {
        let (is_last, cross_entropy) = (i + 1 == self.layers.len(), self.learning.loss != "mse");
        let (before, rest) = self.layers.split_at_mut(i);
        let layer = &rest[0];
        let Some(extra) = layer.extra else { return };
        let (conv, pool) = (layer.conv(), layer.pool());
        for &from in &layer.from {
            let source = &mut before[from];
            let Some(source_extra) = source.extra else {
                continue;
            };
            let more = source_extra - extra;
            let reach = match layer.spec.op {
                Op::Dense => layer.b.len(),
                Op::Conv => layer.spec.kernel.iter().product::<usize>() * layer.b.len(),
                _ => layer.spec.kernel.iter().product(),
            };
            let q = (reach.next_power_of_two().ilog2() as i32 + layer.width - 15).max(0);
            let q = if is_last && cross_entropy { 0 } else { q };
            let mut to = Delta {
                g: &mut source.g,
                mask: if source.spec.relu { &source.a } else { &[] },
                shift: match layer.spec.op {
                    Op::AveragePool => 16 - more,
                    Op::Dense | Op::Conv | Op::Depthwise => layer.fraction - q - more,
                    _ => -more,
                },
                add: source.touched,
            };
            source.touched = true;
            let g = &layer.g;
            let mut sums = vec![0; conv2d::sums_len(&conv)];
            match layer.spec.op {
                Op::Dense => of_class!(&layer.w, |w| dense::backward_input(g, w, q, &mut to)),
                Op::Conv => of_class!(&layer.w, |w| {
                    let argmax = &layer.winners;
                    conv2d::backward_input(&conv, g, argmax, w, q, &mut sums, &mut to)
                }),
                Op::Depthwise => of_class!(&layer.w, |w| depthwise::backward_input(
                    &conv, g, w, q, &mut sums, &mut to
                )),
                Op::MaxPool => pool::max_backward(&pool, g, &layer.winners, &mut to),
                Op::AveragePool => pool::average_backward(&pool, g, &mut to),
                Op::Add => to.pass(g),
            }
        }
    }

    fn update(&mut self, i: usize, complete: bool) {
        let fin = self.fraction_of(self.layers[i].from[0]);
        let (before, rest) = self.layers.split_at_mut(i);
        let layer = &mut rest[0];
        let x = &before[layer.from[0]].a;
        let fraction = 15 + i32::from(self.rate.shift) + layer.extra.expect("a delta");
        let shift = fraction + fin - layer.fraction;
        let limit = (1 << layer.width) - 1;
        let step = Step::new(self.step, layer.number, shift, limit);
        let bias_shift = fraction - layer.fraction - bias::FRACTION;
        let conv = layer.conv();
        let mut tile = vec![0; conv2d::tile_len(&conv)];
        let outputs = layer.b.len();
        let (op, g, winners) = (layer.spec.op, &layer.g, &layer.winners);
        if layer.sums.is_empty() {
            of_class!(&mut layer.w, |w| {
                let mut sink = Update { w, step };
                deliver(op, &conv, x, g, winners, &mut tile, &mut sink);
            });
            bias::update(&layer.g, &mut layer.b, bias_shift);
        } else {
            let sums = &mut layer.sums;
            deliver(op, &conv, x, g, winners, &mut tile, &mut Sum { sums });
            bias::accumulate(&layer.g, &mut layer.bias_sums);
            if complete {
                let sums = &mut layer.sums;
                of_class!(&mut layer.w, |w| update::apply(sums, w, outputs, step));
                bias::apply(&mut layer.bias_sums, &mut layer.b, bias_shift);
            }
        }
        if let Some((decay, period)) = self.decay
            && complete
            && self.step.is_multiple_of(1 << period)
        {
            let number = layer.number;
            of_class!(&mut layer.w, |w| decay.apply(w, outputs, self.step, number));
        }
    }
}

fn deliver(
    op: Op,
    conv: &Conv2d,
    x: &[i8],
    g: &[i16],
    winners: &[u8],
    tile: &mut [i32],
    sink: &mut impl Sink,
) {
    match op {
        Op::Dense => dense::backward_weights(x, g, sink),
        Op::Conv => conv2d::backward_weights(conv, x, g, winners, tile, sink),
        _ => depthwise::backward_weights(conv, x, g, sink),
    }
}
