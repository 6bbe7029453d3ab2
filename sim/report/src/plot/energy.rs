//! Final accuracy against the energy of a learning step: what a point of accuracy costs.

use plotters::prelude::DrawingBackend;

use super::axis::{Axis, Spread, step};
use super::sheet::{Anchor, Drawn, Sheet, Type};
use super::theme::Ink;
use super::{Key, MARGIN, WIDTH, head, legend_places};
use crate::{Estimate, Run, format};

const LEFT: f64 = 68.0;
const BELOW: f64 = 58.0;
const ABOVE: f64 = 34.0;
const PLOT: f64 = 290.0;
/// Radius of a mark.
const MARK: f64 = 6.0;

/// The data of the plot.
#[derive(Clone, Debug)]
pub(crate) struct Energy {
    keys: Vec<Key>,
    marks: Vec<Mark>,
}

#[derive(Clone, Debug)]
struct Mark {
    label: String,
    ink: Ink,
    /// µJ, with the ends of its band.
    energy: (f64, f64, f64),
    accuracy: Estimate,
    /// Whether the energy is that of a learning step; else that of a prediction.
    trains: bool,
}

impl Energy {
    /// The plot with its caption; `None` where no strategy has both figures.
    pub(crate) fn of(run: &Run) -> Option<(String, Self)> {
        let (names, boards) = (run.summary.names(), run.summary.boards());
        let marks: Vec<Mark> = run
            .summary
            .strategies
            .iter()
            .filter_map(|entry| {
                let accuracy = entry.accuracy.as_ref()?.last?;
                let trains = entry.train_uj_per_step.is_some_and(|uj| uj > 0.0);
                let (middle, low, high) = if trains {
                    (
                        entry.train_uj_per_step?,
                        entry.train_uj_low,
                        entry.train_uj_high,
                    )
                } else {
                    (
                        entry.infer_uj_per_step?,
                        entry.infer_uj_low,
                        entry.infer_uj_high,
                    )
                };
                let ink = Ink::Series(names.iter().position(|name| *name == entry.name)?);
                let label = if boards.len() > 1 {
                    &entry.board
                } else {
                    &entry.name
                };
                let energy = (middle, low.unwrap_or(middle), high.unwrap_or(middle));
                let positive = energy.1 > 0.0 && energy.1 <= middle && middle <= energy.2;
                positive.then(|| Mark {
                    label: label.clone(),
                    ink,
                    energy,
                    accuracy,
                    trains,
                })
            })
            .collect();
        if marks.is_empty() {
            return None;
        }
        let keys = if boards.len() > 1 {
            let key = |(index, name): (usize, &&str)| Key {
                label: (*name).to_owned(),
                ink: Ink::Series(index),
            };
            names.iter().enumerate().map(key).collect()
        } else {
            Vec::new()
        };
        let mut caption = "Final accuracy on held-out samples against the energy of one learning step; \
                           bars: 95 % confidence interval, and the band of the energy where only a band is known."
            .to_owned();
        if marks.iter().any(|mark| !mark.trains) {
            caption.push_str(" Hollow: does not train; the energy is that of a prediction.");
        }
        Some((caption, Self { keys, marks }))
    }

    fn top(&self) -> f64 {
        let below_title = super::TITLE_AT + 8.0;
        let below_legend = legend_places(&self.keys).1;
        ABOVE
            + if self.keys.is_empty() {
                below_title
            } else {
                below_legend
            }
    }

    pub(crate) fn height(&self) -> f64 {
        self.top() + PLOT + BELOW
    }

    fn axes(&self) -> (Axis, Axis) {
        let lowest = self
            .marks
            .iter()
            .map(|mark| mark.energy.1)
            .fold(f64::INFINITY, f64::min);
        let highest = self
            .marks
            .iter()
            .map(|mark| mark.energy.2)
            .fold(0.0, f64::max);
        let x = if highest > 8.0 * lowest {
            Axis {
                low: lowest / 1.6,
                high: highest * 1.6,
                from: LEFT,
                to: WIDTH - MARGIN,
                spread: Spread::Logarithmic,
            }
        } else {
            Axis {
                low: 0.0,
                high: highest * 1.15,
                from: LEFT,
                to: WIDTH - MARGIN,
                spread: Spread::Linear,
            }
        };
        let half = |mark: &Mark| mark.accuracy.ci95.unwrap_or(0.0);
        let low = self
            .marks
            .iter()
            .map(|mark| mark.accuracy.mean - half(mark))
            .fold(1.0, f64::min)
            .max(0.0);
        let high = self
            .marks
            .iter()
            .map(|mark| mark.accuracy.mean + half(mark))
            .fold(0.0, f64::max)
            .min(1.0);
        let pace = step(((high - low) / 5.0).max(0.01));
        let low = ((low / pace).floor() * pace - pace).max(0.0);
        let high = ((high / pace).ceil() * pace).min(1.0).max(low + pace);
        let top = self.top();
        (
            x,
            Axis {
                low,
                high,
                from: top + PLOT,
                to: top,
                spread: Spread::Linear,
            },
        )
    }

