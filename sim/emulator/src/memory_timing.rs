//! The memory system's share of the time: what a board adds to a core's own cycles.

use serde::{Deserialize, Serialize};

/// Wait states and caches of a board. The default is memory without wait states.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryTiming {
    /// Cycles that one access to the flash array takes beyond the first.
    pub flash_wait_states: u32,
    /// Bytes that one access to the flash array delivers (4, 8, 16 or 32); 0 stands for 4.
    pub flash_line_bytes: u32,
    /// What an access to the array for data stalls where no cache serves data; by default the wait states.
    pub data_stall: Option<DataStall>,
    /// Whether the next line is fetched while the current one executes. What came in time so is not copied
    /// into the cache: that holds what the core waited for.
    pub prefetch: bool,
    /// Cache of instructions fetched from flash.
    pub instruction_cache: Option<Cache>,
    /// Cache of data read from flash.
    pub data_cache: Option<Cache>,
    /// Whether one cache (`instruction_cache`) serves data too.
    pub unified: bool,
    /// Cycles beyond the first of a RAM access, by the bank's name.
    pub ram_wait_states: Vec<(String, u32)>,
    /// Where the program sets some of these itself; until it does, they hold.
    pub control: Option<FlashControl>,
}

impl MemoryTiming {
    /// What holds after the program wrote `value` to the register of [`MemoryTiming::control`].
    pub(crate) fn controlled(&self, value: u32) -> MemoryTiming {
        let mut timing = self.clone();
        let Some(control) = &self.control else {
            return timing;
        };
        let off = |bit: u32| bit != 0 && value & bit == 0;
        timing.prefetch = value & control.prefetch != 0;
        if off(control.instruction_cache) {
            timing.instruction_cache = None;
        }
        if off(control.data_cache) {
            timing.data_cache = None;
        }
        timing.flash_wait_states = value & control.wait_states;
        if timing.flash_wait_states != self.flash_wait_states {
            // What was measured was so with the board's own wait states.
            timing.data_stall = None;
            let caches = [&mut timing.instruction_cache, &mut timing.data_cache];
            caches.into_iter().flatten().for_each(|c| c.stall = None);
        }
        timing
    }
}

/// What was measured of data that come from the flash array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataStall {
    /// Thousandths of a cycle that an access takes.
    pub thousandths: u32,
    /// Bytes that it brings.
    pub bytes: u32,
}

/// A register by which the program sets how flash is read (FLASH_ACR of STM32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashControl {
    /// Its address.
    pub register: u32,
    /// What it holds before the program writes it.
    pub reset: u32,
    /// The bits that hold the number of wait states, the lowest among them.
    pub wait_states: u32,
    /// The bit that enables prefetch.
    pub prefetch: u32,
    /// The bit that enables the cache of instructions; 0 where there is none.
    pub instruction_cache: u32,
    /// The bit that enables the cache of data; 0 where there is none.
    pub data_cache: u32,
}

/// A set-associative cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Bytes it holds.
    pub bytes: u32,
    /// Bytes of a line.
    pub line_bytes: u32,
    /// Lines an address may lie in.
    pub ways: u32,
    /// Bytes that a miss brings, where a line is filled piece by piece; by default the line.
    #[serde(default)]
    pub fill_bytes: Option<u32>,
    /// Which line makes room.
    #[serde(default)]
    pub replacement: Replacement,
    /// Thousandths of a cycle that a miss stalls the core; by default those of the flash accesses it takes.
    #[serde(default)]
    pub stall: Option<u32>,
}

/// Which line of a set makes room for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The one that came first.
    #[default]
    RoundRobin,
    /// The one that was used longest ago.
    LeastRecentlyUsed,
}
