//! Pools and means in 8 bits. Geometry is that of [`crate::pool`]; input and output of a pool share scale and zero point.

use super::Output;
use super::multiplier::Multiplier;
use crate::block::{chunk, part};
use crate::pool::Pool2d;

/// Calls `visit` for each pixel of the window of each output: the output pixel, the input pixel.
#[inline(always)]
fn windows(g: &Pool2d, mut visit: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
    let mut out = 0;
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            let field = g.window(oy, ox);
            let mut pixels = field
                .segments()
                .flat_map(|(pixel, _, len)| pixel..pixel + len);
            visit(out, &mut pixels);
            out += 1;
        }
    }
}

/// `y` = the maximum of each window, per channel, within `low` and `high`.
#[inline(never)]
pub fn max(g: &Pool2d, x: &[i8], y: &mut [i8], low: i8, high: i8) {
    let c = g.input.c;
    windows(g, |out, pixels| {
        let y = crate::block::part_mut(y, out * c, c);
        y.fill(i8::MIN);
        for pixel in pixels {
            for (y, x) in y.iter_mut().zip(part(x, pixel * c, c)) {
                *y = (*y).max(*x);
            }
        }
        y.iter_mut().for_each(|y| *y = (*y).min(high).max(low));
    });
}

/// `y` = the mean of each window's bytes on the input, per channel, halves away from zero, within `low` and `high`.
#[inline(never)]
pub fn average(g: &Pool2d, x: &[i8], y: &mut [i8], low: i8, high: i8) {
    let c = g.input.c;
    for channel in 0..c {
        windows(g, |out, pixels| {
            let (mut sum, mut n) = (0i32, 0i32);
            for pixel in pixels {
                let [x]: &[i8; 1] = chunk(x, pixel * c + channel);
                sum += i32::from(*x);
                n += 1;
            }
            let n = n.max(1);
            let mean = if sum > 0 {
                (sum + n / 2) / n
            } else {
                (sum - n / 2) / n
            };
            if let Some(y) = y.get_mut(out * c + channel) {
                *y = (mean as i8).min(high).max(low);
            }
        });
    }
}

/// The multiplier of a mean over `n` elements, from that of input scale by output scale: 1 / n is worked into it.
pub fn mean_multiplier(scale: Multiplier, n: u32) -> Multiplier {
    let n = i64::from(n.max(1));
    let shift = (63 - n.leading_zeros() as i32)
        .min(32)
        .min(31 + scale.shift);
    Multiplier {
        multiplier: ((i64::from(scale.multiplier) << shift) / n) as i32,
        shift: scale.shift - shift,
    }
}

/// `y` = the mean over all pixels, per channel. `x` is `[pixel][y.len()]`; `output`'s multiplier is that of [`mean_multiplier`].
#[inline(never)]
pub fn mean(x: &[i8], zero: i32, y: &mut [i8], output: &Output<'_>) {
    let c = y.len();
    for (channel, y) in y.iter_mut().enumerate() {
        let (mut sum, mut n, mut at) = (0i32, 0i32, channel);
        while let Some(x) = x.get(at) {
            sum = sum.wrapping_add(i32::from(*x));
            n += 1;
            at += c.max(1);
        }
        *y = output.apply(sum.wrapping_sub(zero.wrapping_mul(n)), 0);
    }
}
