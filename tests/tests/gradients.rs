//! Random networks against an evaluation of their graphs in f64: outputs, losses, and every gradient
//! against central differences.
//!
//! The oracle's step is 1e-6: in f64 (1.1e-16) the rounding of a loss of about 1 costs 1e-10 of the
//! difference, so what is left is the f32 rounding of the code under test. An element may be off by 1e-5 of
//! its magnitude or of the root mean square of the whole gradient, whichever is larger: sums of at most a
//! few hundred terms over a dozen layers, each rounded to 6e-8. To this comes what is lost where a sure
//! probability is subtracted from its target, or from 1: it is within four units of the last place of 1,
//! 5e-7, and its distance to the target is about the loss, so 5e-7 / loss; and 5e-7 over its distance to 1
//! where a softmax or a final sigmoid is differentiated on its own. And since outputs of about 1 are rounded
//! to 6e-8, so is what goes back from them: 1e-7 in any case.
//!
//! Where the slopes to either side of an element differ there is a kink (of a ReLU, of a maximum) nearby,
//! the difference means nothing, and the element is left out; those are counted.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::learner::Learner;
use runtime_shared::program::{Field, Kernel, List, Program};
use runtime_shared::rng::Rng;
use sim_compiler::graph::{Graph, Op, Padding, Window};
use sim_compiler::moved::Axis;
use sim_compiler::ops::concat::Concat;
use sim_compiler::ops::conv2d::Conv2d;
use sim_compiler::ops::dense::Dense;
use sim_compiler::ops::flatten::Flatten;
use sim_compiler::ops::max_pool::push_global;
use sim_compiler::{LossSpec, NetworkSpec, Parameters, Scheme, Tensor};
use std::error::Error;
use tests::gradient::Differentiator;
use tests::memory::Arena;
use tests::oracle::Oracle;
use tests::random::{Case, case};

const STEP: f64 = 1e-6;
const NEAR: f64 = 1e-5;
const TOLERANCE: f64 = 1e-5;
const LAST_PLACES: f64 = 5e-7;
const ABSOLUTE: f64 = 1e-7;

/// What a case turned out to hold.
#[derive(Default)]
struct Found {
    checked: usize,
    kinks: usize,
    /// Networks of which some dropout layers are in a frozen prefix, where they do nothing.
    set_aside: usize,
    worst: f64,
    kernels: std::collections::BTreeSet<&'static str>,
}

