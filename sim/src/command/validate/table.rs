//! What came out, for people and for programs.

use super::compare::Comparison;
use crate::outcome::columns;

/// Steps that are listed one by one; of more only the sum is shown.
const LISTED: usize = 20;

/// All of it as JSON.
pub fn json(comparisons: &[Comparison]) -> String {
    // Plain data with names for keys: there is nothing that JSON could not say.
    let text = serde_json::to_string_pretty(comparisons).unwrap_or_default();
    format!("{text}\n")
}

/// All of it as tables.
pub fn text(comparisons: &[Comparison]) -> String {
    let header = [
        "strategy",
        "core",
        "steps",
        "bits",
        "weights",
        "cycles counted",
        "predicted",
        "off by",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for c in comparisons {
        let bits = match c.first_difference {
            Some(step) => format!("DIFFER from step {step} on"),
            None if c.same_bits => "the same".to_owned(),
            None => format!("{} weights DIFFER", c.weights.differ),
        };
        let mut row = vec![
            c.strategy.clone(),
            c.core.clone(),
            c.steps.to_string(),
            bits,
            c.weights.read.to_string(),
        ];
        row.extend(cycles(c.cycles_counted, c.cycles_predicted));
        rows.push(row);
    }
    let mut text = columns(&rows);
    for c in comparisons {
        text.push_str(&details(c));
    }
    text.push_str(
        "\nCompared after every step: weights, optimiser state, buffer, detector and generator. At the end every weight was read back.\n",
    );
    if comparisons.iter().any(|c| c.cycles_predicted.is_some()) {
        text.push_str(
            "Predicted: counted by the emulator with the same firmware and the same steps.\n",
        );
    }
    text
}

/// Kernels and steps of one strategy.
fn details(c: &Comparison) -> String {
    let header = |what: &str, second: &str| {
        [what, second, "cycles counted", "predicted", "off by"]
            .map(str::to_owned)
            .to_vec()
    };
    let line = |name: String, second: String, counted, predicted| {
        let mut row = vec![name, second];
        row.extend(cycles(counted, predicted));
        row
    };
    let mut kernels = vec![header("kernel, steps looked at", "calls")];
    kernels.extend(c.kernels.iter().map(|k| {
        line(
            k.kernel.clone(),
            k.calls.to_string(),
            k.counted,
            k.predicted,
        )
    }));
    let mut text = format!("\n{}\n{}", c.strategy, columns(&kernels));
    if c.steps <= LISTED {
        let mut steps = vec![header("step", "bits")];
        steps.extend(c.per_step.iter().map(|s| {
            let bits = if s.same_bits { "the same" } else { "DIFFER" };
            line(s.step.to_string(), bits.into(), s.counted, s.predicted)
        }));
        text.push_str(&columns(&steps));
    } else {
        text.push_str(&format!(
            "{} steps; --json has the cycles of each.\n",
            c.steps
        ));
    }
    let stack = &c.stack;
    text.push_str(&format!(
        "stack: {} of {} bytes used\n",
        stack.used, stack.bytes
    ));
    if c.repeats > 0 {
        text.push_str(&format!(
            "link: {} frames were sent again; what was learnt is not affected\n",
            c.repeats
        ));
    }
    text
}

/// Counted, predicted, and how far the prediction is off.
fn cycles(counted: Option<u64>, predicted: Option<u64>) -> [String; 3] {
    let dash = || "-".to_owned();
    let off = counted.filter(|&c| c > 0).zip(predicted);
    [
        counted.map_or_else(dash, |cycles| cycles.to_string()),
        predicted.map_or_else(dash, |cycles| cycles.to_string()),
        off.map_or_else(dash, |(counted, predicted)| {
            format!(
                "{:+.1} %",
                100.0 * (predicted as f64 / counted as f64 - 1.0)
            )
        }),
    ]
}
