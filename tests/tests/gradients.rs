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

use runtime_shared::learner::Learner;
use runtime_shared::program::{Field, Kernel, List, Program};
use sim_compiler::graph::Op;
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

fn check(seed: u64, found: &mut Found) -> Result<(), String> {
    let Case {
        spec,
        graph,
        options,
        sample,
        label,
    } = case(seed);
    let fail = |what: String| {
        format!(
            "seed {seed}: {what}\n  {spec:?}\n  {:?}, {:?}",
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
        .filter_map(|seed| check(seed, &mut found).err())
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
    let missing: Vec<&str> = Kernel::ALL
        .iter()
        .map(|k| k.name())
        .filter(|k| !found.kernels.contains(k) && !["clip_norm", "quantise"].contains(k))
        .collect();
    assert!(missing.is_empty(), "never called: {missing:?}");
}
