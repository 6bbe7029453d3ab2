//! Every kernel against a plain f64 reference: forward values, and gradients against central
//! differences of that reference.

mod reference;

use reference::{
    assert_close, assert_same_bits, collect, dot, geometry, gradient, sparse_values, values, wide,
};
use runtime_kernels::activation::Activation;
use runtime_kernels::call::Call;
use runtime_kernels::conv2d::{self, Conv2d};
use runtime_kernels::element::Element;
use runtime_kernels::loss::{Loss, Target, predict};
use runtime_kernels::normalise::normalise;
use runtime_kernels::pool::Pool2d;
use runtime_kernels::rearrange::{Block, rearrange};
use runtime_kernels::rng::Rng;
use runtime_kernels::table::Kernel;
use runtime_kernels::{
    Shape, add, average_pool, bias, channel_affine, dense, depthwise, dropout, log_softmax,
    max_pool, multiply, softmax,
};

const FORWARD: f64 = 1e-5;
const BACKWARD: f64 = 1e-4;

#[test]
fn dense_matches_the_reference() {
    let mut rng = Rng::new(1);
    for inputs in [1, 3, 4, 7, 20] {
        for outputs in [1, 2, 3, 4, 5, 7, 8, 10, 13, 16, 31, 32] {
            let x = sparse_values(&mut rng, inputs);
            let w = values(&mut rng, inputs * outputs);
            let b = values(&mut rng, outputs);
            let delta = values(&mut rng, outputs);
            let (wx, ww, wb) = (wide(&x), wide(&w), wide(&b));

            let mut y = vec![9.0; outputs];
            dense::forward(&x, &w, &b, &mut y, false);
            let expected = reference::dense(&wx, &ww, &wb, outputs);
            assert_close("dense forward", &y, &expected, FORWARD);
            let mut skipped = vec![9.0; outputs];
            // A row that is left out is not looked at.
            let mut holes = w.clone();
            for (row, _) in holes
                .chunks_mut(outputs)
                .zip(&x)
                .filter(|(_, x)| **x == 0.0)
            {
                row.fill(f32::NAN);
            }
            dense::forward(&x, &holes, &b, &mut skipped, true);
            assert_same_bits("skipping zeros", &skipped, &y);
            dense::forward(&x, &w, &[], &mut y, false);
            let expected = reference::dense(&wx, &ww, &[], outputs);
            assert_close("dense without bias", &y, &expected, FORWARD);

            let mut dx = vec![9.0; inputs];
            dense::backward_input(&delta, &w, &mut dx);
            let expected = gradient(&wx, |x| {
                dot(&reference::dense(x, &ww, &wb, outputs), &delta)
            });
            assert_close("dense dx", &dx, &expected, BACKWARD);

            let expected = gradient(&ww, |w| {
                dot(&reference::dense(&wx, w, &wb, outputs), &delta)
            });
            for skip in [false, true] {
                let dw = collect(w.len(), |sink| {
                    dense::backward_weights(&x, &delta, sink, &mut [], skip);
                });
                assert_close("dense dw", &dw, &expected, BACKWARD);
                let infinite = vec![f32::INFINITY; outputs];
                let dw = collect(w.len(), |sink| {
                    dense::backward_weights(&x, &infinite, sink, &mut [], skip);
                });
                for (row, x) in dw.chunks(outputs).zip(&x).filter(|(_, x)| **x == 0.0) {
                    assert!(row.iter().all(|g| g.is_nan() != skip), "{x} {skip} {row:?}");
                }
            }
            let db = collect(outputs, |sink| {
                bias::backward(&delta, outputs, &mut vec![0.0; outputs], sink);
            });
            let expected = gradient(&wb, |b| {
                dot(&reference::dense(&wx, &ww, b, outputs), &delta)
            });
            assert_close("dense db", &db, &expected, BACKWARD);
        }
    }
}

