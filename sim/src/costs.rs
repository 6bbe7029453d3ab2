//! From measured cycles to what a report shows: milliseconds, microjoules, cycles by kernel.

use crate::cycles::against_hardware;
use sim_mcu::Board;
use sim_measure::{Measured, Unit};
use sim_report::{KernelCost, Phase, StrategySummary};

/// Time and energy of some cycles on a board, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Milliseconds at the board's clock; `None` of instructions.
    pub ms: Option<f64>,
    /// Microjoules, lowest and highest; `None` where the board's power is unknown, and of instructions.
    pub uj: Option<(f64, f64)>,
}

impl Cost {
    /// Of `cycles` on `board`.
    pub fn of(board: &Board, unit: Unit, cycles: f64) -> Self {
        if unit == Unit::Instructions {
            return Self::default();
        }
        Self {
            ms: Some(board.milliseconds(cycles)),
            uj: board.energy(cycles, None).ok().map(|e| e.energy.bounds()),
        }
    }

    /// One figure for the energy: the middle of the band.
    pub fn middle(self) -> Option<f64> {
        self.uj.map(|(low, high)| (low * high).sqrt())
    }

    /// Lowest and highest energy, where they differ.
    pub fn band(self) -> Option<(f64, f64)> {
        self.uj.filter(|(low, high)| low < high)
    }
}

/// Enters what was measured on `board` into `entry`.
pub fn enter(entry: &mut StrategySummary, board: &Board, measured: &Result<Measured, String>) {
    let measured = match measured {
        Ok(measured) => measured,
        Err(reason) => {
            entry.cycles_unavailable = Some(reason.clone());
            return;
        }
    };
    let unit = measured.unit;
    let whole = |cycles: f64| Some(cycles.round() as u64);
    let (train, infer) = (
        Cost::of(board, unit, measured.learn),
        Cost::of(board, unit, measured.infer),
    );
    let learns = measured.learn > 0.0;
    entry.train_cycles_per_step = whole(measured.learn);
    entry.infer_cycles_per_step = whole(measured.infer);
    (entry.infer_ms_per_step, entry.infer_uj_per_step) = (infer.ms, infer.middle());
    (entry.infer_uj_low, entry.infer_uj_high) = infer.band().unzip();
    (entry.train_ms_per_step, entry.train_uj_per_step) = (train.ms, train.middle());
    if learns {
        (entry.train_uj_low, entry.train_uj_high) = train.band().unzip();
        entry.train_cycles_first_step = whole(measured.first);
        entry.train_cycles_full_buffer = whole(measured.full);
        entry.cycles_standard_error_percent = measured.standard_error.map(|e| 100.0 * e);
    }
    entry.cycles_unit = Some(match unit {
        Unit::Cycles => sim_report::Unit::Cycles,
        Unit::Instructions => sim_report::Unit::Instructions,
    });
    if unit == Unit::Cycles {
        entry.cycles_against_hardware = against_hardware(board);
    }
}

/// Cycles by kernel of `strategy` on `board`.
pub fn kernels<'m>(
    strategy: &'m str,
    board: &'m Board,
    measured: &'m Measured,
) -> impl Iterator<Item = KernelCost> + 'm {
    measured.calls.iter().map(move |call| KernelCost {
        strategy: strategy.to_owned(),
        board: board.name.clone(),
        phase: if call.learns {
            Phase::Train
        } else {
            Phase::Infer
        },
        kernel: call.kernel.replace('_', " "),
        calls: call.calls,
        cycles: call.cycles,
    })
}
