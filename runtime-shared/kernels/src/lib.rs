//! The kernels: what a training step consists of, in f32, in integers ([`int`]) and, for
//! inference only, in the bytes of TensorFlow Lite ([`int8`]).
//!
//! Each is a pure function over slices and a small geometry struct, for one sample at a time. Images
//! are stored channels last (height, width, channels). Nothing is allocated; scratch is the caller's.
//!
//! **Bits.** The same call gives the same bits on every machine: products and sums are separate
//! operations, and each kernel's doc comment states the one order in which it adds. Most kernels keep
//! a block of independent outputs in registers and walk the inputs once; how wide that block is
//! changes the speed and the size of the code but not one bit of the result, because outputs do not
//! mix. Where a dot product cannot be avoided, [`dense::backward_input`] says how its lanes are summed.
//!
//! **Lengths.** Callers pass slices of the lengths documented at each function (the loader of a
//! program checks them once, for all steps to come). With these no kernel panics.
//!
//! **Calls.** A Program names a kernel by its number and says where its operands lie ([`call`]). Each kernel's file
//! says what it asks of them ([`operand`]) and how it is run on them ([`routine`]); [`table`] lists the kernels, with a
//! cargo feature each.

#![cfg_attr(not(test), no_std)]
#![deny(missing_docs)]

mod block;
mod codes;
mod window;

pub mod activation;
pub mod add;
pub mod apply;
pub mod average_pool;
pub mod bias;
pub mod call;
pub mod channel_affine;
pub mod clip_norm;
pub mod conv2d;
pub mod copy;
pub mod dense;
pub mod depthwise;
pub mod dropout;
pub mod element;
pub mod fill;
pub mod int;
pub mod int8;
pub mod log_softmax;
pub mod loss;
pub mod machine;
pub mod math;
pub mod max_pool;
pub mod multiply;
pub mod normalise;
pub mod operand;
pub mod pool;
pub mod quantise;
pub mod rearrange;
pub mod rng;
pub mod routine;
pub mod softmax;
pub mod table;
pub mod update;

/// The dimensions of an image: rows, columns, channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Shape {
    /// The number of elements.
    pub fn len(self) -> usize {
        self.h * self.w * self.c
    }

    /// Whether a dimension is zero.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}
