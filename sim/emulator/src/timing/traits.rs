//! What the pipeline rules need to know of an instruction, derived once per address.

use super::class::Class;
use super::table::{ClassRow, CoreTable};
use crate::op::{DOUBLE, Kind, Op, S, WRITE_BACK};

/// A load of one register that another may pipeline behind.
pub(super) const SINGLE_LOAD: u16 = 1;
/// A store of one register.
pub(super) const SINGLE_STORE: u16 = 2;
/// A store whose offset is an immediate: the write buffer takes it.
pub(super) const BUFFERED_STORE: u16 = 4;
/// A 32-bit encoding across a word boundary.
pub(super) const UNALIGNED_WIDE: u16 = 8;
/// A floating-point instruction.
pub(super) const FLOAT: u16 = 16;
/// A data-processing result in a core register.
pub(super) const DATA_PROCESSING: u16 = 32;
/// A 16-bit encoding.
pub(super) const NARROW: u16 = 64;
/// Sets the flags.
pub(super) const SETS_FLAGS: u16 = 128;
/// Costs nothing where it issues with the instruction before.
pub(super) const PAIRS: u16 = 256;
/// Reads memory.
pub(super) const LOADS: u16 = 1024;
/// Accesses memory at all.
pub(super) const ACCESSES: u16 = 2048;
/// May branch.
pub(super) const BRANCHES: u16 = 4096;
/// Cycles depend on operands.
pub(super) const VARIES: u16 = 8192;
/// Rules may change what the instruction costs, or what later ones do.
pub(super) const INTERACTS: u16 = 1 << 14;
/// Derived; an unset record is not.
pub(super) const KNOWN: u16 = 1 << 15;

/// One instruction's row and registers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits {
    pub flags: u16,
    pub class: Class,
    pub taken: u8,
    /// Cycles of the table column.
    pub table: u16,
    /// Cycles of the rules column, before rules.
    pub issue: u16,
    pub latency: u16,
    pub accumulate_latency: u16,
    pub late_latency: u16,
    pub store_latency: u16,
    pub blocks_fp: u8,
    /// Cycles between the least and the most.
    pub range: u8,
    /// Words that move between registers and memory.
    pub words: u8,
    pub reads: u16,
    pub writes: u16,
    /// Registers that form the address, a subset of `reads`.
    pub address: u16,
    /// Registers that are only accumulated into, or stored.
    pub accumulates: u16,
    /// Registers that plain data processing takes late, a subset of `reads`.
    pub late: u16,
    pub fp_reads: u32,
    pub fp_writes: u32,
    pub fp_accumulates: u32,
}

impl Traits {
    pub const UNKNOWN: Traits = Traits {
        flags: 0,
        class: Class::Nop,
        taken: 0,
        table: 1,
        issue: 1,
        latency: 1,
        accumulate_latency: 1,
        late_latency: 1,
        store_latency: 1,
        blocks_fp: 0,
        range: 0,
        words: 0,
        reads: 0,
        writes: 0,
        address: 0,
        accumulates: 0,
        late: 0,
        fp_reads: 0,
        fp_writes: 0,
        fp_accumulates: 0,
    };

    /// Derives the record of an instruction at an address.
    pub fn of(op: &Op, pc: u32, table: &CoreTable) -> Traits {
        let class = Class::of(op);
        let mut t = Traits {
            class,
            flags: KNOWN,
            ..Traits::UNKNOWN
        };
        t.registers(op);
        t.words = match op.kind {
            Kind::Ldm | Kind::LdmDb | Kind::Stm | Kind::StmDb => op.imm.count_ones() as u8,
            Kind::Vldm | Kind::Vstm | Kind::Vldr | Kind::VldrLit | Kind::Vstr => op.amount,
            Kind::Ldrd | Kind::Strd | Kind::LdrdLit => 2,
            k if k >= Kind::LdrImm && k <= Kind::Stl => 1,
            _ => 0,
        };
        if let Some(row) = table.row(class) {
            t.cycles(row);
        }
        let word = matches!(
            op.kind,
            Kind::LdrImm | Kind::LdrReg | Kind::LdrIndexed | Kind::LdrLit
        );
        if class == Class::Load && !word {
            t.late_latency = t.latency;
        }
        t.late = match class {
            Class::Alu => t.reads,
            // A second operand that is shifted is needed early.
            Class::Shift if !matches!(op.kind, Kind::MovShift | Kind::ShiftReg) && op.rm < 15 => {
                t.reads & !(1 << op.rm)
            }
            Class::Shift => t.reads,
            _ => 0,
        };
        t.classify(op, pc);
        t
    }

