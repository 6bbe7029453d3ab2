//! `sim calibrate`: measured anew, the firmware of the day costs what the committed table says.

use crate::support::{Place, text};
use std::collections::BTreeMap;
use std::path::Path;

/// The tables of a cost file, as far as this test looks at them.
#[derive(serde::Deserialize)]
struct Costs {
    footprint: BTreeMap<String, u32>,
    bare: Bare,
}

#[derive(serde::Deserialize)]
struct Bare {
    steps: Errors,
    kernels: BTreeMap<String, Kernel>,
}

#[derive(serde::Deserialize)]
struct Kernel {
    error: Errors,
    cycles: BTreeMap<String, f64>,
}

#[derive(serde::Deserialize)]
struct Errors {
    mean: f64,
    max: f64,
}

fn costs(path: &Path) -> Costs {
    let text = std::fs::read_to_string(path).expect("the file is there");
    toml::from_str(&text).expect("it is a cost file")
}

#[test]
fn the_committed_table_is_that_of_the_firmware() {
    let place = Place::new();
    let out = place.path("cortex-m4f.toml");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("calibrate");
    let output = place
        .sim(&["calibrate", "cortex-m4f", "--bare", "--out"])
        .arg(&out)
        .env("SIM_CACHE_DIR", cache)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("steps of 784-32-10"));

    let committed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/kernels/cortex-m4f.toml");
    let (new, committed) = (costs(&out), costs(&committed));
    assert!(new.bare.steps.max <= 0.02, "{}", new.bare.steps.max);
    for (name, kernel) in &new.bare.kernels {
        assert!(kernel.error.mean <= 0.02, "{name}: {}", kernel.error.mean);
        assert!(kernel.error.max <= 0.05, "{name}: {}", kernel.error.max);
    }
    // The loops that a training spends its time in.
    for (kernel, name) in [
        ("dense", "row16"),
        ("dense_backward_input", "dots_four_quad"),
        ("dense_backward_weights", "row16"),
        ("conv2d", "quad_tap"),
        ("conv2d_backward_weights", "axpy_four"),
    ] {
        let of = |costs: &Costs| costs.bare.kernels[kernel].cycles[name];
        let change = of(&new) / of(&committed) - 1.0;
        assert!(change.abs() < 0.02, "{kernel}, {name}: {change:+.3}");
    }
    let flash = |costs: &Costs| f64::from(costs.footprint["flash_bytes"]);
    assert!((flash(&new) / flash(&committed) - 1.0).abs() < 0.02);
}

#[test]
fn unknown_cores_are_named_with_the_known_ones() {
    let place = Place::new();
    let output = place
        .sim(&["calibrate", "cortex-m4"])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let complaint = text(&output.stderr);
    assert!(
        complaint.contains("cortex-m4f") && complaint.contains("esp32c3"),
        "{complaint}"
    );
}
