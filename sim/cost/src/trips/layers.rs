//! Dense layers, and kernels that walk their elements one after the other.

use super::{
    Activity, EMPTY, FAR, FRESH, NEAR, OF_ONE, ONCE, SATURATED_SIGMOID, SATURATED_TANH, SERIES,
    SIGNS, SUBNORMAL, SURPRISE, Step, TANH_ONCE, Trips, UNDERFLOW, UNSCALED, Update, ZERO,
    ZERO_DELTA, ZERO_FACTOR, activation, leading, spared,
};
use crate::meetings::Meetings;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel, Place};

/// The names of what a register block of outputs runs through: the block itself, inputs skipped, inputs worked on.
type Blocks = [[&'static str; 3]; 4];

const SUMS: Blocks = [
    ["block16", "skip16", "row16"],
    ["block8", "skip8", "row8"],
    ["block2", "skip2", "row2"],
    ["block1", "skip1", "row1"],
];

/// An update keeps no sums in registers while it skips, so that this takes the same in every block.
const UPDATES: Blocks = [
    ["block16", "skip", "row16"],
    ["block8", "skip", "row8"],
    ["block2", "skip", "row2"],
    ["block1", "skip", "row1"],
];

/// How many blocks of 16, 8, 2 and 1 outputs there are.
fn blocks(outputs: usize) -> [usize; 4] {
    [outputs / 16, outputs % 16 / 8, outputs % 8 / 2, outputs % 2]
}

/// The loops over inputs, once for each register block of outputs.
fn rows(trips: &mut Trips, names: Blocks, call: &Call, used: f64, activity: &Activity) {
    let surprises = activity.data.map_or(0.0, |data| data.surprises);
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    for (number, [block, skip, row]) in blocks(outputs).into_iter().zip(names) {
        trips.add(block, number);
        trips.add_mean(skip, number as f64 * (inputs as f64 - used));
        trips.add_mean(SURPRISE, number as f64 * surprises);
        trips.add_mean(row, number as f64 * used);
    }
}

/// Rows of weights that are worked on.
fn used(call: &Call, activity: &Activity) -> f64 {
    let skips = call.flags & SKIP_ZEROS != 0;
    let active = activity.active.filter(|_| skips);
    active.unwrap_or(call.dim(0) as f64)
}

/// Rows worked on although their input is zero.
fn zero_rows(call: &Call, activity: &Activity) -> f64 {
    if call.flags & SKIP_ZEROS != 0 {
        return 0.0;
    }
    let not_zero = (1.0 - activity.zeros(0)) * call.dim(0) as f64;
    (used(call, activity) - not_zero).max(0.0)
}

pub(super) fn dense(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    rows(&mut trips, SUMS, call, used(call, activity), activity);
    let zero_rows = zero_rows(call, activity);
    trips.add_mean(ZERO, zero_rows * call.dim(1) as f64);
    if call.operands[2] == Place::Absent {
        // The first row that is not zero meets sums that are.
        let first = (used(call, activity) - zero_rows).clamp(0.0, 1.0);
        trips.add_mean(FRESH, first * call.dim(1) as f64);
        if zero_rows > 0.0 {
            let before = leading(activity.zeros(0), used(call, activity));
            trips.add_mean(EMPTY, before * call.dim(1) as f64);
        }
    }
    // Unknown, products are taken to have either sign, as those of weights that were just drawn.
    let products = (used(call, activity) - zero_rows) * call.dim(1) as f64;
    let unknown = Meetings {
        opposite: products / 2.0,
        shrunk: products / 8.0,
        ..Meetings::default()
    };
    signs(
        &mut trips,
        &activity.data.map_or(unknown, |data| data.meetings),
    );
    trips
}

pub(super) fn dense_backward_weights(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    if update.is_linear() {
        let (used, zero_rows) = (used(call, activity), zero_rows(call, activity));
        rows(&mut trips, UPDATES, call, used, activity);
        let blocks: usize = blocks(outputs).iter().sum();
        trips.add_mean(ZERO_FACTOR, zero_rows * blocks as f64);
        trips.add_mean(ZERO, zero_rows * outputs as f64);
        let without_delta = (used - zero_rows) * activity.zeros(1);
        trips.add_mean(ZERO_DELTA, without_delta * outputs as f64);
        let first = activity.data.map_or(0.0, |data| data.gradients.first);
        trips.add_mean("first_linear", first);
        let some = (used - zero_rows) * (1.0 - activity.zeros(1)) * outputs as f64;
        alike(&mut trips, update, some - first);
        // Unknown, half of the steps go the other way.
        let unknown = Meetings {
            opposite: some / 2.0,
            ..Meetings::default()
        };
        signs(
            &mut trips,
            &activity.data.map_or(unknown, |data| data.meetings),
        );
    } else {
        let all = inputs * outputs;
        trips.add("product", all);
        update.push(&mut trips, inputs, outputs, 1);
        spared(&mut trips, update, all, activity.either(), activity);
    }
    trips
}

/// Counts gradients, of which so many are not zero, that are added up: a sum is about as large as each of them, where a weight is far
/// larger than its step.
pub(super) fn alike(trips: &mut Trips, update: Update, gradients: f64) {
    if update.step == Step::Sum {
        trips.add_mean("alike", gradients.max(0.0));
    }
}

pub(super) fn dense_backward_input(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    trips.add("clear", inputs);
    dots(&mut trips, 1, inputs, outputs);
    trips.add_mean(ZERO, activity.zeros(0) * (inputs * outputs) as f64);
    trips
}

/// `times` runs of `add_dots` over `rows` rows of `len` weights. Four additions to a sum meet zeros whatever its length, be they in lanes or
/// left for where lanes are added up, so that none of them is counted as [`FRESH`].
pub(super) fn dots(trips: &mut Trips, times: usize, rows: usize, len: usize) {
    let (fours, ones) = (times * (rows / 4), times * (rows % 4));
    trips.add("dots", times);
    if rows >= 4 {
        trips.add("dots_fours", times);
    }
    if !rows.is_multiple_of(4) {
        trips.add("dots_ones", times);
    }
    trips.add("dots_four", fours);
    trips.add("dots_four_quad", fours * (len / 4));
    trips.add("dots_one", ones);
    trips.add("dots_one_quad", ones * (len / 4));
    if len >= 4 {
        trips.add("dots_four_loop", fours);
        trips.add("dots_one_loop", ones);
    }
    let rest = ["dots_four_1", "dots_four_2", "dots_four_3"];
    trips.add_rest(fours, len % 4, rest);
    trips.add_rest(ones, len % 4, ["dots_one_1", "dots_one_2", "dots_one_3"]);
}

pub(super) fn bias_backward(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    let (positions, channels) = (call.dim(0), call.dim(1));
    if positions > 1 {
        trips.add("position", positions);
        trips.add("element", positions * channels);
        trips.add("clear", channels);
    }
    update.push(&mut trips, 1, channels, 1);
    let none = if positions > 1 {
        activity.data.map_or(0.0, |data| data.silent)
    } else {
        activity.zeros(0)
    };
    if positions > 1 {
        let all = positions * channels;
        trips.add_mean(ZERO, activity.zeros(0) * all as f64);
        meetings(&mut trips, activity, all);
    }
    spared(&mut trips, update, channels, none, activity);
    let first = activity.data.map_or(0.0, |data| data.gradients.first);
    let some = channels as f64 * (1.0 - none);
    alike(&mut trips, update, some - first);
    trips
}

/// Counts those of `additions` that take another time than most; unknown, all are of what has the other sign.
fn meetings(trips: &mut Trips, activity: &Activity, additions: usize) {
    let unknown = Meetings {
        opposite: additions as f64,
        ..Meetings::default()
    };
    let meetings = activity.data.map_or(unknown, |data| data.meetings);
    trips.add_mean(FRESH, meetings.fresh);
    trips.add_mean(EMPTY, meetings.empty);
    signs(trips, &meetings);
}

/// Counts additions of something to something that take another time than most.
fn signs(trips: &mut Trips, meetings: &Meetings) {
    let counts = [meetings.opposite, meetings.shrunk, meetings.places];
    for (name, count) in SIGNS.into_iter().zip(counts) {
        trips.add_mean(name, count);
    }
    trips.add_mean(FAR, meetings.far);
}

/// Counts those of so many exponentials, of `activation` where there is one, that take less time than most.
pub(super) fn exponentials(
    trips: &mut Trips,
    activation: Activation,
    exponentials: usize,
    activity: &Activity,
) {
    let near = activity.data.map_or([0.0; 2], |data| data.near);
    let names = match activation {
        Activation::Tanh => [SERIES, TANH_ONCE],
        _ => [NEAR, ONCE],
    };
    for (name, share) in names.into_iter().zip(near) {
        trips.add_mean(name, share * exponentials as f64);
    }
    let [subnormal, underflow] = activity.data.map_or([0.0; 2], |data| data.tiny);
    trips.add_mean(SUBNORMAL, subnormal);
    trips.add_mean(UNDERFLOW, underflow);
}

/// Kernels whose dimension is a length.
pub(super) fn elementwise(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    let n = call.len();
    match call.kernel {
        Kernel::Normalise if call.dim(2) == 1 => {
            trips.add("element_four", n / 4);
            trips.add_rest(1, n % 4, ["element_1", "element_2", "element_3"]);
        }
        Kernel::Normalise => {
            let channels = call.dim(2).max(1);
            let positions = n / channels;
            trips.add("channels", 1);
            trips.add("position", positions);
            trips.add("channel_four", positions * (channels / 4));
            let rest = ["channel_1", "channel_2", "channel_3"];
            trips.add_rest(positions, channels % 4, rest);
        }
        Kernel::ChannelAffine | Kernel::ChannelAffineBackward => {
            trips.add("position", n / call.dim(2).max(1));
            trips.add("element", n);
        }
        Kernel::Activation | Kernel::ActivationBackward => {
            if let Some(name) = activation(call.activation) {
                trips.add(name, n);
            }
        }
        Kernel::Loss => {
            let [loss, element] = match call.dim(2) {
                0 => ["cross_entropy", "cross_entropy_element"],
                1 => ["squares", "squares_element"],
                2 => ["binary", "binary_element"],
                _ => ["damped", "damped_element"],
            };
            trips.add(loss, 1);
            // The largest output of a softmax is quick: the exponential of zero is one.
            let largest = usize::from(call.dim(2) == 0 || call.dim(2) > 2);
            trips.add(element, n.saturating_sub(largest));
            let [one, unscaled] = activity.data.map_or([0.0; 2], |data| data.logarithms);
            trips.add_mean(OF_ONE, one);
            trips.add_mean(UNSCALED, unscaled);
        }
        Kernel::Apply => {
            trips.add("clear", n);
            update.push(&mut trips, 1, n, 1);
            spared(&mut trips, update, n, activity.zeros(1), activity);
        }
        Kernel::ClipNorm => {
            trips.add("eight", n / 8 + 1);
            trips.add("rest", n % 8);
        }
        Kernel::Softmax => trips.add("element", n.saturating_sub(1)),
        _ => trips.add("element", n),
    }
    let saturated = match call.kernel {
        Kernel::ActivationBackward => activity.data.map_or(0.0, |data| data.near[0]),
        _ => 0.0,
    };
    if call.kernel == Kernel::ActivationBackward {
        let name = match call.activation {
            Activation::Tanh => SATURATED_TANH,
            _ => SATURATED_SIGMOID,
        };
        trips.add_mean(name, saturated * n as f64);
    } else {
        // The binary loss takes one exponential for itself and one for its gradient.
        let twice = call.kernel == Kernel::Loss && call.dim(2) == 2;
        let all = if twice { 2 * n } else { n };
        exponentials(&mut trips, call.activation, all, activity);
    }
    if matches!(
        call.kernel,
        Kernel::Add
            | Kernel::AddAssign
            | Kernel::Normalise
            | Kernel::ChannelAffine
            | Kernel::SoftmaxBackward
    ) {
        // A softmax's deltas are added up, and each meets the sum.
        let additions = if call.kernel == Kernel::SoftmaxBackward {
            2 * n
        } else {
            n
        };
        meetings(&mut trips, activity, additions);
    }
    let (zero, share) = match (call.kernel, call.activation) {
        (Kernel::Loss | Kernel::Softmax | Kernel::Apply, _) => return trips,
        (Kernel::ActivationBackward, Activation::Relu | Activation::Relu6) => {
            (ZERO, activity.zeros(0))
        }
        (Kernel::ActivationBackward, _) => (ZERO_DELTA, activity.zeros(1) * (1.0 - saturated)),
        // It is scaled before the mask is looked at.
        (Kernel::DropoutBackward, _) => (ZERO, activity.zeros(1)),
        _ => (ZERO, activity.either()),
    };
    trips.add_mean(zero, share * n as f64);
    trips
}
