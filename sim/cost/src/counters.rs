//! What a learner did, call by call: what its cost follows from.

use crate::data::{self, Data};
use crate::trips::{self, Activity};
use runtime_shared::exec::{Operands, Probe};
use runtime_shared::program::{Call, Kernel, List, Program};
use serde::{Deserialize, Serialize};

/// Sums over the runs of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Times that it ran.
    pub runs: u64,
    /// Inputs that it did not skip.
    pub active: u64,
    /// What its operands were like, summed up.
    pub data: Data,
}

impl Tally {
    /// What the data of `call` were like, if it ran.
    pub fn activity(&self, call: &Call) -> Activity {
        if self.runs == 0 {
            return Activity::default();
        }
        let runs = self.runs as f64;
        Activity {
            active: skips(call.kernel).then_some(self.active as f64 / runs),
            data: Some(self.data.times(1.0 / runs)),
        }
    }

    fn add(&mut self, other: &Tally) {
        self.runs += other.runs;
        self.active += other.active;
        self.data.add(&other.data);
    }
}

/// Kernels that skip zeros, and so report how many inputs they used.
pub fn skips(kernel: Kernel) -> bool {
    matches!(
        kernel,
        Kernel::Dense
            | Kernel::DenseBackwardWeights
            | Kernel::Conv2dBackwardInput
            | Kernel::Conv2dBackwardWeights
    )
}

/// What a learner did: a tally for each call of each list, and how many samples it was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counters {
    /// *infer*, *learn*, *apply*.
    pub lists: [Vec<Tally>; 3],
    /// Samples given to learn from.
    pub samples: u64,
}

impl Counters {
    /// Adds what another learner of the same Program did.
    pub fn add(&mut self, other: &Counters) {
        self.samples += other.samples;
        for (mine, theirs) in self.lists.iter_mut().zip(&other.lists) {
            mine.resize(mine.len().max(theirs.len()), Tally::default());
            mine.iter_mut().zip(theirs).for_each(|(m, t)| m.add(t));
        }
    }

    /// The tally of a call.
    pub fn tally(&self, list: List, call: usize) -> Tally {
        let tallies = &self.lists[list as usize];
        tallies.get(call).copied().unwrap_or_default()
    }

    /// How often `list` ran through, and how many calls that were.
    pub fn runs(&self, program: &Program<'_>, list: List) -> (u64, u64) {
        let runs = |call| self.tally(list, call).runs;
        let count = program.count(list);
        let all = (0..count).map(runs).sum();
        // The last call of *infer* runs with each prediction, its first ones with extraction alone too.
        (count.checked_sub(1).map_or(0, runs), all)
    }

    fn tally_mut(&mut self, list: List, call: usize) -> &mut Tally {
        let tallies = &mut self.lists[list as usize];
        if tallies.len() <= call {
            tallies.resize(call + 1, Tally::default());
        }
        &mut tallies[call]
    }
}

impl Probe for Counters {
    fn operands(
        &mut self,
        list: List,
        index: usize,
        call: &Call,
        operands: &Operands<'_>,
        rate: f32,
    ) {
        let data = Data::of(call, rate, |i| operands.bytes(i));
        self.tally_mut(list, index).data.add(&data);
    }

    fn after(&mut self, list: List, index: usize, _call: &Call, active: u32) {
        let tally = self.tally_mut(list, index);
        tally.runs += 1;
        tally.active += u64::from(active);
    }

    fn left(&mut self, list: List, index: usize, call: &Call, work: &[u8]) {
        let outputs = trips::fused(call).and_then(|_| call.computed(work));
        if let Some(outputs) = outputs {
            let near = data::near_of_outputs(call.activation, outputs);
            self.tally_mut(list, index).data.add_near(near);
        }
    }
}
