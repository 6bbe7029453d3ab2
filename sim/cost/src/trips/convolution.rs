//! Convolutions and pools: loops over windows, of which those at a border are cut short.

use super::layers::dots;
use super::{Activity, FRESH, Trips, Update, ZERO, idle};
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::{Call, Kernel, Place};
use serde::{Deserialize, Serialize};
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

    /// The input positions that some window covers.
    fn covered(&self) -> usize {
        let mut seen = vec![false; self.input];
        for (o, k) in (0..self.outputs).flat_map(|o| (0..self.kernel).map(move |k| (o, k))) {
            if let Some(seen) = (o * self.stride + k)
                .checked_sub(self.pad)
                .and_then(|i| seen.get_mut(i))
            {
                *seen = true;
            }
        }
        seen.into_iter().filter(|seen| *seen).count()
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
            trips.add(if wide { "window4" } else { "window1" }, windows);
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
    unbiased(&mut trips, call, sums, activity);
    let products = blocks * outputs * (TOGETHER * quads.taps + singles.taps);
    trips.add_mean(ZERO, activity.zeros(0) * products as f64);
    trips
}

/// What falls on the input of the windows whose deltas a convolution with a pool works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Winners {
    /// How often a border cuts a window.
    cuts: f64,
    /// Output channels that any of the windows belongs to.
    channels: f64,
    /// Kernel rows.
    segments: f64,
    /// Neighbours in these rows, by fours.
    fours: f64,
    /// Rows of which one, two or three neighbours are left.
    rests: [f64; 3],
}

impl Winners {
    /// Adds another's figures to these.
    pub fn add(&mut self, other: &Self) {
        self.cuts += other.cuts;
        self.channels += other.channels;
        self.segments += other.segments;
        self.fours += other.fours;
        for (mine, theirs) in self.rests.iter_mut().zip(other.rests) {
            *mine += theirs;
        }
    }

    /// These figures times `factor`.
    pub fn times(self, factor: f64) -> Self {
        Self {
            cuts: self.cuts * factor,
            channels: self.channels * factor,
            segments: self.segments * factor,
            fours: self.fours * factor,
            rests: self.rests.map(|rest| rest * factor),
        }
    }

    /// Kernel rows.
    pub fn segments(&self) -> f64 {
        self.segments
    }

    /// Neighbours in all of these rows.
    pub fn taps(&self) -> f64 {
        let [one, two, three] = self.rests;
        4.0 * self.fours + one + 2.0 * two + 3.0 * three
    }
}

/// What falls on the input of each row and column of windows of a convolution with a pool.
pub struct Fields {
    /// Taps and cuts of each row, and of each column, that the pool covers.
    rows: Vec<(usize, usize)>,
    columns: Vec<(usize, usize)>,
    pool: (usize, usize),
    inputs: usize,
    outputs: usize,
}

impl Fields {
    /// Those of a convolution.
    pub fn of(g: &Conv2d) -> Self {
        let (rows, columns) = axes(g);
        let along = |axis: Axis, outputs: usize| {
            let each = (0..outputs).map(|o| (axis.taps(o), axis.cut(o)));
            each.collect()
        };
        Self {
            rows: along(rows, g.pooled().h * g.pool.0),
            columns: along(columns, g.pooled().w * g.pool.1),
            pool: g.pool,
            inputs: g.input.c,
            outputs: g.output.c,
        }
    }

    /// The window at row and column of the output.
    fn window(&self, row: usize, column: usize) -> Winners {
        let at = |axis: &[(usize, usize)], o: usize| axis.get(o).copied().unwrap_or_default();
        let ((rows, row_cut), (columns, column_cut)) =
            (at(&self.rows, row), at(&self.columns, column));
        let len = columns * self.inputs;
        Winners {
            cuts: (row_cut + column_cut) as f64,
            channels: 0.0,
            segments: rows as f64,
            fours: (rows * (len / 4)) as f64,
            rests: [1, 2, 3].map(|rest| if len % 4 == rest { rows as f64 } else { 0.0 }),
        }
    }

