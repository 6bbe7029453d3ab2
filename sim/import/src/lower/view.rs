//! How the elements of a value lie in the output of a node.
//!
//! The graph's nodes are images of rows × columns × channels. A file's values have any axes in any order. A
//! view says for every element of a value which element of the node's output it is. So transposing and
//! reshaping move nothing: they change the view, and inverse pairs of them cancel. An operator that needs an
//! order asks whether the view has it. Every view names each element of its node exactly once.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};
use runtime_shared::kernels::Shape;

/// For each element of a value, its place in a node's output.
pub type View = ArrayD<u32>;

/// The view in order, of these axes.
pub fn in_order(axes: &[usize]) -> View {
    let count = axes.iter().product::<usize>();
    let places = (0..count as u32).collect();
    ArrayD::from_shape_vec(IxDyn(axes), places).unwrap_or_default()
}

/// Whether the elements lie in order.
pub fn is_in_order(view: &ArrayViewD<u32>) -> bool {
    view.iter().zip(0..).all(|(&place, i)| place == i)
}

/// The view with other axes of the same size.
pub fn reshaped(view: &View, axes: &[usize]) -> Option<View> {
    let straight = view.as_standard_layout().into_owned();
    straight.into_shape_with_order(IxDyn(axes)).ok()
}

/// A view as it would be with its channels last.
pub fn channels_last(view: &View) -> ArrayViewD<'_, u32> {
    let mut order: Vec<usize> = (0..view.ndim()).collect();
    if order.len() > 2 {
        let channels = order.remove(1);
        order.push(channels);
    }
    view.view().permuted_axes(order)
}

/// The view of a node of `shape` as a value of `rank` axes, batch first.
pub fn of_image(shape: Shape, rank: usize, channels_first: bool) -> View {
    let axes: Vec<usize> = match rank {
        3 => vec![1, shape.h * shape.w, shape.c],
        _ => vec![1, shape.h, shape.w, shape.c],
    };
    let view = in_order(&axes);
    if !channels_first {
        return view;
    }
    let mut order: Vec<usize> = (0..axes.len() - 1).collect();
    order.insert(1, axes.len() - 1);
    view.permuted_axes(order)
}

/// What an axis of a view runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Along {
    /// One element: nothing.
    Nothing,
    /// Rows.
    Rows,
    /// Columns.
    Columns,
    /// Rows and columns together.
    Both,
    /// Channels.
    Channels,
}

/// What each axis of a view runs along in a node of `shape`; `None` where an axis mixes what the node has
/// apart.
pub fn directions(view: &View, shape: Shape) -> Option<Vec<Along>> {
    let start = view.iter().next().copied()?;
    let steps: Vec<usize> = (0..view.ndim())
        .map(|axis| match view.shape()[axis] {
            1 => 0,
            _ => {
                let second = view.index_axis(Axis(axis), 1);
                second
                    .iter()
                    .next()
                    .map_or(0, |&p| p.saturating_sub(start) as usize)
            }
        })
        .collect();
    let along = |axis: usize| {
        let (extent, step) = (view.shape()[axis], steps[axis]);
        let candidates = [
            (Along::Channels, 1, shape.c),
            (Along::Columns, shape.c, shape.w),
            (Along::Rows, shape.w * shape.c, shape.h),
            (Along::Both, shape.c, shape.h * shape.w),
        ];
        match extent {
            1 => Some(Along::Nothing),
            _ => candidates
                .into_iter()
                .find(|&(_, s, e)| s == step && e == extent)
                .map(|c| c.0),
        }
    };
    let along: Vec<Along> = (0..view.ndim()).map(along).collect::<Option<_>>()?;
    let regular = view.indexed_iter().all(|(index, &place)| {
        (0..view.ndim())
            .map(|axis| index[axis] * steps[axis])
            .sum::<usize>()
            == place as usize
    });
    regular.then_some(along)
}

/// The axes along which the elements of a view lie at regular steps, as extents and steps, the outermost first. They
/// need not be those of the view: a vector that was an image has the image's. Nothing where there are no such axes.
pub fn strides(view: &View) -> Option<Vec<(usize, usize)>> {
    let places: Vec<usize> = view.iter().map(|&p| p as usize).collect();
    let mut axes: Vec<(usize, usize)> = Vec::new();
    let mut block = 1;
    while block < places.len() {
        let step = places[block].checked_sub(places[0])?;
        let goes_on = |n: &usize| places.get(n * block) == Some(&(n * step));
        let extent = (0..places.len()).take_while(goes_on).count();
        block *= extent;
        if extent < 2 || !places.len().is_multiple_of(block) {
            return None;
        }
        axes.push((extent, step));
    }
    let place = |i: usize| {
        let (mut rest, mut place) = (i, 0);
        for &(extent, step) in &axes {
            place += rest % extent * step;
            rest /= extent;
        }
        place
    };
    let regular = places.iter().enumerate().all(|(i, &p)| place(i) == p);
    axes.reverse();
    regular.then_some(axes)
}

/// The view with these axes, each along what is said, of a node of `shape`.
pub fn along(axes: &[usize], directions: &[Along], shape: Shape) -> View {
    let steps: Vec<usize> = directions
        .iter()
        .map(|d| match d {
            Along::Nothing => 0,
            Along::Channels => 1,
            Along::Columns | Along::Both => shape.c,
            Along::Rows => shape.w * shape.c,
        })
        .collect();
    ArrayD::from_shape_fn(IxDyn(axes), |index| {
        let place: usize = (0..axes.len()).map(|a| index[a] * steps[a]).sum();
        place as u32
    })
}

/// Axes as they are written: `1×28×28×3`.
pub fn axes_text(axes: &[usize]) -> String {
    let texts: Vec<String> = axes.iter().map(usize::to_string).collect();
    match texts.is_empty() {
        true => "a single number".to_owned(),
        false => texts.join("×"),
    }
}
