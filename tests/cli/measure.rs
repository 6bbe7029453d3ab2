//! Cycles in plans and reports: measured where there is firmware, absent with the reason where there is none.

use crate::support::{Place, text};
use std::path::Path;
use std::process::Output;

/// A stream that learns by replay, and one strategy that never does.
const STREAM: &str = r#"
name = "stream"
seeds = 2
boards = ["nano33ble"]
network = { layers = [{ dense = { units = 6, activation = "relu" } }, { dense = { units = 10 } }] }

[data]
set = "strokes"
validation = 500

[pretrain]
epochs = 1
limit = 200
training = { learning_rate = 0.01 }

[experiment.concept_drift]
length = 60
drift_at = 20
test_images = 50

[[strategies]]
name = "static"
train = "none"

[[strategies]]
name = "replay"
train = "last:1"
training = { learning_rate = 0.01 }
online = { policy = "fifo", slots = 20 }
"#;

struct Desk {
    place: Place,
}

impl Desk {
    fn new(config: &str) -> Self {
        let place = Place::new();
        place.file("stream.toml", config);
        Self { place }
    }

    /// Firmware is kept between tests.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validate");
        let mut command = self.place.sim(arguments);
        command.env("SIM_CACHE_DIR", cache);
        command.envs(environment.iter().copied());
        command.output().expect("the binary starts")
    }

    fn json(&self, arguments: &[&str], environment: &[(&str, &str)]) -> serde_json::Value {
        let output = self.run(arguments, environment);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }
}

