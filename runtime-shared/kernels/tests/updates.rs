//! Update rules against PyTorch's definitions in f64, and the sinks that carry gradients to them.

mod reference;

use reference::{assert_close, assert_same_bits, collect, sparse_values, values, wide};
use runtime_kernels::apply::apply;
use runtime_kernels::clip_norm::sum_of_squares;
use runtime_kernels::dense;
use runtime_kernels::rng::Rng;
use runtime_kernels::update::{Hyper, Rule, Sink};

/// PyTorch's `SGD(momentum, weight_decay)` and `Adam(weight_decay)` after `clip_grad_value_`, in the
/// form of its documentation.
struct Optimiser {
    hyper: Hyper,
    adam: bool,
    first: Vec<f64>,
    second: Vec<f64>,
    step: i32,
}

impl Optimiser {
    fn step(&mut self, w: &mut [f64], gradient: &[f32]) {
        let h = self.hyper;
        let wide = f64::from;
        self.step += 1;
        for (i, (w, &g)) in w.iter_mut().zip(gradient).enumerate() {
            let mut g = wide(g) * wide(h.scale);
            g = g.clamp(-wide(h.clip_value), wide(h.clip_value));
            g += wide(h.weight_decay) * *w;
            if self.adam {
                self.first[i] += (g - self.first[i]) * (1.0 - wide(h.beta1));
                self.second[i] = wide(h.beta2) * self.second[i] + (1.0 - wide(h.beta2)) * g.powi(2);
                let correction1 = 1.0 - wide(h.beta1).powi(self.step);
                let correction2 = 1.0 - wide(h.beta2).powi(self.step);
                let denominator = self.second[i].sqrt() / correction2.sqrt() + wide(h.epsilon);
                *w -= wide(h.learning_rate) / correction1 * self.first[i] / denominator;
            } else {
                self.first[i] = wide(h.beta1) * self.first[i] + g;
                *w -= wide(h.learning_rate) * self.first[i];
            }
        }
    }
}

#[test]
fn update_rules_follow_their_references() {
    let mut rng = Rng::new(10);
    let n = 23;
    for kind in ["sgd", "momentum", "adam"] {
        for (weight_decay, clip_value, scale) in [
            (0.0, f32::INFINITY, 1.0),
            (0.01, f32::INFINITY, 1.0),
            (0.0, 0.5, 0.7),
            (0.1, 0.4, 0.9),
        ] {
            let mut hyper = Hyper {
                learning_rate: 0.05,
                weight_decay,
                clip_value,
                scale,
                beta1: if kind == "sgd" { 0.0 } else { 0.9 },
                beta2: 0.999,
                epsilon: 1e-8,
                ..Hyper::sgd(0.05)
            };
            let start = values(&mut rng, n);
            let mut expected = wide(&start);
            let zeros = vec![0.0; n];
            let mut optimiser = Optimiser {
                hyper,
                adam: kind == "adam",
                first: zeros.clone(),
                second: zeros,
                step: 0,
            };
            // Delivered at once, in two strided halves; and deferred.
            let (mut direct, mut deferred) = (start.clone(), start);
            let mut states = vec![vec![0.0f32; n]; 4];
            for step in 1..=8 {
                hyper.correction1 = 1.0 / (1.0 - 0.9f32.powi(step));
                hyper.correction2 = 1.0 / (1.0 - 0.999f32.powi(step));
                let mut g = values(&mut rng, n);
                optimiser.step(&mut expected, &g);
                let [a, b, c, d] = &mut states[..] else {
                    unreachable!()
                };
                let rule = |first, second| match kind {
                    "sgd" => Rule::Sgd,
                    "momentum" => Rule::Momentum(first),
                    _ => Rule::Adam { first, second },
                };
                let mut sink = Sink {
                    weights: &mut direct,
                    rule: rule(a, b),
                    hyper,
                };
                let half =
                    |from: usize| g.iter().copied().skip(from).step_by(2).collect::<Vec<_>>();
                sink.push(0, 2, &half(0));
                sink.push(1, 2, &half(1));
                apply(&mut deferred, &mut g, rule(c, d), hyper);
                assert!(g.iter().all(|g| *g == 0.0), "apply zeroes the gradient");
            }
            let what = format!("{kind}, {hyper:?}");
            assert_close(&what, &direct, &expected, 1e-5);
            assert_same_bits(&what, &direct, &deferred);
        }
    }
}

#[test]
fn an_outer_product_is_its_elements() {
    let mut rng = Rng::new(11);
    let (inputs, outputs) = (7, 13);
    let x = sparse_values(&mut rng, inputs);
    let delta = values(&mut rng, outputs);
    let start = values(&mut rng, inputs * outputs);
    let plain = Hyper::sgd(0.1);
    let decayed = Hyper {
        weight_decay: 0.01,
        ..plain
    };
    let clipped = Hyper {
        clip_value: 0.2,
        scale: 0.5,
        ..plain
    };
    for hyper in [plain, decayed, clipped] {
        for skip in [false, true] {
            let mut expected = wide(&start);
            let zeros = vec![0.0; start.len()];
            let mut optimiser = Optimiser {
                hyper,
                adam: false,
                first: zeros.clone(),
                second: zeros,
                step: 0,
            };
            let products: Vec<f32> = (0..start.len())
                .map(|i| x[i / outputs] * delta[i % outputs])
                .collect();
            optimiser.step(&mut expected, &products);

            let mut w = start.clone();
            let mut sink = Sink {
                weights: &mut w,
                rule: Rule::Sgd,
                hyper,
            };
            dense::backward_weights(&x, &delta, &mut sink, &mut vec![0.0; outputs], skip);
            assert_close("dense update", &w, &expected, 1e-6);
            let mut rows = start.clone();
            let mut sink = Sink {
                weights: &mut rows,
                rule: Rule::Sgd,
                hyper,
            };
            for (i, &x) in x.iter().enumerate() {
                sink.push_outer(i * outputs, x, &delta);
            }
            assert_same_bits("row by row", &rows, &w);
        }
    }
    let summed = collect(start.len(), |sink| {
        for (i, &x) in x.iter().enumerate() {
            sink.push_outer(i * outputs, x, &delta);
        }
    });
    for (i, sum) in summed.iter().enumerate() {
        assert_eq!(*sum, x[i / outputs] * delta[i % outputs]);
    }
}

#[test]
fn sums_of_squares_are_exact_to_rounding() {
    let mut rng = Rng::new(12);
    for n in [0, 1, 7, 8, 9, 1000] {
        let x = values(&mut rng, n);
        let expected: f64 = wide(&x).iter().map(|x| x * x).sum();
        assert_close("norm", &[sum_of_squares(&x)], &[expected], 1e-6);
    }
}
