//! What is estimated from moments is what the emulator counts over consecutive steps.

use runtime_protocol::synthetic::Samples;
use runtime_shared::learner::Learner;
use runtime_shared::program::{Field, List};
use sim_compiler::{Compiled, NetworkSpec, Options, compile};
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine};
use sim_measure::{Limit, Measured, Plan, Protocol, Recorder, Recording, Target, measure};
use std::path::{Path, PathBuf};

/// Samples that are synthetic digits in this: half of their bytes are zero.
const DENSITY: u8 = 128;

struct Case {
    name: &'static str,
    network: &'static str,
    options: &'static str,
    protocol: Protocol,
    core: &'static str,
    steps: u64,
    /// Largest error of the estimate, relative.
    bound: f64,
}

fn target(core: &str) -> Target {
    let machine = Machine::for_core(core).expect("the core is known");
    let firmware = Firmware {
        target: machine.target,
        memory: machine.memory,
        talk: Talk::Semihosting,
    };
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let elf = firmware.build(&workspace, &folder).expect("it builds");
    let mut emulated = sim_emulator::Machine::generic(machine.core);
    let m = machine.memory;
    emulated.flash = vec![sim_emulator::Bank::new(
        "flash",
        m.flash_origin,
        m.flash_bytes,
    )];
    emulated.ram = vec![sim_emulator::Bank::new("ram", m.ram_origin, m.ram_bytes)];
    Target::Emulator {
        machine: Box::new(emulated),
        memory: m,
        elf: std::fs::read(elf).expect("it was built"),
    }
}

fn compiled(case: &Case) -> Compiled {
    let spec: NetworkSpec = toml::from_str(case.network).expect("the network parses");
    let shape = runtime_shared::kernels::Shape { h: 12, w: 12, c: 1 };
    let graph = spec.build(shape, 1).expect("the network builds");
    #[derive(serde::Deserialize)]
    struct Written {
        train: sim_compiler::Scheme,
        training: sim_compiler::Training,
        #[serde(default)]
        online: sim_compiler::Online,
    }
    let written: Written = toml::from_str(case.options).expect("the options parse");
    let options = Options {
        scheme: written.train,
        loss: sim_compiler::LossSpec::CrossEntropy,
        training: written.training,
        online: written.online,
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 7,
    };
    compile(&graph, &options).expect("it compiles")
}

/// A run on the host: what it leaves, and its samples.
fn run(case: &Case, compiled: &Compiled) -> (Recording, Vec<(Vec<u8>, usize)>) {
    let program = compiled.program();
    let mut memory = vec![0.0f32; compiled.arena_bytes() / 4];
    let arena = runtime_shared::machine::bytes_mut(&mut memory);
    let mut learner = Learner::new(program, arena).expect("it fits");
    let mut samples = Samples::new(3, DENSITY);
    let mut recorder = Recorder::new(Plan {
        steps: case.steps,
        moments: 24,
        follow: if case.protocol == Protocol::Train {
            4
        } else {
            1
        },
        seed: 1,
    });
    let mut seen = Vec::new();
    for _ in 0..case.steps {
        let mut sample = vec![0; program.size(Field::SampleBytes)];
        let label = samples.draw(&mut sample, 10) as usize;
        recorder.before(learner.arena(), &sample, label);
        let updates = match case.protocol {
            Protocol::Learn => {
                learner
                    .learn(&sample, label, &mut ())
                    .expect("a step")
                    .replayed
            }
            Protocol::Train => {
                learner.train(&sample, label, &mut ()).expect("a step");
                1
            }
        };
        recorder.after(updates);
        seen.push((sample, label));
    }
    (recorder.finish(&program, case.protocol), seen)
}

/// Mean cycles of all steps of the run, and of its last one.
fn counted(
    case: &Case,
    target: &Target,
    compiled: &Compiled,
    samples: &[(Vec<u8>, usize)],
) -> (f64, f64) {
    let mut remote = target.start(compiled.image.bytes()).expect("it starts");
    let (mut sum, mut last) = (0.0, 0.0);
    for (sample, label) in samples {
        let step = match case.protocol {
            Protocol::Learn => remote.learn(sample, *label),
            Protocol::Train => remote.train(sample, *label),
        };
        last = f64::from(step.expect("a step").cycles);
        sum += last;
    }
    (sum / samples.len() as f64, last)
}

