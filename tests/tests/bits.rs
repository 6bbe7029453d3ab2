//! The same code gives the same bits: 200 training steps natively and on emulated Cortex-M cores.
//!
//! Samples are drawn on either side from one seed. What is compared is every trained weight and, beyond
//! that, every byte of the arena: optimiser state, saved activations, the learner's own state.
//!
//! Needs qemu-system-arm, qemu-system-riscv32 (qemu-system-misc) and rustc's bare-metal targets; scripts/setup installs them.

use runtime_protocol::Job;
use runtime_protocol::synthetic::Samples;
use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::Field;
use sim_compiler::options::DetectorSpec;
use sim_compiler::{
    Arithmetic, Compiled, LossSpec, NetworkSpec, Online, Optimiser, Options, PolicySpec, Scheme,
    Training, Trigger, compile,
};
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine, Patience, Qemu, RemoteLearner};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Training steps.
const STEPS: u32 = 200;
/// Share of bytes that are not background, in 256ths: as in MNIST, about one in five.
const DENSITY: u8 = 50;
/// How long QEMU may take for all steps.
const PATIENCE: Duration = Duration::from_secs(1800);

const MLP: &str =
    r#"layers = [{ dense = { units = 32, activation = "relu" } }, { dense = { units = 10 } }]"#;
const THESIS_CNN: &str = r#"layers = [
    { conv2d = { filters = 4, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } },
    { conv2d = { filters = 8, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } },
    { flatten = {} }, { dense = { units = 10 } }]"#;
const LENET5: &str = r#"layers = [
    { conv2d = { filters = 6, kernel = 5, padding = { explicit = 2 }, activation = "relu" } }, { max_pool = { size = 2 } },
    { conv2d = { filters = 16, kernel = 5, activation = "relu" } }, { max_pool = { size = 2 } },
    { flatten = {} }, { dense = { units = 120, activation = "relu" } },
    { dense = { units = 84, activation = "relu" } }, { dense = { units = 10 } }]"#;

const SGD: Optimiser = Optimiser::Sgd;
const MOMENTUM: Optimiser = Optimiser::Momentum { momentum: 0.9 };
const ADAM: Optimiser = Optimiser::Adam {
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
};

fn compiled(network: &str, optimiser: Optimiser, online: Online) -> Compiled {
    let training = Training {
        optimiser,
        ..Training::sgd(0.001)
    };
    compiled_for(network, training, online)
}

fn compiled_for(network: &str, training: Training, online: Online) -> Compiled {
    let spec: NetworkSpec = toml::from_str(network).expect("the network parses");
    let graph = spec
        .build(Shape { h: 28, w: 28, c: 1 }, 1)
        .expect("the network builds");
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training,
        online,
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    };
    compile(&graph, &options).expect("the network compiles")
}

/// What a training leaves behind.
struct Trained {
    arena: Vec<u8>,
    parameters: Vec<Vec<u8>>,
    correct: u32,
    loss_bits: u32,
}

