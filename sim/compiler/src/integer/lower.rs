//! The lists of calls of a network in integers.

use super::Formats;
use crate::forward::Forward;
use crate::listing::{Listing, Part, Symbol, TemporaryKind, flat, windowed};
use crate::lower::Inference;
use crate::ops::Op;
use crate::options::LossSpec;
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::kernels::int::conv2d::{index_len, sums_len, tile_len};
use runtime_shared::kernels::int::record::WORDS;
use runtime_shared::program::{Call, Element, Kernel, RuleKind};

/// What lowering needs to know.
pub struct Lowering<'a> {
    /// How a frozen extractor computes.
    pub floats: &'a crate::lower::Lowering<'a>,
    /// The stages.
    pub stages: &'a [Stage],
    /// Their formats.
    pub formats: &'a Formats,
    /// The loss.
    pub loss: LossSpec,
    /// Whether gradients are accumulated.
    pub rule: RuleKind,
    /// Whether weights decay.
    pub decays: bool,
}

/// A list under construction.
struct Pass<'a> {
    of: &'a Lowering<'a>,
    listing: Listing,
    values: Vec<Symbol>,
    indices: Vec<Symbol>,
    deltas: Vec<Symbol>,
    /// Whether what is clipped counts, and the index of maxima is needed.
    learns: bool,
}

impl Lowering<'_> {
    fn pass(&self, learns: bool) -> Pass<'_> {
        let none = vec![Symbol::Absent; self.stages.len()];
        Pass {
            of: self,
            listing: Listing::default(),
            values: none.clone(),
            indices: none.clone(),
            deltas: none,
            learns,
        }
    }

    /// The list that infers.
    pub fn infer(&self) -> Inference {
        let mut pass = self.pass(false);
        let cut = self.formats.cut;
        let mut extract = 0;
        if cut > 0 {
            self.extract(&mut pass, cut);
            extract = pass.listing.calls.len();
        }
        let first = if cut > 0 { cut + 1 } else { 0 };
        for id in first..=self.formats.logits {
            pass.forward(id);
        }
        let logits = self.formats.logits;
        let count = self.stages[logits].shape.len();
        let outputs = pass
            .listing
            .floats(count, TemporaryKind::Activation, logits);
        let operands = [pass.values[logits], outputs, pass.record(logits)];
        let call = flat(Kernel::IntOutputs, count);
        pass.listing.emit(logits, call, &operands);
        Inference {
            extract,
            features: pass.values[cut],
            outputs,
            listing: pass.listing,
        }
    }

    /// Emits the extractor in floats, and what makes integers of its output.
    fn extract(&self, pass: &mut Pass<'_>, cut: StageId) {
        let mut forward = Forward::new(self.floats, None);
        (0..=cut).for_each(|id| forward.run(id));
        let floats = forward.values[cut];
        pass.listing = forward.listing;
        let len = self.stages[cut].shape.len();
        let features = pass.temporary(Element::I8, len, TemporaryKind::Activation, cut);
        let mut call = flat(Kernel::IntFromFloats, len);
        call.dims[2] = u16::from(self.formats.input);
        pass.listing.emit(cut, call, &[floats, features]);
        pass.values[cut] = features;
    }

    /// The list that learns, from the sample or from stored features.
    pub fn learn(&self) -> Listing {
        let mut pass = self.pass(true);
        let cut = self.formats.cut;
        let first = if cut > 0 {
            pass.values[cut] = Symbol::Sample;
            cut + 1
        } else {
            0
        };
        let logits = self.formats.logits;
        (first..=logits).for_each(|id| pass.forward(id));
        let count = self.stages[logits].shape.len();
        let delta = pass.temporary(Element::I16, count, TemporaryKind::Delta, logits);
        let mut call = flat(Kernel::IntLoss, count);
        call.dims[2] = u16::from(self.loss == LossSpec::Mse);
        call.scalar = self.formats.rate_factor;
        let operands = [pass.values[logits], delta, pass.record(logits)];
        pass.listing.emit(logits, call, &operands);
        pass.deltas[logits] = delta;
        for id in (first..=logits).rev() {
            if pass.deltas[id] == Symbol::Absent {
                continue;
            }
            match self.formats.of[id].alias {
                Some(from) => pass.deltas[from] = pass.deltas[id],
                None => {
                    pass.backward(id);
                    pass.update(id);
                }
            }
        }
        if self.rule != RuleKind::Accumulate {
            self.settle(&mut pass.listing);
        }
        pass.listing
    }

    /// The list that applies a batch; empty where updates are applied at once.
    pub fn apply(&self, parameters: &[(StageId, Part, usize)]) -> Listing {
        let mut listing = Listing::default();
        if self.rule != RuleKind::Accumulate {
            return listing;
        }
        for &(id, part, len) in parameters.iter().rev() {
            let kernel = match part {
                Part::Weights => Kernel::IntApply,
                Part::Bias => Kernel::IntBiasApply,
            };
            let mut call = flat(kernel, len);
            call.dims[2] = self.outputs(id) as u16;
            call.element = self.formats.of[id].class;
            call.scalar = self.formats.rate_factor;
            let record = Symbol::Record(self.formats.of[id].record.unwrap_or(0));
            let operands = [
                Symbol::Gradient(id, part),
                Symbol::Parameter(id, part),
                record,
            ];
            listing.emit(id, call, &operands);
            if part == Part::Weights {
                self.decay(&mut listing, id, len);
            }
        }
        self.settle(&mut listing);
        listing
    }

    fn outputs(&self, id: StageId) -> usize {
        match &self.stages[id].op {
            Op::Conv2d(conv) => conv.filters,
            _ => self.stages[id].shape.c,
        }
    }

    fn decay(&self, listing: &mut Listing, id: StageId, len: usize) {
        if self.decays {
            let mut call = flat(Kernel::IntDecay, len);
            call.dims[2] = self.outputs(id) as u16;
            call.element = self.formats.of[id].class;
            let record = Symbol::Record(self.formats.of[id].record.unwrap_or(0));
            listing.emit(id, call, &[Symbol::Parameter(id, Part::Weights), record]);
        }
    }

    fn settle(&self, listing: &mut Listing) {
        let words = self.formats.records.len() * WORDS;
        let call = flat(Kernel::IntSettle, words);
        listing.emit(self.formats.logits, call, &[Symbol::Records]);
    }
}

