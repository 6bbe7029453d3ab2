//! The memory system's share of the time: what a board adds to a core's own cycles.

use std::fmt;

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
    /// Whether instructions, data and prefetch share one port of the flash array, so that each waits until it is idle.
    pub shared_port: bool,
    /// Cache of instructions fetched from flash.
    pub instruction_cache: Option<Cache>,
    /// Cache of data read from flash.
    pub data_cache: Option<Cache>,
    /// Whether one cache (`instruction_cache`) serves data too.
    pub unified: bool,
    /// Cycles beyond the first of a RAM access, by the bank's name.
    pub ram_wait_states: Vec<(String, u32)>,
    /// Where the program sets some of these itself; what it has not written holds as it stands here.
    pub controls: Vec<FlashControl>,
    /// What holds whatever the program writes.
    pub fixed: FlashSetting,
}

/// How flash is read, as far as somebody says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FlashSetting {
    /// Cycles of an access beyond the first.
    pub wait_states: Option<u32>,
    /// Bytes that an access brings, which option bytes decide on some chips.
    pub line_bytes: Option<u32>,
    /// Whether the next line is fetched ahead.
    pub prefetch: Option<bool>,
    /// Whether the cache of instructions, or of both, is on.
    pub instruction_cache: Option<bool>,
    /// Whether the cache of data is on.
    pub data_cache: Option<bool>,
}

impl FlashSetting {
    /// This, and what another says that this does not.
    fn or(self, other: Self) -> Self {
        FlashSetting {
            wait_states: self.wait_states.or(other.wait_states),
            line_bytes: self.line_bytes.or(other.line_bytes),
            prefetch: self.prefetch.or(other.prefetch),
            instruction_cache: self.instruction_cache.or(other.instruction_cache),
            data_cache: self.data_cache.or(other.data_cache),
        }
    }
}

impl MemoryTiming {
    /// What the registers of [`MemoryTiming::controls`] say that the program wrote.
    pub(crate) fn written(&self, values: &[Option<u32>]) -> FlashSetting {
        let controls = self.controls.iter().zip(values);
        let written = controls.filter_map(|(control, value)| Some(control.setting((*value)?)));
        written.fold(FlashSetting::default(), FlashSetting::or)
    }

    /// What holds after the program wrote `values` to the registers of [`MemoryTiming::controls`].
    pub(crate) fn controlled(&self, values: &[Option<u32>]) -> MemoryTiming {
        let mut timing = self.clone();
        let setting = self.fixed.or(self.written(values));
        timing.prefetch = setting.prefetch.unwrap_or(self.prefetch);
        if setting.instruction_cache == Some(false) {
            timing.instruction_cache = None;
        }
        if setting.data_cache == Some(false) {
            timing.data_cache = None;
        }
        timing.flash_wait_states = setting.wait_states.unwrap_or(self.flash_wait_states);
        timing.flash_line_bytes = setting.line_bytes.unwrap_or(self.flash_line_bytes);
        let caches = [&mut timing.instruction_cache, &mut timing.data_cache];
        for cache in caches.into_iter().flatten() {
            // Of lines that are filled piece by piece, a piece is what an access brings.
            if let (Some(fill), Some(bytes)) = (&mut cache.fill_bytes, setting.line_bytes) {
                *fill = bytes.min(cache.line_bytes);
            }
        }
        if timing.flash_wait_states != self.flash_wait_states
            || timing.flash_line_bytes != self.flash_line_bytes
        {
            // What was measured was so with the board's own wait states and lines.
            timing.data_stall = None;
            let caches = [&mut timing.instruction_cache, &mut timing.data_cache];
            caches.into_iter().flatten().for_each(|c| c.stall = None);
        }
        timing
    }

    /// How flash is read after the program wrote `values`, and who says so.
    pub(crate) fn access(&self, values: &[Option<u32>]) -> FlashAccess {
        let now = self.controlled(values);
        let on =
            |board: &Option<Cache>, now: &Option<Cache>| board.is_some().then_some(now.is_some());
        FlashAccess {
            wait_states: now.flash_wait_states,
            line_bytes: now.flash_line_bytes,
            prefetch: now.prefetch,
            instruction_cache: on(&self.instruction_cache, &now.instruction_cache),
            data_cache: on(&self.data_cache, &now.data_cache),
            unified: self.unified,
            by_program: self.written(values) != FlashSetting::default(),
            fixed: self.fixed != FlashSetting::default(),
        }
    }
}

/// How flash is read at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FlashAccess {
    /// Cycles of an access beyond the first.
    pub wait_states: u32,
    /// Bytes that an access brings.
    pub line_bytes: u32,
    /// Whether the next line of instructions is fetched ahead.
    pub prefetch: bool,
    /// Whether the cache of instructions, or of both, is on; nothing where there is none.
    pub instruction_cache: Option<bool>,
    /// Whether the cache of data is on; nothing where there is none of its own.
    pub data_cache: Option<bool>,
    /// Whether the first serves data too.
    pub unified: bool,
    /// Whether the program set some of it.
    pub by_program: bool,
    /// Whether the user fixed some of it.
    pub fixed: bool,
}

impl fmt::Display for FlashAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = |on: bool| if on { "on" } else { "off" };
        let plural = if self.wait_states == 1 { "" } else { "s" };
        write!(
            f,
            "{} wait state{plural}, prefetch {}",
            self.wait_states,
            state(self.prefetch)
        )?;
        match (self.instruction_cache, self.data_cache) {
            (None, None) => f.write_str(", no cache")?,
            (Some(one), None) if self.unified => write!(f, ", cache {}", state(one))?,
            (Some(one), None) => write!(f, ", instruction cache {}", state(one))?,
            (None, Some(one)) => write!(f, ", data cache {}", state(one))?,
            (Some(one), Some(other)) if one == other => write!(f, ", caches {}", state(one))?,
            (Some(one), Some(other)) => write!(
                f,
                ", instruction cache {}, data cache {}",
                state(one),
                state(other)
            )?,
        }
        let by = match (self.fixed, self.by_program) {
            (true, true) => "set by the command line and by the program",
            (true, false) => "set by the command line",
            (false, true) => "set by the program",
            (false, false) => "as the board's profile says",
        };
        write!(f, ", {by}")
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

/// A register by which the program sets how flash is read, as FLASH_ACR of STM32 or CCR of a Cortex-M7. Bits that are zero it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashControl {
    /// Its address.
    pub register: u32,
    /// What it holds before the program writes it.
    pub reset: u32,
    /// The bits that hold the number of wait states, the lowest among them.
    pub wait_states: u32,
    /// Cycles of the core that a wait state takes.
    pub cycles: u32,
    /// The bit that enables prefetch.
    pub prefetch: u32,
    /// The bit that enables the cache of instructions, or of both.
    pub instruction_cache: u32,
    /// The bit that enables the cache of data.
    pub data_cache: u32,
}

impl FlashControl {
    /// What it says where it holds `value`.
    fn setting(&self, value: u32) -> FlashSetting {
        let bit = |bit: u32| (bit != 0).then_some(value & bit != 0);
        FlashSetting {
            line_bytes: None,
            wait_states: (self.wait_states != 0)
                .then_some((value & self.wait_states).saturating_mul(self.cycles)),
            prefetch: bit(self.prefetch),
            instruction_cache: bit(self.instruction_cache),
            data_cache: bit(self.data_cache),
        }
    }
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
