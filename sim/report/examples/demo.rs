//! Writes reports of made-up runs, to look at: `cargo run --release -p sim-report --example demo -- DIR`.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sim_report::{
    AccuracySummary, Bill, BillItem, KernelCost, Memory, Phase, Run, SCHEMA, SampleRow, Stop,
    StrategySummary, Summary, estimate,
};

const SEEDS: u64 = 10;
const DRIFT: u64 = 100;
const STREAM: u64 = 600;

/// A small generator (SplitMix64), so that the pictures are the same each time.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// How a made-up strategy behaves: its accuracy falls at the drift and rises towards `end`.
struct Shape {
    name: &'static str,
    end: f64,
    /// Samples to two thirds of the way; 0 where nothing is learnt.
    pace: f64,
    slots: u64,
    cycles: f64,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "static",
        end: 0.79,
        pace: 0.0,
        slots: 0,
        cycles: 0.0,
    },
    Shape {
        name: "transfer",
        end: 0.965,
        pace: 130.0,
        slots: 230,
        cycles: 9.6e6,
    },
    Shape {
        name: "full",
        end: 0.972,
        pace: 90.0,
        slots: 60,
        cycles: 6.1e7,
    },
    Shape {
        name: "tinyol",
        end: 0.91,
        pace: 60.0,
        slots: 1,
        cycles: 4.2e4,
    },
];

/// Name, clock in Hz, RAM in bytes, relative cycles of float arithmetic, power in mW low and high.
const BOARDS: [(&str, f64, u64, f64, f64, f64); 2] = [
    ("nano33ble", 64e6, 262_144, 1.0, 14.0, 21.0),
    ("pico", 133e6, 198_656, 14.0, 60.0, 95.0),
];

