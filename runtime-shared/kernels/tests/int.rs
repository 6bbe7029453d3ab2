//! The integer kernels against the obvious versions in i64, index by index, on random and extreme operands: whatever a kernel computes in 32
//! bits is what unbounded integers give.

use runtime_kernels::Shape;
use runtime_kernels::conv2d::Conv2d;
use runtime_kernels::int::delta::Delta;
use runtime_kernels::int::fixed::{Dither, mix};
use runtime_kernels::int::loss::{self, Rate};
use runtime_kernels::int::update::{Step, Sum, Update, apply};
use runtime_kernels::int::{Activation, Weight, add, bias, conv2d, dense, depthwise, pool};
use runtime_kernels::pool::Pool2d;
use runtime_kernels::rng::Rng;

/// How operands are drawn: uniformly, or only from their ends and zero.
#[derive(Clone, Copy, PartialEq)]
enum Draw {
    Uniform,
    Ends,
}

const DRAWS: [Draw; 2] = [Draw::Uniform, Draw::Ends];

fn value(rng: &mut Rng, draw: Draw, limit: i32) -> i32 {
    match draw {
        Draw::Uniform => (i64::from(rng.below(2 * limit as u32 + 1)) - i64::from(limit)) as i32,
        Draw::Ends => [-limit, 0, limit, limit][rng.below(4) as usize],
    }
}

fn activations(rng: &mut Rng, draw: Draw, n: usize) -> Vec<i8> {
    (0..n).map(|_| value(rng, draw, 127) as i8).collect()
}

fn deltas(rng: &mut Rng, draw: Draw, n: usize) -> Vec<i16> {
    (0..n).map(|_| value(rng, draw, 32_767) as i16).collect()
}

fn weights<W: Weight>(rng: &mut Rng, draw: Draw, n: usize, limit: i32) -> Vec<W> {
    (0..n).map(|_| W::narrow(value(rng, draw, limit))).collect()
}

fn rnd(v: i64, shift: i32) -> i64 {
    match shift {
        1.. => (v + (1 << (shift - 1))) >> shift,
        _ => v << -shift,
    }
}

fn sat(v: i64, limit: i64) -> i64 {
    v.clamp(-limit, limit)
}

/// Weights, output channel, input: all products of a layer at one output position.
type Pairs<'a> = dyn Fn(usize, usize, usize) -> Vec<(usize, usize)> + 'a;

/// A layer with weights, as its products.
struct Layer<'a> {
    input: usize,
    /// Rows, columns and channels before pooling.
    full: Shape,
    pool: (usize, usize),
    weights: usize,
    pairs: &'a Pairs<'a>,
}

impl Layer<'_> {
    fn pooled(&self) -> Shape {
        Shape {
            h: self.full.h / self.pool.0,
            w: self.full.w / self.pool.1,
            c: self.full.c,
        }
    }

    /// Accumulators that win, and their places in their windows.
    fn forward<W: Weight>(&self, x: &[i8], w: &[W], b: &[i32], shift: i32) -> (Vec<i64>, Vec<u8>) {
        let p = self.pooled();
        let (mut best, mut winners) = (vec![], vec![]);
        for index in 0..p.len() {
            let (pixel, o) = (index / p.c, index % p.c);
            let mut window = vec![];
            for wy in 0..self.pool.0 {
                for wx in 0..self.pool.1 {
                    let (y, x_) = (
                        pixel / p.w * self.pool.0 + wy,
                        pixel % p.w * self.pool.1 + wx,
                    );
                    let products = (self.pairs)(y, x_, o);
                    let sum: i64 = products
                        .iter()
                        .map(|&(wi, xi)| i64::from(w[wi].wide()) * i64::from(x[xi]))
                        .sum();
                    window.push(sum + b.get(o).map_or(0, |b| rnd((*b).into(), shift)));
                }
            }
            let max = *window.iter().max().expect("a window");
            assert!(i32::try_from(max).is_ok(), "an accumulator overflows");
            best.push(max);
            winners.push(window.iter().position(|v| *v == max).expect("it") as u8);
        }
        (best, winners)
    }

    /// Where the delta at `index` belongs.
    fn products(&self, index: usize, winners: &[u8]) -> Vec<(usize, usize)> {
        let p = self.pooled();
        let (pixel, o) = (index / p.c, index % p.c);
        let place = usize::from(winners[index]);
        let y = pixel / p.w * self.pool.0 + place / self.pool.1;
        let x = pixel % p.w * self.pool.1 + place % self.pool.1;
        (self.pairs)(y, x, o)
    }

    fn backward<W: Weight>(&self, g: &[i16], winners: &[u8], w: &[W], q: i32) -> Vec<i64> {
        let mut s = vec![0i64; self.input];
        for (index, g) in g.iter().enumerate() {
            for (wi, xi) in self.products(index, winners) {
                s[xi] += rnd(i64::from(w[wi].wide()) * i64::from(*g), q);
                assert!(i32::try_from(s[xi]).is_ok(), "a sum overflows");
            }
        }
        s
    }

    fn gradient(&self, x: &[i8], g: &[i16], winners: &[u8]) -> Vec<i64> {
        let p = self.pooled();
        let mut total = vec![0i64; self.weights];
        for row in 0..p.h {
            let mut sum = vec![0i64; self.weights];
            let places = row * p.w * p.c..(row + 1) * p.w * p.c;
            for (index, d) in places.clone().zip(&g[places]) {
                for (wi, xi) in self.products(index, winners) {
                    sum[wi] += i64::from(x[xi]) * i64::from(*d);
                }
            }
            for (total, sum) in total.iter_mut().zip(sum) {
                *total = sat(*total + sum, 1 << 30);
            }
        }
        total
    }
}

