//! Plans of networks that nobody could train: what does not fit is known before any weight is made, and at once.

use runtime_shared::kernels::Shape;
use sim_compiler::graph::{Graph, Op};
use sim_compiler::network::LayerSpec;
use sim_compiler::ops::activation::ActivationSpec;
use sim_compiler::ops::add::Add;
use sim_compiler::ops::dense::{Dense, DenseSpec};
use sim_compiler::{
    Error, LossSpec, NetworkSpec, Online, Options, Parameters, PolicySpec, Scheme, Tensor,
    Training, account, compile,
};
use std::time::Instant;

fn options(scheme: Scheme) -> Options {
    Options {
        scheme,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.01),
        online: Online::fifo(7),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    }
}

fn dense(units: usize) -> LayerSpec {
    LayerSpec::Dense(DenseSpec {
        name: None,
        units,
        activation: ActivationSpec::Relu,
        bias: true,
    })
}

fn network(layers: Vec<LayerSpec>) -> Graph {
    let input = Shape { h: 28, w: 28, c: 1 };
    NetworkSpec { layers }.build(input, 1).expect("it builds")
}

#[test]
fn a_network_of_a_billion_weights_is_planned_in_no_time() {
    let graph = network(vec![dense(4000); 60]);
    assert!(graph.parameter_count() > 900_000_000);
    let start = Instant::now();
    let refused = account(&graph, &options(Scheme::Full));
    assert!(matches!(refused, Err(Error::Option { .. })), "{refused:?}");
    // Trained or not, its weights must lie in flash.
    assert!(account(&graph, &options(Scheme::Last(1))).is_err());
    assert!(compile(&graph, &options(Scheme::None)).is_err());
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 5.0, "{seconds} s");
}

#[test]
fn an_account_is_that_of_the_image() {
    let mut layers = vec![dense(20); 3];
    layers.push(dense(4));
    let graph = network(layers);
    for scheme in [Scheme::None, Scheme::Full, Scheme::Last(2), Scheme::Bias] {
        for policy in [PolicySpec::None, PolicySpec::ClassBalanced] {
            let mut options = options(scheme.clone());
            options.online.policy = policy;
            let compiled = compile(&graph, &options).expect("it compiles");
            let account = account(&graph, &options).expect("it is planned");
            assert_eq!(account.arena, compiled.arena);
            assert_eq!(account.flash, compiled.flash);
            assert_eq!(account.parameters, compiled.parameters);
            assert_eq!(account.image_bytes(), compiled.image.len());
        }
    }
}

#[test]
fn hundreds_of_layers_compile_at_once() {
    let start = Instant::now();
    let mut layers = vec![dense(12); 400];
    layers.push(dense(4));
    compile(&network(layers), &options(Scheme::Full)).expect("it compiles");
    // A residual around each layer keeps everything alive.
    let input = Shape { h: 1, w: 1, c: 8 };
    let mut graph = Graph::new(input).expect("it builds");
    for i in 0..400 {
        let last = graph.output();
        let layer = Dense {
            units: 8,
            parameters: Parameters {
                weights: Tensor::zeros(64),
                bias: None,
            },
        };
        let id = graph
            .push(&format!("dense {i}"), layer, &[last])
            .expect("it fits");
        graph
            .push(&format!("add {i}"), Add, &[id, last])
            .expect("it fits");
    }
    graph.initialise(1);
    compile(&graph, &options(Scheme::Full)).expect("it compiles");
    let seconds = start.elapsed().as_secs_f64();
    assert!(seconds < 20.0, "{seconds} s");
}

#[test]
fn weights_are_shared_between_copies_of_a_graph() {
    let mut graph = network(vec![dense(4)]);
    let id = graph.weighted().next().expect("there is one");
    let values: Vec<f32> = (0..784 * 4).map(|i| i as f32).collect();
    graph
        .set_parameter(id, sim_compiler::Part::Weights, values)
        .expect("as many");
    let address = |graph: &Graph| match &graph.nodes()[id].op {
        Op::Dense(d) => d.parameters.weights.values().as_ptr(),
        _ => unreachable!("it is dense"),
    };
    assert_eq!(address(&graph), address(&graph.clone()));
}