fn check(case: &Case) -> Measured {
    let target = target(case.core);
    let compiled = compiled(case);
    let (recording, samples) = run(case, &compiled);
    let measured =
        measure(&target, &recording, Limit::default(), &mut || ()).expect("it is measured");
    let (mean, last) = counted(case, &target, &compiled, &samples);
    for (what, estimate, counted) in [
        ("mean", measured.learn, mean),
        // With a buffer, the last step of these runs is one with a full buffer; its own sample is not the mean one.
        ("full buffer", measured.full, last),
    ] {
        let error = estimate / counted - 1.0;
        let bound = if what == "mean" { case.bound } else { 0.05 };
        assert!(
            error.abs() < bound || (what != "mean" && recording.stretch.full <= 1.0),
            "{} {what}: {estimate:.0} against {counted:.0}: {error:+.4} (se {:?})",
            case.name,
            measured.standard_error
        );
    }
    let sum = |learns| {
        let calls = measured.calls.iter().filter(move |c| c.learns == learns);
        calls.map(|c| c.cycles).sum::<f64>()
    };
    // The kernels are most of a step, and no more than it (looking at them takes a little).
    assert!(sum(true) > 0.8 * measured.learn && sum(true) < 1.02 * measured.learn);
    assert!(sum(false) > 0.8 * measured.infer && sum(false) < 1.02 * measured.infer);
    measured
}

const DENSE: &str = r#"layers = [{ flatten = {} }, { dense = { units = 16, activation = "relu" } }, { dense = { units = 10 } }]"#;
const CONVOLUTION: &str = r#"layers = [{ conv2d = { filters = 4, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } }, { flatten = {} }, { dense = { units = 10 } }]"#;

/// A replay of many samples is as many times the replay of one: passes add up.
#[test]
fn steps_with_a_buffer_are_estimated_from_a_few_replays() {
    for (core, network, options) in [
        (
            "cortex-m4f",
            CONVOLUTION,
            "train = 'last:1'\ntraining = { learning_rate = 0.01 }\nonline = { policy = 'fifo', slots = 20 }",
        ),
        (
            "cortex-m33",
            DENSE,
            "train = 'full'\ntraining = { learning_rate = 0.01, optimiser = { momentum = {} } }\nonline = { policy = 'reservoir', slots = 8, passes = 2 }",
        ),
        (
            "cortex-m0plus",
            DENSE,
            "train = 'full'\ntraining = { learning_rate = 0.01, batch = 4 }\nonline = { policy = 'class_balanced', slots = 12 }",
        ),
    ] {
        check(&Case {
            name: options,
            network,
            options,
            protocol: Protocol::Learn,
            core,
            steps: 60,
            bound: 0.01,
        });
    }
}

#[test]
fn single_updates_are_estimated_from_some_of_them() {
    for (core, options) in [
        (
            "cortex-m4f",
            "train = 'full'\ntraining = { learning_rate = 0.01 }",
        ),
        (
            "cortex-m33",
            "train = 'full'\ntraining = { learning_rate = 0.01, optimiser = { adam = {} } }",
        ),
    ] {
        let measured = check(&Case {
            name: options,
            network: DENSE,
            options,
            protocol: Protocol::Train,
            core,
            steps: 120,
            bound: 0.01,
        });
        assert!(measured.firmware.stack_bytes > 100);
        // What is kept is read again as it was.
        let text = serde_json::to_string(&measured).expect("it is plain data");
        assert_eq!(serde_json::from_str::<Measured>(&text).ok(), Some(measured));
    }
}

#[test]
fn what_learns_nothing_costs_predictions_alone() {
    let case = Case {
        name: "static",
        network: DENSE,
        options: "train = 'none'\ntraining = { learning_rate = 0.01 }",
        protocol: Protocol::Learn,
        core: "cortex-m4f",
        steps: 10,
        bound: 0.0,
    };
    let compiled = compiled(&case);
    assert_eq!(compiled.program().count(List::Learn), 0);
    let (recording, _) = run(&case, &compiled);
    let target = target(case.core);
    let measured =
        measure(&target, &recording, Limit::default(), &mut || ()).expect("it is measured");
    assert_eq!(
        (measured.learn, measured.first, measured.full),
        (0.0, 0.0, 0.0)
    );
    assert!(measured.infer > 10_000.0);
    // An error that is not known is kept as such.
    let text = serde_json::to_string(&measured).expect("it is plain data");
    assert_eq!(measured.standard_error, None);
    assert_eq!(serde_json::from_str::<Measured>(&text).ok(), Some(measured));
}
