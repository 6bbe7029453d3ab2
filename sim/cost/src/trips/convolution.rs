//! Convolutions and pools: loops over windows, of which those at a border are cut short.

use super::layers::dots;
use super::{Activity, Trips, Update, ZERO};
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel};
use std::ops::Range;

/// Positions, and outputs, that a forward convolution computes together.
const TOGETHER: usize = 4;

/// One axis of a window that slides over an input.
struct Axis {
    input: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
    outputs: usize,
}

impl Axis {
    /// The kernel positions that fall on the input at output position `o`.
    fn taps(&self, o: usize) -> usize {
        (0..self.kernel)
            .filter(|k| (self.pad..self.input + self.pad).contains(&(o * self.stride + k)))
            .count()
    }

    /// The output positions at which kernel position `k` falls on the input.
    fn positions(&self, k: usize) -> usize {
        (0..self.outputs)
            .filter(|o| (self.pad..self.input + self.pad).contains(&(o * self.stride + k)))
            .count()
    }

    /// The output positions at which the whole kernel falls on the input.
    fn interior(&self) -> Range<usize> {
        let whole = |o: &usize| self.taps(*o) == self.kernel;
        let start = (0..self.outputs).find(whole).unwrap_or(self.outputs);
        let end = (start..self.outputs).find(|o| !whole(o));
        start..end.unwrap_or(self.outputs)
    }

    /// Taps summed over the output positions.
    fn sum(&self) -> usize {
        (0..self.outputs).map(|o| self.taps(o)).sum()
    }

    /// Whether a border cuts the window at output position `o`, which takes longer to find.
    fn cut(&self, o: usize) -> usize {
        usize::from(self.taps(o) < self.kernel)
    }

    /// The output positions whose window a border cuts.
    fn cuts(&self) -> usize {
        (0..self.outputs).map(|o| self.cut(o)).sum()
    }
}

fn axes(g: &Conv2d) -> (Axis, Axis) {
    let axis = |input, kernel, stride, pad, outputs| Axis {
        input,
        kernel,
        stride,
        pad,
        outputs,
    };
    (
        axis(g.input.h, g.kernel.0, g.stride.0, g.pad.0, g.output.h),
        axis(g.input.w, g.kernel.1, g.stride.1, g.pad.1, g.output.w),
    )
}

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

    fn see(&mut self, times: usize, cuts: usize, rows: usize, len: usize) {
        self.windows += times;
        self.cuts += times * cuts;
        self.segments += times * rows;
        self.taps += times * rows * len;
    }

    /// Counts them under four names, `times` as often: each register block looks at them.
    fn count(&self, trips: &mut Trips, times: usize, names: [&'static str; 4]) {
        let all = [self.windows, self.cuts, self.segments, self.taps];
        for (name, number) in names.into_iter().zip(all) {
            trips.add(name, times * number);
        }
    }
}

pub(super) fn forward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
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
    let single = |singles: &mut Windows, oy, ox| {
        let cuts = rows.cut(oy) + columns.cut(ox);
        singles.see(1, cuts, rows.taps(oy), columns.taps(ox) * channels);
    };
    trips.add(if wide { "block4" } else { "block1" }, blocks);
    if g.pool == (1, 1) {
        for oy in 0..g.output.h {
            let fours = if wide && whole.len() >= TOGETHER {
                whole.len().div_ceil(TOGETHER)
            } else {
                0
            };
            quads.see(fours, rows.cut(oy), rows.taps(oy), g.kernel.1 * channels);
            let alone = |ox: &usize| fours == 0 || !whole.contains(ox);
            for ox in (0..g.output.w).filter(alone) {
                single(&mut singles, oy, ox);
            }
        }
        trips.add(if wide { "line4" } else { "line1" }, blocks * g.output.h);
    } else {
        let (pooled, (h, w)) = (g.pooled(), g.pool);
        trips.add("clear", pooled.len());
        for first in (0..h * w).step_by(TOGETHER) {
            for (py, px) in (0..pooled.h).flat_map(|py| (0..pooled.w).map(move |px| (py, px))) {
                let (oy, ox) = (py * h, px * w);
                let inside = whole_rows.start <= oy
                    && oy + h <= whole_rows.end
                    && whole.start <= ox
                    && ox + w <= whole.end;
                if wide && inside {
                    quads.see(1, 0, g.kernel.0, g.kernel.1 * channels);
                    continue;
                }
                for k in (first..first + TOGETHER).map(|k| k.min(h * w - 1)) {
                    single(&mut singles, oy + k / w, ox + k % w);
                }
            }
            trips.add("group", blocks);
            let windows = blocks * pooled.h * pooled.w;
            trips.add(if wide { "window4" } else { "window1" }, windows);
        }
    }
    let names = ["quad", "quad_cut", "quad_segment", "quad_tap"];
    quads.count(&mut trips, blocks, names);
    let names = if wide {
        ["single4", "single4_cut", "single4_segment", "single4_tap"]
    } else {
        ["single1", "single1_cut", "single1_segment", "single1_tap"]
    };
    singles.count(&mut trips, blocks, names);
    let outputs = if wide { TOGETHER } else { 1 };
    let products = blocks * outputs * (TOGETHER * quads.taps + singles.taps);
    trips.add_mean(ZERO, activity.zeros[0] * products as f64);
    trips
}

