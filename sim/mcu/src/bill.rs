//! The bill: every byte of RAM and flash, what it is for, and whether the board can pay.
//!
//! Law: in each region, the sum of the items plus what is left equals the budget; where the items exceed it, nothing is left
//! and the sum is the budget plus the excess.

use std::fmt;

use crate::board::Board;

/// The memory that an item occupies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// Writable memory.
    Ram,
    /// Code and constants.
    Flash,
}

impl Region {
    /// Both regions, in the order of a bill.
    pub const ALL: [Self; 2] = [Self::Ram, Self::Flash];
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ram => "RAM",
            Self::Flash => "flash",
        })
    }
}

/// Defines [`Kind`] with each kind's name beside it.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal),* $(,)?) => {
        /// What an item is for, in the order in which a bill lists them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $($(#[$doc])* $kind),* }

        impl Kind {
            /// Every kind, in the order of a bill.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// The kind in words.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }
        }
    };
}

kinds! {
    /// Parameters, trained or frozen.
    Weights = "weights",
    /// What an optimiser remembers of each parameter: momentum, moments.
    OptimiserState = "optimiser state",
    /// Gradients that are kept: accumulated ones for a batch.
    Gradients = "gradients",
    /// Outputs of layers, those kept for the backward pass included.
    Activations = "activations",
    /// Gradients with respect to activations.
    Deltas = "deltas",
    /// What a kernel needs while it runs: tiles, masks, argmax.
    Scratch = "scratch",
    /// Gaps between tensors, where the planner found no better place for them.
    Slack = "slack",
    /// Samples kept for training again.
    ReplayBuffer = "replay buffer",
    /// The learner's own: detectors, counters, random generator.
    LearnerState = "learner state",
    /// The firmware's statics.
    Runtime = "runtime",
    /// The call stack.
    Stack = "stack",
    /// The Program image: schedule and constants.
    Program = "program",
    /// Machine code.
    Code = "code",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One line of the bill.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The memory it occupies.
    pub region: Region,
    /// What it is for.
    pub kind: Kind,
    /// Which one: a layer's name, "230 samples of 200 features".
    pub what: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A bill against a board's budgets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    board: String,
    ram_budget: u64,
    flash_budget: u64,
    items: Vec<Item>,
}

impl Bill {
    /// An empty bill against budgets given in bytes. `board` is what the text calls the payer.
    #[must_use]
    pub fn new(board: impl Into<String>, ram_budget: u64, flash_budget: u64) -> Self {
        Self {
            board: board.into(),
            ram_budget,
            flash_budget,
            items: Vec::new(),
        }
    }

    /// A bill against a board's budgets that already holds what the firmware takes for itself.
    #[must_use]
    pub fn for_board(board: &Board) -> Self {
        let mut bill = Self::new(
            &board.name,
            board.ram_budget_bytes(),
            board.flash_budget_bytes(),
        );
        let runtime = &board.runtime;
        bill.charge(
            Region::Ram,
            Kind::Runtime,
            "firmware statics",
            u64::from(runtime.statics_bytes),
        );
        bill.charge(
            Region::Ram,
            Kind::Stack,
            "call stack",
            u64::from(runtime.stack_bytes),
        );
        bill.charge(
            Region::Flash,
            Kind::Code,
            "firmware code",
            u64::from(runtime.code_bytes),
        );
        bill
    }

    /// Adds an item. Items of zero bytes are left out.
    pub fn charge(&mut self, region: Region, kind: Kind, what: impl Into<String>, bytes: u64) {
        if bytes > 0 {
            self.items.push(Item {
                region,
                kind,
                what: what.into(),
                bytes,
            });
        }
    }

