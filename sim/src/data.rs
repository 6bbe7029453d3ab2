//! Data sets, loaded once for all strategies that share them.

use crate::config::DataPlan;
use crate::failure::Failure;
use crate::progress::Progress;
use experiments::data::{Loaded, Normaliser, Places, Request, Split, load};
use std::path::Path;

/// Data with all that is derived from them.
pub struct Prepared {
    /// What it was prepared for.
    pub plan: DataPlan,
    /// The data, and where they came from.
    pub loaded: Loaded,
    /// Training and validation images.
    pub split: Split,
    /// Scale and shift: one pair, or one a channel.
    pub normalisation: Vec<(f32, f32)>,
    /// The same in words.
    pub normaliser: Normaliser,
}

/// Loads what `plan` asks for. The split is that of `seed`.
///
/// # Errors
/// [`Failure::Data`].
pub fn prepare(
    plan: &DataPlan,
    folder: Option<&Path>,
    seed: u64,
    progress: &Progress,
) -> Result<Prepared, Failure> {
    let places = Places::from_environment(folder);
    let request = Request {
        set: plan.set,
        download: true,
        fallback: plan.fallback,
    };
    let loaded = load(request, &places, &mut |event| progress.data(&event))?;
    let split = Split::new(&loaded.data.train, seed, plan.validation)?;
    let normaliser = Normaliser::of(plan.normalise, &loaded.data.train);
    let mut normalisation: Vec<(f32, f32)> = normaliser
        .channels()
        .iter()
        .map(|a| (a.scale, a.shift))
        .collect();
    // One pair serves all channels where they are alike.
    normalisation.dedup();
    Ok(Prepared {
        plan: plan.clone(),
        loaded,
        split,
        normalisation,
        normaliser,
    })
}
