//! The rules column: what a pipeline does between instructions.

use super::class::Class;
use super::pairing::{
    accumulates_floats, executes_early, follows_accumulation_as_older, follows_accumulation_late,
    pairs,
};
use super::predictor::Predictor;
use super::table::{CoreTable, Rule};
use super::traits::{
    ACCESSES, BRANCHES, BUFFERED_STORE, DATA_PROCESSING, FLOAT, INTERACTS, LOADS, NARROW, PAIRS,
    SETS_FLAGS, SINGLE_LOAD, SINGLE_STORE, Traits, UNALIGNED_WIDE, VARIES,
};
use crate::op::{Kind, Op, WRITE_BACK};

/// Rules as numbers: zero where a rule does not apply.
#[derive(Debug, Clone, Copy)]
struct Active {
    load_pipelining: u64,
    indexed_load_pipelining: u64,
    store_buffer: u64,
    load_after_store: u64,
    address_dependency: u64,
    branch_to_unaligned_wide: u64,
    unaligned_wide_group: u64,
    unaligned_access: u64,
    folded_it: u64,
    paired_branch: bool,
    dual_issue: bool,
    mispredicted_branch: u64,
    flags_of_product: u64,
    after_float_accumulation: u64,
    /// Rules may touch every instruction.
    every: bool,
}

/// What the next instruction needs to know of the last one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Previous {
    pub flags: u16,
    pub writes: u16,
    pub branched: bool,
    /// It issued together with the one before it.
    pub paired: bool,
}

/// What else a two-wide core needs to know of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Issued {
    pub class: Option<Class>,
    pub fp_writes: u32,
    /// Its result is there for the one that issues with it.
    pub early: bool,
    pub accessed: u32,
    /// When it issued.
    pub start: u64,
}

/// The pipeline: rules between instructions.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    active: Active,
    predictor: Option<Predictor>,
    /// Cycles of the rules column.
    pub now: u64,
    previous: Previous,
    issued: Issued,
    /// When registers are ready, on the rules clock: for use, as accumulators, and late or to be stored.
    ready: [[u64; 3]; 16],
    fp_ready: [[u64; 3]; 32],
    /// Registers that the late ALU and loads wrote in the cycle before the last issue, and since.
    written_late: [u16; 2],
    pending_until: u64,
    fp_free: u64,
    /// From when on what comes late after a floating-point accumulation may start.
    accumulated: u64,
    /// Unaligned wide instructions that may follow an instruction of several cycles until one of them is late; 0 for none.
    unaligned_left: u8,
}

/// The unaligned wide instruction that is late, counted from an instruction of several cycles.
const LATE_UNALIGNED: u8 = 3;

impl Pipeline {
    pub fn new(table: &CoreTable) -> Self {
        let r = &table.rules;
        let cycles = |rule: &Option<Rule>| rule.as_ref().map_or(0, |r| r.cycles.into());
        let active = Active {
            load_pipelining: cycles(&r.load_pipelining),
            indexed_load_pipelining: cycles(&r.indexed_load_pipelining),
            folded_it: cycles(&r.folded_it),
            store_buffer: cycles(&r.store_buffer),
            load_after_store: cycles(&r.load_after_store),
            address_dependency: cycles(&r.address_dependency),
            branch_to_unaligned_wide: cycles(&r.branch_to_unaligned_wide),
            unaligned_wide_group: cycles(&r.unaligned_wide_group),
            unaligned_access: cycles(&r.unaligned_access),
            paired_branch: r.paired_branch.is_some(),
            dual_issue: r.dual_issue.is_some(),
            mispredicted_branch: cycles(&r.mispredicted_branch),
            flags_of_product: cycles(&r.flags_of_product),
            after_float_accumulation: cycles(&r.after_float_accumulation),
            every: r.dual_issue.is_some() || table.predictor.is_some(),
        };
        Pipeline {
            active,
            predictor: table.predictor.as_ref().map(Predictor::new),
            now: 0,
            previous: Previous::default(),
            issued: Issued::default(),
            ready: [[0; 3]; 16],
            fp_ready: [[0; 3]; 32],
            written_late: [0; 2],
            pending_until: 0,
            fp_free: 0,
            accumulated: 0,
            unaligned_left: 0,
        }
    }

