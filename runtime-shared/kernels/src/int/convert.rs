//! From pixels and floats to what integer layers read.

/// `x` = a byte in 0 … 255 that stands for 0 … 1, with 7 fraction bits.
#[inline(never)]
pub fn from_bytes(bytes: &[u8], x: &mut [i8]) {
    for (x, byte) in x.iter_mut().zip(bytes) {
        *x = (byte >> 1) as i8;
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
    fn bytes_lose_their_last_bit() {
        let mut x = [0; 4];
        from_bytes(&[0, 1, 128, 255], &mut x);
        assert_eq!(x, [0, 0, 64, 127]);
    }
}