    /// Those windows that won in `argmax`, where the words of `deltas` are not zero.
    pub fn winners(&self, deltas: &[[u8; 4]], argmax: &[u8]) -> Winners {
        let mut sum = Winners::default();
        let (h, w) = self.pool;
        let across = (self.columns.len() / w).max(1);
        let mut channels = vec![false; self.outputs.max(1)];
        for (i, (delta, &k)) in deltas.iter().zip(argmax).enumerate() {
            if *delta != [0; 4] {
                let (position, k) = (i / channels.len(), usize::from(k));
                let channel = i % channels.len();
                channels[channel] = true;
                let (py, px) = (position / across, position % across);
                sum.add(&self.window(py * h + k / w, px * w + k % w));
            }
        }
        sum.channels = channels.into_iter().filter(|any| *any).count() as f64;
        sum
    }

    /// A window as it is in the mean over all positions.
    fn mean(&self) -> Winners {
        let mut sum = Winners::default();
        for row in 0..self.rows.len() {
            for column in 0..self.columns.len() {
                sum.add(&self.window(row, column));
            }
        }
        sum.times(1.0 / (self.rows.len() * self.columns.len()).max(1) as f64)
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

/// Counts additions, of what is not zero, to elements of a cleared input that nothing was added to yet: all that some window covers.
fn fresh(trips: &mut Trips, g: &Conv2d, activity: &Activity) {
    let (rows, columns) = axes(g);
    let covered = rows.covered() * columns.covered() * g.input.c;
    trips.add_mean(FRESH, (1.0 - activity.zeros(0)) * covered as f64);
}

/// As [`fresh`] for `additions` to anywhere in the input.
fn fresh_of(trips: &mut Trips, g: &Conv2d, additions: f64) {
    let all = g.input.len().max(1) as f64;
    trips.add_mean(FRESH, all * (1.0 - (-additions / all).exp()));
}

/// Counts first additions, of what is not zero, to sums of a forward pass that start from no bias.
fn unbiased(trips: &mut Trips, call: &Call, sums: usize, activity: &Activity) {
    if call.operands[2] == Place::Absent {
        trips.add_mean(FRESH, (1.0 - activity.zeros(0)) * sums as f64);
    }
}

pub(super) fn backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    trips.add("line", g.pooled().h);
    if g.pool != (1, 1) {
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
    fresh(&mut trips, &g, activity);
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
        trips.add_mean(ZERO, activity.zeros(0) * products);
        // The first winner of a channel meets a cleared tile, which stays cleared where there is none.
        trips.add_mean(FRESH, products.min(winners.channels * taps as f64));
        let none = 1.0 - winners.channels / outputs.max(1) as f64;
        idle(&mut trips, update, outputs * taps, none, activity);
        trips.add("clear", outputs * taps);
        trips.add("line", outputs * g.pooled().h);
        // With a single output its gradients are neighbours. That is too rare to be measured, and priced as if they were apart.
        update.push(&mut trips, outputs, taps, outputs.max(2));
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
    let (fours, ones) = (g.output.c / 4, g.output.c % 4);
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
    unbiased(&mut trips, call, g.output.len(), activity);
    channelwise(&mut trips, &g, activity);
    trips
}

pub(super) fn depthwise_backward_input(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    fresh(&mut trips, &g, activity);
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
    trips.add_mean(FRESH, activity.data.map_or(0.0, |data| data.fresh));
    trips.add_mean(ZERO, activity.zeros(0) * g.output.len() as f64);
    trips
}

pub(super) fn average_pool_backward(call: &Call, activity: &Activity) -> Trips {
    let g = call.conv2d();
    let mut trips = Trips::call(call);
    trips.add("clear", g.input.len());
    fresh(&mut trips, &g, activity);
    pixels(&mut trips, &g, ("element", 0), activity);
    trips
}
