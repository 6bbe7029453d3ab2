//! Graphs from outside: whatever is pushed, there is an error or a sound graph, never a panic.

use proptest::prelude::*;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::Element;
use sim_compiler::graph::{Graph, Op, Window, shape};
use sim_compiler::moved::Axis;
use sim_compiler::ops::{
    add::Add, affine::Affine, average_pool::AveragePool, batch_norm::BatchNorm,
    batch_norm::Statistics, concat::Concat, conv2d::Conv2d, dense::Dense, depthwise::Depthwise,
    dropout::Dropout, flatten::Flatten, input::Input, log_softmax::LogSoftmax, max_pool::MaxPool,
    multiply::Multiply, pad::Pad, reshape::Reshape, slice::Slice, softmax::Softmax,
    transpose::Transpose, unfold::Unfold,
};
use sim_compiler::{
    Error, LossSpec, NetworkSpec, Online, Options, Parameters, Scheme, Tensor, Training, account,
    compile,
};

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        8 => 0usize..6,
        1 => Just(65535usize),
        1 => Just(65536usize),
        1 => Just(usize::MAX),
        1 => Just(1usize << 33),
    ]
}

fn pair() -> impl Strategy<Value = (usize, usize)> {
    (size(), size())
}

fn window() -> impl Strategy<Value = Window> {
    (pair(), pair(), pair(), pair()).prop_map(|(kernel, stride, pad, output)| Window {
        kernel,
        stride,
        pad,
        output,
    })
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        6 => -1.5f32..1.5,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(0.0f32),
        1 => Just(-1e30f32),
    ]
}

fn row() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(number(), 0..4)
}

fn tensor() -> impl Strategy<Value = Tensor> {
    prop_oneof![size().prop_map(Tensor::zeros), row().prop_map(Tensor::from)]
}

fn parameters() -> impl Strategy<Value = Parameters> {
    (tensor(), prop::option::of(tensor())).prop_map(|(weights, bias)| Parameters { weights, bias })
}

fn three() -> impl Strategy<Value = [usize; 3]> {
    (size(), size(), size()).prop_map(|(a, b, c)| [a, b, c])
}

fn axis() -> impl Strategy<Value = Axis> {
    prop_oneof![Just(Axis::Height), Just(Axis::Width), Just(Axis::Channels)]
}

fn op() -> impl Strategy<Value = Op> {
    let statistics = prop::option::of((row(), row()));
    let norm = (row(), row(), statistics, number());
    prop_oneof![
        (size(), size(), size()).prop_map(|(h, w, c)| Input {
            shape: Shape { h, w, c },
            element: Element::U8,
        }
        .into()),
        (size(), parameters()).prop_map(|(units, parameters)| Dense { units, parameters }.into()),
        (window(), size(), parameters()).prop_map(|(window, filters, parameters)| Conv2d {
            window,
            filters,
            parameters
        }
        .into()),
        (window(), size(), parameters()).prop_map(|(window, multiplier, parameters)| Depthwise {
            window,
            multiplier,
            parameters
        }
        .into()),
        (size(), size(), size()).prop_map(|(h, w, c)| Reshape {
            shape: Shape { h, w, c }
        }
        .into()),
        (row(), row()).prop_map(|(scale, shift)| Affine { scale, shift }.into()),
        (row(), row()).prop_map(|(scale, shift)| Affine::new(scale, shift).into()),
        axis().prop_map(|axis| Concat { axis }.into()),
        (three(), three(), number()).prop_map(|(before, after, value)| Pad {
            before,
            after,
            value
        }
        .into()),
        (three(), three()).prop_map(|(start, [h, w, c])| Slice {
            start,
            shape: Shape { h, w, c }
        }
        .into()),
        (axis(), axis(), axis()).prop_map(|(a, b, c)| Transpose { axes: [a, b, c] }.into()),
        Just(Multiply.into()),
        Just(LogSoftmax.into()),
        number().prop_map(|alpha| Activation::Elu(alpha).into()),
        (window(), pair()).prop_map(|(window, dilation)| Unfold { window, dilation }.into()),
        window().prop_map(|window| MaxPool { window }.into()),
        window().prop_map(|window| AveragePool { window }.into()),
        number().prop_map(|slope| Activation::LeakyRelu(slope).into()),
        Just(Softmax.into()),
        Just(Add.into()),
        Just(Flatten.into()),
        norm.prop_map(|(gamma, beta, statistics, epsilon)| BatchNorm {
            gamma,
            beta,
            statistics: statistics.map(|(mean, variance)| Statistics { mean, variance }),
            epsilon,
        }
        .into()),
        number().prop_map(|rate| Dropout { rate }.into()),
    ]
}

