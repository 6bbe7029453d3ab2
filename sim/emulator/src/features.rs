//! What a core can do: the architecture options that decide which encodings exist and how they behave.

use serde::{Deserialize, Serialize};

/// The options of a core that its decoder and its system registers depend on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// The full Thumb-2 instruction set (ARMv7-M, ARMv8-M mainline) rather than the baseline.
    pub mainline: bool,
    /// ARMv8-M: acquire and release, and on the baseline CBZ, MOVW, MOVT, SDIV and exclusives.
    pub v8m: bool,
    /// The DSP extension (ARMv7E-M, and ARMv8-M where fitted).
    pub dsp: bool,
    /// Which floating-point unit is fitted.
    pub fpu: Fpu,
    /// Bit-banding of the first megabyte of SRAM and of peripherals.
    #[serde(default)]
    pub bit_band: bool,
    /// Value of the CPUID register.
    pub cpuid: u32,
}

/// A core's floating-point unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fpu {
    /// None: floating point is library code.
    None,
    /// FPv4-SP-D16: single precision (Cortex-M4F).
    Fpv4Sp,
    /// FPv5-SP-D16: single precision with directed rounding, selection and min/max (Cortex-M7, M33).
    Fpv5Sp,
    /// FPv5-D16: double precision too (Cortex-M7).
    Fpv5Dp,
}

impl Features {
    /// Whether unaligned single loads and stores work (they fault on the baseline).
    #[must_use]
    pub const fn unaligned(&self) -> bool {
        self.mainline
    }

    /// Whether there is a floating-point unit.
    #[must_use]
    pub fn has_fpu(&self) -> bool {
        self.fpu != Fpu::None
    }
}
