//! The kernels that a Program may call: their numbers, names, operands and dimensions, in one table.
//!
//! Validation, execution, pricing and the memory map all derive from what stands here.

use super::call::{Call, OPERANDS};
use crate::kernels::conv2d;

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

impl Need {
    const NONE: Need = Need {
        access: Access::None,
        bytes: 0,
        words: false,
        optional: true,
    };

    fn read(floats: usize) -> Need {
        Need {
            access: Access::Read,
            bytes: floats.saturating_mul(4),
            words: true,
            optional: false,
        }
    }

    fn write(floats: usize) -> Need {
        Need {
            access: Access::Write,
            ..Need::read(floats)
        }
    }

    fn read_bytes(bytes: usize) -> Need {
        Need {
            access: Access::Read,
            bytes,
            words: false,
            optional: false,
        }
    }

    fn write_bytes(bytes: usize) -> Need {
        Need {
            access: Access::Write,
            ..Need::read_bytes(bytes)
        }
    }

    fn or_absent(self) -> Need {
        Need {
            optional: true,
            ..self
        }
    }

    /// Absent when `condition` does not hold, wanted when it does.
    fn only_if(self, condition: bool) -> Need {
        if condition { self } else { Need::NONE }
    }
}

/// Declares the kernels once: variant, number, name, documentation.
macro_rules! kernels {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// A kernel of the core. The comment of each names its operands in order, then its dimensions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kernel { $($(#[$doc])* $variant = $code,)* }

        impl Kernel {
            /// Every kernel, by number.
            pub const ALL: &[Kernel] = &[$(Kernel::$variant,)*];

            /// The kernel with this number.
            pub fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Kernel::$variant),)* _ => None }
            }

            /// The name by which cost tables and reports know it.
            pub fn name(self) -> &'static str {
                match self { $(Kernel::$variant => $name,)* }
            }
        }
    };
}

