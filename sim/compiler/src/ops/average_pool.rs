//! Average pooling, over windows or whole images.

use super::{Layer, Operator, Site};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::NodeId;
use crate::listing::{Symbol, windowed};
use crate::network::{PaddingSpec, Size};
use crate::stage::{Stage, StageId};
use crate::window::Window;
use runtime_shared::kernels::Shape;
use runtime_shared::program::{Call, Kernel};
use serde::{Deserialize, Serialize};

/// The mean of each window, padding left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePool {
    /// How it slides.
    pub window: Window,
}

impl Operator for AveragePool {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        self.window.shape(layer, inputs[0], inputs[0].c)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        let y = pass.output(id);
        let call = self.call(Kernel::AveragePool, pass.stage(id));
        let operands = [pass.input(id), y];
        pass.emit(id, call, &operands);
        y
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        let call = self.call(Kernel::AveragePoolBackward, pass.stage(id));
        let operands = [pass.delta(id)];
        pass.pass_back(id, call, &operands);
    }
}

impl AveragePool {
    fn call(&self, kernel: Kernel, stage: &Stage) -> Call {
        windowed(kernel, &self.window, stage.input(), stage.input().c, (1, 1))
    }
}

/// `average_pool`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AveragePoolSpec {
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

impl Layer for AveragePoolSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let stride = self.stride.unwrap_or(self.size);
        let window = self.padding.window(site, self.size, stride)?;
        site.push(AveragePool { window })
    }
}

/// `global_average_pool`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlobalAveragePoolSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Layer for GlobalAveragePoolSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let all = Size(site.input().h, site.input().w);
        let window = PaddingSpec::Valid.window(site, all, all)?;
        site.push(AveragePool { window })
    }
}
