//! What a kernel asks of its operands. Validation, execution and the memory map all derive from it.
//!
//! A kernel's file lists its operands by the constants below, or by [`read`], [`write()`] and what follows them. How
//! long an operand is follows from the call's [`Lengths`].

use crate::Shape;
use crate::call::{Call, RuleKind};
use crate::conv2d::Conv2d;
use crate::element::Element;

/// How a kernel uses an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The kernel has no such operand.
    None,
    /// Read only: may lie in the image, the arena or the sample.
    Read,
    /// Written, or read and written: must lie in the arena and overlap nothing else of the call.
    Write,
}

/// What a call asks of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Read, write or nothing.
    pub access: Access,
    /// The type of its elements.
    pub element: Element,
    /// Length in bytes.
    pub bytes: usize,
    /// What its address is a multiple of.
    pub align: usize,
    /// Whether it may be left out.
    pub optional: bool,
}

impl Need {
    /// No operand.
    pub const NOTHING: Self = Self {
        access: Access::None,
        element: Element::U8,
        bytes: 0,
        align: 1,
        optional: true,
    };
}

/// Which of a call's lengths an operand has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Elements on the input's side.
    X,
    /// Elements on the output's side.
    Y,
    /// Weights.
    W,
    /// Channels.
    Channels,
    /// Scratch.
    Tile,
    /// Constants of the call: how it quantises.
    Constants,
    /// Bytes of a packed index of maxima.
    Index,
}

/// How many elements the operands of a call have.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lengths {
    /// [`Extent::X`].
    pub x: usize,
    /// [`Extent::Y`].
    pub y: usize,
    /// [`Extent::W`].
    pub w: usize,
    /// [`Extent::Channels`].
    pub channels: usize,
    /// [`Extent::Tile`].
    pub tile: usize,
    /// [`Extent::Constants`].
    pub constants: usize,
    /// [`Extent::Index`].
    pub index: usize,
    /// Whether maxima are taken, so that there is an index of them.
    pub pooled: bool,
}

impl Lengths {
    /// That of the extent with this number.
    fn of(&self, extent: u16) -> usize {
        let all = [
            self.x,
            self.y,
            self.w,
            self.channels,
            self.tile,
            self.constants,
            self.index,
        ];
        all.get(usize::from(extent)).copied().unwrap_or(0)
    }
}

/// When an operand exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// Where maxima are taken.
    Pooled,
    /// Where the kernel moves weights itself, rather than accumulate gradients.
    Moving,
    /// Where the rule keeps a value for each weight.
    State1,
    /// Where it keeps two.
    State2,
}

/// What an operand is to its kernel. Two bytes, because the table of all kernels' operands goes to every device:
/// from the lowest bit on element, extent, condition (4 bits each), access, and three flags.
#[derive(Clone, Copy, Debug)]
pub struct Operand(u16);

/// An operand that is read.
pub const fn read(element: Element, extent: Extent) -> Operand {
    Operand(element as u16 | (extent as u16) << 4)
}

/// An operand that is written.
pub const fn write(element: Element, extent: Extent) -> Operand {
    Operand(read(element, extent).0 | Operand::WRITTEN)
}

impl Operand {
    const WRITTEN: u16 = 1 << 12;
    const OPTIONAL: u16 = 1 << 13;
    const ANY: u16 = 1 << 14;
    const UNALIGNED: u16 = 1 << 15;

    /// The same, but it may be left out.
    pub const fn optional(self) -> Self {
        Self(self.0 | Self::OPTIONAL)
    }

    /// The same, but of the type that the call says.
    pub const fn any(self) -> Self {
        Self(self.0 | Self::ANY)
    }

    /// The same, but it may start at any byte, as a sample that somebody hands in.
    pub const fn unaligned(self) -> Self {
        Self(self.0 | Self::UNALIGNED)
    }

    /// The same, but it exists only then.
    pub const fn when(self, when: When) -> Self {
        Self(self.0 | (when as u16) << 8)
    }

    /// What `call`, of these lengths, asks of it.
    pub fn need(self, lengths: &Lengths, call: &Call) -> Need {
        let is = |flag: u16| self.0 & flag != 0;
        let state = call.rule.state_floats();
        let exists = match self.0 >> 8 & 0xf {
            x if x == When::Pooled as u16 => lengths.pooled,
            x if x == When::Moving as u16 => call.rule != RuleKind::Accumulate,
            x if x == When::State1 as u16 => state >= 1,
            x if x == When::State2 as u16 => state >= 2,
            _ => true,
        };
        if !exists {
            return Need::NOTHING;
        }
        let element = match Element::from_code(u32::from(self.0 & 0xf)) {
            Some(element) if !is(Self::ANY) => element,
            _ => call.element,
        };
        Need {
            access: if is(Self::WRITTEN) {
                Access::Write
            } else {
                Access::Read
            },
            element,
            bytes: element.bytes(lengths.of(self.0 >> 4 & 0xf)),
            align: if is(Self::UNALIGNED) {
                1
            } else {
                element.align()
            },
            optional: is(Self::OPTIONAL),
        }
    }
}