    /// The cycles of one instruction, given its address, the first address it accessed and the bits of its
    /// quotient or factor.
    #[inline(always)]
    pub fn step(
        &mut self,
        t: &Traits,
        (pc, op): (u32, &Op),
        operands: (u32, u32),
        branched: bool,
    ) -> u64 {
        let taken = if branched { u64::from(t.taken) } else { 0 };
        let plain =
            t.flags & INTERACTS == 0 && self.pending_until <= self.now && !self.active.every;
        let cost = if plain {
            let cost = u64::from(t.issue) + taken;
            self.unaligned_left = if cost > 1 { LATE_UNALIGNED } else { 0 };
            self.previous = Previous {
                flags: t.flags,
                writes: t.writes,
                branched,
                paired: false,
            };
            cost
        } else {
            let mut cost = self.interact(t, op, operands, branched);
            if let Some(predictor) = &mut self.predictor
                && matches!(t.class, Class::BranchConditional | Class::CompareBranch)
                && predictor.surprises(pc, branched)
            {
                cost += self.active.mispredicted_branch;
            }
            cost
        };
        self.now += cost;
        cost
    }

    /// The cycles of an instruction that rules may touch.
    #[inline(always)]
    fn interact(
        &mut self,
        t: &Traits,
        op: &Op,
        (accessed, effort): (u32, u32),
        branched: bool,
    ) -> u64 {
        let taken = if branched { u64::from(t.taken) } else { 0 };
        let now = self.now;
        let previous = self.previous;
        let a = &self.active;
        let mut cost = u64::from(t.issue) + taken;
        let has = |flag: u16| t.flags & flag != 0;
        let had = |flag: u16| previous.flags & flag != 0;

        if has(SINGLE_LOAD | SINGLE_STORE) {
            let independent = t.address & previous.writes == 0 && !has(UNALIGNED_WIDE);
            if had(SINGLE_LOAD) && independent {
                let saved = if op.has(WRITE_BACK) {
                    a.indexed_load_pipelining
                } else {
                    a.load_pipelining
                };
                cost = cost.saturating_sub(saved).max(1);
            }
            if a.store_buffer != 0 && has(BUFFERED_STORE) {
                cost = a.store_buffer;
            }
        }
        if had(DATA_PROCESSING) && t.address & previous.writes != 0 {
            cost += a.address_dependency;
        }
        if has(VARIES) {
            cost += (u64::from(effort) * u64::from(t.range)).div_ceil(32);
        }
        if has(ACCESSES) && accessed & 3 != 0 && is_unaligned(op, accessed) {
            cost += a.unaligned_access;
        }
        if had(BUFFERED_STORE) && has(LOADS) {
            cost += a.load_after_store;
        }
        if has(UNALIGNED_WIDE) && previous.branched {
            cost += a.branch_to_unaligned_wide;
        }
        let several = cost > 1;
        if has(UNALIGNED_WIDE) {
            if self.unaligned_left == 1 {
                cost += a.unaligned_wide_group;
            }
            self.unaligned_left = self.unaligned_left.saturating_sub(1);
        } else {
            self.unaligned_left = 0;
        }
        if several {
            self.unaligned_left = LATE_UNALIGNED;
        }

        if t.class == Class::It && had(NARROW) && !previous.branched {
            cost = cost.saturating_sub(a.folded_it);
        }
        let mut paired = false;
        if a.paired_branch && has(PAIRS) && had(NARROW) && !previous.paired && !previous.branched {
            let not_taken = !branched;
            if not_taken || !had(SETS_FLAGS) && has(BRANCHES) {
                cost = cost.saturating_sub(1);
                paired = not_taken;
            }
        }
        if t.class == Class::Multiply && has(SETS_FLAGS) {
            cost += a.flags_of_product;
        }
        // When it issues, unless something is not ready.
        let mut start = now;
        if a.dual_issue {
            paired = pairs(t, accessed, (&previous, &self.issued)) && self.joins(t, &previous, now);
            if paired {
                cost = cost.saturating_sub(1);
                start = self.issued.start;
            } else {
                self.written_late = [self.written_late[1], 0];
            }
            let early = !paired && executes_early(op.kind) && t.reads & self.written_late[0] == 0;
            if !early {
                self.written_late[1] |= t.writes;
            }
            self.issued = Issued {
                class: Some(t.class),
                fp_writes: t.fp_writes,
                early,
                accessed,
                start,
            };
        }

        // Operands that are still on their way.
        let mut wait = 0;
        if !(paired && a.dual_issue) {
            if self.pending_until > now {
                wait = self.operand_wait(t, t.reads, now);
            }
            if has(FLOAT) && self.fp_free > now + wait {
                wait = self.fp_free - now;
            }
            if self.accumulated > now + wait && follows_accumulation_late(t.class, op.kind) {
                wait = self.accumulated - now;
            }
            start = now + wait;
            self.issued.start = start;
        }
        if a.after_float_accumulation != 0 && accumulates_floats(t.class) {
            self.accumulated = start + 1 + a.after_float_accumulation;
        }
        if t.is_late() {
            self.note_results(t, start);
        }
        if t.blocks_fp != 0 {
            self.fp_free = start + u64::from(t.issue) + u64::from(t.blocks_fp);
        }
        self.previous = Previous {
            flags: t.flags,
            writes: t.writes,
            branched,
            paired,
        };
        cost + wait
    }

