//! Wait states, line buffers and caches of a board.

use super::cache::Lines;
use super::port::Port;
use crate::machine::Machine;
use crate::memory_timing::{Cache, FlashAccess, MemoryTiming};

/// The memory system's state.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    flash: Vec<(u32, u32)>,
    ram: Vec<(u32, u32, u64)>,
    /// The board's own, which the program may change.
    board: MemoryTiming,
    /// That, or what the program made of it.
    current: MemoryTiming,
    /// What the program wrote to its registers.
    written: Vec<Option<u32>>,
    /// Thousandths of a cycle that an access to the array stalls: for instructions, and for data.
    wait: u64,
    data_wait: u64,
    data_mask: u32,
    line_mask: u32,
    prefetch: bool,
    /// The array's one port, where there is but one.
    port: Option<Port>,
    instructions: Option<Lines>,
    data: Option<Lines>,
    unified: bool,
    /// Line of the last fetch, and the clock at which it arrived.
    fetched: u32,
    fetched_at: u64,
    /// Thousandths of a cycle that no stall has counted yet.
    owed: u64,
    idle: bool,
}

impl Memory {
    pub fn new(machine: &Machine) -> Self {
        let timing = &machine.timing;
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
        let mut memory = Memory {
            flash,
            ram: ram.collect(),
            board: timing.clone(),
            current: timing.controlled(&[]),
            written: Vec::new(),
            wait: 0,
            data_wait: 0,
            data_mask: 0,
            line_mask: 0,
            prefetch: false,
            port: timing.shared_port.then(Port::default),
            instructions: None,
            data: None,
            unified: timing.unified,
            fetched: u32::MAX,
            fetched_at: 0,
            owed: 0,
            idle: false,
        };
        let current = memory.current.clone();
        memory.apply(&current);
        memory
    }

    /// How flash is read.
    pub fn access(&self) -> FlashAccess {
        self.board.access(&self.written)
    }

    /// The registers that say how flash is read hold these; what is unwritten is as in the board's profile. Where nothing changes,
    /// caches keep what they have.
    pub fn control(&mut self, values: &[Option<u32>]) {
        self.written = values.to_vec();
        let timing = self.board.controlled(values);
        if timing != self.current {
            self.apply(&timing);
            self.current = timing;
        }
    }

    fn apply(&mut self, timing: &MemoryTiming) {
        let lines = |cache: &Option<Cache>| cache.as_ref().map(|c| Lines::new(c, timing));
        self.wait = u64::from(timing.flash_wait_states) * 1000;
        let line = timing.flash_line_bytes.clamp(4, 256).next_power_of_two();
        self.line_mask = !(line - 1);
        self.data_wait = timing
            .data_stall
            .map_or(self.wait, |stall| u64::from(stall.thousandths));
        self.data_mask = match timing.data_stall {
            Some(stall) => !(stall.bytes.clamp(4, 256).next_power_of_two() - 1),
            None => self.line_mask,
        };
        self.prefetch = timing.prefetch;
        self.instructions = lines(&timing.instruction_cache);
        self.data = lines(&timing.data_cache);
        self.idle = self.wait == 0
            && self.data_wait == 0
            && self.ram.iter().all(|r| r.2 == 0)
            && self.instructions.is_none()
            && self.data.is_none();
    }

    /// Whole cycles of a stall in thousandths; what is left over counts with the next.
    #[inline]
    fn whole(&mut self, stall: u64) -> u64 {
        self.owed += stall;
        let cycles = self.owed / 1000;
        self.owed -= cycles * 1000;
        cycles
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
        let stall = if self.in_flash(address) {
            let held = self
                .instructions
                .as_mut()
                .is_some_and(|lines| lines.holds(address));
            let array = self.instructions.as_ref().map_or(self.wait, |l| l.stall);
            let thousandths = if let Some(port) = &mut self.port {
                let at = now * 1000;
                let ready = match port.ahead(line, array) {
                    _ if held => at,
                    Some(ready) => ready.max(at),
                    None => port.read(at, array),
                };
                let next = line.wrapping_add(!self.line_mask).wrapping_add(1);
                let here = self.instructions.as_ref().is_some_and(|l| l.has(next));
                if self.prefetch && !here {
                    port.prefetch(next, ready);
                }
                ready - at
            } else if held {
                0
            } else if self.prefetch && sequential {
                // The line is on its way since the one before arrived, and an access takes its wait states and a cycle.
                (array + 1000).saturating_sub(since * 1000).min(array)
            } else {
                array
            };
            if let Some(lines) = &mut self.instructions
                && thousandths != 0
            {
                lines.fill(address);
            }
            self.whole(thousandths)
        } else {
            self.ram_wait(address)
        };
        self.fetched_at = now + stall;
        stall
    }

