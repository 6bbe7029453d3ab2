//! Names of addresses.

use std::sync::Arc;

/// Functions that may lie in one another, as entry points within a function do.
const NESTED: usize = 16;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A place in code that nobody calls a function, as assembler has it.
    Label,
    /// A variable, or what a linker script defines.
    Other,
}

/// A named address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name, demangled as far as that is simple.
    pub name: String,
    /// The address, without the Thumb bit.
    pub address: u32,
    /// Bytes, 0 where the file does not say; of a label, those to the end of its section.
    pub size: u32,
    /// What it is.
    pub kind: SymbolKind,
}

/// Code of one name, up to the next span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    /// First address.
    pub start: u32,
    /// Bytes, as far as addresses go.
    pub length: u32,
    /// Place of its symbol among all; none where nothing is known.
    symbol: Option<usize>,
}

/// The symbols of an image, by address. Copies share them.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    sorted: Arc<[Symbol]>,
    spans: Arc<[Span]>,
}

impl Symbols {
    /// Sorts symbols by address.
    #[must_use]
    pub fn new(mut symbols: Vec<Symbol>) -> Self {
        symbols.sort_by(|a, b| (a.address, b.size, &a.name).cmp(&(b.address, a.size, &b.name)));
        Symbols {
            spans: spans(&symbols).into(),
            sorted: symbols.into(),
        }
    }

    /// All symbols, by address.
    #[must_use]
    pub fn all(&self) -> &[Symbol] {
        &self.sorted
    }

    /// The function that contains an address: within its size, or the nearest before it without one; where
    /// there is none, the label before it in its section.
    #[must_use]
    pub fn at(&self, address: u32) -> Option<&Symbol> {
        self.symbol(self.span(address))
    }

    /// The symbol of a name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Symbol> {
        self.sorted.iter().find(|s| s.name == name)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// The code of one name, or of none, that an address belongs to.
    pub(crate) fn span(&self, address: u32) -> Span {
        let behind = self.spans.partition_point(|span| span.start <= address);
        match behind.checked_sub(1) {
            Some(i) => self.spans[i],
            // Before the first, or where there are none.
            None => Span {
                start: 0,
                length: self.spans.first().map_or(u32::MAX, |span| span.start),
                symbol: None,
            },
        }
    }

    /// Whose code a span is.
    pub(crate) fn symbol(&self, span: Span) -> Option<&Symbol> {
        span.symbol.map(|i| &self.sorted[i])
    }
}

/// Where the name of code changes, in sorted symbols.
fn spans(sorted: &[Symbol]) -> Vec<Span> {
    let of_kind = |kind: SymbolKind| -> Vec<usize> {
        (0..sorted.len())
            .filter(|&i| sorted[i].kind == kind)
            .collect()
    };
    let (functions, labels) = (of_kind(SymbolKind::Function), of_kind(SymbolKind::Label));
    let ends = |&i: &usize| {
        [
            sorted[i].address,
            sorted[i].address.saturating_add(sorted[i].size),
        ]
    };
    let mut boundaries: Vec<u32> = functions.iter().chain(&labels).flat_map(ends).collect();
    boundaries.sort_unstable();
    boundaries.dedup();
    // The last few of these that begin at or before an address.
    let before = |those: &'_ [usize], address: u32| -> Vec<usize> {
        let behind = those.partition_point(|&i| sorted[i].address <= address);
        those[..behind].iter().rev().take(NESTED).copied().collect()
    };
    let owner = |address: u32| {
        let holds =
            |&i: &usize| sorted[i].size == 0 || address - sorted[i].address < sorted[i].size;
        let function = before(&functions, address).into_iter().find(holds);
        function.or_else(|| before(&labels, address).into_iter().find(holds))
    };
    let mut spans: Vec<Span> = Vec::new();
    for start in boundaries {
        let symbol = owner(start);
        if spans.last().is_none_or(|last| last.symbol != symbol) {
            if let Some(last) = spans.last_mut() {
                last.length = start - last.start;
            }
            spans.push(Span {
                start,
                length: u32::MAX - start,
                symbol,
            });
        }
    }
    spans
}

/// The path of a mangled Rust symbol without its hash; other names as they are.
pub(crate) fn demangle(name: &str) -> String {
    legacy_path(name).unwrap_or_else(|| name.to_owned())
}

