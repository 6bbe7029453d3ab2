//! The executor: walks a list of a Program and hands every kernel its operands.

use crate::kernels::update::{Hyper, Rule, Sink};
use crate::kernels::{
    bias, conv2d, dense, depthwise, dropout, elementwise,
    loss::{Loss, predict_above},
    pool, softmax, update,
};
use crate::program::call::{OPERANDS, SKIP_ZEROS};
use crate::program::{Call, Kernel, List, Place, Program, RuleKind};
use crate::rng::Rng;
use crate::{machine, math};
use core::mem::take;
use core::ops::Range;

/// Sees every kernel call before and after it: to count cycles on a board, to price them on the host.
pub trait Probe {
    /// A call is about to run.
    fn before(&mut self, _list: List, _index: usize, _call: &Call) {}
    /// A call has been given its operands, and starts; `rate` is what a gradient that has no other effect than
    /// `target += rate · gradient` is worth.
    fn operands(
        &mut self,
        _list: List,
        _index: usize,
        _call: &Call,
        _operands: &Operands<'_>,
        _rate: f32,
    ) {
    }
    /// A call has run. `active` counts the inputs that were not skipped, where the kernel skips zeros.
    fn after(&mut self, _list: List, _index: usize, _call: &Call, _active: u32) {}
    /// What a call left in the arena, right after it.
    fn left(&mut self, _list: List, _index: usize, _call: &Call, _work: &[u8]) {}
}

/// Sees nothing.
impl Probe for () {}

/// A loss above this is no longer learning: cross-entropy is 2.3 where ten classes are guessed at.
pub const EXPLODED: f32 = 1e6;

/// Why a step stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The loss computed by this call of *learn* is above [`EXPLODED`], or not a number.
    Diverged {
        /// The call, counted from the start of *learn*.
        call: u32,
    },
    /// The image changed under the learner.
    Corrupt(List, u32),
}

/// What calls share besides their operands.
pub(crate) struct Context {
    pub hyper: Hyper,
    pub label: usize,
    pub prediction: usize,
    pub loss: f32,
    pub loss_scale: f32,
    pub rng: Rng,
}

/// Runs calls `range` of `list` on `work`, the arena as far as calls may use it. `sample` is what
/// [`Place::Sample`] stands for.
pub(crate) fn run<P: Probe>(
    program: &Program<'_>,
    list: List,
    range: Range<usize>,
    work: &mut [u8],
    sample: &[u8],
    context: &mut Context,
    probe: &mut P,
) -> Result<(), Fault> {
    let mut call = Call::new(Kernel::Copy);
    for index in range {
        let corrupt = Fault::Corrupt(list, index as u32);
        let mut operands = Operands {
            ram: Default::default(),
            rest: Default::default(),
        };
        program.read_call(list, index, &mut call).ok_or(corrupt)?;
        probe.before(list, index, &call);
        operands
            .fetch(program, &call, work, sample)
            .ok_or(corrupt)?;
        let rate = match call.rule {
            RuleKind::Accumulate => 1.0,
            _ => -context.hyper.learning_rate * context.hyper.scale,
        };
        probe.operands(list, index, &call, &operands, rate);
        let active = execute(&call, &mut operands, context);
        probe.after(list, index, &call, active);
        probe.left(list, index, &call, work);
        let learning = context.loss <= EXPLODED;
        if call.kernel == Kernel::Loss && !learning {
            return Err(Fault::Diverged { call: index as u32 });
        }
    }
    Ok(())
}

