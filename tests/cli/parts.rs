//! A run as jobs: shares of it made by several processes, and the report assembled of their parts.

use crate::support::{Place, SMALL, text};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

/// The data files of a report, which must not depend on who made its parts.
const DATA_FILES: [&str; 3] = ["samples.csv", "samples.parquet", "summary.json"];

/// Four seeds, two strategies: eight parts and four networks.
fn config() -> String {
    SMALL
        .replace("seeds = 2", "seeds = 4")
        .replace("length = 60", "length = 400")
}

fn start(place: &Place, share: &str, parts: &str) -> Child {
    place
        .sim(&[
            "run",
            "small.toml",
            "-j",
            "1",
            "--part",
            share,
            "--parts",
            parts,
        ])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts")
}

/// Every part in a folder.
fn parts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "json"));
    paths.sort();
    paths
}

#[test]
fn parts_of_four_processes_assemble_to_the_bytes_of_one_run() {
    let (whole, shared) = (Place::new(), Place::new());
    for place in [&whole, &shared] {
        place.file("small.toml", &config());
    }
    whole.succeed(&["run", "small.toml", "-q"]);

    // All start together on an empty cache; the third is killed before it is done, as by a machine that fails.
    let shares = ["1/4", "2/4", "3/4", "4/4"];
    let mut children = shares.map(|share| start(&shared, share, "parts"));
    children[2].kill().expect("it runs");
    let outputs = children.map(|child| child.wait_with_output().expect("it ends"));
    for (share, output) in shares.iter().zip(&outputs) {
        assert_eq!(
            output.status.success(),
            *share != "3/4",
            "{share}: {}",
            text(&output.stderr)
        );
    }
    let missing = shared.fail(&["run", "small.toml", "--assemble", "--parts", "parts"], 2);
    assert!(missing.contains("2 of 8 are missing"), "{missing}");
    assert!(missing.contains("strategy `transfer`, seed 3"), "{missing}");
    assert!(!shared.path("reports/small/summary.json").exists());

    let before: Vec<_> = parts(&shared.path("parts"));
    shared.succeed(&[
        "run",
        "small.toml",
        "-q",
        "--part",
        "3/4",
        "--parts",
        "parts",
    ]);
    assert_eq!((before.len(), parts(&shared.path("parts")).len()), (6, 8));
    shared.succeed(&["run", "small.toml", "-q", "--assemble", "--parts", "parts"]);
    for file in DATA_FILES {
        assert!(
            whole.report("small", file) == shared.report("small", file),
            "{file} differs"
        );
    }
    assert_eq!(
        parts(&shared.path("parts")).len(),
        8,
        "the user's parts stay"
    );
}

#[test]
fn processes_that_start_together_pretrain_a_network_once() {
    let place = Place::new();
    let shared = config().replace("[pretrain]", "[pretrain]\nshared = true");
    place.file("small.toml", &shared);
    let children = ["1/3", "2/3", "3/3"].map(|share| start(&place, share, "parts"));
    let said: Vec<String> = children
        .map(|child| {
            let output = child.wait_with_output().expect("it ends");
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stderr)
        })
        .into();
    let trained = |text: &&String| {
        text.contains("Pre-trained network") && !text.contains("from its checkpoint")
    };
    assert_eq!(said.iter().filter(trained).count(), 1, "{said:#?}");
    let checkpoints = std::fs::read_dir(place.path("cache/checkpoints")).expect("it was made");
    let names: Vec<_> = checkpoints.flatten().map(|e| e.file_name()).collect();
    assert_eq!(
        names.len(),
        1,
        "one network, and nothing unfinished beside it: {names:?}"
    );
}

#[test]
fn finished_parts_are_reused() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    place.succeed(&[
        "run",
        "small.toml",
        "-q",
        "--part",
        "1/2",
        "--parts",
        "parts",
    ]);
    let made: Vec<_> = parts(&place.path("parts"))
        .iter()
        .map(|p| {
            (
                p.clone(),
                std::fs::metadata(p)
                    .and_then(|m| m.modified())
                    .expect("a time"),
            )
        })
        .collect();
    assert_eq!(made.len(), 2);
    // A run of everything makes the other two only.
    place.succeed(&["run", "small.toml", "-q", "--parts", "parts"]);
    for (path, time) in made {
        let now = std::fs::metadata(&path)
            .and_then(|m| m.modified())
            .expect("a time");
        assert_eq!(now, time, "{} was made again", path.display());
    }
    assert_eq!(parts(&place.path("parts")).len(), 4);
}

