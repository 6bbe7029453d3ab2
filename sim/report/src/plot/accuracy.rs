//! Accuracy over the stream: a mean and its band per strategy, with the drift marked.

use plotters::prelude::DrawingBackend;

use super::axis::{Axis, Spread, step};
use super::sheet::{Anchor, Drawn, Sheet, Type};
use super::theme::Ink;
use super::{Key, MARGIN, WIDTH, head, legend_places};
use crate::curve::{Curve, Measure, curves};
use crate::{Run, format};

/// Space for the labels left of the plot.
const LEFT: f64 = 68.0;
/// Space for the labels below the plot.
const BELOW: f64 = 58.0;
/// Space between legend and plot, for the drift's name.
const ABOVE: f64 = 34.0;
/// Height of the plot proper.
const PLOT: f64 = 300.0;

/// The data of the plot.
#[derive(Clone, Debug)]
pub(crate) struct Accuracy {
    title: &'static str,
    y_name: &'static str,
    curves: Vec<Curve>,
    drift_at: Option<u64>,
    /// Whether the x axis counts epochs: every curve has its own.
    epochs: bool,
}

impl Accuracy {
    /// The plot with its caption; `None` where no accuracy was recorded.
    pub(crate) fn of(run: &Run) -> Option<(String, Self)> {
        let (measure, curves) = curves(run);
        if curves.is_empty() {
            return None;
        }
        let y_name = match measure {
            Measure::Test => "accuracy on held-out samples",
            Measure::Prequential => "prequential accuracy, windowed",
        };
        let epochs = curves.iter().all(|curve| curve.epoch.is_some());
        let title = if run.drift_at.is_some() {
            "Accuracy over the stream"
        } else if epochs {
            "Learning curve"
        } else {
            "Accuracy over the samples"
        };
        let mut caption = format!(
            "{title}: {y_name}; line: mean over seeds, band: its 95 % confidence interval."
        );
        if let Some(drift) = run.drift_at {
            caption.push_str(&format!(
                " The dashed line marks the drift at sample {}.",
                format::grouped(drift)
            ));
        }
        Some((
            caption,
            Self {
                title,
                y_name,
                curves,
                drift_at: run.drift_at,
                epochs,
            },
        ))
    }

    pub(crate) fn height(&self) -> f64 {
        legend_places(&self.keys()).1 + ABOVE + PLOT + BELOW
    }

    fn keys(&self) -> Vec<Key> {
        self.curves
            .iter()
            .enumerate()
            .map(|(index, curve)| Key {
                label: curve.label.clone(),
                ink: self.ink(index),
            })
            .collect()
    }

    /// Curves are coloured by strategy, unless one has several: then each for itself.
    fn ink(&self, index: usize) -> Ink {
        let colour = |curve: &Curve| curve.colour;
        let several = self
            .curves
            .windows(2)
            .any(|pair| colour(&pair[0]) == colour(&pair[1]));
        Ink::Series(if several {
            index
        } else {
            self.curves[index].colour
        })
    }

    /// Samples in a unit of the x axis.
    fn unit(&self, curve: &Curve) -> f64 {
        curve.epoch.filter(|_| self.epochs).unwrap_or(1) as f64
    }

