//! Layers of series, `[steps, channels]`: those of images, for an image of one row.

use super::activation::{ActivationSpec, activated, push_activated};
use super::average_pool::AveragePool;
use super::conv2d::{push_dilated, with_holes};
use super::depthwise::Depthwise;
use super::max_pool::MaxPool;
use super::{Layer, Site};
use crate::error::Error;
use crate::graph::{NodeId, dimension};
use crate::network::{PaddingSpec, single, yes};
use crate::tensor::{Parameters, Tensor};
use crate::window::Window;
use serde::{Deserialize, Serialize};

/// The window of `kernel` steps that moves by `stride`.
fn window(
    site: &Site<'_>,
    padding: PaddingSpec,
    kernel: usize,
    stride: usize,
) -> Result<Window, Error> {
    Window::of_series(site.name, site.input(), kernel, stride, padding.resolve())
}

/// `conv1d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1dSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Output channels.
    pub filters: usize,
    /// Steps of the window.
    pub kernel: usize,
    /// What it moves by.
    #[serde(default = "single")]
    pub stride: usize,
    /// From one step of the window to the next, as for images.
    #[serde(default = "single")]
    pub dilation: usize,
    /// Both ends.
    #[serde(default)]
    pub padding: PaddingSpec,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl Layer for Conv1dSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let filters = dimension(site.name, "the number of filters", self.filters)?;
        dimension(site.name, "the dilation", self.dilation)?;
        let holes = with_holes(self.kernel, self.dilation);
        let window = window(site, self.padding, holes, self.stride)?;
        let parameters = Parameters {
            weights: Tensor::sized(site.name, &[self.kernel, site.input().c, filters])?,
            bias: self.bias.then(|| Tensor::zeros(filters)),
        };
        let at = (site.name, site.last);
        let window = (window, (1, self.dilation));
        let id = push_dilated(site.graph, at, window, (filters, parameters))?;
        activated(site, id, self.activation)
    }
}

/// `depthwise_conv1d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepthwiseConv1dSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Steps of the window.
    pub kernel: usize,
    /// What it moves by.
    #[serde(default = "single")]
    pub stride: usize,
    /// Both ends.
    #[serde(default)]
    pub padding: PaddingSpec,
    /// Filters for each channel.
    #[serde(default = "single")]
    pub multiplier: usize,
    /// What follows.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
}

impl Layer for DepthwiseConv1dSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let window = window(site, self.padding, self.kernel, self.stride)?;
        let layer = Depthwise::sized(site, window, self.multiplier, self.bias)?;
        push_activated(site, layer, self.activation)
    }
}

/// `max_pool1d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxPool1dSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Steps of the window.
    pub size: usize,
    /// What it moves by; its size where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Both ends.
    #[serde(default)]
    pub padding: PaddingSpec,
}

impl Layer for MaxPool1dSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let stride = self.stride.unwrap_or(self.size);
        let window = window(site, self.padding, self.size, stride)?;
        site.push(MaxPool { window })
    }
}

/// `average_pool1d`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePool1dSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Steps of the window.
    pub size: usize,
    /// What it moves by; its size where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<usize>,
    /// Both ends.
    #[serde(default)]
    pub padding: PaddingSpec,
}

impl Layer for AveragePool1dSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let stride = self.stride.unwrap_or(self.size);
        let window = window(site, self.padding, self.size, stride)?;
        site.push(AveragePool { window })
    }
}
