//! Wait states, line buffers and caches of a board.

use crate::machine::Machine;
use crate::memory_timing::{Cache, MemoryTiming};

/// A set-associative cache of tags.
#[derive(Debug, Clone)]
struct Lines {
    line_bytes: u32,
    sets: u32,
    ways: usize,
    tags: Vec<u32>,
    victim: Vec<u8>,
    miss: u64,
}

impl Lines {
    fn new(cache: &Cache, timing: &MemoryTiming) -> Self {
        let line_bytes = cache.line_bytes.clamp(4, 256).next_power_of_two();
        let lines = (cache.bytes / line_bytes).clamp(1, 1 << 16);
        let ways = cache.ways.clamp(1, lines.min(255));
        let sets = (lines / ways).max(1);
        let accesses = line_bytes.div_ceil(timing.flash_line_bytes.max(4));
        Lines {
            line_bytes,
            sets,
            ways: ways as usize,
            tags: vec![u32::MAX; (sets * ways) as usize],
            victim: vec![0; sets as usize],
            miss: cache
                .miss_cycles
                .unwrap_or(accesses * timing.flash_wait_states)
                .into(),
        }
    }

    /// Whether the line of an address is present; if not, it is afterwards.
    fn touch(&mut self, address: u32) -> bool {
        let line = address / self.line_bytes;
        let set = (line % self.sets) as usize;
        let ways = &mut self.tags[set * self.ways..(set + 1) * self.ways];
        if ways.contains(&line) {
            return true;
        }
        let victim = &mut self.victim[set];
        ways[usize::from(*victim)] = line;
        *victim = ((usize::from(*victim) + 1) % self.ways) as u8;
        false
    }

    /// Cycles that an access stalls.
    fn stall(&mut self, address: u32) -> u64 {
        if self.touch(address) { 0 } else { self.miss }
    }
}

/// The memory system's state.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    flash: Vec<(u32, u32)>,
    ram: Vec<(u32, u32, u64)>,
    wait: u64,
    line_mask: u32,
    prefetch: bool,
    instructions: Option<Lines>,
    data: Option<Lines>,
    unified: bool,
    /// Line of the last fetch, and the clock at which it arrived.
    fetched: u32,
    fetched_at: u64,
    idle: bool,
}

impl Memory {
    pub fn new(machine: &Machine) -> Self {
        let timing = &machine.timing;
        let line = timing.flash_line_bytes.clamp(4, 256).next_power_of_two();
        let mut flash: Vec<(u32, u32)> = machine.flash.iter().map(|b| (b.base, b.size)).collect();
        let in_flash = |a: u32| {
            machine
                .flash
                .iter()
                .any(|b| a.wrapping_sub(b.base) < b.size)
        };
        flash.extend(
            machine
                .aliases
                .iter()
                .filter(|a| in_flash(a.target))
                .map(|a| (a.base, a.size)),
        );
        let ram = machine.ram.iter().filter_map(|bank| {
            let (_, wait) = timing
                .ram_wait_states
                .iter()
                .find(|(name, _)| *name == bank.name)?;
            Some((bank.base, bank.size, u64::from(*wait)))
        });
        let ram: Vec<_> = ram.collect();
        let lines = |cache: &Option<Cache>| cache.as_ref().map(|c| Lines::new(c, timing));
        Memory {
            flash,
            idle: timing.flash_wait_states == 0
                && ram.iter().all(|r| r.2 == 0)
                && timing.instruction_cache.is_none(),
            ram,
            wait: timing.flash_wait_states.into(),
            line_mask: !(line - 1),
            prefetch: timing.prefetch,
            instructions: lines(&timing.instruction_cache),
            data: lines(&timing.data_cache),
            unified: timing.unified,
            fetched: u32::MAX,
            fetched_at: 0,
        }
    }

    /// Whether memory never stalls the core.
    #[inline(always)]
    pub fn is_idle(&self) -> bool {
        self.idle
    }

