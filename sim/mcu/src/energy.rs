//! Milliseconds and microjoules from cycles.
//!
//! E = P(board, mode) × cycles / clock. For one build, measured power does not depend on the network to about ±2 to ±6 %
//! (MLPerf Tiny submissions), so one figure per board and mode is adequate where it was measured under such a load. A datasheet's
//! headline is another matter: on the two chips where both are known it promises too little, by a factor of 1.9 and 2.6.
//! There the answer is a band and says so.

use std::fmt;

use crate::board::{Board, Load, Power};
use crate::error::Error;
use crate::source::Source;
use crate::suggest;

/// Measured over promised current on the STM32U575, the larger of the two factors known: about 51 µA/MHz (3.3 V equivalent)
/// under a neural network against a headline of 19.5 µA/MHz. The other, the STM32L4R5, has 188 against 100.
/// Measured: MLPerf Tiny submissions (current), Zephyr board documents (headlines).
pub const HEADLINE_FACTOR: f64 = 51.0 / 19.5;

/// Energy of some work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Energy {
    /// From power that was measured on this chip while it ran a neural network.
    Measured {
        /// Microjoules.
        uj: f64,
    },
    /// Somewhere between two bounds.
    Band {
        /// Microjoules if the most optimistic figure holds.
        low: f64,
        /// Microjoules if the most pessimistic one does.
        high: f64,
    },
}

impl Energy {
    /// Lowest and highest energy, microjoules; equal when it was measured.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        match self {
            Self::Measured { uj } => (uj, uj),
            Self::Band { low, high } => (low, high),
        }
    }

    /// One figure for a plot's axis, microjoules: the measured one, or the geometric middle of the band.
    #[must_use]
    pub fn middle(self) -> f64 {
        let (low, high) = self.bounds();
        (low * high).sqrt()
    }
}

impl fmt::Display for Energy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Measured { uj } => write!(f, "{uj:.1} µJ"),
            Self::Band { low, high } => write!(f, "{low:.1} to {high:.1} µJ"),
        }
    }
}

/// Energy, and what it was derived from.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate<'a> {
    /// The energy.
    pub energy: Energy,
    /// The power row's mode.
    pub mode: &'a str,
    /// The power row's source.
    pub source: &'a Source,
}

/// Milliseconds that `cycles` take at `clock_hz`.
#[must_use]
pub fn milliseconds(cycles: f64, clock_hz: u64) -> f64 {
    cycles * 1e3 / clock_hz as f64
}

/// Energy of `cycles` at the power of one row.
#[must_use]
pub fn of_cycles(power: &Power, cycles: f64) -> Energy {
    let (low, high) = power.picojoules_per_cycle();
    // pJ × cycles = 1e-6 µJ.
    let (low, high) = (low * cycles * 1e-6, high * cycles * 1e-6);
    match power.load {
        Load::Network => Energy::Measured {
            uj: (low + high) / 2.0,
        },
        Load::Comparable => Energy::Band { low, high },
        Load::Headline => Energy::Band {
            low,
            high: high * HEADLINE_FACTOR,
        },
    }
}

impl Board {
    /// Milliseconds that `cycles` take at the board's clock.
    #[must_use]
    pub fn milliseconds(&self, cycles: f64) -> f64 {
        milliseconds(cycles, self.clock_hz.value)
    }

    /// Energy of `cycles` in the mode of this name, or without one in the mode listed first among those best founded:
    /// measured under a network before comparable work before a headline.
    ///
    /// # Errors
    /// [`Error::UnknownMode`] with the nearest name; [`Error::NoPower`] when the profile has no power row.
    pub fn energy(&self, cycles: f64, mode: Option<&str>) -> Result<Estimate<'_>, Error> {
        let row = match mode {
            None => self.best_row(),
            Some(mode) => Some(self.row(mode)?),
        };
        let row = row.ok_or_else(|| Error::NoPower {
            board: self.name.clone(),
        })?;
        Ok(Estimate {
            energy: of_cycles(row, cycles),
            mode: &row.mode,
            source: &row.source,
        })
    }

    fn best_row(&self) -> Option<&Power> {
        let founded = |load| self.power.iter().find(|row| row.load == load);
        [Load::Network, Load::Comparable, Load::Headline]
            .into_iter()
            .find_map(founded)
    }

    fn row(&self, mode: &str) -> Result<&Power, Error> {
        self.power
            .iter()
            .find(|row| row.mode == mode)
            .ok_or_else(|| {
                let modes: Vec<_> = self.power.iter().map(|row| row.mode.as_str()).collect();
                Error::UnknownMode {
                    board: self.name.clone(),
                    mode: mode.to_owned(),
                    hint: suggest::hint(mode, modes.iter().copied()),
                    known: modes.join("; "),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Tag;

    fn row(load: Load) -> Power {
        Power {
            mode: "test".to_owned(),
            volts: 2.0,
            clock_hz: 100_000_000,
            low_milliwatts: 10.0,
            high_milliwatts: 30.0,
            load,
            source: Source {
                tag: Tag::Unverified,
                text: "test".to_owned(),
            },
        }
    }

    #[test]
    fn energy_is_power_times_time() {
        // 20 mW on average for 1e6 cycles at 100 MHz, 10 ms: 200 µJ.
        let Energy::Measured { uj } = of_cycles(&row(Load::Network), 1e6) else {
            panic!("measured under a network")
        };
        assert!((uj - 200.0).abs() < 1e-9, "{uj}");
        assert_eq!(milliseconds(1e6, 100_000_000), 10.0);
    }

    #[test]
    fn what_was_not_measured_is_a_band() {
        let (low, high) = of_cycles(&row(Load::Comparable), 1e6).bounds();
        assert!((low - 100.0).abs() < 1e-9 && (high - 300.0).abs() < 1e-9);
        let (low, high) = of_cycles(&row(Load::Headline), 1e6).bounds();
        assert!(
            (low - 100.0).abs() < 1e-9 && high > 700.0 && high < 800.0,
            "{high}"
        );
    }

    #[test]
    fn the_middle_lies_in_the_band() {
        let band = Energy::Band {
            low: 1.0,
            high: 4.0,
        };
        assert_eq!(band.middle(), 2.0);
        assert_eq!(band.to_string(), "1.0 to 4.0 µJ");
        assert_eq!(Energy::Measured { uj: 2.0 }.to_string(), "2.0 µJ");
    }
}
