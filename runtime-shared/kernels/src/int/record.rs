//! What a layer's kernels share: a few words in the arena with its constants, and with the exponents that change while training.
//!
//! A Program keeps the records of all its integer layers in one tensor, which starts as the image says; [`Settle`] changes exponents
//! after an update.

use crate::call::Call;
use crate::element::Element;
use crate::operand::{BadDimensions, Extent, Lengths, Operand, demand, flat, read, write};
use crate::routine::{Context, Operands, Routine};

/// Words of a record.
pub const WORDS: usize = 14;

/// A record, read.
pub(super) const RECORD: Operand = read(Element::I32, Extent::Constants);
/// A record, in which clipped outputs are counted.
pub(super) const RECORD_OUT: Operand = write(Element::I32, Extent::Constants);

/// The words of a record, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Fraction of the input.
    pub input: i32,
    /// Fraction of the second input of an addition.
    pub second: i32,
    /// Fraction of the output.
    pub output: i32,
    /// Outputs clipped since the last update.
    pub clipped: i32,
    /// How many may be without the output's fraction falling.
    pub allowed: i32,
    /// Fraction of the weights.
    pub weights: i32,
    /// Limit of the weights.
    pub limit: i32,
    /// q of the specification: by how much products are shifted before they are added, backward.
    pub products: i32,
    /// By how much their sum is shifted.
    pub back: i32,
    /// Additional fraction of the output's delta.
    pub extra: i32,
    /// Number of the layer among all with weights.
    pub number: i32,
    /// The record whose output is the input; less than zero for none: the input's fraction stays.
    pub source: i32,
    /// The same of the second input.
    pub second_source: i32,
    /// log2 of the period of weight decay.
    pub period: i32,
}

impl Record {
    /// The record in these words, each limited to what it may be, so that no shift exceeds 31 whatever an image holds.
    #[inline(never)]
    pub fn read(words: &[i32]) -> Self {
        let Some(&[a, b, c, d, e, f, g, h, i, j, k, l, m, n]) = words.first_chunk() else {
            return Self::default();
        };
        Self {
            input: a.clamp(0, 7),
            second: b.clamp(0, 7),
            output: c.clamp(0, 7),
            clipped: d,
            allowed: e,
            weights: f.clamp(0, 22),
            limit: g.clamp(1, 32_767),
            products: h.clamp(0, 16),
            back: i.clamp(-30, 31),
            extra: j.clamp(0, 8),
            number: k,
            source: l,
            second_source: m,
            period: n.clamp(0, 12),
        }
    }

    /// Its words.
    pub fn words(&self) -> [i32; WORDS] {
        [
            self.input,
            self.second,
            self.output,
            self.clipped,
            self.allowed,
            self.weights,
            self.limit,
            self.products,
            self.back,
            self.extra,
            self.number,
            self.source,
            self.second_source,
            self.period,
        ]
    }
}

/// Adds to the clipped outputs of a record, if `call` counts: it does where it learns.
pub(super) fn count(call: &Call, words: &mut [i32], clipped: u32) {
    if call.scalar != 0.0
        && let Some(word) = words.get_mut(3)
    {
        *word = word.saturating_add(clipped as i32);
    }
}

/// With a record.
pub(super) fn recorded(lengths: Lengths) -> Lengths {
    Lengths {
        constants: WORDS,
        ..lengths
    }
}

/// Lets exponents fall where too many outputs were clipped, and tells the layers that read them.
#[inline(never)]
pub fn settle(records: &mut [i32]) {
    let (all, _) = records.as_chunks_mut::<WORDS>();
    for record in all.iter_mut() {
        if record[3] > record[4] {
            record[2] = (record[2] - 1).max(0);
        }
        record[3] = 0;
    }
    for i in 0..all.len() {
        for (source, to) in [(11, 0), (12, 1)] {
            let index = usize::try_from(all[i][source]).unwrap_or(usize::MAX);
            if let Some(output) = all.get(index).map(|r| r[2]) {
                all[i][to] = output;
            }
        }
    }
}

/// records. Length.
pub struct Settle;

impl Routine for Settle {
    const NAME: &'static str = "int_settle";
    const OPERANDS: &'static [Operand] = &[write(Element::I32, Extent::Y)];

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let lengths = flat(call)?;
        demand(lengths.y % WORDS == 0)?;
        Ok(lengths)
    }

    fn run(_: &Call, o: &mut Operands<'_>, _: &mut Context) {
        settle(o.write_as(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_fall_and_readers_hear_of_it() {
        let layer = |source, output, clipped| Record {
            source,
            second_source: -1,
            output,
            clipped,
            allowed: 3,
            ..Record::default()
        };
        let records = [layer(-1, 5, 4), layer(0, 5, 3), layer(1, 0, 9)];
        let mut words: Vec<i32> = records.iter().flat_map(Record::words).collect();
        settle(&mut words);
        let after: Vec<Record> = words.chunks(WORDS).map(Record::read).collect();
        assert_eq!(
            after.iter().map(|r| r.output).collect::<Vec<_>>(),
            [4, 5, 0]
        );
        assert_eq!(after.iter().map(|r| r.input).collect::<Vec<_>>(), [0, 4, 5]);
        assert!(after.iter().all(|r| r.clipped == 0));
    }
}
