//! The memory planner: an address for every transient tensor, so that those alive together lie apart
//! and all of them in as few bytes as can be found.
//!
//! The problem is dynamic storage allocation, NP-hard in general. Here tensors are placed one by one at the
//! lowest free address; the order decides. Several orders are tried, then a seeded local search swaps places in
//! the best one until the peak equals the lower bound (the largest sum of what is alive at one time) or the
//! budget of tries is spent, which shrinks as tensors become many. The result depends on the input alone.

use runtime_shared::rng::Rng;

/// A tensor that is alive from one call to another, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Bytes; rounded up to words.
    pub bytes: usize,
    /// The call that writes it first.
    pub first: usize,
    /// The call that uses it last.
    pub last: usize,
}

/// Addresses, and what they take altogether.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// One a tensor, multiples of four.
    pub offsets: Vec<usize>,
    /// Bytes from the first to the last.
    pub peak: usize,
}

/// Tries of the local search, for as many tensors as small networks have.
const TRIES: usize = 4000;
/// Pairs of tensors that it may look at altogether: a fraction of a second's work.
const PAIRS: usize = 100_000_000;

/// Places `tensors`.
pub fn place(tensors: &[Lifetime]) -> Placement {
    let bound = lower_bound(tensors);
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    let span = |i: usize| (tensors[i].last + 1).saturating_sub(tensors[i].first);
    let size = |i: usize| tensors[i].bytes;
    let keys: [&dyn Fn(usize) -> (usize, usize); 4] = [
        &|i| (usize::MAX - size(i), tensors[i].first),
        &|i| (usize::MAX - size(i) * span(i), tensors[i].first),
        &|i| (usize::MAX - span(i), usize::MAX - size(i)),
        &|i| (tensors[i].first, usize::MAX - size(i)),
    ];
    let mut best: Option<(Placement, Vec<usize>)> = None;
    for key in keys {
        order.sort_by_key(|&i| (key(i), i));
        let placement = place_in(&order, tensors);
        if best.as_ref().is_none_or(|(b, _)| placement.peak < b.peak) {
            best = Some((placement, order.clone()));
        }
    }
    let Some((mut best, mut order)) = best else {
        return Placement {
            offsets: Vec::new(),
            peak: 0,
        };
    };
    let mut rng = Rng::new(tensors.len() as u64);
    for _ in 0..TRIES.min(PAIRS / (order.len() * order.len()).max(1)) {
        if best.peak <= bound || order.len() < 3 {
            break;
        }
        let n = order.len() as u32;
        let mut candidate = order.clone();
        let moved = candidate.remove(rng.below(n) as usize);
        candidate.insert(rng.below(n) as usize, moved);
        let placement = place_in(&candidate, tensors);
        if placement.peak <= best.peak {
            (best, order) = (placement, candidate);
        }
    }
    best
}

/// The largest sum of bytes alive at one call: no placement can be smaller.
pub fn lower_bound(tensors: &[Lifetime]) -> usize {
    let used = tensors.iter().filter(|t| t.first <= t.last);
    // What ends at a call is still alive there, so starts come before ends.
    let mut events: Vec<(usize, bool, usize)> = used
        .flat_map(|t| [(t.first, false, words(t)), (t.last, true, words(t))])
        .collect();
    events.sort_unstable();
    let (mut now, mut most) = (0, 0);
    for (_, ends, bytes) in events {
        if ends {
            now -= bytes;
        } else {
            now += bytes;
            most = most.max(now);
        }
    }
    most
}

fn words(tensor: &Lifetime) -> usize {
    tensor.bytes.next_multiple_of(4)
}

fn place_in(order: &[usize], tensors: &[Lifetime]) -> Placement {
    let mut offsets = vec![0; tensors.len()];
    let mut placed: Vec<usize> = Vec::with_capacity(tensors.len());
    let mut peak = 0;
    for &i in order {
        let t = &tensors[i];
        let mut neighbours: Vec<(usize, usize)> = placed
            .iter()
            .filter(|&&j| tensors[j].first <= t.last && t.first <= tensors[j].last)
            .map(|&j| (offsets[j], offsets[j] + words(&tensors[j])))
            .collect();
        neighbours.sort_unstable();
        let mut at = 0;
        for (start, end) in neighbours {
            if start >= at + words(t) {
                break;
            }
            at = at.max(end);
        }
        offsets[i] = at;
        peak = peak.max(at + words(t));
        placed.push(i);
    }
    Placement { offsets, peak }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_lives_together_lies_apart(
            raw in proptest::collection::vec((1usize..500, 0usize..20, 0usize..8), 1..25),
        ) {
            let tensors: Vec<Lifetime> = raw
                .iter()
                .map(|&(bytes, first, span)| Lifetime { bytes, first, last: first + span })
                .collect();
            let placement = place(&tensors);
            prop_assert!(placement.peak >= lower_bound(&tensors));
            for (i, a) in tensors.iter().enumerate() {
                prop_assert!(placement.offsets[i].is_multiple_of(4));
                prop_assert!(placement.offsets[i] + a.bytes <= placement.peak);
                for (j, b) in tensors.iter().enumerate().skip(i + 1) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let (pa, pb) = (placement.offsets[i], placement.offsets[j]);
                    let apart = pa + a.bytes <= pb || pb + b.bytes <= pa;
                    prop_assert!(!together || apart, "{a:?} at {pa}, {b:?} at {pb}");
                }
            }
        }
    }
}
