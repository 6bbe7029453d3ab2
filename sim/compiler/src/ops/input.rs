//! The sample: numbers of whatever type become floats, each `x · scale + shift`.

use super::{Operator, Zeros};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::dimension;
use crate::listing::{Symbol, flat};
use crate::stage::StageId;
use runtime_shared::kernels::Shape;
use runtime_shared::program::{Element, Kernel};
use std::ops::RangeInclusive;

/// The normalised sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its shape.
    pub shape: Shape,
    /// What a sample is made of.
    pub element: Element,
}

impl Operator for Input {
    fn arity(&self) -> RangeInclusive<usize> {
        0..=0
    }

    fn shape(&self, layer: &str, _: &[Shape]) -> Result<Shape, Error> {
        for (what, value) in [
            ("its height", self.shape.h),
            ("its width", self.shape.w),
            ("its depth", self.shape.c),
        ] {
            dimension(layer, what, value)?;
        }
        Ok(self.shape)
    }

    fn zeros(&self) -> Zeros {
        Zeros::OfSample
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let mut call = flat(Kernel::Normalise, self.shape.len());
        call.element = self.element;
        call.dims[2] = pass.lowering.input_channels as u16;
        let operands = [Symbol::Sample, Symbol::InputScale, Symbol::InputShift, y];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, _: &mut Backward<'_>, _: StageId) {}
}
