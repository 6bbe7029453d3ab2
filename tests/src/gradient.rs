//! The gradient of one sample, read from a Program's own gradient buffers.
//!
//! With a batch of two every gradient is kept, times 1/2 and otherwise untouched, until the second
//! sample; so one sample leaves exactly half of its gradient in the arena, whatever the optimiser.

use crate::memory::Arena;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::{Field, Kernel, List, Place, Program};
use sim_compiler::{Compiled, Graph, Optimiser, Options, Store, compile};

/// A graph compiled so that gradients can be read.
#[derive(Debug)]
pub struct Differentiator {
    /// The Program.
    pub compiled: Compiled,
}

impl Differentiator {
    /// Compiles `graph`; of `options` the scheme, the loss, the normalisation and the seed count.
    ///
    /// # Errors
    /// The compiler's.
    pub fn new(graph: &Graph, options: &Options) -> Result<Self, sim_compiler::Error> {
        let mut options = options.clone();
        options.training = sim_compiler::Training {
            batch: 2,
            target: options.training.target,
            ..sim_compiler::Training::sgd(1.0)
        };
        options.training.optimiser = Optimiser::Sgd;
        options.online = sim_compiler::Online {
            store: Store::Raw,
            ..Default::default()
        };
        Ok(Self {
            compiled: compile(graph, &options)?,
        })
    }

    /// Loss and gradients of one sample, by parameter, in the order of the account's `parameters`.
    ///
    /// # Panics
    /// Where the Program does not learn from `sample` or keeps no gradients.
    pub fn gradients(&self, sample: &[u8], label: usize) -> (f32, Vec<Vec<f32>>) {
        let program = Program::load(self.compiled.image.bytes()).expect("the Program loads");
        let mut arena = Arena::new(program.size(Field::ArenaBytes));
        let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena fits");
        let loss = learner
            .train(sample, label, &mut ())
            .expect("the sample is learnt")
            .loss;
        let gradients = (0..program.count(List::Apply)).filter_map(|i| {
            let call = program.call(List::Apply, i)?;
            let (Kernel::Apply, Place::Ram(at)) = (call.kernel, call.operands[1]) else {
                return None;
            };
            let bytes = &learner.arena()[at as usize..at as usize + call.len() * 4];
            Some(machine::floats(bytes).iter().map(|g| 2.0 * g).collect())
        });
        (loss, gradients.collect())
    }
}