#[test]
fn parts_that_do_not_belong_together_are_named() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    place.succeed(&[
        "run",
        "small.toml",
        "-q",
        "--part",
        "1/1",
        "--parts",
        "mine",
    ]);
    // Of another config under the same name; and of another run.
    place.file("other.toml", &SMALL.replace("length = 60", "length = 61"));
    place.succeed(&[
        "run",
        "other.toml",
        "-q",
        "--part",
        "1/4",
        "--parts",
        "mine",
    ]);
    place.file("third.toml", &SMALL.replace("\"small\"", "\"third\""));
    place.succeed(&[
        "run",
        "third.toml",
        "-q",
        "--part",
        "1/4",
        "--parts",
        "mine",
    ]);
    let output = place.run(&["run", "small.toml", "--assemble", "--parts", "mine"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("another config or other data"), "{said}");
    assert!(said.contains("a part of the run `third`"), "{said}");

    // Of other code, damaged, and there twice with other content.
    let name = |strategy: &str, seed: u64| {
        let begins = format!("{strategy}-{seed}-");
        let of_run = |p: &PathBuf| {
            let text = std::fs::read_to_string(p).expect("it is text");
            text.contains("\"run\":\"small\"") && !text.contains("\"sample\":60,")
        };
        let all = parts(&place.path("mine"));
        all.into_iter()
            .find(|p| {
                p.file_name()
                    .is_some_and(|n| n.to_string_lossy().starts_with(&begins))
                    && of_run(p)
            })
            .unwrap_or_else(|| panic!("no part {begins}"))
    };
    let edit = |path: &Path, to: &Path, from: &str, by: &str| {
        let text = std::fs::read_to_string(path).expect("it is text");
        assert!(text.contains(from), "{from}: {text}");
        std::fs::write(to, text.replacen(from, by, 1)).expect("it can be written");
    };
    let aged = name("static", 2);
    edit(&aged, &aged, "\"code\":\"", "\"code\":\"0ld");
    std::fs::create_dir(place.path("yours")).expect("a folder");
    let twice = name("transfer", 1);
    let copy = place.path("yours").join(twice.file_name().expect("a file"));
    edit(&twice, &copy, "\"prediction\":", "\"prediction\":1");
    std::fs::write(place.path("yours/torn.json"), b"{\"format\":1,").expect("written");
    let said = place.fail(
        &[
            "run",
            "small.toml",
            "--assemble",
            "--parts",
            "mine",
            "--parts",
            "yours",
        ],
        2,
    );
    for part in [
        "1 of 4 are missing",
        "strategy `static`, seed 2, was made by other code (0ld",
        "strategy `transfer`, seed 1, but differ",
        "torn.json is damaged",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let nowhere = place.fail(
        &["run", "small.toml", "--assemble", "--parts", "nowhere"],
        2,
    );
    assert!(nowhere.contains("There is no folder nowhere"), "{nowhere}");
}

#[test]
fn a_dry_run_lists_the_jobs_and_does_none() {
    let place = Place::new();
    place.file("small.toml", SMALL);
    let list = place.succeed(&["run", "small.toml", "--dry-run", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let jobs = list.as_array().expect("a list");
    let of_kind = |kind: &str| jobs.iter().filter(|j| j["kind"] == kind).count();
    assert_eq!(
        (of_kind("pre-train"), of_kind("run")),
        (2, 4),
        "a network a seed"
    );
    let last = &jobs[5];
    assert_eq!(
        (&last["seed"], &last["needs"]),
        (&2.into(), &2.into()),
        "{last}"
    );
    let share = place.succeed(&["run", "small.toml", "--dry-run", "--part", "2/4"]);
    assert_eq!(
        share.lines().count(),
        3,
        "a header, a network, a repetition: {share}"
    );
    assert!(!place.path("cache/parts").exists() && !place.path("reports").exists());
    for share in ["0/4", "5/4", "x"] {
        place.fail(&["run", "small.toml", "--part", share], 2);
    }
    place.fail(&["run", "small.toml", "--part", "1/2", "--assemble"], 2);
}

/// Two runs of one name never write into one folder at a time: the second is refused and says who holds it.
#[test]
fn a_folder_that_another_run_writes_into_is_refused() {
    let place = Place::new();
    let long = SMALL
        .replace("length = 60", "length = 4000")
        .replace("validation = 500", "validation = 4000");
    place.file("long.toml", &long);
    let mut first = place
        .sim(&["run", "long.toml", "-q"])
        .spawn()
        .expect("the binary starts");
    let lock = place.path("reports/small/.lock");
    while std::fs::read(&lock).is_ok_and(|b| b.is_empty()) || !lock.exists() {
        assert!(
            first.try_wait().expect("it can be asked").is_none(),
            "it ended too early"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let said = place.fail(&["run", "long.toml", "-q"], 5);
    assert!(said.contains("is in use by process"), "{said}");
    assert!(said.contains(&first.id().to_string()), "{said}");
    first.kill().expect("it runs");
    first.wait().expect("it ends");
    // Nothing is left behind that a person would have to remove.
    place.file("long.toml", SMALL);
    place.succeed(&["run", "long.toml", "-q"]);
}
