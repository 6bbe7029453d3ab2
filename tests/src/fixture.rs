//! What PyTorch computed: `NAME.json` and `NAME.f32` beside it. `scripts/fixtures.py` says what they hold.

use runtime_shared::kernels::Shape;
use serde::Deserialize;
use sim_compiler::lower::Part;
use sim_compiler::{Graph, LossSpec, NetworkSpec, Online, Options, Scheme, Target, Training};
use std::path::{Path, PathBuf};

/// A network, how it was trained, and what came out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// What the case is there for.
    pub why: String,
    /// Height, width, channels.
    pub input: (usize, usize, usize),
    /// Scale and shift of the pixels.
    pub normalisation: Vec<(f32, f32)>,
    /// The network.
    pub network: NetworkSpec,
    /// What is trained.
    pub scheme: Scheme,
    /// Against which loss.
    pub loss: LossSpec,
    /// Whether outputs are compared with the sample instead of its class.
    #[serde(default)]
    target: Option<String>,
    /// How.
    pub training: Training,
    /// Samples in hexadecimal; gone through in order, over and over.
    samples: Vec<String>,
    /// Their classes.
    pub labels: Vec<usize>,
    /// The parameter tensors, layer by layer.
    pub tensors: Vec<Tensor>,
    /// The loss of each sample as it was shown.
    pub losses: Vec<f32>,
    /// Outputs of the untrained network, by sample.
    pub outputs_at_start: Vec<Vec<f32>>,
    /// Outputs of the trained network.
    pub outputs_at_end: Vec<Vec<f32>>,
    /// PyTorch's version.
    pub torch: String,
}

/// A parameter tensor before and after.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// The layer's name.
    pub layer: String,
    /// `weights` or `bias`.
    pub part: String,
    /// Floats.
    pub len: usize,
    /// Whether the scheme trains it.
    pub trained: bool,
    /// Before training.
    #[serde(skip)]
    pub start: Vec<f32>,
    /// Mean gradient of the first batch.
    #[serde(skip)]
    pub gradient: Vec<f32>,
    /// After training.
    #[serde(skip)]
    pub end: Vec<f32>,
}

impl Tensor {
    /// Weights or bias.
    pub fn part(&self) -> Part {
        if self.part == "weights" {
            Part::Weights
        } else {
            Part::Bias
        }
    }
}

/// The folder of all fixtures.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

impl Fixture {
    /// The names of all cases, sorted.
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir(folder().join("torch")).expect("the fixtures are there");
        let mut names: Vec<String> = entries
            .filter_map(|e| {
                e.ok()?
                    .file_name()
                    .to_str()?
                    .strip_suffix(".json")
                    .map(str::to_owned)
            })
            .collect();
        names.sort();
        names
    }

    /// Reads a case.
    ///
    /// # Panics
    /// Where it is not there or not what it should be.
    pub fn read(name: &str) -> Self {
        let path = folder().join("torch").join(name);
        let json = std::fs::read(path.with_extension("json")).expect("the case is there");
        let mut fixture: Self = serde_json::from_slice(&json).expect("the case is a case");
        let raw = std::fs::read(path.with_extension("f32")).expect("its tensors are there");
        let mut floats = raw
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        for tensor in &mut fixture.tensors {
            for part in [&mut tensor.start, &mut tensor.gradient, &mut tensor.end] {
                part.extend(floats.by_ref().take(tensor.len));
            }
        }
        let expected: usize = fixture.tensors.iter().map(|t| t.len * 12).sum();
        assert_eq!(raw.len(), expected, "{name}: bytes of tensors");
        fixture
    }

    /// The sample shown in step `step`, and its class.
    pub fn sample(&self, step: usize) -> (Vec<u8>, usize) {
        let i = step % self.samples.len();
        let text = self.samples[i].as_bytes();
        let digit = |b: u8| (b as char).to_digit(16).expect("hexadecimal") as u8;
        (
            text.as_chunks::<2>()
                .0
                .iter()
                .map(|[a, b]| digit(*a) << 4 | digit(*b))
                .collect(),
            self.labels[i],
        )
    }

    /// How many different samples there are.
    pub fn samples(&self) -> usize {
        self.samples.len()
    }

    /// The network with the weights that training started from.
    pub fn graph(&self) -> Graph {
        let (h, w, c) = self.input;
        let mut graph = self
            .network
            .build(Shape { h, w, c }, 1)
            .expect("the network builds");
        for tensor in &self.tensors {
            let id = graph.find(&tensor.layer).expect("the layer exists");
            let set = graph.set_parameter(id, tensor.part(), tensor.start.clone());
            set.unwrap_or_else(|e| panic!("{} {}: {e}", tensor.layer, tensor.part));
        }
        graph
    }

    /// How it is compiled; without a buffer.
    pub fn options(&self) -> Options {
        Options {
            scheme: self.scheme.clone(),
            loss: self.loss,
            training: Training {
                target: match self.target.as_deref() {
                    Some("input") => Target::Input,
                    _ => Target::Class,
                },
                ..self.training.clone()
            },
            online: Online::default(),
            normalisation: self.normalisation.clone(),
            seed: 1,
        }
    }
}
