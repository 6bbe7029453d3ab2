//! What a register answers that nobody described and a program polls.
//!
//! Start-up code sets a bit and waits for another; which, nobody says. The register changes while it is read again and again, one bit
//! at a time, so that error flags beside the bit in question stay clear, and keeps what let the program go on.

/// Reads in a row that get one answer before the program is taken to wait for another: it may look once more at what it got.
const IN_A_ROW: u32 = 4;
/// The same where the program reads other registers in between.
const IN_ALL: u32 = 64;
/// Of a switch in the lowest bits and its status above them, the bits of each.
const SWITCHES: [u32; 2] = [2, 3];

/// A register as its readers see it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Poll {
    /// What is tried beside the next answer: the word written, with what was granted since.
    base: u32,
    /// What reads give.
    current: u32,
    /// Answers that were tried since `base` held.
    tried: u32,
    /// Reads of `current` without other accesses between them, and all.
    in_a_row: u32,
    in_all: u32,
    /// Whether the program did something else since it first read `current`.
    left: bool,
    /// The access that read it last.
    last: u64,
}

impl Poll {
    /// After a write.
    pub fn of(value: u32) -> Self {
        Poll {
            base: value,
            current: value,
            ..Poll::default()
        }
    }

    /// What a read gives, the `access`th of all, of the register at an address that was last written `value`.
    pub fn answer(&mut self, address: u32, value: u32, access: u64) -> u32 {
        if access != self.last + 1 && self.in_all > 0 {
            self.in_a_row = 0;
            self.left = true;
        }
        self.last = access;
        let impatient = self.in_a_row >= IN_A_ROW;
        if impatient && self.left {
            // The program went on with what it had, which it keeps, and waits for something else now.
            (self.base, self.tried) = (self.current, 0);
        }
        if impatient || self.in_all >= IN_ALL {
            self.tried += 1;
            self.current = self.candidate(address, value);
            (self.in_a_row, self.in_all, self.left) = (0, 0, false);
        }
        self.in_a_row += 1;
        self.in_all += 1;
        self.current
    }

    /// The next answer: the bit behind one that is set, as ready bits stand behind what turns something on; a status as its switch;
    /// each bit flipped; everything; nothing; and then other words.
    fn candidate(&self, address: u32, value: u32) -> u32 {
        let mut left = self.tried - 1;
        let behind = self.base << 1 & !self.base;
        if left < behind.count_ones() {
            let mut bits = (0..32).filter(|bit| behind >> bit & 1 == 1);
            return self.base | 1 << bits.nth(left as usize).unwrap_or(0);
        }
        left -= behind.count_ones();
        if let Some(bits) = SWITCHES.get(left as usize) {
            let field = (1 << bits) - 1;
            return self.base & !(field << bits) | (value & field) << bits;
        }
        match left - SWITCHES.len() as u32 {
            bit @ 0..32 => self.base ^ 1 << bit,
            32 => u32::MAX,
            33 => 0,
            more => mix(u64::from(address) << 32 ^ u64::from(more)),
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): spreads a counter over all bits.
fn mix(counter: u64) -> u32 {
    let z = counter.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ z >> 31) >> 32) as u32
}