fn drift(boards: usize, lift: f64) -> Run {
    let mut noise = Noise(7);
    let (mut samples, mut strategies, mut bills, mut kernels) = (vec![], vec![], vec![], vec![]);
    for (board, clock, ram, slow, low, high) in BOARDS.into_iter().take(boards) {
        for shape in &SHAPES {
            let mut moments: [Vec<f64>; 5] = Default::default();
            for seed in 1..=SEEDS {
                let own = 0.01 * (noise.uniform() - 0.5);
                let mut lowest = 1.0_f64;
                for sample in 0..STREAM {
                    let since = sample.saturating_sub(DRIFT) as f64;
                    let mut level = 0.982 + own;
                    if sample >= DRIFT {
                        let left = if shape.pace > 0.0 {
                            (-since / shape.pace).exp()
                        } else {
                            1.0
                        };
                        level = shape.end + lift * (1.0 - left) + own - (shape.end - 0.785) * left;
                    }
                    let tested = (level + 0.006 * (noise.uniform() - 0.5)).clamp(0.0, 1.0);
                    let label = (noise.uniform() * 10.0) as u16;
                    let wrong = noise.uniform() > level;
                    if sample + 1 == DRIFT {
                        moments[0].push(tested)
                    }
                    if sample == DRIFT {
                        moments[1].push(tested)
                    }
                    if sample >= DRIFT {
                        lowest = lowest.min(tested)
                    }
                    if sample + 1 == STREAM {
                        moments[3].push(tested)
                    }
                    let back = shape.pace > 0.0 && sample > DRIFT && tested >= 0.95 * 0.982;
                    if back && (moments[4].len() as u64) < seed {
                        moments[4].push(since)
                    }
                    samples.push(SampleRow {
                        strategy: Arc::from(shape.name),
                        board: Arc::from(board),
                        seed,
                        sample,
                        label,
                        prediction: if wrong { (label + 1) % 10 } else { label },
                        loss: Some((-level.ln()) as f32),
                        prequential: level as f32,
                        test_accuracy: (sample % 5 == 4 || sample == DRIFT)
                            .then_some(tested as f32),
                        buffer_len: sample.min(shape.slots) as u32,
                        drift: sample >= DRIFT,
                    });
                }
                moments[2].push(lowest);
            }
            let cycles = shape.cycles * slow;
            let items = [
                ("runtime and stack", 8_192),
                (
                    "activations",
                    if shape.name == "full" { 21_048 } else { 14_360 },
                ),
                (
                    "trained weights",
                    if shape.pace == 0.0 {
                        0
                    } else if shape.name == "full" {
                        9_384
                    } else {
                        8_040
                    },
                ),
                ("gradients", if shape.pace == 0.0 { 0 } else { 1_344 }),
                (
                    "replay buffer",
                    shape.slots * if shape.name == "full" { 3_140 } else { 804 },
                ),
            ];
            let items: Vec<BillItem> = (items.into_iter().filter(|item| item.1 > 0))
                .map(|(name, bytes)| BillItem {
                    name: name.to_owned(),
                    bytes,
                })
                .collect();
            let total: u64 = items.iter().map(|item| item.bytes).sum();
            let fits = total <= ram;
            let whose = |memory, budget_bytes, items| Bill {
                strategy: shape.name.to_owned(),
                board: board.to_owned(),
                memory,
                budget_bytes,
                items,
            };
            bills.push(whose(Memory::Ram, ram, items));
            let flash = vec![
                BillItem {
                    name: "code".into(),
                    bytes: 38_912,
                },
                BillItem {
                    name: "program".into(),
                    bytes: 10_804,
                },
            ];
            bills.push(whose(Memory::Flash, 1_048_576, flash));
            let shares = [
                ("conv2d", 0.21),
                ("conv2d backward", 0.34),
                ("dense", 0.13),
                ("dense backward", 0.17),
                ("max pool", 0.05),
                ("relu", 0.02),
                ("softmax loss", 0.03),
                ("sgd", 0.03),
                ("buffer", 0.02),
            ];
            let deep = shape.name == "full";
            let known = if deep { 1.0 } else { 0.66 };
            for (kernel, share) in shares
                .into_iter()
                .filter(|(kernel, _)| deep || !kernel.contains("conv2d backward"))
            {
                if cycles > 0.0 {
                    kernels.push(KernelCost {
                        strategy: shape.name.to_owned(),
                        board: board.to_owned(),
                        phase: Phase::Train,
                        kernel: kernel.to_owned(),
                        calls: shape.slots as f64,
                        cycles: cycles * share / known,
                    });
                }
            }
            let ms = |cycles: f64| 1e3 * cycles / clock;
            let infer = 3.1e5 * slow;
            strategies.push(StrategySummary {
                name: shape.name.to_owned(),
                board: board.to_owned(),
                fits,
                ram_bytes: total,
                ram_budget_bytes: ram,
                flash_bytes: 49_716,
                flash_budget_bytes: 1_048_576,
                buffer_slots: shape.slots,
                train_cycles_per_step: Some(cycles as u64),
                train_ms_per_step: Some(ms(cycles)),
                train_uj_per_step: Some(ms(cycles) * f64::midpoint(low, high)),
                train_uj_low: Some(ms(cycles) * low),
                train_uj_high: Some(ms(cycles) * high),
                infer_cycles_per_step: Some(infer as u64),
                infer_ms_per_step: Some(ms(infer)),
                infer_uj_per_step: Some(ms(infer) * f64::midpoint(low, high)),
                infer_uj_low: Some(ms(infer) * low),
                infer_uj_high: Some(ms(infer) * high),
                accuracy: fits.then(|| AccuracySummary {
                    before_drift: estimate(&moments[0]),
                    at_drift: estimate(&moments[1]),
                    lowest: estimate(&moments[2]),
                    last: estimate(&moments[3]),
                }),
                recovery_samples: estimate(&moments[4]).filter(|_| fits),
                recovered_seeds: Some(moments[4].len() as u32),
                refused: (!fits).then(|| {
                    format!(
                        "RAM exceeds the budget by {} bytes; with 170 buffer slots it would fit.",
                        total.saturating_sub(ram)
                    )
                }),
                ..StrategySummary::default()
            });
            if !fits {
                samples.retain(|row| &*row.strategy != shape.name || &*row.board != board);
            }
        }
    }
    Run {
        title: Some("Concept drift: labels 4 and 6 swapped".into()),
        headline: Some("Made-up figures, to look at the layout; nothing was trained.".into()),
        summary: Summary {
            schema: SCHEMA,
            experiment: "concept_drift".into(),
            dataset: "mnist".into(),
            fallback: false,
            seeds: SEEDS as u32,
            strategies,
        },
        samples,
        bills,
        kernels,
        drift_at: Some(DRIFT),
        notes: vec![
            "By the thesis' own formula the classifier and its 230 slots would take 208,664 bytes."
                .into(),
        ],
        about: json!({
            "config": {"stream": STREAM, "learning_rate": 0.001, "lift": lift, "buffer": "fifo"},
            "seeds": (1..=SEEDS).collect::<Vec<_>>(),
        }),
    }
}

