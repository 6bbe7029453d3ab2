//! Convolutions and pools: loops over windows, of which those at a border are cut short.

use super::layers::{alike, dots};
use super::{Activity, EMPTY, FRESH, Trips, Update, ZERO, any, leading, spared};
use crate::windows::{Axis, Fields, Winners, axes};
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel, Place};

/// Positions, and outputs, that a forward convolution computes together.
const TOGETHER: usize = 4;

/// Counts windows: how many there are, how often a border cuts one, their segments (kernel rows), and taps.
#[derive(Default)]
struct Windows {
    windows: usize,
    cuts: usize,
    segments: usize,
    taps: usize,
}

impl Windows {
    /// The window at every output position, with so many channels a tap.
    fn all(rows: &Axis, columns: &Axis, channels: usize) -> Self {
        Self {
            windows: rows.outputs * columns.outputs,
            cuts: rows.cuts() * columns.outputs + columns.cuts() * rows.outputs,
            segments: rows.sum() * columns.outputs,
            taps: rows.sum() * columns.sum() * channels,
        }
    }

    /// Finds a window, `times` as often.
    fn find(&mut self, times: usize, cuts: usize) {
        self.windows += times;
        self.cuts += times * cuts;
    }

    /// Works on a window that was found before, `times` as often.
    fn see(&mut self, times: usize, rows: usize, len: usize) {
        self.windows += times;
        self.segments += times * rows;
        self.taps += times * rows * len;
    }

    /// Counts windows, segments and taps under three names, `times` as often: each register block looks at them.
    fn count(&self, trips: &mut Trips, times: usize, names: [&'static str; 3]) {
        let all = [self.windows, self.segments, self.taps];
        for (name, number) in names.into_iter().zip(all) {
            trips.add(name, times * number);
        }
    }
}

pub(super) fn forward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    let wide = g.output.c >= TOGETHER;
    let blocks = if wide {
        g.output.c.div_ceil(TOGETHER)
    } else {
        g.output.c
    };
    let (mut quads, mut singles) = (Windows::default(), Windows::default());
    let (rows, columns) = axes(&g);
    let (whole_rows, whole) = (rows.interior(), columns.interior());
    let channels = g.input.c;
    // Where to read is found once for all blocks; at a border of a pool, by each of them.
    let mut fields = Windows::default();
    let single = |singles: &mut Windows, oy, ox| {
        singles.see(1, rows.taps(oy), columns.taps(ox) * channels);
    };
    if g.pool == (1, 1) {
        for oy in 0..g.output.h {
            let fours = if wide && whole.len() >= TOGETHER {
                whole.len().div_ceil(TOGETHER)
            } else {
                0
            };
            fields.find(fours, rows.cut(oy));
            quads.see(fours, rows.taps(oy), g.kernel.1 * channels);
            let alone = |ox: &usize| fours == 0 || !whole.contains(ox);
            for ox in (0..g.output.w).filter(alone) {
                fields.find(1, rows.cut(oy) + columns.cut(ox));
                single(&mut singles, oy, ox);
            }
        }
        trips.add("line", g.output.h);
    } else {
        let (pooled, (h, w)) = (g.pooled(), g.pool);
        trips.add("clear", pooled.len());
        for first in (0..h * w).step_by(TOGETHER) {
            for (py, px) in (0..pooled.h).flat_map(|py| (0..pooled.w).map(move |px| (py, px))) {
                let (oy, ox) = (py * h, px * w);
                fields.find(1, rows.cut(oy) + columns.cut(ox));
                let inside = whole_rows.start <= oy
                    && oy + h <= whole_rows.end
                    && whole.start <= ox
                    && ox + w <= whole.end;
                if wide && inside {
                    quads.see(1, g.kernel.0, g.kernel.1 * channels);
                    continue;
                }
                for k in (first..first + TOGETHER).map(|k| k.min(h * w - 1)) {
                    let (oy, ox) = (oy + k / w, ox + k % w);
                    fields.find(blocks, rows.cut(oy) + columns.cut(ox));
                    single(&mut singles, oy, ox);
                }
            }
            trips.add("group", 1);
            trips.add("line", pooled.h);
            let windows = blocks * pooled.h * pooled.w;
            trips.add(window(call, wide), windows);
        }
    }
    trips.add("field", fields.windows);
    trips.add("cut", fields.cuts);
    quads.count(&mut trips, blocks, ["quad", "quad_segment", "quad_tap"]);
    let names = if wide {
        ["single4", "single4_segment", "single4_tap"]
    } else {
        ["single1", "single1_segment", "single1_tap"]
    };
    singles.count(&mut trips, blocks, names);
    let outputs = if wide { TOGETHER } else { 1 };
    let sums = blocks * outputs * (TOGETHER * quads.windows + singles.windows);
    let taps = g.kernel.0 * g.kernel.1;
    unbiased(&mut trips, call, sums, taps * channels, activity);
    let products = blocks * outputs * (TOGETHER * quads.taps + singles.taps);
    trips.add_mean(ZERO, activity.zeros(0) * products as f64);
    trips
}

