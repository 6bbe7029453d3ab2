//! The plots of a report: each is data that knows how to draw itself, once as SVG and once as PNG.

mod accuracy;
mod axis;
mod bars;
mod energy;
mod sheet;
mod theme;

use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend};

pub(crate) use accuracy::Accuracy;
pub(crate) use bars::Bars;
pub(crate) use energy::Energy;
pub(crate) use theme::{classes, css};

use crate::{Error, Run};
use sheet::{Anchor, Drawn, FONT, Sheet, Type, fonts};
use theme::Ink;

/// Width of every plot, CSS pixels.
const WIDTH: f64 = 880.0;
/// Free space at every edge, CSS pixels.
const MARGIN: f64 = 26.0;
/// Pixels of a PNG, and units of an SVG, to a CSS pixel.
const DENSITY: f64 = 2.0;
/// Pixels, in each direction, that are averaged to one of a PNG.
const SAMPLES: u32 = 2;
/// The fonts of an SVG, by preference.
const STACK: &str =
    "Inter, system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif";

/// A plot with its name and what it shows.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// File name without its ending.
    pub(crate) name: &'static str,
    /// One or two sentences for below the plot, and for those who cannot see it.
    pub(crate) caption: String,
    figure: Figure,
}

#[derive(Clone, Debug)]
enum Figure {
    Accuracy(Accuracy),
    Bars(Bars),
    Energy(Energy),
}

/// File names, without their endings, of all plots that a report may have.
pub(crate) const NAMES: [&str; 4] = ["accuracy", "ram", "cycles", "energy"];

