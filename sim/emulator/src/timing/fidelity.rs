//! How far the cycles that the emulator counts are from hardware, by core: a measurement that stands with the core's table.
//!
//! Whoever shows cycles shows this beside them. A core that nobody compared says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::table::Tag;

/// What is known of the last column, memory included, against hardware.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fidelity {
    /// Firmware was timed on hardware and emulated.
    Compared(Comparison),
    /// Nobody has compared it.
    NotCompared(NotCompared),
}

/// Cycles emulated against cycles on hardware, in per cent of the latter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Mean of the errors with their signs; above zero, the emulator counts too many cycles.
    pub mean: f64,
    /// Mean of the errors without their signs.
    pub mean_absolute: f64,
    /// The largest error, with its sign.
    pub worst: f64,
    /// Firmware images that were compared.
    pub n: u32,
    /// Which these were, on which boards.
    pub images: String,
    /// Where hardware's cycles are from, and when the emulator counted its own.
    pub source: String,
    /// How sure it is.
    pub tag: Tag,
}

/// That there is no comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotCompared {
    /// Why not, and what is known instead.
    pub source: String,
}

impl Fidelity {
    /// The comparison, where there is one.
    #[must_use]
    pub fn comparison(&self) -> Option<&Comparison> {
        match self {
            Fidelity::Compared(comparison) => Some(comparison),
            Fidelity::NotCompared(_) => None,
        }
    }

    /// Where this comes from.
    #[must_use]
    pub fn source(&self) -> &str {
        match self {
            Fidelity::Compared(comparison) => &comparison.source,
            Fidelity::NotCompared(reason) => &reason.source,
        }
    }

    /// What is wrong with the figures, if anything is.
    pub(super) fn problem(&self) -> Option<&'static str> {
        let c = self.comparison()?;
        let possible = c.n > 0
            && c.mean.abs() <= c.mean_absolute
            && c.mean_absolute <= c.worst.abs()
            && c.worst.is_finite();
        (!possible).then_some(
            "fidelity: `n` is above 0, and `mean`, `mean_absolute` and `worst` do not shrink in this order",
        )
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fidelity::Compared(c) => write!(
                f,
                "mean error {:.1} % over {} firmware images (with signs {:+.1} %, at worst {:+.1} %)",
                c.mean_absolute, c.n, c.mean, c.worst
            ),
            Fidelity::NotCompared(_) => f.write_str("not compared with hardware"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{CORE_NAMES, CoreTable};

    #[test]
    fn every_core_says_how_far_it_is_from_hardware() {
        for name in CORE_NAMES {
            let table = CoreTable::builtin(name).unwrap();
            let fidelity = table.fidelity();
            assert!(fidelity.source().len() > 20, "{name}");
            let text = fidelity.to_string();
            match fidelity.comparison() {
                Some(c) => assert!(text.contains(&format!("{} firmware images", c.n)), "{text}"),
                None => assert_eq!(text, "not compared with hardware"),
            }
        }
        let m3 = CoreTable::builtin("cortex-m3").unwrap();
        assert_eq!(m3.fidelity().comparison(), None);
    }

    #[test]
    fn figures_that_contradict_each_other_are_refused() {
        let text = include_str!("../../../../configs/cores/cortex-m33.toml");
        let at = text.find("[fidelity.compared]").unwrap();
        let (before, after) = text.split_at(at);
        let line = |key: &str| after.lines().find(|l| l.starts_with(key)).unwrap();
        for (key, wrong) in [
            ("worst =", "worst = 0.1"),
            ("n =", "n = 0"),
            ("mean =", "mean = nan"),
            ("images =", "others = \"\""),
        ] {
            let changed = format!("{before}{}", after.replacen(line(key), wrong, 1));
            let problem = CoreTable::parse("cortex-m33", &changed).unwrap_err();
            assert!(problem.to_string().contains("cortex-m33"), "{problem}");
        }
        let without = format!("{before}{}", after.replacen("compared", "guessed", 1));
        assert!(CoreTable::parse("cortex-m33", &without).is_err());
    }
}
