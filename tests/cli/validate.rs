//! `sim validate`: the host against emulated devices, the rehearsal of a board, and what a person is told
//! whose tools or board are not there.

use crate::support::{Place, text};
use std::path::{Path, PathBuf};
use std::process::Output;

/// Nothing to pre-train, and a step that is soon done.
const TINY: &str = r#"
name = "tiny"
boards = ["nano33ble"]
network = { layers = [{ dense = { units = 6, activation = "relu" } }, { dense = { units = 10 } }] }

[data]
set = "strokes"
validation = 500

[experiment.from_scratch]
epochs = 1
limit = 100

[[strategies]]
name = "full"
train = "full"
training = { learning_rate = 0.01 }
"#;

/// A folder with the config, and a cache that keeps the firmware between tests.
struct Desk {
    place: Place,
    config: String,
}

impl Desk {
    fn new() -> Self {
        Self::with(TINY)
    }

    fn with(config: &str) -> Self {
        let place = Place::new();
        let config = place.file("tiny.toml", config).display().to_string();
        Self { place, config }
    }

    fn validate(&self, arguments: &[&str], environment: &[(&str, &Path)]) -> Output {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("validate");
        let mut command = self.place.sim(&["validate", &self.config]);
        command.args(arguments).env("SIM_CACHE_DIR", cache);
        for (name, value) in environment {
            command.env(name, value);
        }
        command.output().expect("the binary starts")
    }

