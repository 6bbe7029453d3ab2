//! Laws that a run's data must obey before anything is written.

use crate::{Error, Estimate, Memory, Run, SCHEMA, StrategySummary, Summary};

/// Checks that the parts of `run` belong together and that every figure is a number.
///
/// # Errors
///
/// [`Error::Inconsistent`], with the first law that is broken.
pub(crate) fn check(run: &Run) -> Result<(), Error> {
    consistent(run).map_err(Error::Inconsistent)
}

fn consistent(run: &Run) -> Result<(), String> {
    let summary = &run.summary;
    if summary.schema != SCHEMA {
        return Err(format!(
            "the summary has schema {}, not {SCHEMA}",
            summary.schema
        ));
    }
    for (index, entry) in summary.strategies.iter().enumerate() {
        let name = format!("strategy `{}` on `{}`", entry.name, entry.board);
        if summary.strategies[..index]
            .iter()
            .any(|e| (&e.name, &e.board) == (&entry.name, &entry.board))
        {
            return Err(format!("{name} is there twice"));
        }
        figures(entry).map_err(|cause| format!("{name}: {cause}"))?;
    }
    for bill in &run.bills {
        let entry = known(summary, &bill.strategy, &bill.board)?;
        let (memory, bytes) = match bill.memory {
            Memory::Ram => ("RAM", entry.ram_bytes),
            Memory::Flash => ("flash", entry.flash_bytes),
        };
        if bill.total() != bytes {
            return Err(format!(
                "the {memory} bill of strategy `{}` on `{}` sums to {} bytes, the summary says {bytes}",
                bill.strategy,
                bill.board,
                bill.total()
            ));
        }
    }
    for kernel in &run.kernels {
        known(summary, &kernel.strategy, &kernel.board)?;
        if !kernel.cycles.is_finite() || !kernel.calls.is_finite() || kernel.cycles < 0.0 {
            return Err(format!(
                "kernel `{}` of strategy `{}` has no number of cycles",
                kernel.kernel, kernel.strategy
            ));
        }
    }
    Ok(())
}

fn known<'a>(
    summary: &'a Summary,
    strategy: &str,
    board: &str,
) -> Result<&'a StrategySummary, String> {
    summary.strategy(strategy, board).ok_or_else(|| {
        format!("strategy `{strategy}` on `{board}` has costs, but the summary does not list it")
    })
}

fn figures(entry: &StrategySummary) -> Result<(), String> {
    let costs = [
        ("train_ms_per_step", entry.train_ms_per_step),
        ("train_uj_per_step", entry.train_uj_per_step),
        ("train_uj_low", entry.train_uj_low),
        ("train_uj_high", entry.train_uj_high),
        ("infer_ms_per_step", entry.infer_ms_per_step),
        ("infer_uj_per_step", entry.infer_uj_per_step),
        ("infer_uj_low", entry.infer_uj_low),
        ("infer_uj_high", entry.infer_uj_high),
        (
            "cycles_standard_error_percent",
            entry.cycles_standard_error_percent,
        ),
    ];
    for (field, value) in costs {
        if value.is_some_and(|value| !value.is_finite() || value < 0.0) {
            return Err(format!("{field} is not a number of 0 or more"));
        }
    }
    let accuracy = entry.accuracy.clone().unwrap_or_default();
    let accuracies = [
        ("before_drift", accuracy.before_drift),
        ("at_drift", accuracy.at_drift),
        ("lowest", accuracy.lowest),
        ("final", accuracy.last),
    ];
    for (field, value) in accuracies {
        estimate(value).map_err(|cause| format!("accuracy.{field} {cause}"))?;
        if value.is_some_and(|value| !(0.0..=1.0).contains(&value.mean)) {
            return Err(format!("accuracy.{field} is not a fraction of 1"));
        }
    }
    estimate(entry.recovery_samples).map_err(|cause| format!("recovery_samples {cause}"))
}

fn estimate(value: Option<Estimate>) -> Result<(), &'static str> {
    match value {
        Some(Estimate { mean, ci95 })
            if !mean.is_finite() || ci95.is_some_and(|half| !half.is_finite()) =>
        {
            Err("is not a number")
        }
        _ => Ok(()),
    }
}
