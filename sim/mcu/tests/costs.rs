//! The kernel cost models: every kernel on every core, against what is known independently, and what is said when they are wrong.

use sim_mcu::board::{Core, Float};
use sim_mcu::cost::blocks;
use sim_mcu::{CostModel, Counts, Error, Feature, Tag, boards};

/// The kernels of the training core.
const KERNELS: [&str; 29] = [
    "normalise",
    "copy",
    "dense",
    "dense_backward_input",
    "dense_backward_weights",
    "bias_backward",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_weights",
    "depthwise",
    "depthwise_backward_input",
    "depthwise_backward_weights",
    "max_pool",
    "max_pool_backward",
    "average_pool",
    "average_pool_backward",
    "activation",
    "activation_backward",
    "softmax",
    "softmax_backward",
    "channel_affine",
    "channel_affine_backward",
    "add",
    "add_assign",
    "dropout",
    "dropout_backward",
    "loss",
    "apply",
    "sum_of_squares",
];

fn model(core: &str) -> CostModel {
    CostModel::for_core(core).expect("built in")
}

/// Dense forward of `inputs` by `outputs`, nothing skipped.
fn dense(inputs: usize, outputs: usize) -> Counts {
    let visits = (inputs * blocks(outputs, 16)) as f64;
    Counts::call()
        .with(Feature::Input, visits)
        .with(Feature::NonZeroInput, visits)
        .with(Feature::Mac, (inputs * outputs) as f64)
        .with(Feature::Output, outputs as f64)
}

/// Dense update of the same by plain gradient descent, nothing skipped.
fn dense_update(inputs: usize, outputs: usize) -> Counts {
    let visits = (inputs * blocks(outputs, 8)) as f64;
    Counts::call()
        .with(Feature::Input, visits)
        .with(Feature::NonZeroInput, visits)
        .with(Feature::ParameterSgd, (inputs * outputs) as f64)
}

#[test]
fn every_core_prices_every_kernel_and_says_that_it_is_uncalibrated() {
    for info in Core::all() {
        let model = model(info.name);
        assert_eq!(model.core(), info.core);
        assert!(!model.calibrated() && model.provenance().is_none());
        let priced: Vec<_> = model.kernels().map(|(name, _)| name).collect();
        assert_eq!(priced.len(), KERNELS.len(), "{priced:?}");
        for name in KERNELS {
            let kernel = model.kernel(name).expect("priced");
            assert!(!kernel.calibrated && kernel.error.is_none(), "{name}");
            assert_eq!(kernel.source.tag, Tag::Unverified);
            for feature in kernel.features() {
                assert!(
                    kernel
                        .coefficient(feature)
                        .is_some_and(|cycles| cycles > 0.0),
                    "{name}"
                );
                assert!(
                    kernel.source.text.contains(feature.name()),
                    "{name}: {}",
                    kernel.source
                );
            }
            assert!(
                model.cycles(name, &Counts::call()).expect("a call") > 0.0,
                "{name}"
            );
        }
    }
}

#[test]
fn every_board_has_a_cost_model() {
    for board in boards().expect("they parse") {
        assert_eq!(model(board.core.value.name()).core(), board.core.value);
    }
}

#[test]
fn a_cost_is_linear_in_its_counts() {
    let model = model("cortex-m4f");
    let once = model.cycles("dense", &dense(100, 10)).expect("priced");
    let kernel = model.kernel("dense").expect("priced");
    let sum: f64 = dense(100, 10)
        .iter()
        .map(|(feature, count)| count * kernel.coefficient(feature).expect("priced"))
        .sum();
    assert!((once - sum).abs() < 1e-9 * sum);
    let wider = model.cycles("dense", &dense(200, 10)).expect("priced");
    let per_call = model
        .cycles("dense", &Counts::call().with(Feature::Output, 10.0))
        .expect("priced");
    assert!((wider + per_call - 2.0 * once).abs() < 1e-9 * once);
}

#[test]
fn skipped_inputs_save_cycles() {
    let model = model("cortex-m4f");
    let full = model.cycles("dense", &dense(784, 32)).expect("priced");
    let fifth = Counts::call()
        .with(Feature::Input, 784.0 * 2.0)
        .with(Feature::NonZeroInput, 157.0 * 2.0)
        .with(Feature::Mac, 157.0 * 32.0)
        .with(Feature::Output, 32.0);
    let fifth = model.cycles("dense", &fifth).expect("priced");
    assert!(
        fifth > 0.2 * full && fifth < 0.45 * full,
        "{fifth} of {full}"
    );
}

