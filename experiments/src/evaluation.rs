//! Accuracy on held-out images, without extracting frozen features twice.

use crate::data::Images;
use crate::device::{Device, Stop};

/// Held-out images, as a device sees them.
pub struct Evaluation<'a> {
    images: &'a Images,
    indices: Vec<usize>,
    /// Features of each image where the device has a frozen extractor, empty otherwise.
    features: Vec<Vec<u8>>,
}

impl<'a> Evaluation<'a> {
    /// Prepares images `indices` for `device`, whose frozen extractor must stay as it is from here on.
    ///
    /// # Errors
    /// [`Stop`] of the device.
    pub fn new<D: Device>(
        device: &mut D,
        images: &'a Images,
        indices: Vec<usize>,
    ) -> Result<Self, Stop> {
        let mut features = Vec::new();
        for &i in &indices {
            let extracted = device.extract(images.image(i))?;
            if extracted.is_empty() {
                break;
            }
            features.push(extracted);
        }
        Ok(Self {
            images,
            indices,
            features,
        })
    }

    /// The share of images whose predicted class is what `relabel` makes of their label.
    ///
    /// # Errors
    /// [`Stop`] of the device.
    pub fn accuracy<D: Device>(
        &self,
        device: &mut D,
        relabel: impl Fn(usize) -> usize,
    ) -> Result<f32, Stop> {
        let mut correct = 0u32;
        for (n, &i) in self.indices.iter().enumerate() {
            let predicted = match self.features.get(n) {
                Some(features) => device.classify(features)?,
                None => device.infer(self.images.image(i))?,
            };
            correct += u32::from(predicted == relabel(usize::from(self.images.label(i))));
        }
        Ok(correct as f32 / self.indices.len().max(1) as f32)
    }
}
