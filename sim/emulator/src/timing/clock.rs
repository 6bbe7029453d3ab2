//! The clock: adds up the three columns, one retired instruction at a time, and remembers them by address.

use std::collections::BTreeMap;

use super::class::Class;
use super::memory::Memory;
use super::pipeline::Pipeline;
use super::table::CoreTable;
use super::traits::{ACCESSES, LOADS, Traits, UNALIGNED_WIDE};
use crate::machine::Machine;
use crate::memory_timing::FlashAccess;
use crate::observer::{Exception, Retired};
use crate::op::Op;

/// Cycles under the three models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Columns {
    /// The classes' cycles alone.
    pub table: u64,
    /// With the pipeline rules.
    pub rules: u64,
    /// With wait states and caches too.
    pub memory: u64,
}

impl std::ops::AddAssign for Columns {
    fn add_assign(&mut self, other: Self) {
        self.table += other.table;
        self.rules += other.rules;
        self.memory += other.memory;
    }
}

impl std::ops::Sub for Columns {
    type Output = Columns;
    fn sub(self, other: Self) -> Self {
        Columns {
            table: self.table - other.table,
            rules: self.rules - other.rules,
            memory: self.memory - other.memory,
        }
    }
}

/// What happened at one address, or in one function or line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Counts {
    /// Instructions executed, those skipped in IT blocks included.
    pub instructions: u64,
    /// Their cycles, with rules and memory.
    pub cycles: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.cycles += other.cycles;
    }
}

/// One address of decoded code: its record, and what it has cost.
#[derive(Debug, Clone, Copy)]
struct Slot {
    traits: Traits,
    pc: u32,
    count: u64,
    taken: u64,
    rules: u64,
    stall: u64,
    skipped: u64,
    skipped_cycles: u64,
}

impl Slot {
    /// Cycles of the table column.
    fn table(&self) -> u64 {
        let executed = self.count * u64::from(self.traits.table);
        executed + self.taken * u64::from(self.traits.taken) + self.skipped_cycles
    }
}

const EMPTY: Slot = Slot {
    traits: Traits::UNKNOWN,
    pc: 0,
    count: 0,
    taken: 0,
    rules: 0,
    stall: 0,
    skipped: 0,
    skipped_cycles: 0,
};

/// [`Timing::window`] while nothing runs.
const NO_WINDOW: usize = usize::MAX;

/// The timing model of one machine, with its state.
#[derive(Debug, Clone)]
pub struct Timing {
    table: CoreTable,
    pipeline: Pipeline,
    memory: Memory,
    exceptions: [u64; 2],
    /// Records by window and slot of the decoded code; those of the window that runs are in `current`.
    slots: Vec<Vec<Slot>>,
    current: Vec<Slot>,
    window: usize,
    generation: u64,
    /// Cycles of waiting for memory.
    stalls: u64,
    /// Cycles of exceptions.
    excepted: u64,
    /// What slots held before code changed.
    earlier_classes: BTreeMap<Class, (u64, Columns)>,
    earlier_addresses: BTreeMap<u32, Counts>,
}

impl Timing {
    /// A model at clock zero.
    #[must_use]
    pub fn new(table: CoreTable, machine: &Machine) -> Self {
        let cycles =
            |rule: &Option<super::table::Rule>| rule.as_ref().map_or(0, |r| r.cycles.into());
        Timing {
            pipeline: Pipeline::new(&table),
            memory: Memory::new(machine),
            exceptions: [
                cycles(&table.rules.exception_return),
                cycles(&table.rules.exception_entry),
            ],
            slots: Vec::new(),
            current: Vec::new(),
            window: NO_WINDOW,
            generation: 0,
            stalls: 0,
            excepted: 0,
            earlier_classes: BTreeMap::new(),
            earlier_addresses: BTreeMap::new(),
            table,
        }
    }

    /// Cycles so far.
    #[must_use]
    pub fn columns(&self) -> Columns {
        let earlier = self.earlier_classes.values().map(|(_, c)| c.table);
        let slots = self.slots.iter().flatten().chain(&self.current);
        Columns {
            table: self.excepted + earlier.sum::<u64>() + slots.map(Slot::table).sum::<u64>(),
            rules: self.pipeline.now,
            memory: self.pipeline.now + self.stalls,
        }
    }

    /// The core's table.
    #[must_use]
    pub fn table(&self) -> &CoreTable {
        &self.table
    }

    /// Instructions and cycles by class, for the classes that occurred. What exceptions took is in no class.
    #[must_use]
    pub fn by_class(&self) -> Vec<(Class, u64, Columns)> {
        let mut classes = self.earlier_classes.clone();
        gather_classes(self.slots.iter().flatten(), &mut classes);
        classes
            .into_iter()
            .map(|(class, (count, columns))| (class, count, columns))
            .collect()
    }

    /// Counts by address, for those that were executed.
    #[must_use]
    pub fn by_address(&self) -> BTreeMap<u32, Counts> {
        let mut addresses = self.earlier_addresses.clone();
        gather_addresses(self.slots.iter().flatten(), &mut addresses);
        addresses
    }

