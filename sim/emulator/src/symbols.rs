//! Names of addresses.

/// A named address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// The name, demangled as far as that is simple.
    pub name: String,
    /// The address, without the Thumb bit.
    pub address: u32,
    /// Bytes, 0 where the file does not say.
    pub size: u32,
    /// Whether it is a function.
    pub function: bool,
}

/// The symbols of an image, by address.
#[derive(Debug, Clone, Default)]
pub struct Symbols {
    sorted: Vec<Symbol>,
}

impl Symbols {
    /// Sorts symbols by address.
    #[must_use]
    pub fn new(mut symbols: Vec<Symbol>) -> Self {
        symbols.sort_by(|a, b| (a.address, b.size, &a.name).cmp(&(b.address, a.size, &b.name)));
        Symbols { sorted: symbols }
    }

    /// All symbols, by address.
    #[must_use]
    pub fn all(&self) -> &[Symbol] {
        &self.sorted
    }

    /// The function that contains an address: within its size, or the nearest before it without one.
    #[must_use]
    pub fn at(&self, address: u32) -> Option<&Symbol> {
        let behind = self.sorted.partition_point(|s| s.address <= address);
        let mut functions = self.sorted[..behind]
            .iter()
            .rev()
            .filter(|s| s.function)
            .take(16);
        functions.find(|s| s.size == 0 || address - s.address < s.size)
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
            function: true,
        };
        let symbols = Symbols::new(vec![symbol("b", 0x20, 8), symbol("a", 0x10, 8)]);
        assert_eq!(symbols.at(0x12).unwrap().name, "a");
        assert_eq!(symbols.at(0x27).unwrap().name, "b");
        assert!(symbols.at(0x18).is_none());
        assert!(symbols.at(0x0f).is_none());
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
