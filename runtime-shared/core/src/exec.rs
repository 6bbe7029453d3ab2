//! The executor: walks a list of a Program and hands every kernel its operands.

use crate::kernels::routine::{Context, Operands};
use crate::program::call::OPERANDS;
use crate::program::{Call, Kernel, List, Place, Program};
use core::ops::Range;

/// Sees every kernel call before and after it: to count cycles on a board, to follow a run on the host.
pub trait Probe {
    /// A call is about to run.
    fn before(&mut self, _list: List, _index: usize, _call: &Call) {}
    /// A call has run.
    fn after(&mut self, _list: List, _index: usize, _call: &Call) {}
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
    /// This call was to store features that are not numbers.
    NotANumber(List, u32),
    /// The image changed under the learner.
    Corrupt(List, u32),
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
        fetch(&mut operands, program, &call, work, sample).ok_or(corrupt)?;
        call.kernel.run(&call, &mut operands, context);
        probe.after(list, index, &call);
        let learning = context.loss <= EXPLODED;
        let looked = matches!(call.kernel, Kernel::Loss | Kernel::Quantise);
        if looked && !learning {
            return Err(match list {
                List::Learn => Fault::Diverged { call: index as u32 },
                _ => Fault::NotANumber(list, index as u32),
            });
        }
    }
    Ok(())
}

/// The bytes of the arena that an operand takes.
#[derive(Default)]
struct Part {
    operand: usize,
    range: Range<usize>,
}

/// Borrows the operands of `call` from where they lie.
fn fetch<'m>(
    operands: &mut Operands<'m>,
    program: &Program<'m>,
    call: &Call,
    work: &'m mut [u8],
    sample: &'m [u8],
) -> Option<()> {
    let lengths = call.kernel.lengths(call).ok()?;
    let mut parts: [Part; OPERANDS] = Default::default();
    let mut count = 0;
    for (i, role) in call.kernel.roles().iter().enumerate() {
        let place = call.operands[i];
        if place == Place::Absent {
            continue;
        }
        let bytes = role.need(&lengths, call).bytes;
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
            Place::Rom(at) => operands.rest[i] = program.image().get(range(at))?,
            Place::Sample => operands.rest[i] = sample.get(..bytes)?,
        }
    }
    split(operands, work, parts.get(..count)?)
}

/// Borrows `parts` of `work`, none of them empty, apart, from the lowest up. Written in place:
/// `get_disjoint_mut` returns an array, which is moved twice.
fn split<'m>(operands: &mut Operands<'m>, work: &'m mut [u8], parts: &[Part]) -> Option<()> {
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
        *operands.ram.get_mut(part.operand)? = bytes;
        above = rest;
        start = part.range.end;
    }
    Some(())
}
