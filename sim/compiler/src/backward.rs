//! The backward pass under construction: reverse-mode differentiation, stage by stage from the loss.

use crate::forward::Forward;
use crate::listing::{Listing, Part, Symbol, TemporaryKind, flat};
use crate::lower::Lowering;
use crate::options::Target;
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Kernel, RuleKind};

/// The second half of learning.
pub struct Backward<'a> {
    /// The stages and what was chosen.
    pub lowering: &'a Lowering<'a>,
    /// The calls so far, those of the forward pass first.
    pub listing: Listing,
    requires: &'a [bool],
    values: Vec<Symbol>,
    indices: Vec<Symbol>,
    /// The gradient with respect to the output of each stage, as far as it is known.
    gradients: Vec<Symbol>,
}

impl<'a> Backward<'a> {
    /// Goes on where `forward` ended.
    pub fn new(forward: Forward<'a>, requires: &'a [bool]) -> Self {
        Self {
            lowering: forward.lowering,
            gradients: vec![Symbol::Absent; forward.values.len()],
            listing: forward.listing,
            requires,
            values: forward.values,
            indices: forward.indices,
        }
    }

    /// Emits the loss, and what leads from there to the stages behind `boundary`.
    pub fn run(&mut self, boundary: StageId) {
        let last = self.lowering.stages.len() - 1;
        let outputs = self.stage(last).shape.len();
        let delta = self.listing.floats(outputs, TemporaryKind::Delta, last);
        let mut call = flat(Kernel::Loss, outputs);
        call.dims[2] = self.lowering.loss.kernel().code() as u16;
        call.scalar = self.lowering.loss.bend();
        let target = match self.lowering.target {
            Target::Class => Symbol::Absent,
            Target::Input => self.values[0],
        };
        self.emit(last, call, &[self.values[last], delta, target]);
        self.gradients[last] = delta;
        for id in (boundary + 1..=last).rev() {
            if self.requires[id] {
                self.differentiate(id);
            }
        }
    }

    fn differentiate(&mut self, id: StageId) {
        let stage = self.stage(id);
        let fused = self.lowering.activation(id);
        if fused != Activation::None {
            let call = Call {
                activation: fused,
                ..flat(Kernel::ActivationBackward, stage.shape.len())
            };
            let operands = [self.value(id), self.delta(id)];
            self.emit(id, call, &operands);
        }
        if self.lowering.is_part_of_loss(id) {
            self.hand_on(id, 0, false);
        } else {
            stage.op.operator().backward(self, id);
        }
        if stage.trained.bias {
            let bias = stage.parameters.as_ref().and_then(|p| p.bias.as_ref());
            let channels = bias.map_or(1, |b| b.len());
            let mut call = Call::new(Kernel::BiasBackward);
            call.dims[0] = (stage.shape.len() / channels) as u16;
            call.dims[1] = channels as u16;
            let delta = [self.delta(id)];
            self.update(id, Part::Bias, call, &delta, channels);
        }
    }

    /// The stage itself.
    pub fn stage(&self, id: StageId) -> &'a Stage {
        &self.lowering.stages[id]
    }

    /// Whether the gradient of the stage's `nth` input is wanted.
    pub fn requires(&self, id: StageId, nth: usize) -> bool {
        self.requires[self.stage(id).inputs[nth]]
    }

    /// What the stage computed.
    pub fn value(&self, id: StageId) -> Symbol {
        self.values[id]
    }

    /// What the stage read.
    pub fn input(&self, id: StageId) -> Symbol {
        self.nth_input(id, 0)
    }

    /// What the stage read as its `nth` input.
    pub fn nth_input(&self, id: StageId, nth: usize) -> Symbol {
        self.values[self.stage(id).inputs[nth]]
    }

    /// Index of the maxima, or mask.
    pub fn index(&self, id: StageId) -> Symbol {
        self.indices[id]
    }

    /// The gradient of the stage's output.
    pub fn delta(&self, id: StageId) -> Symbol {
        self.gradients[id]
    }

    /// The stage's weights.
    pub fn weights(&self, id: StageId) -> Symbol {
        Symbol::Parameter(id, Part::Weights)
    }

    /// Emits a call for stage `id`.
    pub fn emit(&mut self, id: StageId, call: Call, operands: &[Symbol]) {
        self.listing.emit(id, call, operands);
    }

    /// Emits `call`, whose last operand is the gradient of the stage's first input, if that is wanted.
    pub fn pass_back(&mut self, id: StageId, call: Call, operands: &[Symbol]) {
        let Some(dx) = self.gradient_of(id, 0) else {
            return;
        };
        let mut operands = operands.to_vec();
        operands.push(dx);
        self.emit(id, call, &operands);
        self.add_gradient(id, 0, dx);
    }

    /// Room for a gradient of the stage's `nth` input, if that is wanted.
    pub fn gradient_of(&mut self, id: StageId, nth: usize) -> Option<Symbol> {
        let before = self.stage(id).inputs[nth];
        let len = self.stage(before).shape.len();
        self.requires[before].then(|| self.listing.floats(len, TemporaryKind::Delta, before))
    }

    /// Room of `len` floats that stage `id` works in.
    pub fn scratch(&mut self, id: StageId, len: usize) -> Symbol {
        self.listing.floats(len, TemporaryKind::Scratch, id)
    }

    /// The gradient of `id` is, unchanged, a gradient of its `nth` input. `copied`: it goes elsewhere as well.
    pub fn hand_on(&mut self, id: StageId, nth: usize, copied: bool) {
        let before = self.stage(id).inputs[nth];
        if !self.requires[before] {
            return;
        }
        let delta = self.delta(id);
        if copied && self.gradients[before] == Symbol::Absent {
            let len = self.stage(before).shape.len();
            let copy = self.listing.floats(len, TemporaryKind::Delta, before);
            self.emit(id, flat(Kernel::Copy, len), &[delta, copy]);
            self.gradients[before] = copy;
        } else {
            self.add_gradient(id, nth, delta);
        }
    }

    /// `dx` is a gradient of the stage's `nth` input, beside those of others that read it.
    pub fn add_gradient(&mut self, id: StageId, nth: usize, dx: Symbol) {
        let before = self.stage(id).inputs[nth];
        if self.gradients[before] == Symbol::Absent {
            self.gradients[before] = dx;
        } else {
            let len = self.stage(before).shape.len();
            let sum = self.gradients[before];
            self.emit(id, flat(Kernel::AddAssign, len), &[dx, sum]);
        }
    }

    /// Emits `call`, which makes the gradient of a parameter of `operands` and moves it, with `tile` floats to
    /// work in.
    pub fn update(
        &mut self,
        id: StageId,
        part: Part,
        mut call: Call,
        operands: &[Symbol],
        tile: usize,
    ) {
        let rule = self.lowering.rule;
        call.rule = rule;
        let tile = self.listing.floats(tile, TemporaryKind::Scratch, id);
        let mut operands = operands.to_vec();
        if rule == RuleKind::Accumulate {
            operands.extend([Symbol::Absent, tile, Symbol::Gradient(id, part)]);
        } else {
            operands.extend([Symbol::Parameter(id, part), tile]);
            operands.extend((0..rule.state_floats()).map(|i| Symbol::State(id, part, i)));
        }
        self.emit(id, call, &operands);
    }
}
