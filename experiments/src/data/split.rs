//! Which training images are learnt from and which are held out to choose by.
//!
//! The test set has no part in this: it is another [`Images`], and indices drawn here are of the
//! training set alone.

use runtime_shared::rng::Rng;

use super::{error::Error, images::Images};

/// Separates the draws of a split from every other use of the same seed.
const PURPOSE: u64 = 0x0053_504c_4954;

/// A training set in two parts that share no image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Indices to learn from, in random order.
    pub train: Vec<usize>,
    /// Indices to validate on, in random order.
    pub validation: Vec<usize>,
}

impl Split {
    /// Draws `validation` images at random from `images`; the rest is for training. The same seed gives
    /// the same split.
    ///
    /// # Errors
    /// [`Error::TooFew`] if there are fewer images than that.
    pub fn new(images: &Images, seed: u64, validation: usize) -> Result<Self, Error> {
        Self::among((0..images.len()).collect(), seed, validation)
    }

    /// The same among the images of `classes` only.
    ///
    /// # Errors
    /// [`Error::TooFew`] if these classes have fewer images than that.
    pub fn of_classes(
        images: &Images,
        classes: &[u8],
        seed: u64,
        validation: usize,
    ) -> Result<Self, Error> {
        Self::among(images.of_classes(classes), seed, validation)
    }

    fn among(mut indices: Vec<usize>, seed: u64, validation: usize) -> Result<Self, Error> {
        if validation > indices.len() {
            return Err(Error::TooFew {
                asked: validation,
                available: indices.len(),
            });
        }
        Rng::for_purpose(seed, PURPOSE).shuffle(&mut indices);
        let train = indices.split_off(validation);
        Ok(Self {
            train,
            validation: indices,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::images::Shape;
    use super::*;

    fn thousand() -> Images {
        let labels = (0..1000).map(|i| (i % 10) as u8).collect();
        let shape = Shape {
            height: 1,
            width: 1,
            channels: 1,
        };
        Images::new(shape, vec![0; 1000], labels).expect("one pixel each")
    }

    #[test]
    fn the_parts_are_disjoint_and_whole() {
        let split = Split::new(&thousand(), 1, 200).expect("enough");
        assert_eq!((split.train.len(), split.validation.len()), (800, 200));
        let mut all = [split.train, split.validation].concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_decides() {
        let split = |seed| Split::new(&thousand(), seed, 200).expect("enough");
        assert_eq!(split(1), split(1));
        assert_ne!(split(1).validation, split(2).validation);
    }

    #[test]
    fn classes_are_filtered_before_the_draw() {
        let images = thousand();
        let split = Split::of_classes(&images, &[0, 1, 2], 1, 100).expect("enough");
        assert_eq!((split.train.len(), split.validation.len()), (200, 100));
        assert!(
            split
                .train
                .iter()
                .chain(&split.validation)
                .all(|&i| images.label(i) < 3)
        );
        let too_many = Split::of_classes(&images, &[0, 1, 2], 1, 301);
        assert!(matches!(
            too_many,
            Err(Error::TooFew {
                asked: 301,
                available: 300
            })
        ));
    }
}
