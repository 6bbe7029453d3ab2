//! ELF files.

use std::ops::Range;

use object::read::elf::ProgramHeader;
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionFlags, SectionKind};

use super::attributes::BuiltFor;
use super::{Image, Segment};
use crate::fault::Error;
use crate::symbols::{Symbol, SymbolKind, Symbols};

impl Image {
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
        let sections = allocated(&file);
        let mut room = bytes.len();
        for segment in elf.segments() {
            let data = segment.data().map_err(wrong)?;
            let header = segment.elf_program_header();
            let (offset, address) = (header.p_offset(elf.endian()), header.p_paddr(elf.endian()));
            let used = contents(&sections, offset, data.len());
            if used.is_empty() {
                continue;
            }
            // Else a small file could ask for memory without end.
            room = room.checked_sub(used.len()).ok_or_else(|| {
                Error::Elf("its segments hold more bytes than the file, so they overlap".to_owned())
            })?;
            segments.push(Segment {
                address: address.wrapping_add(used.start as u32),
                bytes: data[used].to_vec(),
            });
        }
        if segments.is_empty() {
            return Err(Error::Empty);
        }
        let symbols = Symbols::new(file.symbols().filter_map(|s| symbol(&file, &s)).collect());
        let entry = (file.entry() != 0).then_some(file.entry() as u32);
        Ok(Image {
            segments,
            entry,
            stack_pointer: None,
            vectors: None,
            symbols,
            built_for: file
                .section_by_name(".ARM.attributes")
                .and_then(|s| s.data().ok())
                .map(BuiltFor::read),
            variables: file.sections().filter_map(|s| variables(&s)).collect(),
            file: bytes.to_vec(),
        })
    }
}

/// A symbol that stands for an address.
fn symbol<'d>(file: &object::File<'d>, symbol: &object::Symbol<'d, '_>) -> Option<Symbol> {
    let name = symbol.name().ok()?;
    // Names with a dollar tell code from data.
    if name.is_empty() || name.starts_with('$') || symbol.is_undefined() {
        return None;
    }
    let address = symbol.address() as u32;
    let untyped = symbol.kind() == object::SymbolKind::Unknown;
    let section = || file.section_by_index(symbol.section_index()?).ok();
    let code = || section().filter(|section| section.kind() == SectionKind::Text);
    let (kind, address, size) = match (symbol.kind(), untyped.then(code).flatten()) {
        (object::SymbolKind::Text, _) => (SymbolKind::Function, address & !1, symbol.size() as u32),
        (_, Some(section)) => {
            let end = section.address().saturating_add(section.size());
            let rest = u32::try_from(end)
                .unwrap_or(u32::MAX)
                .saturating_sub(address & !1);
            (SymbolKind::Label, address & !1, rest)
        }
        _ if untyped => (SymbolKind::Other, address & !1, symbol.size() as u32),
        _ => (SymbolKind::Other, address, symbol.size() as u32),
    };
    // A label at the very end of its section, as linker scripts define them, names no code.
    let kind = match kind {
        SymbolKind::Label if size == 0 => SymbolKind::Other,
        kind => kind,
    };
    Some(Symbol {
        name: crate::symbols::demangle(name),
        address,
        size,
        kind,
    })
}

/// Where in the file the sections lie that are loaded.
fn allocated(file: &object::File<'_>) -> Vec<Range<u64>> {
    file.sections()
        .filter(|s| matches!(s.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(object::elf::SHF_ALLOC)))
        .filter_map(|s| s.file_range())
        .map(|(at, size)| at..at.saturating_add(size))
        .filter(|range| !range.is_empty())
        .collect()
}

/// The part of a segment's bytes that sections lie in: linkers put the file's headers before it where there
/// is room. All of it where the file has no sections.
fn contents(sections: &[Range<u64>], offset: u32, length: usize) -> Range<usize> {
    let start = u64::from(offset);
    let end = start + length as u64;
    let inside = || sections.iter().filter(|s| s.start >= start && s.end <= end);
    let first = inside().map(|s| s.start).min();
    let last = inside().map(|s| s.end).max();
    match (first, last) {
        (Some(first), Some(last)) => (first - start) as usize..(last - start) as usize,
        _ => 0..length,
    }
}

/// The addresses of a section of variables. What linker scripts reserve for stack and heap is none.
fn variables(section: &object::Section<'_, '_>) -> Option<Range<u32>> {
    let kept = matches!(
        section.kind(),
        SectionKind::Data | SectionKind::UninitializedData
    );
    let name = section.name().unwrap_or_default().to_ascii_lowercase();
    if !kept || section.size() == 0 || name.contains("stack") || name.contains("heap") {
        return None;
    }
    let start = u32::try_from(section.address()).ok()?;
    let end = start.checked_add(u32::try_from(section.size()).ok()?)?;
    Some(start..end)
}
