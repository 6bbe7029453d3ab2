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
    /// Whether the next line is fetched while the current one executes.
    pub prefetch: bool,
    /// Cache of instructions fetched from flash.
    pub instruction_cache: Option<Cache>,
    /// Cache of data read from flash.
    pub data_cache: Option<Cache>,
    /// Whether one cache (`instruction_cache`) serves data too.
    pub unified: bool,
    /// Cycles beyond the first of a RAM access, by the bank's name.
    pub ram_wait_states: Vec<(String, u32)>,
}

/// A set-associative cache with round-robin replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Bytes it holds.
    pub bytes: u32,
    /// Bytes of a line; a miss reads one line from the array.
    pub line_bytes: u32,
    /// Lines an address may lie in.
    pub ways: u32,
    /// Cycles that filling a line stalls the core; by default those of the flash accesses it takes.
    #[serde(default)]
    pub miss_cycles: Option<u32>,
}
