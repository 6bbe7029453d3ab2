//! Cycles of a Program: from what a learner did, on a core and a board.

use crate::counters::Counters;
use crate::fit::is_optional;
use crate::trips::{self, Trips, Update};
use runtime_shared::program::{Call, Field, Kernel, List, Place, Program};
use sim_mcu::cost::Table;
use sim_mcu::{Error, Placement};
use std::collections::BTreeMap;

/// What the learner itself does between kernels goes by this name among them.
pub const LEARNER: &str = "learner";

/// Cycles of one kind of kernel in one step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Share {
    /// Mean calls a step.
    pub calls: f64,
    /// Mean cycles a step.
    pub cycles: f64,
}

/// Cycles by kernel.
pub type Breakdown = BTreeMap<&'static str, Share>;

/// What one prediction and one learning step cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepCost {
    /// One prediction.
    pub infer: Breakdown,
    /// One learning step: the prediction that comes first, and all replays.
    pub train: Breakdown,
}

impl StepCost {
    /// Cycles of one prediction.
    pub fn infer_cycles(&self) -> f64 {
        self.infer.values().map(|s| s.cycles).sum()
    }

    /// Cycles of one learning step.
    pub fn train_cycles(&self) -> f64 {
        self.train.values().map(|s| s.cycles).sum()
    }
}

/// Prices what `counters` saw `program` do, per sample learnt from.
///
/// # Errors
/// [`Error`] where the table lacks a kernel or a loop.
pub fn price(program: &Program<'_>, counters: &Counters, table: &Table) -> Result<StepCost, Error> {
    let mut cost = StepCost::default();
    let samples = counters.samples.max(1) as f64;
    for list in [List::Infer, List::Learn, List::Apply] {
        for index in 0..program.count(list) {
            let Some(call) = program.call(list, index) else {
                continue;
            };
            let tally = counters.tally(list, index);
            let often = tally.runs as f64 / samples;
            let update = Update::of(program, call.rule);
            let activity = tally.activity(&call);
            for (name, cycles) in call_cycles(&call, update, &activity, table)? {
                if list == List::Infer {
                    add(&mut cost.infer, name, 1.0, cycles);
                }
                add(&mut cost.train, name, often, cycles * often);
            }
        }
    }
    let own = |trips: &Trips| table.cycles(LEARNER, Placement::Ram, trips.iter());
    add(
        &mut cost.infer,
        LEARNER,
        1.0,
        own(&trips::prediction(program))?,
    );
    let learning = own(&trips::learning(program, counters))?;
    add(&mut cost.train, LEARNER, 1.0, learning / samples);
    cost.train.retain(|_, share| share.calls > 0.0);
    if program.count(List::Learn) == 0 {
        cost.train.clear();
    }
    Ok(cost)
}

fn add(breakdown: &mut Breakdown, name: &'static str, calls: f64, cycles: f64) {
    let share = breakdown.entry(name).or_default();
    share.calls += calls;
    share.cycles += cycles;
}

/// Cycles of one call, by kernel: its own, and those of the activation fused behind it.
///
/// # Errors
/// [`Error`] where the table lacks a kernel or a loop.
pub fn call_cycles(
    call: &Call,
    update: Update,
    activity: &trips::Activity,
    table: &Table,
) -> Result<Vec<(&'static str, f64)>, Error> {
    let name = call.kernel.name();
    let trips = trips::of(call, update, activity);
    let place = placement(call);
    let priced = |kernel: &'static str, place: Placement, trips: &Trips| {
        let known = &table.kernel(kernel, place)?.cycles;
        let trips = trips
            .iter()
            .filter(|(name, _)| !is_optional(name) || known.contains_key(*name));
        table.cycles(kernel, place, trips)
    };
    let mut parts = vec![(name, priced(name, place, &trips)?)];
    if let Some(trips) = trips::fused_activation(call, activity) {
        parts.push(("activation", priced("activation", Placement::Ram, &trips)?));
    }
    Ok(parts)
}

/// Where the constants of a call lie: in flash as soon as one of them does.
fn placement(call: &Call) -> Placement {
    let flashed = (0..call.operands.len())
        .any(|i| is_constant(call.kernel, i) && matches!(call.operands[i], Place::Rom(_)));
    if flashed {
        Placement::Flash
    } else {
        Placement::Ram
    }
}

/// Bytes that go to the buffer with each sample; none without a buffer.
pub(crate) fn stored_bytes(program: &Program<'_>) -> usize {
    if program.get(Field::BufferPolicy) == 0 {
        0
    } else {
        program.payload_bytes()
    }
}

/// Whether operand `i` is a weight, bias, scale or shift: a constant of the Program where it is not trained.
pub(crate) fn is_constant(kernel: Kernel, i: usize) -> bool {
    match kernel {
        Kernel::Normalise
        | Kernel::Dense
        | Kernel::Conv2d
        | Kernel::Depthwise
        | Kernel::ChannelAffine => i == 1 || i == 2,
        Kernel::DenseBackwardInput | Kernel::DepthwiseBackwardInput => i == 1,
        Kernel::Conv2dBackwardInput => i == 2,
        Kernel::ChannelAffineBackward => i == 0,
        _ => false,
    }
}
