//! A whole import: read, cut, lower, and hold the graph against the file.

use crate::cut::Cut;
use crate::error::{Error, Refusal};
use crate::lower::{Lowered, lower};
use crate::model::Model;
use crate::parity::{Expected, Parity};
use crate::summary::{Summary, summary};
use std::path::Path;

/// A model as a graph, with what there is to say about both.
#[derive(Clone, Debug)]
pub struct Import {
    /// What the file says of itself.
    pub summary: Summary,
    /// The graph.
    pub lowered: Lowered,
    /// How the graph agrees with the file.
    pub parity: Parity,
}

/// Imports the model at `path`, or a part of it.
///
/// # Errors
/// [`Error`].
pub fn import(path: &Path, cut: &Cut) -> Result<Import, Error> {
    let model = crate::read(path)?;
    of_model(model, cut).map_err(|refusal| Error::Refused {
        path: path.display().to_string(),
        refusal,
    })
}

fn of_model(model: Model, cut: &Cut) -> Result<Import, Refusal> {
    let alone = |why: String| {
        let mut refusal = Refusal::default();
        refusal.add_model(why);
        refusal
    };
    let model = cut.apply(model).map_err(alone)?;
    let summary = summary(&model);
    // Weights are given away to the graph, so the reference goes first; it says less of what is refused.
    let expected = match input_axes(&model) {
        Some(axes) => Expected::of(&model, &axes),
        None => Err("the model has no fixed input".to_owned()),
    };
    let lowered = lower(model)?;
    let wrong = |why: String| {
        alone(format!(
            "The graph could not be held against the file: {why}. This is a fault of the importer; please report it \
             with the model."
        ))
    };
    let parity = expected.and_then(|e| e.compare(&lowered)).map_err(wrong)?;
    if !parity.holds() {
        return Err(wrong(format!(
            "its outputs differ by {:.1e} where the largest is {:.1e}",
            parity.difference, parity.largest
        )));
    }
    Ok(Import {
        summary,
        lowered,
        parity,
    })
}

/// The axes of each input, for one sample.
fn input_axes(model: &Model) -> Option<Vec<Vec<usize>>> {
    let axes = model.inputs.iter().map(|&input| {
        let shape = model.values[input].shape.as_ref()?;
        let axes = shape.iter().enumerate().map(|(i, extent)| match i {
            0 if shape.len() > 1 => Some(1),
            _ => extent.fixed(),
        });
        let axes: Vec<usize> = axes.collect::<Option<_>>()?;
        crate::limits::elements(&axes, crate::limits::ACTIVATION)?;
        Some(axes)
    });
    axes.collect()
}
