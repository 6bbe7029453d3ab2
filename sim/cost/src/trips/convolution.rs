//! Convolutions and pools: loops over windows, of which those at a border are cut short.

use super::layers::{alike, dots};
use super::{Activity, EMPTY, FRESH, Trips, Update, ZERO, idle};
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
    trips.add_mean(FRESH, elements * activity.any(cover * deltas as f64));
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
        trips.add_mean(FRESH, sums * activity.any(products));
        trips.add_mean(EMPTY, sums * activity.leading(products));
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
    let products = all.segments * columns.sum() / columns.outputs.max(1) * g.input.c * g.output.c;
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
        trips.add_mean(ZERO, activity.zero_products() * products);
        // The first winner of a channel meets a cleared tile, which stays cleared where there is none.
        trips.add_mean(FRESH, products.min(winners.channels * taps as f64));
        let none = 1.0 - winners.channels / outputs.max(1) as f64;
        idle(&mut trips, update, outputs * taps, none, activity);
        let some = (outputs * taps) as f64 * (1.0 - none);
        alike(&mut trips, update, some);
        trips.add("clear", outputs * taps);
        trips.add("line", outputs * g.pooled().h);
        // With a single output its gradients are neighbours. That is too rare to be measured, and priced as if they were apart.
        update.push(&mut trips, outputs, taps, outputs.max(2));
        return trips;
    }
    gradients(
        &mut trips, &rows, &columns, g.input.c, outputs, update, activity,
    );
    whole(&mut trips, update, outputs * taps, activity);
    trips
}

/// Counts those of `weights`, whose gradients are sums over all positions, of which an output channel without a delta has none.
fn whole(trips: &mut Trips, update: Update, weights: usize, activity: &Activity) {
    let none = activity.data.map_or(0.0, |data| data.idle);
    let some = weights as f64 * (1.0 - none);
    idle(trips, update, weights, none, activity);
    alike(trips, update, some);
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
    trips.add_mean(ZERO, activity.zero_products() * products as f64);
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
    let weights = g.kernel.0 * g.kernel.1 * g.output.c;
    whole(&mut trips, update, weights, activity);
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
