//! What every kernel is to the core: its name, its operands, their lengths, and how it is run.

use crate::call::{Call, OPERANDS, RuleKind};
use crate::machine::{self, Scalar};
use crate::operand::{BadDimensions, Lengths, Operand};
use crate::rng::Rng;
use crate::update::{Hyper, Rule, Sink};
use core::mem::take;

/// A kernel that a Program can call.
pub trait Routine {
    /// The name by which reports know it; with dashes it is the feature that links it.
    const NAME: &'static str;

    /// What its operands are to it, in order, at most [`OPERANDS`].
    const OPERANDS: &'static [Operand];

    /// Which operand holds what it computes, if it is a forward kernel.
    const OUTPUT: Option<usize> = None;

    /// How long the operands of `call` are.
    ///
    /// # Errors
    /// [`BadDimensions`] where a dimension is zero, a product overflows, a window misses its input, or a number in the
    /// call has no meaning.
    fn lengths(call: &Call) -> Result<Lengths, BadDimensions>;

    /// Runs `call` on operands of these lengths.
    fn run(call: &Call, operands: &mut Operands<'_>, context: &mut Context);
}

/// What calls share besides their operands.
#[derive(Debug)]
pub struct Context {
    /// Constants of the update rule.
    pub hyper: Hyper,
    /// Updates before this one.
    pub updates: u32,
    /// The class of the sample.
    pub label: usize,
    /// The class that the loss saw predicted.
    pub prediction: usize,
    /// The loss.
    pub loss: f32,
    /// What gradients are multiplied by: 1 / batch.
    pub loss_scale: f32,
    /// The generator.
    pub rng: Rng,
}

/// The operands of one call, borrowed apart: each lies in one of the two tables, and is empty in the other.
pub struct Operands<'m> {
    /// Those in the arena.
    pub ram: [&'m mut [u8]; OPERANDS],
    /// Those in the image or the sample.
    pub rest: [&'m [u8]; OPERANDS],
}

impl<'m> Operands<'m> {
    /// The bytes of operand `i`; none where it is absent.
    #[inline(never)]
    pub fn bytes(&self, i: usize) -> &[u8] {
        if self.rest[i].is_empty() {
            self.ram[i]
        } else {
            self.rest[i]
        }
    }

    /// Operand `i` as numbers of another type than floats.
    pub fn read_as<T: Scalar>(&self, i: usize) -> &[T] {
        machine::view(self.bytes(i))
    }

    /// Operand `i` as numbers of another type than floats, to be written; once.
    pub fn write_as<T: Scalar>(&mut self, i: usize) -> &'m mut [T] {
        machine::view_mut(take(&mut self.ram[i]))
    }

    /// Operand `i` as floats.
    #[inline(never)]
    pub fn read(&self, i: usize) -> &[f32] {
        machine::floats(self.bytes(i))
    }

    /// Operand `i` as floats, to be written; once.
    #[inline(never)]
    pub fn write(&mut self, i: usize) -> &'m mut [f32] {
        machine::floats_mut(take(&mut self.ram[i]))
    }

    /// Operand `i` as bytes, to be written; once.
    pub fn write_bytes(&mut self, i: usize) -> &'m mut [u8] {
        take(&mut self.ram[i])
    }

    /// Tile and sink of a kernel whose operands from `at` on are weights, tile and state.
    #[inline(never)]
    pub fn sink(&mut self, at: usize, call: &Call, hyper: Hyper) -> (&'m mut [f32], Sink<'m>) {
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

    /// The rule of `call` with its state, which the operands from `at` on are.
    #[inline(never)]
    pub fn rule(&mut self, at: usize, call: &Call) -> Rule<'m> {
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
