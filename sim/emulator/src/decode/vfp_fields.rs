//! Fields of floating-point encodings: split register numbers and expanded constants.

use super::{bit, bits};

/// A destination register: S number `Vd:D`, or D number `D:Vd`.
pub(super) fn vd(w: u32, double: bool) -> u32 {
    join(bits(w, 15, 12), bits(w, 22, 22), double)
}

/// The first operand: `Vn:N` or `N:Vn`.
pub(super) fn vn(w: u32, double: bool) -> u32 {
    join(bits(w, 19, 16), bits(w, 7, 7), double)
}

/// The second operand: `Vm:M` or `M:Vm`.
pub(super) fn vm(w: u32, double: bool) -> u32 {
    join(bits(w, 3, 0), bits(w, 5, 5), double)
}

const fn join(four: u32, one: u32, double: bool) -> u32 {
    if double {
        one << 4 | four
    } else {
        four << 1 | one
    }
}

/// VFPExpandImm to single precision.
pub(super) fn expand_single(imm8: u32) -> u32 {
    let exponent = if bit(imm8, 6) {
        0b0111_1100
    } else {
        0b1000_0000
    } | bits(imm8, 5, 4);
    bits(imm8, 7, 7) << 31 | exponent << 23 | bits(imm8, 3, 0) << 19
}

/// VFPExpandImm to double precision: the high word; the low word is zero.
pub(super) fn expand_double_high(imm8: u32) -> u32 {
    let exponent = if bit(imm8, 6) {
        0b011_1111_1100
    } else {
        0b100_0000_0000
    } | bits(imm8, 5, 4);
    bits(imm8, 7, 7) << 31 | exponent << 20 | bits(imm8, 3, 0) << 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_expand_as_in_table_a7_18() {
        assert_eq!(f32::from_bits(expand_single(0x70)), 1.0);
        assert_eq!(f32::from_bits(expand_single(0x00)), 2.0);
        assert_eq!(f32::from_bits(expand_single(0xf8)), -1.5);
        assert_eq!(
            f64::from_bits(u64::from(expand_double_high(0x24)) << 32),
            10.0
        );
    }
}
