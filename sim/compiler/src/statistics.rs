//! Statistics of batch normalisations that were given none, estimated from training data.
//!
//! One sample has no statistics of its own, so on a device batch normalisation is a constant scale and shift of each
//! channel. Statistics that followed the weights while these are pre-trained would normalise one network and end up in
//! another. So they are taken once, with the weights that training starts from, and are constants from then on, in
//! pre-training and on the device alike: the data-dependent initialisation of Salimans & Kingma (2016). What is
//! learnt, is learnt by the weights around them.
//!
//! Layers are estimated one after the other, since what one is given depends on those before it.

use crate::compile::{Options, compile};
use crate::error::Error;
use crate::graph::{Graph, NodeId, Op};
use crate::ops::batch_norm::{BatchNorm, Statistics};
use crate::options::{LossSpec, Online, Scheme, Training};
use runtime_shared::learner::Learner;

/// Samples that are enough: the mean of a channel is then known to 3 % of its deviation, where it has but one position.
pub const ENOUGH: usize = 1024;

/// Estimates the statistics of every batch normalisation of `graph` that has none, from these samples of the training
/// data; says how many there were.
///
/// # Errors
/// [`Error::Samples`] where there is no sample, or one that the network cannot take; those of [`compile`].
pub fn estimate(
    graph: &mut Graph,
    normalisation: &[(f32, f32)],
    samples: &[&[u8]],
) -> Result<usize, Error> {
    let missing = |graph: &Graph| {
        let mut nodes = graph.nodes().iter().enumerate();
        nodes.find_map(|(id, node)| match &node.op {
            Op::BatchNorm(norm) if norm.statistics.is_none() => Some((id, norm.clone())),
            _ => None,
        })
    };
    let mut estimated = 0;
    while let Some((id, norm)) = missing(graph) {
        let statistics = of_input(graph, id, normalisation, samples)?;
        let norm = BatchNorm {
            statistics: Some(statistics),
            ..norm
        };
        graph.replace(id, norm)?;
        estimated += 1;
    }
    Ok(estimated)
}

/// Mean and variance of each channel that node `id` reads.
fn of_input(
    graph: &Graph,
    id: NodeId,
    normalisation: &[(f32, f32)],
    samples: &[&[u8]],
) -> Result<Statistics, Error> {
    let node = &graph.nodes()[id];
    let refuse = |why: String| Error::Samples {
        layer: node.name.clone(),
        why,
    };
    let before = node.inputs[0];
    let mut cut = graph.clone();
    cut.set_outputs(&[before])?;
    let options = Options {
        scheme: Scheme::None,
        // No layer is part of it, so that outputs are what the last layer computes.
        loss: LossSpec::Mse,
        training: Training::sgd(1.0),
        online: Online::default(),
        normalisation: normalisation.to_vec(),
        seed: 0,
    };
    let compiled = compile(&cut, &options)?;
    let mut arena = vec![0u32; compiled.arena_bytes().div_ceil(4)];
    let mut learner = Learner::new(compiled.program(), bytemuck::cast_slice_mut(&mut arena))
        .map_err(|e| refuse(format!("the network did not run ({e:?})")))?;
    let channels = graph.nodes()[before].shape.c;
    let (mut sums, mut squares) = (vec![0.0f64; channels], vec![0.0f64; channels]);
    let mut count = 0.0;
    for sample in samples {
        learner
            .infer(sample, &mut ())
            .map_err(|e| refuse(format!("a sample was refused ({e:?})")))?;
        for position in learner.outputs().chunks_exact(channels) {
            for ((x, sum), square) in position.iter().zip(&mut sums).zip(&mut squares) {
                *sum += f64::from(*x);
                *square += f64::from(*x) * f64::from(*x);
            }
            count += 1.0;
        }
    }
    if count == 0.0 {
        return Err(refuse("there are no training data".to_owned()));
    }
    let mean = sums.iter().map(|sum| (sum / count) as f32);
    let variance = sums.iter().zip(&squares).map(|(sum, square)| {
        let variance = square / count - (sum / count) * (sum / count);
        // Rounding may leave a constant just below zero.
        if variance < 0.0 { 0.0 } else { variance as f32 }
    });
    Ok(Statistics {
        mean: mean.collect(),
        variance: variance.collect(),
    })
}
