//! The graph while it is being made: unlike the finished one, a node of it can still take in what comes
//! behind it, such as the bias that another framework adds in an operator of its own.

use runtime_shared::kernels::Shape;
use sim_compiler::Graph;
use sim_compiler::graph::{NodeId, Op};
use sim_compiler::ops::input::Input;
use std::collections::BTreeSet;

/// A node to be.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its name in the graph.
    pub name: String,
    /// What it computes.
    pub op: Op,
    /// Of which drafts.
    pub inputs: Vec<usize>,
    /// The shape of its output.
    pub shape: Shape,
    /// The operator in the file that it comes from; the graph's input has none.
    pub source: Option<usize>,
}

/// All nodes to be; the first is the input.
#[derive(Clone, Debug)]
pub struct Drafts {
    list: Vec<Draft>,
    names: BTreeSet<String>,
}

impl Drafts {
    /// Nothing but the input.
    pub fn new(input: Shape) -> Self {
        let name = "input".to_owned();
        Self {
            names: BTreeSet::from([name.clone()]),
            list: vec![Draft {
                name,
                op: Input { shape: input }.into(),
                inputs: Vec::new(),
                shape: input,
                source: None,
            }],
        }
    }

    /// A draft.
    pub fn get(&self, id: usize) -> &Draft {
        &self.list[id]
    }

    /// A draft, to take something in.
    pub fn get_mut(&mut self, id: usize) -> &mut Draft {
        &mut self.list[id]
    }

    /// How many drafts read this one.
    pub fn reads(&self, id: usize) -> usize {
        let inputs = self.list.iter().flat_map(|d| &d.inputs);
        inputs.filter(|&&i| i == id).count()
    }

    /// Appends a node; a name that is taken gets a number.
    pub fn push(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<usize>,
        shape: Shape,
        source: usize,
    ) -> usize {
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut free = std::iter::once(name.to_owned()).chain(numbered);
        let name = free
            .find(|n| !self.names.contains(n))
            .unwrap_or_else(|| name.to_owned());
        self.names.insert(name.clone());
        self.list.push(Draft {
            name,
            op,
            inputs,
            shape,
            source: Some(source),
        });
        self.list.len() - 1
    }

    /// The graph of what `output` needs, and for each of its nodes the operator in the file.
    ///
    /// # Errors
    /// The operator that the graph refuses, and why.
    #[allow(clippy::type_complexity)]
    pub fn finish(
        self,
        output: usize,
    ) -> Result<(Graph, Vec<Option<usize>>), (Option<usize>, sim_compiler::Error)> {
        let mut needed = vec![false; self.list.len()];
        needed[0] = true;
        needed[output] = true;
        for id in (0..=output).rev().filter(|&id| id > 0) {
            if needed[id] {
                self.list[id].inputs.iter().for_each(|&i| needed[i] = true);
            }
        }
        let mut graph = Graph::new(self.list[0].shape).map_err(|e| (None, e))?;
        let mut ids: Vec<NodeId> = vec![0; self.list.len()];
        let mut sources = vec![None];
        for (id, draft) in self.list.into_iter().enumerate().skip(1) {
            if !needed[id] {
                continue;
            }
            let inputs: Vec<NodeId> = draft.inputs.iter().map(|&i| ids[i]).collect();
            let pushed = graph.push(&draft.name, draft.op, &inputs);
            ids[id] = pushed.map_err(|e| (draft.source, e))?;
            sources.push(draft.source);
        }
        Ok((graph, sources))
    }
}
