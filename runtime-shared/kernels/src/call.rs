//! One kernel call as it lies in a Program: 64 bytes, fixed.
//!
//! | word | holds |
//! |---|---|
//! | 0 | kernel (8 bits), activation (8), rule (4), type of the elements that the call chooses (4), flags (8) |
//! | 1–7 | operands: where each lies, see [`Place`] |
//! | 8–14 | fourteen dimensions of 16 bits, low half first |
//! | 15 | one scalar, an `f32` |

use crate::activation::Activation;
use crate::element::Element;
use crate::table::Kernel;

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

crate::codes! {
    /// What happens to a gradient the moment it exists.
    #[derive(Default)]
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
}

impl RuleKind {
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
    /// The type of the operand that may be of any, where the kernel has one.
    pub element: Element,
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
            element: Element::F32,
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
        self.element = Element::from_code((head >> 20) & 0xf)?;
        self.flags = (head >> 24) as u16;
        if self.flags & !SKIP_ZEROS != 0 {
            return None;
        }
        self.scalar = f32::from_bits(words[15]);
        self.activation = Activation::from_code((head >> 8) & 0xff, self.scalar)?;
        for (place, &word) in self.operands.iter_mut().zip(&words[1..]) {
            *place = Place::decode(word);
        }
        let (pairs, _) = self.dims.as_chunks_mut::<2>();
        for (pair, &word) in pairs.iter_mut().zip(&words[8..]) {
            *pair = [word as u16, (word >> 16) as u16];
        }
        Some(())
    }

    /// What a forward kernel computed, where that lies in the arena `work`, and of what type it is.
    pub fn computed<'w>(&self, work: &'w [u8]) -> Option<(&'w [u8], Element)> {
        let output = self.kernel.output()?;
        let Place::Ram(at) = self.operands[output] else {
            return None;
        };
        let need = self.kernel.needs(self).ok()?[output];
        let bytes = work.get(at as usize..)?.get(..need.bytes)?;
        Some((bytes, need.element))
    }

    /// The call as it lies in the image.
    pub fn encode(&self) -> [u32; CALL_WORDS] {
        let scalar = self.activation.scalar().unwrap_or(self.scalar);
        let mut words = [0; CALL_WORDS];
        words[0] = self.kernel as u32
            | self.activation.code() << 8
            | self.rule.code() << 16
            | self.element.code() << 20
            | u32::from(self.flags) << 24;
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
}
