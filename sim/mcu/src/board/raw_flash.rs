//! The flash of a profile as its file says it, and the checks that make a [`Flash`] of it.

use serde::Deserialize;
use toml::Spanned;

use super::memory::{Cache, Flash, FlashControl, FlashTiming, Stall, Uf2};
use super::raw::positive;
use crate::error::Error;
use crate::parse::Document;
use crate::source::Source;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFlash {
    base: u32,
    bytes: Spanned<u32>,
    source: Source,
    timing: Option<Spanned<FlashTiming>>,
    instruction_cache: Option<Spanned<Cache>>,
    data_cache: Option<Spanned<Cache>>,
    stall: Option<Spanned<Stall>>,
    #[serde(default)]
    control: Vec<Spanned<FlashControl>>,
    uf2: Option<Spanned<Uf2>>,
}

impl RawFlash {
    /// Checks what the file says.
    ///
    /// # Errors
    /// [`Error::Invalid`] with line and column for what cannot be.
    pub fn resolve(self, document: Document<'_>) -> Result<Flash, Error> {
        let raw = self;
        let cache = |cache: Option<Spanned<Cache>>| {
            cache
                .map(|cache| resolve_cache(document, cache))
                .transpose()
        };
        let (instruction_cache, data_cache) = (raw.instruction_cache, raw.data_cache);
        if let Some(data_cache) = &data_cache {
            let serves_data = |cache: &Option<Spanned<Cache>>| {
                cache.as_ref().is_some_and(|c| c.get_ref().unified)
            };
            if data_cache.get_ref().unified || serves_data(&instruction_cache) {
                let message =
                    "a unified cache is the instruction_cache of a board without a data_cache";
                return Err(document.at(data_cache.span(), message.to_owned()));
            }
        }
        Ok(Flash {
            base: raw.base,
            bytes: positive(document, raw.bytes, "bytes")?,
            source: raw.source,
            timing: raw
                .timing
                .map(|timing| {
                    document.check(
                        timing,
                        |timing| timing.line_bytes > 0,
                        |_| "line_bytes must be above 0".to_owned(),
                    )
                })
                .transpose()?,
            instruction_cache: cache(instruction_cache)?,
            data_cache: cache(data_cache)?,
            stall: raw
                .stall
                .map(|stall| {
                    document.check(
                        stall,
                        |stall| {
                            stall.line_bytes > 0 && stall.cycles >= 0.0 && stall.cycles.is_finite()
                        },
                        |_| "cycles must be 0 or more, and line_bytes above 0".to_owned(),
                    )
                })
                .transpose()?,
            control: raw
                .control
                .into_iter()
                .map(|control| resolve_control(document, control))
                .collect::<Result<_, _>>()?,
            uf2: raw
                .uf2
                .map(|uf2| {
                    document.check(
                        uf2,
                        |uf2| !uf2.families.is_empty(),
                        |_| "uf2 names at least one family".to_owned(),
                    )
                })
                .transpose()?,
        })
    }
}

fn resolve_control(
    document: Document<'_>,
    control: Spanned<FlashControl>,
) -> Result<FlashControl, Error> {
    let bits = |c: &FlashControl| c.wait_states | c.prefetch | c.instruction_cache | c.data_cache;
    document.check(
        control,
        |c| {
            c.register % 4 == 0
                && (c.wait_states == 0 || c.wait_states & 1 == 1)
                && c.cycles > 0
                && bits(c) != 0
        },
        |_| {
            "register is a word's address, the lowest bit of wait_states is bit 0, cycles is above 0, and some bits are given"
                .to_owned()
        },
    )
}

fn resolve_cache(document: Document<'_>, cache: Spanned<Cache>) -> Result<Cache, Error> {
    let span = cache.span();
    let cache = document.check(
        cache,
        |cache| {
            let lines = cache.bytes.checked_div(cache.line_bytes).unwrap_or(0);
            lines > 0
                && lines * cache.line_bytes == cache.bytes
                && cache.ways > 0
                && lines % cache.ways == 0
        },
        |cache| {
            format!(
                "a cache's bytes are ways × sets × line_bytes, which {} bytes of {}-byte lines in {} ways are not",
                cache.bytes, cache.line_bytes, cache.ways
            )
        },
    )?;
    if let Some(fill) = cache.fill_bytes
        && (fill < 4 || !fill.is_power_of_two() || cache.line_bytes % fill != 0)
    {
        let message = format!(
            "fill_bytes is a power of two from 4 on that divides line_bytes, which {fill} is not"
        );
        return Err(document.at(span, message));
    }
    Ok(cache)
}
