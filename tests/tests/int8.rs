//! 8-bit inference against TensorFlow Lite Micro's reference kernels (`scripts/int8_fixtures.py`): every byte of a million outputs, ties included.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::kernels::int::fixed::mix;
use runtime_shared::kernels::int8::elementwise::{self, Term};
use runtime_shared::kernels::int8::multiplier::Multiplier;
use runtime_shared::kernels::int8::softmax::Softmax;
use runtime_shared::kernels::int8::{Output, conv2d, dense, layout, limits, pool};
use runtime_shared::kernels::pool::Pool2d;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    op: String,
    input: [usize; 3],
    output: [usize; 3],
    x_scale: f32,
    x_zero: i32,
    out_scale: f32,
    out_zero: i32,
    runs: u32,
    y_scale: Option<f32>,
    #[serde(default)]
    y_zero: i32,
    other: Option<usize>,
    #[serde(default)]
    w_scales: Vec<f32>,
    #[serde(default)]
    bias: u32,
    amplitude: Option<u32>,
    #[serde(default)]
    kernel: [usize; 2],
    #[serde(default = "one")]
    stride: [usize; 2],
    #[serde(default)]
    padding: String,
    #[serde(default)]
    activation: String,
    #[serde(default)]
    pad: [usize; 4],
    #[serde(default)]
    beta: f32,
    crc32: u32,
    first: Vec<i32>,
}

fn one() -> [usize; 2] {
    [1, 1]
}

fn draw(seed: u32, i: usize) -> u32 {
    mix(mix(seed).wrapping_add((i as u32).wrapping_mul(0x9e37_79b9)))
}

fn uniform(seed: u32, n: usize, amplitude: u32) -> Vec<i32> {
    let value = |i| {
        let product = u64::from(draw(seed, i) >> 16) * (2 * u64::from(amplitude) + 1);
        ((product >> 16) as i64 - i64::from(amplitude)) as i32
    };
    (0..n).map(value).collect()
}

fn input_bytes(run: u32, which: u32, n: usize) -> Vec<i8> {
    let byte = |i| ((draw(3000 + 2 * run + which, i) >> 16) % 258) as i32 - 129;
    (0..n).map(|i| byte(i).clamp(-128, 127) as i8).collect()
}

/// The state of a CRC-32, as zlib computes it.
fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!crc, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

impl Case {
    fn shape([h, w, c]: [usize; 3]) -> Shape {
        Shape { h, w, c }
    }

    fn window(&self) -> Conv2d {
        let (input, output) = (Self::shape(self.input), Self::shape(self.output));
        let before = |n: usize, out: usize, axis: usize| match self.padding.as_str() {
            "same" => ((out - 1) * self.stride[axis] + self.kernel[axis]).saturating_sub(n) / 2,
            _ => 0,
        };
        Conv2d {
            input,
            output,
            kernel: self.kernel.into(),
            stride: self.stride.into(),
            pad: (before(input.h, output.h, 0), before(input.w, output.w, 1)),
            pool: (1, 1),
        }
    }

    fn pool(&self) -> Pool2d {
        let g = self.window();
        Pool2d {
            input: g.input,
            output: g.output,
            kernel: g.kernel,
            stride: g.stride,
            pad: g.pad,
        }
    }

    /// The limits of the output.
    fn limits(&self) -> (i32, i32) {
        let (low, high) = match self.activation.as_str() {
            "relu" => (Some(0.0), None),
            "relu6" => (Some(0.0), Some(6.0)),
            _ => (None, None),
        };
        limits(low, high, self.out_scale, self.out_zero)
    }

    /// The multipliers of the operation, alternating with their shifts.
    fn multipliers(&self) -> Vec<i32> {
        let (x, out) = (self.x_scale, self.out_scale);
        let found: Vec<Option<Multiplier>> = match (self.op.as_str(), self.y_scale) {
            ("dense", _) if self.w_scales.len() == 1 => {
                vec![Multiplier::of_dense_scales(x, self.w_scales[0], out)]
            }
            ("conv" | "depthwise" | "dense", _) => {
                let of = |w: &f32| Multiplier::of_scales(x, *w, out);
                self.w_scales.iter().map(of).collect()
            }
            ("add", Some(y)) => {
                let all = elementwise::add_multipliers(x, y, out).expect("scales");
                vec![Some(all[2])]
            }
            ("mul", Some(y)) => vec![Multiplier::of_scales(x, y, out)],
            ("mean", _) => {
                let n = self.input[0] * self.input[1];
                let scale = Multiplier::of_ratio(x, out).expect("scales");
                vec![Some(pool::mean_multiplier(scale, n as u32))]
            }
            ("relu" | "requantise", _) => vec![Multiplier::of_ratio(x, out)],
            _ => vec![],
        };
        found
            .into_iter()
            .flat_map(|m| m.map(|m| [m.multiplier, m.shift]).expect("scales"))
            .collect()
    }