fn check(name: &str, case: Case, found: &mut Found) -> Result<(), String> {
    let Case {
        spec,
        graph,
        options,
        sample,
        label,
    } = case;
    let fail = |what: String| {
        format!(
            "{name}: {what}\n  {spec:?}\n  {:?}, {:?}",
            options.scheme, options.loss
        )
    };
    let differentiator = Differentiator::new(&graph, &options).map_err(|e| fail(e.to_string()))?;
    let compiled = &differentiator.compiled;
    let program = Program::load(compiled.image.bytes()).map_err(|e| fail(format!("{e:?}")))?;
    for list in [List::Infer, List::Learn, List::Apply] {
        found.kernels.extend(
            (0..program.count(list)).filter_map(|i| Some(program.call(list, i)?.kernel.name())),
        );
    }

    let mut oracle = Oracle::new(&graph);
    let mut arena = Arena::new(program.size(Field::ArenaBytes));
    let mut learner =
        Learner::new(program, arena.bytes_mut()).map_err(|e| fail(format!("{e:?}")))?;
    // Masks are drawn while learning and only behind the first trained layer.
    let all = graph
        .nodes()
        .iter()
        .filter(|n| matches!(&n.op, Op::Dropout(d) if d.rate > 0.0))
        .count();
    let applied = (0..program.count(List::Learn))
        .filter(|&i| {
            program
                .call(List::Learn, i)
                .is_some_and(|c| c.kernel == Kernel::Dropout)
        })
        .count();
    if applied > 0 && applied != all {
        found.set_aside += 1;
        return Ok(());
    }
    let rng = (applied > 0).then(|| learner.state().rng);

    learner
        .infer(&sample, &mut ())
        .map_err(|e| fail(format!("{e:?}")))?;
    let expected = oracle.outputs(&options, &sample, None);
    for (y, e) in learner.outputs().iter().zip(&expected) {
        if (f64::from(*y) - e).abs() > TOLERANCE * e.abs().max(1.0) {
            return Err(fail(format!(
                "outputs {:?} instead of {expected:?}",
                learner.outputs()
            )));
        }
    }
    let (loss, gradients) = differentiator.gradients(&sample, label);
    let expected = oracle.loss(&options, &sample, label, rng.clone());
    if (f64::from(loss) - expected).abs() > TOLERANCE * expected.abs().max(1.0) {
        return Err(fail(format!("loss {loss} instead of {expected}")));
    }

    let doubt = oracle.doubt(&options, &sample, rng.clone());
    let tolerance = TOLERANCE + LAST_PLACES / expected.min(doubt);
    let flat: Vec<f64> = gradients.iter().flatten().map(|&g| f64::from(g)).collect();
    let size = (flat.iter().map(|g| g * g).sum::<f64>() / flat.len() as f64).sqrt();
    for (parameter, gradient) in compiled.parameters.iter().zip(&gradients) {
        for (i, &actual) in gradient.iter().enumerate() {
            let mut at = |by: f64| {
                let value = &mut oracle.parameter_mut(parameter.node, parameter.part)[i];
                let before = *value;
                *value += by;
                let loss = oracle.loss(&options, &sample, label, rng.clone());
                oracle.parameter_mut(parameter.node, parameter.part)[i] = before;
                loss
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let middle = at(0.0);
            let (left, right) = ((middle - at(-NEAR)) / NEAR, (at(NEAR) - middle) / NEAR);
            // A smooth function's one-sided slopes differ by its second derivative times the step.
            if (left - right).abs() > 1e-3 * slope.abs().max(size).max(1e-2) {
                found.kinks += 1;
                continue;
            }
            found.checked += 1;
            // Equal is equal, also where nothing could be told because a probability is 1.
            let off = match (f64::from(actual) - slope).abs() {
                0.0 => 0.0,
                difference => difference / (tolerance * slope.abs().max(size) + ABSOLUTE),
            };
            found.worst = found.worst.max(off);
            if off.is_nan() || off > 1.0 {
                let name = &graph.nodes()[parameter.node].name;
                return Err(fail(format!(
                    "{name} {:?} [{i}]: gradient {actual}, slope {slope}",
                    parameter.part
                )));
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_equal_finite_differences() {
    let rounds: u64 = std::env::var("GRADIENT_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(400);
    let mut found = Found::default();
    let failures: Vec<String> = (0..rounds)
        .filter_map(|seed| check(&format!("seed {seed}"), case(seed), &mut found).err())
        .collect();
    println!(
        "{} elements, worst {:.3} of the tolerance, {} near a kink, {} networks set aside",
        found.checked, found.worst, found.kinks, found.set_aside
    );
    let some: Vec<&str> = failures.iter().take(5).map(String::as_str).collect();
    assert!(
        failures.is_empty(),
        "{} of {rounds} networks\n{}",
        failures.len(),
        some.join("\n")
    );
    assert!(
        found.set_aside < rounds as usize / 20,
        "too many networks set aside"
    );
    assert!(
        found.checked > 50 * rounds as usize && found.kinks < found.checked / 50,
        "too little was checked"
    );
    // Integers have tests of their own.
    let other = |k: &str| k.starts_with("int_") || ["clip_norm", "quantise"].contains(&k);
    let missing: Vec<&str> = Kernel::ALL
        .iter()
        .map(|k| k.name())
        .filter(|k| !found.kernels.contains(k) && !other(k))
        .collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
}

/// A dense layer that `seed` decides.
fn dense(inputs: usize, units: usize, seed: u64) -> Dense {
    Dense {
        units,
        parameters: Parameters {
            weights: Tensor::drawn(inputs * units, seed, 0, 0.8),
            bias: Some(Tensor::drawn(units, seed, 1, 0.3)),
        },
    }
}

#[test]
fn graphs_of_several_inputs_and_outputs_are_differentiated() -> Result<(), Box<dyn Error>> {
    let image = Shape { h: 4, w: 3, c: 2 };
    let vector = |c: usize| Shape { h: 1, w: 1, c };
    let mut graph = Graph::with_inputs(&[
        ("image", image),
        ("unused", vector(3)),
        ("vector", vector(5)),
    ])?;
    let window = Window::new("conv", image, (2, 2), (1, 1), Padding::Same)?;
    let conv = Conv2d {
        window,
        filters: 3,
        parameters: Parameters {
            weights: Tensor::drawn(2 * 2 * 2 * 3, 1, 0, 0.5),
            bias: None,
        },
    };
    let a = graph.push("conv", conv, &[0])?;
    let a = graph.push("flat", Flatten, &[a])?;
    let b = graph.push("beside", dense(5, 4, 2), &[2])?;
    let b = graph.push("beside.tanh", Activation::Tanh, &[b])?;
    let joined = graph.push(
        "joined",
        Concat {
            axis: Axis::Channels,
        },
        &[b, a, b],
    )?;
    let head = graph.push("head", dense(36 + 8, 3, 3), &[joined])?;
    // Another output, whose weights are not learnt.
    graph.push("other", dense(36 + 8, 6, 4), &[joined])?;
    graph.name_tensor(head, "logits:0")?;
    graph.set_outputs(&[graph.find("logits:0").expect("named just now")])?;
    for scheme in [
        Scheme::Full,
        Scheme::Layers(vec!["beside".to_owned()]),
        Scheme::Last(1),
    ] {
        let mut options = case(1).options;
        options.normalisation = vec![(1.0 / 100.0, -1.0)];
        options.loss = LossSpec::CrossEntropy;
        options.scheme = scheme;
        let case = Case {
            spec: NetworkSpec { layers: Vec::new() },
            graph: graph.clone(),
            options,
            sample: (0..24 + 3 + 5).map(|i| (i * 37 % 251) as u8).collect(),
            label: 2,
        };
        let mut found = Found::default();
        check("several inputs", case, &mut found)?;
        assert!(found.checked > 0);
    }
    graph.set_outputs(&[0, head])?;
    let refused = Differentiator::new(&graph, &case(1).options).map(|_| ());
    assert_eq!(
        refused,
        Err(sim_compiler::Error::Outputs("image, head".to_owned()))
    );
    Ok(())
}

#[test]
fn a_global_maximum_is_taken_of_more_than_a_byte_can_index() -> Result<(), Box<dyn Error>> {
    for (h, w) in [(20, 17), (1, 300), (300, 2), (1, 1)] {
        let input = Shape { h, w, c: 2 };
        let mut graph = Graph::new(input)?;
        let window = Window::new("conv", input, (1, 1), (1, 1), Padding::Valid)?;
        let conv = Conv2d {
            window,
            filters: 3,
            parameters: Parameters {
                weights: Tensor::drawn(2 * 3, 1, 0, 0.5),
                bias: None,
            },
        };
        let conv = graph.push("conv", conv, &[0])?;
        let largest = push_global(&mut graph, "largest", conv)?;
        assert_eq!(graph.nodes()[largest].shape, Shape { h: 1, w: 1, c: 3 });
        graph.push("head", dense(3, 2, 3), &[largest])?;
        let mut rng = Rng::new(5);
        let mut options = case(1).options;
        options.normalisation = vec![(1.0 / 100.0, -1.0)];
        options.loss = LossSpec::CrossEntropy;
        options.scheme = Scheme::Full;
        let case = Case {
            spec: NetworkSpec { layers: Vec::new() },
            graph,
            options,
            sample: (0..h * w * 2).map(|_| rng.next_u32() as u8).collect(),
            label: 1,
        };
        let mut found = Found::default();
        check(&format!("{h}x{w}"), case, &mut found)?;
        assert!(found.checked > 6);
    }
    Ok(())
}
