//! The part of FlatBuffers that a reader needs: tables, vectors and strings behind offsets. Whoever asks gets
//! nothing where an offset leads out of the file, so no file makes it fail, and reading recurses nowhere.
//!
//! Written by hand since the generated code of the schema has thousands of lines for the forty fields that
//! are read, and the runtime crates of `flatc` need `unsafe` to be used without it.

/// The longest list of numbers: scales of channels, inputs of an operator.
const LIST: usize = 1 << 16;

/// A file.
#[derive(Clone, Copy)]
pub struct Buffer<'a>(pub &'a [u8]);

/// A table.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    buffer: Buffer<'a>,
    /// Where it starts.
    at: usize,
    /// Where the offsets of its fields start, and how many bytes they have.
    fields: (usize, usize),
}

/// A vector.
#[derive(Clone, Copy)]
pub struct Vector<'a> {
    buffer: Buffer<'a>,
    /// Its first element.
    at: usize,
    /// How many elements.
    len: usize,
}

impl<'a> Buffer<'a> {
    fn bytes<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u32(self, at: usize) -> Option<usize> {
        self.bytes(at).map(|b| u32::from_le_bytes(b) as usize)
    }

    /// What the offset at `at` leads to.
    fn follow(self, at: usize) -> Option<usize> {
        self.u32(at)?.checked_add(at)
    }

    /// The table that the file is of.
    pub fn root(self) -> Option<Table<'a>> {
        self.table(self.follow(0)?)
    }

    fn table(self, at: usize) -> Option<Table<'a>> {
        let back = i64::from(i32::from_le_bytes(self.bytes(at)?));
        let fields = usize::try_from((at as i64).checked_sub(back)?).ok()?;
        let len = usize::from(u16::from_le_bytes(self.bytes(fields)?));
        let buffer = self;
        let fields = (fields, len);
        Some(Table { buffer, at, fields })
    }
}

impl<'a> Table<'a> {
    /// Where field `id` lies, if it is there.
    fn field(self, id: usize) -> Option<usize> {
        let entry = 4 + 2 * id;
        if entry + 2 > self.fields.1 {
            return None;
        }
        let offset = u16::from_le_bytes(self.buffer.bytes(self.fields.0.checked_add(entry)?)?);
        (offset != 0).then(|| self.at.checked_add(usize::from(offset)))?
    }

    /// A byte; 0 where it is left out.
    pub fn u8(self, id: usize) -> u8 {
        let bytes = self.field(id).and_then(|at| self.buffer.bytes::<1>(at));
        bytes.map_or(0, |b| b[0])
    }

    /// A number of 32 bits; `default` where it is left out.
    pub fn i32(self, id: usize, default: i32) -> i32 {
        let bytes = self.field(id).and_then(|at| self.buffer.bytes(at));
        bytes.map_or(default, i32::from_le_bytes)
    }

    /// A number of 64 bits without a sign; 0 where it is left out.
    pub fn u64(self, id: usize) -> u64 {
        let bytes = self.field(id).and_then(|at| self.buffer.bytes(at));
        bytes.map_or(0, u64::from_le_bytes)
    }

    /// A float; `default` where it is left out.
    pub fn f32(self, id: usize, default: f32) -> f32 {
        let bytes = self.field(id).and_then(|at| self.buffer.bytes(at));
        bytes.map_or(default, f32::from_le_bytes)
    }

    /// A table.
    pub fn table(self, id: usize) -> Option<Table<'a>> {
        let at = self.buffer.follow(self.field(id)?)?;
        self.buffer.table(at)
    }

    /// A vector of elements of `size` bytes.
    fn vector(self, id: usize, size: usize) -> Option<Vector<'a>> {
        let start = self.buffer.follow(self.field(id)?)?;
        let len = self.buffer.u32(start)?;
        let at = start.checked_add(4)?;
        let end = at.checked_add(len.checked_mul(size)?)?;
        let buffer = self.buffer;
        (end <= buffer.0.len()).then_some(Vector { buffer, at, len })
    }

    /// The bytes of a vector.
    pub fn bytes(self, id: usize) -> Option<&'a [u8]> {
        let vector = self.vector(id, 1)?;
        self.buffer.0.get(vector.at..vector.at + vector.len)
    }

    /// A string.
    pub fn text(self, id: usize) -> Option<String> {
        let bytes = self.bytes(id)?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// A vector of numbers of 32 bits; empty where it is left out or longer than [`LIST`].
    pub fn list_i32(self, id: usize) -> Vec<i32> {
        self.list(id, i32::from_le_bytes)
    }

    /// A vector of numbers of 64 bits.
    pub fn list_i64(self, id: usize) -> Vec<i64> {
        self.list(id, i64::from_le_bytes)
    }

    /// A vector of floats.
    pub fn list_f32(self, id: usize) -> Vec<f32> {
        self.list(id, f32::from_le_bytes)
    }

    fn list<const N: usize, T>(self, id: usize, read: fn([u8; N]) -> T) -> Vec<T> {
        let Some(vector) = self.vector(id, N).filter(|v| v.len <= LIST) else {
            return Vec::new();
        };
        let bytes = self.buffer.0.get(vector.at..vector.at + N * vector.len);
        let chunks = bytes.unwrap_or_default().as_chunks::<N>().0;
        chunks.iter().map(|&b| read(b)).collect()
    }

    /// A vector of at most `most` tables; nothing where one of them lies outside of the file.
    pub fn tables(self, id: usize, most: usize) -> Option<Vec<Table<'a>>> {
        if self.field(id).is_none() {
            return Some(Vec::new());
        }
        let vector = self.vector(id, 4).filter(|v| v.len <= most)?;
        let table = |i: usize| {
            vector
                .buffer
                .table(vector.buffer.follow(vector.at + 4 * i)?)
        };
        (0..vector.len).map(table).collect()
    }
}
