//! What becomes of a gradient: weights move, or, within a batch, sums grow.

use super::Weight;
use super::fixed::{Dither, GRADIENT, rnd, sat};
use super::loss::Rate;
use super::operands::{demand_class, of_class};
use super::record::{RECORD, Record, recorded};
use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::operand::{Extent, demand, flat, write};
use crate::routine::{Context, Operands, Routine};

/// The constants of one layer's update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    dither: Dither,
    /// r of the specification, at most 30.
    shift: i32,
    /// By how much a gradient is rounded first, where r exceeds 30.
    before: i32,
    limit: i32,
}

impl Step {
    /// Of step `step`, counted from 1, of layer `layer`: gradients have `shift` more fraction bits than weights, whose limit is
    /// `limit`.
    pub fn new(step: u32, layer: u32, shift: i32, limit: i32) -> Self {
        let before = (shift - 30).max(0);
        let shift = shift - before;
        Self {
            dither: Dither::new(step, layer, shift.max(1) as u32),
            shift,
            before,
            limit,
        }
    }

    /// The dither of a row, for [`Step::moved`].
    #[inline(always)]
    fn row(&self, row: usize) -> i32 {
        if self.shift > 0 {
            self.dither.row(row)
        } else {
            0
        }
    }

    /// Where the weight `w` goes with the gradient `g`.
    #[inline(always)]
    fn moved<W: Weight>(&self, w: W, g: i32, dither: i32) -> W {
        let u = if self.shift > 0 {
            (g + dither) >> self.shift
        } else {
            rnd(sat(g, 65_536), self.shift)
        };
        W::narrow(sat(w.wide() - u, self.limit))
    }
}

/// Takes gradients, in any order, each weight's once a sample.
pub trait Sink {
    /// The gradients of neighbouring weights, from weight `at` on, all of row `row`.
    fn row<const N: usize>(&mut self, row: usize, at: usize, gradients: &[i32; N]);
    /// As [`Sink::row`], but each gradient is `x` times a delta.
    fn outer(&mut self, row: usize, at: usize, x: i32, deltas: &[i16]);
    /// The gradients of the weights `at`, `at + outputs`, …, of rows 0, 1, ….
    fn column(&mut self, at: usize, outputs: usize, gradients: &[i32]);
}

/// Moves the weights at once.
pub struct Update<'a, W> {
    /// The weights.
    pub w: &'a mut [W],
    /// How.
    pub step: Step,
}

impl<W: Weight> Sink for Update<'_, W> {
    #[inline(always)]
    fn row<const N: usize>(&mut self, row: usize, at: usize, gradients: &[i32; N]) {
        let dither = self.step.row(row);
        let w: &mut [W; N] = crate::block::chunk_mut(self.w, at);
        for j in 0..N {
            w[j] = self
                .step
                .moved(w[j], rnd(gradients[j], self.step.before), dither);
        }
    }

    #[inline(always)]
    fn outer(&mut self, row: usize, at: usize, x: i32, deltas: &[i16]) {
        let (step, dither) = (self.step, self.step.row(row));
        let row = crate::block::part_mut(self.w, at, deltas.len());
        if step.before > 0 || step.shift <= 0 {
            for (w, d) in row.iter_mut().zip(deltas) {
                *w = step.moved(*w, rnd(x * i32::from(*d), step.before), dither);
            }
            return;
        }
        for (w, d) in row.iter_mut().zip(deltas) {
            let u = (x * i32::from(*d) + dither) >> step.shift;
            // Most weights stay where they are, so that it pays to look.
            if u != 0 {
                *w = W::narrow(sat(w.wide() - u, step.limit));
            }
        }
    }

    #[inline(never)]
    fn column(&mut self, at: usize, outputs: usize, gradients: &[i32]) {
        for (row, g) in gradients.iter().enumerate() {
            let dither = self.step.row(row);
            if let Some(w) = self.w.get_mut(at + row * outputs) {
                *w = self.step.moved(*w, rnd(*g, self.step.before), dither);
            }
        }
    }
}

/// Adds gradients up over a batch; [`apply`] moves the weights.
pub struct Sum<'a> {
    /// A sum a weight.
    pub sums: &'a mut [i32],
}

/// `sum + g`, saturated; both are within the limit of gradients.
#[inline(always)]
fn grow(sum: i32, g: i32) -> i32 {
    sat(sum.saturating_add(g), GRADIENT)
}

impl Sink for Sum<'_> {
    #[inline(always)]
    fn row<const N: usize>(&mut self, _: usize, at: usize, gradients: &[i32; N]) {
        let sums: &mut [i32; N] = crate::block::chunk_mut(self.sums, at);
        for j in 0..N {
            sums[j] = grow(sums[j], gradients[j]);
        }
    }

    #[inline(always)]
    fn outer(&mut self, _: usize, at: usize, x: i32, deltas: &[i16]) {
        let sums = crate::block::part_mut(self.sums, at, deltas.len());
        for (sum, d) in sums.iter_mut().zip(deltas) {
            *sum = grow(*sum, x * i32::from(*d));
        }
    }

    #[inline(never)]
    fn column(&mut self, at: usize, outputs: usize, gradients: &[i32]) {
        for (row, g) in gradients.iter().enumerate() {
            if let Some(sum) = self.sums.get_mut(at + row * outputs) {
                *sum = grow(*sum, *g);
            }
        }
    }
}

/// Moves the weights of a layer of `outputs` outputs by what [`Sum`] gathered, and zeroes it.
#[inline(never)]
pub fn apply<W: Weight>(sums: &mut [i32], w: &mut [W], outputs: usize, step: Step) {
    let rows = w.chunks_mut(outputs.max(1));
    for (row, (w, sums)) in rows.zip(sums.chunks_mut(outputs.max(1))).enumerate() {
        let dither = step.row(row);
        for (w, sum) in w.iter_mut().zip(sums) {
            *w = step.moved(*w, rnd(*sum, step.before), dither);
            *sum = 0;
        }
    }
}

/// The constants of the update of the layer of `record`; `call` carries a factor of the learning rate.
pub(super) fn step(record: &Record, context: &Context, call: &Call) -> Step {
    let rate = Rate::of(context, call.scalar);
    let fraction = 15 + i32::from(rate.shift) + record.extra + record.input;
    let number = context.updates.wrapping_add(1);
    Step::new(
        number,
        record.number as u32,
        fraction - record.weights,
        record.limit,
    )
}

/// sums · w · record. Length; outputs of the layer in dimension 2; the class of the weights; the scalar is a factor of the learning rate. The deferred step of a batch.
pub struct Apply;

impl Routine for Apply {
    const NAME: &'static str = "int_apply";
    const OPERANDS: &'static [Operand] = &[
        write(Element::I32, Extent::W),
        write(Element::I8, Extent::W).any(),
        RECORD,
    ];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand_class(call)?;
        demand(call.dim(2) > 0)?;
        Ok(recorded(flat(call)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let sums = o.write_as(0);
        let record = Record::read(o.read_as(2));
        let step = step(&record, context, call);
        of_class!(call, o, write_as, 1, |w| apply(sums, w, call.dim(2), step));
    }
}
