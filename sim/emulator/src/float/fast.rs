//! Single precision on the host's own unit, where that is provably the same.
//!
//! Valid under the reset settings, for results that are normal numbers above the smallest (the architecture
//! detects tininess before rounding) or exact zeros. Once Inexact is set it stays set, so the check for it
//! is skipped from then on.

use super::arithmetic as soft;
use super::soft::{Double, Format, Single};
use super::{Fpscr, IXC};

#[inline(always)]
fn f(bits: u32) -> f32 {
    f32::from_bits(bits)
}

#[inline(always)]
fn wide(bits: u32) -> f64 {
    f64::from(f32::from_bits(bits))
}

/// Whether a result is normal and cannot have been tiny before rounding.
#[inline(always)]
fn plain(bits: u32) -> bool {
    (bits >> 23 & 0xff).wrapping_sub(2) < 253
}

/// The rounded sum of two doubles and what rounding lost, exactly (Knuth's TwoSum).
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let virtual_b = sum - a;
    (sum, (a - (sum - virtual_b)) + (b - virtual_b))
}

#[inline(always)]
fn note(inexact: bool, fp: &mut Fpscr) {
    if inexact {
        fp.raise(IXC);
    }
}

/// FPAdd in single or double precision, by the width of the format.
#[inline(always)]
pub fn add<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    if F::FRACTION == Single::FRACTION && !fp.is_special() {
        let (a, b) = (a as u32, b as u32);
        let result = (f(a) + f(b)).to_bits();
        if plain(result) {
            if !fp.has(IXC) {
                let (sum, error) = two_sum(wide(a), wide(b));
                note(error != 0.0 || wide(result) != sum, fp);
            }
            return result.into();
        }
        if result << 1 == 0 {
            return result.into();
        }
    }
    slow_add::<F>(a, b, fp)
}

#[inline(never)]
fn slow_add<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    soft::add::<F>(a, b, fp)
}

/// FPSub: the sum with the second operand negated, except that a NaN keeps its sign.
#[inline(always)]
pub fn sub<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    let nan = b & !F::SIGN > F::INFINITY;
    if nan {
        slow_add::<F>(a, b, fp)
    } else {
        add::<F>(a, b ^ F::SIGN, fp)
    }
}

/// FPMul.
#[inline(always)]
pub fn mul<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    if F::FRACTION == Single::FRACTION && !fp.is_special() {
        let (a, b) = (a as u32, b as u32);
        let result = (f(a) * f(b)).to_bits();
        if plain(result) {
            if !fp.has(IXC) {
                note(wide(a) * wide(b) != wide(result), fp);
            }
            return result.into();
        }
        if result << 1 == 0 && (a << 1 == 0 || b << 1 == 0) {
            return result.into();
        }
    }
    slow_mul::<F>(a, b, fp)
}

#[inline(never)]
fn slow_mul<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    soft::mul::<F>(a, b, fp)
}

/// FPDiv.
pub fn div<F: Format>(a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    if F::FRACTION == Single::FRACTION && !fp.is_special() {
        let (a, b) = (a as u32, b as u32);
        let result = (f(a) / f(b)).to_bits();
        // A plain result has a finite quotient; it is exact where it multiplies back.
        if plain(result) {
            note(wide(result) * wide(b) != wide(a), fp);
            return result.into();
        }
    }
    soft::div::<F>(a, b, fp)
}

/// FPSqrt.
pub fn sqrt<F: Format>(a: u64, fp: &mut Fpscr) -> u64 {
    if F::FRACTION == Single::FRACTION && !fp.is_special() {
        let a = a as u32;
        let result = f(a).sqrt().to_bits();
        if plain(result) {
            note(wide(result) * wide(result) != wide(a), fp);
            return result.into();
        }
    }
    soft::sqrt::<F>(a, fp)
}

/// FPMulAdd: `addend + a·b`, rounded once.
#[inline(always)]
pub fn fma<F: Format>(addend: u64, a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    if F::FRACTION == Single::FRACTION && !fp.is_special() {
        let (sum, error) = two_sum(wide(a as u32) * wide(b as u32), wide(addend as u32));
        let result = (round_to_odd(sum, error) as f32).to_bits();
        if plain(result) {
            note(error != 0.0 || wide(result) != sum, fp);
            return result.into();
        }
    }
    slow_fma::<F>(addend, a, b, fp)
}

