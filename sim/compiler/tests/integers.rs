//! What networks in integers take, and which are refused.

use runtime_shared::kernels::Shape;
use sim_compiler::{
    Arithmetic, Class, Error, LossSpec, NetworkSpec, Online, Options, Scheme, Training, account,
    compile,
};

fn options(arithmetic: Arithmetic) -> Options {
    Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training {
            arithmetic,
            ..Training::sgd(0.01)
        },
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    }
}

const GREY: Shape = Shape { h: 28, w: 28, c: 1 };

fn graph(layers: &str, input: Shape) -> sim_compiler::Graph {
    let spec: NetworkSpec = toml::from_str(layers).expect("a network");
    spec.build(input, 1).expect("a network")
}

#[test]
fn arenas_are_a_half_and_a_quarter_of_those_of_floats() {
    let ffnn = include_str!("../../../configs/networks/ffnn.toml");
    let cnn = include_str!("../../../configs/networks/thesis_cnn.toml");
    for (name, layers, arithmetic, most) in [
        ("784-32-10", ffnn, Arithmetic::Int16, 53_000),
        ("784-32-10", ffnn, Arithmetic::Int8, 28_000),
        ("thesis CNN", cnn, Arithmetic::Int16, 10_500),
        ("thesis CNN", cnn, Arithmetic::Int8, 7_500),
    ] {
        let graph = graph(layers, GREY);
        let account = account(&graph, &options(arithmetic)).expect("it compiles");
        let bytes = account.arena_bytes();
        for block in &account.arena {
            println!(
                "{name} {arithmetic:?} {:?} {} {}",
                block.kind, block.what, block.bytes
            );
        }
        println!("{name} {arithmetic:?}: {bytes}");
        assert!(bytes <= most, "{name} {arithmetic:?}: {bytes} B");
        let image = compile(&graph, &options(arithmetic))
            .expect("it compiles")
            .image;
        assert_eq!(image.len(), account.image_bytes());
    }
}

/// The sentence with which `layers` over `input` are refused.
fn refusal(layers: &str, input: Shape, change: impl Fn(&mut Options)) -> String {
    let mut options = options(Arithmetic::Int16);
    change(&mut options);
    match compile(&graph(layers, input), &options) {
        Ok(_) => panic!("{layers} compiles"),
        Err(error @ (Error::Integers { .. } | Error::Option { .. })) => error.to_string(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_could_overflow_or_does_not_exist_is_refused_by_name() {
    let huge = Shape {
        h: 3,
        w: 3,
        c: 20_000,
    };
    let wide = "layers = [{ conv2d = { name = \"huge\", filters = 1, kernel = 3 } }, { dense = { units = 2 } }]";
    let i8 = |o: &mut Options| {
        o.training.classes.insert("huge".to_owned(), Class::I8);
    };
    let nothing = |_: &mut Options| {};
    let cases = [
        (
            refusal(wide, huge, i8),
            "`huge` cannot be computed in integers: a sum of 180000 products could exceed 32 bits",
        ),
        (refusal(wide, huge, nothing), "`huge`"),
        (
            refusal(
                "layers = [{ dense = { name = \"a\", units = 4, activation = \"tanh\" } }, { dense = { units = 2 } }]",
                GREY,
                nothing,
            ),
            "`a` cannot be computed in integers: only `relu`",
        ),
        (
            refusal(
                "layers = [{ dense = { name = \"last\", units = 4, activation = \"relu\" } }]",
                GREY,
                nothing,
            ),
            "`last` cannot be computed in integers: the last layer has to be `dense`",
        ),
        (
            refusal(
                "layers = [{ conv2d = { name = \"c\", filters = 2, kernel = 1 } }, { flatten = {} }, { dense = { units = 2 } }]",
                Shape { h: 2, w: 300, c: 1 },
                nothing,
            ),
            "`c` cannot be computed in integers: its output is 300 wide",
        ),
        (
            refusal("layers = [{ dense = { units = 2 } }]", GREY, |o| {
                o.training.learning_rate = 0.5
            }),
            "learning_rate",
        ),
        (
            refusal("layers = [{ dense = { units = 2 } }]", GREY, |o| {
                o.training.optimiser = sim_compiler::Optimiser::Momentum { momentum: 0.9 };
            }),
            "sgd in integers",
        ),
        (
            refusal("layers = [{ dense = { units = 2 } }]", GREY, |o| {
                o.training.clip_value = Some(1.0)
            }),
            "clip",
        ),
        (
            refusal("layers = [{ dense = { units = 2 } }]", GREY, |o| {
                o.training.classes.insert("nobody".to_owned(), Class::I8);
            }),
            "nobody",
        ),
        (
            refusal("layers = [{ dense = { units = 2 } }]", GREY, |o| {
                o.loss = LossSpec::BinaryCrossEntropy
            }),
            "cross_entropy or mse",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.contains(expected), "{found}\nlacks: {expected}");
    }
}
