//! What a strategy trains: a network, whatever it is written as.

use super::digest;
use crate::failure::Failure;
use runtime_shared::kernels::Shape;
use serde::Serialize;
use sim_compiler::Graph;
use sim_compiler::network::NetworkSpec;
use sim_import::Cut;
use std::path::Path;
use std::sync::Arc;

/// Endings of the model files of other frameworks.
pub const MODEL_FILES: [&str; 7] = ["keras", "h5", "hdf5", "tflite", "onnx", "cc", "h"];

/// A network that a strategy names. It is part of the key of all that is cached, so a variant holds everything that decides
/// the network, not a path where it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Layers as they are written in TOML.
    Network(NetworkSpec),
    /// A model of another framework, with its weights.
    Imported(Imported),
}

/// A model that was read from a file.
#[derive(Clone, Debug, Serialize)]
pub struct Imported {
    /// The file, as the config names it.
    pub file: String,
    /// Digest of the graph that was made of it, weights and all.
    pub digest: String,
    #[serde(skip)]
    graph: Arc<Graph>,
}

impl PartialEq for Imported {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Imported {
    /// The model in the file at `path`, which the config calls `file`.
    ///
    /// # Errors
    /// [`Failure::Import`]: it cannot be read, or not be trained here; [`Failure::Usage`] where a run cannot give it its samples.
    pub fn read(path: &Path, file: &str) -> Result<Self, Failure> {
        let lowered = sim_import::import(path, &Cut::default())?.lowered;
        let plain = |pairs: &[(f32, f32)]| pairs.iter().all(|&pair| pair == (1.0, 0.0));
        let in_order = |places: &[u32]| places.iter().enumerate().all(|(i, &p)| i == p as usize);
        let unfit = if !plain(&lowered.normalisation) {
            "normalises its samples itself, which a run does by `data.normalise`; save it without its preprocessing layers"
        } else if !in_order(&lowered.output) {
            "has outputs in another order than a run's classes"
        } else {
            let digest = digest(&format!("{:?}", lowered.graph));
            return Ok(Self {
                file: file.to_owned(),
                digest,
                graph: Arc::new(lowered.graph),
            });
        };
        Err(Failure::Usage(format!(
            "{}: the model {unfit}.",
            path.display()
        )))
    }
}

impl Model {
    /// The graph for inputs of `shape`: with initial weights drawn from `seed`, or with those of its file.
    ///
    /// # Errors
    /// The compiler's, with the layer that does not fit.
    pub fn graph(&self, shape: Shape, seed: u64) -> Result<Graph, sim_compiler::Error> {
        match self {
            Model::Network(spec) => spec.build(shape, seed),
            Model::Imported(imported) => {
                let input = &imported.graph.nodes()[0];
                if input.shape != shape {
                    return Err(sim_compiler::Error::Mismatch {
                        layer: input.name.clone(),
                        a: input.shape,
                        b: shape,
                    });
                }
                Ok(imported.graph.as_ref().clone())
            }
        }
    }

    /// Whether it comes with weights that were trained.
    pub fn is_trained(&self) -> bool {
        matches!(self, Model::Imported(_))
    }
}
