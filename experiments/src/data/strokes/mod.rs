//! Digits drawn by the crate itself: a data set that needs no file and no network.
//!
//! Each image is a digit's pen strokes (`glyphs.rs`), bent, turned, sheared, scaled and moved at random,
//! drawn with a pen of random width and pressure, under noise. Where it lands varies so much that one
//! template a class does not do: a linear classifier stays below 90 %, a small convolutional network
//! passes 97 %.
//!
//! Every image is drawn from its own generator, seeded by the seed and its index, with `+`, `−`, `×`, `÷`
//! and `libm` in f32 alone: the bytes are the same on every machine and for every number of threads.

mod glyphs;

use std::f32::consts::PI;

use rayon::prelude::*;
use runtime_shared::rng::Rng;

use super::{
    content,
    error::Error,
    images::{Dataset, Images},
    table::DataSet,
};
use glyphs::{GLYPHS, Stroke};

/// Side of an image in pixels.
const SIDE: usize = 28;
/// Half the height of an undistorted digit, in pixels.
const REACH: f32 = 9.0;
/// Straight pieces of a whole ellipse.
const PIECES: f32 = 20.0;

/// How many images, from which seed, how far from the ideal glyph.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Decides every image.
    pub seed: u64,
    /// Training images; the classes take turns.
    pub train: usize,
    /// Test images, drawn after the training images from generators of their own.
    pub test: usize,
    /// How they differ from the ideal glyphs.
    pub distortion: Distortion,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 2022,
            train: 20_000,
            test: 4_000,
            distortion: Distortion::default(),
        }
    }
}

/// Bounds of what is drawn at random for each image, uniform within them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distortion {
    /// Largest rotation either way, in radians.
    pub rotation: f32,
    /// Largest shear either way: sideways shift over height.
    pub shear: f32,
    /// Smallest and largest scale, apart for width and height.
    pub scale: (f32, f32),
    /// Largest shift either way, in pixels, apart for x and y.
    pub shift: f32,
    /// Largest coefficient of the quadratic warp, in units of the glyph.
    pub warp: f32,
    /// Largest shift of every corner, in units of the glyph.
    pub jitter: f32,
    /// Thinnest and widest pen, in pixels.
    pub pen: (f32, f32),
    /// Lightest and strongest pressure: the grey of a stroke's middle over 255.
    pub pressure: (f32, f32),
    /// Largest amplitude of the noise in grey levels; each image draws its own.
    pub noise: f32,
}

impl Default for Distortion {
    fn default() -> Self {
        Self {
            rotation: 0.25,
            shear: 0.25,
            scale: (0.65, 1.05),
            shift: 2.5,
            warp: 0.12,
            jitter: 0.05,
            pen: (1.6, 3.0),
            pressure: (0.65, 1.0),
            noise: 40.0,
        }
    }
}

/// Draws the data set.
///
/// # Errors
/// None that a caller could cause: an image drawn always has the shape of the table.
pub fn draw(options: Options) -> Result<Dataset, Error> {
    let set = DataSet::Strokes;
    let entry = set.entry();
    let part = |from: usize, count: usize| {
        let mut pixels = vec![0; count * SIDE * SIDE];
        pixels
            .par_chunks_exact_mut(SIDE * SIDE)
            .enumerate()
            .for_each(|(i, image)| {
                let mut rng = Rng::for_purpose(options.seed, (from + i) as u64);
                image_of(i % GLYPHS.len(), &options.distortion, &mut rng, image);
            });
        let labels = (0..count).map(|i| (i % GLYPHS.len()) as u8).collect();
        Images::new(entry.shape, pixels, labels)
    };
    let (train, test) = (part(0, options.train)?, part(options.train, options.test)?);
    let digests = [("train", &train), ("test", &test)]
        .map(|(name, images)| (name.to_string(), content::sha256(images.pixels())))
        .into();
    let provenance = format!(
        "{set}: digits drawn by this program from seed {} ({} to train on, {} to test on), not \
         measured data",
        options.seed, options.train, options.test
    );
    let (shape, classes) = (entry.shape, entry.classes);
    Ok(Dataset {
        name: set,
        shape,
        classes,
        train,
        test,
        beside: None,
        digests,
        provenance,
    })
}