/// The name of what a convolution with a pool does with the sums of a window: raise maxima, and note which element won where it is kept.
fn window(call: &Call, wide: bool) -> &'static str {
    match (call.operands[4] == Place::Absent, wide) {
        (true, true) => "window4",
        (true, false) => "window1",
        (false, true) => "indexed4",
        (false, false) => "indexed1",
    }
}

/// Counts deltas of a convolution with a pool: those looked at, those that are not zero, and the windows that these lie in. Where the
/// data are unknown, a window's winner is taken to be any of its positions, as likely as another.
fn winners(trips: &mut Trips, g: &Conv2d, activity: &Activity) -> Winners {
    let deltas = g.pooled().len();
    let used = activity.active.unwrap_or(deltas as f64);
    let winners = match activity.data {
        Some(data) => data.winners,
        None => Winners {
            channels: g.output.c as f64,
            ..Fields::of(g).mean().times(used)
        },
    };
    trips.add("delta", deltas);
    trips.add_mean("winner", used);
    trips.add_mean("cut", winners.cuts);
    trips.add_mean("segment", winners.segments);
    winners
}

/// Counts first additions, of what is not zero, to elements of a cleared input that some window covers; each window adds from so many
/// `deltas`.
fn fresh(trips: &mut Trips, g: &Conv2d, deltas: usize, activity: &Activity) {
    let (rows, columns) = axes(g);
    let covered = rows.covered() * columns.covered();
    let cover = (rows.sum() * columns.sum()) as f64 / covered.max(1) as f64;
    let elements = (covered * g.input.c) as f64;
    trips.add_mean(
        FRESH,
        elements * any(activity.zeros(0), cover * deltas as f64),
    );
}

/// As [`fresh`] for `additions` to anywhere in the input.
fn fresh_of(trips: &mut Trips, g: &Conv2d, additions: f64) {
    let all = g.input.len().max(1) as f64;
    trips.add_mean(FRESH, all * (1.0 - (-additions / all).exp()));
}

/// Counts additions to sums of so many `products` of a forward pass while these are zero, since they start from no bias.
fn unbiased(trips: &mut Trips, call: &Call, sums: usize, products: usize, activity: &Activity) {
    if call.operands[2] == Place::Absent {
        let (sums, products) = (sums as f64, products as f64);
        trips.add_mean(FRESH, sums * any(activity.zeros(0), products));
        trips.add_mean(EMPTY, sums * leading(activity.zeros(0), products));
    }
}

