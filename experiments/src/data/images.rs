//! Labelled images as bytes: what every data set becomes.
//!
//! Pixels stay the bytes that were published, because that is what a sensor delivers and what a replay
//! buffer on a microcontroller stores; [`super::Normalisation`] turns them into floats at the last moment.

use std::fmt;

use super::{error::Error, table::DataSet};

/// Height, width and channels of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Bytes of a pixel: 1 for grey, 3 for red, green, blue.
    pub channels: usize,
}

impl Shape {
    /// Bytes of one image.
    pub const fn len(self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether an image of this shape has no bytes at all.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

/// Images of one shape, one after the other, with a label each.
///
/// Layout: sample, row, column, channel (HWC), one byte per channel.
#[derive(Clone, PartialEq, Eq)]
pub struct Images {
    shape: Shape,
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Images {
    /// Takes `labels.len()` images of `shape`.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the pixels are not exactly one image a label.
    pub fn new(shape: Shape, pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self, Error> {
        if shape.is_empty() || labels.len().checked_mul(shape.len()) != Some(pixels.len()) {
            let (pixels, pixels_each, labels) = (pixels.len(), shape.len(), labels.len());
            return Err(Error::Mismatch {
                pixels,
                pixels_each,
                labels,
            });
        }
        Ok(Self {
            shape,
            pixels,
            labels,
        })
    }

    /// Shape of each image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The bytes of image `i`, HWC.
    ///
    /// # Panics
    /// If there is no image `i`, as indexing a slice does.
    pub fn image(&self, i: usize) -> &[u8] {
        let n = self.shape.len();
        &self.pixels[i * n..(i + 1) * n]
    }

    /// The label of image `i`.
    ///
    /// # Panics
    /// If there is no image `i`, as indexing a slice does.
    pub fn label(&self, i: usize) -> u8 {
        self.labels[i]
    }

    /// All labels, in order.
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// All pixels, in order.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Every image with its label, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], u8)> {
        self.pixels
            .chunks_exact(self.shape.len())
            .zip(self.labels.iter().copied())
    }

    /// Indices of the images whose label is one of `classes`, in order.
    pub fn of_classes(&self, classes: &[u8]) -> Vec<usize> {
        (0..self.len())
            .filter(|&i| classes.contains(&self.labels[i]))
            .collect()
    }

    /// A copy of the images at `indices`, in that order; an index may occur twice.
    ///
    /// # Errors
    /// [`Error::TooFew`] if an index is beyond the last image.
    pub fn subset(&self, indices: &[usize]) -> Result<Self, Error> {
        if let Some(&beyond) = indices.iter().find(|&&i| i >= self.len()) {
            return Err(Error::TooFew {
                asked: beyond.saturating_add(1),
                available: self.len(),
            });
        }
        let pixels = indices
            .iter()
            .flat_map(|&i| self.image(i))
            .copied()
            .collect();
        let labels = indices.iter().map(|&i| self.labels[i]).collect();
        Ok(Self {
            shape: self.shape,
            pixels,
            labels,
        })
    }

    /// How many images each of `classes` classes has.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            if let Some(count) = counts.get_mut(usize::from(label)) {
                *count += 1;
            }
        }
        counts
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} images of {}", self.len(), self.shape)
    }
}

/// A data set in memory. Share it among threads as `Arc<Dataset>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Which one it is.
    pub name: DataSet,
    /// Shape of every image.
    pub shape: Shape,
    /// Number of classes; labels are below it.
    pub classes: usize,
    /// What may be learnt from.
    pub train: Images,
    /// What is only ever evaluated on.
    pub test: Images,
    /// Further held-out images, reported beside the test set where the whole published test set could
    /// not be had (CIFAR-10).
    pub beside: Option<Images>,
    /// Name and sha256 of each file (or, for a generated set, of each part) that it was made of.
    pub digests: Vec<(String, String)>,
    /// Which files served as what, in a sentence for the report.
    pub provenance: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        height: 1,
        width: 2,
        channels: 1,
    };

    fn three() -> Images {
        Images::new(SHAPE, vec![1, 2, 3, 4, 5, 6], vec![7, 8, 7]).expect("three images")
    }

    #[test]
    fn images_and_labels_must_match() {
        for (pixels, labels) in [(5, 3), (6, 2), (0, 1), (1, 0)] {
            let result = Images::new(SHAPE, vec![0; pixels], vec![0; labels]);
            assert!(
                matches!(result, Err(Error::Mismatch { .. })),
                "{pixels} {labels}"
            );
        }
        let nothing = Shape {
            height: 0,
            width: 2,
            channels: 1,
        };
        assert!(Images::new(nothing, vec![], vec![0; 4]).is_err());
    }

    #[test]
    fn a_subset_keeps_the_order_asked_for() {
        let subset = three().subset(&[2, 0, 2]).expect("in range");
        assert_eq!(subset.pixels(), [5, 6, 1, 2, 5, 6]);
        assert_eq!(subset.labels(), [7, 7, 7]);
        let beyond = three().subset(&[0, 3]);
        assert!(matches!(
            beyond,
            Err(Error::TooFew {
                asked: 4,
                available: 3
            })
        ));
    }

    #[test]
    fn classes_are_found_and_counted() {
        assert_eq!(three().of_classes(&[7]), [0, 2]);
        assert_eq!(three().class_counts(9), [0, 0, 0, 0, 0, 0, 0, 2, 1]);
    }
}