    fn cycles(&mut self, row: &ClassRow) {
        let listed = row.per_register * u32::from(self.words).div_ceil(row.registers_per_cycle);
        let range = row
            .max_cycles
            .unwrap_or(row.cycles)
            .saturating_sub(row.cycles);
        let small = |v: u32| v.min(1 << 12) as u16;
        // Where cycles depend on operands, the first column knows no better than the middle.
        self.table = small(row.cycles + listed + range.div_ceil(2));
        self.issue = small(row.issue.unwrap_or(row.cycles) + listed);
        self.latency = small(row.latency.map_or(0, |l| l + listed)).max(self.issue);
        self.accumulate_latency = row
            .accumulate_latency
            .map_or(self.latency, |l| small(l + listed).max(self.issue));
        self.late_latency = row
            .late_latency
            .map_or(self.latency, |l| small(l + listed).max(self.issue));
        self.store_latency = row
            .store_latency
            .map_or(self.latency, |l| small(l + listed).max(self.issue));
        self.taken = row.taken.min(255) as u8;
        self.blocks_fp = row.blocks_fp.min(255) as u8;
        self.range = range.min(255) as u8;
        if range != 0 {
            self.flags |= VARIES;
        }
    }

    fn classify(&mut self, op: &Op, pc: u32) {
        let mut set = |flag, on| {
            if on {
                self.flags |= flag;
            }
        };
        let class = self.class;
        set(SINGLE_LOAD, matches!(class, Class::Load | Class::FpLoad));
        set(
            SINGLE_STORE,
            matches!(class, Class::Store | Class::StoreRegister | Class::FpStore),
        );
        set(BUFFERED_STORE, class == Class::Store);
        set(UNALIGNED_WIDE, op.size == 4 && pc & 2 != 0);
        set(FLOAT, class >= Class::FpMove);
        set(
            DATA_PROCESSING,
            class <= Class::DspMultiplyAccumulateLong && class != Class::MovPc,
        );
        set(NARROW, op.size == 2);
        set(SETS_FLAGS, op.has(S));
        set(
            PAIRS,
            matches!(
                class,
                Class::It | Class::Nop | Class::BranchConditional | Class::CompareBranch
            ) && op.size == 2,
        );
        let loads = matches!(
            class,
            Class::Load
                | Class::LoadPc
                | Class::LoadPair
                | Class::LoadMultiple
                | Class::LoadMultiplePc
                | Class::FpLoad
                | Class::FpLoadDouble
                | Class::FpLoadMultiple
                | Class::TableBranch
        );
        set(LOADS, loads);
        set(ACCESSES, self.words > 0 || class == Class::TableBranch);
        let branches = class >= Class::Branch && class <= Class::TableBranch
            || matches!(class, Class::MovPc | Class::LoadPc | Class::LoadMultiplePc);
        let mut set = |flag, on| {
            if on {
                self.flags |= flag;
            }
        };
        set(BRANCHES, branches);
        let touched =
            SINGLE_LOAD | SINGLE_STORE | UNALIGNED_WIDE | FLOAT | PAIRS | ACCESSES | VARIES;
        if self.flags & touched != 0 || self.is_late() {
            self.flags |= INTERACTS;
        }
    }

    /// Whether anything has to wait for the result.
    pub fn is_late(&self) -> bool {
        self.latency
            .max(self.accumulate_latency)
            .max(self.store_latency)
            > self.issue
    }

    /// Which registers an instruction reads and writes, and to what end.
    fn registers(&mut self, op: &Op) {
        use Kind as K;
        let bit = |r: u8| if r < 15 { 1u16 << r } else { 0 };
        let (d, n, m, a) = (bit(op.rd), bit(op.rn), bit(op.rm), bit(op.ra));
        let kind = op.kind;
        if kind >= K::Vldr {
            return self.fp_registers(op);
        }
        match kind {
            K::MovImm | K::Adr => self.writes = d,
            K::Movt | K::Bfc => (self.reads, self.writes) = (d, d),
            K::Bfi => (self.reads, self.writes) = (d | n, d),
            K::MovReg | K::MvnReg | K::MovShift | K::MvnShift => (self.reads, self.writes) = (m, d),
            K::TstImm | K::TeqImm | K::CmpImm | K::CmnImm | K::Cbz | K::Cbnz | K::Msr => {
                self.reads = n
            }
            K::TstReg
            | K::TeqReg
            | K::CmpReg
            | K::CmnReg
            | K::TstShift
            | K::TeqShift
            | K::CmpShift
            | K::CmnShift => {
                self.reads = n | m;
            }
            k if k >= K::AndImm && k <= K::ShiftReg => {
                let immediate = k <= K::CmnImm;
                (self.reads, self.writes) = (if immediate { n } else { n | m }, d);
            }
            K::Bx | K::MovPc | K::AddPc => self.reads = m,
            K::BlxReg => (self.reads, self.writes) = (m, 1 << 14),
            K::Bl => self.writes = 1 << 14,
            K::Tbb | K::Tbh => (self.reads, self.address) = (n | m, n | m),
            k if k >= K::LdrImm && k <= K::StrhIndexed => {
                let by_register = matches!(
                    k,
                    K::LdrReg
                        | K::LdrbReg
                        | K::LdrhReg
                        | K::LdrsbReg
                        | K::LdrshReg
                        | K::StrReg
                        | K::StrbReg
                        | K::StrhReg
                );
                let store = k.mnemonic().starts_with("str");
                self.address = if by_register { n | m } else { n };
                self.reads = self.address | if store { d } else { 0 };
                self.accumulates = if store { d & !self.address } else { 0 };
                self.writes = if store { 0 } else { d } | if op.has(WRITE_BACK) { n } else { 0 };
            }
            k if k >= K::LdrLit && k <= K::LdrshLit => self.writes = d,
            K::Ldm | K::LdmDb => {
                let back = if op.has(WRITE_BACK) { n } else { 0 };
                (self.reads, self.address, self.writes) = (n, n, op.imm as u16 & 0x7fff | back);
            }
            K::Stm | K::StmDb => {
                let back = if op.has(WRITE_BACK) { n } else { 0 };
                (self.reads, self.address, self.writes) = (n | op.imm as u16, n, back);
            }
            K::Ldrd | K::LdrdLit => (self.reads, self.address, self.writes) = (n, n, d | a),
            K::Strd => (self.reads, self.address) = (n | d | a, n),
            K::Ldrex | K::Lda => (self.reads, self.address, self.writes) = (n, n, d),
            K::Strex => (self.reads, self.address, self.writes) = (n | d, n, a),
            K::Stl => (self.reads, self.address) = (n | d, n),
            K::Mla
            | K::Mls
            | K::Smlaxy
            | K::Smlaw
            | K::Smlad
            | K::Smlsd
            | K::Smmla
            | K::Smmls
            | K::Usada8 => {
                (self.reads, self.writes, self.accumulates) = (n | m | a, d, a & !(n | m));
            }
            K::Smlal | K::Umlal | K::Umaal | K::Smlalxy | K::Smlald | K::Smlsld => {
                (self.reads, self.writes, self.accumulates) =
                    (n | m | a | d, d | a, (a | d) & !(n | m));
            }
            K::Smull | K::Umull => (self.reads, self.writes) = (n | m, d | a),
            K::Sxtb
            | K::Sxth
            | K::Uxtb
            | K::Uxth
            | K::Rev
            | K::Rev16
            | K::Revsh
            | K::Rbit
            | K::Clz
            | K::Sxtb16
            | K::Uxtb16 => {
                (self.reads, self.writes) = (m, d);
            }
            k if k >= K::Sbfx && k <= K::Uxtab16 => (self.reads, self.writes) = (n | m, d),
            K::Mrs => self.writes = d,
            _ => {}
        }
    }

