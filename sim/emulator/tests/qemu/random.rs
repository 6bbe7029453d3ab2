//! Random numbers and the values that corner cases are made of.

/// xorshift64*: small, seedable, good enough for tests.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn word(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        self.word() % limit
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u32) as usize]
    }

    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// A register value: often small, extreme or a mask.
    pub fn integer(&mut self) -> u32 {
        match self.below(8) {
            0 => self.pick(&[
                0,
                1,
                2,
                u32::MAX,
                0x7fff_ffff,
                0x8000_0000,
                0x8000_8000,
                0x7fff_7fff,
                0xffff,
                0xff,
            ]),
            1 => self.below(64),
            2 => self.below(64).wrapping_neg(),
            3 => 1 << self.below(32),
            _ => self.word(),
        }
    }

    /// A single-precision pattern: zeros, denormals, infinities, NaNs, near ties and near the limits.
    pub fn single(&mut self) -> u32 {
        let sign = self.word() & 0x8000_0000;
        let bits = match self.below(16) {
            0 => self.pick(&[
                0,
                0x7f80_0000,
                0x7fc0_0000,
                0x7f80_0001,
                0x7fff_ffff,
                0x7fa0_0000,
            ]),
            1 => self.word() & 0x007f_ffff,
            2 => self.pick(&[
                1,
                0x007f_ffff,
                0x0080_0000,
                0x0080_0001,
                0x7f7f_ffff,
                0x3f80_0000,
                0x3f80_0001,
                0x4b00_0000,
            ]),
            3 => 0x4b00_0000 + (self.word() & 0x0fff_ffff),
            4 => self.below(256) << 23,
            5 => (self.below(1000) as f32 * 0.5).to_bits(),
            6 => self.word() & 0x7fff_ffff,
            7 => 0x0080_0000 + (self.word() & 0x03ff_ffff),
            8 => self.word() & 0x7fff,
            _ => 0x3c00_0000 + (self.word() & 0x07ff_ffff),
        };
        bits | sign
    }

    /// The high word of a double, to go with any low word.
    pub fn double_high(&mut self) -> u32 {
        let sign = self.word() & 0x8000_0000;
        let bits = match self.below(8) {
            0 => self.pick(&[
                0,
                0x7ff0_0000,
                0x7ff8_0000,
                0x000f_ffff,
                0x0010_0000,
                0x7fef_ffff,
            ]),
            1 => self.word() & 0x000f_ffff,
            2 => 0x3690_0000 + (self.word() & 0x01ff_ffff),
            3 => 0x47d0_0000 + (self.word() & 0x007f_ffff),
            4 => self.word() & 0x7fff_ffff,
            _ => 0x3fd0_0000 + (self.word() & 0x01ff_ffff),
        };
        bits | sign
    }

    /// FPSCR: half of them with the reset settings.
    pub fn fpscr(&mut self) -> u32 {
        let modes = if self.chance(50) {
            0
        } else {
            self.word() & 0x07c0_0000
        };
        let cumulative = if self.chance(70) {
            0
        } else {
            self.word() & 0x9f
        };
        self.word() & 0xf000_0000 | modes | cumulative
    }
}
