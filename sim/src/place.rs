//! Places in a program as people type them: addresses, or names in its image.

use crate::failure::Failure;
use sim_emulator::{Emulator, FlashSetting, Symbol, SymbolKind};
use std::path::PathBuf;

/// Names that are offered where one is not found.
const OFFERED: usize = 5;
/// More wait states than any flash has.
const MOST_WAIT_STATES: u32 = 255;
/// Bytes that are shown of a memory at most.
const LONGEST: u32 = 1 << 24;

/// A place in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// By its address.
    Address(u32),
    /// By a name in the image.
    Name(String),
}

/// Memory to show: where, and how many bytes; as many as a variable has where that is not said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    place: Place,
    bytes: Option<u32>,
}

/// A place, or a number as a function's argument is one.
pub fn place(text: &str) -> Result<Place, String> {
    let text = text.trim();
    match text.bytes().next() {
        Some(b'0'..=b'9' | b'-') => word(text).map(Place::Address),
        Some(_) => Ok(Place::Name(text.to_owned())),
        None => Err("neither an address nor a name".to_owned()),
    }
}

/// An address.
pub fn address(text: &str) -> Result<u32, String> {
    let text = text.trim();
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed
        .map_err(|_| format!("`{text}` is no 32-bit number; write it as 0x20000000 or in decimal"))
}

/// The bits of a number, which may be negative.
fn word(text: &str) -> Result<u32, String> {
    let text = text.trim();
    match text.parse::<i32>() {
        Ok(number) => Ok(number as u32),
        Err(_) => address(text),
    }
}

/// An address and the word there.
pub fn register(text: &str) -> Result<(u32, u32), String> {
    let (at, value) = assignment(text, "ADDR")?;
    Ok((address(at)?, value))
}

/// An address and the file of what lies there.
pub fn rom(text: &str) -> Result<(u32, PathBuf), String> {
    let (at, file) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form ADDR=FILE"))?;
    Ok((address(at)?, PathBuf::from(file)))
}

/// A place and the word there.
pub fn variable(text: &str) -> Result<(Place, u32), String> {
    let (at, value) = assignment(text, "PLACE")?;
    Ok((place(at)?, value))
}

fn assignment<'a>(text: &'a str, what: &str) -> Result<(&'a str, u32), String> {
    let (at, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not of the form {what}=VALUE"))?;
    Ok((at, word(value)?))
}

/// A function and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: Place,
    /// What it is given.
    pub arguments: Vec<Place>,
}

/// A function, and its arguments behind commas.
pub fn call(text: &str) -> Result<Call, String> {
    let mut places = text.split(',').map(place);
    let function = places
        .next()
        .unwrap_or_else(|| Err("no function is named".to_owned()))?;
    Ok(Call {
        function,
        arguments: places.collect::<Result<_, _>>()?,
    })
}

/// An address, and perhaps a file.
pub fn uart(text: &str) -> Result<(u32, Option<PathBuf>), String> {
    match text.split_once('=') {
        Some((_, "")) => Err("a file is to follow the =".to_owned()),
        Some((at, file)) => Ok((address(at)?, Some(PathBuf::from(file)))),
        None => Ok((address(text)?, None)),
    }
}

/// How flash is read.
pub fn flash(text: &str) -> Result<FlashSetting, String> {
    let mut setting = FlashSetting::default();
    for part in text.split(',') {
        let (key, value) = part
            .split_once('=')
            .ok_or_else(|| format!("`{part}` is not of the form KEY=VALUE"))?;
        let on = match value.trim() {
            "on" => Ok(Some(true)),
            "off" => Ok(Some(false)),
            other => Err(format!("{} is on or off, not `{other}`", key.trim())),
        };
        match key.trim() {
            "wait-states" => match value.trim().parse::<u32>() {
                Ok(number @ 0..=MOST_WAIT_STATES) => setting.wait_states = Some(number),
                _ => {
                    return Err(format!(
                        "wait-states is a number from 0 to {MOST_WAIT_STATES}"
                    ));
                }
            },
            "line-bytes" => match value.trim().parse::<u32>() {
                Ok(bytes @ (4 | 8 | 16 | 32)) => setting.line_bytes = Some(bytes),
                _ => return Err("line-bytes is 4, 8, 16 or 32".to_owned()),
            },
            "prefetch" => setting.prefetch = on?,
            "instruction-cache" => setting.instruction_cache = on?,
            "data-cache" => setting.data_cache = on?,
            "caches" => {
                setting.instruction_cache = on?;
                setting.data_cache = setting.instruction_cache;
            }
            other => {
                return Err(format!(
                    "there is no `{other}`: wait-states, line-bytes, prefetch, caches, instruction-cache, data-cache"
                ));
            }
        }
    }
    Ok(setting)
}

/// Addresses: the first, and how many.
pub fn space(text: &str) -> Result<(u32, u32), String> {
    let (base, bytes) = text
        .split_once(',')
        .ok_or_else(|| format!("`{text}` is not of the form ADDR,BYTES"))?;
    Ok((address(base)?, address(bytes)?))
}

