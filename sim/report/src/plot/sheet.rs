//! A sheet of paper: plotters' drawing area with sizes in CSS pixels and colours by role.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::drawing::DrawingArea;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, ShapeStyle, TextStyle, register_font,
};

use super::theme::Ink;

/// The name that the fonts are registered under.
pub(crate) const FONT: &str = "sim-report-inter";
/// plotters' sizes are line heights; CSS sizes are 1 / 1.24 of them (plotters-svg 0.3.7, `draw_text`).
const LINE_HEIGHT: f64 = 1.24;

/// How heavy a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// For all that is read.
    Regular,
    /// For titles.
    Semibold,
}

/// Where a text stands relative to its point, which is halfway up its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// It begins there.
    Start,
    /// It is centred there.
    Middle,
    /// It ends there.
    End,
}

/// A text's size (CSS pixels), weight, colour and anchor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type {
    pub(crate) size: f64,
    pub(crate) weight: Weight,
    pub(crate) ink: Ink,
    pub(crate) anchor: Anchor,
}

impl Type {
    /// Quiet text of an axis or a legend.
    pub(crate) const LABEL: Self = Self {
        size: 12.0,
        weight: Weight::Regular,
        ink: Ink::Quiet,
        anchor: Anchor::Start,
    };
    /// The name of a thing.
    pub(crate) const NAME: Self = Self {
        size: 12.5,
        weight: Weight::Regular,
        ink: Ink::Text,
        anchor: Anchor::Start,
    };
    /// A plot's title.
    pub(crate) const TITLE: Self = Self {
        size: 16.0,
        weight: Weight::Semibold,
        ink: Ink::Text,
        anchor: Anchor::Start,
    };

    pub(crate) fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(crate) fn ink(self, ink: Ink) -> Self {
        Self { ink, ..self }
    }

    pub(crate) fn weight(self, weight: Weight) -> Self {
        Self { weight, ..self }
    }

    /// Width of `text` in CSS pixels.
    pub(crate) fn width(self, text: &str) -> f64 {
        // Measured large, because plotters rounds to whole pixels.
        const ZOOM: f64 = 8.0;
        let font = self.font(ZOOM);
        font.box_size(text)
            .map_or(0.0, |(width, _)| f64::from(width) / ZOOM)
    }

    fn font(self, scale: f64) -> FontDesc<'static> {
        let style = match self.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Semibold => FontStyle::Bold,
        };
        FontDesc::new(
            FontFamily::Name(FONT),
            self.size * LINE_HEIGHT * scale,
            style,
        )
    }
}

/// A drawing area whose coordinates are CSS pixels, `scale` of the backend's to one.
pub(crate) struct Sheet<DB: DrawingBackend> {
    pub(crate) area: DrawingArea<DB, Shift>,
    pub(crate) scale: f64,
    /// How far below the asked height the backend must be told to set a text for its lower-case letters to
    /// be centred there, in sizes of the text: plotters' backends place lines differently.
    pub(crate) lower: f64,
}

/// What drawing gives back; the cause is the backend's.
pub(crate) type Drawn = Result<(), String>;

impl<DB: DrawingBackend> Sheet<DB> {
    /// Paints the whole sheet.
    pub(crate) fn fill(&self, ink: Ink) -> Drawn {
        self.area
            .fill(&ink.rgb())
            .map_err(|cause| cause.to_string())
    }

    /// A line through `points`, `width` pixels wide.
    pub(crate) fn line(&self, points: &[(f64, f64)], width: f64, ink: Ink) -> Drawn {
        let style = ShapeStyle {
            color: ink.rgb().to_rgba(),
            filled: false,
            stroke_width: self.stroke(width),
        };
        self.draw(&PathElement::new(self.points(points), style))
    }

    /// A dashed line from `from` to `to`.
    pub(crate) fn dashes(&self, from: (f64, f64), to: (f64, f64), width: f64, ink: Ink) -> Drawn {
        const DASH: f64 = 5.0;
        const GAP: f64 = 4.0;
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |at: f64| {
            let part = at / length;
            (
                from.0 + part * (to.0 - from.0),
                from.1 + part * (to.1 - from.1),
            )
        };
        let mut at = 0.0;
        while at < length {
            self.line(&[along(at), along((at + DASH).min(length))], width, ink)?;
            at += DASH + GAP;
        }
        Ok(())
    }

    /// A filled shape with `opacity` from 0 to 1.
    pub(crate) fn shape(&self, points: &[(f64, f64)], ink: Ink, opacity: f64) -> Drawn {
        self.draw(&Polygon::new(
            self.points(points),
            ink.rgb().mix(opacity).filled(),
        ))
    }

    /// A filled rectangle between two corners.
    pub(crate) fn rect(&self, from: (f64, f64), to: (f64, f64), ink: Ink) -> Drawn {
        self.draw(&Rectangle::new(
            [self.point(from), self.point(to)],
            ink.rgb().filled(),
        ))
    }

    /// A disc, hollow or filled.
    pub(crate) fn disc(&self, centre: (f64, f64), radius: f64, ink: Ink, filled: bool) -> Drawn {
        let radius_inside = ((radius - 2.0) * self.scale).round() as i32;
        self.draw(&Circle::new(
            self.point(centre),
            (radius * self.scale).round() as i32,
            ink.rgb().filled(),
        ))?;
        if filled {
            return Ok(());
        }
        self.draw(&Circle::new(
            self.point(centre),
            radius_inside,
            Ink::Ground.rgb().filled(),
        ))
    }

    /// A line of text.
    pub(crate) fn text(&self, at: (f64, f64), text: &str, kind: Type) -> Drawn {
        let anchor = match kind.anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let font = kind.font(self.scale);
        let at = (at.0, at.1 + self.lower * kind.size);
        let colour = kind.ink.rgb();
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Center));
        self.draw(&Text::new(text.to_owned(), self.point(at), style))
    }

    fn draw<'a, E>(&self, element: &'a E) -> Drawn
    where
        &'a E: plotters::element::PointCollection<'a, (i32, i32)>,
        E: plotters::element::Drawable<DB>,
    {
        self.area.draw(element).map_err(|cause| cause.to_string())
    }

    fn point(&self, (x, y): (f64, f64)) -> (i32, i32) {
        (
            (x * self.scale).round() as i32,
            (y * self.scale).round() as i32,
        )
    }

    fn points(&self, points: &[(f64, f64)]) -> Vec<(i32, i32)> {
        points.iter().map(|point| self.point(*point)).collect()
    }

    fn stroke(&self, width: f64) -> u32 {
        ((width * self.scale).round() as u32).max(1)
    }
}

/// Registers the fonts that plots are set in, once.
pub(crate) fn fonts() -> Drawn {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        register_font(
            FONT,
            FontStyle::Normal,
            include_bytes!("../../assets/Inter-Regular.otf"),
        )
        .is_ok()
            && register_font(
                FONT,
                FontStyle::Bold,
                include_bytes!("../../assets/Inter-SemiBold.otf"),
            )
            .is_ok()
    });
    if registered {
        Ok(())
    } else {
        Err("the font that is built in cannot be read".to_owned())
    }
}
