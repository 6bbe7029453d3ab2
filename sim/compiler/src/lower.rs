//! From stages to lists of kernel calls: forward, and backward by reverse-mode differentiation.
//!
//! Only what leads from the loss to a trained parameter is differentiated. A layer's gradient to its
//! input is taken before its weights move, and its weights move as soon as their gradient exists.

use crate::graph::Op;
use crate::options::LossSpec;
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel, RuleKind};

/// A tensor that lives for part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Temporary {
    /// Bytes.
    pub bytes: usize,
    /// What it is for.
    pub kind: TemporaryKind,
    /// The layer that it belongs to.
    pub layer: String,
}

/// What a temporary is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporaryKind {
    /// What a layer computes, and the index of its maxima.
    Activation,
    /// The gradient of the loss with respect to what a layer computes.
    Delta,
    /// Room that one kernel works in.
    Scratch,
}

/// Weights or bias of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// Its weights.
    Weights,
    /// Its bias.
    Bias,
}

/// Where an operand lies, before addresses are settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// Nowhere.
    Absent,
    /// A temporary of this list.
    Temporary(usize),
    /// A parameter: in RAM where it is trained, in flash where not.
    Parameter(StageId, Part),
    /// The optimiser's state of a trained parameter, first or second.
    State(StageId, Part, usize),
    /// The gradient buffer of a trained parameter.
    Gradient(StageId, Part),
    /// The gradient buffers of all of them.
    AllGradients,
    /// Scale of the input's normalisation.
    InputScale,
    /// Shift of the input's normalisation.
    InputShift,
    /// Scale of a frozen batch normalisation.
    Scale(StageId),
    /// Shift of a frozen batch normalisation.
    Shift(StageId),
    /// The sample at hand.
    Sample,
}

/// A call whose operands are symbols.
#[derive(Clone, Debug)]
pub struct SymbolicCall {
    /// Kernel and dimensions.
    pub call: Call,
    /// Its operands.
    pub operands: Vec<Symbol>,
    /// The stage that it works for.
    pub stage: StageId,
}

/// A list under construction.
#[derive(Debug, Default)]
pub struct Listing {
    /// The calls so far.
    pub calls: Vec<SymbolicCall>,
    /// Their temporaries.
    pub temporaries: Vec<Temporary>,
}

/// What lowering needs to know besides the stages.
pub struct Lowering<'a> {
    /// The stages.
    pub stages: &'a [Stage],
    /// The loss.
    pub loss: LossSpec,
    /// What weight gradients become.
    pub rule: RuleKind,
    /// Channels of the input's normalisation: 1, or as many as the image has.
    pub input_channels: usize,
    /// Whether a black pixel is exactly zero.
    pub input_has_zeros: bool,
}

/// *Infer*: the list, how many calls of it extract, and where features and outputs are left.
pub struct Inference {
    /// The list.
    pub listing: Listing,
    /// Calls up to the boundary.
    pub extract: usize,
    /// What the boundary stage computes.
    pub features: Symbol,
    /// What the last stage computes.
    pub outputs: Symbol,
}

impl Listing {
    fn temporary(&mut self, bytes: usize, kind: TemporaryKind, layer: &str) -> Symbol {
        self.temporaries.push(Temporary {
            bytes,
            kind,
            layer: layer.to_owned(),
        });
        Symbol::Temporary(self.temporaries.len() - 1)
    }

    fn floats(&mut self, len: usize, kind: TemporaryKind, layer: &str) -> Symbol {
        self.temporary(len * 4, kind, layer)
    }

    fn emit(&mut self, stage: StageId, call: Call, operands: &[Symbol]) {
        self.calls.push(SymbolicCall {
            call,
            operands: operands.to_vec(),
            stage,
        });
    }
}

/// A call that carries nothing but a length.
fn flat(kernel: Kernel, len: usize) -> Call {
    let mut call = Call::new(kernel);
    call.set_len(len);
    call
}

