//! The designed grid: for every kernel, calls whose shapes cover what networks for microcontrollers ask for.
//!
//! Shapes and operands are drawn, not enumerated, since a kernel has up to fourteen dimensions; the seed tells the fit's grid from the
//! held-out one. Update rules, activations, losses and whether there are biases are cycled through; pools are drawn before a shape for
//! them is, since fewer shapes suit a large one.

use crate::bench::{Case, Past};
use crate::trips::Update;
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::activation::Activation;
use runtime_shared::kernels::conv2d::Conv2d;
use runtime_shared::program::call::SKIP_ZEROS;
use runtime_shared::program::{Call, Kernel, RuleKind};
use runtime_shared::rng::Rng;

/// Multiply-accumulates of a call at most: software floats take a hundred cycles each, and a grid has some thousand calls.
const MOST_MACS: usize = 24_000;
/// Outputs of a convolution at least, behind its pool.
const LEAST_DELTAS: usize = 48;
/// Floats of one operand at most.
const MOST_FLOATS: usize = 4_096;

/// `count` calls of `kernel`.
pub fn cases(kernel: Kernel, count: usize, rng: &mut Rng) -> Vec<Case> {
    (0..count).map(|number| case(kernel, number, rng)).collect()
}

/// `cases`, all their operands where they are to be, with a small call of another kernel behind each: in a training step no kernel
/// follows itself, and where a cache holds code, it holds that of whoever ran last.
pub fn among_others(cases: &[Case]) -> Vec<Case> {
    use Kernel::*;
    let others = [Dense, Loss, DenseBackwardWeights, Conv2d, BiasBackward];
    let mut turn = others.iter().cycle();
    let mut all = Vec::new();
    for case in cases {
        all.push(Case {
            in_image: false,
            ..case.clone()
        });
        let other = turn.by_ref().find(|other| **other != case.call.kernel);
        if let Some(&kernel) = other {
            all.push(Case {
                call: small(kernel),
                // Calls of one image share the rule's constants.
                update: case.update,
                zeros: 0.5,
                silent: false,
                biased: true,
                indexed: true,
                past: Past::All,
                in_image: false,
            });
        }
    }
    all
}

/// A call of a kernel that runs soon.
fn small(kernel: Kernel) -> Call {
    let mut call = Call::new(kernel);
    match kernel {
        Kernel::Conv2d => call.set_conv2d(&Conv2d {
            input: shape(6, 6, 1),
            output: shape(4, 4, 4),
            kernel: (3, 3),
            stride: (1, 1),
            pad: (0, 0),
            pool: (2, 2),
        }),
        Kernel::BiasBackward => (call.dims[0], call.dims[1]) = (1, 10),
        Kernel::Loss => call.set_len(10),
        _ => (call.dims[0], call.dims[1], call.flags) = (32, 10, SKIP_ZEROS),
    }
    call
}

fn case(kernel: Kernel, number: usize, rng: &mut Rng) -> Case {
    let pool = [1, 2, 1, 3][rng.below(4) as usize];
    loop {
        let call = draw(kernel, number, pool, rng);
        let (decays, clips) = (rng.below(3) == 0, rng.below(4) == 0);
        let updates = updates(kernel);
        let case = Case {
            update: Update::new(call.rule, updates && decays, updates && clips),
            call,
            zeros: zeros(kernel, rng),
            silent: rng.below(3) == 0,
            biased: !number.is_multiple_of(5),
            indexed: rng.below(2) == 0,
            past: [Past::All, Past::Same, Past::None][rng.below(3) as usize],
            in_image: rng.below(3) == 0,
        };
        if sound(&case.call) {
            return case;
        }
    }
}

/// How many inputs or deltas are zero: up to nearly all where a dense layer skips them.
fn zeros(kernel: Kernel, rng: &mut Rng) -> f32 {
    let skips = matches!(kernel, Kernel::Dense | Kernel::DenseBackwardWeights);
    [0.0, 0.3, 0.5, 0.8, if skips { 0.95 } else { 0.8 }][rng.below(5) as usize]
}

fn updates(kernel: Kernel) -> bool {
    use Kernel::*;
    matches!(
        kernel,
        DenseBackwardWeights
            | BiasBackward
            | Conv2dBackwardWeights
            | DepthwiseBackwardWeights
            | Apply
    )
}

/// Whether a call's dimensions make sense and it is not too large.
fn sound(call: &Call) -> bool {
    let Ok(needs) = call.kernel.needs(call) else {
        return false;
    };
    let floats = needs.iter().all(|need| need.bytes <= 4 * MOST_FLOATS);
    let work = match call.kernel {
        Kernel::Conv2d | Kernel::Conv2dBackwardInput | Kernel::Conv2dBackwardWeights => {
            let g = call.conv2d();
            // A handful of deltas is no layer, and where their maxima lie would be mere chance.
            if g.pooled().len() < LEAST_DELTAS {
                return false;
            }
            g.output.len() * g.kernel.0 * g.kernel.1 * g.input.c
        }
        Kernel::Dense | Kernel::DenseBackwardInput | Kernel::DenseBackwardWeights => {
            call.dim(0) * call.dim(1)
        }
        _ => 0,
    };
    floats && work <= MOST_MACS
}

