//! How often the loops of a kernel run for a call.
//!
//! A kernel's time is a sum over its loops: how often each runs, its *trips*, times what one trip costs. Trips follow from a call's
//! dimensions, and from what the kernel reports where control flow depends on data. What is counted here mirrors the loops of
//! `runtime-kernels`, register blocks included, so that the cost of a trip is a property of the machine code and no longer of the shape.

mod convolution;
mod layers;

use crate::counters::Counters;
use crate::data::Data;
use crate::price::stored_bytes;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::{Call, Field, Kernel, List, Place, Program, RuleKind};

/// Trips by the loop's name, in the order in which they are counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trips(Vec<(&'static str, f64)>);

impl Trips {
    /// Those of any call: the executor's own work, which looks up each operand that is there, and the kernel's entry.
    fn call(call: &Call) -> Self {
        let there = |place: &&Place| **place != Place::Absent;
        let apart = |place: &&Place| matches!(place, Place::Rom(_) | Place::Sample);
        let mut trips = Self(vec![("call", 1.0)]);
        trips.add("operand", call.operands.iter().filter(there).count());
        trips.add(APART, call.operands.iter().filter(apart).count());
        trips
    }

    /// Counts `trips` more of the loop `name`.
    fn add(&mut self, name: &'static str, trips: usize) {
        self.add_mean(name, trips as f64);
    }

    /// Counts trips that are a mean over many runs.
    fn add_mean(&mut self, name: &'static str, trips: f64) {
        if trips == 0.0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += trips,
            None => self.0.push((name, trips)),
        }
    }

    /// Leaves a loop out.
    pub(crate) fn forget(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }

    /// Counts `trips` more through what follows a loop by fours, where `rest` elements, 1 to 3, are left: each number has a name of its
    /// own, since each has a branch of its own.
    fn add_rest(&mut self, trips: usize, rest: usize, names: [&'static str; 3]) {
        if let Some(name) = rest.checked_sub(1).and_then(|i| names.get(i)) {
            self.add(name, trips);
        }
    }

    /// Name and number of each loop's trips.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        self.0.iter().copied()
    }
}

/// What a call's data were like, as means over its runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Activity {
    /// Inputs that the kernel did not skip, as it reports them. Unknown, none is taken to be skipped, which errs on the high side.
    pub active: Option<f64>,
    /// What its operands were like; unknown, no element is taken to be zero.
    pub data: Option<Data>,
}

impl Activity {
    /// The share of products of an element of each of the first two operands that are zero.
    fn either(&self) -> f64 {
        1.0 - (1.0 - self.zeros(0)) * (1.0 - self.zeros(1))
    }

    /// How many products behind a convolution's gradient are zero.
    fn zero_products(&self) -> f64 {
        self.data.map_or(0.0, |data| data.zero_products)
    }

    /// The share of zeros in the first or second operand, as often as each is used.
    fn zeros(&self, i: usize) -> f64 {
        self.data.map_or(0.0, |data| data.zeros[i])
    }
}

/// The share of sums of so many products that are not zero, if a share `zeros` of the products is, anywhere; where most sums have none,
/// no more than have one.
fn any(zeros: f64, products: f64) -> f64 {
    (1.0 - zeros.powf(products)).min((1.0 - zeros) * products)
}

/// How many of these products are zero before the first that is not, in the mean.
fn leading(zeros: f64, products: f64) -> f64 {
    if zeros < 1.0 {
        (zeros / (1.0 - zeros) * any(zeros, products)).min(zeros * products)
    } else {
        products
    }
}

/// What happens to a gradient, as far as its cost goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// The step that it makes.
    pub step: Step,
    /// Whether weights decay, but in a [sum](Step::Sum), which comes before that.
    pub decays: bool,
}

/// The step that a gradient makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Plain gradient descent.
    Linear,
    /// A batch's sum, which is plain descent by a factor of one.
    Sum,
    /// Gradient descent by the effective gradient: with weight decay or clipped values.
    Effective,
    /// Momentum.
    Momentum,
    /// Adam.
    Adam,
}

impl Update {
    /// How `program` updates where a call's rule is `rule`.
    pub fn of(program: &Program<'_>, rule: RuleKind) -> Self {
        let decays = program.float(Field::WeightDecay) != 0.0;
        Self::new(rule, decays, program.float(Field::ClipValue).is_finite())
    }

