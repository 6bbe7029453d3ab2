//! The emulator: a machine with its state, and the loop that runs it.

use std::collections::BTreeMap;

use crate::code::Code;
use crate::core::Core;
use crate::disassembly::disassemble;
use crate::fault::{Error, Stop};
use crate::features::Features;
use crate::hook::Hook;
use crate::loader::Image;
use crate::machine::{Machine, Peripheral};
use crate::memory::{Bus, Region, events};
use crate::peripherals::{PeripheralFn, Registers, Touched};
use crate::profile::Profile;
use crate::semihosting::{Extensions, Host, MemoryHost};
use crate::stack::Stack;
use crate::timing::{Columns, CoreTable, Timing};

/// The link register of a called function: returning there ends the call. No board has memory here.
pub(crate) const RETURN: u32 = 0xefff_fffe;

/// Which of the observers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Count instructions only: the fastest.
    #[default]
    Count,
    /// Count cycles by the timing model.
    Time,
    /// Count cycles, and attribute them to functions, lines and addresses.
    Profile,
}

/// A state to come back to. Hooks, peripheral closures, the host and what it has open, and the figures of the timing model and
/// the profile are not part of it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    core: Core,
    system: crate::system::System,
    memory: Vec<Vec<u8>>,
    peripherals: Registers,
    flash_access: Vec<Option<u32>>,
    clock: u64,
    instructions: u64,
    stack: Stack,
}

/// An emulated board.
pub struct Emulator {
    pub(crate) machine: Machine,
    pub(crate) features: Features,
    pub(crate) core: Core,
    pub(crate) bus: Bus,
    pub(crate) code: Code,
    pub(crate) generation: u64,
    pub(crate) hooks: BTreeMap<u32, Hook>,
    pub(crate) host: Box<dyn Host>,
    pub(crate) extensions: Extensions,
    pub(crate) image: Option<Image>,
    pub(crate) instructions: u64,
    pub(crate) mode: Mode,
    pub(crate) timing: Option<Box<Timing>>,
    pub(crate) profile: Option<Box<Profile>>,
    /// Where a hook stopped: it is not called again for the same arrival.
    pub(crate) stopped_at: Option<u32>,
    pub(crate) stack: Stack,
    /// Whether faults go to the program's handlers.
    pub(crate) vector_faults: bool,
}

impl std::fmt::Debug for Emulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Emulator")
            .field("machine", &self.machine)
            .field("core", &self.core)
            .field("instructions", &self.instructions)
            .finish_non_exhaustive()
    }
}

impl Emulator {
    /// A board after power-on, with erased flash.
    ///
    /// # Errors
    /// [`Error::UnknownCore`] or [`Error::MemoryMap`] where the machine is wrong.
    pub fn new(machine: Machine) -> Result<Self, Error> {
        let table = CoreTable::builtin(&machine.core)?;
        Self::with_table(machine, table)
    }

    /// As [`Emulator::new`], with a table other than the one that comes with the emulator.
    ///
    /// # Errors
    /// [`Error::MemoryMap`] where memories overlap.
    pub fn with_table(machine: Machine, table: CoreTable) -> Result<Self, Error> {
        let bus = Bus::new(&machine, &table.features)?;
        let code = Code::new(&machine, &bus, &table.features);
        Ok(Emulator {
            features: table.features.clone(),
            timing: Some(Box::new(Timing::new(table, &machine))),
            machine,
            core: Core::new(),
            bus,
            code,
            generation: 0,
            hooks: BTreeMap::new(),
            host: Box::new(MemoryHost::default()),
            extensions: Extensions::default(),
            image: None,
            instructions: 0,
            mode: Mode::Count,
            profile: None,
            stack: Stack::default(),
            vector_faults: false,
            stopped_at: None,
        })
    }

