//! Weight decay in integers: a pass of its own every so many steps, so that rows of zero inputs can still be skipped in
//! all others.

use super::Weight;
use super::fixed::Dither;
use super::operands::{demand_class, of_class};
use super::record::{RECORD, Record, recorded};
use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, demand, flat, write};
use crate::routine::{Context, Operands, Routine};

/// How much a weight loses in one pass: `multiplier · 2^-(15 + shift)` of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decay {
    /// At most 32,767.
    pub multiplier: u16,
    /// 0 to 15.
    pub shift: u8,
}

impl Decay {
    /// The share `share` of each weight; nothing unless it is below 1.
    pub fn new(share: f32) -> Option<Self> {
        if !(0.0..1.0).contains(&share) {
            return None;
        }
        let (mut scaled, mut shift) = (share, 0u8);
        while scaled < 0.5 && shift < 15 {
            scaled *= 2.0;
            shift += 1;
        }
        Some(Self {
            multiplier: ((scaled * 32_768.0 + 0.5) as u16).min(32_767),
            shift,
        })
    }

    /// log2 of the period of passes that suits the product of learning rate and decay: the largest of 0 to 12 with which a pass takes at
    /// most 1/512 of a weight.
    pub fn period(product: f32) -> u8 {
        let fits = |m: &u8| f32::from(1u16 << m) * product <= 1.0 / 512.0;
        (0..=12).rev().find(fits).unwrap_or(0)
    }

    /// Shrinks the weights of layer `layer`, which has `outputs` outputs, in step `step`.
    #[inline(never)]
    pub fn apply<W: Weight>(self, w: &mut [W], outputs: usize, step: u32, layer: u32) {
        let shift = 15 + u32::from(self.shift);
        let dither = Dither::new(step, layer.wrapping_add(1 << 31), shift);
        for (row, w) in w.chunks_mut(outputs.max(1)).enumerate() {
            let dither = dither.row(row);
            for w in w {
                let loss = (w.wide() * i32::from(self.multiplier) + dither) >> shift;
                *w = W::narrow(w.wide() - loss);
            }
        }
    }
}

/// w · record. Length; outputs of the layer in dimension 2; the class of the weights. Does something once a period.
pub struct Shrink;

impl Routine for Shrink {
    const NAME: &'static str = "int_decay";
    const OPERANDS: &'static [Operand] = &[write(Element::I8, Extent::W).any(), RECORD];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand_class(call)?;
        demand(call.dim(2) > 0)?;
        Ok(recorded(flat(call)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let record = Record::read(o.read_as(1));
        let number = context.updates.wrapping_add(1);
        let period = 1u32 << record.period;
        if !number.is_multiple_of(period) {
            return;
        }
        let share = period as f32 * context.hyper.learning_rate * context.hyper.weight_decay;
        if let Some(decay) = Decay::new(share) {
            let outputs = call.dim(2);
            of_class!(call, o, write_as, 0, |w| decay.apply(
                w,
                outputs,
                number,
                record.number as u32
            ));
        }
    }
}