#[inline(never)]
fn slow_fma<F: Format>(addend: u64, a: u64, b: u64, fp: &mut Fpscr) -> u64 {
    soft::fma::<F>(addend, a, b, fp)
}

/// A sum whose last bit remembers that it was inexact, so that rounding it again is rounding once
/// (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
#[inline(always)]
fn round_to_odd(sum: f64, error: f64) -> f64 {
    let bits = sum.to_bits();
    if error == 0.0 || error.is_nan() || bits & 1 == 1 {
        return sum;
    }
    let outwards = (error > 0.0) == (bits & Double::SIGN == 0);
    f64::from_bits(if outwards { bits + 1 } else { bits - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bit patterns that reach every corner: random ones, small ones, near powers of two, and special ones.
    fn operand(state: &mut u64) -> u32 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        let random = (*state >> 16) as u32;
        match random % 8 {
            0 => [
                0,
                0x8000_0000,
                0x7f80_0000,
                0xff80_0000,
                0x7fc0_0001,
                0x7f80_0001,
                0x0080_0000,
                1,
            ][(random >> 8) as usize % 8],
            1 => random & 0x807f_ffff,
            2 | 3 => random & 0x83ff_ffff | 0x3c00_0000,
            4 => (random & 0x3f) << 20 | 0x3f00_0000 | random & 0x8000_0000,
            _ => random,
        }
    }

    #[test]
    fn the_fast_path_equals_the_integers() {
        let mut state = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..400_000 {
            let [a, b, c] = [
                operand(&mut state),
                operand(&mut state),
                operand(&mut state),
            ]
            .map(u64::from);
            let check = |name: &str,
                         fast: fn(u64, u64, u64, &mut Fpscr) -> u64,
                         slow: fn(u64, u64, u64, &mut Fpscr) -> u64| {
                let (mut x, mut y) = (Fpscr::new(0), Fpscr::new(0));
                let pair = (fast(a, b, c, &mut x), slow(a, b, c, &mut y));
                assert_eq!(
                    (pair.0, x),
                    (pair.1, y),
                    "{name} of {a:08x} {b:08x} {c:08x}"
                );
            };
            check(
                "add",
                |a, b, _, fp| add::<Single>(a, b, fp),
                |a, b, _, fp| soft::add::<Single>(a, b, fp),
            );
            check(
                "mul",
                |a, b, _, fp| mul::<Single>(a, b, fp),
                |a, b, _, fp| soft::mul::<Single>(a, b, fp),
            );
            check(
                "div",
                |a, b, _, fp| div::<Single>(a, b, fp),
                |a, b, _, fp| soft::div::<Single>(a, b, fp),
            );
            check(
                "sqrt",
                |a, _, _, fp| sqrt::<Single>(a, fp),
                |a, _, _, fp| soft::sqrt::<Single>(a, fp),
            );
            check(
                "fma",
                |a, b, c, fp| fma::<Single>(c, a, b, fp),
                |a, b, c, fp| soft::fma::<Single>(c, a, b, fp),
            );
        }
    }

    #[test]
    fn double_precision_equals_the_host() {
        let mut state = 0x1234_5678_9abc_def1;
        for _ in 0..100_000 {
            let mut next = || u64::from(operand(&mut state)) << 32 | u64::from(operand(&mut state));
            let (a, b, c) = (next(), next(), next());
            let host = |bits| f64::from_bits(bits);
            let same = |ours: u64, host: f64| {
                ours == host.to_bits() || host.is_nan() && f64::from_bits(ours).is_nan()
            };
            let mut fp = Fpscr::new(0);
            assert!(same(add::<Double>(a, b, &mut fp), host(a) + host(b)));
            assert!(same(mul::<Double>(a, b, &mut fp), host(a) * host(b)));
            assert!(same(div::<Double>(a, b, &mut fp), host(a) / host(b)));
            assert!(same(sqrt::<Double>(a, &mut fp), host(a).sqrt()));
            assert!(same(
                fma::<Double>(c, a, b, &mut fp),
                host(a).mul_add(host(b), host(c))
            ));
        }
    }
}
