//! The report as Markdown, for terminals, diffs and code review.

use std::fmt::Write as _;

use crate::plot::Plot;
use crate::report::Document;
use crate::tables::{Align, Cell, Table};

/// `document` as Markdown, with its plots as files beside it.
pub(crate) fn markdown(document: &Document) -> String {
    let mut text = String::new();
    if let Some(headline) = &document.headline {
        let _ = writeln!(text, "> **{}**\n", escaped(headline));
    }
    let _ = writeln!(
        text,
        "# {}\n\n{}",
        escaped(&document.title),
        escaped(&document.lead)
    );
    for table in &document.results {
        push_table(&mut text, table);
    }
    for note in &document.notes {
        let _ = writeln!(text, "\n{}", escaped(note));
    }
    // Plots of several runs are in the page alone.
    for (_, plots) in document.plots.iter().filter(|(run, _)| run.is_none()) {
        for Plot { name, caption, .. } in plots {
            let _ = writeln!(text, "\n![{name}]({name}.png)\n\n{}", escaped(caption));
        }
    }
    for table in &document.details {
        push_table(&mut text, table);
    }
    for (title, about) in &document.about {
        let _ = writeln!(text, "\n## {}\n\n```json\n{about}\n```", escaped(title));
    }
    text
}

fn push_table(text: &mut String, table: &Table) {
    let _ = writeln!(text, "\n## {}\n", escaped(&table.title));
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    text.push_str(&line(
        table
            .columns
            .iter()
            .map(|column| escaped(&column.name))
            .collect(),
    ));
    let rules = table.columns.iter().map(|column| match column.align {
        Align::Left => ":--".to_owned(),
        Align::Right => "--:".to_owned(),
    });
    text.push_str(&line(rules.collect()));
    for (index, row) in table.rows.iter().enumerate() {
        let total = index + table.totals >= table.rows.len();
        text.push_str(&line(
            row.iter().map(|cell| cell_text(cell, total)).collect(),
        ));
    }
    for note in &table.notes {
        let _ = writeln!(text, "\n{}", escaped(note));
    }
}

fn cell_text(cell: &Cell, strong: bool) -> String {
    let main = escaped(&cell.main);
    let main = if strong { format!("**{main}**") } else { main };
    match &cell.sub {
        Some(sub) => format!("{main} ({})", escaped(sub)),
        None => main,
    }
}

/// `text` without line breaks and without signs that Markdown would take for its own.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '\n' | '\r' => escaped.push(' '),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' => {
                escaped.push('\\');
                escaped.push(sign);
            }
            sign => escaped.push(sign),
        }
    }
    escaped
}
