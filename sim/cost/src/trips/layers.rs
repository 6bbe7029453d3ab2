//! Dense layers, and kernels that walk their elements one after the other.

use super::{Activity, Trips, Update, ZERO, activation, idle};
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel};

/// The names of what a register block of outputs runs through: the block itself, inputs skipped, inputs worked on.
const BLOCKS: [[&str; 3]; 3] = [
    ["block16", "skip16", "row16"],
    ["block4", "skip4", "row4"],
    ["block1", "skip1", "row1"],
];

/// How many blocks of 16, 4 and 1 outputs there are.
fn blocks(outputs: usize) -> [usize; 3] {
    [outputs / 16, outputs % 16 / 4, outputs % 4]
}

/// The loops over inputs, once for each register block of outputs.
fn rows(trips: &mut Trips, call: &Call, used: f64) {
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    for (number, [block, skip, row]) in blocks(outputs).into_iter().zip(BLOCKS) {
        trips.add(block, number);
        trips.add_mean(skip, number as f64 * (inputs as f64 - used));
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
    let not_zero = (1.0 - activity.zeros[0]) * call.dim(0) as f64;
    (used(call, activity) - not_zero).max(0.0)
}

pub(super) fn dense(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    rows(&mut trips, call, used(call, activity));
    trips.add_mean(ZERO, zero_rows(call, activity) * call.dim(1) as f64);
    trips
}

pub(super) fn dense_backward_weights(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    let (rows_used, zero_rows) = if update == Update::Linear {
        rows(&mut trips, call, used(call, activity));
        (used(call, activity), zero_rows(call, activity))
    } else {
        trips.add("product", inputs * outputs);
        update.push(&mut trips, inputs, outputs, 1);
        idle(
            &mut trips,
            update,
            inputs * outputs,
            activity.either(),
            activity,
        );
        (inputs as f64, activity.zeros[0] * inputs as f64)
    };
    let zeros = zero_rows + (rows_used - zero_rows) * activity.zeros[1];
    trips.add_mean(ZERO, zeros * outputs as f64);
    trips
}

pub(super) fn dense_backward_input(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    let (inputs, outputs) = (call.dim(0), call.dim(1));
    trips.add("clear", inputs);
    dots(&mut trips, 1, inputs, outputs);
    trips.add_mean(ZERO, activity.zeros[0] * (inputs * outputs) as f64);
    trips
}

/// `times` runs of `add_dots` over `rows` rows of `len` weights.
pub(super) fn dots(trips: &mut Trips, times: usize, rows: usize, len: usize) {
    let (fours, ones) = (times * (rows / 4), times * (rows % 4));
    trips.add("dots", times);
    trips.add("dots_four", fours);
    trips.add("dots_four_quad", fours * (len / 4));
    trips.add("dots_four_rest", fours * (len % 4));
    trips.add("dots_one", ones);
    trips.add("dots_one_quad", ones * (len / 4));
    trips.add("dots_one_rest", ones * (len % 4));
}

pub(super) fn bias_backward(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    let (positions, channels) = (call.dim(0), call.dim(1));
    if positions > 1 {
        trips.add("position", positions);
        trips.add("element", positions * channels);
        trips.add("clear", channels);
    }
    trips.add_mean(ZERO, activity.zeros[0] * (positions * channels) as f64);
    update.push(&mut trips, 1, channels, 1);
    trips
}

/// Kernels whose dimension is a length.
pub(super) fn elementwise(call: &Call, update: Update, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    let n = call.len();
    match call.kernel {
        Kernel::Normalise if call.dim(2) == 1 => trips.add("element", n),
        Kernel::Normalise => {
            trips.add("position", n / call.dim(2).max(1));
            trips.add("channel", n);
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
            trips.add(element, n);
        }
        Kernel::Apply => {
            trips.add("clear", n);
            update.push(&mut trips, 1, n, 1);
            trips.add_mean(ZERO, activity.zeros[1] * n as f64);
            idle(&mut trips, update, n, activity.zeros[1], activity);
        }
        Kernel::ClipNorm => {
            trips.add("eight", n / 8);
            trips.add("rest", n % 8);
        }
        _ => trips.add("element", n),
    }
    if !matches!(call.kernel, Kernel::Loss | Kernel::Softmax | Kernel::Apply) {
        trips.add_mean(ZERO, activity.either() * n as f64);
    }
    trips
}
