//! What is told to whoever wrote something that is not right.

use crate::support::{Place, SMALL};

/// Runs `sim plan` on the small config with `from` replaced by `to`; the complaint.
fn complaint(from: &str, to: &str) -> String {
    let place = Place::new();
    assert!(SMALL.contains(from), "{from}");
    let config = place.file("bad.toml", &SMALL.replacen(from, to, 1));
    place.fail(&["plan", &config.display().to_string()], 2)
}

#[test]
fn a_misspelt_key_is_placed_and_what_was_meant_is_named() {
    let said = complaint("drift_at = 20", "drfit_at = 20");
    assert!(said.contains("bad.toml:19:1"), "{said}");
    assert!(said.contains("Did you mean \"drift_at\"?"), "{said}");
}

#[test]
fn wrong_types_and_impossible_values_are_placed() {
    for (from, to, line, part) in [
        ("seeds = 2", "seeds = \"two\"", "bad.toml:3:9", "string"),
        (
            "seeds = 2",
            "seeds = 0",
            "bad.toml:3:9",
            "between 1 and 10000",
        ),
        (
            "drift_at = 20",
            "drift_at = 60",
            "bad.toml:17:",
            "inside the stream",
        ),
        ("\"last:1\"", "\"last:0\"", "bad.toml:", "last:N"),
        (
            "\"last:1\"",
            "\"last:9\"",
            "bad.toml:",
            "the network has 3 with weights",
        ),
        ("slots = 20", "slots = 0", "bad.toml:", "at least 1"),
        (
            "learning_rate = 0.001",
            "learning_rate = -1",
            "bad.toml:",
            "a positive number",
        ),
        (
            "\"nano33ble\"",
            "\"nano33bel\"",
            "bad.toml:4:",
            "Did you mean \"nano33ble\"?",
        ),
        (
            "\"thesis_cnn\"",
            "\"thesis_cn\"",
            "bad.toml:5:",
            "Did you mean \"thesis_cnn\"?",
        ),
        (
            "name = \"small\"",
            "name = \"../small\"",
            "bad.toml:2:",
            "cannot be a folder",
        ),
        (
            "validation = 500",
            "validation = 0",
            "bad.toml:7:",
            "validation",
        ),
        (
            "set = \"strokes\"",
            "set = \"mnits\"",
            "bad.toml:8:",
            "Did you mean \"mnist\"?",
        ),
    ] {
        let said = complaint(from, to);
        assert!(said.contains(line) && said.contains(part), "{to}: {said}");
    }
}

#[test]
fn shapes_that_do_not_fit_name_the_layer_and_both_shapes() {
    let network = |layers: &str| format!("network = {{ layers = [{layers}] }}");
    let said = complaint(
        "network = \"thesis_cnn\"",
        &network("{ max_pool = { size = 40 } }, { dense = { units = 10 } }"),
    );
    assert!(
        said.contains("max_pool_1") && said.contains("40x40") && said.contains("28x28x1"),
        "{said}"
    );
    let said = complaint(
        "network = \"thesis_cnn\"",
        &network(
            "{ conv2d = { name = 'a', filters = 2, kernel = 3 } }, { conv2d = { filters = 4, kernel = 1 } }, \
             { add = { with = 'a' } }, { dense = { units = 10 } }",
        ),
    );
    assert!(
        said.contains("add_1") && said.contains("26x26x4") && said.contains("26x26x2"),
        "{said}"
    );
    let huge = "{ dense = { units = 65535 } }, { dense = { units = 65535 } }";
    let said = complaint("network = \"thesis_cnn\"", &network(huge));
    assert!(
        said.contains("dense_1") && said.contains("the number of weights"),
        "{said}"
    );
    let said = complaint(
        "network = \"thesis_cnn\"",
        &network("{ dense = { units = 7 } }"),
    );
    assert!(
        said.contains("7 outputs") && said.contains("10 classes"),
        "{said}"
    );
}

#[test]
fn files_that_are_not_configs_are_refused() {
    let place = Place::new();
    let missing = place.fail(&["run", "nowhere.toml"], 2);
    assert!(
        missing.contains("nowhere.toml") && missing.contains("cannot be read"),
        "{missing}"
    );
    for (name, bytes) in [
        ("empty.toml", &b""[..]),
        ("binary.toml", &[0xff, 0xfe, 0, 1][..]),
        ("cut.toml", b"name = \"x"),
    ] {
        std::fs::write(place.path(name), bytes).expect("the folder can be written to");
        let said = place.fail(&["run", name], 2);
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn what_does_not_fit_is_refused_with_the_bill_and_what_would_fit() {
    let place = Place::new();
    let big = SMALL.replace("slots = 20", "slots = 300");
    let config = place.file("big.toml", &big.replace("name = \"static\"\ntrain = \"none\"", "name = \"lenet\"\nnetwork = \"lenet5\"\ntrain = \"full\"\ntraining = { learning_rate = 0.01 }"));
    let out = place
        .sim(&["plan", &config.display().to_string()])
        .output()
        .expect("the binary starts");
    let text = crate::support::text(&out.stdout);
    assert!(text.contains("NO"), "{text}");
    for part in [
        "conv2d_1 weights",
        "dense_1 weights",
        "stack",
        "bytes",
        "the board ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn a_damaged_report_is_refused_by_name() {
    let place = Place::new();
    std::fs::create_dir(place.path("empty")).expect("a folder");
    let said = place.fail(&["report", "empty"], 5);
    assert!(said.contains("empty"), "{said}");
}

#[test]
fn unknown_boards_and_flags_are_explained() {
    let place = Place::new();
    let said = place.fail(&["boards", "nano33"], 2);
    assert!(said.contains("Did you mean \"nano33ble\"?"), "{said}");
    place.fail(&["run", "--nonsense"], 2);
    place.fail(&["data", "fetch", "mnits"], 2);
}
