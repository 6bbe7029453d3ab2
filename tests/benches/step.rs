//! How long a training step takes on the host: forward, backward and update of one sample, plain SGD.
//!
//!     cargo bench -p tests --bench step
//!
//! The networks are those of the comparison with other frameworks on a Cortex-M4F; the files are the built-in
//! ones of `configs/networks`. Samples are random: grey ones with four of five pixels black, as in MNIST, because
//! rows of weights under a black pixel are skipped; colour ones without black.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::rng::Rng;
use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};
use tests::memory::Arena;

const GREY: Shape = Shape { h: 28, w: 28, c: 1 };
const COLOUR: Shape = Shape { h: 32, w: 32, c: 3 };
const CLASSES: u32 = 10;
/// Samples shown in turn, so that none of them is learnt by heart.
const SAMPLES: usize = 64;

const WIDE: &str = r#"
layers = [
    { dense = { units = 64, activation = "relu" } },
    { dense = { units = 10 } },
]
"#;

/// Name, layers, shape of a sample, share of its pixels that are not black: one of so many.
const NETWORKS: &[(&str, &str, Shape, u32)] = &[
    (
        "784-32-10",
        include_str!("../../configs/networks/ffnn.toml"),
        GREY,
        5,
    ),
    ("784-64-10", WIDE, GREY, 5),
    (
        "thesis CNN",
        include_str!("../../configs/networks/thesis_cnn.toml"),
        GREY,
        5,
    ),
    (
        "LeNet-5",
        include_str!("../../configs/networks/lenet5.toml"),
        GREY,
        5,
    ),
    (
        "CIFAR CNN",
        include_str!("../../configs/networks/cifar_cnn.toml"),
        COLOUR,
        1,
    ),
];

fn samples(shape: Shape, one_of: u32, rng: &mut Rng) -> Vec<(Vec<u8>, usize)> {
    let pixel = |rng: &mut Rng| {
        let lit = rng.below(one_of) == 0;
        if lit { 1 + rng.below(255) as u8 } else { 0 }
    };
    let sample = |rng: &mut Rng| (0..shape.len()).map(|_| pixel(rng)).collect();
    (0..SAMPLES)
        .map(|_| (sample(rng), rng.below(CLASSES) as usize))
        .collect()
}

fn steps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("training step");
    for &(name, layers, shape, one_of) in NETWORKS {
        let spec: NetworkSpec = toml::from_str(layers).expect("the network parses");
        let graph = spec.build(shape, 1).expect("the network builds");
        let options = Options {
            scheme: Scheme::Full,
            loss: LossSpec::CrossEntropy,
            training: Training::sgd(1e-3),
            online: Online::default(),
            normalisation: vec![(1.0 / 255.0, 0.0)],
            seed: 1,
        };
        let compiled = compile(&graph, &options).expect("the network compiles");
        let mut arena = Arena::new(compiled.arena_bytes());
        let mut learner =
            Learner::new(compiled.program(), arena.bytes_mut()).expect("the arena is as asked for");
        let samples = samples(shape, one_of, &mut Rng::new(1));
        let mut turn = samples.iter().cycle();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let Some((sample, label)) = turn.next() else {
                    return;
                };
                let update = learner.train(black_box(sample), *label, &mut ());
                black_box(update.expect("the loss is a number"));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