fn activate(acc: &[i64], activation: Activation) -> (Vec<i8>, u32) {
    let mut clipped = 0;
    let y = acc
        .iter()
        .map(|acc| {
            let r = rnd(*acc, activation.shift);
            clipped += u32::from(r > 127 || (r < -127 && !activation.relu));
            r.clamp(if activation.relu { 0 } else { -127 }, 127) as i8
        })
        .collect();
    (y, clipped)
}

fn finish(s: &[i64], mask: &[i8], shift: i32, before: Option<&[i16]>) -> Vec<i16> {
    s.iter()
        .enumerate()
        .map(|(i, s)| {
            let open = mask.get(i).is_none_or(|a| *a > 0);
            let value = if open { sat(rnd(*s, shift), 32_767) } else { 0 };
            sat(before.map_or(0, |g| g[i].into()) + value, 32_767) as i16
        })
        .collect()
}

fn moved(w: i32, g: i64, (step, layer, row): (u32, u32, usize), shift: i32, limit: i64) -> i64 {
    let (mut g, mut r) = (g, shift);
    if r > 30 {
        g = rnd(g, r - 30);
        r = 30;
    }
    let w = i64::from(w);
    if r < 1 {
        return sat(w - (sat(g, 65_536) << -r), limit);
    }
    let seed = mix(step.wrapping_mul(0x9e37_79b9).wrapping_add(layer));
    let dither = mix(seed.wrapping_add((row as u32).wrapping_mul(0x2545_f491))) >> (32 - r);
    sat(w - ((g + i64::from(dither)) >> r), limit)
}

fn bits(limit: i32) -> i32 {
    (limit + 1).ilog2() as i32
}

fn ceil_log2(n: usize) -> i32 {
    n.next_power_of_two().ilog2() as i32
}

/// The largest limit of 16-bit weights at a fan-in.
fn widest(fan_in: usize) -> i32 {
    let fits = |b: &i32| fan_in as i64 * ((1i64 << b) - 1) * 127 + (1 << 26) < 1 << 31;
    (1 << (1..=15).rev().find(fits).expect("a fan-in")) - 1
}

const MOST_BIAS: i32 = (1 << 29) - 1;

