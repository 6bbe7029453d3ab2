//! Blocks of images that move within or between tensors.

use crate::error::Error;
use crate::graph::{MOST_VALUES, dimension};
use runtime_shared::kernels::Shape;
use runtime_shared::kernels::rearrange::Block;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// An axis of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Rows.
    Height,
    /// Columns, and the steps of a series.
    Width,
    /// Channels, and the values of a vector.
    #[default]
    Channels,
}

impl Axis {
    /// All, the outermost first.
    pub const ALL: [Axis; 3] = [Axis::Height, Axis::Width, Axis::Channels];

    /// How long `shape` is along it.
    pub fn of(self, shape: Shape) -> usize {
        match self {
            Axis::Height => shape.h,
            Axis::Width => shape.w,
            Axis::Channels => shape.c,
        }
    }

    /// The same, to be changed.
    pub fn of_mut(self, shape: &mut Shape) -> &mut usize {
        match self {
            Axis::Height => &mut shape.h,
            Axis::Width => &mut shape.w,
            Axis::Channels => &mut shape.c,
        }
    }
}

/// What a step along each axis of an image is, in values.
pub fn strides(shape: Shape) -> [usize; 3] {
    [shape.w * shape.c, shape.c, 1]
}

/// Refuses images between which the format cannot move blocks; gives `output`.
///
/// # Errors
/// [`Error::Dimension`] where a row has too many values.
pub fn check(layer: &str, inputs: &[Shape], output: Shape) -> Result<Shape, Error> {
    for shape in inputs.iter().chain([&output]) {
        let row = shape.w.saturating_mul(shape.c);
        dimension(layer, "the number of values of a row", row)?;
        let len = row.saturating_mul(shape.h);
        if len > MOST_VALUES {
            return Err(Error::Dimension {
                layer: layer.to_owned(),
                what: "the number of values of its output",
                value: len,
                most: MOST_VALUES,
            });
        }
    }
    Ok(output)
}

/// All of `part` to its place in `whole`, which starts at these rows, columns and channels.
pub fn into(part: Shape, whole: Shape, start: [usize; 3]) -> Block {
    let to = strides(whole);
    Block {
        count: [part.h, part.w, part.c],
        from: strides(part),
        to,
        from_at: 0,
        to_at: start.iter().zip(to).map(|(s, stride)| s * stride).sum(),
        adds: false,
    }
}

/// The call that moves `block`. Axes that are one stretch of memory on both sides become one.
pub fn call(mut block: Block) -> Call {
    for _ in 0..2 {
        let [outer, middle, inner] = block.count;
        let stretch = |strides: [usize; 3]| strides[1] == strides[2] * inner;
        let joined = middle * inner;
        if stretch(block.from) && stretch(block.to) && joined <= usize::from(u16::MAX) {
            block.count = [1, outer, joined];
            block.from[1] = block.from[0];
            block.to[1] = block.to[0];
        }
    }
    let mut call = Call::new(Kernel::Rearrange);
    block.put(&mut call);
    call
}
