//! Cost tables as their files say them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{CostModel, Footprint, Provenance, Table};
use crate::board::Core;
use crate::error::Error;
use crate::parse::Document;
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

/// One core's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// The core's name.
    pub core: Spanned<String>,
    /// What the tables were fitted to.
    pub provenance: Provenance,
    /// What the firmware takes for itself.
    pub footprint: Option<Footprint>,
    /// Costs with memory that never stalls.
    pub bare: Table,
    /// Costs by board.
    #[serde(default)]
    pub boards: BTreeMap<String, Table>,
}

impl RawModel {
    /// The file's text, which [`CostModel::load`] reads.
    #[must_use]
    pub fn text(&self) -> String {
        // Plain tables of strings and numbers always have a text.
        toml::to_string(self).unwrap_or_default()
    }
}

/// The built-in models that were asked for, each parsed once.
static PARSED: [OnceLock<CostModel>; MODELS.len()] = [const { OnceLock::new() }; MODELS.len()];

pub(super) fn embedded(name: &str) -> Result<CostModel, Error> {
    let found = MODELS.iter().position(|(known, _)| *known == name);
    let place = found.ok_or_else(|| {
        let names: Vec<_> = MODELS.iter().map(|(name, _)| *name).collect();
        Error::UnknownCore {
            name: name.to_owned(),
            hint: suggest::hint(name, names.iter().copied()),
            known: names.join(", "),
        }
    })?;
    if let Some(parsed) = PARSED[place].get() {
        return Ok(parsed.clone());
    }
    let (name, text) = MODELS[place];
    let model = parse(Document {
        file: &format!("configs/kernels/{name}.toml"),
        text,
    })?;
    Ok(PARSED[place].get_or_init(|| model).clone())
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
    for table in std::iter::once(&raw.bare).chain(raw.boards.values()) {
        for (name, kernel) in table.kernels.iter().chain(&table.flash) {
            if !kernel.cycles.values().all(|cycles| cycles.is_finite()) {
                let message = format!("the cycles of {name} must be finite numbers");
                return Err(document.at(raw.core.span(), message));
            }
        }
    }
    Ok(CostModel {
        core,
        provenance: raw.provenance,
        footprint: raw.footprint,
        bare: raw.bare,
        boards: raw.boards,
    })
}
