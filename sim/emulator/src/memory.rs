//! The address space: memories, their aliases, peripherals, and the system's private bus.

use crate::fault::{Cause, Error, Trap};
use crate::machine::{Bank, Machine};
use crate::peripherals::Peripherals;
use crate::system::System;
use crate::word::Word;

/// One memory with its contents and its counters.
#[derive(Debug, Clone)]
pub struct Region {
    /// Name in reports.
    pub name: String,
    /// First address.
    pub base: u32,
    /// Contents; the length is the memory's size.
    pub data: Vec<u8>,
    /// Whether the program may write it.
    pub writable: bool,
    /// Instructions' reads since the start.
    pub loads: u64,
    /// Instructions' writes since the start.
    pub stores: u64,
    /// Offsets of decoded code that a write must invalidate.
    pub(crate) code: std::ops::Range<usize>,
}

/// The bus asks the run loop to look at something.
pub(crate) mod events {
    /// Code in RAM was overwritten.
    pub const CODE_CHANGED: u32 = 1;
    /// An exception may have become pending, or enabled.
    pub const EXCEPTIONS: u32 = 2;
    /// The program asked for a reset.
    pub const RESET: u32 = 4;
    /// The program set the main stack pointer.
    pub const STACK_SET: u32 = 8;
    /// The program set how flash is read.
    pub const FLASH_ACCESS: u32 = 16;
}

impl Region {
    /// An aligned load, where the memory has the address.
    #[inline(always)]
    fn load<W: Word>(&mut self, address: u32) -> Option<u32> {
        let offset = address.wrapping_sub(self.base) as usize;
        let bytes = self.data.get(offset..offset + W::BYTES)?;
        self.loads += 1;
        Some(W::read(bytes).to_u32())
    }
}