    /// Stall of a data access of an instruction that begins at `now`.
    #[inline]
    pub fn data(&mut self, address: u32, words: u8, load: bool, now: u64) -> u64 {
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
        // When its first word is on the bus.
        let start = (now + 1) * 1000;
        let mut line = u32::MAX;
        for i in 0..u32::from(words) {
            let at = address.wrapping_add(4 * i);
            match lines {
                Some(lines) => stall += lines.read(at),
                // Without a cache, words of one line come with one access to the array.
                None if at & self.data_mask != line => {
                    stall += match &mut self.port {
                        Some(port) => {
                            let from = start + 1000 * u64::from(i) + stall;
                            port.read(from, self.data_wait) - from
                        }
                        None => self.data_wait,
                    }
                }
                None => {}
            }
            line = at & self.data_mask;
        }
        if stall == 0 { 0 } else { self.whole(stall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory_timing::DataStall;

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
            fill_bytes: None,
            replacement: Default::default(),
            stall: None,
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
        assert_eq!(memory.data(0x100, 4, true, 0), 6);
        assert_eq!(memory.data(0x2000_0000, 4, true, 0), 0);
    }

    #[test]
    fn fractions_of_a_cycle_add_up() {
        let timing = MemoryTiming {
            flash_wait_states: 5,
            flash_line_bytes: 8,
            data_stall: Some(DataStall {
                thousandths: 3900,
                bytes: 8,
            }),
            ..MemoryTiming::default()
        };
        let mut memory = Memory::new(&machine(timing));
        let stalls: Vec<u64> = (0..10).map(|i| memory.data(8 * i, 1, true, 0)).collect();
        assert_eq!(stalls.iter().sum::<u64>(), 39);
        assert!(stalls.iter().all(|s| (3..=4).contains(s)));
    }

    /// Stalls of instructions at `pcs`, each of one cycle.
    fn fetched(timing: &MemoryTiming, pcs: &[u32]) -> Vec<u64> {
        let mut memory = Memory::new(&machine(timing.clone()));
        let mut now = 0;
        let stall = pcs.iter().map(|pc| {
            let stall = memory.fetch(*pc, 2, now);
            now += 1 + stall;
            stall
        });
        stall.collect()
    }

    #[test]
    fn a_prefetched_line_is_on_its_way() {
        let timing = |wait| MemoryTiming {
            flash_wait_states: wait,
            flash_line_bytes: 8,
            prefetch: true,
            ..MemoryTiming::default()
        };
        // Four instructions a line take four cycles, as does an access of three wait states.
        let straight: Vec<u32> = (0..16).map(|i| 2 * i).collect();
        assert_eq!(fetched(&timing(3), &straight).iter().sum::<u64>(), 3);
        // The array gives no line in less than six cycles.
        assert_eq!(
            fetched(&timing(5), &straight).iter().sum::<u64>(),
            5 + 3 * 2
        );
        // A jump finds nothing on its way, and what follows its target at once cannot be there yet.
        assert_eq!(fetched(&timing(3), &[0, 2, 70, 72]), [3, 0, 3, 3]);
    }

    #[test]
    fn a_cache_beside_prefetch_holds_what_came_too_late() {
        let timing = MemoryTiming {
            flash_wait_states: 2,
            flash_line_bytes: 8,
            prefetch: true,
            instruction_cache: Some(Cache {
                bytes: 16,
                line_bytes: 8,
                ways: 2,
                fill_bytes: None,
                replacement: Default::default(),
                stall: None,
            }),
            ..MemoryTiming::default()
        };
        // A loop over six lines, three times: only its start is ever late, and once.
        let round: Vec<u32> = (0..24).map(|i| 2 * i).collect();
        assert_eq!(fetched(&timing, &round.repeat(3)).iter().sum::<u64>(), 2);
        // Without prefetch the two lines of the cache are of no use to it.
        let alone = MemoryTiming {
            prefetch: false,
            ..timing
        };
        assert_eq!(
            fetched(&alone, &round.repeat(3)).iter().sum::<u64>(),
            3 * 6 * 2
        );
    }
}
