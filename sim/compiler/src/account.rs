//! Where every byte of arena and image goes: known before any weight is.

use crate::graph::NodeId;
use crate::listing::Part;
use runtime_shared::program::List;

/// What a block of memory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
    /// The learner's own words.
    State,
    /// Parameters: trained ones in RAM, frozen ones and initial values in flash.
    Weights,
    /// Velocities and moments.
    OptimiserState,
    /// Gradients kept until a batch is full.
    Gradients,
    /// What layers compute.
    Activations,
    /// Gradients with respect to what layers compute.
    Deltas,
    /// Room for a kernel to work in.
    Scratch,
    /// What the planner could not use.
    Slack,
    /// The replay buffer.
    Buffer,
    /// Header, tables and calls of the Program.
    Schedule,
}

/// A named part of the arena or of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is for.
    pub kind: BlockKind,
    /// Whose it is.
    pub what: String,
    /// Bytes.
    pub bytes: usize,
}

/// A trained parameter tensor, in the order of the Program's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// The graph's node.
    pub node: NodeId,
    /// Weights or bias.
    pub part: Part,
    /// Floats.
    pub len: usize,
}

/// What a Program takes, and what it consists of.
#[derive(Clone, Debug)]
pub struct Account {
    /// The arena, byte by byte: these sum up to what the Program asks for. Temporaries are listed as
    /// they are at the moment when they take most.
    pub arena: Vec<Block>,
    /// The image, byte by byte.
    pub flash: Vec<Block>,
    /// What is trained.
    pub parameters: Vec<ParameterInfo>,
    /// Slots of the replay buffer.
    pub slots: usize,
    /// Bytes of a slot of the replay buffer; what it would be, where there is none.
    pub slot_bytes: usize,
    /// Floats of features; 0 where learning starts at raw samples.
    pub features: usize,
    /// The layer that each call works for, by list.
    pub(crate) layers: [Vec<String>; 3],
}

impl Account {
    /// Bytes of RAM that the learner asks for.
    pub fn arena_bytes(&self) -> usize {
        sum(&self.arena)
    }

    /// Bytes of the image.
    pub fn image_bytes(&self) -> usize {
        sum(&self.flash)
    }

    /// The layer that a call works for.
    pub fn layer(&self, list: List, call: usize) -> &str {
        self.layers[list as usize]
            .get(call)
            .map_or("?", String::as_str)
    }
}

fn sum(blocks: &[Block]) -> usize {
    blocks.iter().map(|b| b.bytes).sum()
}
