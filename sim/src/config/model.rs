//! What a strategy trains: a network, whatever it is written as.

use runtime_shared::kernels::Shape;
use serde::Serialize;
use sim_compiler::Graph;
use sim_compiler::network::NetworkSpec;

/// A network that a strategy names. It is part of the key of all that is cached, so a variant holds everything that decides
/// the network, not a path where it was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Layers as they are written in TOML.
    Network(NetworkSpec),
}

impl Model {
    /// The graph for inputs of `shape`, with initial weights drawn from `seed`.
    ///
    /// # Errors
    /// The compiler's, with the layer that does not fit.
    pub fn graph(&self, shape: Shape, seed: u64) -> Result<Graph, sim_compiler::Error> {
        match self {
            Model::Network(spec) => spec.build(shape, seed),
        }
    }
}