    /// The little-endian bytes of one run's output.
    fn run(&self, run: u32, multipliers: &[i32], w: &[i8], b: &[i32]) -> Vec<u8> {
        let input = Self::shape(self.input);
        let x = input_bytes(run, 0, input.len());
        let other = self.other.unwrap_or(input.c);
        let second = input_bytes(run, 1, input.h * input.w * other);
        let mut y = vec![0i8; Self::shape(self.output).len()];
        let (low, high) = self.limits();
        let output = Output {
            multipliers,
            zero: self.out_zero,
            low,
            high,
        };
        let (low, high, zero) = (low as i8, high as i8, self.x_zero);
        match self.op.as_str() {
            "conv" => conv2d::forward(&self.window(), &x, zero, w, b, &mut y, &output),
            "depthwise" => conv2d::depthwise(&self.window(), &x, zero, w, b, &mut y, &output),
            "dense" => dense::forward(&x, zero, w, b, &mut y, &output),
            "add" => {
                let scale = self.y_scale.expect("a second input");
                let [a, b, _] = elementwise::add_multipliers(self.x_scale, scale, self.out_scale)
                    .expect("scales");
                let term = |zero, multiplier| Term { zero, multiplier };
                let (a, b) = (term(zero, a), term(self.y_zero, b));
                elementwise::add(&x, a, &second, b, &mut y, &output);
            }
            "mul" => elementwise::mul(&x, zero, &second, self.y_zero, &mut y, &output),
            "average_pool" => pool::average(&self.pool(), &x, &mut y, low, high),
            "max_pool" => pool::max(&self.pool(), &x, &mut y, low, high),
            "mean" => pool::mean(&x, zero, &mut y, &output),
            "pad" => {
                let [top, left, ..] = self.pad;
                let shape = Self::shape(self.output);
                layout::pad(&x, input, (top, left), zero as i8, &mut y, shape);
            }
            "concat" => {
                let all = self.output[2];
                layout::place_channels(&x, input.c, &mut y, all, 0);
                layout::place_channels(&second, other, &mut y, all, input.c);
            }
            "relu" => {
                let (low, high) = limits(Some(0.0), None, self.out_scale, self.out_zero);
                let output = Output {
                    low,
                    high,
                    ..output
                };
                elementwise::requantise(&x, zero, &mut y, &output);
            }
            "relu6" => {
                let (low, high) = limits(Some(0.0), Some(6.0), self.x_scale, zero);
                elementwise::clamp(&x, low as i8, high as i8, &mut y);
            }
            "requantise" => elementwise::requantise(&x, zero, &mut y, &output),
            "softmax" => {
                let softmax = Softmax::new(self.x_scale, self.beta).expect("scales");
                softmax.forward(&x, &mut y);
            }
            "quantise" => {
                let step = ((f64::from(self.out_scale) / 8.0) as f32) * 6.0;
                let real: Vec<f32> = x.iter().map(|x| f32::from(*x) * step).collect();
                elementwise::quantise(&real, self.out_scale, self.out_zero, &mut y);
            }
            "dequantise" => {
                let mut real = vec![0.0; x.len()];
                elementwise::dequantise(&x, self.x_scale, zero, &mut real);
                return real.iter().flat_map(|v| v.to_le_bytes()).collect();
            }
            other => panic!("{other}"),
        }
        y.iter().map(|y| *y as u8).collect()
    }
}

#[test]
fn every_byte_is_that_of_tensorflow_lite_micro() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/int8");
    let (mut count, mut wrong) = (0, vec![]);
    for entry in std::fs::read_dir(folder).expect("the folder of fixtures") {
        let path = entry.expect("a file").path();
        let text = std::fs::read_to_string(&path).expect("a fixture");
        let case: Case = serde_json::from_str(&text).expect("a fixture");
        let outputs = case.output[2];
        let (taps, c) = (case.kernel[0] * case.kernel[1], case.input[2]);
        let weights = match case.op.as_str() {
            "conv" => taps * c * outputs,
            "depthwise" => taps * outputs,
            "dense" => Case::shape(case.input).len() * outputs,
            _ => 0,
        };
        let w = uniform(1000, weights, case.amplitude.unwrap_or(127));
        let w: Vec<i8> = w.into_iter().map(|w| w as i8).collect();
        let b = uniform(2000, outputs, case.bias);
        let multipliers = case.multipliers();
        let mut crc = 0;
        for run in 0..case.runs {
            let bytes = case.run(run, &multipliers, &w, &b);
            if run == 0 && case.op != "dequantise" {
                let first: Vec<i32> = bytes.iter().take(64).map(|b| i32::from(*b as i8)).collect();
                if first != case.first {
                    println!("{}:\n{first:?}\n{:?}", path.display(), case.first);
                }
            }
            count += if case.op == "dequantise" {
                bytes.len() / 4
            } else {
                bytes.len()
            };
            crc = crc32(crc, &bytes);
        }
        if crc != case.crc32 {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?} differ");
    assert!(count > 1_000_000, "{count} outputs");
}