#[test]
fn conv2d_matches_the_reference() {
    let mut rng = Rng::new(2);
    for case in 0..160 {
        let g = geometry(&mut rng, case % 2 == 1);
        let what = |name: &str| format!("{name}, case {case}, {g:?}");
        let x = values(&mut rng, g.input.len());
        let w = values(&mut rng, g.weights());
        let b = values(&mut rng, g.output.c);
        let outputs = g.pooled().len();
        let delta = sparse_values(&mut rng, outputs);
        let (wx, ww, wb) = (wide(&x), wide(&w), wide(&b));

        let mut y = vec![9.0; outputs];
        let pooled = g.pool != (1, 1);
        let mut argmax = vec![255; if pooled { outputs } else { 0 }];
        conv2d::forward(&g, &x, &w, &b, &mut y, &mut argmax);
        let expected = reference::conv2d(&g, &wx, &ww, &wb);
        assert_close(&what("conv forward"), &y, &expected, FORWARD);
        let mut unrecorded = vec![9.0; outputs];
        conv2d::forward(&g, &x, &w, &b, &mut unrecorded, &mut []);
        assert_same_bits("without argmax", &unrecorded, &y);

        let mut dx = vec![9.0; x.len()];
        conv2d::backward_input(&g, &delta, &argmax, &w, &mut dx);
        let expected = gradient(&wx, |x| dot(&reference::conv2d(&g, x, &ww, &wb), &delta));
        assert_close(&what("conv dx"), &dx, &expected, BACKWARD);

        let mut tile = vec![9.0; conv2d::tile_len(&g)];
        let dw = collect(w.len(), |sink| {
            conv2d::backward_weights(&g, &x, &delta, &argmax, sink, &mut tile);
        });
        let expected = gradient(&ww, |w| dot(&reference::conv2d(&g, &wx, w, &wb), &delta));
        assert_close(&what("conv dw"), &dw, &expected, BACKWARD);

        let db = collect(b.len(), |sink| {
            bias::backward(&delta, g.output.c, &mut vec![9.0; g.output.c], sink);
        });
        let expected = gradient(&wb, |b| dot(&reference::conv2d(&g, &wx, &ww, b), &delta));
        assert_close(&what("conv db"), &db, &expected, BACKWARD);
    }
}

#[test]
fn depthwise_matches_the_reference() {
    let mut rng = Rng::new(3);
    for case in 0..150 {
        let mut g = geometry(&mut rng, false);
        g.input.c = g.output.c;
        let what = |name: &str| format!("{name}, case {case}, {g:?}");
        let x = values(&mut rng, g.input.len());
        let w = values(&mut rng, g.kernel.0 * g.kernel.1 * g.input.c);
        let b = values(&mut rng, g.output.c);
        let delta = values(&mut rng, g.output.len());
        let (wx, ww, wb) = (wide(&x), wide(&w), wide(&b));

        let mut y = vec![9.0; g.output.len()];
        depthwise::forward(&g, &x, &w, &b, &mut y);
        let expected = reference::depthwise(&g, &wx, &ww, &wb);
        assert_close(&what("depthwise forward"), &y, &expected, FORWARD);

        let mut dx = vec![9.0; x.len()];
        depthwise::backward_input(&g, &delta, &w, &mut dx);
        let expected = gradient(&wx, |x| dot(&reference::depthwise(&g, x, &ww, &wb), &delta));
        assert_close(&what("depthwise dx"), &dx, &expected, BACKWARD);

        let dw = collect(w.len(), |sink| {
            depthwise::backward_weights(&g, &x, &delta, sink, &mut []);
        });
        let expected = gradient(&ww, |w| dot(&reference::depthwise(&g, &wx, w, &wb), &delta));
        assert_close(&what("depthwise dw"), &dw, &expected, BACKWARD);
    }
}

