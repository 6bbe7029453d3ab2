//! Where a figure comes from.
//!
//! No figure enters a table without saying so. A source is written as one string that begins with its tag, for example
//! `"[S] Nordic nRF52840 Product Specification, Current consumption"`.

use std::fmt;

/// How far a figure's source goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tag {
    /// `[S]`: read in the source that is named.
    Sourced,
    /// `[M]`: measured, or derived from measurements, as described.
    Measured,
    /// `[K]`: general knowledge, not verified.
    Unverified,
    /// `[fit]`: fitted to measurements; good within their range only.
    Fitted,
}

/// Every tag as it is written, in the order of [`Tag`].
const TAGS: [(&str, Tag); 4] = [
    ("[S]", Tag::Sourced),
    ("[M]", Tag::Measured),
    ("[K]", Tag::Unverified),
    ("[fit]", Tag::Fitted),
];

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = TAGS.iter().find(|(_, tag)| tag == self);
        f.write_str(written.map_or("", |(written, _)| written))
    }
}

/// A tag and the words that say where a figure was read, measured or derived.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Source {
    /// How far the source goes.
    pub tag: Tag,
    /// The source in words, without the tag; never empty.
    pub text: String,
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let found = TAGS.iter().find_map(|&(prefix, tag)| {
            let text = written.trim().strip_prefix(prefix)?.trim();
            (!text.is_empty()).then(|| Source {
                tag,
                text: text.to_owned(),
            })
        });
        found.ok_or_else(|| {
            "a source begins with [S] (read in the source named), [M] (measured), [K] (not verified) or [fit] (fitted), \
             and then says where the figure is from, for example \"[S] RM0090, section 3.5\""
                .to_owned()
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tag, self.text)
    }
}

/// A figure and its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Sourced<T> {
    /// The figure, in the unit that its field names.
    pub value: T,
    /// Where it is from.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_back_as_written() {
        for written in [
            "[S] RM0090",
            "[M] RAM against flash",
            "[K] common",
            "[fit] 12 shapes",
        ] {
            let source = Source::try_from(written.to_owned()).expect("well formed");
            assert_eq!(source.to_string(), written);
        }
    }

    #[test]
    fn a_source_without_tag_or_words_is_refused() {
        for written in ["", "RM0090", "[S]", "[S]  ", "[X] something"] {
            assert!(Source::try_from(written.to_owned()).is_err(), "{written:?}");
        }
    }
}
