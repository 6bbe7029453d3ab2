//! The report as one self-contained page: no script, no font, no file to fetch.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Error;
use crate::plot;
use crate::report::Document;
use crate::tables::{Align, Table, Tone};

/// Layout and type; colours come from the plots' inks.
const STYLE: &str = include_str!("../assets/page.css");

/// A table of more columns than this takes the whole width.
const WIDE: usize = 6;

/// `document` as HTML.
pub(crate) fn page(document: &Document) -> Result<String, Error> {
    let mut figures = Vec::new();
    for (run, plots) in &document.plots {
        let drawn = plots
            .iter()
            .map(|plot| Ok((plot.inline_svg()?, plot.caption.as_str())));
        figures.push((run, drawn.collect::<Result<Vec<_>, Error>>()?));
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (document.title) }
                style { (PreEscaped(plot::css())) (PreEscaped(STYLE)) }
            }
            body {
                @if let Some(headline) = &document.headline { p.headline role="note" { (headline) } }
                main {
                    header {
                        h1 { (document.title) }
                        p.lead { (document.lead) }
                    }
                    @for shown in &document.results { (table(shown)) }
                    @for note in &document.notes { p.note { (note) } }
                    @for (run, plots) in &figures {
                        @if let Some(run) = run { h2 { (run) } }
                        div.figures {
                            @for (svg, caption) in plots {
                                figure { (PreEscaped(svg)) figcaption { (caption) } }
                            }
                        }
                    }
                    @if !document.details.is_empty() {
                        div.details { @for shown in &document.details { (table(shown)) } }
                    }
                    @for (title, about) in &document.about {
                        details { summary { (title) } pre { (about) } }
                    }
                }
            }
        }
    };
    Ok(page.into_string())
}

fn table(table: &Table) -> Markup {
    let align = |index: usize| match table.columns.get(index).map(|column| column.align) {
        Some(Align::Right) => "right",
        _ => "left",
    };
    let tone = |tone: Tone| match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
    };
    html! {
        section {
            h2 { (table.title) }
            div.scroll tabindex="0" {
                table class=[(table.columns.len() > WIDE).then_some("wide")] {
                    thead { tr {
                        @for (index, column) in table.columns.iter().enumerate() {
                            th scope="col" class=(align(index)) { (column.name) }
                        }
                    } }
                    tbody {
                        @for (number, row) in table.rows.iter().enumerate() {
                            tr class=[(number + table.totals >= table.rows.len()).then_some("total")] {
                                @for (index, cell) in row.iter().enumerate() {
                                    td class={ (align(index)) " " (tone(cell.tone)) } {
                                        (cell.main)
                                        @if let Some(sub) = &cell.sub { small { (sub) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            @for note in &table.notes { p.note { (note) } }
        }
    }
}
