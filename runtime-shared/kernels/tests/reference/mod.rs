//! Layers in f64, index by index, written to be obviously right and nothing else; and the tools to
//! compare a kernel with them. Each test file uses a part of it.
#![allow(dead_code)]

use runtime_kernels::Shape;
use runtime_kernels::conv2d::Conv2d;
use runtime_kernels::pool::Pool2d;
use runtime_kernels::rng::Rng;
use runtime_kernels::update::{Hyper, Rule, Sink};

pub fn dense(x: &[f64], w: &[f64], b: &[f64], outputs: usize) -> Vec<f64> {
    (0..outputs)
        .map(|o| {
            let bias = b.get(o).copied().unwrap_or(0.0);
            bias + (0..x.len()).map(|i| x[i] * w[i * outputs + o]).sum::<f64>()
        })
        .collect()
}

fn at(s: Shape, x: &[f64], row: isize, column: isize, channel: usize) -> Option<f64> {
    let inside = row >= 0 && column >= 0 && row < s.h as isize && column < s.w as isize;
    inside.then(|| x[(row as usize * s.w + column as usize) * s.c + channel])
}

fn input_position(o: usize, stride: usize, k: usize, pad: usize) -> isize {
    (o * stride + k) as isize - pad as isize
}

/// The convolution without its pool.
pub fn convolution(g: &Conv2d, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let (ci, co) = (g.input.c, g.output.c);
    let mut y = Vec::new();
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            for o in 0..co {
                let mut sum = b.get(o).copied().unwrap_or(0.0);
                for ky in 0..g.kernel.0 {
                    for kx in 0..g.kernel.1 {
                        for i in 0..ci {
                            let row = input_position(oy, g.stride.0, ky, g.pad.0);
                            let column = input_position(ox, g.stride.1, kx, g.pad.1);
                            let w = w[((ky * g.kernel.1 + kx) * ci + i) * co + o];
                            sum += at(g.input, x, row, column, i).unwrap_or(0.0) * w;
                        }
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

/// The convolution followed by its pool.
pub fn conv2d(g: &Conv2d, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let pool = Pool2d {
        input: g.output,
        output: g.pooled(),
        kernel: g.pool,
        stride: g.pool,
        pad: (0, 0),
    };
    max_pool(&pool, &convolution(g, x, w, b))
}

pub fn depthwise(g: &Conv2d, x: &[f64], w: &[f64], b: &[f64]) -> Vec<f64> {
    let c = g.input.c;
    let mut y = Vec::new();
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            for i in 0..c {
                let mut sum = b.get(i).copied().unwrap_or(0.0);
                for ky in 0..g.kernel.0 {
                    for kx in 0..g.kernel.1 {
                        let row = input_position(oy, g.stride.0, ky, g.pad.0);
                        let column = input_position(ox, g.stride.1, kx, g.pad.1);
                        let w = w[(ky * g.kernel.1 + kx) * c + i];
                        sum += at(g.input, x, row, column, i).unwrap_or(0.0) * w;
                    }
                }
                y.push(sum);
            }
        }
    }
    y
}

fn pool(g: &Pool2d, x: &[f64], reduce: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut y = Vec::new();
    for oy in 0..g.output.h {
        for ox in 0..g.output.w {
            for i in 0..g.input.c {
                let mut window = Vec::new();
                for ky in 0..g.kernel.0 {
                    for kx in 0..g.kernel.1 {
                        let row = input_position(oy, g.stride.0, ky, g.pad.0);
                        let column = input_position(ox, g.stride.1, kx, g.pad.1);
                        window.extend(at(g.input, x, row, column, i));
                    }
                }
                y.push(reduce(&window));
            }
        }
    }
    y
}

pub fn max_pool(g: &Pool2d, x: &[f64]) -> Vec<f64> {
    pool(g, x, |window| {
        window.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    })
}

pub fn average_pool(g: &Pool2d, x: &[f64]) -> Vec<f64> {
    pool(g, x, |window| {
        window.iter().sum::<f64>() / window.len() as f64
    })
}

pub fn softmax(x: &[f64]) -> Vec<f64> {
    let sum: f64 = x.iter().map(|x| x.exp()).sum();
    x.iter().map(|x| x.exp() / sum).collect()
}

/// Central differences of `f` at `x`.
pub fn gradient(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let h = 1e-5;
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let middle = x[i];
            x[i] = middle + h;
            let above = f(&x);
            x[i] = middle - h;
            let below = f(&x);
            x[i] = middle;
            (above - below) / (2.0 * h)
        })
        .collect()
}

