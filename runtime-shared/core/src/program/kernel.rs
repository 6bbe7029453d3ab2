//! The kernels that a Program may call: their numbers, names, operands and dimensions, in one table.
//!
//! Validation, execution, pricing and the memory map all derive from what stands here.

use super::call::{Call, OPERANDS, RuleKind};
use crate::kernels::Shape;
use crate::kernels::conv2d::{self, Conv2d};

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

/// What a kernel asks of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Read, write or nothing.
    pub access: Access,
    /// Length in bytes.
    pub bytes: usize,
    /// Whether it starts at a multiple of four: floats do, bytes need not.
    pub words: bool,
    /// Whether it may be left out.
    pub optional: bool,
}

/// What an operand is to its kernel; element-wise kernels, which have but one length, use either side's
/// roles. An operand's length follows from this and the call's [`Lengths`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// No operand.
    None,
    /// Elements on the input's side, read.
    X,
    /// As [`X`](Self::X), but bytes.
    XBytes,
    /// As [`X`](Self::X), written.
    XOut,
    /// Elements on the output's side, read.
    Y,
    /// As [`Y`](Self::Y), written.
    YOut,
    /// A bit for each element of the output's side, read.
    Mask,
    /// As [`Mask`](Self::Mask), written.
    MaskOut,
    /// Where the maxima were, a byte for each element of the output's side, read; nothing without a pool.
    Argmax,
    /// As [`Argmax`](Self::Argmax), written, or left out.
    ArgmaxOut,
    /// Weights, read.
    W,
    /// A value for each channel, read.
    Channels,
    /// As [`Channels`](Self::Channels), or left out.
    Bias,
    /// Weights, updated; nothing when gradients are accumulated.
    Trained,
    /// Scratch of an update.
    Tile,
    /// The first value that a rule keeps for each weight; nothing if it keeps none.
    State1,
    /// The second.
    State2,
}

/// How many elements the operands of a call have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lengths {
    x: usize,
    y: usize,
    w: usize,
    channels: usize,
    tile: usize,
    pooled: bool,
}

impl Role {
    /// What a call of these lengths, updating by `rule`, asks of an operand in this role.
    pub(crate) fn need(self, lengths: &Lengths, rule: RuleKind) -> Need {
        let (elements, access) = match self {
            Role::None => (0, Access::None),
            Role::X | Role::XBytes => (lengths.x, Access::Read),
            Role::XOut => (lengths.x, Access::Write),
            Role::Y => (lengths.y, Access::Read),
            Role::YOut => (lengths.y, Access::Write),
            Role::Mask => (lengths.y.div_ceil(8), Access::Read),
            Role::MaskOut => (lengths.y.div_ceil(8), Access::Write),
            Role::Argmax => (lengths.y, Access::Read),
            Role::ArgmaxOut => (lengths.y, Access::Write),
            Role::W => (lengths.w, Access::Read),
            Role::Channels | Role::Bias => (lengths.channels, Access::Read),
            Role::Trained | Role::State1 | Role::State2 => (lengths.w, Access::Write),
            Role::Tile => (lengths.tile, Access::Write),
        };
        let exists = match self {
            Role::None => false,
            Role::Argmax | Role::ArgmaxOut => lengths.pooled,
            Role::Trained => rule != RuleKind::Accumulate,
            Role::State1 => rule.state_floats() > 0,
            Role::State2 => rule.state_floats() > 1,
            _ => true,
        };
        let words = !matches!(
            self,
            Role::XBytes | Role::Mask | Role::MaskOut | Role::Argmax | Role::ArgmaxOut
        );
        if exists {
            Need {
                access,
                bytes: if words { elements * 4 } else { elements },
                words,
                optional: matches!(self, Role::Bias | Role::ArgmaxOut),
            }
        } else {
            Need {
                access: Access::None,
                bytes: 0,
                words: false,
                optional: true,
            }
        }
    }
}

/// Declares the kernels once: variant, number, name, operands in order, documentation.
macro_rules! kernels {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal, [$($role:ident),*];)*) => {
        /// A kernel of the core. The comment of each names its operands in order, then its dimensions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kernel { $($(#[$doc])* $variant = $code,)* }

        impl Kernel {
            /// Every kernel, by number.
            pub const ALL: &[Kernel] = &[$(Kernel::$variant,)*];

            /// What the operands of each are to it, by number.
            const ROLES: &[[Role; OPERANDS]] = &[$(roles(&[$(Role::$role),*]),)*];

            /// The kernel with this number.
            pub fn from_code(code: u32) -> Option<Self> {
                Self::ALL.get(code as usize).copied()
            }

            /// The name by which cost tables and reports know it.
            pub fn name(self) -> &'static str {
                match self { $(Kernel::$variant => $name,)* }
            }
        }

        // Numbers are places in the tables.
        const _: () = {
            let mut next = 0;
            $(assert!($code == next); next += 1;)*
            let _ = next;
        };
    };
}

/// The roles of a kernel, followed by none.
const fn roles(list: &[Role]) -> [Role; OPERANDS] {
    let mut roles = [Role::None; OPERANDS];
    let mut i = 0;
    while i < list.len() {
        roles[i] = list[i];
        i += 1;
    }
    roles
}

