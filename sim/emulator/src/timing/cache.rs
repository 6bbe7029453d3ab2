//! What a cache holds: tags of lines, and which pieces of them have come.

use crate::memory_timing::{Cache, MemoryTiming, Replacement};

/// A line of a cache.
#[derive(Debug, Clone, Copy)]
struct Line {
    tag: u32,
    /// Its pieces that are present, one bit each.
    pieces: u64,
    /// When it came, or was last used.
    stamp: u64,
}

const EMPTY: Line = Line {
    tag: u32::MAX,
    pieces: 0,
    stamp: 0,
};

/// A set-associative cache of tags.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    line_bits: u32,
    piece_bits: u32,
    last_piece: u32,
    sets: u32,
    ways: usize,
    lines: Vec<Line>,
    renews: bool,
    clock: u64,
    /// Thousandths of a cycle that a miss stalls.
    pub stall: u64,
}

impl Lines {
    pub fn new(cache: &Cache, timing: &MemoryTiming) -> Self {
        let line_bytes = cache.line_bytes.clamp(4, 256).next_power_of_two();
        let piece_bytes = cache
            .fill_bytes
            .unwrap_or(line_bytes)
            .clamp(4, line_bytes)
            .next_power_of_two();
        let count = (cache.bytes / line_bytes).clamp(1, 1 << 16);
        let ways = cache.ways.clamp(1, count);
        let sets = (count / ways).max(1);
        let accesses = piece_bytes.div_ceil(timing.flash_line_bytes.max(4));
        let by_wait_states = u64::from(accesses) * u64::from(timing.flash_wait_states) * 1000;
        Lines {
            line_bits: line_bytes.trailing_zeros(),
            piece_bits: piece_bytes.trailing_zeros(),
            last_piece: line_bytes / piece_bytes - 1,
            sets,
            ways: ways as usize,
            lines: vec![EMPTY; (sets * ways) as usize],
            renews: cache.replacement == Replacement::LeastRecentlyUsed,
            clock: 0,
            stall: cache.stall.map_or(by_wait_states, u64::from),
        }
    }

    /// The lines that an address may lie in, its tag, and the bit of its piece.
    #[inline]
    fn set(&mut self, address: u32) -> (&mut [Line], u32, u64) {
        let tag = address >> self.line_bits;
        let first = (tag % self.sets) as usize * self.ways;
        let piece = address >> self.piece_bits & self.last_piece;
        let set = &mut self.lines[first..first + self.ways];
        (set, tag, 1 << (piece & 63))
    }

    /// Whether the piece of an address is present, which counts as a use.
    #[inline]
    pub fn holds(&mut self, address: u32) -> bool {
        self.clock += 1;
        let (renews, clock) = (self.renews, self.clock);
        let (set, tag, piece) = self.set(address);
        match set.iter_mut().find(|l| l.tag == tag) {
            Some(line) => {
                if renews {
                    line.stamp = clock;
                }
                line.pieces & piece != 0
            }
            None => false,
        }
    }

    /// Whether the piece of an address is present, which nobody uses by asking.
    pub fn has(&self, address: u32) -> bool {
        let tag = address >> self.line_bits;
        let first = (tag % self.sets) as usize * self.ways;
        let piece = 1 << (address >> self.piece_bits & self.last_piece & 63);
        let mut set = self.lines[first..first + self.ways].iter();
        set.any(|l| l.tag == tag && l.pieces & piece != 0)
    }

    /// Fills the piece of an address, whose line takes the place of another where it has none.
    pub fn fill(&mut self, address: u32) {
        self.clock += 1;
        let clock = self.clock;
        let (set, tag, piece) = self.set(address);
        if let Some(line) = set.iter_mut().find(|l| l.tag == tag) {
            line.pieces |= piece;
        } else if let Some(oldest) = set.iter_mut().min_by_key(|l| l.stamp) {
            *oldest = Line {
                tag,
                pieces: piece,
                stamp: clock,
            };
        }
    }

    /// Thousandths of a cycle that an access stalls; what it missed is present afterwards.
    #[inline]
    pub fn read(&mut self, address: u32) -> u64 {
        if self.holds(address) {
            return 0;
        }
        self.fill(address);
        self.stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(fill_bytes: Option<u32>, replacement: Replacement) -> Lines {
        let cache = Cache {
            bytes: 64,
            line_bytes: 32,
            ways: 2,
            fill_bytes,
            replacement,
            stall: None,
        };
        let timing = MemoryTiming {
            flash_wait_states: 5,
            flash_line_bytes: 8,
            ..MemoryTiming::default()
        };
        Lines::new(&cache, &timing)
    }

    #[test]
    fn a_miss_brings_the_line_or_the_piece_that_was_asked_for() {
        let mut whole = lines(None, Replacement::RoundRobin);
        assert_eq!(
            [0, 8, 16, 28].map(|a| whole.read(a)),
            [4 * 5000, 0, 0, 0],
            "a line of 32 bytes takes four accesses of 8"
        );
        let mut pieces = lines(Some(8), Replacement::RoundRobin);
        assert_eq!(
            [0, 4, 8, 12, 16, 28, 28].map(|a| pieces.read(a)),
            [5000, 0, 5000, 0, 5000, 5000, 0]
        );
        assert!(pieces.holds(16), "pieces of one line do not displace it");
    }

    #[test]
    fn what_makes_room_depends_on_the_replacement() {
        // Two lines are filled, the first is used again, a third comes.
        let survives = |replacement| {
            let mut lines = lines(None, replacement);
            for address in [0, 32, 0, 64] {
                lines.read(address);
            }
            lines.holds(0)
        };
        assert!(survives(Replacement::LeastRecentlyUsed));
        assert!(!survives(Replacement::RoundRobin));
    }
}
