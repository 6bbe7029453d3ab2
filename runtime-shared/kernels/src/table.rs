//! The table of kernels. Everything that must know all of them derives from it.
//!
//! A new kernel is a file with a [`Routine`] and a line here, with the next free number (numbers in use never change:
//! images carry them) and a feature of its name in the two `Cargo.toml`s, so that who does not call it need not link
//! it.

use crate::call::{Call, OPERANDS};
use crate::operand::{BadDimensions, Lengths, Need, Operand};
use crate::routine::{Context, Operands, Routine};
use crate::*;

macro_rules! kernels {
    ($($number:literal $Variant:ident $feature:literal $($module:ident)::+ $Routine:ident;)*) => {
        /// A kernel of the core, by its number in images.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Kernel {
            $(
                #[doc = concat!("[`", stringify!($($module)::+), "::", stringify!($Routine), "`](crate::",
                    stringify!($($module)::+), "::", stringify!($Routine), ").")]
                $Variant = $number,
            )*
        }

        impl Kernel {
            /// Every kernel, by number.
            pub const ALL: &[Kernel] = &[$(Kernel::$Variant,)*];

            /// What the operands of each are to it, by number.
            const ROLES: &[&[Operand]] = &[$(<$($module)::+::$Routine as Routine>::OPERANDS,)*];

            /// The name by which reports know it.
            pub fn name(self) -> &'static str {
                match self { $(Kernel::$Variant => <$($module)::+::$Routine as Routine>::NAME,)* }
            }

            /// The feature of the crate that links it.
            pub fn feature(self) -> &'static str {
                match self { $(Kernel::$Variant => $feature,)* }
            }

            /// Whether it is linked.
            pub fn is_linked(self) -> bool {
                match self { $(Kernel::$Variant => cfg!(feature = $feature),)* }
            }

            /// Which operand holds what it computes, if it is a forward kernel.
            pub fn output(self) -> Option<usize> {
                match self { $(Kernel::$Variant => <$($module)::+::$Routine as Routine>::OUTPUT,)* }
            }

            /// How long the operands of `call` are, whose kernel this is.
            ///
            /// # Errors
            /// [`BadDimensions`], also where the kernel is not linked.
            pub fn lengths(self, call: &Call) -> Result<Lengths, BadDimensions> {
                match self {
                    $(
                        #[cfg(feature = $feature)]
                        Kernel::$Variant => <$($module)::+::$Routine as Routine>::lengths(call),
                    )*
                    #[allow(unreachable_patterns, reason = "with all features nothing is left")]
                    _ => {
                        let _ = call;
                        Err(BadDimensions)
                    }
                }
            }

            /// Runs `call`, whose kernel this is, on operands of its lengths. Nothing where it is not linked.
            pub fn run(self, call: &Call, operands: &mut Operands<'_>, context: &mut Context) {
                match self {
                    $(
                        #[cfg(feature = $feature)]
                        Kernel::$Variant => <$($module)::+::$Routine as Routine>::run(call, operands, context),
                    )*
                    #[allow(unreachable_patterns, reason = "with all features nothing is left")]
                    _ => {
                        let _ = (call, operands, context);
                    }
                }
            }
        }

        // Numbers are places in the tables.
        const _: () = {
            let mut next = 0;
            $(
                assert!($number == next);
                assert!(<$($module)::+::$Routine as Routine>::OPERANDS.len() <= OPERANDS);
                next += 1;
            )*
            let _ = next;
        };
    };
}

