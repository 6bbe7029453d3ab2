//! Statistics against scipy and statsmodels (`scripts/statistics.py`), on the same samples and the same draws.

use experiments::statistics::bootstrap::{Interval, from_indices};
use experiments::statistics::distribution::{normal, normal_quantile, student_two_sided};
use experiments::statistics::mean;
use experiments::statistics::paired::{compare, holm};
use experiments::statistics::survival::{Survival, Time};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Fixture {
    tests: Vec<Test>,
    holm: Vec<Holm>,
    survival: Vec<Censored>,
    normal: Vec<[f64; 2]>,
    student: Vec<[f64; 3]>,
}

#[derive(Deserialize)]
struct Test {
    differences: Vec<f64>,
    indices: Vec<usize>,
    mean: Option<[f64; 2]>,
    median: Option<[f64; 2]>,
    t: f64,
    t_probability: f64,
    wilcoxon_probability: f64,
    cohens_d: f64,
    rank_biserial: f64,
}

#[derive(Deserialize)]
struct Holm {
    given: Vec<f64>,
    corrected: Vec<f64>,
}

#[derive(Deserialize)]
struct Censored {
    times: Vec<f64>,
    happened: Vec<bool>,
    /// Time, share, its lower and its upper limit.
    steps: Vec<[f64; 4]>,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/statistics.json");
    let json = std::fs::read(path).expect("the fixture is there");
    serde_json::from_slice(&json).expect("it is what it should be")
}

/// Both sides work in f64, in other orders: twelve digits.
fn near(ours: f64, theirs: f64) {
    let error = (ours - theirs).abs();
    assert!(
        error <= 1e-12 * theirs.abs() + 1e-15,
        "{ours} is not {theirs}"
    );
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // As numpy rounds it, so that draws that are equal there are equal here.
    mean(&sorted[(sorted.len() - 1) / 2..=sorted.len() / 2])
}

#[test]
fn intervals_from_the_same_draws_are_scipys() {
    let mut compared = 0;
    for test in fixture().tests {
        let of = |statistic: fn(&[f64]) -> f64| {
            from_indices(&test.differences, statistic, 0.95, &test.indices)
        };
        for (ours, theirs) in [(of(mean), test.mean), (of(median), test.median)] {
            if let (Some(Interval { low, high }), Some(theirs)) = (ours, theirs) {
                near(low, theirs[0]);
                near(high, theirs[1]);
                compared += 1;
            }
        }
        assert_eq!(of(mean).is_some(), test.mean.is_some());
    }
    assert!(compared >= 20, "{compared}");
}

#[test]
fn paired_tests_and_effect_sizes_are_scipys() {
    let fixture = fixture();
    for test in &fixture.tests {
        let zeros = vec![0.0; test.differences.len()];
        let ours = compare(&test.differences, &zeros, 1).expect("three values or more");
        near(ours.t.expect("they differ"), test.t);
        near(ours.t_probability.expect("they differ"), test.t_probability);
        near(ours.wilcoxon_probability, test.wilcoxon_probability);
        near(ours.cohens_d.expect("they differ"), test.cohens_d);
        near(ours.rank_biserial, test.rank_biserial);
    }
    assert!(fixture.tests.len() >= 15);
}

#[test]
fn holms_correction_is_that_of_statsmodels() {
    for case in fixture().holm {
        let ours = holm(&case.given);
        assert_eq!(ours.len(), case.corrected.len());
        ours.iter()
            .zip(case.corrected)
            .for_each(|(a, b)| near(*a, b));
    }
}

#[test]
fn survival_and_its_limits_are_scipys() {
    for case in fixture().survival {
        let times = case.times.iter().zip(&case.happened);
        let times = times.map(|(&time, &happened)| Time { time, happened });
        let ours = Survival::of(&times.collect::<Vec<_>>());
        assert_eq!(ours.steps.len(), case.steps.len());
        for (step, [time, share, low, high]) in ours.steps.iter().zip(&case.steps) {
            assert_eq!(step.time, *time);
            near(step.share, *share);
            if *share > 0.0 {
                near(step.limits(0.95).low, *low);
                near(step.limits(0.95).high, *high);
            }
        }
        let half = case.steps.iter().find(|step| step[1] <= 0.5 + 1e-12);
        assert_eq!(ours.median(), half.map(|step| step[0]));
    }
}

#[test]
fn distributions_are_scipys() {
    for [z, p] in fixture().normal {
        near(normal(z), p);
        // Back again as far as the slope allows.
        assert!((normal_quantile(p) - z).abs() < 1e-6 || z > 5.0, "{z}");
    }
    assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
    for [t, freedom, p] in fixture().student {
        near(student_two_sided(t, freedom), p);
    }
}