    fn axes(&self, top: f64) -> (Axis, Axis) {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let ends = self.curves.iter().filter_map(|curve| {
            let (last, _) = curve.points.last()?;
            Some((last + 1) as f64 / self.unit(curve))
        });
        let high_x = ends.fold(0.0, f64::max);
        let x = Axis {
            low: 0.0,
            high: high_x.max(1.0),
            from: LEFT,
            to: WIDTH - MARGIN,
            spread: Spread::Linear,
        };

        let ends = |(_, e): &(u64, crate::Estimate)| {
            (
                e.mean - e.ci95.unwrap_or(0.0),
                e.mean + e.ci95.unwrap_or(0.0),
            )
        };
        let low = points()
            .map(|point| ends(point).0)
            .fold(1.0, f64::min)
            .max(0.0);
        let high = points()
            .map(|point| ends(point).1)
            .fold(0.0, f64::max)
            .min(1.0);
        let pace = step(((high - low) / 6.0).max(0.002));
        let (mut low, high) = (
            (low / pace).floor() * pace,
            ((high / pace).ceil() * pace).min(1.0),
        );
        if high - low < 1e-6 {
            low = (high - 0.01).max(0.0);
        }
        let high = if high > low { high } else { low + 0.01 };
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
        let keys = self.keys();
        head(sheet, (self.title, self.y_name), &keys, 3.0)?;
        let top = legend_places(&keys).1 + ABOVE;
        let (x, y) = self.axes(top);
        self.draw_grid(sheet, &x, &y)?;
        let offset = if self.epochs { 1.0 } else { 0.0 };
        let place = |curve: &Curve, sample: u64| x.at((sample as f64 + offset) / self.unit(curve));
        for (index, curve) in self.curves.iter().enumerate() {
            let edge = |sign: f64| {
                curve.points.iter().map(move |(sample, e)| {
                    let value = (e.mean + sign * e.ci95.unwrap_or(0.0)).clamp(y.low, y.high);
                    (place(curve, *sample), y.at(value))
                })
            };
            let band: Vec<_> = edge(1.0).chain(edge(-1.0).rev()).collect();
            if curve.points.len() > 1 && curve.points.iter().any(|(_, e)| e.ci95.is_some()) {
                sheet.shape(&band, self.ink(index), 0.18)?;
            }
        }
        for (index, curve) in self.curves.iter().enumerate() {
            let line: Vec<_> = curve
                .points
                .iter()
                .map(|(sample, e)| (place(curve, *sample), y.at(e.mean)))
                .collect();
            sheet.line(&line, 2.0, self.ink(index))?;
            // Few points are shown as such; they say where accuracy was looked at.
            if line.len() <= 40 {
                for point in line {
                    sheet.disc(point, 3.0, self.ink(index), true)?;
                }
            }
        }
        Ok(())
    }

    fn draw_grid<DB: DrawingBackend>(&self, sheet: &Sheet<DB>, x: &Axis, y: &Axis) -> Drawn {
        for value in y.ticks(6) {
            let at = y.at(value);
            sheet.line(&[(x.from, at), (x.to, at)], 1.0, Ink::Grid)?;
            let text = format!("{} %", format::trimmed(100.0 * value));
            sheet.text((x.from - 10.0, at), &text, Type::LABEL.anchor(Anchor::End))?;
        }
        sheet.line(&[(x.from, y.from), (x.to, y.from)], 1.0, Ink::Axis)?;
        for value in x.ticks(8) {
            if self.epochs && value.fract() > 1e-9 {
                continue;
            }
            sheet.line(
                &[(x.at(value), y.from), (x.at(value), y.from + 5.0)],
                1.0,
                Ink::Axis,
            )?;
            let text = if value < 1e5 {
                format::grouped(value.round() as u64)
            } else {
                format::prefixed(value)
            };
            sheet.text(
                (x.at(value), y.from + 18.0),
                &text,
                Type::LABEL.anchor(Anchor::Middle),
            )?;
        }
        let x_name = if self.epochs { "epochs" } else { "samples" };
        sheet.text(
            (f64::midpoint(x.from, x.to), y.from + 38.0),
            x_name,
            Type::LABEL.anchor(Anchor::Middle),
        )?;
        if let Some(drift) = self.drift_at.filter(|drift| *drift as f64 <= x.high) {
            let at = x.at(drift as f64);
            sheet.dashes((at, y.to - 10.0), (at, y.from), 1.2, Ink::Text)?;
            let text = format!("drift at {}", format::grouped(drift));
            let half = Type::LABEL.width(&text) / 2.0;
            let centre = at.clamp(MARGIN + half, WIDTH - MARGIN - half);
            let kind = Type::LABEL.ink(Ink::Text).anchor(Anchor::Middle);
            sheet.text((centre, y.to - 20.0), &text, kind)?;
        }
        Ok(())
    }
}
