//! Loading an image, and where execution starts.

use crate::core::Core;
use crate::emulator::Emulator;
use crate::fault::Error;
use crate::loader::{Image, Segment};
use crate::memory::Region;
use crate::stack::Stack;

impl Emulator {
    /// Loads an image and resets into it.
    ///
    /// # Errors
    /// [`Error::WrongCore`] where the image says that it was built for another core, [`Error::Outside`] where it does
    /// not fit the board; see [`Emulator::reset`].
    pub fn load(&mut self, image: Image) -> Result<(), Error> {
        if let Some(built_for) = image.built_for {
            built_for.check(&self.machine.core, &self.features)?;
        }
        let mut configurations = 0;
        for segment in &image.segments {
            let outside = |_| Error::Outside {
                address: segment.address,
                size: segment.bytes.len() as u64,
            };
            if image.segments.len() > 1
                && is_configuration(segment)
                && configurations < MOST_CONFIGURATIONS
                && self.bus.locate(segment.address).is_none()
            {
                configurations += 1;
                self.bus.add_configuration(segment.address, &segment.bytes);
                continue;
            }
            self.bus
                .poke(segment.address, &segment.bytes)
                .map_err(outside)?;
        }
        self.image = Some(image);
        self.code.clear();
        self.generation += 1;
        self.reset()
    }

    /// Resets the core: stack pointer and entry from the vector table of the image, or from the start of flash.
    ///
    /// # Errors
    /// [`Error::VectorTable`] or [`Error::Entry`] where there is nothing on the board to start at.
    pub fn reset(&mut self) -> Result<(), Error> {
        let (sp, pc, vectors) = self.start_state()?;
        self.core = Core::new();
        self.bus.system = crate::system::System::new(&self.features, &self.machine);
        self.bus.system.vtor = vectors;
        self.core.r[13] = sp & !3;
        self.core.r[14] = u32::MAX;
        self.core.pc = pc & !1;
        let variables = self.variables_below(sp);
        let memory = self.bus.locate(sp.wrapping_sub(1));
        let bottom = memory.map_or(0, |(region, _)| self.bus.regions[region].base);
        self.stack = Stack::new(sp, bottom, self.stack.limit, variables);
        self.stopped_at = None;
        self.bus.events = 0;
        self.bus.reset_flash_control();
        self.follow_flash();
        Ok(())
    }

    /// Starts at an address instead of the reset vector.
    ///
    /// # Errors
    /// [`Error::Entry`] where there is no code memory.
    pub fn set_entry(&mut self, address: u32) -> Result<(), Error> {
        if self.code.window_of(address & !1).is_none() {
            return Err(Error::Entry(address));
        }
        self.core.pc = address & !1;
        Ok(())
    }

    /// Stack pointer, entry, and where the vector table lies.
    fn start_state(&self) -> Result<(u32, u32, u32), Error> {
        let image = self.image.as_ref();
        let own_sp = image.and_then(|i| i.stack_pointer);
        let vectors = |at: u32| {
            let (sp, pc) = (self.read_word(at), self.read_word(at.wrapping_add(4)));
            Some((own_sp.unwrap_or(sp.ok()?), pc.ok()?, at))
        };
        let runs = |pc: u32| self.code.window_of(pc & !1).is_some();
        if let Some(at) = image.and_then(|i| i.vectors) {
            return match vectors(at) {
                Some((sp, pc, _)) if pc & 1 == 1 && runs(pc) => Ok((sp, pc, at)),
                Some((stack_pointer, entry, address)) => Err(Error::VectorTable {
                    address,
                    stack_pointer,
                    entry,
                }),
                None => Err(Error::NoMemory(at)),
            };
        }
        let base = self.machine.flash.first().map_or(0, |f| f.base);
        let mut candidates = image
            .map(|i| i.vector_candidates(&self.machine))
            .unwrap_or_default();
        candidates.push(base);
        let tables: Vec<_> = candidates.iter().filter_map(|at| vectors(*at)).collect();
        let entry = image.and_then(|i| i.entry);
        let own = |at: u32| image.is_some_and(|i| i.holds(at));
        let found = tables.iter().find(|&&(sp, pc, at)| {
            // Code may set its stack pointer itself: a table at the start of flash, or one that leads to the image's
            // entry, is what a board would take, whatever it says of the stack.
            let certain = at == base && own(at) && own(pc & !1) || entry == Some(pc);
            pc & 1 == 1 && runs(pc) && (certain || self.holds_stack(sp))
        });
        if let Some(table) = found {
            return Ok(*table);
        }
        // Without a table, as for an image that a loader starts: the stack is at the end of the first RAM.
        if let Some(entry) = entry {
            let end = self.machine.ram.first().map_or(0, |r| r.base + r.size);
            return if runs(entry) {
                Ok((own_sp.unwrap_or(end), entry, base))
            } else {
                Err(Error::Entry(entry))
            };
        }
        match tables.iter().find(|(.., at)| own(*at)).or(tables.first()) {
            Some(&(stack_pointer, entry, address)) => Err(Error::VectorTable {
                address,
                stack_pointer,
                entry,
            }),
            None => Err(Error::NoMemory(base)),
        }
    }

    /// The stack pointer with which execution started, where the board has no RAM for a stack there.
    #[must_use]
    pub fn stack_outside(&self) -> Option<u32> {
        Some(self.stack.start).filter(|sp| !self.holds_stack(*sp))
    }

    /// Whether a stack may begin at an address: it grows down into RAM from there.
    fn holds_stack(&self, sp: u32) -> bool {
        let ram = |r: &Region| {
            r.writable && sp.wrapping_sub(r.base) as usize <= r.data.len() && sp != r.base
        };
        sp & 3 == 0 && self.bus.regions.iter().any(ram)
    }

    /// The end of the variables that lie below a stack in the same memory; 0 where nothing is known.
    fn variables_below(&self, sp: u32) -> u32 {
        let image = self.image.as_ref();
        let Some((region, _)) = self.bus.locate(sp.wrapping_sub(1)) else {
            return 0;
        };
        let base = self.bus.regions[region].base;
        image
            .into_iter()
            .flat_map(|i| &i.variables)
            .filter(|v| v.start >= base && v.end <= sp)
            .map(|v| v.end)
            .max()
            .unwrap_or(0)
    }
}

/// Pieces of configuration that an image may have: each is a memory of its own, which every access outside the
/// first has to pass.
const MOST_CONFIGURATIONS: usize = 64;

/// Whether bytes may belong to a chip's configuration rather than to its memories: option bytes, UICR and
/// their like lie in the code space, are small, and stand in no board's profile. The program may read them.
fn is_configuration(segment: &Segment) -> bool {
    const SMALL: usize = 4096;
    segment.address < 0x2000_0000 && segment.bytes.len() <= SMALL
}
