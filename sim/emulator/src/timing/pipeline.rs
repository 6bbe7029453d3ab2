//! The clock: adds up the three columns, one retired instruction at a time.

use super::class::Class;
use super::memory::Memory;
use super::table::CoreTable;
use super::traits::{
    ACCESSES, BRANCHES, BUFFERED_STORE, DATA_PROCESSING, FLOAT, LOADS, NARROW, ONE_UNIT, PAIRS, SETS_FLAGS, SINGLE_LOAD,
    SINGLE_STORE, Traits, UNALIGNED_WIDE, VARIES,
};
use crate::machine::Machine;
use crate::observer::Retired;

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
        Columns { table: self.table - other.table, rules: self.rules - other.rules, memory: self.memory - other.memory }
    }
}

/// Rules as numbers: zero where a rule does not apply.
#[derive(Debug, Clone, Copy)]
struct Active {
    load_pipelining: u64,
    store_buffer: u64,
    address_dependency: u64,
    branch_to_unaligned_wide: u64,
    unaligned_wide_group: u64,
    unaligned_access: u64,
    exception_entry: u64,
    exception_return: u64,
    paired_branch: bool,
    dual_issue: bool,
}

/// What the next instruction needs to know of the last one.
#[derive(Debug, Clone, Copy, Default)]
struct Previous {
    flags: u16,
    writes: u16,
    fp_writes: u32,
    branched: bool,
    /// It issued together with the one before it.
    paired: bool,
    single_cycle: bool,
}

/// The timing model of one machine, with its state.
#[derive(Debug, Clone)]
pub struct Timing {
    table: CoreTable,
    active: Active,
    memory: Memory,
    /// Records by window and slot of the decoded code.
    traits: Vec<Vec<Traits>>,
    generation: u64,
    columns: Columns,
    by_class: Vec<(u64, Columns)>,
    previous: Previous,
    /// When registers are ready, on the rules clock: for use, and as accumulators.
    ready: [[u64; 2]; 16],
    fp_ready: [[u64; 2]; 32],
    pending_until: u64,
    fp_free: u64,
    unaligned_run: u32,
    after_multicycle: bool,
}

impl Timing {
    /// A model at clock zero.
    #[must_use]
    pub fn new(table: CoreTable, machine: &Machine) -> Self {
        let r = &table.rules;
        let cycles = |rule: &Option<super::table::Rule>| rule.as_ref().map_or(0, |r| r.cycles.into());
        let active = Active {
            load_pipelining: cycles(&r.load_pipelining),
            store_buffer: cycles(&r.store_buffer),
            address_dependency: cycles(&r.address_dependency),
            branch_to_unaligned_wide: cycles(&r.branch_to_unaligned_wide),
            unaligned_wide_group: cycles(&r.unaligned_wide_group),
            unaligned_access: cycles(&r.unaligned_access),
            exception_entry: cycles(&r.exception_entry),
            exception_return: cycles(&r.exception_return),
            paired_branch: r.paired_branch.is_some(),
            dual_issue: r.dual_issue.is_some(),
        };
        Timing {
            active,
            memory: Memory::new(machine),
            traits: Vec::new(),
            generation: 0,
            columns: Columns::default(),
            by_class: vec![(0, Columns::default()); Class::ALL.len()],
            previous: Previous::default(),
            ready: [[0; 2]; 16],
            fp_ready: [[0; 2]; 32],
            pending_until: 0,
            fp_free: 0,
            unaligned_run: 0,
            after_multicycle: false,
            table,
        }
    }

    /// Cycles so far.
    #[must_use]
    pub fn columns(&self) -> Columns {
        self.columns
    }

    /// Instructions and cycles by class, for the classes that occurred.
    #[must_use]
    pub fn by_class(&self) -> Vec<(Class, u64, Columns)> {
        let rows = Class::ALL.iter().zip(&self.by_class);
        rows.filter(|(_, (count, _))| *count > 0).map(|(&class, &(count, columns))| (class, count, columns)).collect()
    }

    /// The core's table.
    #[must_use]
    pub fn table(&self) -> &CoreTable {
        &self.table
    }

    #[inline(always)]
    fn traits_of(&mut self, r: &Retired) -> Traits {
        if self.generation == r.generation {
            if let Some(t) = self.traits.get(r.window).and_then(|w| w.get(r.slot)) {
                if t.flags != 0 {
                    return *t;
                }
            }
        }
        self.derive(r)
    }

    #[inline(never)]
    fn derive(&mut self, r: &Retired) -> Traits {
        if self.generation != r.generation {
            self.traits.clear();
            self.generation = r.generation;
        }
        if self.traits.len() <= r.window {
            self.traits.resize(r.window + 1, Vec::new());
        }
        let window = &mut self.traits[r.window];
        if window.len() <= r.slot {
            window.resize((r.slot + 1).next_multiple_of(1024), Traits::UNKNOWN);
        }
        let traits = Traits::of(r.op, r.pc, &self.table);
        window[r.slot] = traits;
        traits
    }

    /// Accounts for one instruction; returns what it costs in all three columns.
    #[inline(always)]
    pub(crate) fn retire(&mut self, r: &Retired) -> Columns {
        let t = if r.skipped { self.skipped(r) } else { self.traits_of(r) };
        let taken = if r.branched { u64::from(t.taken) } else { 0 };
        let table = u64::from(t.table) + taken;
        let rules = self.rules(&t, r, taken);
        let stall = if self.memory.is_idle() {
            0
        } else {
            let mut stall = self.memory.fetch(r.pc, r.op.size, self.columns.memory);
            if t.flags & ACCESSES != 0 {
                stall += self.memory.data(r.accessed, t.words, t.flags & LOADS != 0);
            }
            stall
        };
        let cost = Columns { table, rules, memory: rules + stall };
        self.columns += cost;
        let row = &mut self.by_class[t.class as usize];
        row.0 += 1;
        row.1 += cost;
        cost
    }