/// The operands of one call, borrowed apart.
pub struct Operands<'m> {
    ram: [&'m mut [u8]; OPERANDS],
    rest: [&'m [u8]; OPERANDS],
}

/// The bytes of the arena that an operand takes.
#[derive(Default)]
struct Part {
    operand: usize,
    range: Range<usize>,
}

impl<'m> Operands<'m> {
    fn fetch(
        &mut self,
        program: &Program<'m>,
        call: &Call,
        work: &'m mut [u8],
        sample: &'m [u8],
    ) -> Option<()> {
        let lengths = call.kernel.lengths(call).ok()?;
        let mut parts: [Part; OPERANDS] = Default::default();
        let mut count = 0;
        for (i, &role) in call.kernel.roles().iter().enumerate() {
            let place = call.operands[i];
            if place == Place::Absent {
                continue;
            }
            let bytes = role.need(&lengths, call.rule).bytes;
            if bytes == 0 {
                continue;
            }
            let range = |at: u32| at as usize..at as usize + bytes;
            match place {
                Place::Absent => {}
                Place::Ram(at) => {
                    let part = parts.get_mut(count)?;
                    part.operand = i;
                    part.range = range(at);
                    count += 1;
                }
                Place::Rom(at) => self.rest[i] = program.image().get(range(at))?,
                Place::Sample => self.rest[i] = sample.get(..bytes)?,
            }
        }
        self.split(work, parts.get(..count)?)
    }

    /// Borrows `parts` of `work`, none of them empty, apart, from the lowest up. Written in place:
    /// `get_disjoint_mut` returns an array, which is moved twice.
    fn split(&mut self, work: &'m mut [u8], parts: &[Part]) -> Option<()> {
        let mut above = work;
        let mut start = 0;
        for _ in parts {
            let mut lowest: Option<&Part> = None;
            for part in parts {
                let below = lowest.is_none_or(|other| part.range.start < other.range.start);
                if part.range.start >= start && below {
                    lowest = Some(part);
                }
            }
            // Where all that are left start before the end of one that is done, they overlap it.
            let part = lowest?;
            let (_, from) = above.split_at_mut_checked(part.range.start - start)?;
            let (bytes, rest) = from.split_at_mut_checked(part.range.len())?;
            *self.ram.get_mut(part.operand)? = bytes;
            above = rest;
            start = part.range.end;
        }
        Some(())
    }

    /// The bytes of operand `i`; none where it is absent.
    pub fn bytes(&self, i: usize) -> &[u8] {
        if self.rest[i].is_empty() {
            self.ram[i]
        } else {
            self.rest[i]
        }
    }

    fn read(&self, i: usize) -> &[f32] {
        machine::floats(self.bytes(i))
    }

    fn write(&mut self, i: usize) -> &'m mut [f32] {
        machine::floats_mut(take(&mut self.ram[i]))
    }

    fn write_bytes(&mut self, i: usize) -> &'m mut [u8] {
        take(&mut self.ram[i])
    }

    /// Tile and sink of a kernel whose operands from `at` on are weights, tile and state.
    fn sink(&mut self, at: usize, call: &Call, hyper: Hyper) -> (&'m mut [f32], Sink<'m>) {
        let weights = self.write(at);
        let tile = self.write(at + 1);
        (
            tile,
            Sink {
                weights,
                rule: self.rule(at + 2, call),
                hyper,
            },
        )
    }

    fn rule(&mut self, at: usize, call: &Call) -> Rule<'m> {
        match call.rule {
            RuleKind::Sgd => Rule::Sgd,
            RuleKind::Momentum => Rule::Momentum(self.write(at)),
            RuleKind::Adam => Rule::Adam {
                first: self.write(at),
                second: self.write(at + 1),
            },
            RuleKind::Accumulate => Rule::Accumulate(self.write(at)),
        }
    }
}