pub(super) fn backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    trips.add("line", g.pooled().h);
    if g.pool != (1, 1) {
        trips.add("window", g.pooled().h * g.pooled().w);
        let taps = winners(&mut trips, &g, activity).taps();
        trips.add_mean("tap", taps);
        fresh_of(&mut trips, &g, taps);
        return trips;
    }
    let (rows, columns) = axes(&g);
    let segments = rows.sum();
    let all = Windows::all(&rows, &columns, 1);
    trips.add("position", all.windows);
    trips.add("position_cut", all.cuts);
    fresh(&mut trips, &g, g.output.c, activity);
    for ox in 0..g.output.w {
        dots(
            &mut trips,
            segments,
            columns.taps(ox) * g.input.c,
            g.output.c,
        );
    }
    let products = all.taps * g.input.c * g.output.c;
    trips.add_mean(ZERO, activity.zeros(0) * products as f64);
    trips
}

pub(super) fn backward_weights(call: &Call, update: Update, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    let (rows, columns) = axes(&g);
    let (taps, outputs) = (g.kernel.0 * g.kernel.1 * g.input.c, g.output.c);
    if g.pool != (1, 1) {
        let winners = winners(&mut trips, &g, activity);
        trips.add_mean("axpy_four", winners.fours);
        for (name, rows) in ["axpy_1", "axpy_2", "axpy_3"]
            .into_iter()
            .zip(winners.rests)
        {
            trips.add_mean(name, rows);
        }
        let products = winners.taps();
        let zero = activity.zero_products();
        trips.add_mean(ZERO, zero);
        // The first product that is not zero meets a cleared tile, which stays cleared where there is none.
        let sums = winners.channels * taps as f64;
        let (zeros, each) = (share(zero, products), share(products, sums));
        let some = sums * any(zeros, each);
        trips.add_mean(FRESH, some);
        trips.add_mean(EMPTY, sums * leading(zeros, each));
        weights(&mut trips, update, outputs * taps, some, activity);
        trips.add("clear", outputs * taps);
        trips.add("line", outputs * g.pooled().h);
        if outputs == 1 && update.is_linear() {
            // Gradients of a single output are neighbours. Too few calls have one that each rest of a loop by fours had a name.
            update.push(&mut trips, 1, taps / 4 * 4, 1);
            trips.add("update_1", taps % 4);
        } else {
            update.push(&mut trips, outputs, taps, outputs);
        }
        return trips;
    }
    gradients(
        &mut trips, &rows, &columns, g.input.c, outputs, update, activity,
    );
    trips
}

/// Counts what so many gradients of `weights` are spared and what they add up to, where only `some` are not zero.
fn weights(trips: &mut Trips, update: Update, weights: usize, some: f64, activity: &Activity) {
    let none = 1.0 - some / weights.max(1) as f64;
    spared(trips, update, weights, none, activity);
    alike(trips, update, some);
}

/// What share of `all` some are; none of none.
fn share(some: f64, all: f64) -> f64 {
    if all > 0.0 { some / all } else { 0.0 }
}

/// Gradients tap by tap in register blocks of four outputs and one.
fn gradients(
    trips: &mut Trips,
    rows: &Axis,
    columns: &Axis,
    channels: usize,
    outputs: usize,
    update: Update,
    activity: &Activity,
) {
    let lines: usize = (0..rows.kernel).map(|k| rows.positions(k)).sum();
    let width: usize = (0..columns.kernel).map(|k| columns.positions(k)).sum();
    let taps = rows.kernel * columns.kernel * channels;
    for (blocks, size, names) in [
        (outputs / 4, 4, ["gradient4", "line4", "point4"]),
        (outputs % 4, 1, ["gradient1", "line1", "point1"]),
    ] {
        let [gradient, line, point] = names;
        trips.add(gradient, taps * blocks);
        trips.add(line, lines * columns.kernel * channels * blocks);
        trips.add(point, lines * width * channels * blocks);
        update.push(trips, taps * blocks, size, 1);
    }
    let products = lines * width * channels * outputs;
    let (zero, all) = (activity.zero_products(), products as f64);
    trips.add_mean(ZERO, zero);
    // Without a delta a channel's products are all zero; the others are anywhere.
    let silent = activity.data.map_or(0.0, |data| data.silent);
    let zeros = share(zero - silent * all, all - silent * all).clamp(0.0, 1.0);
    let gradients = taps * outputs;
    let (sums, each) = (
        (1.0 - silent) * gradients as f64,
        all / gradients.max(1) as f64,
    );
    trips.add_mean(EMPTY, silent * all + sums * leading(zeros, each));
    weights(trips, update, gradients, sums * any(zeros, each), activity);
}

