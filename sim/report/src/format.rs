//! Figures as people read them.

use crate::Estimate;

/// What stands where there is nothing to say.
pub(crate) const NONE: &str = "–";

/// `1,234,567`.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three significant digits, whole numbers grouped: `0.0123`, `4.56`, `78.9`, `1,234`.
pub(crate) fn significant(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size >= 99.95 {
        let sign = if value < 0.0 { "−" } else { "" };
        format!("{sign}{}", grouped(size.round() as u64))
    } else {
        let decimals = (2 - size.log10().floor() as i32).clamp(0, 9);
        format!("{value:.*}", decimals as usize).replace('-', "−")
    }
}

/// With a prefix of the SI, for axes: `250 k`, `1.5 M`.
pub(crate) fn prefixed(value: f64) -> String {
    let (scale, prefix) = match value.abs() {
        size if size >= 1e9 => (1e9, " G"),
        size if size >= 1e6 => (1e6, " M"),
        size if size >= 1e3 => (1e3, " k"),
        _ => (1.0, ""),
    };
    format!("{}{prefix}", trimmed(value / scale))
}

/// A round value on an axis, however small or large: `0.0002`, `20`, `50 k`.
pub(crate) fn tick(value: f64) -> String {
    if value.abs() >= 1e4 {
        prefixed(value)
    } else if value.abs() >= 0.01 || value == 0.0 {
        trimmed(value)
    } else {
        // Ticks are multiples of powers of ten, up to what their computation rounds off.
        format!("{:.12}", value)
            .trim_end_matches('0')
            .replace('-', "−")
    }
}

/// At most three decimals, without zeros at the end: `0.5`, `2`, `1.25`.
pub(crate) fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.replace('-', "−")
    }
}

/// `98.2 ± 0.4 %`.
pub(crate) fn percent(value: Option<Estimate>) -> String {
    match value {
        Some(Estimate {
            mean,
            ci95: Some(half),
        }) => format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * half),
        Some(Estimate { mean, ci95: None }) => format!("{:.1} %", 100.0 * mean),
        None => NONE.to_owned(),
    }
}

/// A share of a whole, in whole percent, one decimal where it would read 0: `80 %`, `0.4 %`.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return NONE.to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    if percent >= 1.0 || part == 0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// A number of samples: `245 ± 12`, with a decimal below ten: `2.5 ± 0.4`.
pub(crate) fn count(value: Estimate) -> String {
    let decimals = if value.mean < 10.0 { 1 } else { 0 };
    let mean = format!("{:.decimals$}", value.mean);
    match value.ci95 {
        Some(half) => format!("{mean} ± {half:.decimals$}"),
        None => mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        for (value, expected) in [
            (0.0, "0"),
            (0.012_345, "0.0123"),
            (4.561, "4.56"),
            (78.94, "78.9"),
            (99.96, "100"),
            (1_234.4, "1,234"),
            (-0.5, "−0.500"),
            (-1_500.0, "−1,500"),
        ] {
            assert_eq!(significant(value), expected);
        }
        assert_eq!(prefixed(250_000.0), "250 k");
        assert_eq!(prefixed(1_500_000.0), "1.5 M");
        assert_eq!(prefixed(0.0), "0");
        for (value, expected) in [
            (0.0002, "0.0002"),
            (0.3, "0.3"),
            (500.0, "500"),
            (50_000.0, "50 k"),
        ] {
            assert_eq!(tick(value), expected);
        }
        assert_eq!(
            percent(Some(Estimate {
                mean: 0.9821,
                ci95: Some(0.0042)
            })),
            "98.2 ± 0.4 %"
        );
        assert_eq!(share(208_664, 262_144), "80 %");
        assert_eq!(share(1_000, 262_144), "0.4 %");
        assert_eq!(
            count(Estimate {
                mean: 244.6,
                ci95: Some(11.7)
            }),
            "245 ± 12"
        );
    }
}
