//! Addresses of a list's temporaries, from the calls that use them.

use crate::listing::{Listing, Symbol, TemporaryKind};
use crate::memory::{Lifetime, place};
use crate::stage::StageId;

/// Where the temporaries of a list lie.
pub struct Plan {
    lifetimes: Vec<Lifetime>,
    offsets: Vec<usize>,
    base: usize,
    /// Bytes that they take together.
    pub peak: usize,
}

impl Plan {
    /// Plans `listing` from byte `base` on; what is in `kept` outlives the list.
    pub fn of(listing: &Listing, base: usize, kept: &[Symbol]) -> Self {
        let end = listing.calls.len();
        let mut lifetimes: Vec<Lifetime> = listing
            .temporaries
            .iter()
            .map(|t| Lifetime {
                bytes: t.bytes,
                first: end,
                last: 0,
            })
            .collect();
        let uses = listing
            .calls
            .iter()
            .map(|c| c.operands.as_slice())
            .chain([kept]);
        for (time, symbols) in uses.enumerate() {
            for symbol in symbols {
                if let Symbol::Temporary(i) = *symbol {
                    lifetimes[i].first = lifetimes[i].first.min(time);
                    lifetimes[i].last = lifetimes[i].last.max(time);
                }
            }
        }
        let placement = place(&lifetimes);
        Self {
            lifetimes,
            offsets: placement.offsets,
            base,
            peak: placement.peak,
        }
    }

    /// The byte of the arena at which a temporary starts.
    pub fn address(&self, symbol: Symbol) -> usize {
        match symbol {
            Symbol::Temporary(i) => self.base + self.offsets[i],
            _ => self.base,
        }
    }

    /// What is alive when most is.
    pub fn fullest(&self, listing: &Listing) -> Vec<(TemporaryKind, StageId, usize)> {
        let words = |l: &Lifetime| l.bytes.next_multiple_of(4);
        let mut change = vec![0isize; listing.calls.len() + 2];
        for l in self.lifetimes.iter().filter(|l| l.first <= l.last) {
            change[l.first] += words(l) as isize;
            change[l.last + 1] -= words(l) as isize;
        }
        let mut now = 0;
        let sums = change[..=listing.calls.len()].iter().map(|by| {
            now += by;
            now
        });
        let fullest = sums.enumerate().max_by_key(|&(_, sum)| sum);
        let fullest = fullest.map_or(0, |(time, _)| time);
        let lifetimes = self.lifetimes.iter().enumerate();
        lifetimes
            .filter(|(_, l)| l.first <= fullest && fullest <= l.last)
            .map(|(i, l)| {
                let temporary = &listing.temporaries[i];
                (temporary.kind, temporary.stage, words(l))
            })
            .collect()
    }
}
