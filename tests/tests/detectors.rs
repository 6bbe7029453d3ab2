//! Drift detectors against river and MOA on recorded streams (`scripts/detectors.py`), and against the published
//! defaults' rates on streams of a few hundred samples.

use runtime_shared::detector::{Detector, TABLE, Verdict, distance, probability};
use runtime_shared::rng::Rng;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

#[derive(Deserialize)]
struct Fixture {
    bits: Vec<Packed>,
    bytes: Vec<String>,
    kswin: Vec<Vec<Look>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Packed {
    length: usize,
    hex: String,
}

/// What KSWIN saw at sample `at`.
#[derive(Deserialize)]
struct Look {
    at: usize,
    /// Which of the 70 older samples were drawn, the oldest in the lowest bit.
    drawn: String,
    distance: u32,
    probability: f32,
    drift: bool,
}

#[derive(Deserialize)]
struct Case {
    detector: String,
    parameters: BTreeMap<String, f32>,
    says: Vec<Said>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Said {
    drifts: Vec<usize>,
    /// First, and past the last.
    warnings: Vec<[usize; 2]>,
}

fn fixture() -> Fixture {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/detectors.json");
    let json = std::fs::read(path).expect("the fixture is there");
    serde_json::from_slice(&json).expect("it is what it should be")
}

/// Every stream: the bits, then the bytes.
fn streams(fixture: &Fixture) -> Vec<Vec<f32>> {
    let digit = |c: char| c.to_digit(16).expect("a hexadecimal digit");
    let bits = fixture.bits.iter().map(|packed| {
        let all: Vec<f32> = (packed.hex.chars().map(digit))
            .flat_map(|d| (0..4).rev().map(move |k| (d >> k & 1) as f32))
            .collect();
        // Leading zeros are not written, or there are some too many.
        let mut stream = vec![0.0; packed.length.saturating_sub(all.len())];
        stream.extend(&all[all.len().saturating_sub(packed.length)..]);
        stream
    });
    let bytes = fixture.bytes.iter().map(|hex| {
        let digits: Vec<u32> = hex.chars().map(digit).collect();
        digits
            .chunks(2)
            .map(|d| (d[0] * 16 + d[1]) as f32 / 256.0)
            .collect()
    });
    bits.chain(bytes).collect()
}

/// The detector called `name`; parameters that are not given are the published ones.
fn detector(name: &str, given: &BTreeMap<String, f32>) -> Detector {
    let entry = TABLE
        .iter()
        .find(|e| e.name == name)
        .expect("it is in the table");
    let known = |key: &String| entry.parameters.iter().any(|p| p.name == key);
    assert!(given.keys().all(known), "{name}: {given:?}");
    let values = entry
        .parameters
        .iter()
        .map(|p| *given.get(p.name).unwrap_or(&p.default));
    Detector::read(entry.number, &values.collect::<Vec<_>>()).expect("its parameters are allowed")
}

fn said(detector: &Detector, stream: &[f32]) -> Said {
    let (mut state, mut said) = (vec![0; detector.words()], Said::default());
    detector.reset(&mut state);
    for (i, &x) in stream.iter().enumerate() {
        match detector.update(&mut state, x) {
            Verdict::Drift => said.drifts.push(i),
            Verdict::Warning => match said.warnings.last_mut() {
                Some(range) if range[1] == i => range[1] = i + 1,
                _ => said.warnings.push([i, i + 1]),
            },
            Verdict::None => {}
        }
    }
    said
}

/// Compares all cases of `name`, with `rows` for ADWIN, and gives how many drifts there were.
fn compare(name: &str, extra: &[(&str, f32)]) -> usize {
    let fixture = fixture();
    let streams = streams(&fixture);
    let mut drifts = 0;
    for case in fixture.cases.iter().filter(|c| c.detector == name) {
        let mut parameters = case.parameters.clone();
        parameters.extend(extra.iter().map(|(key, value)| ((*key).to_owned(), *value)));
        let detector = detector(name, &parameters);
        assert!(case.says.len() >= 100);
        for (i, (expected, stream)) in case.says.iter().zip(&streams).enumerate() {
            assert_eq!(
                &said(&detector, stream),
                expected,
                "{detector:?}, stream {i}"
            );
            drifts += expected.drifts.len();
        }
    }
    drifts
}

#[test]
fn ddm_says_what_river_says() {
    assert!(compare("ddm", &[]) > 400);
}

#[test]
fn eddm_says_what_river_says() {
    assert!(compare("eddm", &[]) > 400);
}

#[test]
fn page_hinkley_says_what_river_says() {
    assert!(compare("page_hinkley", &[]) > 1000);
}

#[test]
fn hddm_a_says_what_river_says() {
    assert!(compare("hddm_a", &[]) > 200);
}

#[test]
fn hddm_w_says_what_river_says() {
    assert!(compare("hddm_w", &[]) > 400);
}

#[test]
fn cusum_says_what_moa_says() {
    assert!(compare("cusum", &[]) > 1000);
}

#[test]
fn adwin_says_what_river_says_until_its_bound_is_reached() {
    // 12 rows hold every stream whole.
    assert!(compare("adwin", &[("rows", 12.0)]) > 300);
    // Seven rows hold 127 times a row's buckets: what comes up to then is the same, what comes later need not be.
    let fixture = fixture();
    let (streams, mut compared, mut differ) = (streams(&fixture), 0, 0);
    for case in fixture.cases.iter().filter(|c| c.detector == "adwin") {
        let mut parameters = case.parameters.clone();
        parameters.insert("rows".to_owned(), 7.0);
        let detector = detector("adwin", &parameters);
        let bound = 127 * case.parameters["buckets"] as usize;
        for (expected, stream) in case.says.iter().zip(&streams) {
            let ours = said(&detector, stream);
            differ += usize::from(&ours != expected);
            let (mut ours, mut river) = (ours.drifts.iter(), expected.drifts.iter());
            let mut start = 0;
            loop {
                let next = (ours.next(), river.next());
                let within = |drift: Option<&usize>| drift.is_some_and(|&i| i < start + bound);
                if !within(next.0) && !within(next.1) {
                    break;
                }
                assert_eq!(next.0, next.1);
                start = next.0.map_or(start, |i| i + 1);
                compared += 1;
            }
        }
    }
    assert!(
        compared > 100 && differ > 10,
        "{compared} compared, {differ} differ"
    );
}

#[test]
fn kswin_has_the_statistic_of_river_on_the_windows_that_it_drew() {
    let fixture = fixture();
    let (streams, mut looks, mut drifts) = (streams(&fixture), 0, 0);
    for (stream, seen) in streams.iter().step_by(3).zip(&fixture.kswin) {
        for look in seen {
            let window = &stream[look.at + 1 - 100..=look.at];
            let mask = u128::from_str_radix(&look.drawn, 16).expect("a mask");
            let drawn = (0..70).filter(|i| mask >> i & 1 == 1).map(|i| window[i]);
            assert_eq!(drawn.clone().count(), 30);
            let (d, recent) = (look.distance, window[70..].iter().copied());
            assert_eq!(distance(drawn, recent), d);
            let p = probability(d, 30);
            assert!(
                (p - look.probability).abs() <= 1e-5 * look.probability,
                "{p}"
            );
            assert_eq!(p <= 0.005 && d > 3, look.drift);
            (looks, drifts) = (looks + 1, drifts + usize::from(look.drift));
        }
    }
    assert!(looks > 400 && drifts > 20, "{looks} looks, {drifts} drifts");
}

/// Errors rise from 2 % to 22 % at sample 100 of 600. Of 300 streams: the share with a drift before sample 100, the
/// share whose first drift is later, and the median of that one's delay.
fn rates(name: &str, given: &[(&str, f32)]) -> (f64, f64, usize) {
    let given = given
        .iter()
        .map(|(key, value)| ((*key).to_owned(), *value))
        .collect();
    let detector = detector(name, &given);
    let (mut early, mut delays) = (0, Vec::new());
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        let rate = |i| if i < 100 { 0.02 } else { 0.22 };
        let errors: Vec<f32> = (0..600)
            .map(|i| f32::from(u8::from(rng.unit() < rate(i))))
            .collect();
        let drifts = said(&detector, &errors).drifts;
        early += usize::from(drifts.first().is_some_and(|&i| i < 100));
        delays.extend(drifts.iter().find(|&&i| i >= 100).map(|i| i - 100));
    }
    delays.sort_unstable();
    let median = delays.get(delays.len() / 2).copied().unwrap_or(600);
    (early as f64 / 300.0, delays.len() as f64 / 300.0, median)
}

/// What river 0.26.1 was found to do on 300 other streams of this kind; shares to 3.3 of their standard errors.
#[test]
fn published_defaults_do_on_short_streams_what_they_do_in_river() {
    let near = |share: f64, known: f64| {
        let error = (2.0 * known.max(0.01) * (1.0 - known).max(0.01) / 300.0).sqrt();
        assert!(
            (share - known).abs() <= 3.3 * error,
            "{share} is not {known}"
        );
    };
    let (early, _, _) = rates("ddm", &[]);
    near(early, 0.47);
    let (_, detected, _) = rates("adwin", &[]);
    near(detected, 0.01);
    let (_, detected, _) = rates("page_hinkley", &[("threshold", 50.0)]);
    near(detected, 0.003);
    let (early, detected, delay) = rates("page_hinkley", &[("threshold", 5.0)]);
    assert!(
        early == 0.0 && detected == 1.0 && (20..=28).contains(&delay),
        "{early} {detected} {delay}"
    );
    let (_, detected, delay) = rates("eddm", &[]);
    assert!(
        detected > 0.98 && (115..=145).contains(&delay),
        "{detected} {delay}"
    );
}
