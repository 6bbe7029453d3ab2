//! The one module with `unsafe`: what safe Rust cannot say and the core cannot do without.
//!
//! Three things. Bytes seen as floats, because the arena and the image are bytes and every kernel works
//! on `f32`; the square-root instruction of cores that have one, because software square roots
//! take hundreds of cycles and the result, being correctly rounded, is the same bits; and the arithmetic of
//! Arm cores without floats, in machine code (`machine/soft_float`): it takes the place of the compiler's
//! library, in a third of its time on a Cortex-M0+, and in nearly the same time whatever the operands are,
//! so that a training step's cycles can be told beforehand.
#![allow(unsafe_code)]

#[cfg(target_endian = "big")]
compile_error!("a Program image is read in place as little-endian words");

/// A number of which every bit pattern is one.
pub trait Scalar: Copy + sealed::Sealed {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! scalars {
    ($($Type:ty)*) => { $(impl sealed::Sealed for $Type {} impl Scalar for $Type {})* };
}

scalars! { f32 i8 u8 i16 i32 u32 }

/// `bytes` as numbers: empty unless `bytes` starts at a multiple of their alignment. Trailing bytes that do not
/// fill a number are left out.
#[inline(never)]
pub fn view<T: Scalar>(bytes: &[u8]) -> &[T] {
    // SAFETY: every bit pattern is a valid T, since Scalar is sealed, and align_to only hands out the aligned middle.
    let (head, middle, _) = unsafe { bytes.align_to::<T>() };
    if head.is_empty() { middle } else { &[] }
}

/// `bytes` as writable numbers: empty unless `bytes` starts at a multiple of their alignment.
#[inline(never)]
pub fn view_mut<T: Scalar>(bytes: &mut [u8]) -> &mut [T] {
    // SAFETY: every bit pattern is a valid T, since Scalar is sealed, and every T is valid bytes; align_to_mut only
    // hands out the aligned middle, exclusively borrowed.
    let (head, middle, _) = unsafe { bytes.align_to_mut::<T>() };
    if head.is_empty() { middle } else { &mut [] }
}

/// `bytes` as floats, see [`view`].
pub fn floats(bytes: &[u8]) -> &[f32] {
    view(bytes)
}

/// `bytes` as writable floats, see [`view_mut`].
pub fn floats_mut(bytes: &mut [u8]) -> &mut [f32] {
    view_mut(bytes)
}

/// `bytes` as little-endian words, see [`view`].
pub fn words(bytes: &[u8]) -> &[u32] {
    view(bytes)
}

/// `bytes` as writable little-endian words, see [`view_mut`].
pub fn words_mut(bytes: &mut [u8]) -> &mut [u32] {
    view_mut(bytes)
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

/// Whether `bytes` starts at a multiple of four, as [`floats`] and [`words`] need.
pub fn is_aligned(bytes: &[u8]) -> bool {
    (bytes.as_ptr() as usize).is_multiple_of(4)
}

// A function, because rustc offers inline assembly no register of a single-precision FPU.
#[cfg(all(target_arch = "arm", target_abi = "eabihf"))]
core::arch::global_asm!(
    ".section .text.vsqrt_f32, \"ax\"",
    ".global vsqrt_f32",
    ".type vsqrt_f32, %function",
    ".thumb_func",
    "vsqrt_f32:",
    ".fpu fpv4-sp-d16",
    "vsqrt.f32 s0, s0",
    "bx lr",
    ".size vsqrt_f32, . - vsqrt_f32",
);

#[cfg(all(
    feature = "soft-floats",
    target_arch = "arm",
    target_os = "none",
    target_abi = "eabi"
))]
core::arch::global_asm!(
    include_str!("machine/soft_float/add.s"),
    include_str!("machine/soft_float/multiply.s"),
    include_str!("machine/soft_float/convert.s"),
    options(raw)
);

// ARMv6-M is the one architecture of this project's without atomics, and without division.
#[cfg(all(
    feature = "soft-floats",
    target_arch = "arm",
    target_os = "none",
    not(target_has_atomic = "8")
))]
core::arch::global_asm!(include_str!("machine/divide_v6m.s"), options(raw));

/// The square root, correctly rounded (IEEE 754, round to nearest).
pub fn sqrt(x: f32) -> f32 {
    #[cfg(all(target_arch = "arm", target_abi = "eabihf"))]
    {
        unsafe extern "C" {
            fn vsqrt_f32(x: f32) -> f32;
        }
        // SAFETY: the hard-float ABI passes and returns an f32 in s0, and implies that the core has the
        // instruction.
        unsafe { vsqrt_f32(x) }
    }
    #[cfg(all(
        feature = "soft-floats",
        target_arch = "arm",
        target_os = "none",
        target_abi = "eabi"
    ))]
    {
        unsafe extern "C" {
            fn __sim_fsqrt(x: f32) -> f32;
        }
        // SAFETY: it takes and returns an f32 in r0, as the soft-float ABI does, and touches no memory.
        unsafe { __sim_fsqrt(x) }
    }
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_mm_cvtss_f32, _mm_set_ss, _mm_sqrt_ss};
        // SAFETY: every x86-64 has SSE.
        unsafe { _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))) }
    }
    #[cfg(not(any(
        target_arch = "x86_64",
        all(target_arch = "arm", target_abi = "eabihf"),
        all(
            feature = "soft-floats",
            target_arch = "arm",
            target_os = "none",
            target_abi = "eabi"
        )
    )))]
    libm::sqrtf(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_those_of_the_software() {
        let mut rng = crate::rng::Rng::new(1);
        let drawn = (0..100_000).map(|_| f32::from_bits(rng.next_u32() >> 1));
        for x in drawn.chain([0.0, -0.0, 1.0, f32::MIN_POSITIVE, 1e-45, f32::INFINITY]) {
            let (ours, software) = (sqrt(x), libm::sqrtf(x));
            assert!(
                ours.to_bits() == software.to_bits() || ours.is_nan() && software.is_nan(),
                "{x}"
            );
        }
    }

    #[test]
    fn misaligned_bytes_give_no_floats_and_no_words() {
        let values = [1.0f32, 2.0, 3.0];
        let raw = bytes(&values);
        assert_eq!(floats(raw), &values);
        assert!(floats(&raw[1..]).is_empty());
        assert_eq!(words(raw), values.map(f32::to_bits));
        assert!(words(&raw[1..]).is_empty());
        assert_eq!(floats(&raw[4..11]), &values[1..2]);
    }
}
