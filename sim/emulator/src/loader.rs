//! Images: ELF files and raw binaries, with their symbols.

use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::fault::Error;
use crate::lines::Lines;
use crate::machine::Machine;
use crate::symbols::{Symbol, Symbols};

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
    /// The ELF file, for its line tables.
    file: Vec<u8>,
}

impl Image {
    /// Reads an image: an ELF file, or else a raw binary that starts with the vector table, at the start of
    /// the machine's first flash.
    ///
    /// # Errors
    /// [`Error::Elf`], [`Error::Architecture`] or [`Error::Empty`] where it cannot be executed.
    pub fn read(bytes: &[u8], machine: &Machine) -> Result<Self, Error> {
        if bytes.starts_with(b"\x7fELF") {
            return Self::elf(bytes);
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
        Ok(Image {
            segments: vec![segment],
            entry: None,
            symbols: Symbols::default(),
            file: Vec::new(),
        })
    }

    /// An ELF file: its loadable segments at their physical addresses, which is where flash programmers and
    /// QEMU put them.
    ///
    /// # Errors
    /// [`Error::Elf`], [`Error::Architecture`] or [`Error::Empty`] where it cannot be executed.
    pub fn elf(bytes: &[u8]) -> Result<Self, Error> {
        let wrong = |e: object::Error| Error::Elf(e.to_string());
        let file = object::File::parse(bytes).map_err(wrong)?;
        let arm = file.architecture() == object::Architecture::Arm
            && file.is_little_endian()
            && !file.is_64();
        if !arm {
            return Err(Error::Architecture(format!("{:?}", file.architecture())));
        }
        let object::File::Elf32(elf) = &file else {
            return Err(Error::Architecture("a format other than ELF".to_owned()));
        };
        let mut segments = Vec::new();
        for segment in elf.segments() {
            let data = segment.data().map_err(wrong)?;
            if data.is_empty() {
                continue;
            }
            let header = segment.elf_program_header();
            let address = object::read::elf::ProgramHeader::p_paddr(header, elf.endian());
            segments.push(Segment {
                address,
                bytes: data.to_vec(),
            });
        }
        if segments.is_empty() {
            return Err(Error::Empty);
        }
        let symbols = file.symbols().filter_map(|s| {
            let name = s.name().ok()?;
            let mapping = name.starts_with('$');
            let code = s.kind() == SymbolKind::Text
                || s.kind() == SymbolKind::Unknown && !s.is_undefined();
            (!mapping && !name.is_empty() && !s.is_undefined()).then(|| Symbol {
                name: crate::symbols::demangle(name),
                address: (s.address() as u32) & if code { !1 } else { !0 },
                size: s.size() as u32,
                function: s.kind() == SymbolKind::Text,
            })
        });
        let symbols = Symbols::new(symbols.collect());
        let entry = (file.entry() != 0).then_some(file.entry() as u32);
        Ok(Image {
            segments,
            entry,
            symbols,
            file: bytes.to_vec(),
        })
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
