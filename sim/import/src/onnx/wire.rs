//! Protocol buffers on the wire: fields of a message, one after the other. What a field means is the reader's
//! to know, so nothing is nested here and nothing is copied.
//!
//! Written by hand: `prost` needs a generated file of the whole schema and copies all weights, `onnx-rs` follows
//! nested messages without a limit.

/// A message that is yet to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a>(pub &'a [u8]);

/// A field's content.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A whole number.
    Varint(u64),
    /// Eight bytes.
    Fixed64([u8; 8]),
    /// Bytes, text, a message, or a list of numbers.
    Bytes(&'a [u8]),
    /// Four bytes.
    Fixed32([u8; 4]),
}

impl<'a> Field<'a> {
    /// As a number, 0 where it is none.
    pub fn int(self) -> i64 {
        match self {
            Field::Varint(v) => v as i64,
            _ => 0,
        }
    }

    /// As a float, 0 where it is none.
    pub fn float(self) -> f32 {
        match self {
            Field::Fixed32(bytes) => f32::from_le_bytes(bytes),
            _ => 0.0,
        }
    }

    /// Its bytes, none where it has none.
    pub fn bytes(self) -> &'a [u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            _ => &[],
        }
    }

    /// As a text.
    pub fn text(self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// As a message.
    pub fn message(self) -> Message<'a> {
        Message(self.bytes())
    }

    /// Appends the numbers of a list, which is written as one field or as many.
    ///
    /// # Errors
    /// Where it is cut.
    pub fn ints(self, into: &mut Vec<i64>) -> Result<(), String> {
        match self {
            Field::Varint(v) => into.push(v as i64),
            Field::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    into.push(varint(&mut bytes)? as i64);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Appends the floats of a list.
    pub fn floats(self, into: &mut Vec<f32>) {
        match self {
            Field::Fixed32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Field::Bytes(bytes) => {
                into.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)));
            }
            _ => {}
        }
    }

    /// Appends the floats of a list of doubles.
    pub fn doubles(self, into: &mut Vec<f32>) {
        match self {
            Field::Fixed64(bytes) => into.push(f64::from_le_bytes(bytes) as f32),
            Field::Bytes(bytes) => {
                let chunks = bytes.as_chunks().0.iter();
                into.extend(chunks.map(|&b| f64::from_le_bytes(b) as f32));
            }
            _ => {}
        }
    }
}

impl<'a> Iterator for Message<'a> {
    type Item = Result<(u64, Field<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Message<'a> {
    fn field(&mut self) -> Result<(u64, Field<'a>), String> {
        let tag = varint(&mut self.0)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut self.0)?),
            1 => Field::Fixed64(self.fixed()?),
            2 => {
                let length = varint(&mut self.0)?;
                let length = usize::try_from(length).map_err(|_| cut())?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
                self.0 = rest;
                Field::Bytes(bytes)
            }
            5 => Field::Fixed32(self.fixed()?),
            kind => return Err(format!("a field is of the unknown kind {kind}")),
        };
        Ok((tag >> 3, field))
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(cut)?;
        self.0 = rest;
        Ok(*bytes)
    }
}

fn cut() -> String {
    "a field goes beyond the end, so the file may be cut short".to_owned()
}

fn varint(bytes: &mut &[u8]) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or_else(cut)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number has too many bytes".to_owned())
}