/// The path of `_ZN…E`, the mangling of Rust's legacy scheme and of nested C++ names without arguments.
fn legacy_path(name: &str) -> Option<String> {
    let mut rest = name.strip_prefix("_ZN")?;
    let mut parts: Vec<String> = Vec::new();
    while !rest.starts_with('E') {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let length: usize = rest.get(..digits)?.parse().ok()?;
        let part = rest.get(digits..digits.checked_add(length)?)?;
        parts.push(unescape(part));
        rest = rest.get(digits + length..)?;
    }
    let hash = |p: &String| {
        p.len() == 17 && p.starts_with('h') && p[1..].bytes().all(|b| b.is_ascii_hexdigit())
    };
    if parts.last().is_some_and(hash) {
        parts.pop();
    }
    (!parts.is_empty()).then(|| parts.join("::"))
}

/// Rust writes punctuation of paths as `$..$`.
fn unescape(part: &str) -> String {
    const ESCAPES: &[(&str, &str)] = &[
        ("$LT$", "<"),
        ("$GT$", ">"),
        ("$RF$", "&"),
        ("$BP$", "*"),
        ("$u20$", " "),
        ("$u27$", "'"),
        ("$u5b$", "["),
        ("$u5d$", "]"),
        ("$u7b$", "{"),
        ("$u7d$", "}"),
        ("$LP$", "("),
        ("$RP$", ")"),
        ("$C$", ","),
        ("..", "::"),
    ];
    let part = part
        .strip_prefix("_$")
        .map_or_else(|| part.to_owned(), |rest| format!("${rest}"));
    ESCAPES
        .iter()
        .fold(part, |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_of_an_address() {
        let symbol = |name: &str, address, size| Symbol {
            name: name.to_owned(),
            address,
            size,
            kind: SymbolKind::Function,
        };
        let symbols = Symbols::new(vec![symbol("b", 0x20, 8), symbol("a", 0x10, 8)]);
        assert_eq!(symbols.at(0x12).unwrap().name, "a");
        assert_eq!(symbols.at(0x27).unwrap().name, "b");
        assert!(symbols.at(0x18).is_none());
        assert!(symbols.at(0x0f).is_none());
    }

    #[test]
    fn code_of_one_name_ends_where_another_begins() {
        let symbol = |name: &str, address, size, kind| Symbol {
            name: name.to_owned(),
            address,
            size,
            kind,
        };
        let symbols = Symbols::new(vec![
            symbol("outer", 0x10, 0x20, SymbolKind::Function),
            symbol("inner", 0x18, 4, SymbolKind::Function),
            symbol("loop", 0x12, 0x6e, SymbolKind::Label),
            symbol("start", 0x40, 0x40, SymbolKind::Label),
            symbol("count", 0x60, 4, SymbolKind::Other),
        ]);
        let named = |address| {
            let span = symbols.span(address);
            assert!(span.start <= address && address - span.start < span.length);
            let name = symbols.symbol(span).map(|s| s.name.as_str());
            (name, span.start)
        };
        assert_eq!(named(0x0e), (None, 0));
        assert_eq!(named(0x12), (Some("outer"), 0x10));
        assert_eq!(named(0x1a), (Some("inner"), 0x18));
        assert_eq!(named(0x1c), (Some("outer"), 0x1c));
        assert_eq!(named(0x32), (Some("loop"), 0x30));
        assert_eq!(named(0x62), (Some("start"), 0x40));
        assert_eq!(named(0x80), (None, 0x80));
    }

    #[test]
    fn rust_paths_lose_their_hash() {
        assert_eq!(
            demangle("_ZN4core3ptr8write_at17h0123456789abcdefE"),
            "core::ptr::write_at"
        );
        assert_eq!(
            demangle("_ZN44_$LT$$RF$T$u20$as$u20$core..fmt..Display$GT$3fmt17h0123456789abcdefE"),
            "<&T as core::fmt::Display>::fmt"
        );
        assert_eq!(demangle("memcpy"), "memcpy");
        assert_eq!(
            demangle("_ZN99999999999999999999x"),
            "_ZN99999999999999999999x"
        );
    }
}