    /// Whether an instruction that may pair with the one before is ready when that issued, one cycle ago.
    fn joins(&self, t: &Traits, previous: &Previous, now: u64) -> bool {
        let start = self.issued.start;
        let float = t.flags & FLOAT != 0;
        // What the one before computes for it comes without delay.
        start + 1 == now
            && (self.pending_until <= start
                || self.operand_wait(t, t.reads & !previous.writes, start) == 0)
            && !(float && self.fp_free > start)
            && !(self.accumulated > start && follows_accumulation_as_older(t.class))
    }

    /// Cycles from `now` until these core registers and its floating-point registers are ready for an instruction.
    fn operand_wait(&self, t: &Traits, reads: u16, now: u64) -> u64 {
        let mut ready = now;
        let mut reads = reads & 0x7fff;
        while reads != 0 {
            let register = reads.trailing_zeros() as usize;
            let use_of = if t.accumulates >> register & 1 == 1 {
                1
            } else if t.late >> register & 1 == 1 {
                2
            } else {
                0
            };
            ready = ready.max(self.ready[register & 15][use_of]);
            reads &= reads - 1;
        }
        let stores = t.flags & (ACCESSES | LOADS) == ACCESSES;
        let mut reads = t.fp_reads;
        while reads != 0 {
            let register = reads.trailing_zeros() as usize;
            let use_of = if t.fp_accumulates >> register & 1 == 1 {
                1
            } else if stores {
                2
            } else {
                0
            };
            ready = ready.max(self.fp_ready[register & 31][use_of]);
            reads &= reads - 1;
        }
        ready - now
    }

    fn note_results(&mut self, t: &Traits, start: u64) {
        let times = |last: u16| {
            [
                start + u64::from(t.latency),
                start + u64::from(t.accumulate_latency),
                start + u64::from(last),
            ]
        };
        let (core, fp) = (times(t.late_latency), times(t.store_latency));
        let mut writes = t.writes & 0x7fff;
        while writes != 0 {
            self.ready[writes.trailing_zeros() as usize & 15] = core;
            writes &= writes - 1;
        }
        let mut writes = t.fp_writes;
        while writes != 0 {
            self.fp_ready[writes.trailing_zeros() as usize & 31] = fp;
            writes &= writes - 1;
        }
        let last = core[0].max(core[1]).max(fp[2]);
        self.pending_until = self.pending_until.max(last);
    }

    /// The pipeline is refilled by an exception that takes this long.
    pub fn refill(&mut self, cycles: u64) {
        self.now += cycles;
        self.previous = Previous {
            branched: true,
            ..Previous::default()
        };
        self.issued = Issued::default();
    }
}

/// Whether an access at an odd place was unaligned for its width.
#[inline(never)]
fn is_unaligned(op: &Op, accessed: u32) -> bool {
    use Kind as K;
    match op.kind {
        K::LdrImm
        | K::LdrReg
        | K::LdrIndexed
        | K::LdrLit
        | K::StrImm
        | K::StrReg
        | K::StrIndexed => true,
        K::LdrhImm | K::LdrhReg | K::LdrhIndexed | K::LdrhLit | K::LdrshImm | K::LdrshReg => {
            accessed & 1 != 0
        }
        K::LdrshIndexed | K::LdrshLit | K::StrhImm | K::StrhReg | K::StrhIndexed => {
            accessed & 1 != 0
        }
        _ => false,
    }
}
