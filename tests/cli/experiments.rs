//! Experiments from config to report.

use crate::support::{Place, SMALL, root, text};
use serde_json::Value;
use std::time::Duration;

const DATA_FILES: [&str; 3] = ["samples.csv", "samples.parquet", "summary.json"];

fn strategy<'a>(summary: &'a Value, name: &str) -> &'a Value {
    let all = summary["strategies"].as_array().expect("strategies");
    all.iter()
        .find(|s| s["name"] == name)
        .unwrap_or_else(|| panic!("no strategy {name}"))
}

fn mean(strategy: &Value, moment: &str) -> f64 {
    strategy["accuracy"][moment]["mean"]
        .as_f64()
        .unwrap_or_else(|| panic!("no {moment}: {strategy}"))
}

#[test]
fn the_same_config_gives_the_same_bytes_on_any_number_of_threads() {
    let (one, two) = (Place::new(), Place::new());
    for (place, threads) in [(&one, "1"), (&two, "3")] {
        place.file("small.toml", SMALL);
        place.succeed(&["run", "small.toml", "-j", threads]);
    }
    for file in DATA_FILES {
        assert!(
            one.report("small", file) == two.report("small", file),
            "{file} differs"
        );
    }
    let before: Vec<Vec<u8>> = DATA_FILES.map(|f| one.report("small", f)).into();
    let page = one.report("small", "report.html");
    one.succeed(&["report", "reports/small"]);
    assert_eq!(before, DATA_FILES.map(|f| one.report("small", f)));
    assert!(
        page == one.report("small", "report.html"),
        "a rebuilt report differs"
    );
}

#[test]
fn the_summary_holds_what_scripts_rely_on() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    let printed = place.succeed(&["run", "small.toml", "--json", "-q"]);
    let printed: Value = serde_json::from_str(&printed).expect("--json prints JSON");
    let summary = place.summary("small");
    assert_eq!(printed, summary);
    assert_eq!(summary["schema"], 2);
    assert_eq!(summary["experiment"], "small");
    assert_eq!(summary["dataset"], "strokes");
    assert_eq!(summary["fallback"], false);
    assert_eq!(summary["seeds"], 2);
    let transfer = strategy(&summary, "transfer");
    assert_eq!(transfer["board"], "nano33ble");
    assert_eq!(transfer["fits"], true);
    assert_eq!(transfer["buffer_slots"], 20);
    for figure in ["ram_bytes", "ram_budget_bytes", "flash_bytes"] {
        assert!(
            transfer[figure].as_f64().is_some_and(|v| v > 0.0),
            "{figure}: {transfer}"
        );
    }
    for moment in ["before_drift", "at_drift", "lowest", "final"] {
        assert!((0.0..=1.0).contains(&mean(transfer, moment)));
    }
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let place = Place::new();
    let long = SMALL
        .replace("seeds = 2", "seeds = 40")
        .replace("length = 60", "length = 300");
    place.file("long.toml", &long);
    let mut child = place
        .sim(&["run", "long.toml", "-j", "1", "-q"])
        .spawn()
        .expect("the binary starts");
    let parts = place.path("cache/parts");
    let finished = || {
        std::fs::read_dir(&parts)
            .ok()?
            .next()?
            .ok()
            .map(|run| run.path())
    };
    let some_are_done = || {
        let files = finished().and_then(|folder| std::fs::read_dir(folder).ok());
        files.is_some_and(|files| files.count() >= 3)
    };
    while !some_are_done() {
        assert!(
            child.try_wait().expect("the child can be asked").is_none(),
            "it ended too early"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.is_ok_and(|s| s.success()));
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(some_are_done(), "what was finished is kept");
    place.succeed(&["run", "long.toml", "-q"]);
    let fresh = Place::new();
    fresh.file("long.toml", &long);
    fresh.succeed(&["run", "long.toml", "-q"]);
    for file in DATA_FILES {
        assert!(
            place.report("small", file) == fresh.report("small", file),
            "{file} differs"
        );
    }
}

