//! One kernel call as it lies in a Program: 64 bytes, fixed.
//!
//! | word | holds |
//! |---|---|
//! | 0 | kernel (8 bits), activation (8), rule (4), flags (12) |
//! | 1–7 | operands: where each lies, see [`Place`] |
//! | 8–14 | fourteen dimensions of 16 bits, low half first |
//! | 15 | one scalar, an `f32` |

use super::kernel::Kernel;
use crate::kernels::Shape;
use crate::kernels::activation::Activation;
use crate::kernels::conv2d::Conv2d;
use crate::kernels::pool::Pool2d;

/// Words in a call.
pub const CALL_WORDS: usize = 16;
/// Bytes in a call.
pub const CALL_BYTES: usize = CALL_WORDS * 4;
/// Operands that a call can name.
pub const OPERANDS: usize = 7;
/// Dimensions that a call can carry.
pub const DIMS: usize = 14;

/// Where an operand lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The call has no such operand.
    Absent,
    /// At this byte of the arena.
    Ram(u32),
    /// At this byte of the image.
    Rom(u32),
    /// In the sample at hand: what the caller gave, or the slot of the replay buffer.
    Sample,
}

impl Place {
    const ABSENT: u32 = u32::MAX;
    const SAMPLE: u32 = u32::MAX - 1;
    const ROM: u32 = 1 << 31;

    fn decode(word: u32) -> Self {
        match word {
            Self::ABSENT => Place::Absent,
            Self::SAMPLE => Place::Sample,
            w if w & Self::ROM != 0 => Place::Rom(w & !Self::ROM),
            w => Place::Ram(w),
        }
    }

    fn encode(self) -> u32 {
        match self {
            Place::Absent => Self::ABSENT,
            Place::Sample => Self::SAMPLE,
            Place::Rom(at) => at | Self::ROM,
            Place::Ram(at) => at,
        }
    }
}

/// What happens to a gradient the moment it exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RuleKind {
    /// `w -= lr·g`, at once.
    #[default]
    Sgd = 0,
    /// SGD with a velocity per parameter.
    Momentum = 1,
    /// Adam, two moments per parameter.
    Adam = 2,
    /// Added to a gradient buffer, applied when the batch is full.
    Accumulate = 3,
}

impl RuleKind {
    /// The rule with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        [Self::Sgd, Self::Momentum, Self::Adam, Self::Accumulate]
            .get(code as usize)
            .copied()
    }

    /// Floats of state per parameter, a gradient buffer counted as one.
    pub fn state_floats(self) -> usize {
        match self {
            Self::Sgd => 0,
            Self::Momentum | Self::Accumulate => 1,
            Self::Adam => 2,
        }
    }
}

/// The flag that rows of a dense layer whose input is exactly zero are skipped.
pub const SKIP_ZEROS: u16 = 1;

/// A kernel call, decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which kernel.
    pub kernel: Kernel,
    /// The activation fused behind a forward kernel, or worked on by the activation kernels.
    pub activation: Activation,
    /// What the kernels that make weight gradients do with them.
    pub rule: RuleKind,
    /// [`SKIP_ZEROS`] or nothing.
    pub flags: u16,
    /// Where the operands lie, in the order that [`Kernel`] gives them.
    pub operands: [Place; OPERANDS],
    /// Dimensions, in the order that [`Kernel`] gives them.
    pub dims: [u16; DIMS],
    /// A rate, for the kernels that need one.
    pub scalar: f32,
}

impl Call {
    /// A call of `kernel` with nothing filled in yet.
    pub fn new(kernel: Kernel) -> Self {
        Self {
            kernel,
            activation: Activation::None,
            rule: RuleKind::Sgd,
            flags: 0,
            operands: [Place::Absent; OPERANDS],
            dims: [0; DIMS],
            scalar: 0.0,
        }
    }

