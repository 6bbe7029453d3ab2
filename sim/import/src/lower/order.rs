//! Bringing what a node computes into the order and under the shape that the next one needs. Most of the time it is
//! there already, and nothing happens.

use super::view::{self, Along, axes_text};
use super::{Computed, Lowering};
use runtime_shared::kernels::Shape;
use sim_compiler::moved::Axis;
use sim_compiler::ops::reshape::Reshape;
use sim_compiler::ops::transpose::Transpose;

impl Lowering {
    /// What a draft computes under another shape of as many elements.
    pub(super) fn under(&mut self, at: usize, draft: usize, shape: Shape) -> usize {
        if self.drafts.get(draft).shape == shape {
            return draft;
        }
        let name = format!("{}.reshape", self.drafts.get(draft).name);
        self.drafts
            .push(&name, Reshape { shape }.into(), vec![draft], shape, at)
    }

    /// A value whose elements lie in the order of its axes; they are transposed where they do not.
    ///
    /// # Errors
    /// Where it takes more than one transposition of three axes.
    pub(super) fn in_order(&mut self, at: usize, x: Computed) -> Result<Computed, String> {
        if view::is_in_order(&x.view.view()) {
            return Ok(x);
        }
        let unsupported = || {
            format!(
                "its input of {} would have to be transposed along more than three axes first",
                axes_text(x.view.shape())
            )
        };
        let axes = view::strides(&x.view).ok_or_else(unsupported)?;
        // How the elements lie: the axis with the longest steps is the outermost.
        let mut lying: Vec<usize> = (0..axes.len()).collect();
        lying.sort_by_key(|&i| std::cmp::Reverse(axes[i].1));
        if axes.len() > 3 {
            return Err(unsupported());
        }
        let missing = 3 - axes.len();
        let extent = |place: usize| match place < missing {
            true => 1,
            false => axes[lying[place - missing]].0,
        };
        let from = Shape {
            h: extent(0),
            w: extent(1),
            c: extent(2),
        };
        let place = |axis: usize| lying.iter().position(|&l| l == axis).unwrap_or(0) + missing;
        let order: Vec<Axis> = (0..3)
            .map(|i| match i < missing {
                true => Axis::ALL[i],
                false => Axis::ALL[place(i - missing)],
            })
            .collect();
        let order = [order[0], order[1], order[2]];
        let input = self.under(at, x.draft, from);
        let [h, w, c] = order.map(|axis| axis.of(from));
        let shape = Shape { h, w, c };
        let name = format!("{}.transpose", self.drafts.get(x.draft).name);
        let op = Transpose { axes: order };
        let draft = self.drafts.push(&name, op.into(), vec![input], shape, at);
        let made = view::in_order(x.view.shape());
        Ok(Computed { draft, view: made })
    }

    /// A value of a batch of one as rows × columns × channels, and along which of these each of its axes runs.
    ///
    /// # Errors
    /// Where it has too many axes.
    pub(super) fn as_image(
        &mut self,
        at: usize,
        x: Computed,
    ) -> Result<(Computed, Vec<Along>), String> {
        let shape = self.drafts.get(x.draft).shape;
        if let Some(along) = view::directions(&x.view, shape) {
            return Ok((x, along));
        }
        let x = self.in_order(at, x)?;
        let axes = x.view.shape().to_vec();
        let (shape, along) = match axes[..] {
            [c] => ((1, 1, c), vec![Along::Channels]),
            [1, c] => ((1, 1, c), vec![Along::Nothing, Along::Channels]),
            [1, w, c] => (
                (1, w, c),
                vec![Along::Nothing, Along::Columns, Along::Channels],
            ),
            [1, h, w, c] => (
                (h, w, c),
                vec![Along::Nothing, Along::Rows, Along::Columns, Along::Channels],
            ),
            _ => return Err(format!("{} is no image", axes_text(&axes))),
        };
        let (h, w, c) = shape;
        let draft = self.under(at, x.draft, Shape { h, w, c });
        Ok((Computed { draft, ..x }, along))
    }
}

/// The axis of an image that an axis of a value runs along; one of a single element goes along one that has no other.
pub fn axis_of(along: Along, shape: Shape) -> Option<Axis> {
    match along {
        Along::Rows => Some(Axis::Height),
        Along::Columns => Some(Axis::Width),
        Along::Channels => Some(Axis::Channels),
        Along::Both => None,
        Along::Nothing if shape.c == 1 => Some(Axis::Channels),
        Along::Nothing if shape.w == 1 => Some(Axis::Width),
        Along::Nothing if shape.h == 1 => Some(Axis::Height),
        Along::Nothing => None,
    }
}

/// The direction of an axis of an image.
pub fn direction(axis: Axis) -> Along {
    match axis {
        Axis::Height => Along::Rows,
        Axis::Width => Along::Columns,
        Axis::Channels => Along::Channels,
    }
}