impl Pass<'_> {
    fn temporary(
        &mut self,
        element: Element,
        len: usize,
        kind: TemporaryKind,
        id: StageId,
    ) -> Symbol {
        self.listing.temporary(element.bytes(len), kind, id)
    }

    fn record(&self, id: StageId) -> Symbol {
        Symbol::Record(self.of.formats.of[id].record.unwrap_or(0))
    }

    fn stage(&self, id: StageId) -> &Stage {
        &self.of.stages[id]
    }

    /// A call of a stage with weights: its geometry and its class.
    fn weighted(&self, kernels: [Kernel; 3], id: StageId) -> Call {
        let stage = self.stage(id);
        let mut call = match &stage.op {
            Op::Conv2d(conv) => windowed(
                kernels[1],
                &conv.window,
                stage.input(),
                conv.filters,
                stage.pool,
            ),
            Op::Depthwise(depthwise) => windowed(
                kernels[2],
                &depthwise.window,
                stage.input(),
                stage.input().c,
                (1, 1),
            ),
            _ => {
                let mut call = Call::new(kernels[0]);
                call.dims[0] = stage.input().len() as u16;
                call.dims[1] = stage.shape.c as u16;
                call
            }
        };
        call.element = self.of.formats.of[id].class;
        call
    }

    fn geometry(&self, id: StageId) -> Conv2d {
        self.weighted(
            [Kernel::IntDense, Kernel::IntConv2d, Kernel::IntDepthwise],
            id,
        )
        .conv2d()
    }

    fn forward(&mut self, id: StageId) {
        let stage = &self.of.stages[id];
        let (len, format) = (stage.shape.len(), &self.of.formats.of[id]);
        if let Some(from) = format.alias {
            self.values[id] = self.values[from];
            return;
        }
        let input = |nth: usize, values: &[Symbol]| {
            stage.inputs.get(nth).map_or(Symbol::Sample, |&i| values[i])
        };
        let (x, second) = (input(0, &self.values), input(1, &self.values));
        let is_logits = id == self.of.formats.logits;
        let element = if is_logits { Element::I32 } else { Element::I8 };
        let y = self.temporary(element, len, TemporaryKind::Activation, id);
        self.values[id] = y;
        let pooled = stage.pool != (1, 1) || matches!(stage.op, Op::MaxPool(_));
        let passes = stage.trained.any()
            || stage
                .inputs
                .iter()
                .any(|&i| self.of.formats.of[i].extra.is_some());
        if pooled && self.learns && format.extra.is_some() && passes {
            let bytes = match &stage.op {
                Op::Conv2d(_) => index_len(&self.geometry(id)),
                _ => len,
            };
            self.indices[id] = self.temporary(Element::U8, bytes, TemporaryKind::Activation, id);
        }
        let index = self.indices[id];
        let bias = match stage.parameters.as_ref().and_then(|p| p.bias.as_ref()) {
            Some(_) => Symbol::Parameter(id, Part::Bias),
            None => Symbol::Absent,
        };
        let w = Symbol::Parameter(id, Part::Weights);
        let record = self.record(id);
        let (mut call, operands) = match &stage.op {
            Op::Input(_) => {
                let mut call = flat(Kernel::IntLookUp, len);
                call.dims[2] = stage.shape.c as u16;
                (call, vec![Symbol::Sample, Symbol::Table, y])
            }
            Op::Dense(_) => {
                let kernel = if is_logits {
                    Kernel::IntLogits
                } else {
                    Kernel::IntDense
                };
                let call = self.weighted([kernel, kernel, kernel], id);
                let mut operands = vec![x, w, bias, y, record];
                if !is_logits {
                    let scratch = TemporaryKind::Scratch;
                    operands.push(self.temporary(Element::I32, len, scratch, id));
                }
                (call, operands)
            }
            Op::Conv2d(_) => {
                let call = self.weighted([Kernel::IntConv2d; 3], id);
                (call, vec![x, w, bias, y, index, record])
            }
            Op::Depthwise(_) => {
                let call = self.weighted([Kernel::IntDepthwise; 3], id);
                (call, vec![x, w, bias, y, record])
            }
            Op::MaxPool(pool) => {
                let call = windowed(
                    Kernel::IntMaxPool,
                    &pool.window,
                    stage.input(),
                    stage.input().c,
                    (1, 1),
                );
                (call, vec![x, y, index])
            }
            Op::AveragePool(pool) => {
                let c = stage.input().c;
                let call = windowed(
                    Kernel::IntAveragePool,
                    &pool.window,
                    stage.input(),
                    c,
                    (1, 1),
                );
                (call, vec![x, y, record])
            }
            Op::Add(_) => (
                flat(Kernel::IntAdd, len),
                vec![x, self.apart(id, x, second), y, record],
            ),
            _ => (flat(Kernel::IntRelu, len), vec![x, y]),
        };
        if format.relu {
            call.activation = Activation::Relu;
        }
        call.scalar = if self.learns { 1.0 } else { 0.0 };
        self.listing.emit(id, call, &operands);
    }

    /// The second term of a sum, copied where it is the first: operands of a call lie apart.
    fn apart(&mut self, id: StageId, x: Symbol, second: Symbol) -> Symbol {
        if x != second || !matches!(x, Symbol::Temporary(_)) {
            return second;
        }
        let len = self.stage(id).shape.len();
        let copy = self.temporary(Element::I8, len, TemporaryKind::Activation, id);
        let operands = [x, copy];
        // Activations that come out of a ReLU or not: nothing is below -127, and the sum undoes nothing.
        self.listing
            .emit(id, flat(Kernel::Copy, len.div_ceil(4)), &operands);
        copy
    }

    /// What masks the delta of stage `id`: what it computed, if a ReLU did.
    fn mask(&self, id: StageId) -> Symbol {
        if self.of.formats.of[id].relu {
            self.values[id]
        } else {
            Symbol::Absent
        }
    }

    /// Where the delta of stage `id`'s `nth` input goes, if it is wanted, and whether it is added there.
    fn target(&mut self, id: StageId, nth: usize) -> Option<(StageId, Symbol, bool)> {
        let from = self.stage(id).inputs[nth];
        self.of.formats.of[from].extra?;
        let there = self.deltas[from];
        if there != Symbol::Absent {
            return Some((from, there, true));
        }
        let len = self.stage(from).shape.len();
        let new = self.temporary(Element::I16, len, TemporaryKind::Delta, from);
        self.deltas[from] = new;
        Some((from, new, false))
    }

    fn backward(&mut self, id: StageId) {
        let stage = &self.of.stages[id];
        let formats = self.of.formats;
        for nth in 0..stage.inputs.len() {
            let Some((from, dx, added)) = self.target(id, nth) else {
                continue;
            };
            let (delta, mask, record) = (self.deltas[id], self.mask(from), self.record(id));
            let (w, index) = (Symbol::Parameter(id, Part::Weights), self.indices[id]);
            let drop = formats.drop(self.of.stages, id, nth);
            let kernels = [
                Kernel::IntDenseBackwardInput,
                Kernel::IntConv2dBackwardInput,
                Kernel::IntDepthwiseBackwardInput,
            ];
            let (mut call, operands) = match &stage.op {
                Op::Dense(_) => (self.weighted(kernels, id), vec![delta, w, mask, dx, record]),
                Op::Conv2d(_) | Op::Depthwise(_) => {
                    let sums = sums_len(&self.geometry(id));
                    let sums = self.temporary(Element::I32, sums, TemporaryKind::Scratch, id);
                    let call = self.weighted(kernels, id);
                    let mut operands = vec![delta, w, mask, dx, sums, record];
                    if matches!(stage.op, Op::Conv2d(_)) {
                        operands.insert(1, index);
                    }
                    (call, operands)
                }
                Op::MaxPool(pool) => {
                    let kernel = Kernel::IntMaxPoolBackward;
                    let mut call =
                        windowed(kernel, &pool.window, stage.input(), stage.input().c, (1, 1));
                    call.dims[12] = drop as i16 as u16;
                    (call, vec![delta, index, mask, dx])
                }
                Op::AveragePool(pool) => {
                    let kernel = Kernel::IntAveragePoolBackward;
                    let mut call =
                        windowed(kernel, &pool.window, stage.input(), stage.input().c, (1, 1));
                    call.dims[12] = (16 + drop) as i16 as u16;
                    (call, vec![delta, mask, dx])
                }
                _ => {
                    let mut call = flat(Kernel::IntPass, stage.shape.len());
                    call.dims[2] = drop as i16 as u16;
                    (call, vec![delta, mask, dx])
                }
            };
            call.scalar = if added { 1.0 } else { 0.0 };
            self.listing.emit(id, call, &operands);
        }
    }

    fn update(&mut self, id: StageId) {
        let stage = &self.of.stages[id];
        let (delta, record) = (self.deltas[id], self.record(id));
        let x = stage
            .inputs
            .first()
            .map_or(Symbol::Sample, |&i| self.values[i]);
        let accumulates = self.of.rule == RuleKind::Accumulate;
        let place = |part: Part| {
            if accumulates {
                [Symbol::Absent, Symbol::Gradient(id, part)]
            } else {
                [Symbol::Parameter(id, part), Symbol::Absent]
            }
        };
        if stage.trained.weights {
            let kernels = [
                Kernel::IntDenseBackwardWeights,
                Kernel::IntConv2dBackwardWeights,
                Kernel::IntDepthwiseBackwardWeights,
            ];
            let mut call = self.weighted(kernels, id);
            call.rule = self.of.rule;
            call.scalar = self.of.formats.rate_factor;
            let [w, sums] = place(Part::Weights);
            let mut operands = vec![x, delta, w, sums, record];
            if matches!(stage.op, Op::Conv2d(_)) {
                let tile = tile_len(&self.geometry(id));
                let tile = self.temporary(Element::I32, tile, TemporaryKind::Scratch, id);
                operands = vec![x, delta, self.indices[id], w, sums, tile, record];
            }
            self.listing.emit(id, call, &operands);
            if !accumulates {
                let len = stage.parameters.as_ref().map_or(0, |p| p.weights.len());
                self.of.decay(&mut self.listing, id, len);
            }
        }
        if stage.trained.bias {
            let Shape { h, w, c } = stage.shape;
            let mut call = Call::new(Kernel::IntBiasBackward);
            (call.dims[0], call.dims[1]) = ((h * w) as u16, c as u16);
            call.rule = self.of.rule;
            call.scalar = self.of.formats.rate_factor;
            let [b, sums] = place(Part::Bias);
            self.listing.emit(id, call, &[delta, b, sums, record]);
        }
    }
}
