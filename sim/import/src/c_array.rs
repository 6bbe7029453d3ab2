//! A TFLite file as the array of bytes in C that firmware includes: `const unsigned char model[] = {0x1c, …};`.

use crate::limits;

/// The bytes of the longest array of numbers below 256 in a source file; nothing where it has none.
pub fn bytes(source: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(source).ok()?;
    let text = without_comments(text);
    let arrays = text.split('{').skip(1).filter_map(|rest| {
        let body = rest.split('}').next()?;
        let numbers = body.split(',').map(str::trim).filter(|n| !n.is_empty());
        numbers.map(number).collect::<Option<Vec<u8>>>()
    });
    arrays.max_by_key(Vec::len).filter(|a| a.len() > 8)
}

fn number(text: &str) -> Option<u8> {
    let text = text.trim_end_matches(['u', 'U', 'l', 'L']);
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(limits::FILE as usize));
    let mut rest = text;
    while let Some(start) = rest.find("/*").into_iter().chain(rest.find("//")).min() {
        plain.push_str(&rest[..start]);
        let end = match rest[start..].starts_with("/*") {
            true => rest[start..].find("*/").map(|i| start + i + 2),
            false => rest[start..].find('\n').map(|i| start + i),
        };
        match end {
            Some(end) => rest = &rest[end..],
            None => return plain,
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn the_longest_array_is_found_between_comments() {
        let source = b"#include <x.h>\n// {1, 2}\nint few[] = {1};\nalignas(8) const unsigned char g[] = {\n  0x1c, 0x00, 0X00,/* 7, */ 0, 84u, 70, 76, 51, 0xff,\n};\nint len = 9;";
        assert_eq!(
            bytes(source),
            Some(vec![0x1c, 0, 0, 0, 84, 70, 76, 51, 255])
        );
    }

    #[test]
    fn what_is_no_array_of_bytes_is_none() {
        for source in [
            "",
            "{",
            "int x[] = {1, 2, 256, 4, 5, 6, 7, 8, 9};",
            "/* {1,2,3,4,5,6,7,8,9} */",
        ] {
            assert_eq!(bytes(source.as_bytes()), None, "{source}");
        }
    }
}