kernels! {
    /// bytes · scale · shift → y. Length; channels in dimension 2.
    Normalise = 0, "normalise",
        [XBytes, Channels, Channels, YOut];
    /// x → y, floats. Length.
    Copy = 1, "copy",
        [X, YOut];
    /// x · w · b (or absent) → y. Inputs, outputs.
    Dense = 2, "dense",
        [X, W, Bias, YOut];
    /// delta · w → dx. Inputs, outputs.
    DenseBackwardInput = 3, "dense_backward_input",
        [Y, W, XOut];
    /// x · delta · w (absent when accumulating) · tile · state · state. Inputs, outputs.
    DenseBackwardWeights = 4, "dense_backward_weights",
        [X, Y, Trained, Tile, State1, State2];
    /// delta · b (absent when accumulating) · tile · state · state. Positions, channels.
    BiasBackward = 5, "bias_backward",
        [X, Trained, Tile, State1, State2];
    /// x · w · b (or absent) → y · argmax (or absent). The convolution's geometry.
    Conv2d = 6, "conv2d",
        [X, W, Bias, YOut, ArgmaxOut];
    /// delta · argmax (if pooled) · w → dx. The convolution's geometry.
    Conv2dBackwardInput = 7, "conv2d_backward_input",
        [Y, Argmax, W, XOut];
    /// x · delta · argmax (if pooled) · w (absent when accumulating) · tile · state · state. Geometry.
    Conv2dBackwardWeights = 8, "conv2d_backward_weights",
        [X, Y, Argmax, Trained, Tile, State1, State2];
    /// x · w · b (or absent) → y. The convolution's geometry, pool 1×1.
    Depthwise = 9, "depthwise",
        [X, W, Bias, YOut];
    /// delta · w → dx. As above.
    DepthwiseBackwardInput = 10, "depthwise_backward_input",
        [Y, W, XOut];
    /// x · delta · w (absent when accumulating) · tile · state · state. As above.
    DepthwiseBackwardWeights = 11, "depthwise_backward_weights",
        [X, Y, Trained, Tile, State1, State2];
    /// x → y · argmax (or absent). The pooling geometry.
    MaxPool = 12, "max_pool",
        [X, YOut, ArgmaxOut];
    /// delta · argmax → dx. The pooling geometry.
    MaxPoolBackward = 13, "max_pool_backward",
        [Y, Argmax, XOut];
    /// x → y. The pooling geometry.
    AveragePool = 14, "average_pool",
        [X, YOut];
    /// delta → dx. The pooling geometry.
    AveragePoolBackward = 15, "average_pool_backward",
        [Y, XOut];
    /// x, in place. Length.
    Activation = 16, "activation",
        [YOut];
    /// output · delta, in place. Length.
    ActivationBackward = 17, "activation_backward",
        [X, YOut];
    /// x, in place. Length.
    Softmax = 18, "softmax",
        [YOut];
    /// output · delta, in place. Length.
    SoftmaxBackward = 19, "softmax_backward",
        [X, YOut];
    /// x · scale · shift → y. Length; channels in dimension 2.
    ChannelAffine = 20, "channel_affine",
        [X, Channels, Channels, YOut];
    /// scale · delta, in place. Length; channels in dimension 2.
    ChannelAffineBackward = 21, "channel_affine_backward",
        [Channels, YOut];
    /// a · b → y. Length.
    Add = 22, "add",
        [X, X, YOut];
    /// x → y, which it is added to. Length.
    AddAssign = 23, "add_assign",
        [X, YOut];
    /// x, in place · mask. Length; the rate is the scalar.
    Dropout = 24, "dropout",
        [YOut, MaskOut];
    /// mask · delta, in place. Length; the rate is the scalar.
    DropoutBackward = 25, "dropout_backward",
        [Mask, YOut];
    /// outputs → delta. Length; the loss in dimension 2.
    Loss = 26, "loss",
        [X, YOut];
    /// w · gradient · state · state. Length. The deferred step of a batch.
    Apply = 27, "apply",
        [Trained, YOut, State1, State2];
    /// gradient. Length; the largest norm is the scalar. Sets the factor of the calls that follow.
    ClipNorm = 28, "sum_of_squares",
        [X];
}

/// Why the dimensions of a call make no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadDimensions;

impl Kernel {
    /// What `call`, whose kernel this is, asks of its operands.
    ///
    /// # Errors
    /// [`BadDimensions`] where a dimension is zero, a product overflows or a window misses its input.
    pub fn needs(self, call: &Call) -> Result<[Need; OPERANDS], BadDimensions> {
        let lengths = self.lengths(call)?;
        Ok(self.roles().map(|role| role.need(&lengths, call.rule)))
    }

