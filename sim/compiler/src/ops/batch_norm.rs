//! Batch normalisation with frozen statistics: for each channel a scale and a shift.
//!
//! Statistics are those of a training elsewhere, or they are estimated once from training data, before any weight
//! moves ([`statistics`](crate::statistics)). Either way they are constants on the device: a batch of one sample has
//! no statistics of its own. Behind weights that are not trained they disappear into these.

use super::{Layer, Operator, Rectifies, Site, affine};
use crate::backward::Backward;
use crate::error::Error;
use crate::forward::Forward;
use crate::graph::{NodeId, dimension};
use crate::listing::Symbol;
use crate::stage::{Stage, StageId};
use crate::tensor::Tensor;
use runtime_shared::kernels::Shape;
use serde::{Deserialize, Serialize};

/// `gamma · (x − mean) / sqrt(variance + epsilon) + beta`, for each channel.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Scale, one a channel.
    pub gamma: Vec<f32>,
    /// Shift, one a channel.
    pub beta: Vec<f32>,
    /// Mean and variance; none until they are estimated.
    pub statistics: Option<Statistics>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// What a channel's values are like.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The mean, one a channel.
    pub mean: Vec<f32>,
    /// The variance, one a channel.
    pub variance: Vec<f32>,
}

impl BatchNorm {
    /// gamma / sqrt(variance + epsilon), and beta − mean · scale. Zeros where there are no statistics yet: as
    /// many as there will be.
    fn scale_and_shift(&self) -> [Vec<f32>; 2] {
        let Some(Statistics { mean, variance }) = &self.statistics else {
            return [vec![0.0; self.gamma.len()], vec![0.0; self.beta.len()]];
        };
        let scale: Vec<f32> = self
            .gamma
            .iter()
            .zip(variance)
            .map(|(g, v)| g / (v + self.epsilon).sqrt())
            .collect();
        let shift = self
            .beta
            .iter()
            .zip(mean)
            .zip(&scale)
            .map(|((b, m), s)| b - m * s)
            .collect();
        [scale, shift]
    }

    fn check(&self, layer: &str, channels: usize) -> Result<(), Error> {
        let refuse = |what, value, allowed| {
            Err(Error::Value {
                layer: layer.to_owned(),
                what,
                value,
                allowed,
            })
        };
        if !(self.epsilon.is_finite() && self.epsilon >= 0.0) {
            return refuse("epsilon", self.epsilon, "zero or a positive number");
        }
        let statistics = self.statistics.iter().flat_map(|s| [&s.mean, &s.variance]);
        let rows: Vec<&Vec<f32>> = [&self.gamma, &self.beta]
            .into_iter()
            .chain(statistics)
            .collect();
        if let Some(row) = rows.iter().find(|row| row.len() != channels) {
            return Err(Error::Weights {
                layer: layer.to_owned(),
                expected: channels,
                given: row.len(),
            });
        }
        if let Some(value) = rows.into_iter().flatten().find(|v| !v.is_finite()) {
            return refuse("gamma, beta, mean or variance", *value, "a finite number");
        }
        let variances = self.statistics.iter().flat_map(|s| &s.variance);
        if let Some(v) = variances
            .into_iter()
            .find(|&&v| v < 0.0 || v + self.epsilon <= 0.0)
        {
            let allowed = "at least zero, and above zero together with epsilon";
            return refuse("a variance", *v, allowed);
        }
        let results = self.scale_and_shift();
        if let Some(value) = results.iter().flatten().find(|v| !v.is_finite()) {
            return refuse(
                "gamma / sqrt(variance + epsilon)",
                *value,
                "a finite number",
            );
        }
        Ok(())
    }
}

impl Operator for BatchNorm {
    fn shape(&self, layer: &str, inputs: &[Shape]) -> Result<Shape, Error> {
        self.check(
            layer,
            dimension(layer, "the number of channels", inputs[0].c)?,
        )?;
        Ok(inputs[0])
    }

    fn constants(&self) -> Vec<(&'static str, Tensor)> {
        let [scale, shift] = self.scale_and_shift();
        vec![("scale", scale.into()), ("shift", shift.into())]
    }

    fn ready(&self, layer: &str) -> Result<(), Error> {
        match self.statistics {
            Some(_) => Ok(()),
            None => Err(Error::Statistics(layer.to_owned())),
        }
    }

    fn rectifies(&self) -> Rectifies {
        Rectifies::AsNext
    }

    fn absorb(&self, into: &mut Stage, _: Shape) -> bool {
        let [scale, shift] = self.scale_and_shift();
        // Fewer channels than the stage has are those of another shape of its output.
        scale.len() == into.shape.c && affine::fold(into, &scale, &shift)
    }

    fn forward(&self, pass: &mut Forward<'_>, id: StageId) -> Symbol {
        affine::forward(pass, id, self.gamma.len())
    }

    fn backward(&self, pass: &mut Backward<'_>, id: StageId) {
        affine::backward(pass, id, self.gamma.len());
    }
}

fn epsilon() -> f32 {
    1e-3
}

/// `batch_norm`: statistics of a training elsewhere, or none, where they are estimated from training data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchNormSpec {
    /// A name of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Scale, one a channel; ones where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gamma: Option<Vec<f32>>,
    /// Shift; zeros where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beta: Option<Vec<f32>>,
    /// Mean; given together with the variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<Vec<f32>>,
    /// Variance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<Vec<f32>>,
    /// Added to the variance.
    #[serde(default = "epsilon")]
    pub epsilon: f32,
}

impl Layer for BatchNormSpec {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn append(&self, site: &mut Site<'_>) -> Result<NodeId, Error> {
        let channels = site.input().c;
        let or = |values: &Option<Vec<f32>>, value| {
            values.clone().unwrap_or_else(|| vec![value; channels])
        };
        let statistics = match (&self.mean, &self.variance) {
            (None, None) => None,
            (Some(mean), Some(variance)) => Some(Statistics {
                mean: mean.clone(),
                variance: variance.clone(),
            }),
            _ => return Err(Error::HalfStatistics(site.name.to_owned())),
        };
        site.push(BatchNorm {
            gamma: or(&self.gamma, 1.0),
            beta: or(&self.beta, 0.0),
            statistics,
            epsilon: self.epsilon,
        })
    }
}
