//! A profile as its file says it, and the checks that make a [`Board`] of it.

use serde::de::{self, IntoDeserializer};
use serde::{Deserialize, Deserializer};
use std::marker::PhantomData;
use std::ops::Range;
use toml::Spanned;

use super::core::Core;
use super::memory::{Bank, BankKind, Flash};
use super::power::{Load, Power};
use super::raw_flash::RawFlash;
use super::{Board, Runtime, runtime};
use crate::error::Error;
use crate::parse::Document;
use crate::source::{Source, Sourced, Tag};
use crate::suggest;

/// A value and its source, as `{ value = …, source = "[S] …" }`; or the value alone, on a board whose figures nobody else
/// needs to check.
struct RawFigure<T> {
    value: Spanned<T>,
    source: Source,
}

/// What stands for the source of a value that is given alone.
fn unsourced() -> Source {
    Source {
        tag: Tag::Unverified,
        text: "given in the board file without a source".to_owned(),
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for RawFigure<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Spanned::<Written<T>>::deserialize(deserializer)?;
        let span = written.span();
        Ok(match written.into_inner() {
            Written::Table(WithSource { value, source }) => Self { value, source },
            Written::Alone(value) => Self {
                value: Spanned::new(span, value),
                source: unsourced(),
            },
        })
    }
}

/// A figure as it is written.
enum Written<T> {
    Table(WithSource<T>),
    Alone(T),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WithSource<T> {
    value: Spanned<T>,
    source: Source,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Written<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a figure, or a table with `value` and `source`")
            }
            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(Written::Alone)
            }
            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(Written::Alone)
            }
            fn visit_str<E: de::Error>(self, value: &str) -> Result<Self::Value, E> {
                T::deserialize(value.into_deserializer()).map(Written::Alone)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::SeqAccessDeserializer::new(list)).map(Written::Alone)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<Self::Value, A::Error> {
                WithSource::deserialize(de::value::MapAccessDeserializer::new(table))
                    .map(Written::Table)
            }
        }
        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBoard {
    name: Spanned<String>,
    title: String,
    core: RawFigure<String>,
    clock_hz: RawFigure<u64>,
    supply_volts: Option<RawFigure<(f64, f64)>>,
    probe_chip: Option<RawFigure<String>>,
    ram: Spanned<Vec<RawBank>>,
    flash: Spanned<RawFlash>,
    #[serde(default)]
    runtime: Option<Runtime>,
    #[serde(default)]
    power: Vec<RawPower>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBank {
    name: String,
    base: Spanned<u32>,
    bytes: Spanned<u32>,
    #[serde(default = "sram")]
    kind: BankKind,
    source: Source,
}

fn sram() -> BankKind {
    BankKind::Sram
}

/// One figure, or lowest and highest.
#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum RawRange {
    One(f64),
    Two(f64, f64),
}

