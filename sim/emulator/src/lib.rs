//! An instruction-level emulator of Arm Cortex-M with a cycle model.
//!
//! It executes firmware images (ELF or raw binaries) for ARMv6-M, ARMv7-M, ARMv7E-M with the DSP extension
//! and FPv4-SP, and the part of ARMv8-M mainline that compilers emit, on a board's memory map, and says what
//! they cost. It knows nothing of what the programs compute.
//!
//! Code is decoded once per address into [`op::Op`]s ([`decode`]); a dispatch loop executes those and shows
//! each to an observer: nobody (instructions are counted), the [`timing`] model, or the [`profile`] over it.
//! A program that leaves its memories, or meets what it cannot execute, ends with a [`Fault`] that names the
//! address, the instruction, the function and the source line.
//!
//! ```
//! use sim_emulator::{Emulator, Image, Machine, Stop};
//!
//! // Vector table; MOVS r0, #6; MOVS r1, #7; MULS r0, r1; BKPT 1.
//! let image = [0x2000_1000u32, 9, 0x2107_2006, 0xbe01_4348].map(u32::to_le_bytes).concat();
//! let machine = Machine::generic("cortex-m4f");
//! let image = Image::read(&image, &machine)?;
//! let mut emulator = Emulator::new(machine)?;
//! emulator.load(image)?;
//! assert!(matches!(emulator.run(100), Stop::Breakpoint { number: 1, .. }));
//! assert_eq!(emulator.core().r[0], 42);
//! # Ok::<(), sim_emulator::Error>(())
//! ```

mod code;
mod core;
pub mod decode;
mod disassembly;
mod emulator;
mod exceptions;
mod exec;
mod fault;
mod features;
pub mod float;
mod hook;
mod lines;
mod loader;
mod machine;
mod memory;
mod memory_timing;
mod nvic;
mod observer;
pub mod op;
mod peripherals;
mod poll;
pub mod profile;
mod run;
mod semihosting;
mod stack;
mod start;
mod stretch;
mod symbols;
mod system;
mod systick;
pub mod timing;
mod word;

pub use crate::core::Core;
pub use disassembly::disassemble;
pub use emulator::{Emulator, Mode, Snapshot};
pub use fault::{Cause, Error, Fault, Stop};
pub use features::{Features, Fpu};
pub use hook::{Hook, HookAction, HookContext};
pub use lines::Lines;
pub use loader::{Image, Segment};
pub use machine::{Alias, Bank, Behaviour, Machine, Peripheral, Rom, Unmapped};
pub use memory::Region;
pub use memory_timing::{
    Cache, DataStall, FlashAccess, FlashControl, FlashSetting, MemoryTiming, Replacement,
};
pub use peripherals::{Access, PeripheralFn, Touched};
pub use semihosting::{Host, MemoryHost};
pub use symbols::{Symbol, SymbolKind, Symbols};