/// Draws one digit into `image`, which is black before.
fn image_of(digit: usize, distortion: &Distortion, rng: &mut Rng, image: &mut [u8]) {
    let styles = GLYPHS[digit];
    let style = styles[rng.below(styles.len() as u32) as usize];
    let placing = Placing::draw(distortion, rng);
    let pen = between(rng, distortion.pen) / 2.0;
    let ink = 255.0 * between(rng, distortion.pressure);
    let noise = distortion.noise * rng.unit();

    // Squared distance of every pixel's centre to the nearest stroke.
    let mut distance = [f32::INFINITY; SIDE * SIDE];
    for &stroke in style {
        let mut last = None;
        trace(stroke, |x, y| {
            let bent = (
                x + distortion.jitter * either_way(rng),
                y + distortion.jitter * either_way(rng),
            );
            let point = placing.place(bent);
            if let Some(before) = last {
                nearer(&mut distance, before, point, pen + 1.0);
            }
            last = Some(point);
        });
    }
    for (pixel, squared) in image.iter_mut().zip(distance) {
        // One pixel of soft edge.
        let cover = (pen + 0.5 - libm::sqrtf(squared)).clamp(0.0, 1.0);
        let grain = noise * either_way(rng);
        *pixel = (ink * cover + grain).clamp(0.0, 255.0) as u8;
    }
}

/// Calls `point` with the corners of a stroke.
fn trace(stroke: Stroke, mut point: impl FnMut(f32, f32)) {
    match stroke {
        Stroke::Line(corners) => corners.iter().for_each(|&(x, y)| point(x, y)),
        Stroke::Arc {
            centre,
            radii,
            angles: (from, to),
        } => {
            let pieces = libm::ceilf(PIECES * libm::fabsf(to - from) / 360.0);
            for i in 0..=pieces as u32 {
                let angle = (from + (to - from) * i as f32 / pieces) * (PI / 180.0);
                point(
                    centre.0 + radii.0 * libm::cosf(angle),
                    centre.1 + radii.1 * libm::sinf(angle),
                );
            }
        }
    }
}

/// Where a point of the glyph lands on the image: a quadratic warp, then an affine map.
struct Placing {
    warp: [f32; 6],
    map: [f32; 4],
    middle: (f32, f32),
}

impl Placing {
    fn draw(distortion: &Distortion, rng: &mut Rng) -> Self {
        let warp = core::array::from_fn(|_| distortion.warp * either_way(rng));
        let angle = distortion.rotation * either_way(rng);
        let shear = distortion.shear * either_way(rng);
        let width = REACH * between(rng, distortion.scale);
        let height = REACH * between(rng, distortion.scale);
        let (sin, cos) = (libm::sinf(angle), libm::cosf(angle));
        // Scale, then shear sideways, then rotate.
        let map = [
            cos * width,
            cos * shear * height - sin * height,
            sin * width,
            sin * shear * height + cos * height,
        ];
        let centre = (SIDE as f32 - 1.0) / 2.0;
        let middle = (
            centre + distortion.shift * either_way(rng),
            centre + distortion.shift * either_way(rng),
        );
        Self { warp, map, middle }
    }

    fn place(&self, (x, y): (f32, f32)) -> (f32, f32) {
        let [a, b, c, d, e, f] = self.warp;
        let (x, y) = (
            x + a * x * x + b * x * y + c * y * y,
            y + d * x * x + e * x * y + f * y * y,
        );
        (
            self.middle.0 + self.map[0] * x + self.map[1] * y,
            self.middle.1 + self.map[2] * x + self.map[3] * y,
        )
    }
}

/// Lowers the squared distances of the pixels within `reach` of the line from `a` to `b`.
fn nearer(distance: &mut [f32; SIDE * SIDE], a: (f32, f32), b: (f32, f32), reach: f32) {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let span = |p: f32, q: f32| {
        // The cast clips at 0, and what is not a number becomes 0.
        let first = (p.min(q) - reach) as usize;
        let last = (p.max(q) + reach) as usize + 1;
        first.min(SIDE)..last.min(SIDE)
    };
    for row in span(a.1, b.1) {
        for column in span(a.0, b.0) {
            let (px, py) = (column as f32 - a.0, row as f32 - a.1);
            let along = if length > 0.0 {
                ((px * dx + py * dy) / length).clamp(0.0, 1.0)
            } else {
                0.0
            };
            let (ex, ey) = (px - along * dx, py - along * dy);
            let cell = &mut distance[row * SIDE + column];
            *cell = cell.min(ex * ex + ey * ey);
        }
    }
}

/// Uniform in `[low, high)`.
fn between(rng: &mut Rng, (low, high): (f32, f32)) -> f32 {
    low + (high - low) * rng.unit()
}

/// Uniform in `[-1, 1)`.
fn either_way(rng: &mut Rng) -> f32 {
    2.0 * rng.unit() - 1.0
}