/// Counts deltas of a convolution with a pool: those looked at, those that are not zero, and the windows that these lie in. A window's
/// winner is taken to be any of its positions, as likely as another. Gives the mean segments, and the axis of the columns.
fn winners(trips: &mut Trips, g: &Conv2d, active: Option<f64>) -> (f64, Axis) {
    let (mut rows, mut columns) = axes(g);
    (rows.outputs, columns.outputs) = (g.pooled().h * g.pool.0, g.pooled().w * g.pool.1);
    let deltas = g.pooled().len();
    let used = active.unwrap_or(deltas as f64);
    let all = Windows::all(&rows, &columns, 1);
    let mean = |sum: usize| used * sum as f64 / all.windows.max(1) as f64;
    trips.add("delta", deltas);
    trips.add_mean("winner", used);
    trips.add_mean("cut", mean(all.cuts));
    trips.add_mean("segment", mean(all.segments));
    (mean(all.segments), columns)
}

pub(super) fn backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    trips.add("clear", g.input.len());
    if g.pool != (1, 1) {
        let (segments, columns) = winners(&mut trips, &g, activity.active);
        let width = columns.sum() as f64 / columns.outputs.max(1) as f64;
        trips.add_mean("tap", segments * width * g.input.c as f64);
        return trips;
    }
    let (rows, columns) = axes(&g);
    let segments = rows.sum();
    let all = Windows::all(&rows, &columns, 1);
    trips.add("position", all.windows);
    trips.add("position_cut", all.cuts);
    for ox in 0..g.output.w {
        dots(
            &mut trips,
            segments,
            columns.taps(ox) * g.input.c,
            g.output.c,
        );
    }
    let products = all.segments * columns.sum() / columns.outputs.max(1) * g.input.c * g.output.c;
    trips.add_mean(ZERO, activity.zeros[0] * products as f64);
    trips
}

pub(super) fn backward_weights(call: &Call, update: Update, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    let (rows, columns) = axes(&g);
    let (taps, outputs) = (g.kernel.0 * g.kernel.1 * g.input.c, g.output.c);
    if g.pool != (1, 1) {
        let (segments, columns) = winners(&mut trips, &g, activity.active);
        let each = segments / columns.outputs.max(1) as f64;
        let lengths = (0..columns.outputs).map(|ox| columns.taps(ox) * g.input.c);
        let (fours, ones) = lengths
            .clone()
            .fold((0, 0), |(f, o), len| (f + len / 4, o + len % 4));
        trips.add_mean("axpy_four", each * fours as f64);
        trips.add_mean("axpy_one", each * ones as f64);
        let products = each * lengths.sum::<usize>() as f64;
        trips.add_mean(ZERO, activity.zeros[0] * products);
        trips.add("clear", outputs * taps);
        update.push(&mut trips, outputs, taps, outputs);
        return trips;
    }
    gradients(
        &mut trips, &rows, &columns, g.input.c, outputs, update, activity,
    );
    trips
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
    trips.add_mean(ZERO, activity.either() * products as f64);
}

/// The windows of every output position, in blocks of four channels and one.
fn channelwise(trips: &mut Trips, g: &Conv2d, activity: &Activity) {
    let (rows, columns) = axes(g);
    let positions = Windows::all(&rows, &columns, 1);
    positions.count(
        trips,
        g.output.c / 4,
        ["window4", "cut4", "segment4", "tap4"],
    );
    positions.count(
        trips,
        g.output.c % 4,
        ["window1", "cut1", "segment1", "tap1"],
    );
    let products = positions.taps * g.output.c;
    trips.add_mean(ZERO, activity.zeros[0] * products as f64);
}

pub(super) fn depthwise(call: &Call, activity: &Activity) -> Trips {
    let mut trips = Trips::call();
    channelwise(&mut trips, &call.conv2d(), activity);
    trips
}

pub(super) fn depthwise_backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    trips.add("clear", g.input.len());
    channelwise(&mut trips, &g, activity);
    trips
}

pub(super) fn depthwise_backward_weights(
    call: &Call,
    update: Update,
    activity: &Activity,
) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    let (rows, columns) = axes(&g);
    gradients(&mut trips, &rows, &columns, 1, g.output.c, update, activity);
    trips
}

/// Windows, pixels and elements of a pool.
fn pixels(trips: &mut Trips, g: &Conv2d, element: &'static str, activity: &Activity) {
    let (rows, columns) = axes(g);
    let all = Windows::all(&rows, &columns, 1);
    all.count(trips, 1, ["window", "cut", "segment", "pixel"]);
    trips.add(element, all.taps * g.output.c);
    trips.add_mean(ZERO, activity.zeros[0] * (all.taps * g.output.c) as f64);
}

pub(super) fn pool(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    let indexed = call.operands[2] != runtime_shared::program::Place::Absent;
    trips.add("output", g.output.len());
    match call.kernel {
        Kernel::MaxPool if indexed => pixels(&mut trips, &g, "indexed", activity),
        Kernel::MaxPool => pixels(&mut trips, &g, "element", activity),
        _ => pixels(&mut trips, &g, "element", activity),
    }
    trips
}

pub(super) fn max_pool_backward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    trips.add("clear", g.input.len());
    trips.add("window", g.output.h * g.output.w);
    trips.add("delta", g.output.len());
    trips.add_mean(ZERO, activity.zeros[0] * g.output.len() as f64);
    trips
}

pub(super) fn average_pool_backward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call();
    trips.add("clear", g.input.len());
    pixels(&mut trips, &g, "element", activity);
    trips
}