#[test]
fn an_exploding_strategy_stops_alone_and_names_its_layer() {
    let place = Place::new();
    place.file(
        "boom.toml",
        &SMALL.replace("learning_rate = 0.001", "learning_rate = 1e30"),
    );
    let said = place.succeed(&["run", "boom.toml"]);
    assert!(
        said.contains("diverged at sample 0 of seed 1, 2 of 2 seeds"),
        "{said}"
    );
    let summary = place.summary("small");
    let transfer = strategy(&summary, "transfer");
    let stopped = &transfer["stopped"];
    assert_eq!(
        (&stopped["layer"], &stopped["seeds"]),
        (&"dense_1".into(), &2.into()),
        "{stopped}"
    );
    assert!(
        stopped["reason"]
            .as_str()
            .is_some_and(|r| r.contains("the loss exploded"))
    );
    assert!(transfer["accuracy"]["final"].is_null(), "{transfer}");
    assert!(
        strategy(&summary, "static")["accuracy"]["final"]["mean"]
            .as_f64()
            .is_some()
    );
    let page = text(&place.report("small", "report.md"));
    assert!(page.contains("diverged"), "{page}");
    // Where nothing else was run, a script must not take that for a result.
    let alone = SMALL
        .replace("learning_rate = 0.001", "learning_rate = 1e30")
        .replace("[[strategies]]\nname = \"static\"\ntrain = \"none\"\n", "");
    place.file("alone.toml", &alone);
    let said = place.fail(&["run", "alone.toml"], 1);
    assert!(said.contains("Every strategy diverged"), "{said}");
}

/// Every seed pre-trains and splits for itself, unless told otherwise, and the page says which.
#[test]
fn the_page_says_what_varies() {
    for (shared, networks, part) in [
        (false, 2, "its own pre-trained network"),
        (true, 1, "share one pre-trained network"),
    ] {
        let place = Place::new();
        let config = SMALL.replace("[pretrain]", &format!("[pretrain]\nshared = {shared}"));
        place.file("small.toml", &config);
        place.succeed(&["run", "small.toml", "-q"]);
        let page = text(&place.report("small", "report.md"));
        assert!(page.contains(part), "{page}");
        let run: Value = serde_json::from_slice(&place.report("small", "run.json")).expect("JSON");
        let pretrained = run["about"]["pretrained"].as_array().expect("a list");
        assert_eq!(pretrained.len(), networks, "{pretrained:?}");
        assert_eq!(run["about"]["config"]["pretrain"]["shared"], shared);
        for file in ["summary.json", "samples.csv", "run.json", "report.md"] {
            let text = text(&place.report("small", file));
            assert!(
                !text.contains("-0.0,") && !text.contains("-0.0\n"),
                "{file}: {text}"
            );
        }
    }
}

/// A drift to a network that learnt nothing is no drift that it recovers from.
#[test]
fn who_guesses_does_not_recover() {
    let place = Place::new();
    let blind = SMALL.replace("learning_rate = 0.002", "learning_rate = 1e-12");
    place.file("blind.toml", &blind);
    let said = place.succeed(&["run", "blind.toml"]);
    let summary = place.summary("small");
    for name in ["static", "transfer"] {
        let entry = strategy(&summary, name);
        assert_eq!(
            (&entry["recovered_seeds"], &entry["guessing_seeds"]),
            (&0.into(), &2.into()),
            "{entry}"
        );
    }
    assert!(said.contains("guessed"), "{said}");
}

/// Each data set has epochs of its own length.
#[test]
fn epochs_are_as_long_as_their_data_set() {
    let place = Place::new();
    place.file(
        "two.toml",
        r#"
name = "two"
seeds = 1
boards = ["nano33ble"]
network = { layers = [{ dense = { units = 10 } }] }
data = { set = "strokes" }

[experiment.from_scratch]
epochs = 2

[[strategies]]
name = "all"
train = "full"
training = { learning_rate = 0.01 }

[[strategies]]
name = "half"
data = { set = "strokes", validation = 10000 }
train = "full"
training = { learning_rate = 0.01 }
"#,
    );
    place.succeed(&["run", "two.toml", "-q"]);
    let summary = place.summary("two");
    assert_eq!(strategy(&summary, "all")["samples_per_epoch"], 20_000);
    assert_eq!(strategy(&summary, "half")["samples_per_epoch"], 10_000);
    let page = text(&place.report("two", "report.md"));
    let table = page.split("Accuracy by epoch").nth(1).expect("a table");
    let rows: Vec<&str> = table
        .lines()
        .filter(|l| l.starts_with("| 1 ") || l.starts_with("| 2 "))
        .collect();
    assert_eq!(rows.len(), 2, "{table}");
    assert!(
        rows.iter().all(|row| row.matches('%').count() == 2),
        "{table}"
    );
    assert!(!table.contains("| 3 "), "{table}");
}