fn dense_of<W: Weight + PartialEq + std::fmt::Debug>(rng: &mut Rng, draw: Draw, eight: bool) {
    let (inputs, outputs) = (1 + rng.below(40) as usize, 1 + rng.below(30) as usize);
    let limit = if eight { 127 } else { widest(inputs) };
    let x = activations(rng, draw, inputs);
    let w: Vec<W> = weights(rng, draw, inputs * outputs, limit);
    let b: Vec<i32> = (0..outputs).map(|_| value(rng, draw, MOST_BIAS)).collect();
    let b = if rng.below(4) == 0 { &[][..] } else { &b };
    let layer = Layer {
        input: inputs,
        full: Shape {
            h: 1,
            w: 1,
            c: outputs,
        },
        pool: (1, 1),
        weights: w.len(),
        pairs: &|_, _, o| (0..inputs).map(|i| (i * outputs + o, i)).collect(),
    };
    let fin = rng.below(8) as i32;
    let (acc, winners) = layer.forward(&x, &w, b, 10 - fin);
    let activation = Activation {
        shift: rng.below(30) as i32,
        relu: rng.below(2) == 0,
    };
    let mut y = vec![0; outputs];
    let mut scratch = vec![7; outputs];
    let clipped = dense::forward(&x, &w, (b, 10 - fin), &mut scratch, &mut y, activation);
    assert_eq!((y, clipped), activate(&acc, activation));
    let mut z = vec![0; outputs];
    dense::logits(&x, &w, (b, 10 - fin), &mut z);
    assert!(z.iter().map(|z| i64::from(*z)).eq(acc));

    let g = deltas(rng, draw, outputs);
    let q = (ceil_log2(outputs) + bits(limit) - 15).max(0);
    let s = layer.backward(&g, &winners, &w, q);
    delta_of(rng, draw, &s, |to| dense::backward_input(&g, &w, q, to));

    let gradient = layer.gradient(&x, &g, &winners);
    update_of(rng, w, &gradient, outputs, limit, |sink| match sink {
        Kind::Update(sink) => dense::backward_weights(&x, &g, sink),
        Kind::Sum(sink) => dense::backward_weights(&x, &g, sink),
    });
}