    /// How `rule` updates where weights decay or not, and values are clipped or not.
    pub fn new(rule: RuleKind, decays: bool, clips: bool) -> Self {
        let step = match rule {
            RuleKind::Accumulate => Step::Sum,
            RuleKind::Sgd if decays || clips => Step::Effective,
            RuleKind::Sgd => Step::Linear,
            RuleKind::Momentum => Step::Momentum,
            RuleKind::Adam => Step::Adam,
        };
        Self {
            step,
            decays: decays && step != Step::Sum,
        }
    }

    /// Whether a gradient `g` has no other effect than `target += factor · g`.
    fn is_linear(self) -> bool {
        matches!(self.step, Step::Linear | Step::Sum)
    }

    /// `pushes` deliveries of `len` gradients each to parameters `stride` apart (`Sink::push`).
    fn push(self, trips: &mut Trips, pushes: usize, len: usize, stride: usize) {
        let all = pushes * len;
        match self.step {
            Step::Linear | Step::Sum if stride == 1 => {
                let push = if self.step == Step::Sum {
                    "push_sum"
                } else {
                    "push"
                };
                trips.add(push, pushes);
                trips.add("update_four", pushes * (len / 4));
                trips.add_rest(pushes, len % 4, ["update_1", "update_2", "update_3"]);
            }
            Step::Linear => {
                trips.add("push_apart", pushes);
                trips.add("update_apart", all);
            }
            Step::Sum => {
                trips.add("push_sum_apart", pushes);
                trips.add("update_apart", all);
            }
            Step::Effective => {
                trips.add("push_effective", pushes);
                trips.add("update_effective", all);
            }
            Step::Momentum => {
                trips.add("push_momentum", pushes);
                trips.add("update_momentum", all);
            }
            Step::Adam => {
                trips.add("push_adam", pushes);
                trips.add("update_adam", all);
            }
        }
    }
}

/// Additions by the signs of what is added, and by what becomes of the sum.
pub const SIGNS: [&str; 3] = ["opposite", "shrunk", "place"];

/// The loop whose trips give time back: products of which a factor is zero, where floats are software.
pub const ZERO: &str = "zero";

/// As [`ZERO`], on any core: operands that lie outside the arena, and so need not be borrowed apart from others.
pub const APART: &str = "apart";

/// A branch on data that a core did not foresee, if it foresees any.
pub const SURPRISE: &str = "surprise";

/// As [`ZERO`]: additions to what is still zero, where a sum starts.
pub const FRESH: &str = "fresh";

/// As [`ZERO`], and beside it: additions of nothing to what is still zero.
pub const EMPTY: &str = "empty";

/// As [`ZERO`]: exponentials that take a short cut.
pub const NEAR: &str = "near";

/// As [`ZERO`]: logarithms of one, in the loss of what is certain.
pub const OF_ONE: &str = "of_one";

/// As [`ZERO`]: logarithms of what is not scaled.
pub const UNSCALED: &str = "unscaled";

/// As [`ZERO`]: exponentials whose argument is reduced the shorter way.
pub const ONCE: &str = "once";

/// Exponentials that are subnormal, which take more time. Few are: it may be that none was fitted.
pub const SUBNORMAL: &str = "subnormal";

/// As [`ZERO`]: exponentials that are zero.
pub const UNDERFLOW: &str = "underflow";

/// As [`ZERO`]: hyperbolic tangents that are a series, without any exponential.
pub const SERIES: &str = "series";

/// As [`ONCE`], of a hyperbolic tangent.
pub const TANH_ONCE: &str = "tanh_once";

/// As [`ZERO`]: additions of what is too small to matter.
pub const FAR: &str = "far";

/// As [`ZERO`]: derivatives of a hyperbolic tangent that are zero.
pub const SATURATED_TANH: &str = "saturated_tanh";

/// As [`ZERO`]: derivatives of a sigmoid that are zero.
pub const SATURATED_SIGMOID: &str = "saturated_sigmoid";

/// As [`ZERO`]: products of which the second factor is zero, which is found out later.
pub const ZERO_DELTA: &str = "zero_delta";

/// As [`ZERO`]: factors of a whole row that are zero.
pub const ZERO_FACTOR: &str = "zero_factor";