fn natively(compiled: &Compiled, job: Job, seed: u64) -> Trained {
    let program = compiled.program();
    let mut arena = vec![0.0f32; compiled.arena_bytes() / 4];
    let mut learner =
        Learner::new(program, machine::bytes_mut(&mut arena)).expect("the arena fits");
    let mut sample = vec![0; program.size(Field::SampleBytes)];
    let mut samples = Samples::new(seed, DENSITY);
    let (mut correct, mut loss_bits) = (0, 0);
    for _ in 0..STEPS {
        let label = samples.draw(&mut sample, program.classes() as u32);
        let (prediction, loss) = match job {
            Job::Learn => {
                let step = learner
                    .learn(&sample, label as usize, &mut ())
                    .expect("a step");
                (step.prediction, step.loss)
            }
            _ => {
                let update = learner
                    .train(&sample, label as usize, &mut ())
                    .expect("a step");
                (update.prediction, update.loss)
            }
        };
        correct += u32::from(prediction == label as usize);
        loss_bits = loss.to_bits();
    }
    let parameters = (0..)
        .map_while(|i| learner.parameter_bytes(i))
        .map(<[u8]>::to_vec)
        .collect();
    Trained {
        parameters,
        correct,
        loss_bits,
        arena: learner.arena().to_vec(),
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn device(machine: &Machine) -> RemoteLearner<Qemu> {
    let firmware = Firmware {
        target: machine.target,
        memory: machine.memory,
        talk: Talk::Semihosting,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let elf = firmware
        .build(&workspace(), &folder)
        .unwrap_or_else(|e| panic!("{e}"));
    let qemu = Qemu::start(machine, &elf).unwrap_or_else(|e| panic!("{e}"));
    RemoteLearner::connect(qemu, Patience::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Trains natively and on every core of `cores`, and compares.
fn check(compiled: &Compiled, job: Job, cores: &[&str]) {
    let seed = 42;
    let expected = natively(compiled, job, seed);
    let mut untouched = vec![0.0f32; compiled.arena_bytes() / 4];
    let untouched = Learner::new(compiled.program(), machine::bytes_mut(&mut untouched));
    let untouched = untouched.expect("the arena fits");
    // What comes behind them are the exponents of integers, which may stay.
    let weights = expected.parameters.iter().take(compiled.parameters.len());
    for (i, trained) in weights.enumerate() {
        assert_ne!(
            untouched.parameter_bytes(i),
            Some(trained.as_slice()),
            "tensor {i} learnt nothing"
        );
    }
    for core in cores {
        let fail = |error: sim_device::Error| -> ! { panic!("{core}: {error}") };
        let machine = Machine::for_core(core).expect("a machine has this core");
        let mut device = device(machine);
        device
            .load(compiled.image.bytes())
            .unwrap_or_else(|e| fail(e));
        let start = Instant::now();
        let summary = device
            .synthetic(job, seed, STEPS, DENSITY, PATIENCE)
            .unwrap_or_else(|e| fail(e));
        println!(
            "{core}: {STEPS} steps in {:.1} s",
            start.elapsed().as_secs_f64()
        );
        let parameters = device.parameters().unwrap_or_else(|e| fail(e));
        assert_eq!(parameters.len(), expected.parameters.len());
        for (i, (theirs, ours)) in parameters.iter().zip(&expected.parameters).enumerate() {
            assert!(theirs == ours, "{core}: parameter tensor {i} differs");
        }
        let theirs = (summary.correct, summary.loss_bits);
        assert_eq!(theirs, (expected.correct, expected.loss_bits), "{core}");
        assert!(
            device.arena().unwrap_or_else(|e| fail(e)) == expected.arena,
            "{core}: the arena differs"
        );
    }
}

/// A network trained from raw samples, one update each.
fn trains(network: &str, optimiser: Optimiser, cores: &[&str]) {
    check(
        &compiled(network, optimiser, Online::default()),
        Job::Train,
        cores,
    );
}

const ALL: [&str; 4] = ["cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m33"];
const HARD_FLOAT: [&str; 2] = ["cortex-m4f", "cortex-m33"];
const RISCV: [&str; 1] = ["rv32imc"];
const SOFT_FLOAT: [&str; 3] = ["cortex-m0plus", "cortex-m3", "rv32imc"];

/// Tests of one network: every optimiser on every core named.
macro_rules! matrix {
    ($($name:ident: $network:ident, $cores:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn sgd() {
                trains($network, SGD, &$cores);
            }

            #[test]
            fn momentum() {
                trains($network, MOMENTUM, &$cores);
            }

            #[test]
            fn adam() {
                trains($network, ADAM, &$cores);
            }
        }
    )*};
}

matrix! {
    mlp: MLP, ALL;
    thesis_cnn: THESIS_CNN, ALL;
    lenet5: LENET5, HARD_FLOAT;
    mlp_riscv: MLP, RISCV;
    lenet5_soft_float: LENET5, SOFT_FLOAT;
}

/// Depthwise and pointwise layers, a residual block, an average: what the other networks do not have.
const SEPARABLE: &str = r#"layers = [
    { conv2d = { name = "stem", filters = 6, kernel = 3, stride = 2, padding = "same", activation = "relu" } },
    { depthwise_conv2d = { kernel = 3, padding = "same", activation = "relu" } },
    { conv2d = { filters = 6, kernel = 1 } }, { add = { with = "stem" } }, { activation = { kind = "relu" } },
    { max_pool = { size = 3, stride = 2 } }, { conv2d = { filters = 8, kernel = 3, activation = "relu" } },
    { global_average_pool = {} }, { dense = { units = 10 } }]"#;

/// Tests of one network in integers.
macro_rules! integers {
    ($($name:ident: $network:ident, $arithmetic:ident, $batch:literal;)*) => {
        mod integers {
            use super::*;
            $(
                #[test]
                fn $name() {
                    let training = Training {
                        arithmetic: Arithmetic::$arithmetic,
                        batch: $batch,
                        weight_decay: 0.001,
                        ..Training::sgd(0.05)
                    };
                    let compiled = compiled_for($network, training, Online::default());
                    check(&compiled, Job::Train, &ALL);
                    check(&compiled, Job::Train, &RISCV);
                }
            )*
        }
    };
}

integers! {
    mlp_16: MLP, Int16, 1;
    mlp_8: MLP, Int8, 1;
    thesis_cnn_16: THESIS_CNN, Int16, 1;
    thesis_cnn_8: THESIS_CNN, Int8, 1;
    separable_16: SEPARABLE, Int16, 1;
    separable_8: SEPARABLE, Int8, 4;
}

/// Buffer, detector, trigger and every random draw, on top of what training does.
#[test]
fn learning_online() {
    let detector = Some(
        DetectorSpec::new(
            "page_hinkley",
            &[
                ("minimum", 10.0),
                ("delta", 0.005),
                ("threshold", 1.0),
                ("alpha", 0.9999),
            ],
        )
        .expect("they are allowed")
        .keeping(4),
    );
    for policy in [
        PolicySpec::Fifo,
        PolicySpec::Reservoir,
        PolicySpec::ClassBalanced,
    ] {
        let online = Online {
            policy,
            slots: 12,
            trigger: Trigger::Every(5),
            draw: 6,
            detector,
            ..Online::default()
        };
        check(&compiled(MLP, SGD, online), Job::Learn, &ALL);
    }
}
