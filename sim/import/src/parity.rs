//! Whether the graph computes what the file says: every import is compiled, run by the core on the host, and held
//! against the `reference` on the same samples.

use crate::limits;
use crate::lower::Lowered;
use crate::model::Model;
use crate::reference;
use ndarray::{ArrayD, IxDyn};
use runtime_shared::learner::Learner;
use runtime_shared::rng::Rng;
use serde::Serialize;
use sim_compiler::options::Online;
use sim_compiler::{LossSpec, Options, Scheme, Training, compile};

/// How far off the graph may be, over the largest output: floats of 24 bits, summed in another order than the
/// reference sums its doubles.
pub const BOUND: f64 = 1e-4;

/// Samples that are compared.
const SAMPLES: usize = 8;

/// What the reference makes of drawn samples.
#[derive(Clone, Debug)]
pub struct Expected {
    samples: Vec<Vec<u8>>,
    outputs: Vec<Vec<f64>>,
}

/// How the graph agrees with the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Parity {
    /// How many samples were compared.
    pub samples: usize,
    /// The largest difference of an output.
    pub difference: f64,
    /// The largest output.
    pub largest: f64,
    /// Samples whose largest output is the same.
    pub same: usize,
}

impl Parity {
    /// Whether the graph computes what the file says.
    pub fn holds(&self) -> bool {
        self.difference <= BOUND * self.largest.max(f64::MIN_POSITIVE)
    }
}

impl Expected {
    /// Draws samples and computes them. Inputs are multiples of 1/64 between −2 and 2.
    ///
    /// # Errors
    /// What the reference cannot compute.
    pub fn of(model: &Model, inputs: &[Vec<usize>]) -> Result<Self, String> {
        let mut rng = Rng::new(14);
        let len: usize = inputs
            .iter()
            .map(|axes| axes.iter().product::<usize>())
            .sum();
        let mut expected = Self {
            samples: Vec::new(),
            outputs: Vec::new(),
        };
        let mut budget = limits::WORK;
        while expected.samples.len() < SAMPLES {
            let sample: Vec<u8> = (0..len).map(|_| (256.0 * rng.unit()) as u8).collect();
            let mut bytes = sample.iter().map(|&b| number(b));
            let mut given = Vec::new();
            for axes in inputs {
                let x = bytes.by_ref().take(axes.iter().product()).collect();
                given.push(ArrayD::from_shape_vec(IxDyn(axes), x).map_err(|e| e.to_string())?);
            }
            let (made, work) = reference::outputs_and_work(model, given)?;
            expected.outputs.push(made.iter().copied().collect());
            expected.samples.push(sample);
            // Fewer samples of a large model.
            budget = budget.saturating_sub(8 * work);
            if budget == 0 {
                break;
            }
        }
        Ok(expected)
    }

    /// What the core makes of the same samples.
    ///
    /// # Errors
    /// Where the graph cannot be compiled or run.
    pub fn compare(&self, lowered: &Lowered) -> Result<Parity, String> {
        let normalisation = lowered.normalisation.iter();
        let options = Options {
            scheme: Scheme::None,
            // No softmax is part of this loss, so the outputs are those of the file.
            loss: LossSpec::Mse,
            training: Training::sgd(0.01),
            online: Online::default(),
            normalisation: normalisation
                .map(|&(a, b)| (a / 64.0, b - 2.0 * a))
                .collect(),
            seed: 1,
        };
        let compiled = compile(&lowered.graph, &options).map_err(|e| e.to_string())?;
        let program = compiled.program();
        // Words, so that the arena is aligned.
        let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
        let arena = bytemuck::cast_slice_mut(&mut arena);
        let mut learner = Learner::new(program, arena).map_err(|e| format!("{e:?}"))?;
        let mut parity = Parity {
            samples: self.samples.len(),
            difference: 0.0,
            largest: 0.0,
            same: 0,
        };
        for (sample, expected) in self.samples.iter().zip(&self.outputs) {
            let mut placed = vec![0; sample.len()];
            for (&byte, &place) in sample.iter().zip(&lowered.input) {
                placed[place as usize] = byte;
            }
            learner
                .infer(&placed, &mut ())
                .map_err(|e| format!("{e:?}"))?;
            let outputs = learner.outputs();
            let made: Vec<f64> = lowered
                .output
                .iter()
                .map(|&at| f64::from(outputs[at as usize]))
                .collect();
            for (a, b) in made.iter().zip(expected) {
                parity.difference = parity.difference.max((a - b).abs());
                parity.largest = parity.largest.max(b.abs());
            }
            parity.same += usize::from(largest(&made) == largest(expected));
        }
        Ok(parity)
    }
}

fn number(byte: u8) -> f64 {
    f64::from(byte) / 64.0 - 2.0
}

fn largest(list: &[f64]) -> Option<usize> {
    (0..list.len()).max_by(|&a, &b| list[a].total_cmp(&list[b]))
}
