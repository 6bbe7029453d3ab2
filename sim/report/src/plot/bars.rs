//! Stacked bars, a panel per board: RAM by its use against the budget, cycles by kernel.

use plotters::prelude::DrawingBackend;

use super::axis::{Axis, Spread};
use super::sheet::{Anchor, Drawn, Sheet, Type, Weight};
use super::theme::{Ink, series};
use super::{Key, MARGIN, WIDTH, head, legend_places};
use crate::{Memory, Phase, Run, format};

/// Height of a bar and of its row.
const BAR: f64 = 20.0;
const ROW: f64 = 32.0;
/// Space above the rows of a panel, for its board and limit.
const PANEL_HEAD: f64 = 44.0;
/// Space below the rows of a panel, for its axis.
const PANEL_FOOT: f64 = 46.0;
/// A limit this many times the longest bar would only shorten the bars; it is then named, not drawn.
const FAR: f64 = 8.0;

/// The data of the plot.
#[derive(Clone, Debug)]
pub(crate) struct Bars {
    title: &'static str,
    unit: &'static str,
    keys: Vec<Key>,
    panels: Vec<Panel>,
}

#[derive(Clone, Debug)]
struct Panel {
    board: String,
    limit: Option<f64>,
    rows: Vec<Row>,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    /// Index among the keys, and length.
    parts: Vec<(usize, f64)>,
    note: Option<&'static str>,
}

/// A part of a bar before it has a colour: board, strategy, part's name, length.
type Part<'a> = (&'a str, &'a str, &'a str, f64);

impl Bars {
    /// RAM of every strategy against the budget of its board, with a caption.
    pub(crate) fn ram(run: &Run) -> Option<(String, Self)> {
        let bills = || run.bills.iter().filter(|bill| bill.memory == Memory::Ram);
        let parts: Vec<Part> = bills()
            .flat_map(|bill| {
                let (board, strategy) = (bill.board.as_str(), bill.strategy.as_str());
                bill.items
                    .iter()
                    .map(move |item| (board, strategy, item.name.as_str(), item.bytes as f64))
            })
            .collect();
        let limit = |board: &str| {
            bills()
                .find(|bill| bill.board == board)
                .map(|bill| bill.budget_bytes as f64)
        };
        let note = |board: &str, strategy: &str| {
            let bill = bills().find(|bill| bill.board == board && bill.strategy == strategy)?;
            (bill.total() > bill.budget_bytes).then_some("too large")
        };
        let bars = Self::build(run, "RAM by use", "bytes", &parts, limit, note)?;
        Some((
            "RAM of each strategy by use, in bytes, against the board's budget (vertical line)."
                .to_owned(),
            bars,
        ))
    }

    /// Cycles of a learning step of every strategy by kernel, with a caption.
    pub(crate) fn cycles(run: &Run) -> Option<(String, Self)> {
        let parts: Vec<Part> = run
            .kernels
            .iter()
            .filter(|kernel| kernel.phase == Phase::Train)
            .map(|kernel| {
                (
                    kernel.board.as_str(),
                    kernel.strategy.as_str(),
                    kernel.kernel.as_str(),
                    kernel.cycles,
                )
            })
            .collect();
        let trains = |board: &str, strategy: &str| {
            parts
                .iter()
                .any(|part| part.0 == board && part.1 == strategy)
        };
        let note =
            |board: &str, strategy: &str| (!trains(board, strategy)).then_some("does not train");
        let bars = Self::build(
            run,
            "Cycles of a learning step by kernel",
            "cycles",
            &parts,
            |_| None,
            note,
        )?;
        let caption = "Cycles of one learning step of each strategy by kernel.".to_owned();
        Some((caption, bars))
    }

    fn build(
        run: &Run,
        title: &'static str,
        unit: &'static str,
        parts: &[Part],
        limit: impl Fn(&str) -> Option<f64>,
        note: impl Fn(&str, &str) -> Option<&'static str>,
    ) -> Option<Self> {
        let mut names: Vec<(&str, f64)> = Vec::new();
        for (_, _, name, length) in parts.iter().filter(|part| part.3 > 0.0) {
            match names.iter_mut().find(|known| known.0 == *name) {
                Some(known) => known.1 += length,
                None => names.push((name, *length)),
            }
        }
        if names.is_empty() {
            return None;
        }
        names.sort_by(|a, b| b.1.total_cmp(&a.1));
        // What has no colour of its own is put together at the end.
        let own = if names.len() > series() {
            series() - 1
        } else {
            names.len()
        };
        let mut keys: Vec<Key> = (names.iter().take(own).enumerate())
            .map(|(index, (name, _))| Key {
                label: (*name).to_owned(),
                ink: Ink::Series(index),
            })
            .collect();
        if names.len() > own {
            keys.push(Key {
                label: format!("{} others", names.len() - own),
                ink: Ink::Rest,
            });
        }
        let place = |name: &str| {
            names
                .iter()
                .position(|known| known.0 == name)
                .unwrap_or(own)
                .min(own)
        };
        let row = |board: &str, strategy: &str| {
            let mut lengths = vec![0.0; keys.len()];
            for part in parts
                .iter()
                .filter(|part| part.0 == board && part.1 == strategy && part.3 > 0.0)
            {
                lengths[place(part.2)] += part.3;
            }
            let parts = lengths
                .into_iter()
                .enumerate()
                .filter(|part| part.1 > 0.0)
                .collect();
            Row {
                name: strategy.to_owned(),
                parts,
                note: note(board, strategy),
            }
        };
        let panels = run
            .summary
            .boards()
            .into_iter()
            .map(|board| {
                let on_board = run
                    .summary
                    .strategies
                    .iter()
                    .filter(|entry| entry.board == board);
                let rows = on_board.map(|entry| row(board, &entry.name)).collect();
                Panel {
                    board: board.to_owned(),
                    limit: limit(board),
                    rows,
                }
            })
            .collect();
        Some(Self {
            title,
            unit,
            keys,
            panels,
        })
    }