    #[inline(never)]
    fn skipped(&self, r: &Retired) -> Traits {
        let cycles = self.table.row(Class::Skipped).map_or(1, |row| row.cycles.min(255) as u16);
        let wide = if r.op.size == 4 && r.pc & 2 != 0 { UNALIGNED_WIDE } else { 0 };
        Traits { class: Class::Skipped, table: cycles, issue: cycles, latency: cycles, flags: wide | 1 << 15, ..Traits::UNKNOWN }
    }

    #[inline(always)]
    fn rules(&mut self, t: &Traits, r: &Retired, taken: u64) -> u64 {
        let now = self.columns.rules;
        let previous = self.previous;
        let a = &self.active;
        let mut cost = u64::from(t.issue) + taken;
        let has = |flag: u16| t.flags & flag != 0;
        let had = |flag: u16| previous.flags & flag != 0;

        if t.flags & (SINGLE_LOAD | SINGLE_STORE) != 0 {
            let independent = t.address & previous.writes == 0 && !has(UNALIGNED_WIDE);
            if a.load_pipelining != 0 && had(SINGLE_LOAD) && independent {
                cost = cost.saturating_sub(a.load_pipelining).max(1);
            }
            if a.store_buffer != 0 && has(BUFFERED_STORE) {
                cost = a.store_buffer;
            }
        }
        if had(DATA_PROCESSING) && t.address & previous.writes != 0 {
            cost += a.address_dependency;
        }
        if has(VARIES) {
            cost += (u64::from(r.effort) * u64::from(t.range)).div_ceil(32);
        }
        if has(ACCESSES) && r.accessed & 3 != 0 && r.is_unaligned() {
            cost += a.unaligned_access;
        }
        if has(UNALIGNED_WIDE) {
            if previous.branched {
                cost += a.branch_to_unaligned_wide;
            }
            self.unaligned_run += 1;
            if self.unaligned_run == 3 && self.after_multicycle {
                cost += a.unaligned_wide_group;
                self.after_multicycle = false;
            }
        } else {
            self.unaligned_run = 0;
            self.after_multicycle = cost > 1;
        }

        let mut paired = false;
        if a.paired_branch && has(PAIRS) && had(NARROW) && !previous.paired && !previous.branched {
            let not_taken = !r.branched;
            if not_taken || !had(SETS_FLAGS) && has(BRANCHES) {
                cost -= 1;
                paired = not_taken;
            }
        }
        if a.dual_issue {
            paired = self.pairs(t, &previous);
            if paired {
                cost = cost.saturating_sub(1);
            }
        }

        // Operands that are still on their way.
        let mut wait = 0;
        if self.pending_until > now {
            wait = self.operand_wait(t, now);
        }
        if has(FLOAT) && self.fp_free > now + wait {
            wait = self.fp_free - now;
        }
        let start = now + wait;
        if t.latency > t.issue {
            self.note_results(t, start);
        }
        if t.blocks_fp != 0 {
            self.fp_free = start + u64::from(t.issue) + u64::from(t.blocks_fp);
        }
        self.previous = Previous {
            flags: t.flags,
            writes: t.writes,
            fp_writes: t.fp_writes,
            branched: r.branched,
            paired,
            single_cycle: t.issue == 1,
        };
        cost + wait
    }

    #[inline(never)]
    fn operand_wait(&self, t: &Traits, now: u64) -> u64 {
        let mut ready = now;
        let mut reads = t.reads & 0x7fff;
        while reads != 0 {
            let register = reads.trailing_zeros() as usize;
            let accumulates = t.accumulates >> register & 1 == 1;
            ready = ready.max(self.ready[register & 15][usize::from(accumulates)]);
            reads &= reads - 1;
        }
        let mut reads = t.fp_reads;
        while reads != 0 {
            let register = reads.trailing_zeros() as usize;
            let accumulates = t.fp_accumulates >> register & 1 == 1;
            ready = ready.max(self.fp_ready[register & 31][usize::from(accumulates)]);
            reads &= reads - 1;
        }
        ready - now
    }

    fn note_results(&mut self, t: &Traits, start: u64) {
        let times = [start + u64::from(t.latency), start + u64::from(t.accumulate_latency)];
        let mut writes = t.writes & 0x7fff;
        while writes != 0 {
            self.ready[writes.trailing_zeros() as usize & 15] = times;
            writes &= writes - 1;
        }
        let mut writes = t.fp_writes;
        while writes != 0 {
            self.fp_ready[writes.trailing_zeros() as usize & 31] = times;
            writes &= writes - 1;
        }
        self.pending_until = self.pending_until.max(times[0]);
    }

    /// Whether an instruction issues with the one before it on the two-wide core.
    fn pairs(&self, t: &Traits, previous: &Previous) -> bool {
        let depends = t.reads & previous.writes != 0 || t.fp_reads & previous.fp_writes != 0;
        let clash = t.flags & previous.flags & (ONE_UNIT | SINGLE_STORE) != 0
            || t.flags & previous.flags & FLOAT != 0 && (t.flags | previous.flags) & ACCESSES != 0;
        t.issue == 1 && previous.single_cycle && !previous.paired && !previous.branched && !depends && !clash
    }

    /// Accounts for taking an exception or returning from one.
    pub(crate) fn exception(&mut self, entry: bool) -> u64 {
        let cycles = if entry { self.active.exception_entry } else { self.active.exception_return };
        self.columns += Columns { table: cycles, rules: cycles, memory: cycles };
        self.previous = Previous { branched: true, ..Previous::default() };
        cycles
    }
}
