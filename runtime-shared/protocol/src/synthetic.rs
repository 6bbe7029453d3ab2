//! Samples that host and device draw alike, so that long trainings can be compared over a slow link.
//!
//! They mean nothing; they look like images with much background, as handwritten digits do.

use runtime_shared::rng::Rng;

/// The generator's purpose, which keeps this stream apart from the learner's own draws.
const PURPOSE: u64 = u64::from_le_bytes(*b"samples\0");

/// A stream of labelled samples.
#[derive(Clone, Debug)]
pub struct Samples {
    rng: Rng,
    density: u8,
}

impl Samples {
    /// The stream that `seed` decides. `density` 256ths of the bytes are not background.
    pub fn new(seed: u64, density: u8) -> Self {
        Self {
            rng: Rng::for_purpose(seed, PURPOSE),
            density,
        }
    }

    /// Fills `sample` with the next one; gives its label, below `classes`.
    pub fn draw(&mut self, sample: &mut [u8], classes: u32) -> u32 {
        for byte in sample {
            let bits = self.rng.next_u32();
            *byte = if bits as u8 >= self.density {
                0
            } else {
                (bits >> 8) as u8
            };
        }
        self.rng.below(classes)
    }
}
