//! The device that runs the core on the host.

use experiments::device::{Device, Stop};
use runtime_shared::exec::Fault;
use runtime_shared::learner::{Error, Learner, Step, Update};
use runtime_shared::machine;
use runtime_shared::program::{Element, List, Program};
use sim_measure::{Protocol, Recorder, Recording};

/// Names the layer of a call, for messages.
pub type LayerNames<'a> = &'a dyn Fn(List, usize) -> String;

/// The core on the host.
pub struct Native<'a> {
    learner: Learner<'a>,
    layer: LayerNames<'a>,
    learns: bool,
    recorder: Option<Recorder>,
}

impl<'a> Native<'a> {
    /// Starts `program` anew in `arena`.
    ///
    /// # Errors
    /// [`Error`] where the arena does not do.
    pub fn new(
        program: Program<'a>,
        arena: &'a mut [u32],
        layer: LayerNames<'a>,
    ) -> Result<Self, Error> {
        let learns = program.count(List::Learn) > 0;
        let learner = Learner::new(program, bytemuck::cast_slice_mut(arena))?;
        Ok(Self {
            learner,
            layer,
            learns,
            recorder: None,
        })
    }

    /// Has `recorder` see every step from here on.
    pub fn record(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    /// What was recorded of steps of this kind.
    pub fn recording(&mut self, protocol: Protocol) -> Option<Recording> {
        let recorder = self.recorder.take()?;
        Some(recorder.finish(self.learner.program(), protocol))
    }

    /// The learner, to read its parameters.
    pub fn learner(&self) -> &Learner<'a> {
        &self.learner
    }

    /// The sentence for an error, and the layer where it arose.
    fn explain(&self, error: Error) -> Stop {
        match error {
            Error::Fault(Fault::Diverged { call }) => Stop {
                layer: (self.layer)(List::Learn, self.first_bad(call as usize)),
                reason:
                    "the loss exploded or is not a number; a smaller learning rate, clip_value or \
                         clip_norm may help"
                        .to_owned(),
            },
            other => Stop {
                layer: String::new(),
                reason: format!("the core refused: {other:?}"),
            },
        }
    }

    /// The first call of *learn*, up to the loss at `last`, whose outputs are not all finite: what it
    /// computed is still in the arena, because the backward pass needs it.
    fn first_bad(&self, last: usize) -> usize {
        let bad = |index: usize| {
            let call = self.learner.program().call(List::Learn, index)?;
            let (bytes, element) = call.computed(self.learner.arena())?;
            if element != Element::F32 {
                // Integers are always finite.
                return None;
            }
            let floats = machine::floats(bytes);
            floats.iter().any(|x| !x.is_finite()).then_some(index)
        };
        (0..last).find_map(bad).unwrap_or(last)
    }
}

impl Device for Native<'_> {
    fn learn(&mut self, sample: &[u8], label: usize) -> Result<Step, Stop> {
        if let Some(recorder) = &mut self.recorder {
            recorder.before(self.learner.arena(), sample, label);
        }
        let result = self.learner.learn(sample, label, &mut ());
        if let (Some(recorder), Ok(step)) = (&mut self.recorder, &result) {
            recorder.after(step.replayed);
        }
        result.map_err(|e| self.explain(e))
    }

    fn train(&mut self, sample: &[u8], label: usize) -> Result<Update, Stop> {
        if let Some(recorder) = &mut self.recorder {
            recorder.before(self.learner.arena(), sample, label);
        }
        let result = self.learner.train(sample, label, &mut ());
        if let (Some(recorder), Ok(_)) = (&mut self.recorder, &result) {
            recorder.after(1);
        }
        result.map_err(|e| self.explain(e))
    }

    fn infer(&mut self, sample: &[u8]) -> Result<usize, Stop> {
        self.learner
            .infer(sample, &mut ())
            .map_err(|e| self.explain(e))
    }

    fn extract(&mut self, sample: &[u8]) -> Result<Vec<u8>, Stop> {
        let result = self.learner.extract(sample).map(<[u8]>::to_vec);
        result.map_err(|e| self.explain(e))
    }

    fn classify(&mut self, features: &[u8]) -> Result<usize, Stop> {
        self.learner.classify(features).map_err(|e| self.explain(e))
    }

    fn learns(&self) -> bool {
        self.learns
    }
}
