//! A perceptron that learns which half of a picture is brighter: `cargo run --release -p runtime-shared --example perceptron`.
//!
//! The Program comes from the compiler here; on a device it lies in flash, and all else is the same.

use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::rng::Rng;
use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let network: NetworkSpec = toml::from_str("layers = [{ dense = { units = 2 } }]")?;
    let graph = network.build(Shape { h: 1, w: 8, c: 1 }, 1)?;
    let compiled = compile(
        &graph,
        &Options {
            scheme: Scheme::Full,
            loss: LossSpec::CrossEntropy,
            training: Training::sgd(0.1),
            online: Online::default(),
            normalisation: vec![(1.0 / 255.0, 0.0)],
            seed: 1,
        },
    )?;
    let mut arena = vec![0.0f32; compiled.arena_bytes().div_ceil(4)];
    let mut learner = Learner::new(compiled.program(), machine::bytes_mut(&mut arena))
        .map_err(|e| format!("{e:?}"))?;
    let (mut rng, mut right) = (Rng::new(7), 0);
    for i in 0..1000 {
        let sample: [u8; 8] = core::array::from_fn(|_| rng.below(256) as u8);
        let sum = |half: &[u8]| half.iter().map(|&b| u32::from(b)).sum::<u32>();
        let label = usize::from(sum(&sample[4..]) > sum(&sample[..4]));
        let step = learner
            .learn(&sample, label, &mut ())
            .map_err(|e| format!("{e:?}"))?;
        right += u32::from(i >= 500 && step.prediction == label);
    }
    println!(
        "{} % of the second half were right before they were learnt",
        right / 5
    );
    Ok(())
}