#[test]
fn pooling_matches_the_reference() {
    let mut rng = Rng::new(4);
    for case in 0..150 {
        let mut c = geometry(&mut rng, false);
        c.output.c = c.input.c;
        let g = Pool2d {
            input: c.input,
            output: c.output,
            kernel: c.kernel,
            stride: c.stride,
            pad: c.pad,
        };
        let what = |name: &str| format!("{name}, case {case}, {g:?}");
        let x = values(&mut rng, g.input.len());
        let wx = wide(&x);
        let delta = values(&mut rng, g.output.len());
        let mut y = vec![9.0; delta.len()];
        let mut argmax = vec![255; delta.len()];
        let mut dx = vec![9.0; x.len()];

        max_pool::forward(&g, &x, &mut y, &mut argmax);
        assert_close(
            &what("max"),
            &y,
            &reference::max_pool(&g, &wx),
            f64::EPSILON,
        );
        max_pool::backward(&g, &delta, &argmax, &mut dx);
        let expected = gradient(&wx, |x| dot(&reference::max_pool(&g, x), &delta));
        assert_close(&what("max dx"), &dx, &expected, BACKWARD);
        y.fill(9.0);
        max_pool::forward(&g, &x, &mut y, &mut []);
        assert_close(
            &what("max"),
            &y,
            &reference::max_pool(&g, &wx),
            f64::EPSILON,
        );

        average_pool::forward(&g, &x, &mut y);
        assert_close(
            &what("average"),
            &y,
            &reference::average_pool(&g, &wx),
            FORWARD,
        );
        average_pool::backward(&g, &delta, &mut dx);
        let expected = gradient(&wx, |x| dot(&reference::average_pool(&g, x), &delta));
        assert_close(&what("average dx"), &dx, &expected, BACKWARD);
    }
}

#[test]
fn the_first_of_equal_maxima_wins() {
    let shape = |h, w| Shape { h, w, c: 1 };
    let g = Conv2d {
        input: shape(2, 2),
        output: shape(2, 2),
        kernel: (1, 1),
        stride: (1, 1),
        pad: (0, 0),
        pool: (2, 2),
    };
    let (mut y, mut argmax) = ([0.0], [9]);
    conv2d::forward(&g, &[1.0, 3.0, 3.0, 2.0], &[1.0], &[], &mut y, &mut argmax);
    assert_eq!((y, argmax), ([3.0], [1]));
    let p = Pool2d {
        input: shape(2, 2),
        output: shape(1, 1),
        kernel: (2, 2),
        stride: (2, 2),
        pad: (0, 0),
    };
    max_pool::forward(&p, &[1.0, 3.0, 3.0, 2.0], &mut y, &mut argmax);
    assert_eq!((y, argmax), ([3.0], [1]));
    assert_eq!(predict(&[1.0, 3.0, 3.0]), 1);
    assert_eq!(
        (predict(&[0.5]), predict(&[0.0]), predict(&[-0.5])),
        (1, 0, 0)
    );
}

type Function = fn(f64) -> f64;

