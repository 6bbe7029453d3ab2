//! Operands that integer kernels have in common.

use crate::element::Element;
use crate::operand::{Extent, Operand, When, read, write};

/// Activations on the input's side, read.
pub(super) const X: Operand = read(Element::I8, Extent::X);
/// Activations on the output's side, written.
pub(super) const Y_OUT: Operand = write(Element::I8, Extent::Y);
/// Deltas on the output's side, read.
pub(super) const DELTA: Operand = read(Element::I16, Extent::Y);
/// Deltas on the input's side, written.
pub(super) const DX: Operand = write(Element::I16, Extent::X);
/// Activations on the input's side where they went through a ReLU, else nothing.
pub(super) const MASK: Operand = read(Element::I8, Extent::X).optional();
/// Weights of the call's class, read.
pub(super) const W: Operand = read(Element::I8, Extent::W).any();
/// Biases, or nothing.
pub(super) const BIAS: Operand = read(Element::I32, Extent::Channels).optional();
/// Weights of the call's class, moved; nothing when gradients are accumulated.
pub(super) const TRAINED: Operand = write(Element::I8, Extent::W).any().when(When::Moving);
/// Sums of gradients over a batch, when they are accumulated.
pub(super) const SUMS: Operand = write(Element::I32, Extent::W).when(When::State1);
/// Scratch.
pub(super) const TILE: Operand = write(Element::I32, Extent::Tile);

/// Evaluates `$body` with `$w`, the weights in operand `$i` of `$o`, as a slice of their class: `read_as` or `write_as`.
macro_rules! of_class {
    ($call:expr, $o:expr, $how:ident, $i:literal, |$w:ident| $body:expr) => {
        if $call.element == crate::element::Element::I16 {
            let $w = $o.$how::<i16>($i);
            $body
        } else {
            let $w = $o.$how::<i8>($i);
            $body
        }
    };
}
pub(super) use of_class;

/// Refuses other classes of weights than there are.
pub(super) fn demand_class(call: &crate::call::Call) -> Result<(), crate::operand::BadDimensions> {
    crate::operand::demand(matches!(call.element, Element::I8 | Element::I16))
}