impl Lowering<'_> {
    /// The list that infers; `boundary` is where the frozen extractor ends.
    pub fn infer(&self, boundary: StageId) -> Inference {
        let mut forward = Forward::new(self, false, None);
        let mut extract = 0;
        for id in 0..self.stages.len() {
            forward.stage(id);
            if id == boundary {
                extract = forward.listing.calls.len();
            }
        }
        let features = forward.values[boundary];
        let outputs = forward.values[self.stages.len() - 1];
        Inference {
            listing: forward.listing,
            extract,
            features,
            outputs,
        }
    }

    /// The list that learns. It starts from the raw sample, or, with `from_features`, from what the
    /// boundary stage computed.
    pub fn learn(&self, boundary: StageId, from_features: bool) -> Listing {
        let requires = self.requires_gradient(boundary);
        let mut forward = Forward::new(self, true, Some(&requires));
        let first = if from_features {
            forward.values[boundary] = Symbol::Sample;
            boundary + 1
        } else {
            0
        };
        (first..self.stages.len()).for_each(|id| forward.stage(id));
        let Forward {
            mut listing,
            values,
            indices,
            ..
        } = forward;
        let mut backward = Backward {
            lowering: self,
            requires: &requires,
            values: &values,
            indices: &indices,
            gradients: vec![Symbol::Absent; self.stages.len()],
        };
        backward.run(&mut listing, boundary);
        listing
    }

    /// The list that applies a batch; empty where updates are applied at once.
    pub fn apply(
        &self,
        rule: RuleKind,
        clip_norm: Option<f32>,
        parameters: &[(StageId, Part, usize)],
    ) -> Listing {
        let mut listing = Listing::default();
        if self.rule != RuleKind::Accumulate {
            return listing;
        }
        let last = self.stages.len() - 1;
        if let Some(norm) = clip_norm {
            let total = parameters.iter().map(|p| p.2).sum();
            let call = Call {
                scalar: norm,
                ..flat(Kernel::ClipNorm, total)
            };
            listing.emit(last, call, &[Symbol::AllGradients]);
        }
        for &(stage, part, len) in parameters {
            let call = Call {
                rule,
                ..flat(Kernel::Apply, len)
            };
            let state = |i| {
                if i < rule.state_floats() {
                    Symbol::State(stage, part, i)
                } else {
                    Symbol::Absent
                }
            };
            let operands = [
                Symbol::Parameter(stage, part),
                Symbol::Gradient(stage, part),
                state(0),
                state(1),
            ];
            listing.emit(stage, call, &operands);
        }
        listing
    }

    /// Whether a trained parameter lies at or before each stage, behind the boundary.
    fn requires_gradient(&self, boundary: StageId) -> Vec<bool> {
        let mut requires = vec![false; self.stages.len()];
        for id in boundary + 1..self.stages.len() {
            let stage = &self.stages[id];
            requires[id] = stage.trained.any() || stage.inputs.iter().any(|&i| requires[i]);
        }
        requires
    }

    /// Softmax or sigmoid at the end are part of a loss that takes logits.
    fn fused_into_loss(&self, id: StageId) -> bool {
        let last = id == self.stages.len() - 1;
        let softmax = matches!(self.loss, LossSpec::CrossEntropy | LossSpec::Damped);
        last && match self.stages[id].op {
            Op::Softmax => softmax,
            Op::Activation(Activation::Sigmoid) => self.loss == LossSpec::BinaryCrossEntropy,
            _ => false,
        }
    }

    /// The fused activation of a stage, left out where it is part of the loss.
    fn activation(&self, id: StageId) -> Activation {
        let stage = &self.stages[id];
        let last = id == self.stages.len() - 1;
        let in_loss = last
            && stage.activation == Activation::Sigmoid
            && self.loss == LossSpec::BinaryCrossEntropy;
        if in_loss {
            Activation::None
        } else {
            stage.activation
        }
    }

    /// Whether zeros among the outputs of a stage are frequent and exact.
    fn has_zeros(&self, id: StageId) -> bool {
        let stage = &self.stages[id];
        let rectifies = |a: Activation| matches!(a, Activation::Relu | Activation::Relu6);
        match stage.op {
            Op::Input => self.input_has_zeros,
            Op::Activation(a) => rectifies(a),
            Op::MaxPool(_) | Op::Dropout(_) => self.has_zeros(stage.inputs[0]),
            _ => rectifies(stage.activation),
        }
    }
}