/// A place, and perhaps a number of bytes.
pub fn range(text: &str) -> Result<MemoryRange, String> {
    let (at, bytes) = match text.split_once(',') {
        Some((at, bytes)) => (at, Some(address(bytes)?)),
        None => (text, None),
    };
    if bytes.is_some_and(|bytes| !(1..=LONGEST).contains(&bytes)) {
        return Err(format!("from 1 to {LONGEST} bytes can be shown"));
    }
    Ok(MemoryRange {
        place: place(at)?,
        bytes,
    })
}

impl Place {
    /// Its address, without the bit that says Thumb.
    ///
    /// # Errors
    /// [`Failure::Usage`] with similar names where there is none like it.
    pub fn address(&self, emulator: &Emulator) -> Result<u32, Failure> {
        match self {
            Place::Address(address) => Ok(*address),
            Place::Name(name) => named(emulator, name).map(|symbol| symbol.address),
        }
    }

    /// As [`Place::address`], of code.
    ///
    /// # Errors
    /// [`Failure::Usage`], also where the board has no memory for code.
    pub fn code(&self, emulator: &Emulator) -> Result<u32, Failure> {
        let address = self.address(emulator)? & !1;
        if emulator.instruction_at(address).is_none() {
            return Err(Failure::Usage(format!(
                "There is no code at {address:#010x}: the board has neither flash nor RAM there."
            )));
        }
        Ok(address)
    }

    /// What a function is given for it: a number as it is, the address of a variable, a pointer to a function.
    ///
    /// # Errors
    /// As [`Place::address`].
    pub fn argument(&self, emulator: &Emulator) -> Result<u32, Failure> {
        match self {
            Place::Address(number) => Ok(*number),
            Place::Name(name) => named(emulator, name)
                .map(|symbol| symbol.address | u32::from(symbol.kind == SymbolKind::Function)),
        }
    }
}

impl MemoryRange {
    /// Its address, and what it holds now.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is no such place, or not so much memory.
    pub fn read(&self, emulator: &Emulator) -> Result<(u32, Vec<u8>), Failure> {
        let address = self.place.address(emulator)?;
        let of_variable = match &self.place {
            Place::Name(name) => named(emulator, name)?.size.min(LONGEST),
            Place::Address(_) => 0,
        };
        let bytes = self
            .bytes
            .unwrap_or(if of_variable > 0 { of_variable } else { 4 });
        if let Some(register) = emulator.flash_register(address).filter(|_| bytes <= 4) {
            return Ok((address, register.to_le_bytes()[..bytes as usize].to_vec()));
        }
        let mut held = vec![0; bytes as usize];
        emulator.read(address, &mut held).map_err(|_| {
            Failure::Usage(format!(
                "The board has no memory for {bytes} bytes at {address:#010x}."
            ))
        })?;
        Ok((address, held))
    }
}

fn named<'a>(emulator: &'a Emulator, name: &str) -> Result<&'a Symbol, Failure> {
    let symbols = emulator.image().map(|image| &image.symbols);
    if let Some(symbol) = symbols.and_then(|symbols| symbols.named(name)) {
        return Ok(symbol);
    }
    let all = symbols.map_or(&[][..], |symbols| symbols.all());
    if all.is_empty() {
        return Err(Failure::Usage(format!(
            "The image has no names, so {name} has to be given as an address."
        )));
    }
    let near: Vec<&str> = all
        .iter()
        .map(|symbol| symbol.name.as_str())
        .filter(|other| other.contains(name))
        .take(OFFERED)
        .collect();
    Err(Failure::Usage(if near.is_empty() {
        format!("There is no {name} in the image.")
    } else {
        format!(
            "There is no {name} in the image. There is: {}.",
            near.join(", ")
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_negative_and_names_anything_else() {
        assert_eq!(place("-1"), Ok(Place::Address(u32::MAX)));
        assert_eq!(place(" 0x10"), Ok(Place::Address(16)));
        assert_eq!(place("4294967295"), Ok(Place::Address(u32::MAX)));
        assert_eq!(place("main"), Ok(Place::Name("main".to_owned())));
        for wrong in ["", " ", "1x", "0x1_0", "-3000000000", "4294967296", "-"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            variable("count=-2"),
            Ok((Place::Name("count".to_owned()), u32::MAX - 1))
        );
        for wrong in ["count", "=1", "count=", "count=many"] {
            assert!(variable(wrong).is_err(), "{wrong}");
        }
        for wrong in ["main,0", "main,", ",4", "main,0x10000001"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
        let called = call("main,-1,table").expect("a call");
        assert_eq!(called.function, Place::Name("main".to_owned()));
        assert_eq!(called.arguments.len(), 2);
        for wrong in ["", ",1", "main,", "main,1x"] {
            assert!(call(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "x", "0x10=", "=file"] {
            assert!(uart(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn how_flash_is_read_is_said_by_key() {
        let said = flash("wait-states=5,line-bytes=16, prefetch=on,caches=off,data-cache=on")
            .expect("settings");
        let expected = FlashSetting {
            wait_states: Some(5),
            line_bytes: Some(16),
            prefetch: Some(true),
            instruction_cache: Some(false),
            data_cache: Some(true),
        };
        assert_eq!(said, expected);
        for wrong in [
            "",
            "5",
            "wait-states=",
            "wait-states=-1",
            "wait-states=256",
            "caches=maybe",
            "line=8",
            "line-bytes=12",
            "prefetch=on,",
        ] {
            assert!(flash(wrong).is_err(), "{wrong}");
        }
    }
}
