//! Recipes, operations and fitted kernels as their files say them, and the model that is made of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::counts::Feature;
use super::operation::Operation;
use super::{CostModel, FitError, KernelCost, Provenance};
use crate::board::Core;
use crate::error::Error;
use crate::parse::Document;
use crate::source::{Source, Tag};
use crate::suggest;

/// Lists the core files of `configs/kernels` by name, each embedded at compile time.
macro_rules! models {
    ($($name:literal),* $(,)?) => {
        /// Name and text of every core's file.
        const MODELS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../../configs/kernels/", $name, ".toml")))),*
        ];
    };
}

models![
    "cortex-m0plus",
    "cortex-m3",
    "cortex-m4f",
    "cortex-m7",
    "cortex-m33",
    "esp32c3",
];

const RECIPES: Document<'_> = Document {
    file: "configs/kernels/recipes.toml",
    text: include_str!("../../../../configs/kernels/recipes.toml"),
};

/// One kernel in `recipes.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRecipe {
    what: String,
    per: BTreeMap<Feature, BTreeMap<Operation, f64>>,
}

/// One core's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawModel {
    core: Spanned<String>,
    operations: Spanned<BTreeMap<Operation, Spanned<RawOperation>>>,
    #[serde(default)]
    kernels: BTreeMap<Spanned<String>, RawKernel>,
    provenance: Option<Provenance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOperation {
    cycles: f64,
    source: Source,
}

/// Fitted coefficients, in cycles.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKernel {
    coefficients: Spanned<BTreeMap<Feature, f64>>,
    error: FitError,
    source: Source,
}

pub(super) fn embedded(name: &str) -> Result<CostModel, Error> {
    let found = MODELS.iter().find(|(known, _)| *known == name);
    let (name, text) = found.ok_or_else(|| {
        let names: Vec<_> = MODELS.iter().map(|(name, _)| *name).collect();
        Error::UnknownCore {
            name: name.to_owned(),
            hint: suggest::hint(name, names.iter().copied()),
            known: names.join(", "),
        }
    })?;
    parse(Document {
        file: &format!("configs/kernels/{name}.toml"),
        text,
    })
}

pub(super) fn load(path: &Path) -> Result<CostModel, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(Document {
        file: &path.display().to_string(),
        text: &text,
    })
}

fn parse(document: Document<'_>) -> Result<CostModel, Error> {
    let raw: RawModel = document.parse()?;
    let core = Core::from_name(raw.core.get_ref()).ok_or_else(|| {
        let names = || Core::all().iter().map(|info| info.name);
        let hint = suggest::hint(raw.core.get_ref(), names());
        let known = names().collect::<Vec<_>>().join(", ");
        let message = format!(
            "there is no core \"{}\".{hint} Known cores: {known}.",
            raw.core.get_ref()
        );
        document.at(raw.core.span(), message)
    })?;
    let cycles = operations(document, raw.operations)?;
    let recipes: BTreeMap<String, RawRecipe> = RECIPES.parse()?;
    let mut kernels: BTreeMap<_, _> = recipes
        .into_iter()
        .map(|(name, recipe)| (name, derive(&recipe, &cycles)))
        .collect();
    for (name, fitted) in raw.kernels {
        let span = name.span();
        let name = name.into_inner();
        if !kernels.contains_key(&name) {
            let hint = suggest::hint(&name, kernels.keys().map(String::as_str));
            let message =
                format!("there is no kernel \"{name}\".{hint} Add it to recipes.toml first.");
            return Err(document.at(span, message));
        }
        kernels.insert(name, fit(document, fitted)?);
    }
    Ok(CostModel {
        core,
        kernels,
        provenance: raw.provenance,
    })
}

/// Cycles of each operation, in the order of [`Operation`]; every one must be given.
fn operations(
    document: Document<'_>,
    raw: Spanned<BTreeMap<Operation, Spanned<RawOperation>>>,
) -> Result<[f64; Operation::ALL.len()], Error> {
    let span = raw.span();
    let mut table = raw.into_inner();
    let mut cycles = [0.0; Operation::ALL.len()];
    for operation in Operation::ALL {
        let given = table.remove(&operation).ok_or_else(|| {
            let message = format!("the operation {} has no cycles", operation.name());
            document.at(span.clone(), message)
        })?;
        let given = document.check(
            given,
            |given| given.cycles > 0.0 && given.cycles.is_finite(),
            |given| {
                format!(
                    "the cycles of {} ({}) must be above 0",
                    operation.name(),
                    given.source
                )
            },
        )?;
        cycles[operation as usize] = given.cycles;
    }
    Ok(cycles)
}

/// A kernel's coefficients as its recipe and the core's operations give them.
fn derive(recipe: &RawRecipe, cycles: &[f64; Operation::ALL.len()]) -> KernelCost {
    let mut coefficients = [None; Feature::COUNT];
    let mut text = format!(
        "uncalibrated, reasoned from the kernel's source: {}",
        recipe.what
    );
    for (feature, parts) in &recipe.per {
        let priced = parts
            .iter()
            .map(|(&operation, number)| number * cycles[operation as usize]);
        coefficients[*feature as usize] = Some(priced.sum());
        let words: Vec<_> = parts
            .iter()
            .map(|(operation, number)| format!("{number} {}", operation.name()))
            .collect();
        text.push_str(&format!("; {} = {}", feature.name(), words.join(" + ")));
    }
    KernelCost {
        coefficients,
        calibrated: false,
        source: Source {
            tag: Tag::Unverified,
            text,
        },
        error: None,
    }
}

/// A kernel's coefficients as they were fitted.
fn fit(document: Document<'_>, raw: RawKernel) -> Result<KernelCost, Error> {
    let table = document.check(
        raw.coefficients,
        |table| !table.is_empty() && table.values().all(|cycles| cycles.is_finite()),
        |_| "a fitted kernel has at least one coefficient, and each is a finite number".to_owned(),
    )?;
    let mut coefficients = [None; Feature::COUNT];
    for (feature, cycles) in table {
        coefficients[feature as usize] = Some(cycles);
    }
    Ok(KernelCost {
        coefficients,
        calibrated: true,
        source: raw.source,
        error: Some(raw.error),
    })
}