struct Forward<'a> {
    lowering: &'a Lowering<'a>,
    listing: Listing,
    values: Vec<Symbol>,
    /// Index of the maxima, or mask of the dropout, of a stage.
    indices: Vec<Symbol>,
    training: bool,
    requires: Option<&'a [bool]>,
}

impl<'a> Forward<'a> {
    fn new(lowering: &'a Lowering<'a>, training: bool, requires: Option<&'a [bool]>) -> Self {
        let none = vec![Symbol::Absent; lowering.stages.len()];
        let listing = Listing::default();
        Self {
            lowering,
            listing,
            values: none.clone(),
            indices: none,
            training,
            requires,
        }
    }

    /// Whether the backward pass goes through stage `id`.
    fn differentiated(&self, id: StageId) -> bool {
        self.requires.is_some_and(|r| r[id])
    }

    /// Whether the backward pass goes through stage `id` to what feeds it.
    fn passes_on(&self, id: StageId) -> bool {
        let inputs = &self.lowering.stages[id].inputs;
        self.requires.is_some_and(|r| inputs.iter().any(|&i| r[i]))
    }

    fn stage(&mut self, id: StageId) {
        let lowering = self.lowering;
        let stage = &lowering.stages[id];
        let name = stage.name.as_str();
        let x = stage
            .inputs
            .first()
            .map_or(Symbol::Sample, |&i| self.values[i]);
        let len = stage.shape.len();
        let weights = Symbol::Parameter(id, Part::Weights);
        let has_bias = stage.op.parameters().is_some_and(|(_, b)| b.is_some());
        let bias = if has_bias {
            Symbol::Parameter(id, Part::Bias)
        } else {
            Symbol::Absent
        };
        let activation = TemporaryKind::Activation;
        self.values[id] = match &stage.op {
            Op::Input => {
                let y = self.listing.floats(len, activation, name);
                let mut call = flat(Kernel::Normalise, len);
                call.dims[2] = lowering.input_channels as u16;
                self.listing
                    .emit(id, call, &[x, Symbol::InputScale, Symbol::InputShift, y]);
                y
            }
            Op::Dense { .. } => {
                let y = self.listing.floats(len, activation, name);
                let mut call = Call::new(Kernel::Dense);
                call.activation = lowering.activation(id);
                call.dims[0] = stage.input.len() as u16;
                call.dims[1] = len as u16;
                call.flags = if lowering.has_zeros(stage.inputs[0]) {
                    SKIP_ZEROS
                } else {
                    0
                };
                self.listing.emit(id, call, &[x, weights, bias, y]);
                y
            }
            Op::Conv2d { .. } | Op::Depthwise { .. } => {
                let y = self.listing.floats(len, activation, name);
                let depthwise = matches!(stage.op, Op::Depthwise { .. });
                let kernel = if depthwise {
                    Kernel::Depthwise
                } else {
                    Kernel::Conv2d
                };
                let mut call = self.windowed(kernel, id);
                call.activation = lowering.activation(id);
                if depthwise {
                    self.listing.emit(id, call, &[x, weights, bias, y]);
                } else {
                    // A bias gradient needs no maxima.
                    let wanted =
                        self.passes_on(id) || (self.differentiated(id) && stage.trained.weights);
                    let indexed = stage.pool != (1, 1) && wanted;
                    let argmax = if indexed {
                        self.listing.temporary(len, activation, name)
                    } else {
                        Symbol::Absent
                    };
                    self.indices[id] = argmax;
                    self.listing.emit(id, call, &[x, weights, bias, y, argmax]);
                }
                y
            }
            Op::MaxPool(_) => {
                let y = self.listing.floats(len, activation, name);
                let argmax = if self.passes_on(id) {
                    self.listing.temporary(len, activation, name)
                } else {
                    Symbol::Absent
                };
                self.indices[id] = argmax;
                let call = self.windowed(Kernel::MaxPool, id);
                self.listing.emit(id, call, &[x, y, argmax]);
                y
            }
            Op::AveragePool(_) => {
                let y = self.listing.floats(len, activation, name);
                let call = self.windowed(Kernel::AveragePool, id);
                self.listing.emit(id, call, &[x, y]);
                y
            }
            Op::BatchNorm { scale, .. } => {
                let y = self.listing.floats(len, activation, name);
                let mut call = flat(Kernel::ChannelAffine, len);
                call.dims[2] = scale.len() as u16;
                self.listing
                    .emit(id, call, &[x, Symbol::Scale(id), Symbol::Shift(id), y]);
                y
            }
            Op::Add => {
                let y = self.listing.floats(len, activation, name);
                let mut other = self.values[stage.inputs[1]];
                // The operands of a call lie apart, even if they are the same numbers.
                if other == x && matches!(x, Symbol::Temporary(_)) {
                    other = self.listing.floats(len, activation, name);
                    self.listing.emit(id, flat(Kernel::Copy, len), &[x, other]);
                }
                self.listing
                    .emit(id, flat(Kernel::Add, len), &[x, other, y]);
                y
            }
            Op::Activation(_) | Op::Softmax if lowering.fused_into_loss(id) => x,
            Op::Activation(kind) => {
                let y = self.writable(id, false);
                let call = Call {
                    activation: *kind,
                    ..flat(Kernel::Activation, len)
                };
                self.listing.emit(id, call, &[y]);
                y
            }
            Op::Softmax => {
                let y = self.writable(id, false);
                self.listing.emit(id, flat(Kernel::Softmax, len), &[y]);
                y
            }
            Op::Dropout(rate) if self.training && self.differentiated(id) && *rate > 0.0 => {
                let y = self.writable(id, true);
                let mask = self.listing.temporary(len.div_ceil(8), activation, name);
                self.indices[id] = mask;
                let call = Call {
                    scalar: *rate,
                    ..flat(Kernel::Dropout, len)
                };
                self.listing.emit(id, call, &[y, mask]);
                y
            }
            Op::Dropout(_) | Op::Flatten => x,
        };
    }

