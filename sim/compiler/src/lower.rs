//! From stages to lists of kernel calls: forward, and backward by reverse-mode differentiation.
//!
//! Only what leads from the loss to a trained parameter is differentiated. A layer's gradient to its
//! input is taken before its weights move, and its weights move as soon as their gradient exists.

use crate::backward::Backward;
use crate::forward::Forward;
pub use crate::listing::Part;
use crate::listing::{Listing, Symbol, TemporaryKind, flat};
use crate::ops::Zeros;
use crate::options::{LossSpec, Quantisation, Target};
use crate::stage::{Stage, StageId};
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Element, Kernel, RuleKind};

/// What lowering needs to know besides the stages.
pub struct Lowering<'a> {
    /// The stages.
    pub stages: &'a [Stage],
    /// The loss.
    pub loss: LossSpec,
    /// What it compares outputs with.
    pub target: Target,
    /// What weight gradients become.
    pub rule: RuleKind,
    /// Channels of the input's normalisation: 1, or as many as the image has.
    pub input_channels: usize,
    /// How features become bytes, where they do.
    pub quantisation: Option<Quantisation>,
    /// How many stages read each.
    consumers: Vec<usize>,
    /// Whether zeros among the outputs of each stage are frequent and exact.
    zeros: Vec<bool>,
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

impl<'a> Lowering<'a> {
    /// For `stages`, which are trained by `rule` against `loss` and `target` on samples that become floats by `normalisation`.
    pub fn new(
        stages: &'a [Stage],
        (loss, target): (LossSpec, Target),
        rule: RuleKind,
        normalisation: &[(f32, f32)],
    ) -> Self {
        let mut consumers = vec![0; stages.len()];
        stages
            .iter()
            .flat_map(|s| &s.inputs)
            .for_each(|&i| consumers[i] += 1);
        // The loss reads the sample as well.
        if let (Target::Input, Some(sample)) = (target, consumers.first_mut()) {
            *sample += 1;
        }
        let black_is_zero = normalisation.iter().all(|&(_, shift)| shift == 0.0);
        let mut zeros: Vec<bool> = Vec::with_capacity(stages.len());
        for stage in stages {
            let fused = matches!(stage.activation, Activation::Relu | Activation::Relu6);
            zeros.push(match stage.op.operator().zeros() {
                Zeros::OfSample => black_is_zero,
                Zeros::Made => true,
                Zeros::Kept => zeros[stage.inputs[0]],
                Zeros::No => fused,
            });
        }
        Self {
            stages,
            loss,
            target,
            rule,
            input_channels: normalisation.len(),
            quantisation: None,
            consumers,
            zeros,
        }
    }

    /// The list that infers; `boundary` is where the frozen extractor ends.
    pub fn infer(&self, boundary: StageId) -> Inference {
        let mut forward = Forward::new(self, None);
        let mut extract = 0;
        let mut features = Symbol::Absent;
        for id in 0..self.stages.len() {
            forward.run(id);
            if id == boundary {
                features = self.store(&mut forward, id);
                extract = forward.listing.calls.len();
                forward.values[id] = self.restore(&mut forward, id, features);
            }
        }
        let outputs = forward.values[self.stages.len() - 1];
        Inference {
            listing: forward.listing,
            extract,
            features,
            outputs,
        }
    }

    /// How what stage `id` computes is quantised where it is stored, if it is: the sample itself is not.
    fn quantised(&self, id: StageId) -> Option<Element> {
        let quantisation = self.quantisation.filter(|_| id > 0)?;
        Some(quantisation.element())
    }

    /// Emits what makes of a stage's output what is stored of it, and gives that.
    fn store(&self, forward: &mut Forward<'_>, id: StageId) -> Symbol {
        let Some(element) = self.quantised(id) else {
            return forward.values[id];
        };
        let len = self.stages[id].shape.len();
        let kind = TemporaryKind::Activation;
        let stored = forward.listing.temporary(element.bytes(len), kind, id);
        let call = Call {
            element,
            ..flat(Kernel::Quantise, len)
        };
        let operands = [forward.values[id], Symbol::FeatureStep, stored];
        forward.emit(id, call, &operands);
        stored
    }

    /// Emits what makes floats of what is `stored` of a stage's output, and gives them.
    fn restore(&self, forward: &mut Forward<'_>, id: StageId, stored: Symbol) -> Symbol {
        let Some(element) = self.quantised(id) else {
            return stored;
        };
        let y = forward.output(id);
        let mut call = Call {
            element,
            ..flat(Kernel::Normalise, self.stages[id].shape.len())
        };
        call.dims[2] = 1;
        let operands = [stored, Symbol::FeatureScale, Symbol::FeatureShift, y];
        forward.emit(id, call, &operands);
        y
    }

    /// The list that learns. It starts from the raw sample, or, with `from_features`, from what the
    /// boundary stage computed.
    pub fn learn(&self, boundary: StageId, from_features: bool) -> Listing {
        let requires = self.requires_gradient(boundary);
        let mut forward = Forward::new(self, Some(&requires));
        let first = if from_features {
            forward.values[boundary] = self.restore(&mut forward, boundary, Symbol::Sample);
            boundary + 1
        } else {
            0
        };
        (first..self.stages.len()).for_each(|id| forward.run(id));
        let mut backward = Backward::new(forward, &requires);
        backward.run(boundary);
        backward.listing
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

    /// How many stages read what `id` computes.
    pub fn consumers(&self, id: StageId) -> usize {
        self.consumers[id]
    }

    /// Softmax or sigmoid at the end are part of a loss that takes logits.
    pub fn is_part_of_loss(&self, id: StageId) -> bool {
        let last = id == self.stages.len() - 1;
        last && self.stages[id].op.operator().is_part_of(self.loss)
    }

    /// The fused activation of a stage, left out where it is part of the loss.
    pub fn activation(&self, id: StageId) -> Activation {
        let fused = self.stages[id].activation;
        let last = id == self.stages.len() - 1;
        if last && crate::ops::Operator::is_part_of(&fused, self.loss) {
            Activation::None
        } else {
            fused
        }
    }

    /// Whether zeros are frequent and exact in what stage `id` reads.
    pub fn input_has_zeros(&self, id: StageId) -> bool {
        self.zeros[self.stages[id].inputs[0]]
    }
}