    /// What retires from here on lies in this window.
    pub(crate) fn enter(&mut self, window: usize, generation: u64) {
        if self.window == window && self.generation == generation {
            return;
        }
        self.leave();
        if self.generation != generation {
            gather_classes(self.slots.iter().flatten(), &mut self.earlier_classes);
            gather_addresses(self.slots.iter().flatten(), &mut self.earlier_addresses);
            self.slots.clear();
            self.generation = generation;
        }
        if self.slots.len() <= window {
            self.slots.resize(window + 1, Vec::new());
        }
        self.current = std::mem::take(&mut self.slots[window]);
        self.window = window;
    }

    /// Nothing retires any more for now.
    pub(crate) fn leave(&mut self) {
        if let Some(window) = self.slots.get_mut(self.window) {
            *window = std::mem::take(&mut self.current);
        }
        self.window = NO_WINDOW;
    }

    #[inline(never)]
    fn derive(&mut self, op: &Op, pc: u32, slot: usize) {
        if self.current.len() <= slot {
            self.current
                .resize((slot + 1).next_multiple_of(1024), EMPTY);
        }
        let record = &mut self.current[slot];
        record.traits = Traits::of(op, pc, &self.table);
        record.pc = pc;
    }

    /// Accounts for one instruction; returns its cycles with rules and memory.
    #[inline(always)]
    pub(crate) fn retire(&mut self, r: &Retired) -> u64 {
        if self.current.get(r.slot).is_none_or(|s| s.traits.flags == 0) {
            self.derive(r.op, r.pc, r.slot);
        }
        let Some(slot) = self.current.get_mut(r.slot) else {
            return 0;
        };
        if r.skipped {
            let cost = skip(&self.table, &mut self.pipeline, r.op, r.pc);
            slot.skipped += 1;
            slot.skipped_cycles += cost;
            return cost;
        }
        let t = &slot.traits;
        let before = self.pipeline.now;
        let rules = self
            .pipeline
            .step(t, (r.pc, r.op), (r.accessed, r.effort), r.branched);
        let mut stall = 0;
        if !self.memory.is_idle() {
            let now = before + self.stalls;
            stall = self.memory.fetch(r.pc, r.op.size, now);
            if t.flags & ACCESSES != 0 {
                let (loads, begins) = (t.flags & LOADS != 0, now + stall);
                stall += self.memory.data(r.accessed, t.words, loads, begins);
            }
            slot.stall += stall;
            self.stalls += stall;
        }
        slot.count += 1;
        slot.taken += u64::from(r.branched);
        slot.rules += rules;
        rules + stall
    }

    /// The registers that say how flash is read hold these, or were not written yet.
    pub(crate) fn set_flash_access(&mut self, values: &[Option<u32>]) {
        self.memory.control(values);
    }

    /// How flash is read now, and who says so.
    #[must_use]
    pub fn flash_access(&self) -> FlashAccess {
        self.memory.access()
    }

    /// Cycles so far with rules and memory, without counting up the other columns.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.pipeline.now + self.stalls
    }

    /// Accounts for taking an exception or returning from one.
    pub(crate) fn exception(&mut self, exception: Exception) -> u64 {
        let cycles = self.exceptions[usize::from(matches!(exception, Exception::Taken(_)))];
        self.excepted += cycles;
        self.pipeline.refill(cycles);
        cycles
    }
}

/// An instruction of an IT block whose condition failed.
#[inline(never)]
fn skip(table: &CoreTable, pipeline: &mut Pipeline, op: &Op, pc: u32) -> u64 {
    let cycles = table
        .row(Class::Skipped)
        .map_or(1, |row| row.cycles.min(255) as u16);
    let wide = if op.size == 4 && pc & 2 != 0 {
        UNALIGNED_WIDE
    } else {
        0
    };
    let traits = Traits {
        class: Class::Skipped,
        issue: cycles,
        latency: cycles,
        flags: wide,
        ..Traits::UNKNOWN
    };
    pipeline.step(&traits, (pc, op), (0, 0), false)
}

fn gather_classes<'a>(
    slots: impl Iterator<Item = &'a Slot>,
    classes: &mut BTreeMap<Class, (u64, Columns)>,
) {
    for slot in slots.filter(|s| s.count + s.skipped > 0) {
        if slot.count > 0 {
            let table = slot.count * u64::from(slot.traits.table)
                + slot.taken * u64::from(slot.traits.taken);
            let row = classes.entry(slot.traits.class).or_default();
            row.0 += slot.count;
            row.1 += Columns {
                table,
                rules: slot.rules,
                memory: slot.rules + slot.stall,
            };
        }
        if slot.skipped > 0 {
            let cycles = slot.skipped_cycles;
            let row = classes.entry(Class::Skipped).or_default();
            row.0 += slot.skipped;
            row.1 += Columns {
                table: cycles,
                rules: cycles,
                memory: cycles,
            };
        }
    }
}

fn gather_addresses<'a>(
    slots: impl Iterator<Item = &'a Slot>,
    addresses: &mut BTreeMap<u32, Counts>,
) {
    for slot in slots.filter(|s| s.count + s.skipped > 0) {
        *addresses.entry(slot.pc).or_default() += Counts {
            instructions: slot.count + slot.skipped,
            cycles: slot.rules + slot.stall + slot.skipped_cycles,
        };
    }
}
