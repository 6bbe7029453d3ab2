//! Lists of kernel calls under construction, with operands that have no address yet.

use crate::stage::StageId;
use crate::window::Window;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel};

/// A tensor that lives for part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Temporary {
    /// Bytes.
    pub bytes: usize,
    /// What it is for.
    pub kind: TemporaryKind,
    /// The stage that it belongs to.
    pub stage: StageId,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// What quantises features: the inverse of a step, and the number that stands for zero.
    FeatureStep,
    /// Scale that makes features of numbers again.
    FeatureScale,
    /// Shift that does.
    FeatureShift,
    /// Parameters of the drift detector.
    DetectorValues,
    /// One of a stage's constants.
    Constant(StageId, usize),
    /// What a stage in integers shares between its kernels, by its place among the records.
    Record(usize),
    /// All of these.
    Records,
    /// What each byte of a sample is in integers.
    Table,
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

impl Listing {
    /// A new temporary of `bytes`.
    pub fn temporary(&mut self, bytes: usize, kind: TemporaryKind, stage: StageId) -> Symbol {
        self.temporaries.push(Temporary { bytes, kind, stage });
        Symbol::Temporary(self.temporaries.len() - 1)
    }

    /// A new temporary of `len` floats.
    pub fn floats(&mut self, len: usize, kind: TemporaryKind, stage: StageId) -> Symbol {
        self.temporary(len * 4, kind, stage)
    }

    /// Appends a call.
    pub fn emit(&mut self, stage: StageId, call: Call, operands: &[Symbol]) {
        self.calls.push(SymbolicCall {
            call,
            operands: operands.to_vec(),
            stage,
        });
    }
}

/// A call that carries nothing but a length.
pub fn flat(kernel: Kernel, len: usize) -> Call {
    let mut call = Call::new(kernel);
    call.set_len(len);
    call
}

/// A call with the geometry of `window` over `input`, `channels` coming out, and a pool behind it.
pub fn windowed(
    kernel: Kernel,
    window: &Window,
    input: Shape,
    channels: usize,
    pool: (usize, usize),
) -> Call {
    let mut call = Call::new(kernel);
    call.set_conv2d(&Conv2d {
        input,
        output: Shape {
            h: window.output.0,
            w: window.output.1,
            c: channels,
        },
        kernel: window.kernel,
        stride: window.stride,
        pad: window.pad,
        pool,
    });
    call
}