    /// Chooses what is counted from here on.
    pub fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        self.follow_flash();
        if mode == Mode::Profile && self.profile.is_none() {
            self.profile = Some(Box::default());
        }
    }

    /// Replaces the host that semihosting calls reach.
    pub fn set_host(&mut self, host: Box<dyn Host>) {
        self.host = host;
    }

    /// The host.
    pub fn host(&mut self) -> &mut dyn Host {
        &mut *self.host
    }

    /// The registers.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The registers, to change.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The memories with their counters.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.bus.regions
    }

    /// Instructions executed so far.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// Cycles so far, in three columns; zero while only instructions are counted.
    #[must_use]
    pub fn cycles(&self) -> Columns {
        self.timing
            .as_ref()
            .map_or_else(Columns::default, |t| t.columns())
    }

    /// The timing model and its figures.
    #[must_use]
    pub fn timing(&self) -> Option<&Timing> {
        self.timing.as_deref()
    }

    /// The profile, if one was asked for.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// The most bytes of stack that were in use below where the stack started.
    #[must_use]
    pub fn stack_high_water(&self) -> u32 {
        self.stack.high_water()
    }

    /// Makes a main stack pointer below `limit` a fault. Without this, the stack may grow down to the
    /// variables of the program, as far as its ELF file tells where those end.
    pub fn set_stack_limit(&mut self, limit: u32) {
        self.stack.limit = limit;
        self.stack.variables = 0;
        self.stack.refresh(&self.core);
    }

    /// Sends faults to the program's own handlers, as a board does, instead of ending the run: BusFault
    /// and UsageFault where SHCSR enables them, else HardFault. A fault while one is handled still ends the
    /// run, and so does a stack that overflows.
    pub fn set_vector_faults(&mut self, on: bool) {
        self.vector_faults = on;
    }

    /// Reads memory as the host: no faults, no counters, no peripherals.
    ///
    /// # Errors
    /// [`Error::NoMemory`] outside the board's memories.
    pub fn read(&self, address: u32, bytes: &mut [u8]) -> Result<(), Error> {
        self.bus.peek(address, bytes)
    }

    /// Reads a little-endian word.
    ///
    /// # Errors
    /// [`Error::NoMemory`] outside the board's memories.
    pub fn read_word(&self, address: u32) -> Result<u32, Error> {
        let mut bytes = [0; 4];
        self.bus.peek(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Writes memory as the host: flash too.
    ///
    /// # Errors
    /// [`Error::NoMemory`] outside the board's memories.
    pub fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.bus.poke(address, bytes)
    }

    /// What a register holds that says how flash is read; `None` for other addresses.
    #[must_use]
    pub fn flash_register(&self, address: u32) -> Option<u32> {
        self.bus.flash_register(address)
    }

    /// Writes such a register as the program would; whether it is one. A reset undoes it.
    pub fn set_flash_register(&mut self, address: u32, value: u32) -> bool {
        let is_one = self.bus.set_flash_register(address, value);
        self.follow_flash();
        is_one
    }

    /// Answers accesses to a range by a closure. It comes before ranges of the machine.
    pub fn attach_peripheral(&mut self, base: u32, size: u32, closure: PeripheralFn) {
        self.bus.peripherals.attach(base, size, closure);
    }

    /// Adds a range that reads a fixed value or keeps what is written. It comes before ranges of the machine.
    pub fn add_peripheral(&mut self, peripheral: Peripheral) {
        self.bus.peripherals.add(peripheral);
    }

    /// The registers that [`Unmapped`](crate::Unmapped) answered for, by address.
    #[must_use]
    pub fn touched_peripherals(&self) -> Vec<Touched> {
        self.bus.peripherals.touched()
    }

    /// Calls a closure whenever execution reaches an address, before the instruction there.
    pub fn hook(&mut self, address: u32, hook: Hook) {
        let address = address & !1;
        self.hooks.insert(address, hook);
        self.code.mark(address);
    }

    /// The instruction at an address in assembler notation; `None` where there is no code memory.
    #[must_use]
    pub fn instruction_at(&self, address: u32) -> Option<String> {
        self.code
            .decode_at(&self.bus, address & !1)
            .map(|(op, encoding)| disassemble(&op, encoding))
    }

    /// The function that contains an address, where the image has symbols.
    #[must_use]
    pub fn function_at(&self, address: u32) -> Option<&str> {
        Some(self.image.as_ref()?.symbols.at(address)?.name.as_str())
    }

    /// File and line of an address, where the image has line tables.
    #[must_use]
    pub fn line_at(&self, address: u32) -> Option<String> {
        self.image.as_ref()?.lines()?.line_of(address)
    }

    /// Sets all figures to zero (instructions, cycles, loads and stores, the profile) and keeps the
    /// program's state: what is counted from here on is the part of interest.
    pub fn clear_figures(&mut self) {
        self.instructions = 0;
        for region in &mut self.bus.regions {
            (region.loads, region.stores) = (0, 0);
        }
        if let Some(timing) = &mut self.timing {
            **timing = Timing::new(timing.table().clone(), &self.machine);
        }
        self.follow_flash();
        if let Some(profile) = &mut self.profile {
            **profile = Profile::default();
        }
        self.stack.clear(&self.core);
    }

    /// Lets the timing model read flash as the program says that it is read.
    pub(crate) fn follow_flash(&mut self) {
        if let Some(timing) = &mut self.timing {
            timing.set_flash_access(&self.bus.flash_access);
        }
    }

    /// The image that is loaded.
    #[must_use]
    pub fn image(&self) -> Option<&Image> {
        self.image.as_ref()
    }

    /// Removes a hook; whether there was one.
    pub fn unhook(&mut self, address: u32) -> bool {
        let address = address & !1;
        self.code.unmark(address);
        self.hooks.remove(&address).is_some()
    }

    /// Makes an interrupt (0 is the first external one) pending.
    pub fn pend_interrupt(&mut self, number: u32) {
        self.bus.system.nvic.pend(16 + number.min(255));
        self.bus.events |= events::EXCEPTIONS;
    }

    /// The state of core, system and memories.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            core: self.core.clone(),
            system: self.bus.system.clone(),
            memory: self.bus.regions.iter().map(|r| r.data.clone()).collect(),
            peripherals: self.bus.peripherals.registers.clone(),
            flash_access: self.bus.flash_access.clone(),
            clock: self.bus.clock,
            instructions: self.instructions,
            stack: self.stack,
        }
    }

    /// Goes back to a state of this emulator.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.core = snapshot.core.clone();
        self.bus.system = snapshot.system.clone();
        let mut code_changed = false;
        for (region, data) in self.bus.regions.iter_mut().zip(&snapshot.memory) {
            // Code in flash seldom changes: what is decoded of it stays.
            if region.data != *data {
                code_changed |= !region.code.is_empty();
                region.data.clone_from(data);
            }
        }
        self.bus.stale.clear();
        if code_changed {
            self.code.clear();
            self.generation += 1;
        }
        self.bus
            .peripherals
            .registers
            .clone_from(&snapshot.peripherals);
        self.bus.flash_access.clone_from(&snapshot.flash_access);
        self.follow_flash();
        self.bus.clock = snapshot.clock;
        self.instructions = snapshot.instructions;
        self.stack = snapshot.stack;
        self.stopped_at = None;
        self.bus.events = events::EXCEPTIONS;
    }

    /// Runs until the program ends, faults, or has executed `limit` instructions more.
    pub fn run(&mut self, limit: u64) -> Stop {
        self.run_from(limit, None)
    }

    /// Runs until execution reaches an address (not counting the instruction it is at), or as [`Emulator::run`].
    pub fn run_until(&mut self, address: u32, limit: u64) -> Stop {
        let address = address & !1;
        self.code.mark(address);
        let stop = self.run_from(limit, Some(address));
        if !self.hooks.contains_key(&address) {
            self.code.unmark(address);
        }
        stop
    }

    /// Calls a function with up to four arguments and runs until it returns; R0 then holds its result.
    /// Registers are those of the state before, but for arguments, LR and PC.
    ///
    /// # Errors
    /// [`Error::TooManyArguments`], or [`Error::Entry`] where there is no code memory at the address.
    pub fn call(&mut self, address: u32, arguments: &[u32], limit: u64) -> Result<Stop, Error> {
        if arguments.len() > 4 {
            return Err(Error::TooManyArguments(arguments.len()));
        }
        self.set_entry(address)?;
        for (register, argument) in self.core.r.iter_mut().zip(arguments) {
            *register = *argument;
        }
        self.core.r[13] &= !7;
        self.core.r[14] = RETURN | 1;
        self.core.it = 0;
        Ok(self.run(limit))
    }
}
