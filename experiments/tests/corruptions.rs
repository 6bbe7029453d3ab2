//! Corruptions against scikit-image (`scripts/corruptions.py`), and, where they are drawn at random, against the
//! distributions that define them.

use experiments::data::Shape;
use experiments::scenario::corruption::{Corruption, SEVERITIES, turned};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Fixture {
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    shape: [usize; 3],
    image: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: Corruption,
    severity: u8,
    any_of: Vec<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("hexadecimal");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn what_is_not_drawn_is_scikit_images() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/corruptions.json");
    let json = std::fs::read(path).expect("the fixture is there");
    let fixture: Fixture = serde_json::from_slice(&json).expect("it is what it should be");
    let mut compared = 0;
    for image in &fixture.images {
        let [height, width, channels] = image.shape;
        let shape = Shape {
            height,
            width,
            channels,
        };
        let pixels = bytes(&image.image);
        for case in &image.cases {
            let name = format!("{} {} {}", case.kind.name(), case.severity, shape);
            let candidates: Vec<Vec<u8>> = case.any_of.iter().map(|hex| bytes(hex)).collect();
            let mut met = vec![false; candidates.len()];
            for seed in 0..40 {
                let ours = case.kind.apply(&pixels, shape, case.severity, seed);
                // The nearest byte; where two are as near, to what a word of 16 bits can say, either of them.
                let nearest = |(word, byte): (&[u8], &u8)| {
                    let theirs = f64::from(u16::from_be_bytes([word[0], word[1]])) / 257.0;
                    (theirs - f64::from(*byte)).abs() <= 0.5 + 1.0 / 257.0
                };
                let equal = |theirs: &Vec<u8>| {
                    theirs.len() == 2 * ours.len() && theirs.chunks_exact(2).zip(&ours).all(nearest)
                };
                let which = candidates.iter().position(equal);
                met[which.unwrap_or_else(|| panic!("{name} is something else"))] = true;
            }
            assert!(
                met.iter().all(|m| *m),
                "{name}: some direction was never drawn"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 30);
}

/// Mean and deviation of what a grey of `level` becomes.
fn noise(kind: Corruption, severity: u8, level: u8) -> (f64, f64) {
    let shape = Shape {
        height: 200,
        width: 200,
        channels: 1,
    };
    let values: Vec<f64> = kind
        .apply(&vec![level; shape.len()], shape, severity, 5)
        .iter()
        .map(|b| f64::from(*b) / 255.0)
        .collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    (mean, (square / values.len() as f64).sqrt())
}

/// At 40,000 pixels a mean is known to a two-hundredth of the deviation, a deviation to a three-hundredth of itself; what
/// bytes round is below that.
#[test]
fn noise_has_the_mean_and_deviation_that_define_it() {
    let x = 120.0 / 255.0;
    let check = |kind, severity, deviation: f64| {
        let (mean, spread) = noise(kind, severity, 120);
        assert!((mean - x).abs() < 0.02 * deviation, "{kind:?}: {mean}");
        assert!(
            (spread / deviation - 1.0).abs() < 0.02,
            "{kind:?}: {spread}"
        );
    };
    check(Corruption::GaussianNoise, 1, 0.08);
    check(Corruption::SpeckleNoise, 3, 0.35 * x);
    check(Corruption::ShotNoise, 1, (x / 60.0).sqrt());
    let (mean, spread) = noise(Corruption::ImpulseNoise, 5, 120);
    let spoilt = 0.27;
    let expected = (1.0 - spoilt) * x + spoilt * 0.5;
    let second = (1.0 - spoilt) * x * x + spoilt * 0.5;
    assert!(
        (mean - expected).abs() < 0.01
            && (spread - (second - expected * expected).sqrt()).abs() < 0.01
    );
}

#[test]
fn images_are_spoilt_the_same_way_each_time_and_the_more_the_severer() {
    let shape = Shape {
        height: 28,
        width: 28,
        channels: 1,
    };
    let image: Vec<u8> = (0..shape.len())
        .map(|i| if i % 28 > 9 && i / 28 > 12 { 200 } else { 30 })
        .collect();
    let far = |kind: Corruption, severity, seed| {
        let spoilt = kind.apply(&image, shape, severity, seed);
        assert_eq!(spoilt, kind.apply(&image, shape, severity, seed));
        let distances = spoilt
            .iter()
            .zip(&image)
            .map(|(a, b)| f64::from(a.abs_diff(*b)));
        distances.sum::<f64>()
    };
    for kind in Corruption::ALL {
        let mean = |severity| (0..20).map(|seed| far(kind, severity, seed)).sum::<f64>();
        let all: Vec<f64> = SEVERITIES.map(mean).collect();
        assert!(all.iter().all(|d| *d > 0.0), "{kind:?}");
        let same = matches!(kind, Corruption::Stripe | Corruption::Inverse);
        assert!(
            all.windows(2)
                .all(|w| if same { w[0] == w[1] } else { w[0] < w[1] }),
            "{kind:?} {all:?}"
        );
        let named = format!("\"{}\"", kind.name());
        assert_eq!(serde_json::to_string(&kind).ok(), Some(named));
    }
}

#[test]
fn a_quarter_turn_puts_the_top_to_the_right() {
    let shape = Shape {
        height: 3,
        width: 3,
        channels: 1,
    };
    let turned = turned(
        &[1, 2, 3, 4, 5, 6, 7, 8, 9],
        shape,
        std::f64::consts::FRAC_PI_2,
    );
    assert_eq!(turned, [7, 4, 1, 8, 5, 2, 9, 6, 3]);
}
