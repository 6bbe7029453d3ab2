//! The decoded form of one instruction: sixteen bytes that the dispatch loop reads instead of Thumb code.
//!
//! Whatever depends only on the encoding and its address is settled here once: modified immediates are
//! expanded, literal addresses, branch targets and link values are absolute. `PC` is therefore never read
//! as a register while executing.

/// Sets the flags. For 16-bit data processing this holds outside an IT block only; see [`OUTSIDE_IT`].
pub const S: u8 = 1;
/// The instruction sets flags outside an IT block and leaves them alone inside one.
pub const OUTSIDE_IT: u8 = 2;
/// The base register is written back.
pub const WRITE_BACK: u8 = 4;
/// The offset applies before the access (offset and pre-indexed addressing).
pub const PRE_INDEX: u8 = 8;
/// A logical immediate was rotated, so that flag-setting takes C from [`CARRY_VALUE`].
pub const CARRY: u8 = 16;
/// The carry a rotated immediate leaves behind.
pub const CARRY_VALUE: u8 = 32;
/// The operation works on 64-bit floating-point registers.
pub const DOUBLE: u8 = 64;
/// A variant whose meaning belongs to the kind (round, exchange, top half, signalling compare).
pub const VARIANT: u8 = 128;

/// One decoded instruction.
///
/// `rd`, `rn`, `rm`, `ra` are register numbers: core registers, or S or D registers for the kinds that
/// start with `V`. `imm` holds an immediate, an offset (two's complement), an absolute address or a
/// register list, `shift` and `amount` an operand's shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// What to do.
    pub kind: Kind,
    /// Bytes of the encoding: 2 or 4.
    pub size: u8,
    /// Bits of this module's constants.
    pub flags: u8,
    /// Destination (or `Rt` of a store).
    pub rd: u8,
    /// First operand or base.
    pub rn: u8,
    /// Second operand or offset register.
    pub rm: u8,
    /// Third operand, or second destination.
    pub ra: u8,
    /// Immediate, offset, address or register list.
    pub imm: u32,
    /// Shift type: 0 LSL, 1 LSR, 2 ASR, 3 ROR, 4 RRX; or a sub-operation of the kind.
    pub shift: u8,
    /// Shift amount, 0 to 32; or a width.
    pub amount: u8,
}

impl Op {
    /// An instruction of the given kind and size with all operands zero.
    #[must_use]
    pub const fn new(kind: Kind, size: u8) -> Self {
        Op {
            kind,
            size,
            flags: 0,
            rd: 0,
            rn: 0,
            rm: 0,
            ra: 0,
            imm: 0,
            shift: 0,
            amount: 0,
        }
    }

    /// The slot of an address that has not been decoded yet.
    pub const UNDECODED: Op = Op::new(Kind::Undecoded, 2);

    /// Whether a bit of this module's constants is set.
    #[inline(always)]
    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(crate) const fn with(mut self, flag: u8, on: bool) -> Self {
        if on {
            self.flags |= flag;
        }
        self
    }
    pub(crate) const fn d(mut self, r: u32) -> Self {
        self.rd = r as u8;
        self
    }
    pub(crate) const fn n(mut self, r: u32) -> Self {
        self.rn = r as u8;
        self
    }
    pub(crate) const fn m(mut self, r: u32) -> Self {
        self.rm = r as u8;
        self
    }
    pub(crate) const fn a(mut self, r: u32) -> Self {
        self.ra = r as u8;
        self
    }
    pub(crate) const fn i(mut self, imm: u32) -> Self {
        self.imm = imm;
        self
    }
    pub(crate) const fn sh(mut self, kind: u32, amount: u32) -> Self {
        self.shift = kind as u8;
        self.amount = amount as u8;
        self
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident $text:literal),* $(,)?) => {
        /// Every operation the cores know, with operand forms that matter to speed told apart.
        ///
        /// `Imm`, `Reg` and `Shift` say what the last operand is. Names follow the Arm mnemonics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        #[allow(missing_docs)]
        pub enum Kind { $($(#[$doc])* $name),* }

        impl Kind {
            /// Every kind, in the order of the enumeration.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];

            /// The Arm mnemonic (without condition, width and data type suffixes).
            #[must_use]
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Kind::$name => $text),* }
            }
        }
    };
}

