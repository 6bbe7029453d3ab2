//! From pixels and floats to what integer layers read.

use super::operands::Y_OUT;
use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Extent, Lengths, Operand, by_channel, demand, flat, read};
use crate::routine::{Context, Operands, Routine};

/// `x` = what `table` has for each byte: 256 entries for each channel, channels innermost in `bytes`.
#[inline(never)]
pub fn look_up(bytes: &[u8], table: &[i8], x: &mut [i8]) {
    let mut of_channel = 0;
    for (x, byte) in x.iter_mut().zip(bytes) {
        *x = table
            .get(of_channel + usize::from(*byte))
            .copied()
            .unwrap_or(0);
        of_channel += 256;
        if of_channel >= table.len() {
            of_channel = 0;
        }
    }
}

/// `x` = the nearest to `v` of `fraction` bits of fraction, ties up, within -127 … 127; 0 for what is not a number.
#[inline(never)]
pub fn from_floats(v: &[f32], fraction: u8, x: &mut [i8]) {
    let scale = f32::from(1u16 << (fraction & 15));
    for (x, v) in x.iter_mut().zip(v) {
        *x = nearest((v * scale).clamp(-128.0, 128.0)).clamp(-127, 127) as i8;
    }
}

/// floor(v + 1/2) of a float whose integer part an i32 holds, without the rounding that adding 1/2 to a float has.
#[inline(always)]
fn nearest(v: f32) -> i32 {
    let whole = v as i32;
    let rest = v - whole as f32;
    whole + i32::from(rest >= 0.5) - i32::from(rest < -0.5)
}

/// sample · table → x. Length; channels in dimension 2.
pub struct LookUp;

impl Routine for LookUp {
    const NAME: &'static str = "int_look_up";
    const OPERANDS: &'static [Operand] = &[
        read(Element::U8, Extent::X).unaligned(),
        read(Element::I8, Extent::Constants),
        Y_OUT,
    ];
    const OUTPUT: Option<usize> = Some(2);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let lengths = by_channel(call)?;
        Ok(Lengths {
            constants: lengths.channels * 256,
            ..lengths
        })
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let x = o.write_as(2);
        look_up(o.bytes(0), o.read_as(1), x);
    }
}

/// v → x. Length; fraction bits in dimension 2.
pub struct FromFloats;

impl Routine for FromFloats {
    const NAME: &'static str = "int_from_floats";
    const OPERANDS: &'static [Operand] = &[crate::operand::X, Y_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        demand(call.dim(2) <= 7)?;
        flat(call)
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let x = o.write_as(1);
        from_floats(o.read(0), call.dim(2) as u8, x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_round_to_nearest_ties_up() {
        let cases = [
            (0.0, 0),
            (0.499_999_97, 0),
            (0.5, 1),
            (-0.5, 0),
            (-0.500_000_1, -1),
            (1.5, 2),
            (-1.5, -1),
            (126.5, 127),
            (127.4, 127),
            (1e30, 127),
            (-1e30, -127),
            (f32::INFINITY, 127),
            (f32::NEG_INFINITY, -127),
            (f32::NAN, 0),
        ];
        for (v, expected) in cases {
            let mut x = [1];
            from_floats(&[v], 0, &mut x);
            assert_eq!(x, [expected], "{v}");
            from_floats(&[v / 32.0], 5, &mut x);
            assert_eq!(x, [expected], "{v}");
        }
    }

    #[test]
    fn every_channel_has_its_table() {
        let table: Vec<i8> = (0..512)
            .map(|i| if i < 256 { (i / 2) as i8 } else { -1 })
            .collect();
        let mut x = [0; 4];
        look_up(&[0, 9, 255, 9], &table, &mut x);
        assert_eq!(x, [0, -1, 127, -1]);
        look_up(&[4, 5, 6, 7], &table[..256], &mut x);
        assert_eq!(x, [2, 2, 3, 3]);
    }
}