    fn windowed(&self, kernel: Kernel, id: StageId) -> Call {
        let mut call = Call::new(kernel);
        if let Some(g) = self.lowering.stages[id].geometry() {
            call.set_conv2d(&g);
        }
        call
    }

    /// The input of an in-place stage, copied first where someone else still needs it as it is.
    /// `keeps_signs`: what the stage does changes neither signs nor zeros into others.
    fn writable(&mut self, id: StageId, keeps_signs: bool) -> Symbol {
        let lowering = self.lowering;
        let before = lowering.stages[id].inputs[0];
        let x = self.values[before];
        let consumers = lowering
            .stages
            .iter()
            .flat_map(|s| &s.inputs)
            .filter(|&&i| i == before)
            .count();
        let producer = &lowering.stages[before];
        let derivative_from_output = match producer.op {
            Op::Activation(a) => a,
            Op::Softmax => Activation::Sigmoid,
            _ => lowering.activation(before),
        };
        let survives = match derivative_from_output {
            Activation::None => true,
            Activation::Relu | Activation::LeakyRelu(_) => keeps_signs,
            _ => false,
        };
        // A stage that moves nothing hands its input through, so its own producer must agree as well.
        let transparent = matches!(producer.op, Op::Dropout(_) | Op::Flatten);
        let free = matches!(x, Symbol::Temporary(_))
            && consumers == 1
            && !transparent
            && (survives || !self.differentiated(before));
        if free {
            return x;
        }
        let stage = &lowering.stages[id];
        let len = stage.shape.len();
        let y = self
            .listing
            .floats(len, TemporaryKind::Activation, &stage.name);
        self.listing.emit(id, flat(Kernel::Copy, len), &[x, y]);
        y
    }
}

