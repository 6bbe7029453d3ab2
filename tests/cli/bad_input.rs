//! What is told to whoever wrote something that is not right.

use crate::support::{Place, SMALL, text};
use std::process::Stdio;

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
        (
            "drift_at = 20",
            "drift_at = 20\nswap = [1, 2, 3]",
            "bad.toml:20:8",
            "a list of two labels",
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
    for folder in ["empty", "nope"] {
        let said = place.fail(&["report", folder], 2);
        assert!(said.contains(folder), "{said}");
    }
}

#[test]
fn unknown_boards_and_flags_are_explained() {
    let place = Place::new();
    let said = place.fail(&["boards", "nano33"], 2);
    assert!(said.contains("Did you mean \"nano33ble\"?"), "{said}");
    place.fail(&["run", "--nonsense"], 2);
    place.fail(&["data", "fetch", "mnits"], 2);
}

#[test]
fn the_network_is_where_its_errors_are() {
    let place = Place::new();
    let one = "network = { layers = [{ max_pool = { size = 40 } }, { dense = { units = 10 } }] }";
    for (from, line) in [("network = \"thesis_cnn\"", 5), ("train = \"none\"", 25)] {
        let to = if line == 5 {
            one.to_owned()
        } else {
            format!("train = \"none\"\n{one}")
        };
        let config = place.file("bad.toml", &SMALL.replacen(from, &to, 1));
        let said = place.fail(&["plan", &config.display().to_string()], 2);
        assert!(said.contains(&format!("bad.toml:{line}:11: ")), "{said}");
        assert!(said.contains("max_pool_1"), "{said}");
    }
}

#[test]
fn more_images_than_there_are_is_refused_where_it_is_asked() {
    for (from, to, line, part) in [
        (
            "validation = 500",
            "validation = 20001",
            7,
            "has 20000 training images",
        ),
        (
            "validation = 500",
            "validation = 20000",
            7,
            "none is left to train on",
        ),
        (
            "limit = 1500",
            "limit = 19501",
            12,
            "19500 images of strokes are left",
        ),
        ("length = 60", "length = 501", 17, "drawn from 500 images"),
        (
            "test_images = 100",
            "test_images = 4001",
            17,
            "has 4000 test images",
        ),
        (
            "train = \"none\"",
            "train = \"none\"\ndata = { set = \"strokes\" }",
            25,
            "set `validation`",
        ),
        (
            "train = \"none\"",
            "train = \"none\"\ndata = { set = \"mnist\", validation = 60000 }",
            25,
            "none is left to train on",
        ),
    ] {
        let said = complaint(from, to);
        assert!(
            said.contains(&format!("bad.toml:{line}:")) && said.contains(part),
            "{to}: {said}"
        );
    }
}

#[test]
fn a_training_without_an_update_or_a_known_end_is_refused() {
    let rate = "training = { learning_rate = 0.001 }";
    let said = complaint(rate, "training = { learning_rate = 0.001, batch = 5000 }");
    assert!(said.contains("no update would be made"), "{said}");
    let said = complaint("optimiser = { adam = {} } }", "batch = 1501 }");
    assert!(
        said.contains("[pretrain]") && said.contains("1500 samples in all"),
        "{said}"
    );
    let place = Place::new();
    let open = SMALL
        .replace(
            rate,
            "training = { learning_rate = 0.001, schedule = { cosine = {} } }",
        )
        .replace(
            "slots = 20 }",
            "slots = 20, trigger = { confidence_below = 0.9 } }",
        );
    place.file("open.toml", &open);
    let said = place.fail(&["plan", "open.toml"], 2);
    assert!(said.contains("give its `period`"), "{said}");
    place.file(
        "closed.toml",
        &open.replace("cosine = {}", "cosine = { period = 100 }"),
    );
    place.succeed(&["plan", "closed.toml"]);
}

