//! A small run that the tests write, damage and print.

use std::sync::Arc;

use serde_json::json;
use sim_report::{
    AccuracySummary, Bill, BillItem, Estimate, KernelCost, Memory, Phase, Run, SCHEMA, SampleRow,
    StrategySummary, Summary,
};

fn entry(name: &str) -> StrategySummary {
    StrategySummary {
        name: name.into(),
        board: "nano33ble".into(),
        fits: true,
        ram_bytes: 3_000,
        ram_budget_bytes: 262_144,
        flash_bytes: 12_000,
        flash_budget_bytes: 1_048_576,
        buffer_slots: 2,
        train_cycles_per_step: Some(6_400),
        train_ms_per_step: Some(0.1),
        train_uj_per_step: Some(1.3),
        cycles_unit: Some(sim_report::Unit::Cycles),
        cycles_standard_error_percent: Some(0.3),
        accuracy: Some(AccuracySummary {
            before_drift: Some(Estimate {
                mean: 0.98,
                ci95: Some(0.01),
            }),
            at_drift: Some(Estimate {
                mean: 0.78,
                ci95: Some(0.02),
            }),
            lowest: Some(Estimate {
                mean: 0.75,
                ci95: Some(0.02),
            }),
            last: Some(Estimate {
                mean: 0.95,
                ci95: Some(0.01),
            }),
        }),
        recovery_samples: Some(Estimate {
            mean: 2.5,
            ci95: None,
        }),
        recovered_seeds: Some(2),
        ..StrategySummary::default()
    }
}

/// Two strategies on one board, two seeds, eight samples, a drift at the fourth.
pub fn run() -> Run {
    let row = |strategy: &str, seed: u64, sample: u64| SampleRow {
        strategy: Arc::from(strategy),
        board: Arc::from("nano33ble"),
        seed,
        sample,
        label: (sample % 10) as u16,
        prediction: (sample % 7) as u16,
        loss: (sample != 5).then_some(0.1 * sample as f32),
        prequential: 0.9 - 0.01 * seed as f32,
        test_accuracy: sample
            .is_multiple_of(2)
            .then_some(0.9 + 0.001 * sample as f32),
        buffer_len: sample.min(2) as u32,
        drift: sample >= 4,
    };
    let samples = ["static", "transfer"]
        .iter()
        .flat_map(|name| {
            (1..=2).flat_map(move |seed| (0..8).map(move |sample| row(name, seed, sample)))
        })
        .collect();
    let bill = |name: &str| Bill {
        strategy: name.into(),
        board: "nano33ble".into(),
        memory: Memory::Ram,
        budget_bytes: 262_144,
        items: vec![
            BillItem {
                name: "weights".into(),
                bytes: 1_000,
            },
            BillItem {
                name: "activations".into(),
                bytes: 2_000,
            },
        ],
    };
    Run {
        title: Some("Concept drift".into()),
        headline: Some("Drawn digits were used, because MNIST could not be had.".into()),
        summary: Summary {
            schema: SCHEMA,
            experiment: "concept_drift".into(),
            dataset: "strokes".into(),
            fallback: true,
            seeds: 2,
            strategies: vec![entry("static"), entry("transfer")],
        },
        samples,
        bills: vec![bill("static"), bill("transfer")],
        kernels: vec![KernelCost {
            strategy: "transfer".into(),
            board: "nano33ble".into(),
            phase: Phase::Train,
            kernel: "dense".into(),
            calls: 2.0,
            cycles: 6_400.1,
        }],
        drift_at: Some(4),
        notes: vec!["Energy is a band.".into()],
        about: json!({"config": {"lr": 0.001}, "host": "x86_64"}),
    }
}
