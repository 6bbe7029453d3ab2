//! The forward pass under construction: what operators emit their calls into.

use crate::listing::{Listing, Part, Symbol, TemporaryKind, flat};
use crate::lower::Lowering;
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Kernel};

/// A forward pass: that of inference, or the first half of learning.
pub struct Forward<'a> {
    /// The stages and what was chosen.
    pub lowering: &'a Lowering<'a>,
    /// The calls so far.
    pub listing: Listing,
    /// Where the output of each stage is.
    pub values: Vec<Symbol>,
    /// Where the index of the maxima, or the mask of the dropout, of each stage is.
    pub indices: Vec<Symbol>,
    /// Which stages the backward pass goes through, where there is one.
    requires: Option<&'a [bool]>,
}

impl<'a> Forward<'a> {
    /// A pass without calls yet.
    pub fn new(lowering: &'a Lowering<'a>, requires: Option<&'a [bool]>) -> Self {
        let none = vec![Symbol::Absent; lowering.stages.len()];
        Self {
            lowering,
            listing: Listing::default(),
            values: none.clone(),
            indices: none,
            requires,
        }
    }

    /// Emits the calls of a stage.
    pub fn run(&mut self, id: StageId) {
        self.values[id] = if self.lowering.is_part_of_loss(id) {
            self.input(id)
        } else {
            self.lowering.stages[id].op.operator().forward(self, id)
        };
    }

    /// The stage itself.
    pub fn stage(&self, id: StageId) -> &'a Stage {
        &self.lowering.stages[id]
    }

    /// Whether the backward pass goes through stage `id`.
    pub fn is_differentiated(&self, id: StageId) -> bool {
        self.requires.is_some_and(|r| r[id])
    }

    /// Whether the backward pass goes through stage `id` to what feeds it.
    pub fn passes_on(&self, id: StageId) -> bool {
        let inputs = &self.stage(id).inputs;
        self.requires.is_some_and(|r| inputs.iter().any(|&i| r[i]))
    }

    /// What the stage reads; the sample where it reads no other stage.
    pub fn input(&self, id: StageId) -> Symbol {
        self.nth_input(id, 0)
    }

    /// What the stage reads as its `nth` input, from zero.
    pub fn nth_input(&self, id: StageId, nth: usize) -> Symbol {
        let inputs = &self.stage(id).inputs;
        inputs.get(nth).map_or(Symbol::Sample, |&i| self.values[i])
    }

    /// Both inputs of a stage that reads two. The operands of a call lie apart, even if they are the same numbers.
    pub fn two_inputs(&mut self, id: StageId) -> [Symbol; 2] {
        let [a, mut b] = [self.nth_input(id, 0), self.nth_input(id, 1)];
        if a == b && matches!(a, Symbol::Temporary(_)) {
            let len = self.lowering.stages[self.stage(id).inputs[1]].shape.len();
            b = self.listing.floats(len, TemporaryKind::Activation, id);
            self.emit(id, flat(Kernel::Copy, len), &[a, b]);
        }
        [a, b]
    }

    /// The stage's weights.
    pub fn weights(&self, id: StageId) -> Symbol {
        Symbol::Parameter(id, Part::Weights)
    }

    /// The stage's bias, where it has one.
    pub fn bias(&self, id: StageId) -> Symbol {
        let parameters = self.stage(id).parameters.as_ref();
        match parameters.and_then(|p| p.bias.as_ref()) {
            Some(_) => Symbol::Parameter(id, Part::Bias),
            None => Symbol::Absent,
        }
    }

    /// Room for the stage's output.
    pub fn output(&mut self, id: StageId) -> Symbol {
        let len = self.stage(id).shape.len();
        self.listing.floats(len, TemporaryKind::Activation, id)
    }

    /// Room of `bytes` for something that the backward pass needs besides the output.
    pub fn index(&mut self, id: StageId, bytes: usize) -> Symbol {
        let index = self.listing.temporary(bytes, TemporaryKind::Activation, id);
        self.indices[id] = index;
        index
    }

    /// Emits a call for stage `id`.
    pub fn emit(&mut self, id: StageId, call: Call, operands: &[Symbol]) {
        self.listing.emit(id, call, operands);
    }

    /// The input of an in-place stage, copied first where someone else still needs it as it is.
    /// `keeps_signs`: what the stage does changes neither signs nor zeros into others.
    pub fn writable(&mut self, id: StageId, keeps_signs: bool) -> Symbol {
        let stage = self.stage(id);
        let before = stage.inputs[0];
        let x = self.values[before];
        let producer = self.stage(before).op.operator();
        let derivative = match producer.derivative() {
            Activation::None => self.lowering.activation(before),
            own => own,
        };
        let survives = match derivative {
            Activation::None => true,
            Activation::Relu | Activation::LeakyRelu(_) => keeps_signs,
            _ => false,
        };
        // A stage that moves nothing hands its input through, so its own producer must agree as well.
        let free = matches!(x, Symbol::Temporary(_))
            && self.lowering.consumers(before) == 1
            && !producer.hands_through()
            && (survives || !self.is_differentiated(before));
        if free {
            return x;
        }
        let y = self.output(id);
        self.emit(id, flat(Kernel::Copy, stage.shape.len()), &[x, y]);
        y
    }
}