fn scratch() -> Run {
    let mut run = drift(1, 0.0);
    let mut noise = Noise(11);
    let epoch = 60_000;
    run.title = Some("On-device training from scratch".into());
    run.summary.experiment = "from_scratch".into();
    run.summary.seeds = 3;
    run.drift_at = None;
    for entry in &mut run.summary.strategies {
        entry.samples_per_epoch = Some(epoch);
    }
    run.samples.clear();
    run.summary.strategies.truncate(2);
    run.notes.clear();
    for (entry, (name, end)) in run
        .summary
        .strategies
        .iter_mut()
        .zip([("784-32-10", 0.965), ("thesis CNN", 0.981)])
    {
        for seed in 1..=3 {
            for step in 1..=20 {
                let accuracy =
                    end - 0.09 * (-0.35 * f64::from(step)).exp() + 0.004 * (noise.uniform() - 0.5);
                run.samples.push(SampleRow {
                    strategy: Arc::from(name),
                    board: Arc::from("nano33ble"),
                    seed,
                    sample: u64::from(step as u32) * epoch / 4 - 1,
                    label: 1,
                    prediction: 1,
                    loss: Some(0.1),
                    prequential: accuracy as f32,
                    test_accuracy: Some(accuracy as f32),
                    buffer_len: 0,
                    drift: false,
                });
            }
        }
        let last = AccuracySummary {
            last: estimate(&[end, end - 0.002, end + 0.001]),
            ..Default::default()
        };
        let old = std::mem::replace(&mut entry.name, name.to_owned());
        (
            entry.accuracy,
            entry.recovery_samples,
            entry.recovered_seeds,
        ) = (Some(last), None, None);
        entry.cycles_standard_error_percent = Some(0.4);
        run.bills
            .iter_mut()
            .filter(|bill| bill.strategy == old)
            .for_each(|bill| bill.strategy = name.to_owned());
        run.kernels
            .iter_mut()
            .filter(|cost| cost.strategy == old)
            .for_each(|cost| cost.strategy = name.to_owned());
    }
    run.summary.strategies[0].stopped = Some(Stop {
        seeds: 1,
        seed: 3,
        step: 4_711,
        layer: "dense 2".into(),
        reason: "the loss is not a number".into(),
    });
    let known: Vec<String> = run
        .summary
        .strategies
        .iter()
        .map(|entry| entry.name.clone())
        .collect();
    run.bills.retain(|bill| known.contains(&bill.strategy));
    run.kernels.retain(|cost| known.contains(&cost.strategy));
    run
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("Name a folder to write to: demo DIR.")?;
    let dir = Path::new(&dir);
    let (one, other) = (drift(1, 0.0), drift(1, 0.01));
    for (name, run) in [
        ("drift", &one),
        ("boards", &drift(2, 0.0)),
        ("scratch", &scratch()),
    ] {
        for path in sim_report::write(run, &dir.join(name))? {
            println!("{}", path.display());
        }
    }
    sim_report::compare(&[("FIFO", &one), ("purged", &other)])?.write(&dir.join("compared"))?;
    Ok(())
}
