//! Whole networks against PyTorch: outputs, first gradients, every loss, and all weights after twenty
//! updates.
//!
//! The reference works in f64 from the same f32 weights. An element may be off by 2e-5 of its magnitude
//! or of the root mean square of its tensor, whichever is larger: a sum of terms of a tensor's usual size
//! that happens to cancel is no more exact than the terms.

use runtime_shared::learner::Learner;
use runtime_shared::program::{Field, Program};
use sim_compiler::{Online, Options, Store, compile};
use tests::fixture::Fixture;
use tests::gradient::Differentiator;
use tests::memory::Arena;

const TOLERANCE: f64 = 2e-5;

/// The largest error of `actual` in units of what is allowed.
fn error(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len(), "length");
    let squares: f64 = expected.iter().map(|&b| f64::from(b) * f64::from(b)).sum();
    let scale = (squares / expected.len().max(1) as f64).sqrt();
    let off = |(&a, &b): (&f32, &f32)| {
        let (a, b) = (f64::from(a), f64::from(b));
        let allowed = TOLERANCE * b.abs().max(scale);
        if a == b { 0.0 } else { (a - b).abs() / allowed }
    };
    actual.iter().zip(expected).map(off).fold(
        0.0,
        |worst, e| if e > worst || e.is_nan() { e } else { worst },
    )
}

struct Report {
    case: String,
    failures: Vec<String>,
    worst: f64,
}

impl Report {
    fn compare(&mut self, what: &str, actual: &[f32], expected: &[f32]) {
        let error = error(actual, expected);
        if error.is_nan() || error > 1.0 {
            let text = format!(
                "{}: {what} is off by {error:.1} times the tolerance",
                self.case
            );
            self.failures.push(format!(
                "{text}\n  is     {actual:.6?}\n  wanted {expected:.6?}"
            ));
        }
        self.worst = if error > self.worst || error.is_nan() {
            error
        } else {
            self.worst
        };
    }
}

/// Trains as the fixture says, on raw samples through `train`, or as a user would through `learn`, where
/// the features of a frozen prefix are what is learnt from.
fn train(fixture: &Fixture, options: &Options, online: bool, report: &mut Report) {
    let way = if online { "learn" } else { "train" };
    let compiled = compile(&fixture.graph(), options).expect("the network compiles");
    let program = Program::load(compiled.image.bytes()).expect("the Program loads");
    let mut arena = Arena::new(program.size(Field::ArenaBytes));
    let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena fits");
    let outputs = |learner: &mut Learner<'_>| -> Vec<Vec<f32>> {
        let infer = |i| {
            learner
                .infer(&fixture.sample(i).0, &mut ())
                .expect("it infers");
            learner.outputs().to_vec()
        };
        (0..fixture.samples()).map(infer).collect()
    };
    let flat = |rows: &[Vec<f32>]| rows.concat();
    report.compare(
        "outputs before training",
        &flat(&outputs(&mut learner)),
        &flat(&fixture.outputs_at_start),
    );
    let mut losses = Vec::new();
    for step in 0..fixture.losses.len() {
        let (sample, label) = fixture.sample(step);
        losses.push(if online {
            let step = learner.learn(&sample, label, &mut ()).expect("it learns");
            assert_eq!(step.replayed, 1);
            step.loss
        } else {
            learner
                .train(&sample, label, &mut ())
                .expect("it trains")
                .loss
        });
    }
    report.compare(&format!("losses ({way})"), &losses, &fixture.losses);
    for (i, parameter) in compiled.parameters.iter().enumerate() {
        let graph = fixture.graph();
        let layer = &graph.nodes()[parameter.node].name;
        let tensor = fixture
            .tensors
            .iter()
            .find(|t| t.layer == *layer && t.part() == parameter.part);
        let tensor = tensor.unwrap_or_else(|| panic!("{layer} is trained, but not by PyTorch"));
        assert!(tensor.trained, "{layer} is trained, but not by PyTorch");
        let end = learner.parameter(i).expect("the parameter is there");
        let what = format!("{layer} {} at the end ({way})", tensor.part);
        report.compare(&what, end, &tensor.end);
        let moved = error(&tensor.start, &tensor.end);
        assert!(
            moved > 100.0,
            "{what} hardly moved ({moved:.1}), so this tests nothing"
        );
    }
    let trained = fixture.tensors.iter().filter(|t| t.trained).count();
    assert_eq!(compiled.parameters.len(), trained, "trained tensors");
    report.compare(
        "outputs after training",
        &flat(&outputs(&mut learner)),
        &flat(&fixture.outputs_at_end),
    );
    assert!(arena.is_intact());
}

fn gradients(fixture: &Fixture, report: &mut Report) {
    let graph = fixture.graph();
    let differentiator = Differentiator::new(&graph, &fixture.options()).expect("it compiles");
    let batch = fixture.training.batch as usize;
    let each: Vec<_> = (0..batch)
        .map(|i| {
            let (sample, label) = fixture.sample(i);
            differentiator.gradients(&sample, label).1
        })
        .collect();
    for (i, parameter) in differentiator.compiled.parameters.iter().enumerate() {
        let layer = &graph.nodes()[parameter.node].name;
        let tensor = fixture
            .tensors
            .iter()
            .find(|t| t.layer == *layer && t.part() == parameter.part);
        let expected = &tensor.expect("PyTorch has it, too").gradient;
        let mean: Vec<f32> = (0..parameter.len)
            .map(|j| each.iter().map(|g| g[i][j]).sum::<f32>() / batch as f32)
            .collect();
        report.compare(
            &format!("the gradient of {layer} {:?}", parameter.part),
            &mean,
            expected,
        );
    }
}

#[test]
fn networks_train_as_in_pytorch() {
    let names = Fixture::names();
    assert!(names.len() >= 30, "fixtures are missing: {names:?}");
    let mut failures = Vec::new();
    for case in names {
        let fixture = Fixture::read(&case);
        let mut report = Report {
            case,
            failures: Vec::new(),
            worst: 0.0,
        };
        gradients(&fixture, &mut report);
        let raw = Online {
            store: Store::Raw,
            ..Online::default()
        };
        train(
            &fixture,
            &Options {
                online: raw,
                ..fixture.options()
            },
            false,
            &mut report,
        );
        train(&fixture, &fixture.options(), true, &mut report);
        println!(
            "{:24} {:.3} of the tolerance  {}",
            report.case, report.worst, fixture.why
        );
        failures.extend(report.failures);
    }
    assert!(
        failures.is_empty(),
        "{} differences from PyTorch\n{}",
        failures.len(),
        failures.join("\n")
    );
}
