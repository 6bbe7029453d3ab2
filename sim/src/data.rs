//! Data sets, loaded once for all strategies that share them.

use crate::config::DataPlan;
use crate::failure::Failure;
use crate::progress::Progress;
use experiments::data::{
    DATA_DIR_VARIABLE, Images, Loaded, Normalisation, Normaliser, Places, Request, Split, load,
};
use std::path::{Path, PathBuf};

/// Data with all that is derived from them.
pub struct Prepared {
    /// What it was prepared for.
    pub plan: DataPlan,
    /// The data, and where they came from.
    pub loaded: Loaded,
    /// Scale and shift: one pair, or one a channel.
    pub normalisation: Vec<(f32, f32)>,
    /// The same in words.
    pub normaliser: Normaliser,
}

impl Prepared {
    /// Training and validation images of `seed`.
    ///
    /// # Errors
    /// [`Failure::Data`] where there are fewer images than are to be held out.
    pub fn split(&self, seed: u64) -> Result<Split, Failure> {
        Ok(Split::new(
            &self.loaded.data.train,
            seed,
            self.plan.validation,
        )?)
    }

    /// Images that are left to train on.
    pub fn train_images(&self) -> usize {
        self.loaded
            .data
            .train
            .len()
            .saturating_sub(self.plan.validation)
    }
}

/// Where data sets are looked for. A folder that the user names must be there: it would be passed over without a word.
///
/// # Errors
/// [`Failure::Usage`] naming the folder and who named it.
pub fn places(folder: Option<&Path>) -> Result<Places, Failure> {
    let variable = std::env::var_os(DATA_DIR_VARIABLE).filter(|v| !v.is_empty());
    let named = [
        ("--data", folder.map(Path::to_path_buf)),
        (DATA_DIR_VARIABLE, variable.map(PathBuf::from)),
    ];
    for (who, path) in named {
        if let Some(path) = path.filter(|path| !path.is_dir()) {
            return Err(Failure::Usage(format!(
                "{who} names {}, which is not a folder. Name a folder of data sets, or leave it out.",
                path.display()
            )));
        }
    }
    Ok(Places::from_environment(folder))
}

/// Loads what `plan` asks for.
///
/// # Errors
/// [`Failure::Data`], or [`Failure::Usage`] as [`places`].
pub fn prepare(
    plan: &DataPlan,
    folder: Option<&Path>,
    progress: &Progress,
) -> Result<Prepared, Failure> {
    let places = places(folder)?;
    let request = Request {
        set: plan.set,
        download: true,
        fallback: plan.fallback,
    };
    let loaded = load(request, &places, &mut |event| progress.data(&event))?;
    let (normaliser, normalisation) = normalisation(plan.normalise, &loaded.data.train);
    Ok(Prepared {
        plan: plan.clone(),
        loaded,
        normalisation,
        normaliser,
    })
}

/// How `kind` makes floats of the bytes of images like those of `train`: in words, and as scale and shift, one pair or one a channel.
pub fn normalisation(kind: Normalisation, train: &Images) -> (Normaliser, Vec<(f32, f32)>) {
    let normaliser = Normaliser::of(kind, train);
    let channels = normaliser.channels().iter();
    let mut pairs: Vec<(f32, f32)> = channels.map(|a| (a.scale, a.shift)).collect();
    // One pair serves all channels where they are alike.
    pairs.dedup();
    (normaliser, pairs)
}