/// The emulated address space.
pub struct Bus {
    pub(crate) regions: Vec<Region>,
    aliases: Vec<crate::machine::Alias>,
    pub(crate) peripherals: Peripherals,
    /// The private peripheral bus.
    pub(crate) system: System,
    /// Flags of [`events`].
    pub(crate) events: u32,
    /// Address of the last access, for the timing rules.
    pub(crate) last: u32,
    /// Offsets of overwritten code: region and range.
    pub(crate) stale: Vec<(usize, usize, usize)>,
    /// Cycles so far (instructions, where no timing model runs).
    pub(crate) clock: u64,
    programs_flash: bool,
    /// The registers that say how flash is read, and what each holds before it is written.
    flash_controls: Vec<(u32, u32)>,
    /// What each holds since the program wrote it.
    pub(crate) flash_access: Vec<Option<u32>>,
    unaligned_allowed: bool,
    bit_band: bool,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("regions", &self.regions.len())
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Bus {
    /// Lays out a machine's memories: RAM is zero, flash erased.
    pub(crate) fn new(machine: &Machine, features: &crate::Features) -> Result<Self, Error> {
        let ram = machine.ram.iter().map(|b| (b.clone(), true, None));
        let flash = machine.flash.iter().map(|b| (b.clone(), false, None));
        let roms = machine.roms.iter().map(|rom| {
            let size = u32::try_from(rom.bytes.len()).unwrap_or(u32::MAX);
            (Bank::new("ROM", rom.base, size), false, Some(&rom.bytes))
        });
        let mut regions: Vec<Region> = Vec::new();
        for (bank, writable, held) in ram.chain(flash).chain(roms) {
            let end = u64::from(bank.base) + u64::from(bank.size);
            let overlaps = regions.iter().any(|r| {
                u64::from(r.base) < end
                    && u64::from(bank.base) < u64::from(r.base) + r.data.len() as u64
            });
            if bank.size == 0 || end > 0xe000_0000 || overlaps {
                return Err(Error::MemoryMap {
                    name: bank.name,
                    base: bank.base,
                });
            }
            regions.push(Region {
                name: bank.name,
                base: bank.base,
                data: match held {
                    Some(bytes) => bytes.clone(),
                    None => vec![if writable { 0 } else { 0xff }; bank.size as usize],
                },
                writable,
                loads: 0,
                stores: 0,
                code: 0..0,
            });
        }
        Ok(Bus {
            regions,
            aliases: machine.aliases.clone(),
            peripherals: Peripherals::new(machine),
            system: System::new(features, machine),
            events: 0,
            last: 0,
            stale: Vec::new(),
            clock: 0,
            programs_flash: machine.programs_flash,
            flash_controls: machine
                .timing
                .controls
                .iter()
                .map(|c| (c.register, c.reset))
                .collect(),
            flash_access: vec![None; machine.timing.controls.len()],
            unaligned_allowed: features.unaligned(),
            bit_band: features.bit_band,
        })
    }

    /// Gives the registers that say how flash is read what they hold after a reset.
    pub(crate) fn reset_flash_control(&mut self) {
        for (&(register, reset), value) in self.flash_controls.iter().zip(&mut self.flash_access) {
            if value.take().is_some() {
                self.peripherals.set(register, reset);
            }
        }
    }

    /// What such a register holds.
    pub(crate) fn flash_register(&self, address: u32) -> Option<u32> {
        let index = self.flash_controls.iter().position(|c| c.0 == address)?;
        Some(self.flash_access[index].unwrap_or(self.flash_controls[index].1))
    }

    /// Writes such a register as the host; whether it is one.
    pub(crate) fn set_flash_register(&mut self, address: u32, value: u32) -> bool {
        let is_one = self.flash_controls.iter().any(|c| c.0 == address);
        if is_one && address >> 20 == 0xe00 {
            self.events |= self.system.write(address, value, 4, self.clock);
        }
        if is_one {
            self.peripherals.set(address, value);
            self.note_flash_control(address, 4, value);
        }
        is_one
    }

    /// Takes note of a write, where it is to such a register.
    fn note_flash_control(&mut self, address: u32, bytes: u32, value: u32) {
        let controls = self.flash_controls.iter().zip(&mut self.flash_access);
        for (&(register, reset), held) in controls {
            if register == address & !3 {
                let before = held.unwrap_or(reset);
                *held = Some(crate::peripherals::merge(before, address, bytes, value));
                self.events |= events::FLASH_ACCESS;
            }
        }
    }

    /// Adds a few bytes that the program may only read.
    pub(crate) fn add_configuration(&mut self, address: u32, bytes: &[u8]) {
        self.regions.push(Region {
            name: "configuration".to_owned(),
            base: address,
            data: bytes.to_vec(),
            writable: false,
            loads: 0,
            stores: 0,
            code: 0..0,
        });
    }

    /// Index of the region and offset of an address, aliases resolved.
    pub(crate) fn locate(&self, address: u32) -> Option<(usize, usize)> {
        let direct = |address: u32| {
            self.regions.iter().enumerate().find_map(|(index, r)| {
                let offset = address.wrapping_sub(r.base) as usize;
                (offset < r.data.len()).then_some((index, offset))
            })
        };
        direct(address).or_else(|| direct(self.unalias(address)?))
    }

    fn unalias(&self, address: u32) -> Option<u32> {
        self.aliases.iter().find_map(|a| {
            let offset = address.wrapping_sub(a.base);
            (offset < a.size).then(|| a.target.wrapping_add(offset))
        })
    }

    /// A load. Words and halfwords may be unaligned where the core allows it.
    #[inline(always)]
    pub(crate) fn load<W: Word>(&mut self, address: u32) -> Result<u32, Trap> {
        if address as usize & (W::BYTES - 1) == 0 {
            self.load_aligned::<W>(address)
        } else {
            self.load_unaligned::<W>(address)
        }
    }

    #[inline(always)]
    fn load_aligned<W: Word>(&mut self, address: u32) -> Result<u32, Trap> {
        self.last = address;
        // The first memory is the RAM that programs use most. The question mark keeps the two ways apart:
        // joined as results, the value would be packed and unpacked.
        let near = self.regions.first_mut().and_then(|r| r.load::<W>(address));
        let value = match near {
            Some(value) => value,
            None => self.load_elsewhere::<W>(address)?,
        };
        Ok(value)
    }

    /// A load that the architecture requires to be aligned.
    #[inline(always)]
    pub(crate) fn load_strict<W: Word>(&mut self, address: u32) -> Result<u32, Trap> {
        if address as usize & (W::BYTES - 1) != 0 {
            return Err(Trap::Fault(Cause::Unaligned(address)));
        }
        self.load_aligned::<W>(address)
    }

    #[inline(never)]
    fn load_unaligned<W: Word>(&mut self, address: u32) -> Result<u32, Trap> {
        if !self.unaligned_allowed || self.system.traps_unaligned() {
            return Err(Trap::Fault(Cause::Unaligned(address)));
        }
        let mut value = 0;
        for i in 0..W::BYTES as u32 {
            let byte = self.load_aligned::<u8>(address.wrapping_add(i))?;
            value |= byte << (8 * i);
        }
        self.last = address;
        Ok(value)
    }

    #[inline(never)]
    fn load_elsewhere<W: Word>(&mut self, address: u32) -> Result<u32, Trap> {
        for region in self.regions.iter_mut().skip(1) {
            if let Some(value) = region.load::<W>(address) {
                return Ok(value);
            }
        }
        let bytes = W::BYTES as u32;
        if address >> 20 == 0xe00 {
            let word = self.system.read(address & !3, self.clock);
            return Ok(W::from_u32(word >> (8 * (address & 3))).to_u32());
        }
        if let Some(word) = self.peripherals.read(address, bytes, self.clock) {
            return Ok(W::from_u32(word).to_u32());
        }
        if let Some(target) = self
            .unalias(address)
            .filter(|&t| self.in_region(t, W::BYTES))
        {
            return self.load_aligned::<W>(target);
        }
        if let Some((word, bit)) = self.bit_banded(address) {
            return Ok(self.load_aligned::<u32>(word)? >> bit & 1);
        }
        match self.peripherals.read_unmapped(address) {
            Some(word) => Ok(W::from_u32(word).to_u32()),
            None => Err(Trap::Fault(Cause::UnmappedRead(address))),
        }
    }

    fn in_region(&self, address: u32, bytes: usize) -> bool {
        self.regions.iter().any(|r| {
            let offset = address.wrapping_sub(r.base) as usize;
            offset + bytes <= r.data.len()
        })
    }

    /// The word and bit that a bit-band alias stands for (ARMv7-M ARM B3.1, optional).
    fn bit_banded(&self, address: u32) -> Option<(u32, u32)> {
        let half = address >> 25 & 0x7f;
        if !self.bit_band || half != 0x11 && half != 0x21 {
            return None;
        }
        let bit_number = (address & 0x01ff_ffff) >> 2;
        Some((
            (address & 0xf000_0000) + (bit_number / 32) * 4,
            bit_number % 32,
        ))
    }

    /// A store. Words and halfwords may be unaligned where the core allows it.
    #[inline(always)]
    pub(crate) fn store<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        if address as usize & (W::BYTES - 1) == 0 {
            self.store_aligned::<W>(address, value)
        } else {
            self.store_unaligned::<W>(address, value)
        }
    }