/// A convolution that fits, so that graphs become deeper than their first refusal.
fn fitting(graph: &Graph) -> Op {
    let c = graph.nodes()[graph.output()].shape.c;
    let window = Window {
        kernel: (1, 1),
        stride: (1, 1),
        pad: (0, 0),
        output: {
            let shape = graph.nodes()[graph.output()].shape;
            (shape.h, shape.w)
        },
    };
    Conv2d {
        window,
        filters: 2,
        parameters: Parameters {
            weights: Tensor::same(c.saturating_mul(2), 0.5),
            bias: None,
        },
    }
    .into()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_pushed_the_graph_stays_sound(
        input in (size(), size(), size()),
        steps in prop::collection::vec(
            (op(), prop::collection::vec(0usize..6, 0..4), any::<bool>()), 1..10),
    ) {
        let (h, w, c) = input;
        let Ok(mut graph) = Graph::new(Shape { h, w, c }) else { return Ok(()) };
        for (i, (op, inputs, fits)) in steps.into_iter().enumerate() {
            let before = graph.clone();
            let last = graph.output();
            let pushed = if fits {
                let op = fitting(&graph);
                graph.push(&format!("fitting {i}"), op, &[last])
            } else {
                graph.push(&format!("layer {i}"), op, &inputs)
            };
            if let Err(error) = pushed {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(&before, &graph);
            }
        }
        let options = Options {
            scheme: Scheme::Full,
            loss: LossSpec::Mse,
            training: Training::sgd(0.1),
            online: Online::default(),
            normalisation: vec![(1.0, 0.0)],
            seed: 1,
        };
        let planned = account(&graph, &options);
        if planned.is_ok_and(|a| a.image_bytes() < 1 << 22) {
            let compiled = compile(&graph, &options);
            let internal = matches!(compiled, Err(Error::Internal(_)));
            prop_assert!(!internal, "{compiled:?}");
        }
    }
}

#[test]
fn shapes_are_images_series_or_vectors() {
    let of = |dimensions: &[usize]| shape("x", dimensions).map(|s| (s.h, s.w, s.c));
    assert_eq!(of(&[4, 5, 6]), Ok((4, 5, 6)));
    assert_eq!(of(&[5, 6]), Ok((1, 5, 6)));
    assert_eq!(of(&[6]), Ok((1, 1, 6)));
    assert!(matches!(of(&[]), Err(Error::Rank { .. })));
    assert!(matches!(of(&[1, 2, 3, 4]), Err(Error::Rank { .. })));
}

fn norm(mean: f32, variance: f32, epsilon: f32) -> Result<Graph, Error> {
    let layers = format!(
        "layers = [{{ batch_norm = {{ mean = [{mean:e}], variance = [{variance:e}], epsilon = {epsilon:e} }} }}, \
         {{ dense = {{ units = 2 }} }}]"
    );
    let spec: NetworkSpec = toml::from_str(&layers).expect("it parses");
    spec.build(Shape { h: 2, w: 2, c: 1 }, 1)
}

#[test]
fn statistics_that_make_no_numbers_are_refused() {
    assert!(norm(0.5, 2.0, 1e-3).is_ok());
    assert!(norm(0.5, 0.0, 1e-3).is_ok());
    for (mean, variance, epsilon) in [
        (0.5, 0.0, 0.0),
        (0.5, -1.0, 1e-3),
        (0.5, -1.0, 2.0),
        (0.5, 1.0, -1e-3),
        (3e38, 1e-38, 0.0),
    ] {
        let refused = norm(mean, variance, epsilon);
        assert!(
            matches!(&refused, Err(Error::Value { layer, .. }) if layer == "batch_norm_1"),
            "{mean} {variance} {epsilon}: {refused:?}"
        );
    }
}

#[test]
fn statistics_that_are_missing_are_asked_for_when_an_image_is() {
    let read = |layers: &str| toml::from_str::<NetworkSpec>(layers).expect("it parses");
    let input = Shape { h: 2, w: 2, c: 1 };
    let spec = read("layers = [{ batch_norm = {} }, { dense = { units = 2 } }]");
    let graph = spec.build(input, 1).expect("it builds");
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.1),
        online: Online::default(),
        normalisation: vec![(1.0, 0.0)],
        seed: 1,
    };
    assert!(account(&graph, &options).is_ok());
    let refused = compile(&graph, &options).map(|_| ());
    assert_eq!(refused, Err(Error::Statistics("batch_norm_1".to_owned())));
    let half = read("layers = [{ batch_norm = { mean = [0.5] } }, { dense = { units = 2 } }]");
    assert!(matches!(
        half.build(input, 1),
        Err(Error::HalfStatistics(_))
    ));
}
