//! Networks as they are written in TOML. What a layer may say stands with its operator, in [`ops`](crate::ops).
//!
//! ```toml
//! layers = [
//!     { conv2d = { filters = 4, kernel = 3, activation = "relu" } },
//!     { max_pool = { size = 2 } },
//!     { flatten = {} },
//!     { dense = { units = 10 } },
//! ]
//! ```

use crate::error::Error;
use crate::graph::{Graph, Padding, Window};
pub use crate::ops::LayerSpec;
use crate::ops::Site;
use runtime_shared::kernels::Shape;
use serde::{Deserialize, Serialize};

/// A network: its layers in order, each fed by the one before unless it says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// The layers.
    pub layers: Vec<LayerSpec>,
}

impl NetworkSpec {
    /// Builds the graph for samples of shape `input`, with weights drawn from `seed`.
    ///
    /// # Errors
    /// [`Error`], naming the layer.
    pub fn build(&self, input: Shape, seed: u64) -> Result<Graph, Error> {
        if self.layers.is_empty() {
            return Err(Error::Empty);
        }
        let mut graph = Graph::new(input)?;
        let mut counts = std::collections::BTreeMap::new();
        let mut last = graph.output();
        for spec in &self.layers {
            let count = counts.entry(spec.kind()).or_insert(0);
            *count += 1;
            let layer = spec.layer();
            let counted = || format!("{}_{count}", spec.kind());
            let name = layer.name().map_or_else(counted, str::to_owned);
            last = layer.append(&mut Site {
                graph: &mut graph,
                name: &name,
                last,
            })?;
        }
        graph.initialise(seed);
        Ok(graph)
    }
}

/// Height and width: one number for both, or two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "(usize, usize)")]
pub struct Size(pub usize, pub usize);

impl From<Size> for (usize, usize) {
    fn from(size: Size) -> Self {
        (size.0, size.1)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Size;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a positive whole number, or two of them: [height, width]")
            }
            fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Size, E> {
                let v = usize::try_from(v)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(v), &self))?;
                Ok(Size(v, v))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Size, E> {
                Ok(Size(v as usize, v as usize))
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Size, A::Error> {
                let missing = |n| serde::de::Error::invalid_length(n, &"[height, width]");
                let h = seq.next_element()?.ok_or_else(|| missing(0))?;
                let w = seq.next_element()?.ok_or_else(|| missing(1))?;
                if seq.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    return Err(missing(3));
                }
                Ok(Size(h, w))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The border of an image: `"valid"`, `"same"` or `{ explicit = 2 }`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingSpec {
    /// No padding.
    #[default]
    Valid,
    /// Output as large as the input (over the stride).
    Same,
    /// So many rows and columns on every side.
    Explicit(usize),
}

impl PaddingSpec {
    /// The window of a layer that is put at `site`.
    ///
    /// # Errors
    /// [`Error::Dimension`] or [`Error::Window`] where it does not fit, [`Error::NotAnImage`] behind `flatten`.
    pub(crate) fn window(
        self,
        site: &Site<'_>,
        kernel: Size,
        stride: Size,
    ) -> Result<Window, Error> {
        if kernel != Size(1, 1) && site.is_vector() {
            return Err(Error::NotAnImage {
                layer: site.name.to_owned(),
                len: site.input().c,
            });
        }
        let (kernel, stride) = (kernel.into(), stride.into());
        Window::new(site.name, site.input(), kernel, stride, self.resolve())
    }

    /// The same without words.
    pub(crate) fn resolve(self) -> Padding {
        match self {
            PaddingSpec::Valid => Padding::Valid,
            PaddingSpec::Same => Padding::Same,
            PaddingSpec::Explicit(p) => Padding::Explicit(p),
        }
    }
}

/// A step of one.
pub(crate) fn one() -> Size {
    Size(1, 1)
}

/// One of something.
pub(crate) fn single() -> usize {
    1
}

/// What is so unless it is said not to be.
pub(crate) fn yes() -> bool {
    true
}