    /// Every item, in the order in which they were charged.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// Bytes charged to a region.
    #[must_use]
    pub fn sum(&self, region: Region) -> u64 {
        let of_region = self.items.iter().filter(|item| item.region == region);
        of_region.fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    /// Bytes charged to a region for one kind.
    #[must_use]
    pub fn sum_of(&self, region: Region, kind: Kind) -> u64 {
        let of_kind = self
            .items
            .iter()
            .filter(|item| item.region == region && item.kind == kind);
        of_kind.fold(0, |sum, item| sum.saturating_add(item.bytes))
    }

    /// Bytes that a region offers.
    #[must_use]
    pub fn budget(&self, region: Region) -> u64 {
        match region {
            Region::Ram => self.ram_budget,
            Region::Flash => self.flash_budget,
        }
    }

    /// Bytes of a region that nothing occupies; 0 when it is exceeded.
    #[must_use]
    pub fn left(&self, region: Region) -> u64 {
        self.budget(region).saturating_sub(self.sum(region))
    }

    /// Bytes by which a region is exceeded; 0 when everything fits.
    #[must_use]
    pub fn excess(&self, region: Region) -> u64 {
        self.sum(region).saturating_sub(self.budget(region))
    }

    /// Whether both regions can pay.
    #[must_use]
    pub fn fits(&self) -> bool {
        Region::ALL
            .into_iter()
            .all(|region| self.excess(region) == 0)
    }

    /// How many slots of `slot_bytes` fit into what is left of RAM: the buffer that the board could still hold.
    #[must_use]
    pub fn slots_left(&self, slot_bytes: u64) -> u64 {
        self.left(Region::Ram).checked_div(slot_bytes).unwrap_or(0)
    }

    /// The refusal of what does not fit: the bill, and then what would fit instead, nearest first, in the caller's words.
    /// `None` when everything fits.
    #[must_use]
    pub fn refusal(&self, nearest: &[String]) -> Option<String> {
        if self.fits() {
            return None;
        }
        let over: Vec<_> = Region::ALL
            .into_iter()
            .filter(|&region| self.excess(region) > 0)
            .map(|region| format!("{region} by {} bytes", grouped(self.excess(region))))
            .collect();
        let mut text = format!(
            "This does not fit {}: it exceeds {}.\n\n{self}",
            self.board,
            over.join(" and ")
        );
        if !nearest.is_empty() {
            text.push_str("\nNearest that would fit:\n");
            for suggestion in nearest {
                text.push_str("  - ");
                text.push_str(suggestion);
                text.push('\n');
            }
        }
        Some(text)
    }
}

/// The bill as a text table: for each region its items by kind, the sum, the budget, and what is left or exceeded.
impl fmt::Display for Bill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind_width = Kind::ALL
            .iter()
            .map(|kind| kind.name().len())
            .max()
            .unwrap_or(0);
        let what_width = self
            .items
            .iter()
            .map(|item| item.what.chars().count())
            .max()
            .unwrap_or(0)
            .max(8);
        for region in Region::ALL {
            let mut items: Vec<_> = self
                .items
                .iter()
                .filter(|item| item.region == region)
                .collect();
            items.sort_by_key(|item| item.kind);
            writeln!(f, "{region}, bytes")?;
            let mut line = |kind: &str, what: &str, bytes: u64| {
                writeln!(
                    f,
                    "  {kind:kind_width$}  {what:what_width$}  {:>15}",
                    grouped(bytes)
                )
            };
            for item in items {
                line(item.kind.name(), &item.what, item.bytes)?;
            }
            line("sum", "", self.sum(region))?;
            line("budget", &self.board, self.budget(region))?;
            match self.excess(region) {
                0 => line("left", "", self.left(region))?,
                excess => line("EXCESS", "", excess)?,
            }
        }
        Ok(())
    }
}

/// A number with a comma before every third digit from the right.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Bill {
        let mut bill = Bill::new("toy", 1_000, 5_000);
        bill.charge(Region::Ram, Kind::ReplayBuffer, "3 samples", 900);
        bill.charge(Region::Ram, Kind::Weights, "head", 1_334);
        bill.charge(Region::Ram, Kind::Scratch, "nothing", 0);
        bill.charge(Region::Flash, Kind::Code, "firmware", 4_000);
        bill
    }

    #[test]
    fn a_refusal_shows_every_item_sum_budget_excess_and_the_way_out() {
        let text = sample()
            .refusal(&["a buffer of 1".to_owned()])
            .expect("it does not fit");
        for part in [
            "does not fit toy: it exceeds RAM by 1,234 bytes",
            "weights",
            "head",
            "1,334",
            "3 samples",
            "2,234",
            "1,000",
            "EXCESS",
            "  - a buffer of 1\n",
            "4,000",
        ] {
            assert!(text.contains(part), "{part:?} is missing in\n{text}");
        }
        assert!(!text.contains("nothing"), "{text}");
        let weights = text.find("head").expect("listed");
        assert!(
            weights < text.find("3 samples").expect("listed"),
            "sorted by kind"
        );
    }

    #[test]
    fn what_fits_is_not_refused_to_the_last_byte() {
        let mut bill = Bill::new("toy", 10, 10);
        bill.charge(Region::Ram, Kind::Weights, "w", 10);
        assert!(bill.fits() && bill.refusal(&[]).is_none());
        bill.charge(Region::Flash, Kind::Code, "c", 11);
        assert!(!bill.fits() && bill.excess(Region::Flash) == 1);
        assert!(
            bill.refusal(&[])
                .expect("too much flash")
                .contains("exceeds flash by 1 bytes")
        );
    }

    #[test]
    fn slots_are_whole_and_never_divide_by_zero() {
        let bill = Bill::new("toy", 1_000, 0);
        assert_eq!(bill.slots_left(300), 3);
        assert_eq!(bill.slots_left(0), 0);
        assert_eq!(sample().slots_left(1), 0);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let shown: Vec<_> = [0, 999, 1_000, 1_234_567]
            .into_iter()
            .map(grouped)
            .collect();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }

    proptest! {
        #[test]
        fn the_sum_of_the_bill_and_what_is_left_is_the_budget(
            budgets in (0..1u64 << 32, 0..1u64 << 32),
            items in proptest::collection::vec((any::<bool>(), 0..Kind::ALL.len(), 0..1u64 << 30), 0..12),
        ) {
            let mut bill = Bill::new("any", budgets.0, budgets.1);
            for &(ram, kind, bytes) in &items {
                bill.charge(if ram { Region::Ram } else { Region::Flash }, Kind::ALL[kind], "item", bytes);
            }
            for region in Region::ALL {
                let by_kind: u64 = Kind::ALL.iter().map(|&kind| bill.sum_of(region, kind)).sum();
                prop_assert_eq!(by_kind, bill.sum(region));
                prop_assert_eq!(bill.sum(region) + bill.left(region), bill.budget(region) + bill.excess(region));
                prop_assert!(bill.left(region) == 0 || bill.excess(region) == 0);
            }
            let charged: u64 = items.iter().map(|&(_, _, bytes)| bytes).sum();
            prop_assert_eq!(bill.sum(Region::Ram) + bill.sum(Region::Flash), charged);
            prop_assert_eq!(bill.fits(), bill.refusal(&[]).is_none());
        }
    }
}
