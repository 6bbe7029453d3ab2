//! Batch normalisation without statistics: estimated from samples it normalises what it is given.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rng::Rng;
use runtime_shared::learner::Learner;
use sim_compiler::graph::Op;
use sim_compiler::{
    Error, Graph, LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile, statistics,
};

const NETWORK: &str = r#"layers = [
    { conv2d = { filters = 3, kernel = 3, activation = "relu" } }, { batch_norm = { name = "first" } },
    { conv2d = { filters = 2, kernel = 2 } }, { batch_norm = { mean = [0.5, 0.25], variance = [4.0, 9.0] } },
    { flatten = {} }, { dense = { units = 7 } }, { batch_norm = { name = "last" } }]"#;

fn graph() -> Graph {
    let spec: NetworkSpec = toml::from_str(NETWORK).expect("it parses");
    let input = Shape { h: 6, w: 5, c: 1 };
    spec.build(input, 3).expect("it builds")
}

fn samples() -> Vec<Vec<u8>> {
    let mut rng = Rng::new(8);
    let sample = |_| (0..30).map(|_| rng.next_u32() as u8).collect();
    (0..200).map(sample).collect()
}

fn options() -> Options {
    Options {
        scheme: Scheme::Full,
        loss: LossSpec::Mse,
        training: Training::sgd(0.1),
        online: Online::default(),
        normalisation: vec![(1.0 / 64.0, -2.0)],
        seed: 1,
    }
}

/// Mean and variance of what node `name` computes, a channel each.
fn measured(graph: &Graph, name: &str, samples: &[Vec<u8>]) -> Vec<(f64, f64)> {
    let mut graph = graph.clone();
    let id = graph.find(name).expect("it is there");
    graph.set_outputs(&[id]).expect("it is there");
    let channels = graph.nodes()[id].shape.c;
    let compiled = compile(&graph, &options()).expect("it compiles");
    let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
    let arena = bytemuck::cast_slice_mut(&mut arena);
    let mut learner = Learner::new(compiled.program(), arena).expect("it fits");
    let mut values = vec![Vec::new(); channels];
    for sample in samples {
        learner.infer(sample, &mut ()).expect("it infers");
        let outputs = learner.outputs().iter().enumerate();
        outputs.for_each(|(i, &y)| values[i % channels].push(f64::from(y)));
    }
    let moments = |v: &Vec<f64>| {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        let squares = v.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        (mean, squares / v.len() as f64)
    };
    values.iter().map(moments).collect()
}

#[test]
fn estimated_statistics_normalise_the_samples_that_they_are_of() {
    let (mut graph, samples) = (graph(), samples());
    let given: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    let known = graph.nodes()[graph.find("batch_norm_2").expect("there")].clone();
    let estimated = statistics::estimate(&mut graph, &options().normalisation, &given);
    assert_eq!(estimated, Ok(2));
    assert_eq!(
        graph.nodes()[graph.find("batch_norm_2").expect("there")],
        known
    );
    for name in ["first", "last"] {
        for (mean, variance) in measured(&graph, name, &samples) {
            assert!(mean.abs() < 1e-4, "{name}: mean {mean}");
            // Epsilon, 0.001, is part of what is divided by.
            assert!(
                (0.9..1.0).contains(&variance),
                "{name}: variance {variance}"
            );
        }
    }
    assert_eq!(statistics::estimate(&mut graph, &[(1.0, 0.0)], &[]), Ok(0));
}

#[test]
fn without_samples_there_are_no_statistics() {
    let mut graph = graph();
    let refused = statistics::estimate(&mut graph, &options().normalisation, &[]);
    assert!(
        matches!(&refused, Err(Error::Samples { layer, .. }) if layer == "first"),
        "{refused:?}"
    );
    let short = statistics::estimate(&mut graph, &options().normalisation, &[&[1, 2, 3]]);
    assert!(matches!(short, Err(Error::Samples { .. })), "{short:?}");
    let still = graph.nodes().iter().filter(|n| match &n.op {
        Op::BatchNorm(norm) => norm.statistics.is_none(),
        _ => false,
    });
    assert_eq!(still.count(), 2);
}