#[test]
fn a_board_that_is_there_twice_is_refused() {
    let said = complaint("[\"nano33ble\"]", "[\"nano33ble\", \"nano33ble\"]");
    assert!(
        said.contains("bad.toml:4:24") && said.contains("there twice"),
        "{said}"
    );
}

#[test]
fn numbers_beyond_reason_are_refused_at_once() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    for flags in [
        ["--seeds", "0"],
        ["--seeds", "4294967295"],
        ["-j", "0"],
        ["-j", "2000"],
    ] {
        let said = place.fail(&["run", "small.toml", flags[0], flags[1]], 2);
        assert!(said.contains(flags[1]), "{said}");
    }
    for endless in ["/dev/zero", "/dev/urandom"] {
        let said = place.fail(&["plan", endless], 2);
        assert!(said.contains("1 MiB"), "{said}");
    }
}

#[test]
fn variables_that_mean_nothing_are_not_passed_over() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    for (name, value) in [("SIM_DATA_DIR", "/nonexistent"), ("SIM_LOG", "loud")] {
        let output = place
            .sim(&["run", "small.toml", "--seeds", "1"])
            .env(name, value)
            .output()
            .expect("the binary starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(name) && said.contains(value), "{said}");
    }
    let said = place.fail(&["data", "list", "--data", "nowhere"], 2);
    assert!(said.contains("--data names nowhere"), "{said}");
}

#[test]
fn more_is_said_with_every_v() {
    let lines = |flags: &[&str]| {
        let place = Place::new();
        place.file("small.toml", SMALL);
        let arguments = [&["run", "small.toml", "--seeds", "1"], flags].concat();
        let output = place.run(&arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let said = text(&output.stderr);
        said.lines()
            .filter(|line| line.contains("DEBUG") || line.contains("TRACE"))
            .count()
    };
    let counts = [&[][..], &["-v"], &["-vv"]].map(lines);
    assert!(
        counts[0] == 0 && counts[0] < counts[1] && counts[1] < counts[2],
        "{counts:?}"
    );
}

/// A reader that has seen enough, or a full disk, must not end a run of hours.
#[test]
fn nobody_needs_to_read_standard_error() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    let mut child = place
        .sim(&["run", "small.toml", "-v"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stderr.take());
    assert!(child.wait().expect("it ends").success());
    if let Ok(full) = std::fs::File::options().write(true).open("/dev/full") {
        let mut child = place
            .sim(&["run", "small.toml", "-v"])
            .stdout(Stdio::null())
            .stderr(full)
            .spawn()
            .expect("the binary starts");
        assert!(child.wait().expect("it ends").success());
    }
    let mut child = place
        .sim(&["run", "nowhere.toml"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
}

/// What is written at the end is tried first, and what cannot fit is not trained for.
#[test]
fn nothing_is_trained_in_vain() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    place.file("cache", "a file in its place");
    let said = place.fail(&["run", "small.toml"], 5);
    assert!(
        said.contains("cache") && !said.contains("Pre-trained"),
        "{said}"
    );

    let place = Place::new();
    place.file("small.toml", SMALL);
    place.file("reports", "a file in its place");
    let said = place.fail(&["run", "small.toml"], 5);
    assert!(
        said.contains("reports") && !said.contains("Pre-trained"),
        "{said}"
    );

    let place = Place::new();
    let big = SMALL
        .replace("slots = 20", "slots = 4000")
        .replace("name = \"static\"\ntrain = \"none\"", "name = \"raw\"\ntrain = \"full\"\ntraining = { learning_rate = 0.01 }\nonline = { policy = \"fifo\", slots = 4000 }");
    place.file("big.toml", &big);
    let said = place.fail(&["run", "big.toml"], 4);
    assert!(!said.contains("Pre-trained"), "{said}");
    assert_eq!(
        said.matches("Strategy `raw` on nano33ble").count(),
        1,
        "{said}"
    );
    assert_eq!(
        said.matches("EXCESS").count(),
        2,
        "one budget a strategy: {said}"
    );
    assert_eq!(place.summary("small")["strategies"][0]["fits"], false);
}