struct Backward<'a> {
    lowering: &'a Lowering<'a>,
    requires: &'a [bool],
    values: &'a [Symbol],
    indices: &'a [Symbol],
    /// The gradient with respect to the output of each stage, as far as it is known.
    gradients: Vec<Symbol>,
}

impl Backward<'_> {
    fn run(&mut self, listing: &mut Listing, boundary: StageId) {
        let last = self.lowering.stages.len() - 1;
        let outputs = self.lowering.stages[last].shape.len();
        let name = &self.lowering.stages[last].name;
        let delta = listing.floats(outputs, TemporaryKind::Delta, name);
        let mut call = flat(Kernel::Loss, outputs);
        call.dims[2] = self.lowering.loss.code();
        listing.emit(last, call, &[self.values[last], delta]);
        self.gradients[last] = delta;
        for id in (boundary + 1..=last).rev() {
            if self.requires[id] {
                self.stage(listing, id);
            }
        }
    }

    fn stage(&mut self, listing: &mut Listing, id: StageId) {
        let lowering = self.lowering;
        let stage = &lowering.stages[id];
        let len = stage.shape.len();
        let delta = self.gradients[id];
        let y = self.values[id];
        let x = self.values[stage.inputs[0]];
        let index = self.indices[id];
        let weights = Symbol::Parameter(id, Part::Weights);
        let fused = lowering.activation(id);
        if fused != Activation::None {
            let call = Call {
                activation: fused,
                ..flat(Kernel::ActivationBackward, len)
            };
            listing.emit(id, call, &[y, delta]);
        }
        let windowed = |kernel| {
            let mut call = Call::new(kernel);
            if let Some(g) = stage.geometry() {
                call.set_conv2d(&g);
            }
            call
        };
        match &stage.op {
            Op::Dense { .. } => {
                let dense = |kernel| {
                    let mut call = Call::new(kernel);
                    call.dims[0] = stage.input.len() as u16;
                    call.dims[1] = len as u16;
                    call
                };
                self.pass_back(
                    listing,
                    id,
                    dense(Kernel::DenseBackwardInput),
                    &[delta, weights],
                );
                if stage.trained.weights {
                    let mut call = dense(Kernel::DenseBackwardWeights);
                    call.flags = if lowering.has_zeros(stage.inputs[0]) {
                        SKIP_ZEROS
                    } else {
                        0
                    };
                    self.update(listing, id, Part::Weights, call, &[x, delta], len);
                }
            }
            Op::Conv2d { .. } => {
                let call = windowed(Kernel::Conv2dBackwardInput);
                self.pass_back(listing, id, call, &[delta, index, weights]);
                if stage.trained.weights {
                    let call = windowed(Kernel::Conv2dBackwardWeights);
                    let tile = conv2d::tile_len(&call.conv2d());
                    self.update(listing, id, Part::Weights, call, &[x, delta, index], tile);
                }
            }
            Op::Depthwise { weights: w, .. } => {
                let call = windowed(Kernel::DepthwiseBackwardInput);
                self.pass_back(listing, id, call, &[delta, weights]);
                if stage.trained.weights {
                    let call = windowed(Kernel::DepthwiseBackwardWeights);
                    self.update(listing, id, Part::Weights, call, &[x, delta], w.len());
                }
            }
            Op::MaxPool(_) => {
                self.pass_back(
                    listing,
                    id,
                    windowed(Kernel::MaxPoolBackward),
                    &[delta, index],
                );
            }
            Op::AveragePool(_) => {
                self.pass_back(listing, id, windowed(Kernel::AveragePoolBackward), &[delta]);
            }
            Op::BatchNorm { scale, .. } => {
                let mut call = flat(Kernel::ChannelAffineBackward, len);
                call.dims[2] = scale.len() as u16;
                listing.emit(id, call, &[Symbol::Scale(id), delta]);
                self.hand_on(listing, id, stage.inputs[0], false);
            }
            Op::Activation(kind) => {
                if !lowering.fused_into_loss(id) {
                    let call = Call {
                        activation: *kind,
                        ..flat(Kernel::ActivationBackward, len)
                    };
                    listing.emit(id, call, &[y, delta]);
                }
                self.hand_on(listing, id, stage.inputs[0], false);
            }
            Op::Softmax => {
                if !lowering.fused_into_loss(id) {
                    listing.emit(id, flat(Kernel::SoftmaxBackward, len), &[y, delta]);
                }
                self.hand_on(listing, id, stage.inputs[0], false);
            }
            Op::Add => {
                let both = stage.inputs.iter().all(|&i| self.requires[i]);
                self.hand_on(listing, id, stage.inputs[1], both);
                self.hand_on(listing, id, stage.inputs[0], false);
            }
            Op::Dropout(rate) => {
                if index != Symbol::Absent {
                    let call = Call {
                        scalar: *rate,
                        ..flat(Kernel::DropoutBackward, len)
                    };
                    listing.emit(id, call, &[index, delta]);
                }
                self.hand_on(listing, id, stage.inputs[0], false);
            }
            Op::Input | Op::Flatten => {}
        }
        if stage.trained.bias {
            let channels = stage
                .op
                .parameters()
                .and_then(|(_, b)| b)
                .map_or(1, <[f32]>::len);
            let mut call = Call::new(Kernel::BiasBackward);
            call.dims[0] = (len / channels) as u16;
            call.dims[1] = channels as u16;
            self.update(listing, id, Part::Bias, call, &[delta], channels);
        }
    }

    /// Emits `call`, whose last operand is the gradient of the stage's input, if that is wanted.
    fn pass_back(&mut self, listing: &mut Listing, id: StageId, call: Call, operands: &[Symbol]) {
        let before = self.lowering.stages[id].inputs[0];
        if !self.requires[before] {
            return;
        }
        let len = self.lowering.stages[before].shape.len();
        let name = &self.lowering.stages[before].name;
        let dx = listing.floats(len, TemporaryKind::Delta, name);
        let mut operands = operands.to_vec();
        operands.push(dx);
        listing.emit(id, call, &operands);
        self.add_gradient(listing, id, before, dx);
    }

    /// The gradient of `id` is, unchanged, a gradient of its input `before`.
    fn hand_on(&mut self, listing: &mut Listing, id: StageId, before: StageId, copied: bool) {
        if !self.requires[before] {
            return;
        }
        let delta = self.gradients[id];
        let first = self.gradients[before] == Symbol::Absent;
        if copied && first {
            let len = self.lowering.stages[before].shape.len();
            let name = &self.lowering.stages[before].name;
            let copy = listing.floats(len, TemporaryKind::Delta, name);
            listing.emit(id, flat(Kernel::Copy, len), &[delta, copy]);
            self.gradients[before] = copy;
        } else {
            self.add_gradient(listing, id, before, delta);
        }
    }

    fn add_gradient(&mut self, listing: &mut Listing, id: StageId, before: StageId, dx: Symbol) {
        if self.gradients[before] == Symbol::Absent {
            self.gradients[before] = dx;
        } else {
            let len = self.lowering.stages[before].shape.len();
            let sum = self.gradients[before];
            listing.emit(id, flat(Kernel::AddAssign, len), &[dx, sum]);
        }
    }

    fn update(
        &self,
        listing: &mut Listing,
        id: StageId,
        part: Part,
        mut call: Call,
        operands: &[Symbol],
        tile: usize,
    ) {
        let rule = self.lowering.rule;
        call.rule = rule;
        let name = &self.lowering.stages[id].name;
        let tile = listing.floats(tile, TemporaryKind::Scratch, name);
        let mut operands = operands.to_vec();
        if rule == RuleKind::Accumulate {
            operands.extend([Symbol::Absent, tile, Symbol::Gradient(id, part)]);
        } else {
            operands.extend([Symbol::Parameter(id, part), tile]);
            operands.extend((0..rule.state_floats()).map(|i| Symbol::State(id, part, i)));
        }
        listing.emit(id, call, &operands);
    }
}