#[test]
fn activations_match_their_derivatives() {
    let mut rng = Rng::new(5);
    let functions: [(Activation, Function); 8] = [
        (Activation::None, |x| x),
        (Activation::Relu, |x| x.max(0.0)),
        (Activation::Relu6, |x| x.clamp(0.0, 6.0)),
        (Activation::LeakyRelu(0.125), |x| {
            if x > 0.0 { x } else { 0.125 * x }
        }),
        (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        (Activation::Tanh, f64::tanh),
        (Activation::Elu(0.75), |x| {
            if x > 0.0 { x } else { 0.75 * x.exp_m1() }
        }),
        (Activation::Selu, |x| {
            let (scale, alpha) = (1.0507009873554805, 1.6732632423543772);
            scale * if x > 0.0 { x } else { alpha * x.exp_m1() }
        }),
    ];
    for (activation, f) in functions {
        let x: Vec<f32> = values(&mut rng, 103).iter().map(|x| 8.0 * x).collect();
        let delta = values(&mut rng, x.len());
        let apply = |x: &[f64]| x.iter().map(|&x| f(x)).collect::<Vec<_>>();
        let mut y = x.clone();
        activation.forward(&mut y);
        let what = format!("{activation:?}");
        assert_close(&what, &y, &apply(&wide(&x)), FORWARD);
        let mut dx = delta.clone();
        activation.backward(&y, &mut dx);
        let expected = gradient(&wide(&x), |x| dot(&apply(x), &delta));
        assert_close(&what, &dx, &expected, BACKWARD);
    }
}

#[test]
fn softmax_matches_its_derivative() {
    let mut rng = Rng::new(6);
    for n in [1, 2, 10, 37] {
        let x: Vec<f32> = values(&mut rng, n).iter().map(|x| 5.0 * x).collect();
        let delta = values(&mut rng, n);
        let mut y = x.clone();
        softmax::forward(&mut y);
        assert_close("softmax", &y, &reference::softmax(&wide(&x)), FORWARD);
        let mut dx = delta.clone();
        softmax::backward(&y, &mut dx);
        let expected = gradient(&wide(&x), |x| dot(&reference::softmax(x), &delta));
        assert_close("softmax dx", &dx, &expected, BACKWARD);
    }
    let mut large = [1000.0, 999.0, -1000.0];
    softmax::forward(&mut large);
    assert_close("large logits", &large, &[0.731059, 0.268941, 0.0], 1e-6);
}

#[test]
fn log_softmax_matches_its_derivative() {
    let mut rng = Rng::new(8);
    let logarithm = |x: &[f64]| -> Vec<f64> {
        let max = x.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = x.iter().map(|x| (x - max).exp()).sum();
        x.iter().map(|x| x - max - sum.ln()).collect()
    };
    for n in [1, 2, 10, 37] {
        let x: Vec<f32> = values(&mut rng, n).iter().map(|x| 5.0 * x).collect();
        let delta = values(&mut rng, n);
        let mut y = x.clone();
        log_softmax::forward(&mut y);
        assert_close("log softmax", &y, &logarithm(&wide(&x)), FORWARD);
        let mut dx = delta.clone();
        log_softmax::backward(&y, &mut dx);
        let expected = gradient(&wide(&x), |x| dot(&logarithm(x), &delta));
        assert_close("log softmax dx", &dx, &expected, BACKWARD);
    }
    let mut large = [1000.0, 999.0, -1000.0];
    log_softmax::forward(&mut large);
    let expected = [-0.313262, -1.313262, -2000.313262];
    assert_close("large logits", &large, &expected, 1e-6);
}

#[test]
fn blocks_move_and_add_what_they_say() {
    let mut rng = Rng::new(9);
    let mut size = |n: u32| 1 + rng.below(n) as usize;
    for _ in 0..200 {
        let count = [size(4), size(4), size(4)];
        // Blocks that lie apart: the inner axes fit into a step of the outer ones.
        let strides = |a: usize, b: usize, c: usize| {
            let inner = a;
            let middle = inner * count[2] + b - 1;
            [middle * count[1] + c - 1, middle, inner]
        };
        let (a, b, c) = (size(3), size(3), size(3));
        let from = strides(a, b, c);
        let (a, b, c) = (size(3), size(3), size(3));
        let block = Block {
            count,
            from,
            to: strides(a, b, c),
            from_at: size(5) - 1,
            to_at: size(5) - 1,
            adds: size(2) == 1,
        };
        let mut call = Call::new(Kernel::Rearrange);
        block.put(&mut call);
        assert_eq!(Block::of(&call), block);
        let lengths = Kernel::Rearrange.lengths(&call).expect("it is sound");
        let x: Vec<f32> = (0..lengths.x).map(|i| 1.0 + i as f32).collect();
        let mut y = vec![-1.0; lengths.y];
        rearrange(&block, &x, &mut y);
        let mut expected = vec![-1.0; lengths.y];
        for i in 0..count[0] {
            for j in 0..count[1] {
                for k in 0..count[2] {
                    let at = |at: usize, s: [usize; 3]| at + i * s[0] + j * s[1] + k * s[2];
                    let moved = x[at(block.from_at, block.from)];
                    let y = &mut expected[at(block.to_at, block.to)];
                    *y = if block.adds { *y + moved } else { moved };
                }
            }
        }
        assert_eq!(y, expected, "{block:?}");
        // The last elements of the block are the last of the operands.
        assert_ne!(y.last(), Some(&-1.0), "{block:?}");
        // Back and forth is nothing at all.
        let mut back = vec![-1.0; lengths.x];
        let forth = Block {
            adds: false,
            ..block
        };
        rearrange(&forth, &x, &mut y);
        rearrange(&forth.reversed(), &y, &mut back);
        assert!(back.iter().zip(&x).all(|(b, x)| b == x || *b == -1.0));
        let moved = back.iter().filter(|b| **b != -1.0).count();
        assert_eq!(moved, count.iter().product::<usize>());
    }
    for (dim, value) in [(0, 0), (1, 0), (2, 0), (13, 2)] {
        let mut call = Call::new(Kernel::Rearrange);
        call.dims = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
        assert!(Kernel::Rearrange.lengths(&call).is_ok());
        call.dims[dim] = value;
        assert!(Kernel::Rearrange.lengths(&call).is_err());
    }
}

#[test]
fn products_are_what_they_say() {
    let mut y = [0.0; 3];
    multiply::multiply(&[1.0, -2.0, 0.5], &[3.0, 0.25, 0.0], &mut y);
    assert_eq!(y, [3.0, -0.5, 0.0]);
}

/// The bend of Huber's loss.
const BEND: f32 = 0.75;

/// A loss in f64 from logits and a target vector.
fn reference_loss(loss: Loss, y: &[f64], target: &[f64]) -> f64 {
    let n = y.len() as f64;
    let pairs = y.iter().zip(target);
    match loss {
        Loss::CrossEntropy | Loss::Damped => {
            let p = reference::softmax(y);
            -p.iter().zip(target).map(|(p, t)| t * p.ln()).sum::<f64>()
        }
        Loss::Mse => pairs.map(|(y, t)| (y - t).powi(2)).sum::<f64>() / n,
        Loss::Mae => pairs.map(|(y, t)| (y - t).abs()).sum::<f64>() / n,
        Loss::Huber => {
            let term = |e: f64| {
                if e < f64::from(BEND) {
                    0.5 * e * e
                } else {
                    f64::from(BEND) * (e - 0.5 * f64::from(BEND))
                }
            };
            pairs.map(|(y, t)| term((y - t).abs())).sum::<f64>() / n
        }
        Loss::BinaryCrossEntropy => {
            pairs
                .map(|(y, t)| {
                    let p = 1.0 / (1.0 + (-y).exp());
                    -(t * p.ln() + (1.0 - t) * (1.0 - p).ln())
                })
                .sum::<f64>()
                / n
        }
    }
}

#[test]
fn losses_match_their_derivatives() {
    let mut rng = Rng::new(7);
    let scale = 0.25f32;
    for loss in [
        Loss::CrossEntropy,
        Loss::Mse,
        Loss::BinaryCrossEntropy,
        Loss::Damped,
        Loss::Mae,
        Loss::Huber,
    ] {
        for n in [1, 2, 3, 10] {
            if n == 1 && matches!(loss, Loss::CrossEntropy | Loss::Damped) {
                continue;
            }
            for label in 0..n.max(2) {
                let y: Vec<f32> = values(&mut rng, n).iter().map(|y| 4.0 * y).collect();
                let target: Vec<f64> = if n == 1 {
                    vec![label as f64]
                } else {
                    (0..n).map(|i| f64::from(u8::from(i == label))).collect()
                };
                let mut delta = vec![9.0; n];
                let got = loss.evaluate(&y, Target::Class(label), BEND, &mut delta, scale);
                let what = format!("{loss:?}, {n} outputs, label {label}");
                let wy = wide(&y);
                assert_close(&what, &[got], &[reference_loss(loss, &wy, &target)], 1e-5);
                let expected: Vec<f64> = if loss == Loss::Damped {
                    let p = reference::softmax(&wy);
                    p.iter()
                        .zip(&target)
                        .map(|(p, t)| p * (1.0 - p) * (p - t) * f64::from(scale))
                        .collect()
                } else {
                    gradient(&wy, |y| reference_loss(loss, y, &target) * f64::from(scale))
                };
                assert_close(&what, &delta, &expected, BACKWARD);
            }
            if loss.is_of_classes() {
                continue;
            }
            let y: Vec<f32> = values(&mut rng, n).iter().map(|y| 4.0 * y).collect();
            let target: Vec<f32> = values(&mut rng, n).iter().map(|t| 0.5 + 0.5 * t).collect();
            let mut delta = vec![9.0; n];
            let got = loss.evaluate(&y, Target::Values(&target), BEND, &mut delta, scale);
            let (wy, wt) = (wide(&y), wide(&target));
            let what = format!("{loss:?}, {n} values");
            assert_close(&what, &[got], &[reference_loss(loss, &wy, &wt)], 1e-5);
            let expected = gradient(&wy, |y| reference_loss(loss, y, &wt) * f64::from(scale));
            assert_close(&what, &delta, &expected, BACKWARD);
        }
    }
    let mut delta = [9.0; 2];
    let mae = Loss::Mae.evaluate(&[0.0, 1.0], Target::Class(1), BEND, &mut delta, 1.0);
    assert_eq!((mae, delta), (0.0, [0.0; 2]), "no error");
    for loss in [Loss::CrossEntropy, Loss::BinaryCrossEntropy] {
        let value = loss.evaluate(&[200.0, -200.0], Target::Class(1), BEND, &mut delta, 1.0);
        assert!(
            value.is_finite() && delta.iter().all(|d| d.is_finite()),
            "{loss:?} overflows"
        );
    }
}

#[test]
fn elementwise_kernels_do_what_they_say() {
    let mut rng = Rng::new(8);
    for channels in [1, 3, 4] {
        let n = 5 * channels;
        let (a, b) = (values(&mut rng, n), values(&mut rng, n));
        let (scale, shift) = (values(&mut rng, channels), values(&mut rng, channels));
        let bytes: Vec<u8> = (0..n).map(|_| rng.below(256) as u8).collect();
        let mut y = vec![9.0; n];
        add::add(&a, &b, &mut y);
        for i in 0..n {
            assert_eq!(y[i], a[i] + b[i]);
        }
        let mut sum = a.clone();
        add::add_assign(&mut sum, &b);
        assert_eq!(sum, y);
        channel_affine::forward(&a, &scale, &shift, &mut y);
        let mut delta = b.clone();
        channel_affine::backward(&mut delta, &scale);
        for i in 0..n {
            assert_eq!(y[i], a[i] * scale[i % channels] + shift[i % channels]);
            assert_eq!(delta[i], b[i] * scale[i % channels]);
        }
        normalise(Element::U8, &bytes, &scale, &shift, &mut y);
        for i in 0..n {
            let c = i % channels;
            assert_eq!(y[i], f32::from(bytes[i]) * scale[c] + shift[c]);
        }
    }
}

#[test]
fn dropout_keeps_the_expected_share_and_mean() {
    let (n, rate) = (40_003usize, 0.25f32);
    let mut x = vec![1.0; n];
    let mut mask = vec![0xff; n.div_ceil(8)];
    dropout::forward(&mut x, &mut mask, rate, &mut Rng::new(9));
    let kept = x.iter().filter(|x| **x != 0.0).count();
    let share = kept as f64 / n as f64;
    // Four standard deviations of a binomial share.
    assert!(
        (share - 0.75).abs() < 4.0 * (0.75f64 * 0.25 / n as f64).sqrt(),
        "{share}"
    );
    assert!(x.iter().all(|&x| x == 0.0 || x == 1.0 / (1.0 - rate)));
    let ones: u32 = mask.iter().map(|m| m.count_ones()).sum();
    assert_eq!(ones as usize, kept);
    let mut delta = vec![1.0; n];
    dropout::backward(&mut delta, &mask, rate);
    assert_eq!(delta, x);
}

#[test]
fn maxima_keep_what_is_not_a_number_wherever_it_stands() {
    for side in [2, 3] {
        let shape = |h, w| Shape { h, w, c: 1 };
        let g = Conv2d {
            input: shape(side, side),
            output: shape(side, side),
            kernel: (1, 1),
            stride: (1, 1),
            pad: (0, 0),
            pool: (side, side),
        };
        let p = Pool2d {
            input: shape(side, side),
            output: shape(1, 1),
            kernel: (side, side),
            stride: (side, side),
            pad: (0, 0),
        };
        for place in 0..side * side {
            for bits in [0x7fc0_0000, 0xffc0_0000] {
                let mut x: Vec<f32> = (1..=side * side).map(|x| x as f32).collect();
                x[place] = f32::from_bits(bits);
                let (mut fused, mut apart, mut argmax) = ([0.0], [0.0], [9]);
                conv2d::forward(&g, &x, &[1.0], &[], &mut fused, &mut argmax);
                assert!(fused[0].is_nan(), "fused, at {place} of {side}");
                max_pool::forward(&p, &x, &mut apart, &mut argmax);
                assert!(apart[0].is_nan(), "apart, at {place} of {side}");
                assert_eq!(usize::from(argmax[0]), place);
            }
        }
        let infinities = vec![f32::NEG_INFINITY, f32::INFINITY, 1.0, 2.0];
        if side == 2 {
            let mut y = [0.0];
            conv2d::forward(&g, &infinities, &[1.0], &[], &mut y, &mut []);
            assert_eq!(y, [f32::INFINITY]);
        }
    }
}