pub fn dot(a: &[f64], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
}

pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// Uniform values in -1..1.
pub fn values(rng: &mut Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| 2.0 * rng.unit() - 1.0).collect()
}

/// Values of which about half are zero, as a ReLU leaves them.
pub fn sparse_values(rng: &mut Rng, n: usize) -> Vec<f32> {
    values(rng, n).into_iter().map(|x| x.max(0.0)).collect()
}

pub fn choose<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.below(from.len() as u32) as usize]
}

/// Fails unless every element is within `tolerance`, relative to the tensor's largest magnitude.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    let scale = expected.iter().fold(1e-3f64, |m, e| m.max(e.abs()));
    for (i, (&g, &e)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(g) - e).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}: element {i} is {g}, expected {e}, relative error {error:.1e}"
        );
    }
}

#[track_caller]
pub fn assert_same_bits(what: &str, got: &[f32], expected: &[f32]) {
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(got), bits(expected), "{what}: {got:?} != {expected:?}");
}

/// The gradient that a kernel delivers, gathered by an accumulating sink that starts at zero.
pub fn collect(len: usize, deliver: impl FnOnce(&mut Sink<'_>)) -> Vec<f32> {
    let mut sum = vec![0.0; len];
    let mut sink = Sink {
        weights: &mut [],
        rule: Rule::Accumulate(&mut sum),
        hyper: Hyper::sgd(0.1),
    };
    deliver(&mut sink);
    sum
}

/// A random geometry: strides, padding (also only on one side), kernels as large as the input, pools
/// that do not divide.
pub fn geometry(rng: &mut Rng, pooled: bool) -> Conv2d {
    loop {
        let input = Shape {
            h: choose(rng, &[1, 3, 4, 5, 7, 8]),
            w: choose(rng, &[1, 3, 4, 6, 9, 11]),
            c: choose(rng, &[1, 2, 3, 4, 5]),
        };
        let kernel = choose(rng, &[(1, 1), (3, 3), (2, 3), (5, 5), (input.h, input.w)]);
        let stride = choose(rng, &[(1, 1), (1, 1), (2, 2), (2, 1), (1, 3)]);
        let pad = choose(rng, &[(0, 0), (0, 0), (1, 1), (0, 1), (2, 2)]);
        let pool = if pooled {
            choose(rng, &[(2, 2), (2, 3), (3, 1), (1, 2)])
        } else {
            (1, 1)
        };
        let after = (choose(rng, &[0, pad.0]), choose(rng, &[0, pad.1]));
        let size = |input: usize, k: usize, stride: usize, pad: usize| {
            (input + pad)
                .checked_sub(k)
                .map_or(0, |room| room / stride + 1)
        };
        let output = Shape {
            h: size(input.h, kernel.0, stride.0, pad.0 + after.0),
            w: size(input.w, kernel.1, stride.1, pad.1 + after.1),
            c: choose(rng, &[1, 2, 3, 4, 5, 7, 8, 13, 16]),
        };
        let g = Conv2d {
            input,
            output,
            kernel,
            stride,
            pad,
            pool,
        };
        if pad.0 < kernel.0 && pad.1 < kernel.1 && !g.pooled().is_empty() {
            return g;
        }
    }
}
