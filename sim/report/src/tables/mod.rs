//! The tables of a report, as data that both the page and the Markdown print.

mod costs;
mod results;

pub(crate) use costs::{bills, kernels};
pub(crate) use results::{epochs, headline_figures, milestones};

use crate::format;

/// A table with its name and remarks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// What it shows; a heading.
    pub(crate) title: String,
    /// Names of the columns; the first columns, of [`Align::Left`], name the row.
    pub(crate) columns: Vec<Column>,
    /// Cells by row, as many as there are columns.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// Rows, from the end, that sum up the others.
    pub(crate) totals: usize,
    /// Sentences for below it.
    pub(crate) notes: Vec<String>,
}

/// A column's name and alignment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) align: Align,
}

/// Which edge of its column a cell keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    /// The figure.
    pub(crate) main: String,
    /// What qualifies it, smaller.
    pub(crate) sub: Option<String>,
    pub(crate) tone: Tone,
}

/// What a cell's colour says beside its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Bad,
    Quiet,
}

impl Column {
    fn left(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            align: Align::Left,
        }
    }

    fn right(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            align: Align::Right,
        }
    }
}

impl Cell {
    pub(crate) fn new(main: impl Into<String>) -> Self {
        Self {
            main: main.into(),
            ..Self::default()
        }
    }

    fn none() -> Self {
        Self {
            main: format::NONE.to_owned(),
            sub: None,
            tone: Tone::Quiet,
        }
    }

    fn sub(self, sub: impl Into<String>) -> Self {
        Self {
            sub: Some(sub.into()),
            ..self
        }
    }

    fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}