    fn in_flash(&self, address: u32) -> bool {
        self.flash
            .iter()
            .any(|&(base, size)| address.wrapping_sub(base) < size)
    }

    fn ram_wait(&self, address: u32) -> u64 {
        self.ram
            .iter()
            .find(|&&(base, size, _)| address.wrapping_sub(base) < size)
            .map_or(0, |r| r.2)
    }

    /// Stall of fetching `size` bytes at `pc`, given the clock without stalls of this instruction.
    #[inline]
    pub fn fetch(&mut self, pc: u32, size: u8, now: u64) -> u64 {
        let mut stall = 0;
        for part in [pc, pc.wrapping_add(u32::from(size) - 2)] {
            let line = part & self.line_mask;
            if line != self.fetched {
                stall += self.fetch_line(part, line, now + stall);
            }
        }
        stall
    }

    fn fetch_line(&mut self, address: u32, line: u32, now: u64) -> u64 {
        let sequential = line == self.fetched.wrapping_add(!self.line_mask).wrapping_add(1);
        let since = now - self.fetched_at.min(now);
        self.fetched = line;
        let stall = if !self.in_flash(address) {
            self.ram_wait(address)
        } else {
            let array = match &mut self.instructions {
                Some(lines) => lines.stall(address),
                None => self.wait,
            };
            // The prefetched line is on its way since the one before arrived.
            if self.prefetch && sequential {
                array.saturating_sub(since)
            } else {
                array
            }
        };
        self.fetched_at = now + stall;
        stall
    }

    /// Stall of a data access.
    #[inline]
    pub fn data(&mut self, address: u32, words: u8, load: bool) -> u64 {
        let words = words.max(1);
        if !self.in_flash(address) {
            let wait = self.ram_wait(address);
            return if load { wait * u64::from(words) } else { 0 };
        }
        let lines = if self.unified {
            &mut self.instructions
        } else {
            &mut self.data
        };
        let mut stall = 0;
        let mut line = u32::MAX;
        for i in 0..u32::from(words) {
            let at = address.wrapping_add(4 * i);
            match lines {
                Some(lines) => stall += lines.stall(at),
                // Without a cache, words of one line come with one access to the array.
                None if at & self.line_mask != line => stall += self.wait,
                None => {}
            }
            line = at & self.line_mask;
        }
        stall
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(timing: MemoryTiming) -> Machine {
        Machine {
            timing,
            ..Machine::generic("cortex-m4f")
        }
    }

    #[test]
    fn sequential_code_pays_one_access_a_line() {
        let timing = MemoryTiming {
            flash_wait_states: 2,
            flash_line_bytes: 8,
            ..MemoryTiming::default()
        };
        let mut memory = Memory::new(&machine(timing));
        let stalls: u64 = (0..16).map(|i| memory.fetch(2 * i, 2, u64::from(i))).sum();
        assert_eq!(stalls, 4 * 2);
    }

    #[test]
    fn a_cache_holds_a_loop() {
        let cache = Cache {
            bytes: 64,
            line_bytes: 16,
            ways: 2,
            miss_cycles: None,
        };
        let timing = MemoryTiming {
            flash_wait_states: 4,
            flash_line_bytes: 16,
            instruction_cache: Some(cache),
            ..MemoryTiming::default()
        };
        let mut memory = Memory::new(&machine(timing));
        let mut pass = || (0..16).map(|i| memory.fetch(4 * i, 4, 0)).sum::<u64>();
        assert_eq!(pass(), 4 * 4);
        assert_eq!(pass(), 0);
    }

    #[test]
    fn data_in_flash_waits_and_in_ram_does_not() {
        let timing = MemoryTiming {
            flash_wait_states: 3,
            flash_line_bytes: 8,
            ..MemoryTiming::default()
        };
        let mut memory = Memory::new(&machine(timing));
        assert_eq!(memory.data(0x100, 4, true), 6);
        assert_eq!(memory.data(0x2000_0000, 4, true), 0);
    }
}