kinds! {
    // Not instructions.
    Undecoded "?", Hook "?", Undefined "udf",
    // Data processing.
    AndImm "and", BicImm "bic", OrrImm "orr", OrnImm "orn", EorImm "eor", MovImm "mov", TstImm "tst", TeqImm "teq",
    AddImm "add", AdcImm "adc", SbcImm "sbc", SubImm "sub", RsbImm "rsb", CmpImm "cmp", CmnImm "cmn",
    AndReg "and", BicReg "bic", OrrReg "orr", OrnReg "orn", EorReg "eor", MovReg "mov", MvnReg "mvn", TstReg "tst", TeqReg "teq",
    AddReg "add", AdcReg "adc", SbcReg "sbc", SubReg "sub", RsbReg "rsb", CmpReg "cmp", CmnReg "cmn",
    AndShift "and", BicShift "bic", OrrShift "orr", OrnShift "orn", EorShift "eor", MovShift "mov", MvnShift "mvn",
    TstShift "tst", TeqShift "teq",
    AddShift "add", AdcShift "adc", SbcShift "sbc", SubShift "sub", RsbShift "rsb", CmpShift "cmp", CmnShift "cmn",
    ShiftReg "shift", Movt "movt", Adr "adr",
    // Branches.
    B "b", /// `B` to itself, as it is executed: decoding gives `B`.
    Stay "b", BCond "b", Bl "bl", Bx "bx", BlxReg "blx", Cbz "cbz", Cbnz "cbnz", Tbb "tbb", Tbh "tbh", MovPc "mov", AddPc "add",
    // Loads and stores of one register.
    LdrImm "ldr", LdrbImm "ldrb", LdrhImm "ldrh", LdrsbImm "ldrsb", LdrshImm "ldrsh", StrImm "str", StrbImm "strb", StrhImm "strh",
    LdrReg "ldr", LdrbReg "ldrb", LdrhReg "ldrh", LdrsbReg "ldrsb", LdrshReg "ldrsh", StrReg "str", StrbReg "strb", StrhReg "strh",
    LdrIndexed "ldr", LdrbIndexed "ldrb", LdrhIndexed "ldrh", LdrsbIndexed "ldrsb", LdrshIndexed "ldrsh",
    StrIndexed "str", StrbIndexed "strb", StrhIndexed "strh",
    LdrLit "ldr", LdrbLit "ldrb", LdrhLit "ldrh", LdrsbLit "ldrsb", LdrshLit "ldrsh",
    // Loads and stores of several, of pairs, exclusive and ordered.
    Ldm "ldm", LdmDb "ldmdb", Stm "stm", StmDb "stmdb", Ldrd "ldrd", Strd "strd", LdrdLit "ldrd",
    Ldrex "ldrex", Strex "strex", Clrex "clrex", Lda "lda", Stl "stl",
    // Extension, bits and bytes.
    Sxtb "sxtb", Sxth "sxth", Uxtb "uxtb", Uxth "uxth", Rev "rev", Rev16 "rev16", Revsh "revsh", Rbit "rbit", Clz "clz",
    Bfi "bfi", Bfc "bfc", Sbfx "sbfx", Ubfx "ubfx",
    // Multiplication and division.
    Mul "mul", Mla "mla", Mls "mls", Smull "smull", Umull "umull", Smlal "smlal", Umlal "umlal", Sdiv "sdiv", Udiv "udiv",
    // DSP extension, and saturation.
    Umaal "umaal", Smulxy "smul", Smlaxy "smla", Smulw "smulw", Smlaw "smlaw", Smlalxy "smlal", Smuad "smuad", Smusd "smusd",
    Smlad "smlad", Smlsd "smlsd", Smlald "smlald", Smlsld "smlsld", Smmul "smmul", Smmla "smmla", Smmls "smmls",
    Usad8 "usad8", Usada8 "usada8", Parallel "parallel", Qadd "qadd", Qdadd "qdadd", Qsub "qsub", Qdsub "qdsub",
    Ssat "ssat", Usat "usat", Ssat16 "ssat16", Usat16 "usat16", Sel "sel", Pkhbt "pkhbt", Pkhtb "pkhtb",
    Sxtab "sxtab", Sxtah "sxtah", Uxtab "uxtab", Uxtah "uxtah", Sxtb16 "sxtb16", Uxtb16 "uxtb16", Sxtab16 "sxtab16", Uxtab16 "uxtab16",
    // System.
    It "it", Nop "nop", Wfi "wfi", Wfe "wfe", Sev "sev", Barrier "barrier", Bkpt "bkpt", Svc "svc", Cps "cps", Mrs "mrs", Msr "msr", Tt "tt",
    // Floating point: moves and memory.
    Vldr "vldr", VldrLit "vldr", Vstr "vstr", Vldm "vldm", Vstm "vstm", VmovToCore "vmov", VmovFromCore "vmov", VmovPairToCore "vmov",
    VmovPairFromCore "vmov", Vmrs "vmrs", Vmsr "vmsr", VmovImm "vmov", VmovReg "vmov",
    // Floating point: arithmetic.
    Vadd "vadd", Vsub "vsub", Vmul "vmul", Vnmul "vnmul", Vdiv "vdiv", Vmla "vmla", Vmls "vmls", Vnmla "vnmla", Vnmls "vnmls",
    Vfma "vfma", Vfms "vfms", Vfnma "vfnma", Vfnms "vfnms", Vabs "vabs", Vneg "vneg", Vsqrt "vsqrt", Vcmp "vcmp", VcmpZero "vcmp",
    VcvtToInt "vcvt", VcvtFromInt "vcvt", VcvtFixed "vcvt", VcvtHalf "vcvt", VcvtPrecision "vcvt", Vrint "vrint",
    Vsel "vsel", Vmaxnm "vmaxnm", Vminnm "vminnm",
}