/// Loops whose trips give time back, as [`ZERO`]. Those of an update rule are gradients that are zero; parameters that rest, since their
/// gradient is zero and always was, so that their state is zero too; and gradients that are the first of their parameter.
pub const GIVE_BACK: [&str; 29] = [
    ZERO,
    ZERO_DELTA,
    APART,
    ZERO_FACTOR,
    FAR,
    UNDERFLOW,
    SATURATED_TANH,
    SATURATED_SIGMOID,
    FRESH,
    EMPTY,
    NEAR,
    OF_ONE,
    UNSCALED,
    ONCE,
    SERIES,
    TANH_ONCE,
    "zero_decaying",
    "zero_linear",
    "zero_effective",
    "zero_momentum",
    "zero_adam",
    "resting_linear",
    "resting_effective",
    "resting_momentum",
    "resting_adam",
    "first_linear",
    "first_effective",
    "first_momentum",
    "first_adam",
];

/// Counts, of `parameters` of which a share `zeros` has no gradient, those to which this gives time back.
fn spared(trips: &mut Trips, update: Update, parameters: usize, zeros: f64, activity: &Activity) {
    let none = parameters as f64 * zeros;
    let gradients = activity.data.unwrap_or_default().gradients;
    let [zero, resting, first] = match update.step {
        Step::Linear | Step::Sum => ["zero_linear", "resting_linear", "first_linear"],
        Step::Effective => ["zero_effective", "resting_effective", "first_effective"],
        Step::Momentum => ["zero_momentum", "resting_momentum", "first_momentum"],
        Step::Adam => ["zero_adam", "resting_adam", "first_adam"],
    };
    if update.decays {
        // What decays has an effective gradient without any other; only what is zero itself does not.
        let still = gradients.still;
        trips.add_mean("decay", parameters as f64 - gradients.nought);
        trips.add_mean("zero_decaying", (none - still).max(0.0));
        trips.add_mean(zero, still);
        trips.add_mean(resting, still);
        trips.add_mean(first, gradients.resting - still + gradients.first);
        return;
    }
    trips.add_mean(zero, none);
    trips.add_mean(resting, gradients.resting);
    trips.add_mean(first, gradients.first);
}

/// The trips of one call.
pub fn of(call: &Call, update: Update, activity: &Activity) -> Trips {
    use Kernel::*;
    match call.kernel {
        Dense => layers::dense(call, activity),
        DenseBackwardInput => layers::dense_backward_input(call, activity),
        DenseBackwardWeights => layers::dense_backward_weights(call, update, activity),
        BiasBackward => layers::bias_backward(call, update, activity),
        Conv2d => convolution::forward(call, activity),
        Conv2dBackwardInput => convolution::backward_input(call, activity),
        Conv2dBackwardWeights => convolution::backward_weights(call, update, activity),
        Depthwise => convolution::depthwise(call, activity),
        DepthwiseBackwardInput => convolution::depthwise_backward_input(call, activity),
        DepthwiseBackwardWeights => convolution::depthwise_backward_weights(call, update, activity),
        MaxPool | AveragePool => convolution::pool(call, activity),
        MaxPoolBackward => convolution::max_pool_backward(call, activity),
        AveragePoolBackward => convolution::average_pool_backward(call, activity),
        _ => layers::elementwise(call, update, activity),
    }
}

/// The trips of the activation that is fused behind a forward kernel, if there is one: those of an activation of its own without the
/// executor's work.
pub fn fused_activation(call: &Call, activity: &Activity) -> Option<Trips> {
    let (outputs, name) = fused(call)?;
    let mut trips = Trips::default();
    trips.add(name, outputs);
    layers::exponentials(&mut trips, call.activation, outputs, activity);
    Some(trips)
}

/// How many outputs an activation was fused behind, and its loop.
pub(crate) fn fused(call: &Call) -> Option<(usize, &'static str)> {
    let outputs = match call.kernel {
        Kernel::Dense => call.dim(1),
        Kernel::Conv2d => call.conv2d().pooled().len(),
        Kernel::Depthwise => call.conv2d().output.len(),
        _ => return None,
    };
    Some((outputs, activation(call.activation)?))
}

/// What the learner itself does for one prediction.
pub fn prediction(program: &Program<'_>) -> Trips {
    let mut trips = Trips::default();
    trips.add("infer", 1);
    trips.add("dispatch", program.count(List::Infer));
    trips
}

