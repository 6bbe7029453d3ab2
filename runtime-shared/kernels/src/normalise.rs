//! Scaling of an input that is kept as it came in: bytes of a picture, samples of a sensor, floats.

use crate::call::Call;
use crate::element::Element;
use crate::operand::{
    BadDimensions, CHANNELS, Extent, Lengths, Operand, Y_OUT, by_channel, demand, read,
};
use crate::routine::{Context, Operands, Routine};

/// `y = x · scale[c] + shift[c]`, where `x` is what `bytes` hold: numbers of the type `element`, little-endian, which may
/// start at any byte.
///
/// Numbers and `y` are positions × channels; `scale` and `shift` hold channels. The same numbers give the same `y`,
/// whatever their type. Bits are not numbers and leave `y` as it was.
#[inline(never)]
pub fn normalise(element: Element, bytes: &[u8], scale: &[f32], shift: &[f32], y: &mut [f32]) {
    match element {
        Element::U8 => {
            if let (&[scale], &[shift]) = (scale, shift) {
                // The most common case, in one pass.
                for (y, &byte) in y.iter_mut().zip(bytes) {
                    *y = f32::from(byte) * scale + shift;
                }
                return;
            }
            widen(bytes, y, |[b]| f32::from(b));
        }
        Element::I8 => widen(bytes, y, |b| f32::from(i8::from_le_bytes(b))),
        Element::I16 => widen(bytes, y, |b| f32::from(i16::from_le_bytes(b))),
        Element::I32 => widen(bytes, y, |b| i32::from_le_bytes(b) as f32),
        Element::F32 => widen(bytes, y, f32::from_le_bytes),
        Element::Bits => return,
    }
    for y in y.chunks_exact_mut(scale.len().max(1)) {
        for (y, (scale, shift)) in y.iter_mut().zip(scale.iter().zip(shift)) {
            *y = *y * scale + shift;
        }
    }
}

/// Numbers of `N` bytes as floats.
#[inline(always)]
fn widen<const N: usize>(bytes: &[u8], y: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    for (y, bytes) in y.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *y = number(*bytes);
    }
}

/// x, of the call's type · scale · shift → y. Length; channels in dimension 2.
pub struct Normalise;

impl Routine for Normalise {
    const NAME: &'static str = "normalise";
    const OPERANDS: &'static [Operand] = &[
        read(Element::U8, Extent::X).any().unaligned(),
        CHANNELS,
        CHANNELS,
        Y_OUT,
    ];
    const OUTPUT: Option<usize> = Some(3);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(call.element != Element::Bits)?;
        by_channel(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(3);
        normalise(call.element, o.bytes(0), o.read(1), o.read(2), y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `values` as numbers of a type.
    fn encoded(element: Element, values: &[i8]) -> Vec<u8> {
        let number = |&v: &i8| match element {
            Element::U8 => vec![v as u8],
            Element::I8 => v.to_le_bytes().to_vec(),
            Element::I16 => i16::from(v).to_le_bytes().to_vec(),
            Element::I32 => i32::from(v).to_le_bytes().to_vec(),
            _ => f32::from(v).to_le_bytes().to_vec(),
        };
        values.iter().flat_map(number).collect()
    }

    #[test]
    fn equal_numbers_of_any_type_are_equal_inputs() {
        let values: Vec<i8> = (0..=126).collect();
        let signed: Vec<i8> = (-64..63).collect();
        let (scale, shift) = ([0.1, -3.7e-3], [0.25, -11.0]);
        for channels in [1, 2] {
            let (scale, shift) = (&scale[..channels], &shift[..channels]);
            for (values, unsigned) in [(&values[..126], true), (&signed[..126], false)] {
                let expected: Vec<f32> = values
                    .iter()
                    .enumerate()
                    .map(|(i, &v)| f32::from(v) * scale[i % channels] + shift[i % channels])
                    .collect();
                for &element in Element::ALL {
                    if element == Element::Bits || element == Element::U8 && !unsigned {
                        continue;
                    }
                    // One byte further on than aligned.
                    let mut bytes = vec![0];
                    bytes.extend(encoded(element, values));
                    let mut y = vec![f32::NAN; values.len()];
                    normalise(element, &bytes[1..], scale, shift, &mut y);
                    assert_eq!(y, expected, "{element:?}");
                }
            }
        }
    }
}