    /// What it printed as JSON, after it exited with 0.
    fn compared(&self, arguments: &[&str]) -> serde_json::Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.validate(&all, &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    /// What it complained of, after it exited with `code`.
    fn complaint(&self, arguments: &[&str], environment: &[(&str, &Path)], code: i32) -> String {
        let output = self.validate(arguments, environment);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        said
    }

    /// A program called `name` that does what the shell script says.
    #[cfg(unix)]
    fn program(&self, name: &str, script: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.place.file(name, &format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("it is ours");
        path
    }
}

/// The bits are the same, every step but the first is counted, and the first is looked at by kernel. Where the emulator counts the same
/// steps beside the device, its figure is off by no more than a share of `off`.
fn check_counted(compared: &serde_json::Value, steps: usize, off: Option<f64>) {
    let one = &compared[0];
    assert_eq!(one["steps"], steps, "{one}");
    assert_eq!(one["same_bits"], true, "{one}");
    assert_eq!(one["weights"]["differ"], 0, "{one}");
    // 784 x 6 and 6 x 10 weights, and their biases.
    assert_eq!(one["weights"]["read"], 784 * 6 + 6 + 6 * 10 + 10, "{one}");
    let each = one["per_step"].as_array().expect("a list");
    let whole: u64 = each.iter().filter_map(|s| s["counted"].as_u64()).sum();
    assert_eq!(each.len(), steps);
    assert_eq!(one["cycles_counted"].as_u64(), Some(whole));
    assert_eq!(
        each.iter().filter(|s| s["counted"].is_u64()).count(),
        steps - 1
    );
    let kernels = one["kernels"].as_array().expect("a list");
    let of = |name: &str| kernels.iter().find(|k| k["kernel"] == name).cloned();
    let dense = of("dense").expect("the network has dense layers");
    assert_eq!(dense["calls"], 2, "{dense}");
    assert!(dense["counted"].as_u64() > Some(0));
    assert_eq!(dense["predicted"].is_u64(), off.is_some());
    match off {
        Some(off) => {
            let predicted = one["cycles_predicted"].as_f64().expect("a number");
            let error = predicted / whole as f64 - 1.0;
            assert!(error.abs() < off, "{error:+.4}");
        }
        None => assert!(one["cycles_predicted"].is_null()),
    }
    let (used, all) = (
        one["stack"]["used"].as_u64(),
        one["stack"]["bytes"].as_u64(),
    );
    assert!(used > Some(0) && used < all, "{one}");
}

#[test]
fn an_emulated_core_gives_the_same_bits_and_counts() {
    let desk = Desk::new();
    let compared = desk.compared(&["--device", "emulated", "--steps", "3"]);
    check_counted(&compared, 3, None);
    assert_eq!(compared[0]["board"], "nano33ble");
    let bare = desk.compared(&[
        "--device",
        "emulated",
        "--core",
        "cortex-m4f",
        "--steps",
        "3",
    ]);
    check_counted(&bare, 3, None);
    assert_eq!(bare[0]["board"], serde_json::Value::Null);
    // Memory that stalls takes cycles.
    let cycles = |of: &serde_json::Value| of[0]["cycles_counted"].as_u64();
    assert!(cycles(&compared) > cycles(&bare));
}

/// What a layer without weights makes of a sample is not kept where learning is from scratch.
#[test]
fn a_network_may_begin_with_a_layer_without_weights() {
    let pretrained = "[pretrain]\nepochs = 1\nlimit = 100\ntraining = { learning_rate = 0.01 }\n\n[experiment.concept_drift]\nlength = 60\ndrift_at = 20\ntest_images = 20";
    let scratch = "[experiment.from_scratch]\nepochs = 1\nlimit = 100";
    for experiment in [scratch, pretrained] {
        let config = TINY
            .replace(
                r#"{ dense = { units = 6, activation = "relu" } }"#,
                "{ max_pool = { size = 2 } }",
            )
            .replace(scratch, experiment);
        let compared = Desk::with(&config).compared(&["--device", "emulated", "--steps", "2"]);
        // 14 x 14 x 10 weights, and their biases.
        assert_eq!(compared[0]["weights"]["read"], 1970, "{compared}");
        assert_eq!(compared[0]["same_bits"], true, "{compared}");
        assert!(compared[0]["cycles_counted"].as_u64() > Some(0));
    }
}

#[test]
fn a_board_is_rehearsed_with_its_own_memory_map() {
    let desk = Desk::new();
    let rehearse = ["--device", "board", "--probe", "emulated", "--steps", "3"];
    let compared = desk.compared(&rehearse);
    check_counted(&compared, 3, Some(0.02));
    assert_eq!(compared[0]["board"], "nano33ble");
    // A firmware that runs already is found by its block.
    let compared = desk.compared(&[&rehearse[..], &["--no-flash"]].concat());
    check_counted(&compared, 3, Some(0.02));
    // The Nucleo has flash and RAM elsewhere; its chip's name leads to it.
    let chip = ["--chip", "STM32L4R5ZITx"];
    let compared = desk.compared(&[&rehearse[..], &chip].concat());
    check_counted(&compared, 3, Some(0.02));
    assert_eq!(compared[0]["board"], "nucleo_l4r5zi");
    let output = desk.validate(&rehearse, &[]);
    let shown = text(&output.stdout);
    for part in [
        "the same",
        "kernel, steps looked at",
        "step",
        "off by",
        "stack:",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn flags_and_names_that_lead_nowhere_are_explained() {
    let desk = Desk::new();
    for (arguments, part) in [
        (
            &["--device", "qemu", "--core", "cortex-m99"][..],
            "cortex-m4f",
        ),
        (
            &["--device", "qemu", "--chip", "nRF52840_xxAA"],
            "--device board",
        ),
        (
            &["--device", "emulated", "--probe", "emulated"],
            "--device board",
        ),
        (&["--device", "qemu", "--no-flash"], "--device board"),
        (
            &[
                "--device", "board", "--probe", "emulated", "--serial", "tty",
            ],
            "no serial port",
        ),
        (&["--device", "board", "--core", "cortex-m3"], "--board"),
        (&["--device", "board", "--board", "nano33bel"], "nano33ble"),
        (&["--device", "board", "--chip", "Z80"], "--board"),
        (
            &[
                "--device", "board", "--board", "rpi_pico", "--probe", "emulated",
            ],
            "second-stage boot loader",
        ),
    ] {
        let said = desk.complaint(arguments, &[], 2);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[cfg(not(feature = "embedded"))]
#[test]
fn a_build_without_probes_says_how_to_get_them() {
    let said = Desk::new().complaint(&["--device", "board"], &[], 2);
    for part in ["--features embedded", "--probe emulated"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[cfg(feature = "embedded")]
#[test]
fn hardware_that_is_not_there_is_named() {
    let desk = Desk::new();
    for (arguments, part) in [
        (&["--probe", "ffff:ffff"][..], "No debug probe was found"),
        (&["--probe", "nonsense"], "names no probe"),
        (&["--serial", "/dev/nowhere", "--no-flash"], "/dev/nowhere"),
        (
            &["--board", "nano33ble", "--chip", "nRF99999"],
            "There is no chip `nRF99999`",
        ),
    ] {
        let all = [&["--device", "board"], arguments].concat();
        let said = desk.complaint(&all, &[], 1);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn a_missing_target_is_named_with_the_command_that_installs_it() {
    let desk = Desk::new();
    // What cargo says where rustc has no such target.
    let cargo = desk.program(
        "cargo",
        "echo 'error[E0463]: can'\\''t find crate for `core`' >&2\n\
         echo '  = note: the `thumbv7em-none-eabihf` target may not be installed' >&2\nexit 101",
    );
    // A cache without firmware that was built before.
    let cache = desk.place.path("fresh");
    let with = |cargo| [("CARGO", cargo), ("SIM_CACHE_DIR", cache.as_path())];
    let said = desk.complaint(&["--device", "emulated"], &with(cargo.as_path()), 1);
    assert!(
        said.contains("rustup target add thumbv7em-none-eabihf") && said.contains("scripts/setup"),
        "{said}"
    );
    let nowhere = desk.place.path("nowhere");
    let said = desk.complaint(&["--device", "emulated"], &with(nowhere.as_path()), 1);
    assert!(said.contains("rustup.rs"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_missing_qemu_is_named_with_the_command_that_installs_it() {
    let desk = Desk::new();
    // As if the firmware were built, in a cache of its own; nobody gets as far as to run it.
    let cargo = desk.program(
        "cargo",
        "PATH=/usr/bin:/bin\nfolder=$CARGO_TARGET_DIR/thumbv7em-none-eabihf/firmware\n\
         mkdir -p $folder && : >$folder/firmware",
    );
    let cache = desk.place.path("fresh");
    let empty = desk.place.path("bin");
    let rustc = Path::new(env!("CARGO")).with_file_name("rustc");
    std::fs::create_dir(&empty).expect("the folder can be written to");
    let tools: [(&str, &Path); 4] = [
        ("CARGO", &cargo),
        ("RUSTC", &rustc),
        ("PATH", &empty),
        ("SIM_CACHE_DIR", &cache),
    ];
    let said = desk.complaint(&["--device", "qemu"], &tools, 1);
    assert!(
        said.contains("qemu-system-arm") && said.contains("apt-get install"),
        "{said}"
    );
}