kernels! {
    /// bytes · scale · shift → y. Length; channels in dimension 2.
    Normalise = 0, "normalise";
    /// x → y, floats. Length.
    Copy = 1, "copy";
    /// x · w · b (or absent) → y. Inputs, outputs.
    Dense = 2, "dense";
    /// delta · w → dx. Inputs, outputs.
    DenseBackwardInput = 3, "dense_backward_input";
    /// x · delta · w (absent when accumulating) · tile · state · state. Inputs, outputs.
    DenseBackwardWeights = 4, "dense_backward_weights";
    /// delta · b (absent when accumulating) · tile · state · state. Positions, channels.
    BiasBackward = 5, "bias_backward";
    /// x · w · b (or absent) → y · argmax (or absent). The convolution's geometry.
    Conv2d = 6, "conv2d";
    /// delta · argmax (if pooled) · w → dx. The convolution's geometry.
    Conv2dBackwardInput = 7, "conv2d_backward_input";
    /// x · delta · argmax (if pooled) · w (absent when accumulating) · tile · state · state. Geometry.
    Conv2dBackwardWeights = 8, "conv2d_backward_weights";
    /// x · w · b (or absent) → y. The convolution's geometry, pool 1×1.
    Depthwise = 9, "depthwise";
    /// delta · w → dx. As above.
    DepthwiseBackwardInput = 10, "depthwise_backward_input";
    /// x · delta · w (absent when accumulating) · tile · state · state. As above.
    DepthwiseBackwardWeights = 11, "depthwise_backward_weights";
    /// x → y · argmax (or absent). The pooling geometry.
    MaxPool = 12, "max_pool";
    /// delta · argmax → dx. The pooling geometry.
    MaxPoolBackward = 13, "max_pool_backward";
    /// x → y. The pooling geometry.
    AveragePool = 14, "average_pool";
    /// delta → dx. The pooling geometry.
    AveragePoolBackward = 15, "average_pool_backward";
    /// x, in place. Length.
    Activation = 16, "activation";
    /// output · delta, in place. Length.
    ActivationBackward = 17, "activation_backward";
    /// x, in place. Length.
    Softmax = 18, "softmax";
    /// output · delta, in place. Length.
    SoftmaxBackward = 19, "softmax_backward";
    /// x · scale · shift → y. Length; channels in dimension 2.
    ChannelAffine = 20, "channel_affine";
    /// scale · delta, in place. Length; channels in dimension 2.
    ChannelAffineBackward = 21, "channel_affine_backward";
    /// a · b → y. Length.
    Add = 22, "add";
    /// x → y, which it is added to. Length.
    AddAssign = 23, "add_assign";
    /// x, in place · mask. Length; the rate is the scalar.
    Dropout = 24, "dropout";
    /// mask · delta, in place. Length; the rate is the scalar.
    DropoutBackward = 25, "dropout_backward";
    /// outputs → delta. Length; the loss in dimension 2.
    Loss = 26, "loss";
    /// w · gradient · state · state. Length. The deferred step of a batch.
    Apply = 27, "apply";
    /// gradient. Length; the largest norm is the scalar. Sets the factor of the calls that follow.
    ClipNorm = 28, "sum_of_squares";
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
        use super::call::RuleKind::Accumulate;
        let mut needs = [Need::NONE; OPERANDS];
        let mut put = |list: &[Need]| needs[..list.len()].copy_from_slice(list);
        let (read, write) = (Need::read, Need::write);
        // Weights, tile and state of the kernels that make weight gradients.
        let update = |parameters: usize, tile: usize| {
            let state = call.rule.state_floats();
            [
                write(parameters).only_if(call.rule != Accumulate),
                write(tile),
                write(parameters).only_if(state > 0),
                write(parameters).only_if(state > 1),
            ]
        };
        match self {
            Kernel::Normalise | Kernel::ChannelAffine | Kernel::ChannelAffineBackward => {
                let (n, channels) = (length(call)?, call.dim(2));
                if channels == 0 || n % channels != 0 {
                    return Err(BadDimensions);
                }
                match self {
                    Kernel::Normalise => put(&[
                        Need::read_bytes(n),
                        read(channels),
                        read(channels),
                        write(n),
                    ]),
                    Kernel::ChannelAffine => {
                        put(&[read(n), read(channels), read(channels), write(n)]);
                    }
                    _ => put(&[read(channels), write(n)]),
                }
            }
            Kernel::Copy => put(&[read(length(call)?), write(length(call)?)]),
            Kernel::Dense | Kernel::DenseBackwardInput | Kernel::DenseBackwardWeights => {
                let (i, o) = (call.dim(0), call.dim(1));
                let w = product(&[i, o])?;
                match self {
                    Kernel::Dense => put(&[read(i), read(w), read(o).or_absent(), write(o)]),
                    Kernel::DenseBackwardInput => put(&[read(o), read(w), write(i)]),
                    _ => {
                        let [w, tile, s1, s2] = update(w, o);
                        put(&[read(i), read(o), w, tile, s1, s2]);
                    }
                }
            }
            Kernel::BiasBackward => {
                let (positions, channels) = (call.dim(0), call.dim(1));
                let [b, tile, s1, s2] = update(channels, channels);
                put(&[read(product(&[positions, channels])?), b, tile, s1, s2]);
            }
            Kernel::Conv2d | Kernel::Conv2dBackwardInput | Kernel::Conv2dBackwardWeights => {
                let g = call.conv2d();
                window(call)?;
                if g.pool.0 == 0 || g.pool.1 == 0 || g.pool.0 * g.pool.1 > 256 {
                    return Err(BadDimensions);
                }
                let (x, y) = (volume(g.input)?, volume(g.pooled())?);
                let w = product(&[g.kernel.0, g.kernel.1, g.input.c, g.output.c])?;
                let pooled = g.pool != (1, 1);
                match self {
                    Kernel::Conv2d => put(&[
                        read(x),
                        read(w),
                        read(g.output.c).or_absent(),
                        write(y),
                        Need::write_bytes(y).or_absent().only_if(pooled),
                    ]),
                    Kernel::Conv2dBackwardInput => put(&[
                        read(y),
                        Need::read_bytes(y).only_if(pooled),
                        read(w),
                        write(x),
                    ]),
                    _ => {
                        let [weights, tile, s1, s2] = update(w, conv2d::tile_len(&g));
                        let argmax = Need::read_bytes(y).only_if(pooled);
                        put(&[read(x), read(y), argmax, weights, tile, s1, s2]);
                    }
                }
            }
            Kernel::Depthwise
            | Kernel::DepthwiseBackwardInput
            | Kernel::DepthwiseBackwardWeights => {
                let g = call.conv2d();
                window(call)?;
                if g.input.c != g.output.c || g.pool != (1, 1) {
                    return Err(BadDimensions);
                }
                let (x, y) = (volume(g.input)?, volume(g.output)?);
                let w = product(&[g.kernel.0, g.kernel.1, g.input.c])?;
                match self {
                    Kernel::Depthwise => {
                        put(&[read(x), read(w), read(g.input.c).or_absent(), write(y)]);
                    }
                    Kernel::DepthwiseBackwardInput => put(&[read(y), read(w), write(x)]),
                    _ => {
                        let [weights, tile, s1, s2] = update(w, w);
                        put(&[read(x), read(y), weights, tile, s1, s2]);
                    }
                }
            }
            Kernel::MaxPool
            | Kernel::MaxPoolBackward
            | Kernel::AveragePool
            | Kernel::AveragePoolBackward => {
                let g = call.pool2d();
                window(call)?;
                if g.input.c != g.output.c {
                    return Err(BadDimensions);
                }
                let (x, y) = (volume(g.input)?, volume(g.output)?);
                let indexed = matches!(self, Kernel::MaxPool | Kernel::MaxPoolBackward);
                if indexed && g.kernel.0 * g.kernel.1 > 256 {
                    return Err(BadDimensions);
                }
                match self {
                    Kernel::MaxPool => put(&[read(x), write(y), Need::write_bytes(y).or_absent()]),
                    Kernel::MaxPoolBackward => put(&[read(y), Need::read_bytes(y), write(x)]),
                    Kernel::AveragePool => put(&[read(x), write(y)]),
                    _ => put(&[read(y), write(x)]),
                }
            }
            Kernel::Activation | Kernel::Softmax => put(&[write(length(call)?)]),
            Kernel::ActivationBackward | Kernel::SoftmaxBackward => {
                put(&[read(length(call)?), write(length(call)?)]);
            }
            Kernel::Add => {
                let n = length(call)?;
                put(&[read(n), read(n), write(n)]);
            }
            Kernel::AddAssign => put(&[read(length(call)?), write(length(call)?)]),
            Kernel::Dropout | Kernel::DropoutBackward => {
                let n = length(call)?;
                if !(0.0..1.0).contains(&call.scalar) {
                    return Err(BadDimensions);
                }
                if self == Kernel::Dropout {
                    put(&[write(n), Need::write_bytes(n.div_ceil(8))]);
                } else {
                    put(&[Need::read_bytes(n.div_ceil(8)), write(n)]);
                }
            }
            Kernel::Loss => put(&[read(length(call)?), write(length(call)?)]),
            Kernel::Apply => {
                let n = length(call)?;
                let state = call.rule.state_floats();
                if call.rule == Accumulate {
                    return Err(BadDimensions);
                }
                put(&[
                    write(n),
                    write(n),
                    write(n).only_if(state > 0),
                    write(n).only_if(state > 1),
                ]);
            }
            Kernel::ClipNorm => {
                if !(call.scalar > 0.0 && call.scalar.is_finite()) {
                    return Err(BadDimensions);
                }
                put(&[read(length(call)?)]);
            }
        }
        Ok(needs)
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

fn product(factors: &[usize]) -> Result<usize, BadDimensions> {
    let mut p = 1usize;
    for &f in factors {
        p = p
            .checked_mul(f)
            .filter(|&p| (1..=MOST).contains(&p))
            .ok_or(BadDimensions)?;
    }
    Ok(p)
}

fn volume(s: crate::kernels::Shape) -> Result<usize, BadDimensions> {
    product(&[s.h, s.w, s.c])
}

fn length(call: &Call) -> Result<usize, BadDimensions> {
    product(&[call.len()])
}

/// Every window of a convolution or pool must overlap its input, on both sides.
fn window(call: &Call) -> Result<(), BadDimensions> {
    let g = call.conv2d();
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