/// The plots that the data of `run` allow.
pub(crate) fn plots(run: &Run) -> Vec<Plot> {
    let [accuracy, ram, cycles, energy] = NAMES;
    let plot = |name, (caption, figure)| Plot {
        name,
        caption,
        figure,
    };
    [
        Accuracy::of(run)
            .map(|(caption, figure)| plot(accuracy, (caption, Figure::Accuracy(figure)))),
        Bars::ram(run).map(|(caption, figure)| plot(ram, (caption, Figure::Bars(figure)))),
        Bars::cycles(run).map(|(caption, figure)| plot(cycles, (caption, Figure::Bars(figure)))),
        Energy::of(run).map(|(caption, figure)| plot(energy, (caption, Figure::Energy(figure)))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Plot {
    /// The plot as an SVG file on white ground.
    pub(crate) fn svg(&self) -> Result<String, Error> {
        let mut text = String::new();
        let (width, height) = self.size(DENSITY);
        let mut draw = || -> Drawn {
            fonts()?;
            let area = SVGBackend::with_string(&mut text, (width, height)).into_drawing_area();
            self.draw(&Sheet {
                area,
                scale: DENSITY,
                lower: 0.05,
            })
        };
        draw().map_err(|cause| self.error(cause))?;
        Ok(text.replace(FONT, STACK).replacen(
            &format!("width=\"{width}\" height=\"{height}\""),
            &format!(
                "width=\"{}\" height=\"{}\"",
                f64::from(width) / DENSITY,
                f64::from(height) / DENSITY
            ),
            1,
        ))
    }

    /// The plot as an SVG element that takes its colours from the page.
    pub(crate) fn inline_svg(&self) -> Result<String, Error> {
        let svg = classes(&self.svg()?);
        let label = self
            .caption
            .replace('&', "&amp;")
            .replace('"', "&quot;")
            .replace('<', "&lt;");
        let (width, height) = self.size(DENSITY);
        let head =
            format!("<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">");
        let body = svg.find('>').map_or("", |end| &svg[end + 1..]);
        Ok(format!("{head}{body}"))
    }

    /// The plot as a PNG file on white ground.
    pub(crate) fn png(&self) -> Result<Vec<u8>, Error> {
        self.bitmap().map_err(|cause| self.error(cause))
    }

    fn bitmap(&self) -> Result<Vec<u8>, String> {
        fonts()?;
        let (width, height) = self.size(DENSITY);
        let large = (width * SAMPLES, height * SAMPLES);
        let mut fine = vec![0; large.0 as usize * large.1 as usize * 3];
        {
            let area = BitMapBackend::with_buffer(&mut fine, large).into_drawing_area();
            self.draw(&Sheet {
                area,
                scale: DENSITY * f64::from(SAMPLES),
                lower: 0.2,
            })?;
        }
        let pixels = averaged(&fine, width as usize, height as usize);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(|cause| cause.to_string())?;
        writer
            .write_image_data(&pixels)
            .map_err(|cause| cause.to_string())?;
        writer.finish().map_err(|cause| cause.to_string())?;
        Ok(bytes)
    }

    fn size(&self, scale: f64) -> (u32, u32) {
        let height = match &self.figure {
            Figure::Accuracy(figure) => figure.height(),
            Figure::Bars(figure) => figure.height(),
            Figure::Energy(figure) => figure.height(),
        };
        ((WIDTH * scale) as u32, (height * scale).ceil() as u32)
    }

    fn draw<DB: DrawingBackend>(&self, sheet: &Sheet<DB>) -> Drawn {
        sheet.fill(Ink::Ground)?;
        match &self.figure {
            Figure::Accuracy(figure) => figure.draw(sheet)?,
            Figure::Bars(figure) => figure.draw(sheet)?,
            Figure::Energy(figure) => figure.draw(sheet)?,
        }
        sheet.area.present().map_err(|cause| cause.to_string())
    }

    fn error(&self, cause: String) -> Error {
        Error::Plot {
            plot: self.name.to_owned(),
            cause,
        }
    }
}

/// Averages squares of pixels, [`SAMPLES`] wide, of an RGB image to one of `width` × `height`.
fn averaged(fine: &[u8], width: usize, height: usize) -> Vec<u8> {
    let side = SAMPLES as usize;
    let mut pixels = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let mut sum = 0;
                for (dy, dx) in (0..side).flat_map(|dy| (0..side).map(move |dx| (dy, dx))) {
                    sum += usize::from(
                        fine[((y * side + dy) * width * side + x * side + dx) * 3 + channel],
                    );
                }
                pixels.push((sum / (side * side)) as u8);
            }
        }
    }
    pixels
}

/// A name in a legend with its colour.
#[derive(Clone, Debug)]
struct Key {
    label: String,
    ink: Ink,
}

/// Distance of the title from the top, CSS pixels.
const TITLE_AT: f64 = 28.0;
/// Distance of a line of the legend from the one before, CSS pixels.
const LEGEND_LINE: f64 = 22.0;
/// Width of a colour's sample and the space behind it, CSS pixels.
const SWATCH: f64 = 22.0;
/// Space between two names of a legend, CSS pixels.
const BETWEEN_KEYS: f64 = 22.0;

/// Where each name of a legend begins, and the y below its last line.
fn legend_places(keys: &[Key]) -> (Vec<(f64, f64)>, f64) {
    let (mut x, mut y) = (MARGIN, TITLE_AT + 28.0);
    let places = keys
        .iter()
        .map(|key| {
            // A reader's own font may be wider than ours.
            let width = SWATCH + 1.12 * Type::NAME.width(&key.label);
            if x > MARGIN && x + width > WIDTH - MARGIN {
                (x, y) = (MARGIN, y + LEGEND_LINE);
            }
            let place = (x, y);
            x += width + BETWEEN_KEYS;
            place
        })
        .collect();
    (places, y + LEGEND_LINE / 2.0)
}

/// Draws a title, what is measured at the right, and the legend below.
fn head<DB: DrawingBackend>(
    sheet: &Sheet<DB>,
    (title, measure): (&str, &str),
    keys: &[Key],
    swatch: f64,
) -> Drawn {
    sheet.text((MARGIN, TITLE_AT), title, Type::TITLE)?;
    let kind = Type::LABEL.anchor(Anchor::End);
    sheet.text((WIDTH - MARGIN, TITLE_AT + 1.5), measure, kind)?;
    for (key, (x, y)) in keys.iter().zip(legend_places(keys).0) {
        sheet.rect(
            (x, y - swatch / 2.0),
            (x + SWATCH - 8.0, y + swatch / 2.0),
            key.ink,
        )?;
        sheet.text((x + SWATCH, y), &key.label, Type::NAME)?;
    }
    Ok(())
}