/// From `low` to `high`, small numbers as often as large ones.
fn between(rng: &mut Rng, low: usize, high: usize) -> usize {
    let (low_log, high_log) = ((low as f64).ln(), (high as f64 + 1.0).ln());
    let log = low_log + f64::from(rng.unit()) * (high_log - low_log);
    (log.exp() as usize).clamp(low, high)
}

/// A call, with a pool behind it where it is a convolution that may have one.
fn draw(kernel: Kernel, number: usize, pool: usize, rng: &mut Rng) -> Call {
    use Kernel::*;
    let mut call = Call::new(kernel);
    if updates(kernel) {
        call.rule = [
            RuleKind::Sgd,
            RuleKind::Momentum,
            RuleKind::Adam,
            // The step that a batch takes in the end is no sum.
            if kernel == Apply || number % 8 == 3 {
                RuleKind::Sgd
            } else {
                RuleKind::Accumulate
            },
        ][number % 4];
    }
    match kernel {
        Dense | DenseBackwardInput | DenseBackwardWeights => {
            // Widths with every remainder, and often those of a head.
            let outputs = match number % 3 {
                0 => 10,
                _ => between(rng, 1, 100),
            };
            call.dims[0] = between(rng, 8, 1_024) as u16;
            call.dims[1] = outputs as u16;
            if kernel != DenseBackwardInput && rng.below(2) == 0 {
                call.flags = SKIP_ZEROS;
            }
        }
        BiasBackward => {
            call.dims[0] = if number.is_multiple_of(3) {
                1
            } else {
                between(rng, 1, 200) as u16
            };
            call.dims[1] = between(rng, 1, 64) as u16;
        }
        Conv2d | Conv2dBackwardInput | Conv2dBackwardWeights => {
            let g = window(rng, Channels::Free, pool);
            call.set_conv2d(&g);
        }
        Depthwise | DepthwiseBackwardInput | DepthwiseBackwardWeights => {
            let g = window(rng, Channels::Same, 1);
            call.set_conv2d(&g);
        }
        MaxPool | MaxPoolBackward | AveragePool | AveragePoolBackward => {
            let g = window(rng, Channels::Same, 1);
            call.set_conv2d(&g);
            // A pool of one pixel is none.
            if g.kernel == (1, 1) {
                return draw(kernel, number, pool, rng);
            }
            // The fields of a fused pool mean nothing here.
            call.dims[12..14].fill(0);
        }
        Normalise | ChannelAffine | ChannelAffineBackward => {
            let channels = if kernel == Normalise && number.is_multiple_of(2) {
                1
            } else {
                between(rng, 1, 32)
            };
            call.set_len(channels * between(rng, 4, MOST_FLOATS / channels));
            call.dims[2] = channels as u16;
        }
        Activation | ActivationBackward => {
            call.activation = ACTIVATIONS[number % ACTIVATIONS.len()];
            call.set_len(between(rng, 8, 2_048));
        }
        Softmax | SoftmaxBackward | Loss => {
            call.set_len(between(rng, 2, 100));
            call.dims[2] = if kernel == Loss { number as u16 % 4 } else { 0 };
        }
        Dropout | DropoutBackward => {
            call.scalar = 0.25;
            call.set_len(between(rng, 8, 1_024));
        }
        ClipNorm => {
            call.scalar = 1e6;
            // All that is trained is clipped at once, and is never a handful.
            call.set_len(between(rng, 32, 2_048));
        }
        Copy | Add | AddAssign | Apply => call.set_len(between(rng, 8, 2_048)),
    }
    call
}

/// Those that have a cost.
const ACTIVATIONS: [Activation; 5] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::LeakyRelu(0.01),
    Activation::Sigmoid,
    Activation::Tanh,
];

/// How many outputs a window has a channel.
#[derive(PartialEq)]
enum Channels {
    Free,
    Same,
}

/// A convolution's geometry: square or not, with and without borders.
fn window(rng: &mut Rng, channels: Channels, pool: usize) -> Conv2d {
    loop {
        let (h, w) = (between(rng, 4, 28), between(rng, 4, 28));
        let c = match rng.below(4) {
            0 => 1,
            1 => 3,
            _ => between(rng, 2, 16),
        };
        let k = [1, 2, 3, 3, 3, 5][rng.below(6) as usize];
        let stride = if rng.below(4) == 0 { 2 } else { 1 };
        let pad = if rng.below(2) == 0 { 0 } else { k / 2 };
        let out = |n: usize| (n + 2 * pad).checked_sub(k).map(|room| room / stride + 1);
        let outputs = match channels {
            Channels::Same => c,
            Channels::Free => {
                let any = between(rng, 1, 20);
                [4, 8, any, any][rng.below(4) as usize]
            }
        };
        if let (Some(oh), Some(ow)) = (out(h), out(w)) {
            return Conv2d {
                input: shape(h, w, c),
                output: shape(oh, ow, outputs),
                kernel: (k, k),
                stride: (stride, stride),
                pad: (pad, pad),
                pool: (pool, pool),
            };
        }
    }
}

fn shape(h: usize, w: usize, c: usize) -> Shape {
    Shape { h, w, c }
}