fn execute(call: &Call, o: &mut Operands<'_>, context: &mut Context) -> u32 {
    let skip = call.flags & SKIP_ZEROS != 0;
    let hyper = context.hyper;
    match call.kernel {
        Kernel::Normalise => {
            let y = o.write(3);
            elementwise::normalise(o.bytes(0), o.read(1), o.read(2), y);
        }
        Kernel::Copy => o.write(1).copy_from_slice(o.read(0)),
        Kernel::Dense => {
            let y = o.write(3);
            let active = dense::forward(o.read(0), o.read(1), o.read(2), y, skip);
            call.activation.forward(y);
            return active;
        }
        Kernel::DenseBackwardInput => {
            let dx = o.write(2);
            dense::backward_input(o.read(0), o.read(1), dx);
        }
        Kernel::DenseBackwardWeights => {
            let (tile, mut sink) = o.sink(2, call, hyper);
            return dense::backward_weights(o.read(0), o.read(1), &mut sink, tile, skip);
        }
        Kernel::BiasBackward => {
            let (tile, mut sink) = o.sink(1, call, hyper);
            bias::backward(o.read(0), call.dim(1), tile, &mut sink);
        }
        Kernel::Conv2d => {
            let (y, argmax) = (o.write(3), o.write_bytes(4));
            conv2d::forward(&call.conv2d(), o.read(0), o.read(1), o.read(2), y, argmax);
            call.activation.forward(y);
        }
        Kernel::Conv2dBackwardInput => {
            let dx = o.write(3);
            let g = call.conv2d();
            return conv2d::backward_input(&g, o.read(0), o.bytes(1), o.read(2), dx);
        }
        Kernel::Conv2dBackwardWeights => {
            let (tile, mut sink) = o.sink(3, call, hyper);
            let g = call.conv2d();
            let (x, delta, argmax) = (o.read(0), o.read(1), o.bytes(2));
            return conv2d::backward_weights(&g, x, delta, argmax, &mut sink, tile);
        }
        Kernel::Depthwise => {
            let y = o.write(3);
            depthwise::forward(&call.conv2d(), o.read(0), o.read(1), o.read(2), y);
            call.activation.forward(y);
        }
        Kernel::DepthwiseBackwardInput => {
            let dx = o.write(2);
            depthwise::backward_input(&call.conv2d(), o.read(0), o.read(1), dx);
        }
        Kernel::DepthwiseBackwardWeights => {
            let (tile, mut sink) = o.sink(2, call, hyper);
            depthwise::backward_weights(&call.conv2d(), o.read(0), o.read(1), &mut sink, tile);
        }
        Kernel::MaxPool => {
            let (y, argmax) = (o.write(1), o.write_bytes(2));
            pool::max_forward(&call.pool2d(), o.read(0), y, argmax);
        }
        Kernel::MaxPoolBackward => {
            let dx = o.write(2);
            pool::max_backward(&call.pool2d(), o.read(0), o.bytes(1), dx);
        }
        Kernel::AveragePool => {
            let y = o.write(1);
            pool::average_forward(&call.pool2d(), o.read(0), y);
        }
        Kernel::AveragePoolBackward => {
            let dx = o.write(1);
            pool::average_backward(&call.pool2d(), o.read(0), dx);
        }
        Kernel::Activation => call.activation.forward(o.write(0)),
        Kernel::ActivationBackward => {
            let delta = o.write(1);
            call.activation.backward(o.read(0), delta);
        }
        Kernel::Softmax => softmax::forward(o.write(0)),
        Kernel::SoftmaxBackward => {
            let delta = o.write(1);
            softmax::backward(o.read(0), delta);
        }
        Kernel::ChannelAffine => {
            let y = o.write(3);
            elementwise::channel_affine(o.read(0), o.read(1), o.read(2), y);
        }
        Kernel::ChannelAffineBackward => {
            let delta = o.write(1);
            elementwise::channel_affine_backward(delta, o.read(0));
        }
        Kernel::Add => {
            let y = o.write(2);
            elementwise::add(o.read(0), o.read(1), y);
        }
        Kernel::AddAssign => {
            let y = o.write(1);
            elementwise::add_assign(y, o.read(0));
        }
        Kernel::Dropout => {
            let (x, mask) = (o.write(0), o.write_bytes(1));
            dropout::forward(x, mask, call.scalar, &mut context.rng);
        }
        Kernel::DropoutBackward => {
            let delta = o.write(1);
            dropout::backward(delta, o.bytes(0), call.scalar);
        }
        Kernel::Loss => {
            let delta = o.write(1);
            let loss = match call.dim(2) {
                0 => Loss::CrossEntropy,
                1 => Loss::Mse,
                2 => Loss::BinaryCrossEntropy,
                _ => Loss::Damped,
            };
            let threshold = if loss == Loss::Mse { 0.5 } else { 0.0 };
            context.prediction = predict_above(o.read(0), threshold);
            context.loss = loss.evaluate(o.read(0), context.label, delta, context.loss_scale);
        }
        Kernel::Apply => {
            let (weights, gradient) = (o.write(0), o.write(1));
            let rule = o.rule(2, call);
            update::apply(weights, gradient, rule, hyper);
        }
        Kernel::ClipNorm => {
            let norm = math::sqrt(update::sum_of_squares(o.read(0)));
            // As torch.nn.utils.clip_grad_norm_: the small constant keeps a zero gradient zero.
            let factor = call.scalar / (norm + 1e-6);
            context.hyper.scale = if factor < 1.0 { factor } else { 1.0 };
        }
    }
    0
}
