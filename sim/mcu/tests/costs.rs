//! The cost tables: every kernel on every core, how far off they say they are, and what is said when they are wrong.

use sim_mcu::board::{Core, Float};
use sim_mcu::cost::{Placement, Table};
use sim_mcu::{CostModel, Error, boards};

/// Kernels that cost something in every training, and what the learner does between them.
const KERNELS: [&str; 8] = [
    "normalise",
    "dense",
    "dense_backward_input",
    "dense_backward_weights",
    "conv2d",
    "activation",
    "loss",
    "learner",
];

fn model(core: &str) -> CostModel {
    CostModel::for_core(core).expect("built in")
}

#[test]
fn every_core_prices_the_same_kernels() {
    let names = |table: &Table| table.kernels.keys().cloned().collect::<Vec<_>>();
    let expected = names(model("cortex-m4f").bare());
    assert!(
        KERNELS
            .iter()
            .all(|kernel| expected.iter().any(|name| name == kernel))
    );
    for info in Core::all() {
        assert_eq!(model(info.name).core(), info.core);
        assert_eq!(names(model(info.name).bare()), expected, "{}", info.name);
    }
}

#[test]
fn every_emulated_core_is_calibrated_and_says_how_well() {
    for info in Core::all() {
        let model = model(info.name);
        assert_eq!(model.calibrated(), info.name != "esp32c3", "{}", info.name);
        assert!(!model.provenance().compiler.is_empty());
        assert!(model.bare().steps.samples > 0);
        assert_eq!(model.footprint().is_some(), model.calibrated());
    }
}

/// The promise: whole steps of networks that nothing was fitted to are predicted within two per cent.
#[test]
fn whole_steps_are_predicted_within_two_per_cent() {
    for core in ["cortex-m0plus", "cortex-m4f", "cortex-m33"] {
        let steps = model(core).bare().steps;
        assert!(steps.samples >= 6 && steps.max <= 0.02, "{core}: {steps:?}");
    }
    for board in ["nucleo_g0b1re", "rpi_pico"] {
        let steps = model("cortex-m0plus").named(board).steps;
        assert!(
            steps.samples >= 4 && steps.max <= 0.02,
            "{board}: {steps:?}"
        );
    }
}

/// The promise: held-out calls of every kernel are predicted within two per cent on average, and none is off by more than five.
#[test]
fn held_out_calls_are_predicted_within_two_and_five_per_cent() {
    for core in ["cortex-m0plus", "cortex-m4f", "cortex-m33"] {
        for (name, kernel) in &model(core).bare().kernels {
            let error = kernel.error;
            assert!(
                error.mean <= 0.02 && error.max <= 0.05,
                "{core}, {name}: {error:?}"
            );
        }
    }
}

#[test]
fn every_board_of_a_calibrated_core_has_its_own_table() {
    for board in boards().expect("they parse") {
        let model = model(board.core.value.name());
        assert_eq!(model.core(), board.core.value);
        assert_eq!(
            model.knows(&board.name),
            model.calibrated(),
            "{}",
            board.name
        );
    }
}

/// A copy of a built-in board under another name is priced as it; one with other memory is not calibrated, whatever its name.
#[test]
fn boards_of_ones_own_are_priced_by_their_memory() {
    let model = model("cortex-m4f");
    let known = boards().expect("they parse");
    let known = known.iter().find(|board| board.name == "nano33ble");
    let known = known.expect("it is built in");
    assert_ne!(model.on(known), model.bare());
    let mut copy = known.clone();
    copy.name = "mine".to_owned();
    assert!(model.covers(&copy) && model.on(&copy) == model.on(known));

    let timing = copy.flash.timing.as_mut().expect("it has wait states");
    timing.wait_states = 9;
    for name in ["mine", "nano33ble"] {
        copy.name = name.to_owned();
        assert!(!model.covers(&copy) && model.on(&copy) == model.bare());
    }
    copy.flash.timing = None;
    copy.flash.stall = None;
    assert!(model.covers(&copy) && model.on(&copy) == model.bare());
}

