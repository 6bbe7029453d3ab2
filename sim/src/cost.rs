//! Cycles of a Program's calls on a core: from dimensions and what was counted while running.

use crate::native::Counters;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel, List, Program, RuleKind};
use sim_mcu::cost::blocks;
use sim_mcu::{CostModel, Counts, Error, Feature};
use std::collections::BTreeMap;

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
/// [`Error`] where the model lacks a kernel.
pub fn price(
    program: &Program<'_>,
    counters: &Counters,
    model: &CostModel,
) -> Result<StepCost, Error> {
    let mut cost = StepCost::default();
    let samples = counters.samples.max(1) as f64;
    for list in [List::Infer, List::Learn, List::Apply] {
        let tally = &counters.lists[list as usize];
        for index in 0..program.count(list) {
            let Some(call) = program.call(list, index) else {
                continue;
            };
            let runs = tally.runs.get(index).copied().unwrap_or(0) as f64;
            let active = tally.active.get(index).copied().unwrap_or(0) as f64 / runs.max(1.0);
            let active = if runs > 0.0 { active } else { f64::NAN };
            let one = call_cycles(&call, active, model)?;
            if list == List::Infer {
                for (name, cycles) in &one {
                    add(&mut cost.infer, name, 1.0, *cycles);
                }
            }
            for (name, cycles) in one {
                add(
                    &mut cost.train,
                    name,
                    runs / samples,
                    cycles * runs / samples,
                );
            }
        }
    }
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

/// Cycles of one call, by kernel: its own, and those of the activation fused behind it. `active` is the
/// mean number of inputs that were not skipped; not a number where it was not counted, upon which none is
/// taken to be skipped.
pub fn call_cycles(
    call: &Call,
    active: f64,
    model: &CostModel,
) -> Result<Vec<(&'static str, f64)>, Error> {
    let name = call.kernel.name();
    let mut parts = vec![(name, model.cycles(name, &counts(call, active))?)];
    let forward = matches!(
        call.kernel,
        Kernel::Dense | Kernel::Conv2d | Kernel::Depthwise
    );
    if forward && call.activation != Activation::None {
        let outputs = match call.kernel {
            Kernel::Dense => call.dim(1),
            _ => call.conv2d().pooled().len(),
        };
        let counts = elementwise(outputs, exponential(call.activation));
        parts.push(("activation", model.cycles("activation", &counts)?));
    }
    Ok(parts)
}

fn exponential(activation: Activation) -> bool {
    matches!(activation, Activation::Sigmoid | Activation::Tanh)
}

fn elementwise(len: usize, exponential: bool) -> Counts {
    let counts = Counts::call().with(Feature::Input, len as f64);
    if exponential {
        counts.with(Feature::Exp, len as f64)
    } else {
        counts
    }
}

fn rule_feature(rule: RuleKind) -> Feature {
    match rule {
        RuleKind::Sgd => Feature::ParameterSgd,
        RuleKind::Momentum => Feature::ParameterMomentum,
        RuleKind::Adam => Feature::ParameterAdam,
        RuleKind::Accumulate => Feature::ParameterAccumulate,
    }
}

/// What a call is counted in. Where a kernel's work depends on how many deltas are zero, which is not
/// counted, none is taken to be: the figure errs on the high side.
fn counts(call: &Call, active: f64) -> Counts {
    let base = Counts::call();
    let d = |i: usize| call.dim(i) as f64;
    let with = |c: Counts, list: &[(Feature, f64)]| {
        list.iter()
            .fold(c, |c, &(feature, count)| c.with(feature, count))
    };
    match call.kernel {
        Kernel::Dense | Kernel::DenseBackwardInput | Kernel::DenseBackwardWeights => {
            let (inputs, outputs) = (d(0), d(1));
            let used = if call.flags & SKIP_ZEROS != 0 && active.is_finite() {
                active
            } else {
                inputs
            };
            match call.kernel {
                Kernel::Dense => {
                    let blocks = blocks(call.dim(1), 16) as f64;
                    with(
                        base,
                        &[
                            (Feature::Input, inputs * blocks),
                            (Feature::NonZeroInput, used * blocks),
                            (Feature::Mac, used * outputs),
                            (Feature::Output, outputs),
                        ],
                    )
                }
                Kernel::DenseBackwardInput => with(
                    base,
                    &[(Feature::Input, inputs), (Feature::Mac, inputs * outputs)],
                ),
                _ => {
                    let blocks = blocks(call.dim(1), 8) as f64;
                    with(
                        base,
                        &[
                            (Feature::Input, inputs * blocks),
                            (Feature::NonZeroInput, used * blocks),
                            (rule_feature(call.rule), used * outputs),
                        ],
                    )
                }
            }
        }
        Kernel::BiasBackward => with(
            base,
            &[
                (Feature::Input, d(0) * d(1)),
                (rule_feature(call.rule), d(1)),
            ],
        ),
        Kernel::Conv2d | Kernel::Conv2dBackwardInput | Kernel::Conv2dBackwardWeights => {
            let g = call.conv2d();
            let pooled = g.pooled();
            let window = (g.kernel.0 * g.kernel.1 * g.input.c) as f64;
            let computed = (pooled.h * g.pool.0 * pooled.w * g.pool.1) as f64;
            let deltas = pooled.len() as f64;
            match call.kernel {
                Kernel::Conv2d => with(
                    base,
                    &[
                        (
                            Feature::Row,
                            computed * g.kernel.0 as f64 * blocks(g.output.c, 8) as f64,
                        ),
                        (Feature::Mac, computed * window * g.output.c as f64),
                        (Feature::Output, computed * g.output.c as f64),
                    ],
                ),
                _ => {
                    let counts = with(
                        base,
                        &[
                            (Feature::Input, deltas),
                            (Feature::NonZeroInput, deltas),
                            (Feature::Row, deltas * g.kernel.0 as f64),
                            (Feature::Mac, deltas * window),
                        ],
                    );
                    if call.kernel == Kernel::Conv2dBackwardInput {
                        counts.with(Feature::Output, g.input.len() as f64)
                    } else {
                        counts.with(rule_feature(call.rule), window * g.output.c as f64)
                    }
                }
            }
        }
        Kernel::Depthwise | Kernel::DepthwiseBackwardInput | Kernel::DepthwiseBackwardWeights => {
            let g = call.conv2d();
            let window = (g.kernel.0 * g.kernel.1) as f64;
            let positions = (g.output.h * g.output.w) as f64;
            let counts = with(
                base,
                &[
                    (
                        Feature::Row,
                        positions * g.kernel.0 as f64 * blocks(g.output.c, 8) as f64,
                    ),
                    (Feature::Mac, positions * window * g.output.c as f64),
                ],
            );
            match call.kernel {
                Kernel::Depthwise => counts.with(Feature::Output, g.output.len() as f64),
                Kernel::DepthwiseBackwardInput => {
                    counts.with(Feature::Output, g.input.len() as f64)
                }
                _ => counts.with(rule_feature(call.rule), window * g.input.c as f64),
            }
        }
        Kernel::MaxPool
        | Kernel::AveragePool
        | Kernel::MaxPoolBackward
        | Kernel::AveragePoolBackward => {
            let g = call.pool2d();
            let (outputs, inputs) = (g.output.len() as f64, g.input.len() as f64);
            let taps = outputs * (g.kernel.0 * g.kernel.1) as f64;
            match call.kernel {
                Kernel::MaxPoolBackward => with(
                    base,
                    &[(Feature::Input, outputs), (Feature::Output, inputs)],
                ),
                Kernel::AveragePoolBackward => with(
                    base,
                    &[
                        (Feature::Input, outputs),
                        (Feature::Tap, taps),
                        (Feature::Output, inputs),
                    ],
                ),
                _ => with(base, &[(Feature::Tap, taps), (Feature::Output, outputs)]),
            }
        }
        Kernel::Activation => elementwise(call.len(), exponential(call.activation)),
        Kernel::Softmax | Kernel::Loss => elementwise(call.len(), true),
        Kernel::Apply => base.with(rule_feature(call.rule), call.len() as f64),
        _ => elementwise(call.len(), false),
    }
}
