//! Images: ELF files, Intel HEX, UF2 and raw binaries, with what the file says about its symbols.

mod attributes;
mod elf;
mod hex;
mod uf2;

use std::ops::Range;

use attributes::BuiltFor;
use object::{Object, ObjectSection};

use crate::fault::Error;
use crate::lines::Lines;
use crate::machine::Machine;
use crate::symbols::Symbols;

/// Names that linkers and vendors give the vector table.
const VECTOR_NAMES: &[&str] = &[
    "__vector_table",
    "__isr_vector",
    "g_pfnVectors",
    "__Vectors",
    "_vectors",
    "__vectors",
    "_vector_table",
    "vector_table",
    "__VECTOR_TABLE",
    "__INITIAL_SP",
    "VECTOR_TABLE",
];

/// Names after which the heap may begin.
const HEAP_NAMES: &[&str] = &[
    "__heap_start",
    "__sheap",
    "__HeapBase",
    "__end__",
    "end",
    "_end",
    "__ebss",
    "_ebss",
    "__bss_end__",
];

/// Bytes that belong at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub address: u32,
    /// Contents, never empty.
    pub bytes: Vec<u8>,
}

/// A program to load.
#[derive(Debug, Clone)]
pub struct Image {
    /// What to write to memory, at load addresses.
    pub segments: Vec<Segment>,
    /// The entry point, where the file names one.
    pub entry: Option<u32>,
    /// Functions and objects by address.
    pub symbols: Symbols,
    /// The stack pointer to start with, instead of what the vector table says.
    pub stack_pointer: Option<u32>,
    /// Where its vector table lies, instead of what the file and its symbols say.
    pub vectors: Option<u32>,
    /// Where the program keeps variables, as far as the file says.
    pub(crate) variables: Vec<Range<u32>>,
    /// What it was built for, where the file says so.
    pub(crate) built_for: Option<BuiltFor>,
    /// The ELF file, for its line tables.
    file: Vec<u8>,
}

impl Image {
    /// Reads an image: an ELF file, Intel HEX, UF2, or else a raw binary that starts with the vector table,
    /// at the start of the machine's first flash. What it is tells its beginning.
    ///
    /// # Errors
    /// [`Error::Elf`], [`Error::Hex`], [`Error::Uf2`], [`Error::Architecture`] or [`Error::Empty`] where it
    /// cannot be executed.
    pub fn read(bytes: &[u8], machine: &Machine) -> Result<Self, Error> {
        if bytes.starts_with(b"\x7fELF") {
            return Self::elf(bytes);
        }
        if hex::is_hex(bytes) {
            return Self::hex(bytes, machine.core != "cortex-m0plus");
        }
        if uf2::is_uf2(bytes) {
            return Self::uf2(bytes, &machine.uf2_families);
        }
        let base = machine.flash.first().map_or(0, |f| f.base);
        Self::raw(bytes, base)
    }

    /// A raw binary at an address.
    ///
    /// # Errors
    /// [`Error::Empty`] where there are no bytes.
    pub fn raw(bytes: &[u8], address: u32) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::Empty);
        }
        let segment = Segment {
            address,
            bytes: bytes.to_vec(),
        };
        Ok(Self::of_segments(vec![segment]))
    }

    /// Intel HEX: records of bytes with addresses and checksums. Of a universal hex, which serves two
    /// boards, `mainline` chooses the part for the larger core.
    ///
    /// # Errors
    /// [`Error::Hex`] with the line, or [`Error::Empty`].
    pub fn hex(bytes: &[u8], mainline: bool) -> Result<Self, Error> {
        Self::of_blocks(hex::blocks(bytes, mainline)?)
    }

    /// UF2: blocks of 512 bytes that each carry a piece of flash. Of a file for several families of chips, those of `families` count;
    /// where that is empty, the file may be for one family only.
    ///
    /// # Errors
    /// [`Error::Uf2`] with the block, [`Error::Uf2Family`] where no block is for such a chip, or [`Error::Empty`].
    pub fn uf2(bytes: &[u8], families: &[u32]) -> Result<Self, Error> {
        Self::of_blocks(uf2::blocks(bytes, families)?)
    }

    fn of_blocks(blocks: Vec<Segment>) -> Result<Self, Error> {
        let segments = join(blocks);
        if segments.is_empty() {
            return Err(Error::Empty);
        }
        Ok(Self::of_segments(segments))
    }

    fn of_segments(segments: Vec<Segment>) -> Self {
        Image {
            segments,
            entry: None,
            stack_pointer: None,
            vectors: None,
            symbols: Symbols::default(),
            variables: Vec::new(),
            built_for: None,
            file: Vec::new(),
        }
    }

    /// Addresses at which the vector table may lie, the likeliest first.
    pub(crate) fn vector_candidates(&self, machine: &Machine) -> Vec<u32> {
        let mut candidates: Vec<u32> = VECTOR_NAMES
            .iter()
            .filter_map(|n| self.symbols.named(n))
            .map(|s| s.address)
            .collect();
        if let Ok(file) = object::File::parse(&*self.file) {
            let named = |s: &str| {
                matches!(
                    s,
                    ".isr_vector" | ".vector_table" | ".vectors" | ".intvecs" | ".interrupts"
                )
            };
            candidates.extend(
                file.sections()
                    .filter(|s| s.name().is_ok_and(named))
                    .map(|s| s.address() as u32),
            );
        }
        candidates.extend(machine.flash.iter().map(|f| f.base));
        candidates.extend(self.segments.iter().map(|s| s.address));
        // A second-stage boot loader of 256 bytes comes first on some chips.
        candidates.extend(self.segments.iter().map(|s| s.address.wrapping_add(0x100)));
        candidates
    }

    /// Whether it has a byte for an address.
    pub(crate) fn holds(&self, address: u32) -> bool {
        let within = |s: &Segment| (address.wrapping_sub(s.address) as usize) < s.bytes.len();
        self.segments.iter().any(within)
    }

    /// The same image, tried on any core: an instruction that the core does not know stops it.
    #[must_use]
    pub fn for_any_core(self) -> Self {
        Image {
            built_for: None,
            ..self
        }
    }

    /// Where free memory begins, as far as the symbols say.
    pub(crate) fn heap_start(&self) -> Option<u32> {
        HEAP_NAMES
            .iter()
            .find_map(|n| self.symbols.named(n))
            .map(|s| s.address)
    }

    /// The line tables, where there are any.
    #[must_use]
    pub fn lines(&self) -> Option<Lines> {
        Lines::of(&self.file)
    }
}

/// Joins blocks that follow one another.
fn join(blocks: Vec<Segment>) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for block in blocks.into_iter().filter(|b| !b.bytes.is_empty()) {
        match segments.last_mut() {
            Some(last) if last.address.wrapping_add(last.bytes.len() as u32) == block.address => {
                last.bytes.extend(block.bytes);
            }
            _ => segments.push(block),
        }
    }
    segments
}
