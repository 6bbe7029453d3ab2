//! Reading TOML so that every complaint carries file, line and column.

use std::io::Read as _;
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::error::Error;
use crate::suggest;

/// Most bytes of a file that is read as TOML. Anything longer is something else, or has no end.
pub const MOST_BYTES: u64 = 1 << 20;

/// Reads a text file that is to be parsed, up to [`MOST_BYTES`].
///
/// # Errors
/// What the operating system says; [`std::io::ErrorKind::FileTooLarge`] beyond the limit, and
/// [`std::io::ErrorKind::InvalidData`] where it is no text.
pub fn read(path: &Path) -> std::io::Result<String> {
    use std::io::{Error, ErrorKind};
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        let why = "it is larger than 1 MiB, so it is not the TOML file that was meant";
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes)
        .map_err(|_| Error::new(ErrorKind::InvalidData, "it is not a text file"))
}

/// A file's name and text, to which complaints are pinned.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// What to call the file in an error: its path.
    pub file: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

impl Document<'_> {
    /// Parses the text.
    ///
    /// # Errors
    /// [`Error::Invalid`] at the offending line and column; for a misspelt key with the nearest allowed one.
    pub fn parse<T: DeserializeOwned>(self) -> Result<T, Error> {
        toml::from_str(self.text).map_err(|error| {
            let message = error.message().trim();
            let message = format!(
                "{}.{}",
                plain(message.trim_end_matches('.')),
                meant(message)
            );
            self.at(error.span().unwrap_or(0..0), message)
        })
    }

    /// An error about the bytes `span` of the text.
    pub fn at(self, span: Range<usize>, message: impl Into<String>) -> Error {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Error::Invalid {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into(),
        }
    }

    /// The value, if `holds` says so; otherwise the message, pinned to the value's place.
    pub fn check<T>(
        self,
        value: Spanned<T>,
        holds: impl FnOnce(&T) -> bool,
        message: impl FnOnce(&T) -> String,
    ) -> Result<T, Error> {
        if holds(value.get_ref()) {
            Ok(value.into_inner())
        } else {
            Err(self.at(value.span(), message(value.get_ref())))
        }
    }
}

/// What the parser says in words of Rust, and the same in words of TOML.
const PHRASES: [(&str, &str); 12] = [
    (
        "invalid type: unit variant, expected newtype variant",
        "this name needs a value: write { NAME = … }",
    ),
    (
        "invalid type: unit variant, expected struct variant",
        "this name needs a table: write { NAME = { … } }",
    ),
    (
        "wanted exactly 1 element, more than 1 element",
        "this table must have one key, and has several",
    ),
    (
        "wanted exactly 1 element, found 0 elements",
        "this table must have one key, and is empty",
    ),
    (
        "wanted string or table",
        "this must be a name, or a table with one key",
    ),
    ("floating point `", "number `"),
    ("integer `", "number `"),
    ("unknown field", "unknown key"),
    ("unknown variant", "unknown name"),
    ("invalid type: map", "invalid type: table"),
    ("invalid type: sequence", "invalid type: list"),
    ("invalid type: unit variant", "invalid type: name"),
];

/// The parser's message without the words of Rust.
fn plain(message: &str) -> String {
    if let Some(key) = message.strip_prefix("missing field ") {
        return format!("the key {key} is missing");
    }
    let mut text = message.to_owned();
    for (rust, words) in PHRASES {
        text = text.replace(rust, words);
    }
    let Some((before, expected)) = text.rsplit_once("expected ") else {
        return text;
    };
    let words = match expected {
        "u8" => "a whole number from 0 to 255".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" | "usize" => "a whole number from 0".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("enum ") => "a name".to_owned(),
        other => {
            let length = ["an array of length ", "a tuple of size "];
            let count = length.iter().find_map(|words| other.strip_prefix(words));
            count.map_or_else(|| other.to_owned(), |count| format!("a list of {count}"))
        }
    };
    format!("{before}expected {words}")
}