impl RawRange {
    fn bounds(self) -> (f64, f64) {
        match self {
            Self::One(figure) => (figure, figure),
            Self::Two(low, high) => (low, high),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPower {
    mode: Spanned<String>,
    volts: Spanned<f64>,
    clock_hz: Option<Spanned<u64>>,
    milliwatts: Option<Spanned<RawRange>>,
    milliamps: Option<Spanned<RawRange>>,
    microamps_per_mhz: Option<Spanned<RawRange>>,
    load: Load,
    source: Source,
}

/// Reads a profile.
///
/// # Errors
/// [`Error::Invalid`] with line and column for anything that is misspelt, of the wrong type or impossible.
pub(super) fn parse(document: Document<'_>) -> Result<Board, Error> {
    resolve(document, document.parse()?)
}

fn resolve(document: Document<'_>, raw: RawBoard) -> Result<Board, Error> {
    let clock_hz = positive(document, raw.clock_hz.value, "clock_hz")?;
    let mut power = Vec::with_capacity(raw.power.len());
    for row in raw.power {
        let mode_span = row.mode.span();
        let row = resolve_power(document, row, clock_hz)?;
        if power.iter().any(|other: &Power| other.mode == row.mode) {
            let message = format!(
                "the mode \"{}\" occurs twice; give each power row its own",
                row.mode
            );
            return Err(document.at(mode_span, message));
        }
        power.push(row);
    }
    let core = resolve_core(document, raw.core)?;
    let ram = resolve_ram(document, raw.ram)?;
    let flash_span = raw.flash.span();
    let flash = raw.flash.into_inner().resolve(document)?;
    apart(document, &flash, flash_span, &ram)?;
    let runs_on = core.value;
    Ok(Board {
        name: document.check(
            raw.name,
            |name| is_name(name),
            |name| {
                format!("\"{name}\" is not a board's name: use lower-case letters, digits and _")
            },
        )?,
        title: raw.title,
        core,
        clock_hz: Sourced {
            value: clock_hz,
            source: raw.clock_hz.source,
        },
        supply_volts: raw
            .supply_volts
            .map(|figure| resolve_volts(document, figure))
            .transpose()?,
        probe_chip: raw.probe_chip.map(|chip| Sourced {
            value: chip.value.into_inner(),
            source: chip.source,
        }),
        ram,
        flash,
        runtime: match raw.runtime {
            Some(runtime) => runtime,
            None => runtime::of(runs_on)?,
        },
        power,
        notes: raw.notes,
    })
}

fn resolve_volts(
    document: Document<'_>,
    raw: RawFigure<(f64, f64)>,
) -> Result<Sourced<(f64, f64)>, Error> {
    let value = document.check(
        raw.value,
        |&(low, high)| low > 0.0 && low <= high && high.is_finite(),
        |(low, high)| {
            format!("supply_volts is [lowest, highest], both above 0, not [{low}, {high}]")
        },
    )?;
    let source = raw.source;
    Ok(Sourced { value, source })
}

/// Refuses flash that lies where RAM does.
fn apart(
    document: Document<'_>,
    flash: &Flash,
    span: Range<usize>,
    ram: &[Bank],
) -> Result<(), Error> {
    let end = |base: u32, bytes: u32| u64::from(base) + u64::from(bytes);
    let overlaps = |bank: &&Bank| {
        u64::from(bank.base) < end(flash.base, flash.bytes)
            && u64::from(flash.base) < end(bank.base, bank.bytes)
    };
    match ram.iter().find(overlaps) {
        None => Ok(()),
        Some(bank) => {
            let message = format!(
                "flash ({:#x}, {} bytes) lies over the RAM bank {} ({:#x}, {} bytes)",
                flash.base, flash.bytes, bank.name, bank.base, bank.bytes
            );
            Err(document.at(span, message))
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

pub(super) fn positive<T: Copy + Default + PartialOrd + std::fmt::Display>(
    document: Document<'_>,
    value: Spanned<T>,
    key: &str,
) -> Result<T, Error> {
    document.check(
        value,
        |&value| value > T::default(),
        |value| format!("{key} must be above 0, not {value}"),
    )
}

fn resolve_core(document: Document<'_>, raw: RawFigure<String>) -> Result<Sourced<Core>, Error> {
    let span = raw.value.span();
    let name = raw.value.into_inner();
    let names = || Core::all().iter().map(|info| info.name);
    let value = Core::from_name(&name).ok_or_else(|| {
        let known: Vec<_> = names().collect();
        let hint = suggest::hint(&name, names());
        let message = format!(
            "there is no core \"{name}\".{hint} Known cores: {}.",
            known.join(", ")
        );
        document.at(span, message)
    })?;
    Ok(Sourced {
        value,
        source: raw.source,
    })
}

fn resolve_ram(document: Document<'_>, raw: Spanned<Vec<RawBank>>) -> Result<Vec<Bank>, Error> {
    let raw = document.check(
        raw,
        |banks| !banks.is_empty(),
        |_| "a board needs at least one [[ram]] bank".to_owned(),
    )?;
    let mut placed = Vec::with_capacity(raw.len());
    for bank in raw {
        let span = bank.base.span();
        let resolved = Bank {
            name: bank.name,
            base: bank.base.into_inner(),
            bytes: positive(document, bank.bytes, "bytes")?,
            kind: bank.kind,
            source: bank.source,
        };
        if u64::from(resolved.base) + u64::from(resolved.bytes) > 1 << 32 {
            let message = format!(
                "the bank {} ends beyond the 32-bit address space",
                resolved.name
            );
            return Err(document.at(span, message));
        }
        placed.push((resolved, span));
    }
    placed.sort_by_key(|(bank, _)| bank.base);
    for pair in placed.windows(2) {
        let [(lower, _), (upper, span)] = pair else {
            continue;
        };
        if u64::from(lower.base) + u64::from(lower.bytes) > u64::from(upper.base) {
            let message = format!(
                "the bank {} begins inside the bank {}; an alias of the same memory must not be listed",
                upper.name, lower.name
            );
            return Err(document.at(span.clone(), message));
        }
    }
    Ok(placed.into_iter().map(|(bank, _)| bank).collect())
}

fn resolve_power(document: Document<'_>, raw: RawPower, board_hz: u64) -> Result<Power, Error> {
    let mode_span = raw.mode.span();
    let volts = positive(document, raw.volts, "volts")?;
    let clock_hz = match raw.clock_hz {
        Some(hz) => positive(document, hz, "clock_hz")?,
        None => board_hz,
    };
    // Each way of writing the figure, with the factor that makes milliwatts of it.
    let ways = [
        (raw.milliwatts, 1.0),
        (raw.milliamps, volts),
        (raw.microamps_per_mhz, volts * clock_hz as f64 / 1e9),
    ];
    let mut given = ways
        .into_iter()
        .filter_map(|(figure, factor)| Some((figure?, factor)));
    let (Some((figure, factor)), None) = (given.next(), given.next()) else {
        let message =
            "a power row gives exactly one of milliwatts, milliamps and microamps_per_mhz";
        return Err(document.at(mode_span, message));
    };
    let (low, high) = document
        .check(
            figure,
            |range| {
                let (low, high) = range.bounds();
                low > 0.0 && low <= high && high.is_finite()
            },
            |_| "a figure is above 0, or [lowest, highest], both above 0".to_owned(),
        )?
        .bounds();
    Ok(Power {
        mode: raw.mode.into_inner(),
        volts,
        clock_hz,
        low_milliwatts: low * factor,
        high_milliwatts: high * factor,
        load: raw.load,
        source: raw.source,
    })
}
