//! What tensors are made of.

crate::codes! {
    /// The type of a tensor's elements, little-endian.
    #[derive(Default)]
    pub enum Element {
        /// IEEE 754 single precision.
        #[default]
        F32 = 0,
        /// Eight bits, signed.
        I8 = 1,
        /// Eight bits.
        U8 = 2,
        /// Sixteen bits, signed.
        I16 = 3,
        /// Thirty-two bits, signed.
        I32 = 4,
        /// One bit: bit `i mod 8` of byte `i / 8`.
        Bits = 5,
    }
}

impl Element {
    /// The bytes that so many elements take.
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            Self::Bits => elements.div_ceil(8),
            Self::I8 | Self::U8 => elements,
            Self::I16 => elements * 2,
            Self::F32 | Self::I32 => elements * 4,
        }
    }

    /// What the address of the first element is a multiple of.
    pub fn align(self) -> usize {
        match self {
            Self::Bits | Self::I8 | Self::U8 => 1,
            Self::I16 => 2,
            Self::F32 | Self::I32 => 4,
        }
    }

    /// Its name in configs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::I8 => "i8",
            Self::U8 => "u8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::Bits => "bits",
        }
    }
}