/// The hint for serde's "unknown field `x`, expected one of `a`, `b`" and "unknown variant …"; nothing for other messages.
fn meant(message: &str) -> String {
    if !message.starts_with("unknown ") {
        return String::new();
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    quoted
        .next()
        .map_or_else(String::new, |name| suggest::hint(name, quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        clock_hz: Spanned<u32>,
    }

    fn place(error: &Error) -> (usize, usize) {
        match error {
            Error::Invalid { line, column, .. } => (*line, *column),
            other => panic!("not about a place: {other}"),
        }
    }

    #[test]
    fn a_misspelt_key_is_placed_and_explained() {
        let document = Document {
            file: "b.toml",
            text: "# é\nclok_hz = 3\n",
        };
        let error = document.parse::<Sample>().expect_err("misspelt");
        assert_eq!(place(&error), (2, 1));
        let text = error.to_string();
        assert!(text.starts_with("b.toml:2:1: "), "{text}");
        assert!(text.contains("Did you mean \"clock_hz\"?"), "{text}");
    }

    #[test]
    fn a_wrong_type_and_a_wrong_value_are_placed() {
        let wrong_type = Document {
            file: "b",
            text: "\n  clock_hz = \"fast\"",
        };
        assert_eq!(
            place(&wrong_type.parse::<Sample>().expect_err("type")),
            (2, 14)
        );
        let zero = Document {
            file: "b",
            text: "clock_hz = 0",
        };
        let sample: Sample = zero.parse().expect("well formed");
        let error = zero
            .check(sample.clock_hz, |&hz| hz > 0, |hz| format!("{hz} Hz"))
            .expect_err("zero");
        assert_eq!(place(&error), (1, 12));
    }

    #[test]
    fn nobody_needs_to_know_rust() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "snake_case")]
        #[expect(dead_code, reason = "only its errors are looked at")]
        enum Choice {
            Plain,
            Value(u32),
            Table { x: f32 },
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only its errors are looked at")]
        struct All {
            number: Option<usize>,
            small: Option<u8>,
            real: Option<f32>,
            flag: Option<bool>,
            list: Option<Vec<u32>>,
            pair: Option<(f64, f64)>,
            choice: Option<Choice>,
            inner: Option<Sample>,
        }
        let said = |text: &str| {
            let document = Document { file: "b", text };
            document.parse::<All>().expect_err(text).to_string()
        };
        for (text, part) in [
            (
                "number = -1",
                "number `-1`, expected a whole number from 0.",
            ),
            ("number = 1.5", "number `1.5`, expected a whole number"),
            ("small = 300", "from 0 to 255"),
            ("real = 'x'", "expected a number"),
            ("flag = 1", "expected true or false"),
            ("list = 1", "expected a list"),
            ("list = { a = 1 }", "expected a list"),
            ("pair = 1", "expected a list of 2"),
            ("choice = 'value'", "write { NAME = … }"),
            ("choice = 'table'", "write { NAME = { … } }"),
            ("choice = 'plan'", "unknown name `plan`"),
            ("choice = {}", "must have one key, and is empty"),
            (
                "choice = { value = 1, plain = {} }",
                "must have one key, and has several",
            ),
            ("choice = 3", "must be a name"),
            ("inner = 3", "expected a table"),
            ("inner = {}", "the key `clock_hz` is missing"),
            ("outer = 3", "unknown key `outer`"),
        ] {
            let said = said(text);
            assert!(said.contains(part), "{text}: {said}");
            for word in [
                "usize", "u32", "f32", "f64", "struct", "variant", "enum", "tuple", "sequence",
                "field", "map,",
            ] {
                assert!(!said.contains(word), "{text}: {said}");
            }
        }
        assert!(
            Document {
                file: "b",
                text: "choice = { table = { x = 1.0 } }"
            }
            .parse::<All>()
            .is_ok()
        );
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end() {
        let document = Document {
            file: "b",
            text: "a\nb",
        };
        assert_eq!(place(&document.at(99..100, "x")), (2, 2));
    }
}
