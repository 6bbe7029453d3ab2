//! "Did you mean …?" for misspelt names.

/// Edit distance in which a swap of neighbours counts once (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let width = b.len() + 1;
    let mut table = vec![0; (a.len() + 1) * width];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (table[(i - 1) * width + j - 1] + change)
                    .min(table[(i - 1) * width + j] + 1)
                    .min(table[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(table[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    table[a.len() * width + b.len()]
}

/// The name in `known` nearest to `name`, if it is near enough to be what was meant: at most a third of its letters differ,
/// or one begins with the other.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let prefix = name.len() >= 3 && (lower.starts_with(&name) || name.starts_with(&lower));
            (if prefix { 0 } else { distance(&name, &lower) }, candidate)
        })
        .filter(|&(distance, candidate)| distance <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// ` Did you mean "…"?`, with its leading blank, or nothing when no name is near.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map_or_else(String::new, |near| format!(" Did you mean \"{near}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_understood() {
        let known = ["clock_hz", "core", "flash", "nano33ble"];
        assert_eq!(nearest("clok_hz", known), Some("clock_hz"));
        assert_eq!(nearest("falsh", known), Some("flash"));
        assert_eq!(nearest("NANO33BEL", known), Some("nano33ble"));
        assert_eq!(nearest("nano33", known), Some("nano33ble"));
        assert_eq!(
            nearest("cortex-m4", ["cortex-m3", "cortex-m4f"]),
            Some("cortex-m4f")
        );
        assert_eq!(nearest("voltage", known), None);
        assert_eq!(hint("voltage", known), "");
    }
}
