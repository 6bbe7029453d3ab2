//! What a reader sees: the tables in Markdown, the page on its own, the comparison.

mod common;

use common::run;
use sim_report::{Error, Run, Stop};

fn written(run: &Run, name: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    sim_report::write(run, dir.path()).unwrap();
    std::fs::read_to_string(dir.path().join(name)).unwrap()
}

/// A run with a strategy that was refused and one that stopped.
fn troubled() -> Run {
    let mut run = run();
    let [refused, stopped] = &mut run.summary.strategies[..] else {
        panic!("two strategies")
    };
    (refused.fits, refused.accuracy, refused.recovery_samples) = (false, None, None);
    refused.recovered_seeds = None;
    refused.ram_budget_bytes = 2_048;
    refused.refused =
        Some("RAM exceeds its budget by 952 bytes; without a buffer it would fit.".into());
    stopped.recovery_samples = None;
    stopped.recovered_seeds = None;
    stopped.stopped = Some(Stop {
        seeds: 1,
        seed: 2,
        step: 5,
        layer: "dense".into(),
        reason: "the loss is not a number".into(),
    });
    stopped.train_uj_low = Some(1.0);
    stopped.train_uj_high = Some(1.6);
    run.bills[0].budget_bytes = 2_048;
    run.samples.retain(|row| &*row.strategy == "transfer");
    run
}

#[test]
fn the_markdown_of_a_drift() {
    insta::assert_snapshot!(written(&run(), "report.md"));
}

#[test]
fn the_markdown_of_a_run_in_trouble() {
    let text = written(&troubled(), "report.md");
    insta::assert_snapshot!(text.split("## Accuracy along").next().unwrap());
}

#[test]
fn epochs_have_a_row_each() {
    let mut run = run();
    run.drift_at = None;
    for (entry, epoch) in run.summary.strategies.iter_mut().zip([4, 2]) {
        entry.samples_per_epoch = Some(epoch);
    }
    let text = written(&run, "report.md");
    let table = text
        .split("## Accuracy by epoch")
        .nth(1)
        .unwrap()
        .split("Accuracy on held-out")
        .next()
        .unwrap();
    insta::assert_snapshot!(table.trim());
}

#[test]
fn the_page_stands_alone_and_begins_with_the_headline_and_the_results() {
    let page = written(&run(), "report.html");
    for outside in [
        "http://", "https://", "src=", "href=", "<script", "url(", "@import",
    ] {
        assert!(!page.contains(outside), "the page refers to {outside}");
    }
    let at = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("the page lacks {text}"))
    };
    assert!(at("Drawn digits were used") < at("<h1>"));
    assert!(at("Results on nano33ble") < at("<svg"));
    assert!(at("standard error") < at("<svg"));
    assert_eq!(page.matches("<svg").count(), 4);
    assert_eq!(page.matches("</svg>").count(), 4);
    // Every colour of a plot comes from the page, so that it can turn dark.
    let plots = &page[at("<svg")..page.rfind("</svg>").unwrap()];
    assert!(
        !plots.contains("fill=\"#") && !plots.contains("stroke=\"#"),
        "a colour is fixed"
    );
}

#[test]
fn names_cannot_inject_markup() {
    let mut run = run();
    run.title = Some("<script>alert(1)</script> | *bold*".into());
    run.notes = vec!["a < b & c".into()];
    for row in &mut run.bills[0].items {
        row.name = format!("\"><b>{}", row.name);
    }
    let page = written(&run, "report.html");
    assert!(!page.contains("<script") && !page.contains("<b>"));
    let text = written(&run, "report.md");
    assert!(text.contains(r"\<script\>alert(1)\</script\> \| \*bold\*"));
}

#[test]
fn stand_in_data_are_announced_without_a_headline() {
    let mut run = run();
    run.headline = None;
    let first = written(&run, "report.md")
        .lines()
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        first,
        "> **The data set strokes stands in for the one that the config names.**"
    );
}

#[test]
fn a_run_of_nothing_but_a_plan_has_a_report() {
    let mut run = run();
    run.samples.clear();
    for entry in &mut run.summary.strategies {
        (entry.accuracy, entry.recovery_samples) = (None, None);
    }
    let page = written(&run, "report.html");
    assert_eq!(page.matches("<svg").count(), 2, "RAM and cycles remain");
}

#[test]
fn two_runs_side_by_side() {
    let mut other = run();
    other.about["config"]["lr"] = 0.005.into();
    other.summary.strategies[1].ram_bytes += 500;
    other.bills[1].items[1].bytes += 500;
    let accuracy = other.summary.strategies[1].accuracy.as_mut().unwrap();
    accuracy.last.as_mut().unwrap().mean += 0.012;
    let comparison = sim_report::compare(&[("slow", &run()), ("fast", &other)]).unwrap();
    assert_eq!(comparison.html.matches("<svg").count(), 8);
    insta::assert_snapshot!(
        comparison
            .markdown
            .split("## Configuration")
            .next()
            .unwrap()
    );
}

#[test]
fn a_comparison_needs_a_run() {
    assert!(matches!(sim_report::compare(&[]), Err(Error::Empty)));
}

#[test]
fn runs_of_one_title_are_numbered() {
    let mut other = run();
    other.title = None;
    assert_eq!(
        sim_report::names(&[run(), run(), other]),
        ["Concept drift 1", "Concept drift 2", "concept drift"]
    );
}