    /// A store that the architecture requires to be aligned.
    #[inline(always)]
    pub(crate) fn store_strict<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        if address as usize & (W::BYTES - 1) != 0 {
            return Err(Trap::Fault(Cause::Unaligned(address)));
        }
        self.store_aligned::<W>(address, value)
    }

    #[inline(always)]
    fn store_aligned<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        self.last = address;
        if let Some(region) = self.regions.first_mut()
            && region.writable
        {
            let offset = address.wrapping_sub(region.base) as usize;
            if let Some(bytes) = region.data.get_mut(offset..offset + W::BYTES)
                && !region.code.contains(&offset)
            {
                W::from_u32(value).write(bytes);
                region.stores += 1;
                return Ok(());
            }
        }
        self.store_elsewhere::<W>(address, value)
    }

    #[inline(never)]
    fn store_elsewhere<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        for (index, region) in self.regions.iter_mut().enumerate() {
            let offset = address.wrapping_sub(region.base) as usize;
            if let Some(bytes) = region.data.get_mut(offset..offset + W::BYTES) {
                let mut value = value;
                if !region.writable {
                    if !self.programs_flash {
                        return Err(Trap::Fault(Cause::WriteToFlash(address)));
                    }
                    value &= W::read(bytes).to_u32();
                }
                W::from_u32(value).write(bytes);
                region.stores += 1;
                if region.code.contains(&offset) {
                    self.stale.push((index, offset, offset + W::BYTES));
                    self.events |= events::CODE_CHANGED;
                }
                return Ok(());
            }
        }
        self.store_outside::<W>(address, value)
    }

    #[inline(never)]
    fn store_unaligned<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        if !self.unaligned_allowed || self.system.traps_unaligned() {
            return Err(Trap::Fault(Cause::Unaligned(address)));
        }
        for i in 0..W::BYTES as u32 {
            self.store_aligned::<u8>(address.wrapping_add(i), value >> (8 * i) & 0xff)?;
        }
        self.last = address;
        Ok(())
    }

    /// A store to what is not memory.
    fn store_outside<W: Word>(&mut self, address: u32, value: u32) -> Result<(), Trap> {
        let bytes = W::BYTES as u32;
        let value = W::from_u32(value).to_u32();
        if address >> 20 == 0xe00 {
            self.events |= self.system.write(address, value, bytes, self.clock);
            self.note_flash_control(address, bytes, value);
            return Ok(());
        }
        if self.peripherals.write(address, bytes, value, self.clock) {
            self.note_flash_control(address, bytes, value);
            return Ok(());
        }
        if let Some(target) = self
            .unalias(address)
            .filter(|&t| self.in_region(t, W::BYTES))
        {
            return self.store_aligned::<W>(target, value);
        }
        if let Some((word, bit)) = self.bit_banded(address) {
            let old = self.load_aligned::<u32>(word)?;
            return self.store_aligned::<u32>(word, old & !(1 << bit) | (value & 1) << bit);
        }
        if self.peripherals.write_unmapped(address, bytes, value) {
            return Ok(());
        }
        Err(Trap::Fault(Cause::UnmappedWrite(address)))
    }

    /// Bytes of memory, as the host sees them: no peripherals, no counters.
    pub(crate) fn peek(&self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        for (i, byte) in bytes.iter_mut().enumerate() {
            let at = address.wrapping_add(i as u32);
            let (region, offset) = self.locate(at).ok_or(Error::NoMemory(at))?;
            *byte = self.regions[region].data[offset];
        }
        Ok(())
    }

    /// Writes memory as the host: flash too. Code that was decoded from it is marked stale.
    pub(crate) fn poke(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        for (i, byte) in bytes.iter().enumerate() {
            let at = address.wrapping_add(i as u32);
            let (region, offset) = self.locate(at).ok_or(Error::NoMemory(at))?;
            self.regions[region].data[offset] = *byte;
            if self.regions[region].code.contains(&offset) {
                self.stale.push((region, offset, offset + 1));
                self.events |= events::CODE_CHANGED;
            }
        }
        Ok(())
    }
}