/// A dense layer's forward and update together take about 5.2 instructions a weight on a Cortex-M4F (a load and a multiply-add;
/// a load, a multiply-add and a store). With VMLA at 3 cycles the table's own bounds for those five are 1+3+1+3+1 = 9 with every
/// load and store pipelined and 2+3+2+3+2 = 12 with none.
#[test]
fn a_weight_costs_a_cortex_m4f_what_its_instruction_table_allows() {
    let model = model("cortex-m4f");
    let forward = model.cycles("dense", &dense(784, 32)).expect("priced");
    let update = model
        .cycles("dense_backward_weights", &dense_update(784, 32))
        .expect("priced");
    let per_weight = (forward + update) / (784.0 * 32.0);
    assert!((9.0..=12.0).contains(&per_weight), "{per_weight}");
}

#[test]
fn soft_float_costs_ten_times_hard_float_or_more() {
    let hard = model("cortex-m4f")
        .cycles("dense", &dense(200, 10))
        .expect("priced");
    for info in Core::all().iter().filter(|info| info.float == Float::Soft) {
        let soft = model(info.name)
            .cycles("dense", &dense(200, 10))
            .expect("priced");
        assert!(soft > 10.0 * hard, "{}: {soft} against {hard}", info.name);
    }
}

#[test]
fn a_richer_update_rule_costs_more() {
    for info in Core::all() {
        let model = model(info.name);
        for kernel in [
            "dense_backward_weights",
            "conv2d_backward_weights",
            "bias_backward",
            "apply",
        ] {
            let of = |feature| {
                model
                    .kernel(kernel)
                    .expect("priced")
                    .coefficient(feature)
                    .expect("priced")
            };
            assert!(
                of(Feature::ParameterSgd) < of(Feature::ParameterMomentum),
                "{kernel}"
            );
            assert!(
                of(Feature::ParameterMomentum) < of(Feature::ParameterAdam),
                "{kernel}"
            );
        }
    }
}

#[test]
fn unknown_cores_kernels_and_counts_are_errors() {
    let text = CostModel::for_core("cortex-m4")
        .expect_err("no such core")
        .to_string();
    assert!(text.contains("Did you mean \"cortex-m4f\"?"), "{text}");
    let model = model("cortex-m4f");
    let text = model
        .cycles("dens", &Counts::call())
        .expect_err("no such kernel")
        .to_string();
    assert!(text.contains("Did you mean \"dense\"?"), "{text}");
    let counts = Counts::call().with(Feature::Tap, 3.0);
    let text = model
        .cycles("dense", &counts)
        .expect_err("not counted")
        .to_string();
    assert!(text.contains("\"tap\"") && text.contains("mac"), "{text}");
}

/// The Cortex-M4F's file with `addition` at its end, loaded from a path.
fn with(addition: &str) -> Result<CostModel, Error> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../configs/kernels/cortex-m4f.toml"
    );
    let text = std::fs::read_to_string(folder).expect("the core's file") + addition;
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("written");
    CostModel::load(file.path())
}

const FITTED: &str = "
[kernels.copy]
coefficients = { call = 12, input = 2.5 }
error = { mean = 0.01, max = 0.03, samples = 40 }
source = \"[fit] 200 shapes\"

[provenance]
compiler = \"rustc 1.95\"
flags = \"-O\"
commit = \"0123456\"
";

#[test]
fn fitted_coefficients_take_the_place_of_reasoned_ones() {
    let model = with(FITTED).expect("well formed");
    let counts = Counts::call().with(Feature::Input, 4.0);
    assert_eq!(model.cycles("copy", &counts).expect("fitted"), 22.0);
    let copy = model.kernel("copy").expect("fitted");
    assert!(copy.calibrated && copy.source.tag == Tag::Fitted);
    assert_eq!(copy.error.map(|error| error.samples), Some(40));
    assert!(!model.calibrated(), "the others are not");
    assert_eq!(
        model.provenance().map(|of| of.commit.as_str()),
        Some("0123456")
    );
}

#[test]
fn a_wrong_model_is_explained_at_its_place() {
    let cases = [
        (
            FITTED.replace("kernels.copy", "kernels.copie"),
            "there is no kernel \"copie\"",
        ),
        (
            FITTED.replace("input = 2.5", "inputs = 2.5"),
            "unknown variant `inputs`",
        ),
        (FITTED.replace("input = 2.5", "input = nan"), "finite"),
        (
            FITTED.replace("samples", "sample"),
            "Did you mean \"samples\"?",
        ),
    ];
    for (addition, part) in cases {
        let error = with(&addition).expect_err("wrong");
        assert!(
            matches!(error, Error::Invalid { line, .. } if line > 15),
            "{error}"
        );
        assert!(error.to_string().contains(part), "{error}");
    }
}