kernels! {
    0 Normalise "normalise" normalise Normalise;
    1 Copy "copy" copy Copy;
    2 Dense "dense" dense Forward;
    3 DenseBackwardInput "dense-backward-input" dense BackwardInput;
    4 DenseBackwardWeights "dense-backward-weights" dense BackwardWeights;
    5 BiasBackward "bias-backward" bias Backward;
    6 Conv2d "conv2d" conv2d Forward;
    7 Conv2dBackwardInput "conv2d-backward-input" conv2d BackwardInput;
    8 Conv2dBackwardWeights "conv2d-backward-weights" conv2d BackwardWeights;
    9 Depthwise "depthwise" depthwise Forward;
    10 DepthwiseBackwardInput "depthwise-backward-input" depthwise BackwardInput;
    11 DepthwiseBackwardWeights "depthwise-backward-weights" depthwise BackwardWeights;
    12 MaxPool "max-pool" max_pool Forward;
    13 MaxPoolBackward "max-pool-backward" max_pool Backward;
    14 AveragePool "average-pool" average_pool Forward;
    15 AveragePoolBackward "average-pool-backward" average_pool Backward;
    16 Activation "activation" activation Forward;
    17 ActivationBackward "activation-backward" activation Backward;
    18 Softmax "softmax" softmax Forward;
    19 SoftmaxBackward "softmax-backward" softmax Backward;
    20 ChannelAffine "channel-affine" channel_affine Forward;
    21 ChannelAffineBackward "channel-affine-backward" channel_affine Backward;
    22 Add "add" add Add;
    23 AddAssign "add-assign" add AddAssign;
    24 Dropout "dropout" dropout Forward;
    25 DropoutBackward "dropout-backward" dropout Backward;
    26 Loss "loss" loss Evaluate;
    27 Apply "apply" apply Apply;
    28 ClipNorm "clip-norm" clip_norm ClipNorm;
    29 Quantise "quantise" quantise Quantise;
    30 Rearrange "rearrange" rearrange Rearrange;
    31 Fill "fill" fill Fill;
    32 Multiply "multiply" multiply Multiply;
    33 LogSoftmax "log-softmax" log_softmax Forward;
    34 LogSoftmaxBackward "log-softmax-backward" log_softmax Backward;
    35 IntLookUp "int-look-up" int::convert LookUp;
    36 IntFromFloats "int-from-floats" int::convert FromFloats;
    37 IntDense "int-dense" int::dense Forward;
    38 IntLogits "int-logits" int::dense Logits;
    39 IntDenseBackwardInput "int-dense-backward-input" int::dense BackwardInput;
    40 IntDenseBackwardWeights "int-dense-backward-weights" int::dense BackwardWeights;
    41 IntBiasBackward "int-bias-backward" int::bias Backward;
    42 IntConv2d "int-conv2d" int::conv2d Forward;
    43 IntConv2dBackwardInput "int-conv2d-backward-input" int::conv2d BackwardInput;
    44 IntConv2dBackwardWeights "int-conv2d-backward-weights" int::conv2d BackwardWeights;
    45 IntDepthwise "int-depthwise" int::depthwise Forward;
    46 IntDepthwiseBackwardInput "int-depthwise-backward-input" int::depthwise BackwardInput;
    47 IntDepthwiseBackwardWeights "int-depthwise-backward-weights" int::depthwise BackwardWeights;
    48 IntMaxPool "int-max-pool" int::pool MaxForward;
    49 IntMaxPoolBackward "int-max-pool-backward" int::pool MaxBackward;
    50 IntAveragePool "int-average-pool" int::pool AverageForward;
    51 IntAveragePoolBackward "int-average-pool-backward" int::pool AverageBackward;
    52 IntAdd "int-add" int::add Forward;
    53 IntRelu "int-relu" int::add Relu;
    54 IntPass "int-pass" int::add Pass;
    55 IntLoss "int-loss" int::loss Evaluate;
    56 IntOutputs "int-outputs" int::loss Outputs;
    57 IntApply "int-apply" int::update Apply;
    58 IntBiasApply "int-bias-apply" int::bias Apply;
    59 IntDecay "int-decay" int::decay Shrink;
    60 IntSettle "int-settle" int::record Settle;
}

impl Kernel {
    /// The kernel with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.get(code as usize).copied()
    }

    /// What its operands are to it, in order.
    pub fn roles(self) -> &'static [Operand] {
        Self::ROLES[self as usize]
    }

    /// What `call`, whose kernel this is, asks of its operands.
    ///
    /// # Errors
    /// [`BadDimensions`], as [`Kernel::lengths`].
    pub fn needs(self, call: &Call) -> Result<[Need; OPERANDS], BadDimensions> {
        let lengths = self.lengths(call)?;
        let mut needs = [Need::NOTHING; OPERANDS];
        for (need, role) in needs.iter_mut().zip(self.roles()) {
            *need = role.need(&lengths, call);
        }
        Ok(needs)
    }
}