/// Compares what `kernel` makes of a delta with the sums `s`, with and without mask, added or not.
fn delta_of(rng: &mut Rng, draw: Draw, s: &[i64], kernel: impl Fn(&mut Delta<'_>)) {
    for masked in [false, true] {
        let mask = if masked {
            activations(rng, draw, s.len())
        } else {
            vec![]
        };
        let shift = rng.below(24) as i32 - 3;
        let before = deltas(rng, draw, s.len());
        for add in [false, true] {
            let mut found = before.clone();
            kernel(&mut Delta {
                g: &mut found,
                mask: &mask,
                shift,
                add,
            });
            let expected = finish(s, &mask, shift, add.then_some(&before));
            assert_eq!(found, expected, "shift {shift}, masked {masked}, add {add}");
        }
    }
}

enum Kind<'a, 'b, W> {
    Update(&'a mut Update<'b, W>),
    Sum(&'a mut Sum<'b>),
}

/// Compares an update at once and one after a batch of three times the same gradient.
fn update_of<W: Weight + PartialEq + std::fmt::Debug>(
    rng: &mut Rng,
    w: Vec<W>,
    gradient: &[i64],
    outputs: usize,
    limit: i32,
    kernel: impl Fn(Kind<'_, '_, W>),
) {
    let shift = rng.below(42) as i32 - 7;
    let (step, layer) = (rng.next_u32(), rng.below(9));
    let expected = |gradient: &[i64]| -> Vec<i32> {
        let of = |(i, g): (usize, &i64)| {
            moved(
                w[i].wide(),
                *g,
                (step, layer, i / outputs),
                shift,
                limit.into(),
            ) as i32
        };
        gradient.iter().enumerate().map(of).collect()
    };
    let wide = |w: &[W]| w.iter().map(|w| w.wide()).collect::<Vec<i32>>();
    let how = Step::new(step, layer, shift, limit);
    let mut at_once = w.clone();
    kernel(Kind::Update(&mut Update {
        w: &mut at_once,
        step: how,
    }));
    assert_eq!(wide(&at_once), expected(gradient), "shift {shift}");

    let mut sums = vec![0; w.len()];
    for _ in 0..3 {
        kernel(Kind::Sum(&mut Sum { sums: &mut sums }));
    }
    let mut later = w.clone();
    apply(&mut sums, &mut later, outputs, how);
    let mut summed = vec![0i64; w.len()];
    for _ in 0..3 {
        for (sum, g) in summed.iter_mut().zip(gradient) {
            *sum = sat(*sum + g, 1 << 30);
        }
    }
    assert_eq!(wide(&later), expected(&summed), "a batch, shift {shift}");
    assert!(sums.iter().all(|sum| *sum == 0), "sums start again at zero");
}

#[test]
fn dense_layers_are_exact() {
    let mut rng = Rng::new(1);
    for _ in 0..300 {
        for draw in DRAWS {
            dense_of::<i8>(&mut rng, draw, true);
            dense_of::<i16>(&mut rng, draw, false);
        }
    }
}

/// A window's geometry that fits.
fn geometry(rng: &mut Rng, most: u32) -> Conv2d {
    let mut axis = || {
        let (kernel, stride) = (1 + rng.below(3) as usize, 1 + rng.below(2) as usize);
        let input = kernel + rng.below(most) as usize;
        let pad = rng.below(kernel as u32) as usize;
        let output = (input + pad + rng.below(pad as u32 + 1) as usize - kernel) / stride + 1;
        let pool = 1 + rng.below(output.min(3) as u32) as usize;
        (input, output, kernel, stride, pad, pool)
    };
    let (rows, columns) = (axis(), axis());
    let c = 1 + rng.below(5) as usize;
    Conv2d {
        input: Shape {
            h: rows.0,
            w: columns.0,
            c,
        },
        output: Shape {
            h: rows.1,
            w: columns.1,
            c: 1 + rng.below(9) as usize,
        },
        kernel: (rows.2, columns.2),
        stride: (rows.3, columns.3),
        pad: (rows.4, columns.4),
        pool: (rows.5, columns.5),
    }
}

/// (tap, pixel) of a window's elements on the input.
fn taps(g: &Conv2d, oy: usize, ox: usize) -> Vec<(usize, usize)> {
    let mut found = vec![];
    for ky in 0..g.kernel.0 {
        for kx in 0..g.kernel.1 {
            let (y, x) = (oy * g.stride.0 + ky, ox * g.stride.1 + kx);
            if y >= g.pad.0 && x >= g.pad.1 && y - g.pad.0 < g.input.h && x - g.pad.1 < g.input.w {
                found.push((
                    ky * g.kernel.1 + kx,
                    (y - g.pad.0) * g.input.w + x - g.pad.1,
                ));
            }
        }
    }
    found
}

/// The index of maxima as the kernels keep it.
fn packed(g: &Conv2d, winners: &[u8]) -> Vec<u8> {
    if g.pool.0 * g.pool.1 > 4 {
        return winners.to_vec();
    }
    let four = |w: &[u8]| {
        w.iter()
            .enumerate()
            .fold(0, |byte, (i, w)| byte | w << (2 * i))
    };
    winners.chunks(4).map(four).collect()
}

fn conv_of<W: Weight + PartialEq + std::fmt::Debug>(
    rng: &mut Rng,
    draw: Draw,
    g: Conv2d,
    eight: bool,
) {
    let (c, outputs) = (g.input.c, g.output.c);
    let fan_in = g.kernel.0 * g.kernel.1 * c;
    let limit = if eight { 127 } else { widest(fan_in) };
    let x = activations(rng, draw, g.input.len());
    let w: Vec<W> = weights(rng, draw, g.weights(), limit);
    let b: Vec<i32> = (0..outputs).map(|_| value(rng, draw, MOST_BIAS)).collect();
    let layer = Layer {
        input: x.len(),
        full: g.output,
        pool: g.pool,
        weights: w.len(),
        pairs: &|y, x, o| {
            let channels =
                |(tap, pixel)| (0..c).map(move |ci| ((tap * c + ci) * outputs + o, pixel * c + ci));
            taps(&g, y, x).into_iter().flat_map(channels).collect()
        },
    };
    let fin = rng.below(8) as i32;
    let (acc, winners) = layer.forward(&x, &w, &b, 10 - fin);
    let activation = Activation {
        shift: rng.below(30) as i32,
        relu: rng.below(2) == 0,
    };
    let mut y = vec![0; acc.len()];
    let mut argmax = vec![9; conv2d::index_len(&g)];
    let packed = packed(&g, &winners);
    let bias = (&b[..], 10 - fin);
    let clipped = conv2d::forward(&g, &x, &w, bias, &mut y, &mut argmax, activation);
    assert_eq!((y, clipped), activate(&acc, activation), "{g:?}");
    let used = if g.pool.0 * g.pool.1 <= 4 {
        acc.len() % 4 * 2
    } else {
        0
    };
    if used > 0 {
        // Bits of the last byte that belong to nobody.
        *argmax.last_mut().expect("a byte") &= (1 << used) - 1;
    }
    assert_eq!(argmax, packed, "{g:?}");

    let delta = deltas(rng, draw, acc.len());
    let q = (ceil_log2(fan_in / c * outputs) + bits(limit) - 15).max(0);
    let s = layer.backward(&delta, &winners, &w, q);
    delta_of(rng, draw, &s, |to| {
        let mut sums = vec![7; conv2d::sums_len(&g)];
        conv2d::backward_input(&g, &delta, &packed, &w, q, &mut sums, to);
    });

    let gradient = layer.gradient(&x, &delta, &winners);
    update_of(rng, w, &gradient, outputs, limit, |sink| {
        let mut tile = vec![7; conv2d::tile_len(&g)];
        match sink {
            Kind::Update(s) => conv2d::backward_weights(&g, &x, &delta, &packed, &mut tile, s),
            Kind::Sum(s) => conv2d::backward_weights(&g, &x, &delta, &packed, &mut tile, s),
        }
    });
}

#[test]
fn convolutions_are_exact() {
    let mut rng = Rng::new(2);
    for _ in 0..150 {
        for draw in DRAWS {
            let g = geometry(&mut rng, 6);
            conv_of::<i8>(&mut rng, draw, g, true);
            conv_of::<i16>(&mut rng, draw, g, false);
        }
    }
    // Maps so large that a sum of gradients would leave 32 bits.
    for _ in 0..3 {
        let mut g = geometry(&mut rng, 6);
        g.kernel = (2, 1);
        (g.pad, g.stride, g.pool) = ((0, 0), (1, 1), (1, 1));
        (g.input.h, g.input.w, g.output.h, g.output.w) = (41, 40, 40, 40);
        g.output.c = 2;
        conv_of::<i16>(&mut rng, Draw::Ends, g, false);
    }
}

fn depthwise_of<W: Weight + PartialEq + std::fmt::Debug>(
    rng: &mut Rng,
    draw: Draw,
    g: Conv2d,
    eight: bool,
) {
    let c = g.input.c;
    let fan_in = g.kernel.0 * g.kernel.1;
    let limit = if eight { 127 } else { widest(fan_in) };
    let x = activations(rng, draw, g.input.len());
    let w: Vec<W> = weights(rng, draw, fan_in * c, limit);
    let b: Vec<i32> = (0..c).map(|_| value(rng, draw, MOST_BIAS)).collect();
    let layer = Layer {
        input: x.len(),
        full: g.output,
        pool: (1, 1),
        weights: w.len(),
        pairs: &|y, x, o| {
            let pair = |(tap, pixel)| (tap * c + o, pixel * c + o);
            taps(&g, y, x).into_iter().map(pair).collect()
        },
    };
    let fin = rng.below(8) as i32;
    let (acc, winners) = layer.forward(&x, &w, &b, 10 - fin);
    let activation = Activation {
        shift: rng.below(30) as i32,
        relu: rng.below(2) == 0,
    };
    let mut y = vec![0; acc.len()];
    let clipped = depthwise::forward(&g, &x, &w, (&b, 10 - fin), &mut y, activation);
    assert_eq!((y, clipped), activate(&acc, activation), "{g:?}");

    let delta = deltas(rng, draw, acc.len());
    let q = (ceil_log2(fan_in) + bits(limit) - 15).max(0);
    let s = layer.backward(&delta, &winners, &w, q);
    delta_of(rng, draw, &s, |to| {
        let mut sums = vec![7; conv2d::sums_len(&g)];
        depthwise::backward_input(&g, &delta, &w, q, &mut sums, to);
    });
    let gradient = layer.gradient(&x, &delta, &winners);
    update_of(rng, w, &gradient, c, limit, |sink| match sink {
        Kind::Update(sink) => depthwise::backward_weights(&g, &x, &delta, sink),
        Kind::Sum(sink) => depthwise::backward_weights(&g, &x, &delta, sink),
    });
}

#[test]
fn depthwise_convolutions_are_exact() {
    let mut rng = Rng::new(3);
    for round in 0..150 {
        for draw in DRAWS {
            let mut g = geometry(&mut rng, if round == 0 { 40 } else { 6 });
            g.pool = (1, 1);
            g.output.c = g.input.c;
            depthwise_of::<i8>(&mut rng, draw, g, true);
            depthwise_of::<i16>(&mut rng, draw, g, false);
        }
    }
}

#[test]
fn pools_and_additions_are_exact() {
    let mut rng = Rng::new(4);
    for _ in 0..200 {
        for draw in DRAWS {
            let mut g = geometry(&mut rng, 6);
            (g.output.c, g.pool) = (g.input.c, (1, 1));
            let c = g.input.c;
            let p = Pool2d {
                input: g.input,
                output: g.output,
                kernel: g.kernel,
                stride: g.stride,
                pad: g.pad,
            };
            let x = activations(&mut rng, draw, g.input.len());
            let (mut y, mut argmax) = (vec![0; g.output.len()], vec![0; g.output.len()]);
            pool::max_forward(&p, &x, &mut y, &mut argmax);
            let (mut mean, mut share) = (vec![], vec![]);
            let delta = deltas(&mut rng, draw, y.len());
            let mut routed = vec![vec![]; x.len()];
            for i in 0..y.len() {
                let (pixel, o) = (i / c, i % c);
                let window = taps(&g, pixel / g.output.w, pixel % g.output.w);
                let values: Vec<i8> = window.iter().map(|&(_, at)| x[at * c + o]).collect();
                let max = *values.iter().max().expect("a window");
                let first = values.iter().position(|v| *v == max).expect("it");
                assert_eq!((y[i], usize::from(argmax[i])), (max, window[first].0));
                routed[window[first].1 * c + o].push(i64::from(delta[i]));
                let n = values.len() as i64;
                let m = (65_536 + n / 2) / n;
                mean.push(m * values.iter().map(|v| i64::from(*v)).sum::<i64>());
                share.extend(
                    window
                        .iter()
                        .map(|&(_, at)| (at * c + o, i64::from(delta[i]) * m)),
                );
            }
            let activation = Activation {
                shift: 9 + rng.below(15) as i32,
                relu: rng.below(2) == 0,
            };
            let clipped = pool::average_forward(&p, &x, &mut y, activation);
            assert_eq!((y.clone(), clipped), activate(&mean, activation));

            // What several windows send to one element is added with saturation.
            let added = |parts: &[i64], shift: i32| {
                let part = |g: i64, s: &i64| sat(g + sat(rnd(*s, shift), 32_767), 32_767);
                parts.iter().fold(0, part) as i16
            };
            let mut found = vec![5; x.len()];
            let mut to = Delta {
                g: &mut found,
                mask: &[],
                shift: 1,
                add: false,
            };
            pool::max_backward(&p, &delta, &argmax, &mut to);
            let expected: Vec<i16> = routed.iter().map(|parts| added(parts, 1)).collect();
            assert_eq!(found, expected);
            let mut to = Delta {
                g: &mut found,
                mask: &[],
                shift: 14,
                add: false,
            };
            pool::average_backward(&p, &delta, &mut to);
            for (i, found) in found.iter().enumerate() {
                let parts: Vec<i64> = share
                    .iter()
                    .filter(|(at, _)| *at == i)
                    .map(|(_, s)| *s)
                    .collect();
                assert_eq!(*found, added(&parts, 14));
            }

            let other = activations(&mut rng, draw, x.len());
            let left = rng.below(8) as i32;
            let sums: Vec<i64> = x
                .iter()
                .zip(&other)
                .map(|(a, b)| i64::from(*a) + (i64::from(*b) << left))
                .collect();
            let mut out = vec![0; x.len()];
            let activation = Activation {
                shift: rng.below(8) as i32,
                ..activation
            };
            let clipped = add::forward(&x, &other, (0, left), &mut out, activation);
            assert_eq!((out, clipped), activate(&sums, activation));
        }
    }
}

#[test]
fn biases_saturate_at_their_limit() {
    let mut rng = Rng::new(5);
    for _ in 0..200 {
        for draw in DRAWS {
            let outputs = 1 + rng.below(6) as usize;
            let positions = 1 + rng.below(50) as usize;
            let g = deltas(&mut rng, draw, outputs * positions);
            let b: Vec<i32> = (0..outputs)
                .map(|_| value(&mut rng, draw, MOST_BIAS))
                .collect();
            let shift = rng.below(40) as i32 - 20;
            let expected: Vec<i32> = b
                .iter()
                .enumerate()
                .map(|(o, b)| {
                    let sum: i64 = g
                        .iter()
                        .skip(o)
                        .step_by(outputs)
                        .map(|g| i64::from(*g))
                        .sum();
                    sat(i64::from(*b) - rnd(sum, shift), MOST_BIAS.into()) as i32
                })
                .collect();
            let mut found = b.clone();
            bias::update(&g, &mut found, shift);
            assert_eq!(found, expected, "shift {shift}");
            let (mut sums, mut found) = (vec![0; outputs], b);
            bias::accumulate(&g, &mut sums);
            bias::apply(&mut sums, &mut found, shift);
            assert_eq!(found, expected, "a batch, shift {shift}");
        }
    }
}

#[test]
fn softmax_is_near_the_real_one_and_its_delta_exact() {
    let mut rng = Rng::new(6);
    let rate = Rate::new(0.01).expect("a rate");
    assert_eq!((rate.multiplier, rate.shift), (10_486, 5));
    for round in 0..2000 {
        let (n, fraction) = (2 + rng.below(20) as usize, 5 + rng.below(16) as i32);
        let limit = if round % 3 == 0 {
            i32::MAX
        } else {
            4 << fraction
        };
        let z: Vec<i32> = (0..n)
            .map(|_| value(&mut rng, DRAWS[round % 2], limit / 2))
            .collect();
        let mut p = vec![0i16; n];
        loss::softmax(&z, fraction, &mut p);
        let real: Vec<f64> = z
            .iter()
            .map(|z| f64::from(*z) / 2f64.powi(fraction))
            .collect();
        let max = real.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = real.iter().map(|z| (z - max).exp()).sum();
        for (p, z) in p.iter().zip(&real) {
            // Units of 1/256 octave are 0.27 %, rounded to half of that; 15 bits of the result.
            let expected = (z - max).exp() / sum;
            let found = f64::from(*p as u16) / 32_768.0;
            assert!(
                (found - expected).abs() < 0.003 * expected + 3e-5 * n as f64,
                "{found} {expected}"
            );
        }
        let label = rng.below(n as u32) as usize;
        let mut g = vec![0i16; n];
        assert!(loss::cross_entropy(
            &z,
            fraction,
            label,
            rate,
            u16::MAX,
            &mut g
        ));
        for (i, g) in g.iter().enumerate() {
            let error = i64::from(p[i] as u16) - if i == label { 32_768 } else { 0 };
            assert_eq!(i64::from(*g), rnd(error * i64::from(rate.multiplier), 15));
        }
        let total: i64 = g.iter().map(|g| i64::from(*g).abs()).sum();
        assert!(
            total <= (1 << 15) + n as i64,
            "the bound of the specification"
        );
        let confident = (p[label] as u16).saturating_sub(1);
        let left_out = p[label] as u16 > confident;
        assert_eq!(
            loss::cross_entropy(&z, fraction, label, rate, confident, &mut g),
            !left_out
        );
    }
}

#[test]
fn squared_errors_are_exact() {
    let mut rng = Rng::new(7);
    for _ in 0..2000 {
        for draw in DRAWS {
            let (n, fraction) = (1 + rng.below(5) as usize, 5 + rng.below(20) as i32);
            let z: Vec<i32> = (0..n)
                .map(|_| value(&mut rng, draw, i32::MAX / 2))
                .collect();
            let z: Vec<i32> = z.iter().map(|z| z >> rng.below(28)).collect();
            let label = rng.below(n.max(2) as u32) as usize;
            let rate = Rate {
                multiplier: 8192 + rng.below(8192) as u16,
                shift: 0,
            };
            let mut g = vec![0i16; n];
            loss::mse(&z, fraction, label, rate, &mut g);
            for (i, g) in g.iter().enumerate() {
                let hit = if n == 1 { label == 1 } else { i == label };
                let target = if hit { 32_768 } else { 0 };
                let error = sat(rnd(z[i].into(), fraction - 15) - target, 65_535);
                assert_eq!(i64::from(*g), rnd(error * i64::from(rate.multiplier), 15));
            }
        }
    }
}

#[test]
fn rates_are_encoded_to_the_nearest() {
    for (rate, expected) in [
        (0.49999, (16_383, 0)),
        (0.25, (8192, 0)),
        (0.125, (8192, 1)),
        (0.0, (0, 16)),
        (1e-9, (2, 16)),
    ] {
        let found = Rate::new(rate).expect("a rate");
        assert_eq!((found.multiplier, found.shift), expected, "{rate}");
    }
    for rate in [0.5, -0.1, f32::NAN, f32::INFINITY] {
        assert_eq!(Rate::new(rate), None, "{rate}");
    }
    assert_eq!(Dither::new(1, 0, 5), Dither::new(1, 0, 5));
}