fn number(value: &serde_json::Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

/// What a run estimates from moments is what the emulator counts over all its steps.
#[test]
fn the_mean_step_of_a_run_is_that_of_all_its_steps() {
    let desk = Desk::new(STREAM);
    let summary = desk.json(&["run", "stream.toml", "--json"], &[]);
    let entry = |name: &str| {
        let entries = summary["strategies"].as_array().expect("a list").iter();
        let found = entries.clone().find(|e| e["name"] == name);
        found.expect("the strategy ran").clone()
    };
    let (still, replay) = (entry("static"), entry("replay"));
    assert_eq!(still["train_cycles_per_step"], 0);
    assert_eq!(replay["cycles_unit"], "cycles");
    let mean = number(&replay["train_cycles_per_step"]);
    let infer = number(&replay["infer_cycles_per_step"]);
    assert!(
        infer > 10_000.0 && (infer / number(&still["infer_cycles_per_step"]) - 1.0).abs() < 0.01
    );
    let first = number(&replay["train_cycles_first_step"]);
    let full = number(&replay["train_cycles_full_buffer"]);
    assert!(infer < first && first < mean && mean < full, "{replay}");
    assert!(number(&replay["train_ms_per_step"]) > 0.0 && number(&replay["train_uj_low"]) > 0.0);
    let known = replay["cycles_against_hardware"].as_str();
    assert!(
        known.is_some_and(|k| k.contains("cortex-m4f") && k.contains('%')),
        "{replay}"
    );

    let steps = [
        "--device",
        "emulated",
        "--steps",
        "60",
        "--whole-steps",
        "--json",
    ];
    let compared = desk.json(&[&["validate", "stream.toml"], &steps[..]].concat(), &[]);
    let counted = number(&compared[0]["cycles_counted"]) / 60.0;
    assert_eq!(compared[0]["same_bits"], true);
    let error = mean / counted - 1.0;
    assert!(error.abs() < 0.01, "{mean} against {counted}: {error:+.4}");

    let page = desk.place.path("reports/stream/report.md");
    let page = std::fs::read_to_string(page).expect("the report is there");
    assert!(page.contains("standard error of the mean"), "{page}");
}

#[test]
fn a_plan_has_the_cycles_of_every_board() {
    let desk = Desk::new(STREAM);
    let boards = [
        "plan",
        "stream.toml",
        "--board",
        "nano33ble,rpi_pico",
        "--json",
    ];
    let plan = desk.json(&boards, &[]);
    let entries = plan.as_array().expect("a list");
    assert_eq!(entries.len(), 4);
    let of = |strategy: &str, board: &str| {
        let found = entries
            .iter()
            .find(|e| e["strategy"] == strategy && e["board"] == board);
        found.expect("it is planned")["cycles"][0].clone()
    };
    let (nano, pico) = (of("replay", "nano33ble"), of("replay", "rpi_pico"));
    assert_eq!(nano["samples"], "data_set");
    // No FPU: floats in software take many times the cycles.
    for step in ["predict", "learn_full_buffer", "learn_first_step"] {
        assert!(
            number(&pico[step]["cycles"]) > 3.0 * number(&nano[step]["cycles"]),
            "{step}"
        );
    }
    assert!(
        number(&nano["learn_full_buffer"]["cycles"]) > 3.0 * number(&nano["predict"]["cycles"])
    );
    assert_eq!(
        number(&of("static", "nano33ble")["learn_full_buffer"]["cycles"]),
        0.0
    );
    // What budgets are charged for the firmware is what it takes, and not much more.
    for (board, cycles) in [("nano33ble", &nano), ("rpi_pico", &pico)] {
        let entry = entries
            .iter()
            .find(|e| e["board"] == board)
            .expect("it is planned");
        let charged = |kind: &str, what: &str| {
            let items = entry["items"].as_array().expect("a list").iter();
            let own = items.filter(|i| i["kind"] == kind && i["what"] == what);
            own.map(|i| number(&i["bytes"])).sum::<f64>()
        };
        for (kind, what, figure, slack) in [
            ("stack", "call stack", "stack_bytes", 1.0),
            // A firmware that talks through a debug probe has the probe's buffers besides.
            ("runtime", "firmware statics", "statics_bytes", 1.1),
            ("code", "firmware code", "code_bytes", 0.1),
        ] {
            let (charged, taken) = (charged(kind, what), number(&cycles["firmware"][figure]));
            // Transports differ by some hundred bytes of code.
            let fair = charged >= 0.99 * taken && charged <= (1.0 + slack) * taken;
            assert!(fair, "{board}, {figure}: charged {charged}, taken {taken}");
        }
    }
    // The same again comes from what is kept.
    assert_eq!(plan, desk.json(&boards, &[("RUSTC", "rustc")]));
}

#[test]
fn without_firmware_all_else_is_there_with_the_reason() {
    let desk = Desk::new(STREAM);
    let empty = desk.place.path("empty").display().to_string();
    let without = [
        ("CARGO", "/nowhere/cargo"),
        ("SIM_CACHE_DIR", empty.as_str()),
    ];
    let output = desk.run(&["plan", "stream.toml"], &without);
    let shown = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        shown.contains("nano33ble: no cycles.") && shown.contains("cargo"),
        "{shown}"
    );
    assert!(shown.contains("RAM B"), "{shown}");
    let summary = desk.json(&["run", "stream.toml", "--json"], &without);
    let replay = &summary["strategies"][1];
    assert!(replay["train_cycles_per_step"].is_null() && replay["train_ms_per_step"].is_null());
    let why = replay["cycles_unavailable"].as_str();
    assert!(why.is_some_and(|w| w.contains("cargo")), "{replay}");
    let page = std::fs::read_to_string(desk.place.path("reports/stream/report.md"));
    assert!(page.expect("the report is there").contains("no cycles"));
    // Who wants bytes only is not kept waiting.
    let bytes = desk.run(&["plan", "stream.toml", "--no-cycles"], &without);
    assert!(bytes.status.success() && !text(&bytes.stdout).contains("no cycles"));
}

#[test]
fn without_samples_random_ones_are_named() {
    let config = STREAM.replace("set = \"strokes\"", "set = \"mnist\"");
    let desk = Desk::new(&config);
    let nowhere = desk.place.path("nothing");
    std::fs::create_dir(&nowhere).expect("it is ours");
    let nowhere = nowhere.display().to_string();
    let arguments = ["plan", "stream.toml", "--json", "--data", &nowhere];
    let plan = desk.json(&arguments, &[("SIM_DATA_DIR", &nowhere)]);
    let cycles = plan[1]["cycles"].as_array().expect("a list");
    let samples: Vec<_> = cycles.iter().map(|c| c["samples"].as_str()).collect();
    assert_eq!(samples, [Some("random"), Some("mostly_zero")]);
    // Inputs that are zero are skipped.
    let predict = |i: usize| number(&cycles[i]["predict"]["cycles"]);
    assert!(predict(1) < 0.8 * predict(0), "{cycles:?}");
}