#[test]
fn without_data_the_fallback_is_on_the_first_line() {
    let place = Place::new();
    let nowhere = SMALL.replace(
        "set = \"strokes\"",
        "set = \"mnist\"\nfallback = \"strokes\"",
    );
    place.file("nowhere.toml", &nowhere);
    let output = place
        .sim(&["run", "nowhere.toml"])
        .env("XDG_CACHE_HOME", place.path("no-data"))
        .env_remove("SIM_DATA_DIR")
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let first = text(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(first.contains("NOT mnist but"), "{first}");
    let summary = place.summary("small");
    assert_eq!(
        (&summary["fallback"], &summary["dataset"]),
        (&true.into(), &"strokes".into())
    );
    let page = text(&place.report("small", "report.md"));
    assert!(
        page.lines()
            .next()
            .is_some_and(|l| l.contains("NOT mnist but")),
        "{page}"
    );
    let strict = nowhere.replace("\nfallback = \"strokes\"", "");
    place.file("strict.toml", &strict);
    let output = place
        .sim(&["run", "strict.toml"])
        .env("XDG_CACHE_HOME", place.path("no-data"))
        .env_remove("SIM_DATA_DIR")
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
}

/// The main job on real MNIST with fewer seeds than the config asks for; the bands are those of an
/// independent implementation, widened by nothing but the smaller number of seeds.
#[test]
fn concept_drift_on_mnist_lands_where_others_did() {
    let place = Place::new();
    let config = root()
        .join("configs/concept_drift.toml")
        .display()
        .to_string();
    let data =
        std::env::var_os("SIM_DATA_DIR").map_or_else(|| root().join("../shared/data"), Into::into);
    place.succeed(&[
        "run",
        &config,
        "--seeds",
        "4",
        "-q",
        "--data",
        &data.display().to_string(),
    ]);
    let summary = place.summary("concept_drift");
    assert_eq!(summary["dataset"], "mnist", "MNIST could not be had");
    let transfer = strategy(&summary, "transfer");
    assert!(mean(transfer, "before_drift") >= 0.97, "{transfer}");
    assert!(
        (0.77..=0.81).contains(&mean(transfer, "at_drift")),
        "{transfer}"
    );
    assert!(mean(transfer, "final") >= 0.95, "{transfer}");
    let fixed = strategy(&summary, "static");
    assert!(mean(fixed, "final") < 0.82, "{fixed}");
}

/// The drawn digits are worth learning: too varied for a linear model, well within a small CNN's reach.
#[test]
fn drawn_digits_tell_a_linear_model_from_a_cnn() {
    let place = Place::new();
    place.file(
        "strokes.toml",
        r#"
name = "strokes"
seeds = 1
boards = ["nano33ble"]
network = "thesis_cnn"
data = { set = "strokes", normalise = "standard" }

[experiment.from_scratch]
epochs = 4

[[strategies]]
name = "cnn"
train = "full"
training = { learning_rate = 0.002, optimiser = { adam = {} }, schedule = { cosine = {} } }

[[strategies]]
name = "linear"
network = { layers = [{ dense = { units = 10 } }] }
train = "full"
training = { learning_rate = 0.001, optimiser = { adam = {} }, schedule = { cosine = {} } }
"#,
    );
    place.succeed(&["run", "strokes.toml", "-q"]);
    let summary = place.summary("strokes");
    let (cnn, linear) = (strategy(&summary, "cnn"), strategy(&summary, "linear"));
    assert!(mean(cnn, "final") >= 0.97, "{cnn}");
    assert!(mean(linear, "final") < 0.90, "{linear}");
}
