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

    /// The share of sums of so many products with the first operand that are not zero, if zeros are anywhere.
    fn any(&self, products: f64) -> f64 {
        1.0 - self.zeros(0).powf(products)
    }

    /// How many of so many products are zero before the first that is not, in the mean, if zeros are anywhere.
    fn leading(&self, products: f64) -> f64 {
        let zeros = self.zeros(0);
        if zeros < 1.0 {
            zeros * self.any(products) / (1.0 - zeros)
        } else {
            products
        }
    }

    /// The share of products behind a convolution's gradient that are zero.
    fn zero_products(&self) -> f64 {
        self.data.map_or(0.0, |data| data.zero_products)
    }

    /// The share of zeros in the first or second operand, as often as each is used.
    fn zeros(&self, i: usize) -> f64 {
        self.data.map_or(0.0, |data| data.zeros[i])
    }
}

/// What happens to a gradient, as far as its cost goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Plain gradient descent.
    Linear,
    /// A batch's sum, which is plain descent by a factor of one.
    Sum,
    /// Gradient descent with weight decay or clipped gradients.
    Decayed,
    /// Momentum.
    Momentum,
    /// Adam.
    Adam,
}

impl Update {
    /// How `program` updates where a call's rule is `rule`.
    pub fn of(program: &Program<'_>, rule: RuleKind) -> Self {
        let plain = program.float(Field::WeightDecay) == 0.0
            && program.float(Field::ClipValue) == f32::INFINITY;
        match rule {
            RuleKind::Accumulate => Self::Sum,
            RuleKind::Sgd if plain => Self::Linear,
            RuleKind::Sgd => Self::Decayed,
            RuleKind::Momentum => Self::Momentum,
            RuleKind::Adam => Self::Adam,
        }
    }

    /// `pushes` deliveries of `len` gradients each to parameters `stride` apart (`Sink::push`).
    fn push(self, trips: &mut Trips, pushes: usize, len: usize, stride: usize) {
        let all = pushes * len;
        match self {
            Self::Linear | Self::Sum if stride == 1 => {
                let push = if self == Self::Sum {
                    "push_sum"
                } else {
                    "push"
                };
                trips.add(push, pushes);
                trips.add("update_four", pushes * (len / 4));
                trips.add_rest(pushes, len % 4, ["update_1", "update_2", "update_3"]);
            }
            Self::Linear => {
                trips.add("push_apart", pushes);
                trips.add("update_apart", all);
            }
            Self::Sum => {
                trips.add("push_sum_apart", pushes);
                trips.add("update_apart", all);
            }
            Self::Decayed => {
                trips.add("push_decayed", pushes);
                trips.add("update_decayed", all);
            }
            Self::Momentum => {
                trips.add("push_momentum", pushes);
                trips.add("update_momentum", all);
            }
            Self::Adam => {
                trips.add("push_adam", pushes);
                trips.add("update_adam", all);
            }
        }
    }
}

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

/// As [`ZERO`]: exponentials whose argument is reduced the shorter way.
pub const ONCE: &str = "once";

/// As [`ZERO`]: hyperbolic tangents that are a series, without any exponential.
pub const SERIES: &str = "series";

/// As [`ONCE`], of a hyperbolic tangent.
pub const TANH_ONCE: &str = "tanh_once";

/// As [`ZERO`]: products of which the second factor is zero, which is found out later.
pub const ZERO_DELTA: &str = "zero_delta";

/// As [`ZERO`]: factors of a whole row that are zero.
pub const ZERO_FACTOR: &str = "zero_factor";

/// Loops whose trips give time back, as [`ZERO`]. Those of an update rule are gradients that are zero; parameters whose gradient is
/// zero and always was, so that their state is zero too; and gradients that are the first of their parameter.
pub const GIVE_BACK: [&str; 22] = [
    ZERO,
    ZERO_DELTA,
    APART,
    ZERO_FACTOR,
    FRESH,
    EMPTY,
    NEAR,
    ONCE,
    SERIES,
    TANH_ONCE,
    "zero_linear",
    "zero_decayed",
    "zero_momentum",
    "zero_adam",
    "idle_linear",
    "idle_decayed",
    "idle_momentum",
    "idle_adam",
    "first_linear",
    "first_decayed",
    "first_momentum",
    "first_adam",
];

/// Counts, of `parameters` of which a share `zeros` has no gradient, those to which this gives time back.
fn idle(trips: &mut Trips, update: Update, parameters: usize, zeros: f64, activity: &Activity) {
    let none = parameters as f64 * zeros;
    let gradients = activity.data.unwrap_or_default().gradients;
    let [zero, resting, first] = match update {
        Update::Linear | Update::Sum => ["zero_linear", "idle_linear", "first_linear"],
        Update::Decayed => ["zero_decayed", "idle_decayed", "first_decayed"],
        Update::Momentum => ["zero_momentum", "idle_momentum", "first_momentum"],
        Update::Adam => ["zero_adam", "idle_adam", "first_adam"],
    };
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
/// executor's work. What goes into it is never seen, so no exponential is taken to be [`NEAR`].
pub fn fused_activation(call: &Call) -> Option<Trips> {
    let outputs = match call.kernel {
        Kernel::Dense => call.dim(1),
        Kernel::Conv2d => call.conv2d().pooled().len(),
        Kernel::Depthwise => call.conv2d().output.len(),
        _ => return None,
    };
    let name = activation(call.activation)?;
    let mut trips = Trips::default();
    trips.add(name, outputs);
    Some(trips)
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
