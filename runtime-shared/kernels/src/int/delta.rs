//! Where a delta goes: onto the input of a layer, rescaled, masked by the input's ReLU, saturated.

use super::fixed::{DELTA, rnd_sat, sat};

/// The delta of a layer's input while it is written.
pub struct Delta<'a> {
    /// The delta.
    pub g: &'a mut [i16],
    /// The activations of that tensor, as long as `g`, if it went through a ReLU: only where they are positive anything
    /// arrives. Else empty.
    pub mask: &'a [i8],
    /// By how much contributions are shifted to the right.
    pub shift: i32,
    /// Whether contributions are added to what another reader of the tensor left in `g`.
    pub add: bool,
}

impl Delta<'_> {
    /// Element `i` gets the contribution `s`, before shifting. Each element gets one.
    #[inline(always)]
    pub fn put(&mut self, i: usize, s: i32) {
        let open = self.mask.get(i).is_none_or(|a| *a > 0);
        let value = if open {
            rnd_sat(s, self.shift, DELTA)
        } else {
            0
        };
        if let Some(g) = self.g.get_mut(i) {
            *g = if self.add {
                sat(i32::from(*g) + value, DELTA) as i16
            } else {
                value as i16
            };
        }
    }

    /// Prepares for [`Delta::add`]: zeroes, unless another reader has been here.
    pub fn begin(&mut self) {
        if !self.add {
            self.g.fill(0);
        }
    }

    /// Adds a contribution, before shifting, to element `i`, which may get several.
    #[inline(always)]
    pub fn add(&mut self, i: usize, s: i32) {
        if self.mask.get(i).is_none_or(|a| *a > 0)
            && let Some(g) = self.g.get_mut(i)
        {
            *g = sat(i32::from(*g) + rnd_sat(s, self.shift, DELTA), DELTA) as i16;
        }
    }

    /// Passes on the delta of a layer that only rectifies, adds or renames.
    #[inline(never)]
    pub fn pass(&mut self, g: &[i16]) {
        for (i, g) in g.iter().enumerate() {
            self.put(i, i32::from(*g));
        }
    }
}

/// Rows of an image's delta while they are summed up: only as many as one row of outputs reaches. A whole map of i32 would be what
/// a training step needs most memory for.
pub(super) struct Rows<'a, 'b> {
    sums: &'a mut [i32],
    row: usize,
    /// The input row of the first sum.
    base: usize,
    delta: &'a mut Delta<'b>,
}

impl<'a, 'b> Rows<'a, 'b> {
    /// Of rows of `row` elements each.
    pub fn new(sums: &'a mut [i32], row: usize, delta: &'a mut Delta<'b>) -> Self {
        sums.fill(0);
        Self {
            sums,
            row,
            base: 0,
            delta,
        }
    }

    /// Delivers the rows above `to`, which nothing is added to any more.
    #[inline(never)]
    pub fn advance(&mut self, to: usize) {
        let done = to.saturating_sub(self.base) * self.row;
        let first = self.base * self.row;
        for i in 0..done {
            self.delta
                .put(first + i, self.sums.get(i).copied().unwrap_or(0));
        }
        let kept = done.min(self.sums.len());
        self.sums.copy_within(kept.., 0);
        let free = self.sums.len() - kept;
        self.sums[free..].fill(0);
        self.base = self.base.max(to);
    }

    /// The sums of `len` elements from element `at` of the whole image.
    #[inline(always)]
    pub fn part(&mut self, at: usize, len: usize) -> &mut [i32] {
        crate::block::part_mut(self.sums, at - self.base * self.row, len)
    }
}