    pub(crate) fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn {
        let measure = "final accuracy on held-out samples";
        head(
            sheet,
            ("Accuracy against energy", measure),
            &self.keys,
            12.0,
        )?;
        let (x, y) = self.axes();
        draw_grid(sheet, &x, &y)?;
        let mut taken: Vec<Frame> = Vec::new();
        for mark in &self.marks {
            let (at_x, at_y) = (x.at(mark.energy.0), y.at(mark.accuracy.mean));
            if let Some(half) = mark.accuracy.ci95 {
                let ends = [-half, half]
                    .map(|d| (at_x, y.at((mark.accuracy.mean + d).clamp(y.low, y.high))));
                sheet.line(&ends, 1.5, mark.ink)?;
            }
            if mark.energy.2 > mark.energy.1 {
                sheet.line(
                    &[(x.at(mark.energy.1), at_y), (x.at(mark.energy.2), at_y)],
                    1.5,
                    mark.ink,
                )?;
            }
            sheet.disc((at_x, at_y), MARK, mark.ink, mark.trains)?;
            taken.push(Frame::around((at_x, at_y), MARK, MARK));
        }
        for mark in &self.marks {
            let at = (x.at(mark.energy.0), y.at(mark.accuracy.mean));
            let half = Type::NAME.width(&mark.label) / 2.0;
            let away = MARK + 8.0;
            // Diagonal first: the bars run straight. A name without a free place is left to the tables.
            let places = [(1.0, -1.0), (1.0, 1.0), (-1.0, -1.0), (-1.0, 1.0)];
            let places = places
                .map(|(right, down)| (at.0 + right * (half + away), at.1 + down * (away + 4.0)));
            let free = places
                .into_iter()
                .map(|place| (place, Frame::around(place, half, 8.0)))
                .find(|(_, frame)| {
                    frame.within(LEFT, WIDTH - MARGIN, y.to - 10.0, y.from)
                        && taken.iter().all(|other| !frame.meets(other))
                });
            if let Some((place, frame)) = free {
                sheet.text(place, &mark.label, Type::NAME.anchor(Anchor::Middle))?;
                taken.push(frame);
            }
        }
        Ok(())
    }
}

fn draw_grid<DB: DrawingBackend>(sheet: &Sheet<DB>, x: &Axis, y: &Axis) -> Drawn {
    for value in y.ticks(6) {
        sheet.line(
            &[(x.from, y.at(value)), (x.to, y.at(value))],
            1.0,
            Ink::Grid,
        )?;
        let text = format!("{} %", format::trimmed(100.0 * value));
        sheet.text(
            (x.from - 10.0, y.at(value)),
            &text,
            Type::LABEL.anchor(Anchor::End),
        )?;
    }
    sheet.line(&[(x.from, y.from), (x.to, y.from)], 1.0, Ink::Axis)?;
    for value in x.ticks(7) {
        sheet.line(
            &[(x.at(value), y.from), (x.at(value), y.from + 5.0)],
            1.0,
            Ink::Axis,
        )?;
        let text = format::tick(value);
        sheet.text(
            (x.at(value), y.from + 18.0),
            &text,
            Type::LABEL.anchor(Anchor::Middle),
        )?;
    }
    let name = match x.spread {
        Spread::Linear => "µJ per learning step",
        Spread::Logarithmic => "µJ per learning step, logarithmic",
    };
    sheet.text(
        (f64::midpoint(x.from, x.to), y.from + 38.0),
        name,
        Type::LABEL.anchor(Anchor::Middle),
    )
}

/// A rectangle that a mark or a name takes up.
struct Frame {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

impl Frame {
    fn around(centre: (f64, f64), half_width: f64, half_height: f64) -> Self {
        Self {
            left: centre.0 - half_width,
            right: centre.0 + half_width,
            top: centre.1 - half_height,
            bottom: centre.1 + half_height,
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn within(&self, left: f64, right: f64, top: f64, bottom: f64) -> bool {
        self.left >= left && self.right <= right && self.top >= top && self.bottom <= bottom
    }
}