/// The windows of every output position, in blocks of four channels and one.
fn channelwise(trips: &mut Trips, g: &Conv2d, activity: &Activity) {
    let (rows, columns) = axes(g);
    let positions = Windows::all(&rows, &columns, 1);
    let (fours, ones) = (g.output.c / 4, g.output.c % 4);
    trips.add("block4", fours);
    trips.add("block1", ones);
    trips.add("line", (fours + ones) * g.output.h);
    trips.add("cut", (fours + ones) * positions.cuts);
    positions.count(trips, fours, ["window4", "segment4", "tap4"]);
    positions.count(trips, ones, ["window1", "segment1", "tap1"]);
    let products = positions.taps * g.output.c;
    trips.add_mean(ZERO, activity.zeros(0) * products as f64);
}

pub(super) fn depthwise(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call(call);
    let g = call.conv2d();
    let taps = g.kernel.0 * g.kernel.1;
    unbiased(&mut trips, call, g.output.len(), taps, activity);
    channelwise(&mut trips, &g, activity);
    trips
}

pub(super) fn depthwise_backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    fresh(&mut trips, &g, 1, activity);
    channelwise(&mut trips, &g, activity);
    trips
}

pub(super) fn depthwise_backward_weights(
    call: &Call,
    update: Update,
    activity: &Activity,
) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    let (rows, columns) = axes(&g);
    gradients(&mut trips, &rows, &columns, 1, g.output.c, update, activity);
    trips
}

/// Windows and pixels of a pool, and as many `element`s as pixels have channels, `fewer` left out; gives how many there are with these.
fn pixels(
    trips: &mut Trips,
    g: &Conv2d,
    (element, fewer): (&'static str, usize),
    activity: &Activity,
) -> usize {
    let (rows, columns) = axes(g);
    let all = Windows::all(&rows, &columns, 1);
    let elements = all.taps * g.output.c;
    trips.add("line", g.output.h);
    trips.add("cut", all.cuts);
    all.count(trips, 1, ["window", "segment", "pixel"]);
    trips.add(element, elements.saturating_sub(fewer));
    trips.add_mean(ZERO, activity.zeros(0) * elements as f64);
    elements
}

pub(super) fn pool(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    let outputs = g.output.len();
    trips.add("output", outputs);
    if call.kernel == Kernel::AveragePool {
        pixels(&mut trips, &g, ("element", 0), activity);
        return trips;
    }
    let [element, rise] = if call.operands[2] == Place::Absent {
        ["element", "rise"]
    } else {
        ["indexed", "indexed_rise"]
    };
    // The first of a window is taken as it is.
    let all = pixels(&mut trips, &g, (element, outputs), activity);
    // Unknown, each is larger than those before it.
    let rises = activity.data.map_or(all as f64, |data| data.rises);
    trips.add_mean(rise, (rises - outputs as f64).max(0.0));
    trips
}

pub(super) fn max_pool_backward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    trips.add("line", g.output.h);
    trips.add("window", g.output.h * g.output.w);
    trips.add("delta", g.output.len());
    trips.add_mean(FRESH, activity.data.map_or(0.0, |data| data.meetings.fresh));
    trips.add_mean(ZERO, activity.zeros(0) * g.output.len() as f64);
    trips
}

pub(super) fn average_pool_backward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    fresh(&mut trips, &g, 1, activity);
    pixels(&mut trips, &g, ("element", 0), activity);
    trips
}
