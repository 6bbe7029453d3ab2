//! What the emulator needs to know of a board: its core, its memories and their timing, its peripherals.

use crate::memory_timing::MemoryTiming;

/// A board, as far as executing code on it goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Name of the core: `cortex-m0plus`, `cortex-m3`, `cortex-m4f`, `cortex-m7`, `cortex-m33`.
    pub core: String,
    /// Clock in Hz; only semihosting's clocks use it.
    pub clock_hz: u64,
    /// Flash memories: read-only to the program. The first holds the vector table.
    pub flash: Vec<Bank>,
    /// RAM banks, core-coupled memories included. The first is where raw images expect RAM.
    pub ram: Vec<Bank>,
    /// Memories that nobody writes, such as a chip's boot ROM, without wait states.
    pub roms: Vec<Rom>,
    /// Addresses at which a memory appears a second time.
    pub aliases: Vec<Alias>,
    /// Peripheral ranges that read a fixed value or what was written.
    pub peripherals: Vec<Peripheral>,
    /// What reading and writing other addresses of the peripheral space does.
    pub unmapped: Unmapped,
    /// More such space, as first addresses and bytes: some chips have peripherals among their RAM.
    pub peripheral_spaces: Vec<(u32, u32)>,
    /// Whether the program may program flash: a write clears bits, as in the array. Else it is a fault.
    pub programs_flash: bool,
    /// Bits of an interrupt's priority that the chip implements; 0 stands for the core's usual number.
    pub priority_bits: u8,
    /// The families of UF2 files that its boot loader takes; where none is known, a file is for one family, whichever.
    pub uf2_families: Vec<u32>,
    /// Whether the DWT has its cycle counter, which a chip may leave out and the baseline never has.
    pub cycle_counter: bool,
    /// Wait states, line buffers and caches.
    pub timing: MemoryTiming,
}

/// One memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bank {
    /// Name in reports.
    pub name: String,
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
}

impl Bank {
    /// A memory of `size` bytes at `base`.
    #[must_use]
    pub fn new(name: &str, base: u32, size: u32) -> Self {
        Bank {
            name: name.to_owned(),
            base,
            size,
        }
    }
}

/// A memory with what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rom {
    /// First address.
    pub base: u32,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// A second view of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alias {
    /// First address of the view.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// The address it shows.
    pub target: u32,
}

/// A range of addresses outside the memories that the program may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peripheral {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// What reading it gives.
    pub behaviour: Behaviour,
}

/// How a peripheral range answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Every word reads as this value; writes are ignored.
    Fixed(u32),
    /// Words keep what was written, and start as this value.
    Register(u32),
}

/// What an access does in the peripheral space (0x4000_0000 to 0x5fff_ffff, and from 0xa000_0000 on) where
/// no peripheral is described. Unless it is a fault, tables of the chip's maker that are not described either
/// (0x1000_0000 to 0x1fff_ffff, and 0x00ff_0000 to 0x00ff_ffff) read as erased flash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unmapped {
    /// It is a fault.
    #[default]
    Fault,
    /// Reads give zero, writes are ignored.
    Zero,
    /// A register keeps what is written, and is zero before.
    Register,
    /// As `Register`, but whoever reads a register again and again without writing it waits for something: from
    /// the fifth read on it changes a bit at a time, first those behind bits that are set, then to ever other
    /// words, so that every ready bit comes and every busy bit goes. What let the program go on stays until it
    /// writes the register. The values are the same in every run.
    Ready,
}

impl Machine {
    /// A machine with 4 MB of flash at 0 and 4 MB of RAM at 0x2000_0000, without wait states: enough for
    /// firmware of QEMU's `mps2` boards.
    #[must_use]
    pub fn generic(core: &str) -> Self {
        Machine {
            core: core.to_owned(),
            clock_hz: 25_000_000,
            flash: vec![Bank::new("flash", 0, 4 << 20)],
            ram: vec![Bank::new("ram", 0x2000_0000, 4 << 20)],
            roms: Vec::new(),
            aliases: Vec::new(),
            peripherals: Vec::new(),
            unmapped: Unmapped::Fault,
            peripheral_spaces: Vec::new(),
            programs_flash: false,
            priority_bits: 0,
            uf2_families: Vec::new(),
            cycle_counter: true,
            timing: MemoryTiming::default(),
        }
    }
}
