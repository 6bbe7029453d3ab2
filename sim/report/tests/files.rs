//! What is written is read back, the same data give the same bytes, and damage is named.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::run;
use sim_report::{AccuracySummary, Error, Estimate, Run};

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

/// NaN is unlike itself, so that runs are compared by what they print.
fn assert_same(a: &Run, b: &Run) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    assert_same(&run(), &sim_report::read(dir.path()).unwrap());
}

#[test]
fn the_order_of_rows_does_not_change_a_byte() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut shuffled = run();
    shuffled.samples.reverse();
    shuffled.samples.swap(3, 11);
    let written = sim_report::write(&run(), a.path()).unwrap();
    sim_report::write(&shuffled, b.path()).unwrap();
    for path in written {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(
            bytes(a.path(), name) == bytes(b.path(), name),
            "{name} differs"
        );
    }
}

#[test]
fn a_flipped_bit_is_noticed_in_every_data_file() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    for name in [
        sim_report::SUMMARY_FILE,
        sim_report::PARQUET_FILE,
        sim_report::RUN_FILE,
    ] {
        let whole = bytes(dir.path(), name);
        for position in (0..whole.len()).step_by(5) {
            let mut content = whole.clone();
            content[position] ^= 1 << (position % 8);
            std::fs::write(dir.path().join(name), content).unwrap();
            let error = sim_report::read(dir.path()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        std::fs::write(dir.path().join(name), whole).unwrap();
    }
    sim_report::read(dir.path()).unwrap();
}

#[test]
fn truncated_and_missing_files_are_named() {
    for name in [
        sim_report::SUMMARY_FILE,
        sim_report::PARQUET_FILE,
        sim_report::RUN_FILE,
    ] {
        let dir = tempfile::tempdir().unwrap();
        sim_report::write(&run(), dir.path()).unwrap();
        let content = bytes(dir.path(), name);
        std::fs::write(dir.path().join(name), &content[..content.len() / 2]).unwrap();
        let error = sim_report::read(dir.path()).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        std::fs::remove_file(dir.path().join(name)).unwrap();
        let error = sim_report::read(dir.path()).unwrap_err();
        assert!(matches!(error, Error::Read { .. }), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn files_of_two_runs_do_not_mix() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut other = run();
    other.samples[0].prediction = 9;
    sim_report::write(&run(), a.path()).unwrap();
    sim_report::write(&other, b.path()).unwrap();
    std::fs::copy(
        b.path().join("samples.parquet"),
        a.path().join("samples.parquet"),
    )
    .unwrap();
    assert!(matches!(
        sim_report::read(a.path()),
        Err(Error::Swapped { .. })
    ));
}

#[test]
fn another_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    let path = dir.path().join("run.json");
    let text =
        std::fs::read_to_string(&path)
            .unwrap()
            .replacen("\"schema\": 2", "\"schema\": 1", 1);
    std::fs::write(&path, text).unwrap();
    assert!(matches!(
        sim_report::read(dir.path()),
        Err(Error::Schema { found: 1, .. })
    ));
}

#[test]
fn a_failed_write_leaves_the_finished_report() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    let mut broken = run();
    broken.bills[0].items[0].bytes += 1;
    let error = sim_report::write(&broken, dir.path()).unwrap_err();
    assert!(matches!(error, Error::Inconsistent(_)), "{error}");
    assert_same(&run(), &sim_report::read(dir.path()).unwrap());
}

#[test]
fn a_file_in_the_place_of_the_folder_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("taken");
    std::fs::write(&path, "x").unwrap();
    let error = sim_report::write(&run(), &path).unwrap_err();
    assert!(matches!(error, Error::Write { .. }), "{error}");
    assert!(error.to_string().contains("taken"), "{error}");
}

#[test]
fn an_interrupted_stage_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(".unfinished")).unwrap();
    std::fs::write(dir.path().join(".unfinished/summary.json"), "{").unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    assert!(!dir.path().join(".unfinished").exists());
    sim_report::read(dir.path()).unwrap();
}

/// Breaks one law of a run.
type Spoil = fn(&mut Run);

#[test]
fn contradictions_are_refused() {
    let cases: [(&str, Spoil); 6] = [
        ("not list", |run| {
            run.samples[0].strategy = Arc::from("unheard-of")
        }),
        ("there twice", |run| run.samples[1].sample = 0),
        ("there twice", |run| {
            run.summary.strategies[1].name = "static".into()
        }),
        ("not list", |run| run.kernels[0].board = "elsewhere".into()),
        ("train_ms_per_step", |run| {
            run.summary.strategies[0].train_ms_per_step = Some(f64::NAN)
        }),
        ("not a fraction", |run| {
            run.summary.strategies[0].accuracy = Some(AccuracySummary {
                last: Some(Estimate {
                    mean: 98.0,
                    ci95: None,
                }),
                ..Default::default()
            });
        }),
    ];
    for (expected, spoil) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut run = run();
        spoil(&mut run);
        let error = sim_report::write(&run, dir.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            0,
            "something was left behind"
        );
    }
}

#[test]
fn summary_json_is_what_scripts_expect() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    insta::assert_snapshot!(String::from_utf8(bytes(dir.path(), "summary.json")).unwrap());
}

#[test]
fn samples_csv_has_a_line_a_row() {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    let csv = String::from_utf8(bytes(dir.path(), "samples.csv")).unwrap();
    let head: Vec<&str> = csv.lines().take(8).collect();
    assert_eq!(csv.lines().count(), 1 + 32);
    insta::assert_snapshot!(head.join("\n"));
}

#[test]
fn a_folder_in_the_place_of_a_file_stops_before_anything_moves() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("report.md")).unwrap();
    let error = sim_report::write(&run(), dir.path()).unwrap_err();
    assert!(error.to_string().contains("report.md"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn plots_of_an_earlier_report_do_not_stay() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.txt"), "kept").unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    assert!(dir.path().join("cycles.png").exists());
    let mut idle = run();
    idle.kernels.clear();
    sim_report::write(&idle, dir.path()).unwrap();
    assert!(!dir.path().join("cycles.png").exists() && !dir.path().join("cycles.svg").exists());
    assert!(dir.path().join("ram.png").exists() && dir.path().join("mine.txt").exists());
}

/// The same rows are the same bytes on every machine; only a new polars or zstd may change these.
#[test]
fn the_bytes_of_the_table_are_known() {
    use sha2::{Digest, Sha256};

    let dir = tempfile::tempdir().unwrap();
    sim_report::write(&run(), dir.path()).unwrap();
    let digests = [sim_report::PARQUET_FILE, sim_report::CSV_FILE].map(|name| {
        let digest = Sha256::digest(bytes(dir.path(), name));
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{digest}  {name}")
    });
    insta::assert_snapshot!(digests.join("\n"));
}
