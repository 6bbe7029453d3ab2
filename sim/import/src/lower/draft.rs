//! The graph while it is being made: unlike the finished one, a node of it can still take in what comes
//! behind it, such as the bias that another framework adds in an operator of its own.

use runtime_shared::kernels::Shape;
use runtime_shared::program::Element;
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

/// All nodes to be; the first are the inputs.
#[derive(Clone, Debug)]
pub struct Drafts {
    inputs: usize,
    list: Vec<Draft>,
    names: BTreeSet<String>,
}

impl Drafts {
    /// Nothing but the inputs.
    pub fn new(inputs: &[(String, Shape)]) -> Self {
        let draft = |(name, shape): &(String, Shape)| Draft {
            name: name.clone(),
            op: Input {
                shape: *shape,
                element: Element::U8,
            }
            .into(),
            inputs: Vec::new(),
            shape: *shape,
            source: None,
        };
        Self {
            inputs: inputs.len(),
            names: inputs.iter().map(|(name, _)| name.clone()).collect(),
            list: inputs.iter().map(draft).collect(),
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
        needed[output] = true;
        for id in (0..=output).rev() {
            if needed[id] {
                self.list[id].inputs.iter().for_each(|&i| needed[i] = true);
            }
        }
        let (first, rest) = self.list.split_at(self.inputs);
        let inputs: Vec<(&str, Shape)> = first.iter().map(|d| (&d.name[..], d.shape)).collect();
        let mut graph = Graph::with_inputs(&inputs).map_err(|e| (None, e))?;
        let mut ids: Vec<NodeId> = (0..first.len() + rest.len()).collect();
        let mut sources = vec![None; first.len()];
        let count = self.inputs;
        for (id, draft) in self.list.into_iter().enumerate().skip(count) {
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
