//! Drawn digits: the same everywhere, too hard for one template a class, and never mixed up.

use experiments::data::{
    Normalisation, Normaliser,
    strokes::{Options, draw},
};

/// The bytes are part of what a run reports, so they must not depend on machine, threads or version.
/// After a deliberate change of the drawing, put the new digests here.
#[test]
fn the_default_digits_are_the_same_on_every_machine() {
    let data = draw(Options::default()).expect("digits");
    let expected = [
        (
            "train",
            "3cb0faaa735bcaa6339d397b6200dda8ea1fe640c02b2b3d53341dea44ee6c91",
        ),
        (
            "test",
            "e9fad2c27c99cf5ab0baa9f6c546bd5e010d5a31e310d73290a0c63d7f520dd7",
        ),
    ];
    assert_eq!(
        data.digests,
        expected.map(|(name, digest)| (name.into(), digest.into()))
    );
    assert_eq!(data.train.class_counts(10), [2000; 10]);
    assert_eq!(data.test.class_counts(10), [400; 10]);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let few = Options {
        train: 300,
        test: 100,
        ..Options::default()
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool");
        pool.install(|| draw(few)).expect("digits")
    };
    assert_eq!(with(1), with(5));
}

#[test]
fn no_test_image_is_a_training_image() {
    let data = draw(Options {
        train: 2_000,
        test: 500,
        ..Options::default()
    })
    .expect("digits");
    let train: std::collections::HashSet<&[u8]> =
        data.train.iter().map(|(image, _)| image).collect();
    assert_eq!(train.len(), 2_000);
    assert!(data.test.iter().all(|(image, _)| !train.contains(image)));
}

/// A softmax regression learns something, but one template a class is not enough.
#[test]
fn a_linear_classifier_stays_below_90_percent() {
    let data = draw(Options::default()).expect("digits");
    let normaliser = Normaliser::of(Normalisation::Standard, &data.train);
    let inputs = data.shape.len();
    let mut weights = vec![[0.0f32; 10]; inputs + 1];
    let logits = |weights: &[[f32; 10]], x: &[f32]| {
        let mut out = weights[inputs];
        for (&x, row) in x.iter().zip(weights) {
            out.iter_mut().zip(row).for_each(|(o, w)| *o += x * w);
        }
        out
    };
    let mut x = vec![0.0; inputs];
    for epoch in 0..8 {
        let rate = 0.001 / (1.0 + epoch as f32);
        for (image, label) in data.train.iter() {
            normaliser.apply(image, &mut x);
            let mut delta = logits(&weights, &x);
            let top = delta.iter().copied().fold(f32::MIN, f32::max);
            delta.iter_mut().for_each(|d| *d = (*d - top).exp());
            let sum: f32 = delta.iter().sum();
            delta.iter_mut().for_each(|d| *d *= rate / sum);
            delta[usize::from(label)] -= rate;
            for (&x, row) in x.iter().chain([&1.0]).zip(&mut weights) {
                row.iter_mut().zip(&delta).for_each(|(w, d)| *w -= x * d);
            }
        }
    }
    let right = data.test.iter().filter(|&(image, label)| {
        normaliser.apply(image, &mut x);
        let out = logits(&weights, &x);
        (0..10).max_by(|&a, &b| out[a].total_cmp(&out[b])) == Some(usize::from(label))
    });
    let accuracy = right.count() as f64 / data.test.len() as f64;
    println!("accuracy of a softmax regression: {accuracy}");
    assert!((0.6..0.9).contains(&accuracy), "{accuracy}");
}