/// What the learner itself did for all samples that `counters` saw, in streams or one by one: predictions, updates, calls that it
/// looked up, bytes that it kept.
pub fn learning(program: &Program<'_>, counters: &Counters) -> Trips {
    let mut trips = Trips::default();
    let (predictions, extra) = counters.runs(program, List::Infer);
    let (updates, learnt) = counters.runs(program, List::Learn);
    let (batches, applied) = counters.runs(program, List::Apply);
    trips.add_mean("sample", counters.samples as f64);
    trips.add_mean("infer", predictions as f64);
    trips.add_mean("update", updates as f64);
    trips.add_mean("batch", batches as f64);
    trips.add_mean("dispatch", (extra + learnt + applied) as f64);
    // Samples are kept where they come with a prediction, as in a stream.
    trips.add_mean("stored", predictions as f64 * stored_bytes(program) as f64);
    trips
}

/// The loop of an activation.
fn activation(activation: Activation) -> Option<&'static str> {
    match activation {
        Activation::None => None,
        Activation::Relu => Some("relu"),
        Activation::Relu6 => Some("relu6"),
        Activation::LeakyRelu(_) => Some("leaky_relu"),
        Activation::Sigmoid => Some("sigmoid"),
        Activation::Tanh => Some("tanh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;
    use runtime_shared::program::call::SKIP_ZEROS;

    fn count(trips: &Trips, name: &str) -> f64 {
        trips
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(0.0, |(_, n)| n)
    }

    fn zeros(zeros: f64, active: f64) -> Activity {
        Activity {
            active: Some(active),
            data: Some(Data {
                zeros: [zeros, 0.0],
                ..Data::default()
            }),
        }
    }

    #[test]
    fn zeros_lead_sums() {
        // Of two products, each zero half of the time, the first leads in a half of the sums and the second in a quarter.
        assert_eq!((any(0.5, 2.0), leading(0.5, 2.0)), (0.75, 0.75));
        assert_eq!((any(0.0, 9.0), leading(0.0, 9.0)), (1.0, 0.0));
        assert_eq!((any(1.0, 9.0), leading(1.0, 9.0)), (0.0, 9.0));
        // Most sums have no product at all.
        assert_eq!((any(0.0, 0.25), leading(0.5, 0.25)), (0.25, 0.125));
        assert_eq!((any(1.0, 0.0), leading(1.0, 0.0)), (0.0, 0.0));
    }

    /// Two of ten inputs are not zero; 1 − 0.8 is not quite a fifth.
    #[test]
    fn what_skips_zeros_multiplies_none() {
        let mut call = Call::new(Kernel::Dense);
        call.dims[..2].copy_from_slice(&[10, 3]);
        let plain = Update::new(call.rule, false, false);
        let all = of(&call, plain, &zeros(0.8, 2.0));
        assert!((count(&all, ZERO) - 24.0).abs() < 1e-9 && count(&all, EMPTY) > 0.0);
        call.flags = SKIP_ZEROS;
        let some = of(&call, plain, &zeros(0.8, 2.0));
        assert_eq!((count(&some, ZERO), count(&some, EMPTY)), (0.0, 0.0));
    }

    #[test]
    fn weights_decay_whatever_the_rule_but_in_sums() {
        let mut call = Call::new(Kernel::Apply);
        call.set_len(7);
        for rule in [RuleKind::Sgd, RuleKind::Momentum, RuleKind::Adam] {
            let of = |decays| {
                of(
                    &call,
                    Update::new(rule, decays, false),
                    &Activity::default(),
                )
            };
            assert_eq!(
                (count(&of(true), "decay"), count(&of(false), "decay")),
                (7.0, 0.0)
            );
        }
        let clips = Update::new(RuleKind::Sgd, false, true);
        assert_eq!(clips.step, Step::Effective);
        assert!(!Update::new(RuleKind::Accumulate, true, true).decays);
    }

    #[test]
    fn who_won_is_noted_where_it_is_kept() {
        let mut call = Call::new(Kernel::Conv2d);
        call.set_conv2d(&runtime_shared::kernels::conv2d::Conv2d {
            output: runtime_shared::kernels::Shape { h: 4, w: 6, c: 5 },
            pool: (2, 2),
            ..crate::windows::PADDED
        });
        let plain = Update::new(call.rule, false, false);
        let count = |call: &Call, name| count(&of(call, plain, &Activity::default()), name);
        // Six windows of two blocks of channels.
        assert_eq!(
            (count(&call, "window4"), count(&call, "indexed4")),
            (12.0, 0.0)
        );
        call.operands[4] = Place::Ram(0);
        assert_eq!(
            (count(&call, "window4"), count(&call, "indexed4")),
            (0.0, 12.0)
        );
    }
}