    /// What its operands are to it, in order.
    pub(crate) fn roles(self) -> &'static [Role; OPERANDS] {
        &Self::ROLES[self as usize]
    }

    /// How long the operands of `call` are, whose kernel this is.
    pub(crate) fn lengths(self, call: &Call) -> Result<Lengths, BadDimensions> {
        let mut lengths = Lengths::default();
        match self {
            Kernel::Dense | Kernel::DenseBackwardInput | Kernel::DenseBackwardWeights => {
                lengths.x = call.dim(0);
                lengths.y = call.dim(1);
                lengths.w = product(lengths.x, lengths.y)?;
                lengths.channels = lengths.y;
                lengths.tile = lengths.y;
            }
            Kernel::BiasBackward => {
                lengths.w = call.dim(1);
                lengths.x = product(call.dim(0), lengths.w)?;
                lengths.tile = lengths.w;
            }
            Kernel::Conv2d
            | Kernel::Conv2dBackwardInput
            | Kernel::Conv2dBackwardWeights
            | Kernel::Depthwise
            | Kernel::DepthwiseBackwardInput
            | Kernel::DepthwiseBackwardWeights
            | Kernel::MaxPool
            | Kernel::MaxPoolBackward
            | Kernel::AveragePool
            | Kernel::AveragePoolBackward => self.window_lengths(call, &mut lengths)?,
            _ => {
                lengths.x = product(call.len(), 1)?;
                lengths.y = lengths.x;
                lengths.w = lengths.x;
                lengths.channels = call.dim(2);
                let sound = match self {
                    Kernel::Normalise | Kernel::ChannelAffine | Kernel::ChannelAffineBackward => {
                        lengths.channels > 0 && lengths.x % lengths.channels == 0
                    }
                    Kernel::Dropout | Kernel::DropoutBackward => {
                        call.scalar >= 0.0 && call.scalar < 1.0
                    }
                    Kernel::ClipNorm => call.scalar > 0.0 && call.scalar < f32::INFINITY,
                    Kernel::Apply => call.rule != RuleKind::Accumulate,
                    _ => true,
                };
                if !sound {
                    return Err(BadDimensions);
                }
            }
        }
        Ok(lengths)
    }

    /// The same for convolutions and pools, which look through windows.
    fn window_lengths(self, call: &Call, lengths: &mut Lengths) -> Result<(), BadDimensions> {
        let g = call.conv2d();
        window(&g)?;
        let taps = product(g.kernel.0, g.kernel.1)?;
        let pool = product(g.pool.0, g.pool.1);
        lengths.x = volume(g.input)?;
        lengths.channels = g.output.c;
        let alike = g.input.c == g.output.c;
        let sound = match self {
            Kernel::Conv2d | Kernel::Conv2dBackwardInput | Kernel::Conv2dBackwardWeights => {
                let pool = pool?;
                lengths.y = volume(g.pooled())?;
                lengths.w = product(product(taps, g.input.c)?, g.output.c)?;
                lengths.tile = conv2d::tile_len(&g);
                lengths.pooled = pool > 1;
                pool <= 256
            }
            Kernel::Depthwise
            | Kernel::DepthwiseBackwardInput
            | Kernel::DepthwiseBackwardWeights => {
                lengths.y = volume(g.output)?;
                lengths.w = product(taps, g.input.c)?;
                lengths.tile = lengths.w;
                alike && g.pool == (1, 1)
            }
            _ => {
                lengths.y = volume(g.output)?;
                lengths.pooled = true;
                let indexed = matches!(self, Kernel::MaxPool | Kernel::MaxPoolBackward);
                alike && !(indexed && taps > 256)
            }
        };
        if sound { Ok(()) } else { Err(BadDimensions) }
    }

    /// Which operand holds what a forward kernel computes, if it is one.
    pub fn output(self) -> Option<usize> {
        match self {
            Kernel::Activation | Kernel::Softmax | Kernel::Dropout => Some(0),
            Kernel::Copy | Kernel::MaxPool | Kernel::AveragePool => Some(1),
            Kernel::Add => Some(2),
            Kernel::Normalise
            | Kernel::Dense
            | Kernel::Conv2d
            | Kernel::Depthwise
            | Kernel::ChannelAffine => Some(3),
            _ => None,
        }
    }
}

/// Elements that still fit the address space of the smallest target as floats.
const MOST: usize = 1 << 27;

/// The product, if it is not zero and not too large.
fn product(a: usize, b: usize) -> Result<usize, BadDimensions> {
    match a.checked_mul(b) {
        Some(p @ 1..=MOST) => Ok(p),
        _ => Err(BadDimensions),
    }
}

fn volume(s: Shape) -> Result<usize, BadDimensions> {
    product(product(s.h, s.w)?, s.c)
}

/// Every window of a convolution or pool must overlap its input, on both sides.
fn window(g: &Conv2d) -> Result<(), BadDimensions> {
    let axes = [
        (g.input.h, g.output.h, g.kernel.0, g.stride.0, g.pad.0),
        (g.input.w, g.output.w, g.kernel.1, g.stride.1, g.pad.1),
    ];
    for (input, output, kernel, stride, pad) in axes {
        let sound =
            output >= 1 && stride >= 1 && pad < kernel && (output - 1) * stride < input + pad;
        if !sound {
            return Err(BadDimensions);
        }
    }
    Ok(())
}
