//! What a board offers: core, clock, memory, power.
//!
//! A profile is one TOML file in which every figure names its source. What the file says is checked and
//! resolved into a [`Board`], of which everything else is derived: the compiler's target from the core, the budgets from the
//! memory, the energy from the power rows.

mod catalogue;
mod core;
mod memory;
mod power;
mod raw;
mod raw_flash;
mod runtime;

pub use self::catalogue::{boards, find, load};
pub use self::core::{Core, CoreInfo, Float};
pub use self::memory::{
    Bank, BankKind, Cache, Flash, FlashControl, FlashTiming, Replacement, Run, Stall, Uf2,
};
pub use self::power::{Load, Power};
pub use self::runtime::Runtime;

use crate::source::{Source, Sourced};

/// A board, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Board {
    /// The name that configs and reports use, for example `nano33ble`.
    pub name: String,
    /// The name that people use, for example `Arduino Nano 33 BLE (nRF52840)`.
    pub title: String,
    /// The core that runs the network; on chips with several, one of them.
    pub core: Sourced<Core>,
    /// The core's clock in hertz.
    pub clock_hz: Sourced<u64>,
    /// Lowest and highest supply in volts, where the profile gives it.
    pub supply_volts: Option<Sourced<(f64, f64)>>,
    /// The chip's name in probe-rs, if it knows the chip.
    pub probe_chip: Option<Sourced<String>>,
    /// RAM, by ascending address, without overlaps; never empty.
    pub ram: Vec<Bank>,
    /// Flash from which the code runs and in which the Program lies.
    pub flash: Flash,
    /// What the firmware takes for itself.
    pub runtime: Runtime,
    /// Power rows, in the order of preference; may be empty on a user's own board.
    pub power: Vec<Power>,
    /// What else to know before trusting a figure.
    pub notes: Vec<String>,
}

impl Board {
    /// All RAM of all banks, bytes.
    #[must_use]
    pub fn ram_total_bytes(&self) -> u64 {
        self.ram.iter().map(|bank| u64::from(bank.bytes)).sum()
    }

    /// The largest run of RAM without a gap. The learner's memory is one slice, so it must lie in one run; the firmware's own
    /// stack and statics are charged to the same run, which is the safe side where a smaller bank could take them.
    #[must_use]
    pub fn arena_run(&self) -> Run {
        memory::largest_run(&self.ram)
    }

    /// Bytes of RAM that a bill is held against: the length of [`Board::arena_run`].
    #[must_use]
    pub fn ram_budget_bytes(&self) -> u64 {
        self.arena_run().bytes
    }

    /// Bytes of flash that a bill is held against.
    #[must_use]
    pub fn flash_budget_bytes(&self) -> u64 {
        u64::from(self.flash.bytes)
    }

    /// RAM left for the learner's one slice once the firmware has its own, bytes.
    #[must_use]
    pub fn arena_budget_bytes(&self) -> u64 {
        let own = u64::from(self.runtime.stack_bytes) + u64::from(self.runtime.statics_bytes);
        self.ram_budget_bytes().saturating_sub(own)
    }

    /// What rustc calls the core.
    #[must_use]
    pub fn target(&self) -> &'static str {
        self.core.value.info().target
    }

    /// Every figure's source with the figure's name, for a report's appendix.
    #[must_use]
    pub fn sources(&self) -> Vec<(String, &Source)> {
        let mut sources = vec![
            ("core".to_owned(), &self.core.source),
            ("clock_hz".to_owned(), &self.clock_hz.source),
            ("flash".to_owned(), &self.flash.source),
            ("runtime".to_owned(), &self.runtime.source),
        ];
        sources.extend(
            self.supply_volts
                .iter()
                .map(|volts| ("supply_volts".to_owned(), &volts.source)),
        );
        sources.extend(
            self.probe_chip
                .iter()
                .map(|chip| ("probe_chip".to_owned(), &chip.source)),
        );
        sources.extend(
            self.ram
                .iter()
                .map(|bank| (format!("ram.{}", bank.name), &bank.source)),
        );
        let flash = &self.flash;
        sources.extend(
            flash
                .timing
                .iter()
                .map(|part| ("flash.timing".to_owned(), &part.source)),
        );
        for (name, cache) in [
            ("instruction_cache", &flash.instruction_cache),
            ("data_cache", &flash.data_cache),
        ] {
            sources.extend(
                cache
                    .iter()
                    .map(|part| (format!("flash.{name}"), &part.source)),
            );
        }
        sources.extend(
            flash
                .stall
                .iter()
                .map(|part| ("flash.stall".to_owned(), &part.source)),
        );
        sources.extend(
            flash
                .control
                .iter()
                .map(|part| ("flash.control".to_owned(), &part.source)),
        );
        sources.extend(
            flash
                .uf2
                .iter()
                .map(|part| ("flash.uf2".to_owned(), &part.source)),
        );
        sources.extend(
            self.power
                .iter()
                .map(|row| (format!("power.{}", row.mode), &row.source)),
        );
        sources
    }
}
