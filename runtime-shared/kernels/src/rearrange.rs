//! Values that move: a block of up to three axes, read with one set of strides and written with another. Joined,
//! padded, cut, transposed and repeated tensors are such blocks, and so are their gradients.

use crate::call::Call;
use crate::operand::{BadDimensions, Lengths, Operand, X, Y_OUT, demand, product};
use crate::routine::{Context, Operands, Routine};

/// Which values move where. Strides and offsets count elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Elements along each axis, the innermost last.
    pub count: [usize; 3],
    /// What a step along each axis is in the input.
    pub from: [usize; 3],
    /// The same in the output; a stride of zero adds up.
    pub to: [usize; 3],
    /// Where the block starts in the input.
    pub from_at: usize,
    /// Where it starts in the output.
    pub to_at: usize,
    /// Whether values are added to what is there, rather than take its place.
    pub adds: bool,
}

impl Block {
    /// The block the other way round: the gradient of what moved.
    pub fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            from_at: self.to_at,
            to_at: self.from_at,
            ..self
        }
    }

    /// The block that `call` carries.
    pub fn of(call: &Call) -> Self {
        let three = |i: usize| [call.dim(i), call.dim(i + 1), call.dim(i + 2)];
        let wide = |i: usize| call.dim(i) | call.dim(i + 1) << 16;
        Self {
            count: three(0),
            from: three(3),
            to: three(6),
            from_at: wide(9),
            to_at: wide(11),
            adds: call.dim(13) == 1,
        }
    }

    /// Puts the block into `call`. Counts and strides are below 65536.
    pub fn put(&self, call: &mut Call) {
        let axes = [self.count, self.from, self.to];
        for (dim, value) in call.dims.iter_mut().zip(axes.as_flattened()) {
            *dim = *value as u16;
        }
        for (i, at) in [(9, self.from_at), (11, self.to_at)] {
            call.dims[i] = at as u16;
            call.dims[i + 1] = (at >> 16) as u16;
        }
        call.dims[13] = u16::from(self.adds);
    }

    /// One more than the last element of a block with these strides, from `at` on.
    fn end(&self, strides: [usize; 3], at: usize) -> Result<usize, BadDimensions> {
        let mut end = at.checked_add(1).ok_or(BadDimensions)?;
        for (count, stride) in self.count.into_iter().zip(strides) {
            let along = (count - 1).checked_mul(stride);
            end = along
                .and_then(|n| end.checked_add(n))
                .ok_or(BadDimensions)?;
        }
        product(end, 1)
    }
}

/// Moves or adds the values of a block from `x` to `y`, the innermost axis first, each axis ascending.
#[inline(never)]
pub fn rearrange(block: &Block, x: &[f32], y: &mut [f32]) {
    let Block {
        count, from, to, ..
    } = block;
    for i in 0..count[0] {
        for j in 0..count[1] {
            let mut x_at = block.from_at + i * from[0] + j * from[1];
            let mut y_at = block.to_at + i * to[0] + j * to[1];
            for _ in 0..count[2] {
                if let (Some(y), Some(x)) = (y.get_mut(y_at), x.get(x_at)) {
                    *y = if block.adds { *y + x } else { *x };
                }
                x_at += from[2];
                y_at += to[2];
            }
        }
    }
}

/// x → y. Counts, strides of the input, strides of the output, three each; offsets in input and output, two each, low
/// half first; 1 to add. What of y is not in the block stays as it is.
pub struct Rearrange;

impl Routine for Rearrange {
    const NAME: &'static str = "rearrange";
    const OPERANDS: &'static [Operand] = &[X, Y_OUT];
    const OUTPUT: Option<usize> = Some(1);

    fn lengths(call: &Call) -> Result<Lengths, BadDimensions> {
        let block = Block::of(call);
        demand(call.dim(13) <= 1)?;
        // No step may take for ever.
        product(product(block.count[0], block.count[1])?, block.count[2])?;
        Ok(Lengths {
            x: block.end(block.from, block.from_at)?,
            y: block.end(block.to, block.to_at)?,
            ..Lengths::default()
        })
    }

    fn run(call: &Call, o: &mut Operands<'_>, _: &mut Context) {
        let y = o.write(1);
        rearrange(&Block::of(call), o.read(0), y);
    }
}
