//! Source lines of addresses, from DWARF.

use std::rc::Rc;

use object::{Object, ObjectSection};

type Reader = gimli::EndianRcSlice<gimli::LittleEndian>;

/// The line tables of an image, ready to ask. Building them reads all of DWARF, so keep one for many questions.
pub struct Lines {
    context: addr2line::Context<Reader>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").finish_non_exhaustive()
    }
}

impl Lines {
    /// The tables of an ELF file; `None` where it has none or they cannot be read.
    pub(crate) fn of(bytes: &[u8]) -> Option<Lines> {
        let file = object::File::parse(bytes).ok()?;
        file.section_by_name(".debug_line")?;
        let load = |id: gimli::SectionId| -> Result<Reader, gimli::Error> {
            let data = file
                .section_by_name(id.name())
                .and_then(|s| s.uncompressed_data().ok())
                .unwrap_or_default();
            Ok(Reader::new(Rc::from(&*data), gimli::LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(load).ok()?;
        Some(Lines {
            context: addr2line::Context::from_dwarf(dwarf).ok()?,
        })
    }

    /// File and line of an address, as `file:line`.
    #[must_use]
    pub fn line_of(&self, address: u32) -> Option<String> {
        let location = self.context.find_location(address.into()).ok()??;
        match (location.file, location.line) {
            (Some(file), Some(line)) => Some(format!("{file}:{line}")),
            (Some(file), None) => Some(file.to_owned()),
            _ => None,
        }
    }
}
