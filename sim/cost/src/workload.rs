//! Networks that are trained for a few steps: small ones to fit the learner's own work, well-known ones to test whole steps.

use crate::counters::Counters;
use runtime_shared::kernels::Shape;
use runtime_shared::learner::{Error, Learner};
use runtime_shared::machine;
use runtime_shared::program::Field;
use runtime_shared::protocol::Job;
use runtime_shared::protocol::synthetic::Samples;
use sim_compiler::{
    Compiled, LossSpec, NetworkSpec, Online, Optimiser, Options, PolicySpec, Scheme, Training,
    compile,
};

/// A network, how it learns, and from how many samples.
#[derive(Clone, Debug)]
pub struct Workload {
    /// What to call it.
    pub name: &'static str,
    /// Height, width and channels of its input.
    pub input: [usize; 3],
    /// Its layers, in TOML.
    pub network: &'static str,
    /// Which layers are trained.
    pub scheme: Scheme,
    /// How.
    pub optimiser: Optimiser,
    /// Slots of a FIFO buffer that is replayed with each sample; 0 to update from each sample alone.
    pub slots: u32,
    /// Samples that count; [`WARM_UP`] others come before them.
    pub samples: u32,
}

/// Share of bytes that are not background, in 256ths: one in five, as in handwritten digits.
pub const DENSITY: u8 = 50;
/// Decides the samples.
pub const SEED: u64 = 5;
/// Decides the samples before them.
pub const WARM_UP_SEED: u64 = 6;
/// Samples before those that count: a step in the midst of a training is what a price is for.
pub const WARM_UP: u32 = 1;

impl Workload {
    /// What the device is asked to do with each sample.
    pub fn job(&self) -> Job {
        if self.slots == 0 {
            Job::Train
        } else {
            Job::Learn
        }
    }

    /// The Program.
    ///
    /// # Errors
    /// What the parser or the compiler says.
    pub fn compile(&self) -> Result<Compiled, String> {
        let spec: NetworkSpec = toml::from_str(self.network).map_err(|e| e.to_string())?;
        let [h, w, c] = self.input;
        let online = Online {
            policy: if self.slots == 0 {
                PolicySpec::None
            } else {
                PolicySpec::Fifo
            },
            slots: self.slots,
            ..Online::default()
        };
        let options = Options {
            scheme: self.scheme.clone(),
            loss: LossSpec::CrossEntropy,
            training: Training {
                optimiser: self.optimiser,
                ..Training::sgd(0.001)
            },
            online,
            normalisation: vec![(1.0 / 255.0, 0.0); c],
            seed: 1,
        };
        let graph = spec.build(Shape { h, w, c }, 1);
        graph
            .and_then(|graph| compile(&graph, &options))
            .map_err(|e| e.to_string())
    }

    /// Runs it on the host, and says what it did with the samples that count.
    ///
    /// # Errors
    /// What the learner says.
    pub fn count(&self, compiled: &Compiled) -> Result<Counters, Error> {
        let program = compiled.program();
        let mut arena = vec![0.0f32; compiled.arena_bytes().div_ceil(4)];
        let mut learner = Learner::new(program, machine::bytes_mut(&mut arena))?;
        let mut sample = vec![0; program.size(Field::SampleBytes)];
        let mut run = |seed: u64, count: u32| -> Result<Counters, Error> {
            let mut samples = Samples::new(seed, DENSITY);
            let mut counters = Counters::default();
            for _ in 0..count {
                let label = samples.draw(&mut sample, program.classes() as u32) as usize;
                counters.samples += 1;
                match self.job() {
                    Job::Learn => learner.learn(&sample, label, &mut counters).map(drop)?,
                    _ => learner.train(&sample, label, &mut counters).map(drop)?,
                }
            }
            Ok(counters)
        };
        run(WARM_UP_SEED, WARM_UP)?;
        run(SEED, self.samples)
    }
}

/// A network with these layers, trained by plain descent from three samples.
fn plain(name: &'static str, input: [usize; 3], network: &'static str) -> Workload {
    Workload {
        name,
        input,
        network,
        scheme: Scheme::Full,
        optimiser: Optimiser::Sgd,
        slots: 0,
        samples: 3,
    }
}

/// Small networks: what the learner does between kernels shows where these take little.
pub fn small() -> Vec<Workload> {
    let linear = "layers = [{ dense = { units = 4 } }]";
    let deep = r#"layers = [{ dense = { units = 8, activation = "relu" } }, { dense = { units = 8, activation = "tanh" } }, { dense = { units = 3 } }]"#;
    let conv = r#"layers = [{ conv2d = { filters = 2, kernel = 3, activation = "relu" } }, { max_pool = { size = 2 } }, { flatten = {} }, { dense = { units = 3 } }]"#;
    let mut workloads = Vec::new();
    for (name, input, network) in [
        ("a linear classifier", [4, 4, 1], linear),
        ("a wide linear classifier", [12, 12, 1], linear),
        ("three dense layers", [4, 4, 1], deep),
        ("a small convolution", [8, 8, 1], conv),
    ] {
        for slots in [0, 2, 5] {
            // A trained head learns from stored features, so there is no buffer to do without.
            let head = (slots > 0).then_some(Scheme::Last(1));
            for scheme in std::iter::once(Scheme::Full).chain(head) {
                workloads.push(Workload {
                    scheme,
                    slots,
                    samples: 7,
                    ..plain(name, input, network)
                });
            }
        }
    }
    workloads
}

/// The networks by which trainers for microcontrollers are compared; nothing was fitted to them.
pub fn known() -> Vec<Workload> {
    let digits = [28, 28, 1];
    let thesis = include_str!("../../../configs/networks/thesis_cnn.toml");
    let wide =
        r#"layers = [{ dense = { units = 64, activation = "relu" } }, { dense = { units = 10 } }]"#;
    let adam = Optimiser::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    vec![
        plain(
            "784-32-10",
            digits,
            include_str!("../../../configs/networks/ffnn.toml"),
        ),
        plain("784-64-10", digits, wide),
        Workload {
            optimiser: adam,
            samples: 1,
            ..plain("784-64-10, Adam", digits, wide)
        },
        plain("CNN of the thesis", digits, thesis),
        Workload {
            scheme: Scheme::Last(1),
            slots: 4,
            samples: 5,
            ..plain("head 200-10, replayed", digits, thesis)
        },
        Workload {
            samples: 1,
            ..plain(
                "LeNet-5",
                digits,
                include_str!("../../../configs/networks/lenet5.toml"),
            )
        },
        Workload {
            samples: 1,
            ..plain(
                "CIFAR CNN",
                [32, 32, 3],
                include_str!("../../../configs/networks/cifar_cnn.toml"),
            )
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_compiles_and_runs() {
        for workload in small().into_iter().chain(known()) {
            let spec: Result<NetworkSpec, _> = toml::from_str(workload.network);
            assert!(spec.is_ok(), "{}", workload.name);
            let compiled = workload.compile().expect("it compiles");
            let counters = workload.count(&compiled).expect("it runs");
            assert_eq!(counters.samples, u64::from(workload.samples));
        }
    }
}
