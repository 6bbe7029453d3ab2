//! Watches a training on the host: keeps its moments, and what is to be known of all its steps.

use crate::measure::Stretch;
use crate::moment::{Labelled, Moment, Protocol, density, moments};
use runtime_shared::program::{Field, Program};
use serde::{Deserialize, Serialize};

/// What a run is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Steps that the run will make.
    pub steps: u64,
    /// Moments to keep, spread over them.
    pub moments: u64,
    /// Steps to measure from each moment on.
    pub follow: usize,
    /// Decides which.
    pub seed: u64,
}

/// What a run leaves to be measured: all of it is here, so that it can be measured elsewhere and later.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The Program's image.
    #[serde(with = "crate::hex")]
    pub image: Vec<u8>,
    /// What a step does.
    pub protocol: Protocol,
    /// Some moments of the run.
    pub moments: Vec<Moment>,
    /// What is known of all its steps.
    pub stretch: Stretch,
}

/// Sees every step of a run.
#[derive(Clone, Debug)]
pub struct Recorder {
    chosen: Vec<u64>,
    follow: usize,
    step: u64,
    moments: Vec<Moment>,
    density: f64,
    updates: u64,
    first: u64,
}

impl Recorder {
    /// As `plan` has it.
    pub fn new(plan: Plan) -> Self {
        Self {
            chosen: moments(plan.steps, plan.moments, plan.seed),
            follow: plan.follow.max(1),
            step: 0,
            moments: Vec::new(),
            density: 0.0,
            updates: 0,
            first: 0,
        }
    }

    /// A step is about to be made from `arena`.
    pub fn before(&mut self, arena: &[u8], sample: &[u8], label: usize) {
        self.density += density(sample);
        if self.chosen.get(self.moments.len()) == Some(&self.step) {
            self.moments.push(Moment {
                arena: arena.to_vec(),
                steps: Vec::new(),
            });
        }
        if let Some(moment) = self
            .moments
            .last_mut()
            .filter(|m| m.steps.len() < self.follow)
        {
            moment.steps.push(Labelled {
                sample: sample.to_vec(),
                label,
            });
        }
    }

    /// The step made so many updates.
    pub fn after(&mut self, updates: u32) {
        if self.step == 0 {
            self.first = updates.into();
        }
        self.updates += u64::from(updates);
        self.step += 1;
    }

    /// What the run of `program` leaves.
    pub fn finish(self, program: &Program<'_>, protocol: Protocol) -> Recording {
        let steps = self.step.max(1) as f64;
        Recording {
            image: program.image().to_vec(),
            protocol,
            moments: self.moments,
            stretch: Stretch {
                density: self.density / steps,
                updates: self.updates as f64 / steps,
                first: self.first as f64,
                full: full(program, protocol) as f64,
            },
        }
    }
}

/// Updates of a step with a full buffer.
pub(crate) fn full(program: &Program<'_>, protocol: Protocol) -> u64 {
    if protocol == Protocol::Train {
        return 1;
    }
    let passes = u64::from(program.get(Field::Passes));
    let pass = match (program.get(Field::Draw), program.get(Field::BufferSlots)) {
        (0, slots) => slots.max(1),
        (draw, _) => draw,
    };
    passes * u64::from(pass)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_means_are_those_of_the_run() {
        let mut recorder = Recorder::new(Plan {
            steps: 10,
            moments: 2,
            follow: 2,
            seed: 3,
        });
        for step in 0..10u8 {
            recorder.before(&[step], &[step, 0, 1, 0], usize::from(step));
            recorder.after(u32::from(step));
        }
        assert_eq!((recorder.updates, recorder.first), (45, 0));
        // The first byte of the first sample is zero as well.
        assert!((recorder.density - 4.75).abs() < 1e-12);
        assert_eq!(recorder.moments.len(), 2);
        for (i, moment) in recorder.moments.iter().enumerate() {
            let at = usize::from(moment.arena[0]);
            assert_eq!(at / 5, i);
            assert_eq!(moment.steps[0].label, at);
            assert!(moment.steps.len() == 2 || at == 9);
        }
    }
}
