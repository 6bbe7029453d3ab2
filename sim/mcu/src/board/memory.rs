//! RAM banks, flash, and what lies between flash and the core.

use serde::Deserialize;

use crate::source::Source;

/// How a RAM bank is connected, which decides what can reach it and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BankKind {
    /// On the system bus: code, data and DMA.
    Sram,
    /// Core-coupled memory: data of the core only, no DMA.
    Ccm,
    /// Tightly coupled memory of a Cortex-M7, for data: single cycle, not cached.
    Dtcm,
    /// Tightly coupled memory of a Cortex-M7, for instructions.
    Itcm,
}

/// A RAM bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Its name in the reference manual.
    pub name: String,
    /// First address.
    pub base: u32,
    /// Length in bytes.
    pub bytes: u32,
    /// How it is connected.
    pub kind: BankKind,
    /// Where base and length are from.
    pub source: Source,
}

/// RAM without a gap, over one or several neighbouring banks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// First address.
    pub base: u32,
    /// Length in bytes.
    pub bytes: u64,
}

/// What one read of the flash array costs and brings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashTiming {
    /// Wait states at the board's clock: extra cycles of a read that no cache or prefetch hides.
    pub wait_states: u32,
    /// Bytes that one read delivers.
    pub line_bytes: u32,
    /// Whether the next line of instructions is fetched while one executes, as the vendor's start-up code has it.
    #[serde(default)]
    pub prefetch: bool,
    /// Whether instructions, data and prefetch share one port, so that each waits while it is busy.
    #[serde(default)]
    pub shared_port: bool,
    /// Where these are from.
    pub source: Source,
}

/// A register by which firmware sets how flash is read; what it sets holds in place of the profile's figures.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashControl {
    /// Its address.
    pub register: u32,
    /// What it holds after reset, for firmware that changes a part of it.
    pub reset: u32,
    /// The bits that hold the number of wait states, the lowest among them; 0 where another register has them.
    #[serde(default)]
    pub wait_states: u32,
    /// Cycles of the core that a wait state takes, where the flash's bus is slower.
    #[serde(default = "one")]
    pub cycles: u32,
    /// The bit that enables prefetch; 0 where this register has none.
    #[serde(default)]
    pub prefetch: u32,
    /// The bit that enables the cache of instructions, or of both; 0 where this register has none.
    #[serde(default)]
    pub instruction_cache: u32,
    /// The bit that enables the cache of data; 0 where this register has none.
    #[serde(default)]
    pub data_cache: u32,
    /// Where these are from.
    pub source: Source,
}

fn one() -> u32 {
    1
}

/// The UF2 files that a board's boot loader takes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uf2 {
    /// The families of chips that the blocks of such a file name.
    pub families: Vec<u32>,
    /// Where these are from.
    pub source: Source,
}

/// A cache between flash and core.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Capacity in bytes.
    pub bytes: u32,
    /// Line length in bytes.
    pub line_bytes: u32,
    /// Associativity: ways of a set; lines of the whole cache when it is fully associative.
    pub ways: u32,
    /// Bytes that a miss brings, where a line is filled piece by piece; else the line.
    #[serde(default)]
    pub fill_bytes: Option<u32>,
    /// Which line makes room for another.
    #[serde(default)]
    pub replacement: Replacement,
    /// Whether the cache of instructions serves constants too.
    #[serde(default)]
    pub unified: bool,
    /// Where these are from.
    pub source: Source,
}

/// Which line of a set makes room for another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The one that came first.
    #[default]
    RoundRobin,
    /// The one that was used longest ago.
    LeastRecentlyUsed,
}

/// The effective stall of data read from flash, as measured: cycles for each line that is touched, whatever hides or adds to the wait
/// states.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Cycles a line.
    pub cycles: f64,
    /// Bytes of a line.
    pub line_bytes: u32,
    /// How it was measured.
    pub source: Source,
}

/// Flash.
#[derive(Clone, Debug, PartialEq)]
pub struct Flash {
    /// First address.
    pub base: u32,
    /// Length in bytes.
    pub bytes: u32,
    /// Where base and length are from.
    pub source: Source,
    /// Wait states and width, where known.
    pub timing: Option<FlashTiming>,
    /// The cache of instructions, or the one of both, where there is one.
    pub instruction_cache: Option<Cache>,
    /// The cache of data, where there is one of its own.
    pub data_cache: Option<Cache>,
    /// Measured stall of data in flash, where somebody measured it.
    pub stall: Option<Stall>,
    /// Where firmware sets some of these itself.
    pub control: Vec<FlashControl>,
    /// Which UF2 files are for it, where known.
    pub uf2: Option<Uf2>,
}

/// The largest run in banks that are sorted by address; empty for no banks. The first of equals.
pub(super) fn largest_run(banks: &[Bank]) -> Run {
    let mut best = Run { base: 0, bytes: 0 };
    let mut run = best;
    for bank in banks.iter().filter(|bank| bank.kind != BankKind::Itcm) {
        let end = u64::from(run.base) + run.bytes;
        if run.bytes > 0 && end == u64::from(bank.base) {
            run.bytes += u64::from(bank.bytes);
        } else {
            run = Run {
                base: bank.base,
                bytes: u64::from(bank.bytes),
            };
        }
        if run.bytes > best.bytes {
            best = run;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Tag;

    fn source() -> Source {
        Source {
            tag: Tag::Unverified,
            text: "test".to_owned(),
        }
    }

    fn bank(base: u32, bytes: u32, kind: BankKind) -> Bank {
        Bank {
            name: "bank".to_owned(),
            base,
            bytes,
            kind,
            source: source(),
        }
    }

    #[test]
    fn neighbours_join_and_gaps_part() {
        let banks = [
            bank(0x1000_0000, 64, BankKind::Ccm),
            bank(0x2000_0000, 50, BankKind::Sram),
            bank(0x2000_0032, 16, BankKind::Sram),
        ];
        assert_eq!(
            largest_run(&banks),
            Run {
                base: 0x2000_0000,
                bytes: 66
            }
        );
        assert_eq!(
            largest_run(&banks[..2]),
            Run {
                base: 0x1000_0000,
                bytes: 64
            }
        );
        assert_eq!(largest_run(&[]), Run { base: 0, bytes: 0 });
    }

    #[test]
    fn instruction_memory_holds_no_arena_and_the_last_address_does_not_overflow() {
        let banks = [
            bank(0, 1 << 20, BankKind::Itcm),
            bank(0xffff_ff00, 0x100, BankKind::Sram),
        ];
        assert_eq!(
            largest_run(&banks),
            Run {
                base: 0xffff_ff00,
                bytes: 0x100
            }
        );
    }
}
