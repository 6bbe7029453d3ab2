//! A flame graph as SVG, from folded stacks.

use std::collections::BTreeMap;
use std::fmt::Write;

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
const MARGIN: f64 = 10.0;
const TITLE: f64 = 30.0;
/// Narrower boxes are left out.
const NARROWEST: f64 = 0.3;
const CHARACTER: f64 = 6.6;

/// One box: a function under its caller.
#[derive(Debug, Default)]
struct Frame {
    own: u64,
    children: BTreeMap<String, Frame>,
}

impl Frame {
    fn total(&self) -> u64 {
        self.own + self.children.values().map(Frame::total).sum::<u64>()
    }

    fn depth(&self) -> usize {
        1 + self.children.values().map(Frame::depth).max().unwrap_or(0)
    }
}

/// Draws folded stacks (`a;b;c 123` a line). The same input gives the same bytes.
#[must_use]
pub fn flame_graph(folded: &str, title: &str) -> String {
    let mut root = Frame::default();
    for line in folded.lines() {
        let Some((stack, cycles)) = line.rsplit_once(' ') else {
            continue;
        };
        let mut frame = &mut root;
        for name in stack.split(';') {
            frame = frame.children.entry(name.to_owned()).or_default();
        }
        frame.own += cycles.parse::<u64>().unwrap_or(0);
    }
    let total = root.total();
    let height = TITLE + ROW * (root.depth() as f64 - 1.0) + 2.0 * MARGIN;
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fffdf8\"/>\n\
         <text x=\"{}\" y=\"20\" text-anchor=\"middle\" font-size=\"14\">{}</text>\n",
        WIDTH / 2.0,
        escape(title)
    );
    let scale = (WIDTH - 2.0 * MARGIN) / total.max(1) as f64;
    let mut x = MARGIN;
    for (name, frame) in &root.children {
        draw(
            &mut svg,
            name,
            frame,
            x,
            height - MARGIN - ROW,
            scale,
            total,
        );
        x += frame.total() as f64 * scale;
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, name: &str, frame: &Frame, x: f64, y: f64, scale: f64, total: u64) {
    let cycles = frame.total();
    let width = cycles as f64 * scale;
    if width < NARROWEST {
        return;
    }
    let share = 100.0 * cycles as f64 / total.max(1) as f64;
    let fits = ((width - 4.0) / CHARACTER).max(0.0) as usize;
    let label: String = if name.chars().count() <= fits {
        name.to_owned()
    } else if fits > 3 {
        name.chars().take(fits - 2).chain("..".chars()).collect()
    } else {
        String::new()
    };
    let _ = writeln!(
        svg,
        "<g><title>{} ({cycles} cycles, {share:.2} %)</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" \
         height=\"{:.1}\" fill=\"{}\" rx=\"1\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text></g>",
        escape(name),
        ROW - 1.0,
        colour(name),
        x + 2.0,
        y + 13.0,
        escape(&label)
    );
    let mut child_x = x;
    for (name, child) in &frame.children {
        draw(svg, name, child, child_x, y - ROW, scale, total);
        child_x += child.total() as f64 * scale;
    }
}

/// A warm colour that belongs to a name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(0x811c_9dc5u32, |h, b| {
        (h ^ u32::from(b)).wrapping_mul(0x0100_0193)
    });
    format!(
        "#{:02x}{:02x}{:02x}",
        220 + hash % 32,
        130 + (hash >> 8) % 90,
        70 + (hash >> 16) % 50
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_shares() {
        let svg = flame_graph("main;a 30\nmain;b 70\n", "test");
        let width = |name: &str| {
            let at = svg.find(&format!("<title>{name} ")).unwrap();
            let rest = &svg[at..];
            let from = rest.find(" width=\"").unwrap() + 8;
            rest[from..]
                .split('"')
                .next()
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        assert!((width("a") / width("main") - 0.3).abs() < 1e-3);
        assert!((width("b") / width("main") - 0.7).abs() < 1e-3);
    }

    #[test]
    fn names_are_escaped() {
        assert!(flame_graph("<T as U>;x 1\n", "a & b").contains("&lt;T as U&gt;"));
    }
}
