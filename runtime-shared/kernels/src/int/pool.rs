//! Pooling in integers, as a layer of its own; [`super::conv2d`] fuses the common case. Geometry is that of
//! [`crate::pool`].

use super::Activation;
use super::delta::Delta;
use crate::block::part;
use crate::pool::Pool2d;
use crate::window::{Axis, Columns, Field};

/// The part of the window of output (`oy`, `ox`) that falls on the input, in pixels.
#[inline(never)]
fn window(g: &Pool2d, (oy, ox): (usize, usize)) -> Field {
    let axis = |input, kernel, stride, pad| Axis {
        input,
        kernel,
        stride,
        pad,
    };
    let rows = axis(g.input.h, g.kernel.0, g.stride.0, g.pad.0);
    let columns = axis(g.input.w, g.kernel.1, g.stride.1, g.pad.1);
    Field::new(rows, columns, 1, (oy, ox))
}

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
        for (pixel, tap, len) in window(g, place).segments() {
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
        let window = window(g, place);
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
        let window = window(g, place);
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
