//! Consistent overhead byte stuffing: bytes without a zero, so that a zero can end a frame.
//!
//! Source: S. Cheshire, M. Baker, *Consistent Overhead Byte Stuffing*, IEEE/ACM ToN 7(2), 1999.

/// The longest run of non-zero bytes behind one code byte, the code byte included.
const LONGEST: u8 = 0xff;

/// Bytes that `len` bytes take at most once encoded, without the zero at the end.
pub const fn encoded_bytes(len: usize) -> usize {
    len + len / 254 + 1
}

/// Encodes `raw` into `out`, without the zero at the end; gives the length, or `None` where `out` is too
/// short.
pub fn encode(raw: &[u8], out: &mut [u8]) -> Option<usize> {
    let (mut code_at, mut at, mut code) = (0, 1, 1u8);
    for &byte in raw {
        if byte != 0 {
            *out.get_mut(at)? = byte;
            at += 1;
            code += 1;
        }
        if byte == 0 || code == LONGEST {
            *out.get_mut(code_at)? = code;
            code_at = at;
            at += 1;
            code = 1;
        }
    }
    *out.get_mut(code_at)? = code;
    Some(at)
}

/// Decodes `frame` (without its zero) in place; gives the length, or `None` where it is no encoding.
pub fn decode(frame: &mut [u8]) -> Option<usize> {
    // Bytes until the next code byte, and whether that stands for a zero.
    let (mut left, mut zero) = (1, false);
    let mut to = 0;
    for from in 0..frame.len() {
        let byte = frame[from];
        left -= 1;
        if left > 0 {
            // Only a code byte can be zero, and that is checked below.
            frame[to] = byte;
            to += 1;
            continue;
        }
        if zero {
            frame[to] = 0;
            to += 1;
        }
        left = byte;
        zero = byte != LONGEST;
        if byte == 0 {
            return None;
        }
    }
    (left == 1).then_some(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of Cheshire and Baker's paper, as they are commonly tabulated.
    #[test]
    fn examples_of_the_paper() {
        let long: Vec<u8> = (1..=254).collect();
        let mut long_encoded = vec![0xff];
        long_encoded.extend(&long);
        long_encoded.push(1);
        for (raw, encoded) in [
            (&[0u8][..], &[1u8, 1][..]),
            (&[0, 0], &[1, 1, 1]),
            (&[0x11, 0x22, 0, 0x33], &[3, 0x11, 0x22, 2, 0x33]),
            (&[0x11, 0, 0, 0], &[2, 0x11, 1, 1, 1]),
            (&long, &long_encoded),
        ] {
            let mut out = vec![0; encoded_bytes(raw.len())];
            let len = encode(raw, &mut out).expect("there is room");
            assert_eq!(&out[..len], encoded);
            let len = decode(&mut out[..len]).expect("it is an encoding");
            assert_eq!(&out[..len], raw);
        }
    }

    #[test]
    fn what_is_no_encoding_is_refused() {
        assert_eq!(decode(&mut [0]), None);
        assert_eq!(decode(&mut [5, 1, 2]), None);
        assert_eq!(encode(&[1, 2, 3], &mut [0; 3]), None);
    }
}
