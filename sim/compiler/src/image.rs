//! The Program image under construction: words, a header by name, a checksum at the end.

use runtime_shared::program::header::{HEADER_WORDS, MAGIC, VERSION};
use runtime_shared::program::{Call, Field, checksum};

/// A finished image: words, so that it lies aligned in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    words: Vec<u32>,
}

impl Image {
    /// An image of nothing but a header.
    #[expect(clippy::new_without_default, reason = "no image is a default one")]
    pub fn new() -> Self {
        let mut image = Self {
            words: vec![0; HEADER_WORDS],
        };
        image.set(Field::Magic, MAGIC);
        image.set(Field::Version, VERSION);
        image
    }

    /// The bytes, as they go to flash.
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.words)
    }

    /// The image with another seed for the device's generator.
    pub fn with_seed(&self, seed: u64) -> Self {
        let mut image = self.clone();
        image.set(Field::SeedLow, seed as u32);
        image.set(Field::SeedHigh, (seed >> 32) as u32);
        image.seal();
        image
    }

    /// Sets a header field.
    pub fn set(&mut self, field: Field, word: u32) {
        self.words[field as usize] = word;
    }

    /// Sets a header field that is a size.
    pub fn set_size(&mut self, field: Field, size: usize) {
        self.set(field, size as u32);
    }

    /// Sets a header field that is a float.
    pub fn set_float(&mut self, field: Field, value: f32) {
        self.set(field, value.to_bits());
    }

    /// Appends words; gives the byte at which they start.
    pub fn append(&mut self, words: impl IntoIterator<Item = u32>) -> usize {
        let at = self.words.len() * 4;
        self.words.extend(words);
        at
    }

    /// Appends floats; gives the byte at which they start.
    pub fn append_floats(&mut self, floats: &[f32]) -> usize {
        self.append(floats.iter().map(|f| f.to_bits()))
    }

    /// Appends calls and notes where they are.
    pub fn append_calls(&mut self, at: Field, count: Field, calls: &[Call]) {
        let start = self.append(calls.iter().flat_map(Call::encode));
        self.set_size(at, start);
        self.set_size(count, calls.len());
    }

    /// Bytes so far.
    #[expect(
        clippy::len_without_is_empty,
        reason = "an image has at least its header"
    )]
    pub fn len(&self) -> usize {
        self.words.len() * 4
    }

    /// Notes length and checksum.
    pub fn seal(&mut self) {
        self.set_size(Field::Length, self.len());
        let sum = checksum(self.bytes());
        self.set(Field::Checksum, sum);
    }
}
