//! Floats as bytes: what a buffer stores of features.
//!
//! `q = round(x · inverse + zero)`, limited to what the type holds; ties round up. The two constants are one operand of
//! the call. [`normalise`](crate::normalise) undoes it: `x = q · scale + shift`, with the shift `−zero · scale`.

use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Extent, Lengths, Operand, X, demand, flat, read, write};
use crate::routine::{Context, Operands, Routine};

/// Writes `x` to `q`, as bytes that are `signed` or not. Whether every `x` was a number: what is not becomes the lowest
/// value of the type, so whoever goes on has to look.
#[inline(never)]
pub fn quantise(x: &[f32], [inverse, zero]: [f32; 2], signed: bool, q: &mut [u8]) -> bool {
    let (low, high) = if signed {
        (-128.0, 127.0)
    } else {
        (0.0, 255.0)
    };
    let mut numbers = true;
    for (q, &x) in q.iter_mut().zip(x) {
        let v = x * inverse + zero;
        numbers &= !v.is_nan();
        let v = if v > low { v } else { low };
        let v = if v < high { v } else { high };
        // Steps above the lowest value, which are not negative; a byte holds their sum with it modulo 256.
        *q = ((v - low + 0.5) as u32 as u8).wrapping_add(if signed { 128 } else { 0 });
    }
    numbers
}

/// x · inverse and zero → q, of the call's type. Length. What is not a number makes the loss none.
pub struct Quantise;

impl Routine for Quantise {
    const NAME: &'static str = "quantise";
    const OPERANDS: &'static [Operand] = &[
        X,
        read(Element::F32, Extent::Constants),
        write(Element::U8, Extent::Y).any(),
    ];
    const OUTPUT: Option<usize> = Some(2);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(matches!(call.element, Element::I8 | Element::U8))?;
        Ok(Lengths {
            constants: 2,
            ..flat(call)?
        })
    }

    fn run(call: &Call, o: &mut Operands<'_>, context: &mut Context) {
        let q = o.write_bytes(2);
        let &[inverse, zero] = o.read(1) else { return };
        if !quantise(o.read(0), [inverse, zero], call.element == Element::I8, q) {
            context.loss = f32::NAN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::normalise;

    #[test]
    fn what_is_quantised_comes_back_to_half_a_step() {
        for (element, low, zero) in [
            (Element::U8, 0.0f32, 0.0f32),
            (Element::U8, 0.0, 100.0),
            (Element::I8, -128.0, -3.0),
        ] {
            let scale = 0.03f32;
            let x: Vec<f32> = (0..=1000)
                .map(|i| (low - zero) * scale + 255.0 * scale * i as f32 / 1000.0)
                .collect();
            let mut q = vec![0; x.len()];
            assert!(quantise(
                &x,
                [1.0 / scale, zero],
                element == Element::I8,
                &mut q
            ));
            let mut back = vec![0.0; x.len()];
            normalise(element, &q, &[scale], &[-zero * scale], &mut back);
            for (x, back) in x.iter().zip(&back) {
                // Products and sums round, too.
                let slack = 1e-5;
                assert!(
                    (x - back).abs() <= scale * 0.5 + slack,
                    "{element:?} {x} {back}"
                );
            }
        }
    }

    #[test]
    fn what_the_type_does_not_hold_is_limited_and_what_is_no_number_is_reported() {
        let mut q = [1; 6];
        let x = [-5.0, 0.5, 1.4999, 300.0, f32::INFINITY, f32::NEG_INFINITY];
        assert!(quantise(&x, [1.0, 0.0], false, &mut q));
        assert_eq!(q, [0, 1, 1, 255, 255, 0]);
        assert!(quantise(&x, [1.0, 0.0], true, &mut q));
        assert_eq!(q.map(|q| q as i8), [-5, 1, 1, 127, 127, -128]);
        assert!(!quantise(&[1.0, -f32::NAN], [1.0, 0.0], false, &mut q));
        assert_eq!(q[..2], [1, 0]);
    }
}
