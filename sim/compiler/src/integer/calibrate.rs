//! How large the features of a frozen extractor become: what their fraction follows from.

use super::Arithmetic;
use crate::compile::{Options, compile};
use crate::error::Error;
use crate::graph::Graph;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::Field;

/// Samples that are enough.
pub const ENOUGH: usize = 500;

/// The largest fraction with which no feature of `samples` is beyond a byte; none where `options` need no such choice, because there are no
/// integers, no features, or it is made.
///
/// # Errors
/// The compiler's.
pub fn feature_fraction(
    graph: &Graph,
    options: &Options,
    samples: &[&[u8]],
) -> Result<Option<u8>, Error> {
    let training = &options.training;
    if training.arithmetic == Arithmetic::F32 || training.feature_fraction.is_some() {
        return Ok(None);
    }
    let mut floats = options.clone();
    floats.training.arithmetic = Arithmetic::F32;
    floats.online.quantisation = None;
    let compiled = compile(graph, &floats)?;
    let program = compiled.program();
    if program.size(Field::FeatureBytes) == 0 || samples.is_empty() {
        return Ok(None);
    }
    let mut arena = vec![0.0f32; compiled.arena_bytes().div_ceil(4)];
    let Ok(mut learner) = Learner::new(program, machine::bytes_mut(&mut arena)) else {
        return Ok(None);
    };
    let mut most = 0.0f32;
    for sample in samples.iter().take(ENOUGH) {
        // A sample of another length, or features that are not numbers, say nothing here; whoever learns from them hears of it.
        if let Ok(bytes) = learner.extract(sample) {
            let features = machine::floats(bytes).iter();
            most = features
                .filter(|v| v.is_finite())
                .fold(most, |most, v| most.max(v.abs()));
        }
    }
    let fits = |f: &u8| most * f32::from(1u16 << f) < 127.5;
    Ok(Some((0..=7).rev().find(fits).unwrap_or(0)))
}