    pub(crate) fn height(&self) -> f64 {
        let rows: usize = self.panels.iter().map(|panel| panel.rows.len()).sum();
        legend_places(&self.keys).1
            + rows as f64 * ROW
            + self.panels.len() as f64 * (PANEL_HEAD + PANEL_FOOT)
    }

    pub(crate) fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn {
        head(sheet, (self.title, ""), &self.keys, 12.0)?;
        let rows = || self.panels.iter().flat_map(|panel| &panel.rows);
        let names = rows()
            .map(|row| Type::NAME.width(&row.name))
            .fold(0.0, f64::max);
        let totals = rows()
            .map(|row| Type::LABEL.width(&row.total_text()))
            .fold(0.0, f64::max);
        let (left, right) = (MARGIN + names + 14.0, WIDTH - MARGIN - totals - 14.0);
        let mut top = legend_places(&self.keys).1 + PANEL_HEAD;
        for panel in &self.panels {
            self.draw_panel(sheet, panel, top, (left, right))?;
            top += panel.rows.len() as f64 * ROW + PANEL_FOOT + PANEL_HEAD;
        }
        Ok(())
    }

    fn draw_panel<DB: DrawingBackend>(
        &self,
        sheet: &Sheet<DB>,
        panel: &Panel,
        top: f64,
        (left, right): (f64, f64),
    ) -> Drawn {
        let bottom = top + panel.rows.len() as f64 * ROW;
        let longest = panel
            .rows
            .iter()
            .map(Row::total)
            .fold(0.0, f64::max)
            .max(1.0);
        let near = panel.limit.filter(|limit| *limit <= FAR * longest);
        let high = near.map_or(longest, |limit| limit.max(longest)) * 1.02;
        let x = Axis {
            low: 0.0,
            high,
            from: left,
            to: right,
            spread: Spread::Linear,
        };

        sheet.text(
            (MARGIN, top - 16.0),
            &panel.board,
            Type::NAME.weight(Weight::Semibold),
        )?;
        for value in x.ticks(6) {
            sheet.line(&[(x.at(value), top), (x.at(value), bottom)], 1.0, Ink::Grid)?;
            sheet.text(
                (x.at(value), bottom + 16.0),
                &format::prefixed(value),
                Type::LABEL.anchor(Anchor::Middle),
            )?;
        }
        sheet.text(
            (WIDTH - MARGIN, bottom + 16.0),
            self.unit,
            Type::LABEL.anchor(Anchor::End),
        )?;
        for (index, row) in panel.rows.iter().enumerate() {
            let middle = top + (index as f64 + 0.5) * ROW;
            sheet.text(
                (left - 14.0, middle),
                &row.name,
                Type::NAME.anchor(Anchor::End),
            )?;
            let mut from = 0.0;
            for (key, length) in &row.parts {
                let corners = (
                    (x.at(from), middle - BAR / 2.0),
                    (x.at(from + length), middle + BAR / 2.0),
                );
                sheet.rect(corners.0, corners.1, self.keys[*key].ink)?;
                from += length;
                // A hair of ground keeps neighbours apart whatever their colours.
                sheet.line(&[(corners.1.0, corners.0.1), corners.1], 0.8, Ink::Ground)?;
            }
            let kind = Type::LABEL.ink(if row.note == Some("too large") {
                Ink::Alarm
            } else {
                Ink::Text
            });
            sheet.text(
                (WIDTH - MARGIN, middle),
                &row.total_text(),
                kind.anchor(Anchor::End),
            )?;
        }
        sheet.line(&[(left, top), (left, bottom)], 1.0, Ink::Axis)?;
        let Some(limit) = panel.limit else {
            return Ok(());
        };
        let name = format!("budget {}", format::grouped(limit as u64));
        let kind = Type::LABEL.ink(Ink::Text);
        if near.is_some() {
            let at = x.at(limit);
            sheet.line(&[(at, top - 8.0), (at, bottom + 2.0)], 2.0, Ink::Text)?;
            let half = kind.width(&name) / 2.0;
            let first =
                MARGIN + Type::NAME.weight(Weight::Semibold).width(&panel.board) + 20.0 + half;
            sheet.text(
                (at.max(first).min(WIDTH - MARGIN - half), top - 18.0),
                &name,
                kind.anchor(Anchor::Middle),
            )
        } else {
            let text = format!("{name}, far to the right");
            sheet.text(
                (WIDTH - MARGIN, top - 18.0),
                &text,
                kind.anchor(Anchor::End),
            )
        }
    }
}

impl Row {
    fn total(&self) -> f64 {
        self.parts.iter().map(|part| part.1).sum()
    }

    fn total_text(&self) -> String {
        let total = format::grouped(self.total().round() as u64);
        match self.note {
            Some(note) if self.parts.is_empty() => note.to_owned(),
            Some(note) => format!("{total}, {note}"),
            None => total,
        }
    }
}