/// Floats on the input's side, read.
pub const X: Operand = read(Element::F32, Extent::X);
/// Floats on the input's side, written.
pub const X_OUT: Operand = write(Element::F32, Extent::X);
/// Floats on the output's side, read.
pub const Y: Operand = read(Element::F32, Extent::Y);
/// Floats on the output's side, written.
pub const Y_OUT: Operand = write(Element::F32, Extent::Y);
/// A bit for each element of the output's side, read.
pub const MASK: Operand = read(Element::Bits, Extent::Y);
/// The same, written.
pub const MASK_OUT: Operand = write(Element::Bits, Extent::Y);
/// Where the maxima were, a byte for each element of the output's side, read; nothing without a pool.
pub const ARGMAX: Operand = read(Element::U8, Extent::Y).when(When::Pooled);
/// The same, written, or left out.
pub const ARGMAX_OUT: Operand = write(Element::U8, Extent::Y).when(When::Pooled).optional();
/// Weights, read.
pub const W: Operand = read(Element::F32, Extent::W);
/// A float for each channel, read.
pub const CHANNELS: Operand = read(Element::F32, Extent::Channels);
/// The same, or left out.
pub const BIAS: Operand = CHANNELS.optional();
/// Weights, updated; nothing when gradients are accumulated.
pub const TRAINED: Operand = write(Element::F32, Extent::W).when(When::Moving);
/// Scratch of an update.
pub const TILE: Operand = write(Element::F32, Extent::Tile);
/// The first value that a rule keeps for each weight; nothing if it keeps none.
pub const STATE_1: Operand = write(Element::F32, Extent::W).when(When::State1);
/// The second.
pub const STATE_2: Operand = write(Element::F32, Extent::W).when(When::State2);

/// Why the dimensions of a call make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDimensions;

/// Refuses what does not hold.
pub(crate) fn demand(holds: bool) -> Result<(), BadDimensions> {
    if holds { Ok(()) } else { Err(BadDimensions) }
}

/// Elements that still fit the address space of the smallest target as floats.
const MOST: usize = 1 << 27;

/// The product, if it is not zero and not too large.
pub(crate) fn product(a: usize, b: usize) -> Result<usize, BadDimensions> {
    match a.checked_mul(b) {
        Some(p @ 1..=MOST) => Ok(p),
        _ => Err(BadDimensions),
    }
}

/// The lengths of an element-wise call: everything has the one that the call carries, dimension 2 counts channels.
#[inline(never)]
pub(crate) fn flat(call: &Call) -> Result<Lengths, BadDimensions> {
    let len = product(call.len(), 1)?;
    Ok(Lengths {
        x: len,
        y: len,
        w: len,
        channels: call.dim(2),
        ..Lengths::default()
    })
}

/// As [`flat`], where every channel has equally many elements.
pub(crate) fn by_channel(call: &Call) -> Result<Lengths, BadDimensions> {
    let lengths = flat(call)?;
    demand(lengths.channels > 0 && lengths.x % lengths.channels == 0)?;
    Ok(lengths)
}

/// The number of elements of an image.
pub(crate) fn volume(s: Shape) -> Result<usize, BadDimensions> {
    product(product(s.h, s.w)?, s.c)
}

/// The lengths of input and output of a call that looks through windows, before any fused pool, and the number of
/// elements of a window. Every window must overlap its input, on both sides.
#[inline(never)]
pub(crate) fn windowed(g: &Conv2d) -> Result<(Lengths, usize), BadDimensions> {
    let axes = [
        (g.input.h, g.output.h, g.kernel.0, g.stride.0, g.pad.0),
        (g.input.w, g.output.w, g.kernel.1, g.stride.1, g.pad.1),
    ];
    for (input, output, kernel, stride, pad) in axes {
        demand(output >= 1 && stride >= 1 && pad < kernel && (output - 1) * stride < input + pad)?;
    }
    let lengths = Lengths {
        x: volume(g.input)?,
        y: volume(g.output)?,
        channels: g.output.c,
        ..Lengths::default()
    };
    Ok((lengths, product(g.kernel.0, g.kernel.1)?))
}
