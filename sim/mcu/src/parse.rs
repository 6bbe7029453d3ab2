//! Reading TOML so that every complaint carries file, line and column.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::error::Error;
use crate::suggest;

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
            let message = format!("{}.{}", message.trim_end_matches('.'), meant(message));
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
    fn a_place_beyond_the_text_is_its_end() {
        let document = Document {
            file: "b",
            text: "a\nb",
        };
        assert_eq!(place(&document.at(99..100, "x")), (2, 2));
    }
}