    /// Reads the call that lies in `words`; `None` where a code is unknown or a spare bit is set.
    ///
    /// Overwrites itself, and then means nothing if it gives `None`, because on a small core to move a call about costs more than to read it.
    pub fn read(&mut self, words: &[u32; CALL_WORDS]) -> Option<()> {
        let head = words[0];
        self.kernel = Kernel::from_code(head & 0xff)?;
        self.rule = RuleKind::from_code((head >> 16) & 0xf)?;
        self.flags = (head >> 20) as u16;
        if self.flags & !SKIP_ZEROS != 0 {
            return None;
        }
        self.scalar = f32::from_bits(words[15]);
        self.activation = match (head >> 8) & 0xff {
            0 => Activation::None,
            1 => Activation::Relu,
            2 => Activation::Relu6,
            3 => Activation::LeakyRelu(self.scalar),
            4 => Activation::Sigmoid,
            5 => Activation::Tanh,
            _ => return None,
        };
        for (place, &word) in self.operands.iter_mut().zip(&words[1..]) {
            *place = Place::decode(word);
        }
        let (pairs, _) = self.dims.as_chunks_mut::<2>();
        for (pair, &word) in pairs.iter_mut().zip(&words[8..]) {
            *pair = [word as u16, (word >> 16) as u16];
        }
        Some(())
    }

    /// What a forward kernel computed, where that lies in the arena `work`.
    pub fn computed<'w>(&self, work: &'w [u8]) -> Option<&'w [u8]> {
        let output = self.kernel.output()?;
        let Place::Ram(at) = self.operands[output] else {
            return None;
        };
        let need = self.kernel.needs(self).ok()?[output];
        work.get(at as usize..)?.get(..need.bytes)
    }

    /// The call as it lies in the image.
    pub fn encode(&self) -> [u32; CALL_WORDS] {
        let (activation, scalar) = match self.activation {
            Activation::None => (0, self.scalar),
            Activation::Relu => (1, self.scalar),
            Activation::Relu6 => (2, self.scalar),
            Activation::LeakyRelu(slope) => (3, slope),
            Activation::Sigmoid => (4, self.scalar),
            Activation::Tanh => (5, self.scalar),
        };
        let mut words = [0; CALL_WORDS];
        words[0] = self.kernel as u32
            | activation << 8
            | (self.rule as u32) << 16
            | u32::from(self.flags) << 20;
        for (word, place) in words[1..].iter_mut().zip(self.operands) {
            *word = place.encode();
        }
        for (i, dim) in self.dims.iter().enumerate() {
            words[8 + i / 2] |= u32::from(*dim) << (16 * (i % 2));
        }
        words[15] = scalar.to_bits();
        words
    }

    /// A dimension.
    pub fn dim(&self, i: usize) -> usize {
        usize::from(self.dims[i])
    }

    /// The length, in elements, that kernels without a geometry carry: 32 bits in dimensions 0 and 1.
    pub fn len(&self) -> usize {
        self.dim(0) | self.dim(1) << 16
    }

    /// Whether [`Call::len`] is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sets what [`Call::len`] gives.
    pub fn set_len(&mut self, len: usize) {
        self.dims[0] = len as u16;
        self.dims[1] = (len >> 16) as u16;
    }

    /// The geometry of the convolution kernels: input h w c, output h w c (before pooling), kernel h w,
    /// stride h w, padding top left, pool h w.
    pub fn conv2d(&self) -> Conv2d {
        let d = |i| self.dim(i);
        Conv2d {
            input: Shape {
                h: d(0),
                w: d(1),
                c: d(2),
            },
            output: Shape {
                h: d(3),
                w: d(4),
                c: d(5),
            },
            kernel: (d(6), d(7)),
            stride: (d(8), d(9)),
            pad: (d(10), d(11)),
            pool: (d(12), d(13)),
        }
    }

    /// Sets what [`Call::conv2d`] gives.
    pub fn set_conv2d(&mut self, g: &Conv2d) {
        self.dims = [
            g.input.h, g.input.w, g.input.c, g.output.h, g.output.w, g.output.c, g.kernel.0,
            g.kernel.1, g.stride.0, g.stride.1, g.pad.0, g.pad.1, g.pool.0, g.pool.1,
        ]
        .map(|d| d as u16);
    }

    /// The geometry of the pooling kernels: as [`Call::conv2d`], without the fused pool.
    pub fn pool2d(&self) -> Pool2d {
        let g = self.conv2d();
        Pool2d {
            input: g.input,
            output: g.output,
            kernel: g.kernel,
            stride: g.stride,
            pad: g.pad,
        }
    }
}
