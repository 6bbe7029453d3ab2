//! Pooling in integers, as a layer of its own; [`super::conv2d`] fuses the common case. Geometry is that of
//! [`crate::pool`].

use super::Activation;
use super::delta::Delta;
use super::operands::{DELTA, DX, MASK, X, Y_OUT};
use super::record::{RECORD_OUT, Record, count, recorded};
use crate::block::part;
use crate::call::Call;
use crate::operand::{ARGMAX, ARGMAX_OUT};
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::pool::Pool2d;
use crate::routine::{Context, Operands, Routine};
use crate::window::Columns;

/// Output rows and columns, ascending.
fn positions(g: &Pool2d) -> impl Iterator<Item = (usize, usize)> + use<> {
    let (h, w) = (g.output.h, g.output.w);
    (0..h).flat_map(move |oy| (0..w).map(move |ox| (oy, ox)))
}

/// `y` = the maximum of each window, per channel; `argmax`, as long as `y` or empty, gets its index `ky · width + kx`, the first
/// of equals.
#[inline(never)]
pub fn max_forward(g: &Pool2d, x: &[i8], y: &mut [i8], argmax: &mut [u8]) {
    let c = g.input.c.max(1);
    y.fill(i8::MIN);
    let mut winners = argmax.chunks_exact_mut(c);
    for (place, y) in positions(g).zip(y.chunks_exact_mut(c)) {
        let winners = winners.next().unwrap_or_default();
        for (pixel, tap, len) in g.window(place.0, place.1).segments() {
            for i in 0..len {
                for (j, (y, x)) in y.iter_mut().zip(part(x, (pixel + i) * c, c)).enumerate() {
                    if *x > *y {
                        *y = *x;
                        if let Some(winner) = winners.get_mut(j) {
                            *winner = (tap + i) as u8;
                        }
                    }
                }
            }
        }
    }
}

/// Adds each delta to its window's winner, windows ascending.
#[inline(never)]
pub fn max_backward(g: &Pool2d, delta: &[i16], argmax: &[u8], to: &mut Delta<'_>) {
    to.begin();
    let c = g.input.c.max(1);
    let columns = Columns::new(g.kernel.1);
    let outputs = delta.chunks_exact(c).zip(argmax.chunks_exact(c));
    for ((oy, ox), (delta, winners)) in positions(g).zip(outputs) {
        for (j, (d, &winner)) in delta.iter().zip(winners).enumerate() {
            let (ky, kx) = columns.place(winner);
            let (y, x) = (oy * g.stride.0 + ky, ox * g.stride.1 + kx);
            let pixel = y.saturating_sub(g.pad.0) * g.input.w + x.saturating_sub(g.pad.1);
            to.add(pixel * c + j, i32::from(*d));
        }
    }
}

/// `2^16 / n`, rounded: what stands for the division by the size of a window.
#[inline(never)]
fn reciprocal(n: usize) -> i32 {
    let n = n.max(1) as u32;
    ((65_536 + n / 2) / n) as i32
}

/// `y` = the mean of each window, per channel. Padding does not count. `activation` shifts from 16 more bits of fraction than the
/// input has. Returns how many outputs were clipped.
#[inline(never)]
pub fn average_forward(g: &Pool2d, x: &[i8], y: &mut [i8], activation: Activation) -> u32 {
    let (c, mut clipped) = (g.input.c.max(1), 0);
    for (place, y) in positions(g).zip(y.chunks_exact_mut(c)) {
        let window = g.window(place.0, place.1);
        let m = reciprocal(window.taps());
        for (j, y) in y.iter_mut().enumerate() {
            let mut sum = 0;
            for (pixel, _, len) in window.segments() {
                for i in 0..len {
                    let [x]: &[i8; 1] = crate::block::chunk(x, (pixel + i) * c + j);
                    sum += i32::from(*x);
                }
            }
            *y = activation.apply(sum * m, &mut clipped);
        }
    }
    clipped
}

/// Adds each delta's share to every element of its window, windows ascending. The shift of `to` includes the 16 bits of the
/// share.
#[inline(never)]
pub fn average_backward(g: &Pool2d, delta: &[i16], to: &mut Delta<'_>) {
    to.begin();
    let c = g.input.c.max(1);
    for (place, delta) in positions(g).zip(delta.chunks_exact(c)) {
        let window = g.window(place.0, place.1);
        let m = reciprocal(window.taps());
        for (pixel, _, len) in window.segments() {
            for i in 0..len {
                for (j, d) in delta.iter().enumerate() {
                    to.add((pixel + i) * c + j, i32::from(*d) * m);
                }
            }
        }
    }
}

/// x → y · argmax (or absent). The pooling geometry.
pub struct MaxForward;

impl Routine for MaxForward {
    const NAME: &'static str = "int_max_pool";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT, ARGMAX_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        crate::pool::lengths(call, 256)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, argmax) = (o.write_as(1), o.write_bytes(2));
        max_forward(&call.pool2d(), o.read_as(0), y, argmax);
    }
}

/// delta · argmax · mask (or absent) → dx. The pooling geometry; the shift of dx in dimension 12; a scalar that is not 0 adds to dx.
pub struct MaxBackward;

impl Routine for MaxBackward {
    const NAME: &'static str = "int_max_pool_backward";
    const OPERANDS: &'static [Operand] = &[DELTA, ARGMAX, MASK, DX];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        crate::pool::lengths(call, 256)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let mut to = Delta {
            g: o.write_as(3),
            mask: o.read_as(2),
            shift: shift(call),
            add: call.scalar != 0.0,
        };
        max_backward(&call.pool2d(), o.read_as(0), o.bytes(1), &mut to);
    }
}

/// x → y · record. The pooling geometry; a scalar that is not 0 counts what is clipped.
pub struct AverageForward;

impl Routine for AverageForward {
    const NAME: &'static str = "int_average_pool";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT, RECORD_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        Ok(recorded(crate::pool::lengths(call, 1024)?))
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let (y, words) = (o.write_as(1), o.write_as(2));
        let record = Record::read(words);
        let activation = Activation {
            shift: 16 + record.input - record.output,
            relu: call.activation == crate::activation::Activation::Relu,
        };
        let clipped = average_forward(&call.pool2d(), o.read_as(0), y, activation);
        count(call, words, clipped);
    }
}

/// delta · mask (or absent) → dx. The pooling geometry; the shift of dx, with the 16 bits of the share, in dimension 12; a scalar that is not 0 adds to dx.
pub struct AverageBackward;

impl Routine for AverageBackward {
    const NAME: &'static str = "int_average_pool_backward";
    const OPERANDS: &'static [Operand] = &[DELTA, MASK, DX];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        crate::pool::lengths(call, 1024)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let mut to = Delta {
            g: o.write_as(2),
            mask: o.read_as(1),
            shift: shift(call),
            add: call.scalar != 0.0,
        };
        average_backward(&call.pool2d(), o.read_as(0), &mut to);
    }
}

/// The shift of a delta, which dimension 12 carries.
fn shift(call: &Call) -> i32 {
    i32::from(call.dims[12] as i16).clamp(-31, 31)
}
