//! Max pooling. Behind a convolution it is fused where its windows neither overlap nor are padded.

use super::{Layer, Op, Operator, Rectifies, Site, Zeros};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{Graph, NodeId};
use crate::listing::{Symbol, windowed};
use crate::network::{PaddingSpec, Size};
use crate::stage::{Stage, StageId};
use crate::window::{Padding, Window};
use runtime_shared::kernels::Shape;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// The largest of each window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// How it slides; of at most [`MOST`] elements.
    pub window: Window,
}

/// Elements of a window, whose number is kept in a byte.
pub const MOST: usize = 256;

impl Operator for MaxPool {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        let size = self.window.size();
        if size > MOST {
            return Err(Error::Dimension {
                layer: layer.to_owned(),
                what: "the size of the window",
                value: size,
                most: MOST,
            });
        }
        self.window.shape(layer, inputs[0], inputs[0].c)
    }

    fn zeros(&self) -> Zeros {
        Zeros::Kept
    }

    fn rectifies(&self) -> Rectifies {
        Rectifies::AsNext
    }

    /// The maximum commutes with every activation, all being monotone, so pooling may come first.
    fn absorb(&self, into: &mut Stage, seen: Shape) -> bool {
        let window = &self.window;
        let whole = (seen.h / window.kernel.0, seen.w / window.kernel.1);
        let fits = matches!(into.op, Op::Conv2d(_))
            && into.shape == seen
            && into.pool == (1, 1)
            && window.kernel == window.stride
            && window.pad == (0, 0)
            && window.output == whole;
        if fits {
            into.pool = window.kernel;
        }
        fits
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let argmax = if pass.passes_on(id) {
            pass.index(id, pass.stage(id).shape.len())
        } else {
            Symbol::Absent
        };
        let call = self.call(Kernel::MaxPool, pass.stage(id));
        let operands = [pass.input(id), y, argmax];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let call = self.call(Kernel::MaxPoolBackward, pass.stage(id));
        let operands = [pass.delta(id), pass.index(id)];
        pass.pass_back(id, call, &operands);
    }
}

impl MaxPool {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        windowed(kernel, &self.window, stage.input(), stage.input().c, (1, 1))
    }
}

/// `max_pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPoolSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Size of the window.
    pub size: Size,
    /// Step of the window; its size where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<Size>,
    /// The border.
    #[serde(default)]
    pub padding: PaddingSpec,
}

impl Layer for MaxPoolSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let stride = self.stride.unwrap_or(self.size);
        let window = self.padding.window(site, self.size, stride)?;
        site.push(MaxPool { window })
    }
}

/// The largest of each channel: pools along rows, then along columns, because an index of at most [`MOST`] is kept.
///
/// # Errors
/// The graph's.
pub fn push_global(graph: &mut Graph, name: &str, input: NodeId) -> Result<NodeId, Error> {
    let mut last = input;
    loop {
        let shape = graph
            .nodes()
            .get(last)
            .map_or(Shape { h: 1, w: 1, c: 1 }, |n| n.shape);
        let all = shape.h.saturating_mul(shape.w);
        let kernel = match (shape.h, shape.w) {
            (h, w) if all <= MOST => (h, w),
            (_, w) if w > 1 => (1, w.min(MOST)),
            (h, _) => (h.min(MOST), 1),
        };
        let window = Window::new(name, shape, kernel, kernel, Padding::Same)?;
        if all <= MOST {
            return graph.push(name, MaxPool { window }, &[last]);
        }
        let step = format!("{name}.{}x{}", window.output.0, window.output.1);
        last = graph.push(&step, MaxPool { window }, &[last])?;
    }
}

/// `global_max_pool`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalMaxPoolSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for GlobalMaxPoolSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        push_global(site.graph, site.name, site.last)
    }
}
