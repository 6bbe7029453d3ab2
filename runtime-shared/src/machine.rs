//! The one module with `unsafe`: what safe Rust cannot say and the core cannot do without.
//!
//! Two things. Bytes seen as floats, because the arena and the image are bytes and every kernel works
//! on `f32`; and the square-root instruction of cores that have one, because software square roots
//! take hundreds of cycles and the result, being correctly rounded, is the same bits.
#![allow(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("a Program image is read in place as little-endian words");

/// `bytes` as floats: empty unless `bytes` starts at a multiple of four. Trailing bytes that do not
/// fill a float are left out.
pub fn floats(bytes: &[u8]) -> &[f32] {
    // SAFETY: every bit pattern is a valid f32, and align_to only hands out the aligned middle.
    let (head, middle, _) = unsafe { bytes.align_to::<f32>() };
    if head.is_empty() { middle } else { &[] }
}

/// `bytes` as writable floats: empty unless `bytes` starts at a multiple of four.
pub fn floats_mut(bytes: &mut [u8]) -> &mut [f32] {
    // SAFETY: every bit pattern is a valid f32 and every f32 is four valid bytes; align_to_mut only
    // hands out the aligned middle, exclusively borrowed.
    let (head, middle, _) = unsafe { bytes.align_to_mut::<f32>() };
    if head.is_empty() { middle } else { &mut [] }
}

/// `floats` as the bytes that they are made of.
pub fn bytes(floats: &[f32]) -> &[u8] {
    // SAFETY: a byte has no alignment and no invalid pattern.
    unsafe { floats.align_to::<u8>() }.1
}

/// Writable `floats` as the bytes that they are made of.
pub fn bytes_mut(floats: &mut [f32]) -> &mut [u8] {
    // SAFETY: a byte has no alignment, and any four bytes are a valid f32.
    unsafe { floats.align_to_mut::<u8>() }.1
}

/// Whether `bytes` starts at a multiple of four, as [`floats`] needs.
pub fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(4)
}

/// The square root, correctly rounded (IEEE 754, round to nearest).
pub fn sqrt(x: f32) -> f32 {
    #[cfg(all(target_arch = "arm", target_abi = "eabihf"))]
    {
        let y: f32;
        // SAFETY: vsqrt.f32 reads one FP register and writes another; the hard-float ABI implies that
        // the core has it.
        unsafe {
            core::arch::asm!("vsqrt.f32 {}, {}", out(sreg) y, in(sreg) x, options(pure, nomem, nostack));
        }
        y
    }
    #[cfg(not(all(target_arch = "arm", target_abi = "eabihf")))]
    libm::sqrtf(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misaligned_bytes_give_no_floats() {
        let words = [1.0f32, 2.0, 3.0];
        let raw = bytes(&words);
        assert_eq!(floats(raw), &words);
        assert!(floats(&raw[1..]).is_empty());
        assert_eq!(floats(&raw[4..11]), &words[1..2]);
    }
}