    fn fp_registers(&mut self, op: &Op) {
        use Kind as K;
        let bit = |r: u8| if r < 15 { 1u16 << r } else { 0 };
        let double = op.has(DOUBLE);
        let s = |r: u8| 1u32 << (r & 31);
        let f = |r: u8| if double { 3u32 << (2 * (r & 15)) } else { s(r) };
        let span = |first: u8, count: u8| (((1u64 << count) - 1) << (first & 31)) as u32;
        let (d, n, m) = (f(op.rd), f(op.rn), f(op.rm));
        match op.kind {
            K::Vldr | K::VldrLit | K::Vldm => {
                (self.reads, self.address) = (bit(op.rn), bit(op.rn));
                self.fp_writes = span(op.rd, op.amount);
                self.writes = if op.has(WRITE_BACK) { bit(op.rn) } else { 0 };
            }
            K::Vstr | K::Vstm => {
                (self.reads, self.address) = (bit(op.rn), bit(op.rn));
                self.fp_reads = span(op.rd, op.amount);
                self.writes = if op.has(WRITE_BACK) { bit(op.rn) } else { 0 };
            }
            K::VmovToCore => (self.fp_reads, self.writes) = (s(op.rn), bit(op.rd)),
            K::VmovFromCore => (self.reads, self.fp_writes) = (bit(op.rd), s(op.rn)),
            K::VmovPairToCore => {
                (self.fp_reads, self.writes) = (span(op.rm, 2), bit(op.rd) | bit(op.ra))
            }
            K::VmovPairFromCore => {
                (self.reads, self.fp_writes) = (bit(op.rd) | bit(op.ra), span(op.rm, 2))
            }
            K::Vmrs => self.writes = bit(op.rd),
            K::Vmsr => self.reads = bit(op.rd),
            K::VmovImm => self.fp_writes = d,
            K::VmovReg | K::Vabs | K::Vneg | K::Vsqrt | K::Vrint => {
                (self.fp_reads, self.fp_writes) = (m, d)
            }
            K::Vcmp => self.fp_reads = d | m,
            K::VcmpZero => self.fp_reads = d,
            K::VcvtFixed => (self.fp_reads, self.fp_writes) = (d, d),
            K::VcvtToInt => (self.fp_reads, self.fp_writes) = (m, s(op.rd)),
            K::VcvtFromInt => (self.fp_reads, self.fp_writes) = (s(op.rm), d),
            K::VcvtHalf | K::VcvtPrecision => {
                (self.fp_reads, self.fp_writes) = (s(op.rm), s(op.rd))
            }
            K::Vmla | K::Vmls | K::Vnmla | K::Vnmls | K::Vfma | K::Vfms | K::Vfnma | K::Vfnms => {
                (self.fp_reads, self.fp_writes, self.fp_accumulates) = (n | m | d, d, d & !(n | m));
            }
            _ => (self.fp_reads, self.fp_writes) = (n | m, d),
        }
    }
}