#[test]
fn a_cost_is_linear_in_its_trips() {
    let model = model("cortex-m4f");
    let table = model.bare();
    let cycles = |trips: &[(&str, f64)]| {
        table
            .cycles("dense", Placement::Ram, trips.iter().copied())
            .expect("priced")
    };
    let call = cycles(&[("call", 1.0)]);
    let (once, twice) = (
        cycles(&[("call", 1.0), ("row16", 784.0)]),
        cycles(&[("call", 1.0), ("row16", 1_568.0)]),
    );
    assert!(call > 0.0 && once > call);
    assert!((twice + call - 2.0 * once).abs() < 1e-9 * once);
}

/// A row of sixteen weights takes a Cortex-M4F, by its instruction table, sixteen VMLA of 3 cycles and sixteen loads of 1 to 2.
#[test]
fn a_row_of_weights_costs_a_cortex_m4f_what_its_instruction_table_allows() {
    let model = model("cortex-m4f");
    let kernel = model.bare().kernel("dense", Placement::Ram).expect("known");
    let row = kernel.cycles["row16"];
    assert!((16.0 * 4.0..16.0 * 7.0).contains(&row), "{row}");
}

#[test]
fn soft_float_costs_ten_times_hard_float_or_more() {
    let row = |core: &str| {
        let model = model(core);
        let kernel = model.bare().kernel("dense", Placement::Ram).expect("known");
        kernel.cycles["row16"]
    };
    for info in Core::all().iter().filter(|info| info.float == Float::Soft) {
        assert!(row(info.name) > 10.0 * row("cortex-m4f"), "{}", info.name);
    }
}

#[test]
fn unknown_cores_kernels_and_loops_are_errors() {
    let text = CostModel::for_core("cortex-m4")
        .expect_err("no such core")
        .to_string();
    assert!(text.contains("Did you mean \"cortex-m4f\"?"), "{text}");
    let model = model("cortex-m4f");
    let of = |kernel, name| {
        model
            .bare()
            .cycles(kernel, Placement::Ram, [(name, 3.0)])
            .expect_err("unknown")
            .to_string()
    };
    let text = of("dens", "call");
    assert!(text.contains("Did you mean \"dense\"?"), "{text}");
    let text = of("dense", "pixel");
    assert!(
        text.contains("\"pixel\"") && text.contains("row16"),
        "{text}"
    );
}

/// A small file, with one piece of it replaced.
fn with(from: &str, to: &str) -> Result<CostModel, Error> {
    const TEXT: &str = r#"
core = "cortex-m4f"
[provenance]
unit = "cycles"
compiler = "rustc 1.95"
flags = "-O"
firmware = "sha256 0"
counter = "an emulator"
[bare]
steps = { mean = 0.01, max = 0.02, samples = 3 }
[bare.kernels.copy]
cycles = { call = 12.0, element = 2.5 }
error = { mean = 0.01, max = 0.03, samples = 40 }
[boards.own]
steps = { mean = 0.01, max = 0.02, samples = 3 }
[boards.own.kernels.copy]
cycles = { call = 13.0, element = 3.5 }
error = { mean = 0.01, max = 0.03, samples = 40 }
[boards.own.flash.copy]
cycles = { call = 13.0, element = 5.5 }
error = { mean = 0.01, max = 0.03, samples = 40 }
"#;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), TEXT.replace(from, to)).expect("written");
    CostModel::load(file.path())
}

#[test]
fn board_and_placement_choose_the_table() {
    let model = with("", "").expect("well formed");
    let trips = [("call", 1.0), ("element", 4.0)];
    let of = |table: &Table, placement| table.cycles("copy", placement, trips).expect("priced");
    assert_eq!(of(model.bare(), Placement::Ram), 22.0);
    assert_eq!(of(model.bare(), Placement::Flash), 22.0);
    assert_eq!(of(model.named("own"), Placement::Ram), 27.0);
    assert_eq!(of(model.named("own"), Placement::Flash), 35.0);
    assert_eq!(of(model.named("another"), Placement::Flash), 22.0);
}

#[test]
fn a_wrong_model_is_explained_at_its_place() {
    for (from, to, part) in [
        ("cortex-m4f", "cortex-m4", "there is no core \"cortex-m4\""),
        ("\"cycles\"", "\"ticks\"", "unknown variant `ticks`"),
        ("element = 2.5", "element = nan", "finite"),
        ("samples = 40", "sample = 40", "Did you mean \"samples\"?"),
        ("[bare.kernels.copy]", "[bare.kernel.copy]", "kernel"),
    ] {
        let text = with(from, to).expect_err("wrong").to_string();
        assert!(text.contains(part), "{text}");
    }
}
