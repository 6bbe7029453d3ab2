//! Initial weights, biases and pixels as integers.

use runtime_shared::kernels::int::convert::from_floats;
use runtime_shared::program::Element;

/// The fixed-point number nearest to `v`, ties up, limited.
fn fixed(v: f32, fraction: i32, limit: i32) -> i32 {
    let exact = (f64::from(v) * 2f64.powi(fraction) + 0.5).floor();
    // What is not a number becomes zero.
    (exact as i64).clamp(-i64::from(limit), i64::from(limit)) as i32
}

/// Words that hold `values` as integers of type `element`, filled up with zeros.
pub fn words(values: &[f32], element: Element, fraction: i32, limit: i32) -> Vec<u32> {
    let mut bytes = Vec::with_capacity(element.bytes(values.len()));
    for &v in values {
        let v = fixed(v, fraction, limit);
        match element {
            Element::I8 => bytes.push(v as i8 as u8),
            Element::I16 => bytes.extend((v as i16).to_le_bytes()),
            _ => bytes.extend(v.to_le_bytes()),
        }
    }
    from_bytes(&bytes)
}

/// For each channel, what each byte of a sample becomes.
pub fn table(normalisation: &[(f32, f32)], channels: usize, fraction: u8) -> Vec<u32> {
    let mut bytes = Vec::new();
    for channel in 0..channels {
        let (scale, shift) = normalisation[channel % normalisation.len()];
        let floats: Vec<f32> = (0..=255u8).map(|b| f32::from(b) * scale + shift).collect();
        let mut x = [0i8; 256];
        from_floats(&floats, fraction, &mut x);
        bytes.extend(x.map(|x| x as u8));
    }
    from_bytes(&bytes)
}

fn from_bytes(bytes: &[u8]) -> Vec<u32> {
    let word = |b: &[u8]| {
        let mut four = [0; 4];
        four[..b.len()].copy_from_slice(b);
        u32::from_le_bytes(four)
    };
    bytes.chunks(4).map(word).collect()
}
