//! Instruction classes: the rows of a core's table, and which instruction belongs to which.

use serde::{Deserialize, Serialize};

use crate::op::{DOUBLE, Kind, Op};

macro_rules! classes {
    ($($name:ident $doc:literal),* $(,)?) => {
        /// What the timing tables tell apart.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[repr(u8)]
        pub enum Class { $(#[doc = $doc] $name),* }

        impl Class {
            /// Every class, in the order of the enumeration.
            pub const ALL: &'static [Class] = &[$(Class::$name),*];
        }
    };
}

classes! {
    Alu "Moves, arithmetic, logic and compare of registers and immediates.",
    Shift "The same with a shifted second operand, and shifts.",
    BitField "Bit fields, extension, reversal, counting zeros.",
    MovPc "Data processing that writes PC.",
    Multiply "32-bit product.",
    MultiplyAccumulate "32-bit product, added or subtracted.",
    MultiplyLong "64-bit product.",
    MultiplyAccumulateLong "64-bit product, added.",
    Divide "Integer division.",
    Saturate "Saturation and saturating arithmetic.",
    Simd "Parallel arithmetic, packing, selection, extension with addition.",
    DspMultiply "Halfword and dual products without accumulation.",
    DspMultiplyAccumulate "Halfword and dual products, accumulated in 32 bits.",
    DspMultiplyAccumulateLong "Halfword and dual products, accumulated in 64 bits.",
    Load "One byte, halfword or word into a register.",
    LoadPc "A word into PC.",
    LoadPair "LDRD.",
    LoadMultiple "LDM, POP.",
    LoadMultiplePc "LDM, POP with PC.",
    Store "One byte, halfword or word with an immediate offset.",
    StoreRegister "One byte, halfword or word with a register offset.",
    StorePair "STRD.",
    StoreMultiple "STM, PUSH.",
    Exclusive "Exclusive, acquire and release accesses.",
    Branch "B.",
    BranchConditional "B with a condition.",
    BranchLink "BL.",
    BranchRegister "BX, BLX.",
    CompareBranch "CBZ, CBNZ.",
    TableBranch "TBB, TBH.",
    It "IT.",
    Nop "NOP and other hints.",
    Barrier "DMB, DSB, ISB.",
    SpecialRegister "MRS, MSR.",
    System "CPS, SVC, BKPT, WFI, WFE.",
    Skipped "An instruction of an IT block whose condition fails.",
    FpMove "VMOV between S registers, VMOV of a constant, VABS, VNEG, VSEL.",
    FpTransfer "VMOV between a core and an S register.",
    FpTransferPair "VMOV of two core registers.",
    FpStatus "VMRS, VMSR.",
    FpAdd "VADD, VSUB, VMAXNM, VMINNM.",
    FpMultiply "VMUL, VNMUL.",
    FpMultiplyAccumulate "VMLA, VMLS, VNMLA, VNMLS.",
    FpFused "VFMA, VFMS, VFNMA, VFNMS.",
    FpDivide "VDIV.",
    FpSquareRoot "VSQRT.",
    FpCompare "VCMP.",
    FpConvert "VCVT, VRINT.",
    FpLoad "VLDR of a word.",
    FpLoadDouble "VLDR of two words.",
    FpStore "VSTR of a word.",
    FpStoreDouble "VSTR of two words.",
    FpLoadMultiple "VLDM, VPOP.",
    FpStoreMultiple "VSTM, VPUSH.",
    FpDoubleAdd "VADD, VSUB, VCMP, VCVT in double precision.",
    FpDoubleMultiply "VMUL in double precision.",
    FpDoubleFused "VMLA, VFMA and their kin in double precision.",
    FpDoubleDivide "VDIV, VSQRT in double precision.",
}

impl Class {
    /// The name in tables and reports.
    #[must_use]
    pub fn name(self) -> String {
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            if c.is_uppercase() && !name.is_empty() {
                name.push('-');
            }
            name.extend(c.to_lowercase());
        }
        name
    }

    /// The class of an instruction.
    #[must_use]
    pub fn of(op: &Op) -> Class {
        use Kind as K;
        let loads_pc = op.rd == 15;
        match op.kind {
            K::Undecoded | K::Hook | K::Undefined => Class::Nop,
            K::AddPc | K::MovPc => Class::MovPc,
            k if k >= K::AndImm && k <= K::CmnReg => Class::Alu,
            K::MovShift | K::ShiftReg => Class::Shift,
            k if k >= K::AndShift && k <= K::CmnShift => {
                if op.amount == 0 {
                    Class::Alu
                } else {
                    Class::Shift
                }
            }
            K::Movt | K::Adr => Class::Alu,
            K::Rev
            | K::Rev16
            | K::Revsh
            | K::Rbit
            | K::Clz
            | K::Bfi
            | K::Bfc
            | K::Sbfx
            | K::Ubfx
            | K::Sxtb
            | K::Sxth
            | K::Uxtb
            | K::Uxth => Class::BitField,
            K::B | K::Stay => Class::Branch,
            K::BCond => Class::BranchConditional,
            K::Bl => Class::BranchLink,
            K::Bx | K::BlxReg => Class::BranchRegister,
            K::Cbz | K::Cbnz => Class::CompareBranch,
            K::Tbb | K::Tbh => Class::TableBranch,
            K::StrReg | K::StrbReg | K::StrhReg => Class::StoreRegister,
            K::StrImm
            | K::StrbImm
            | K::StrhImm
            | K::StrIndexed
            | K::StrbIndexed
            | K::StrhIndexed => Class::Store,
            k if k >= K::LdrImm && k <= K::LdrshLit => {
                if loads_pc {
                    Class::LoadPc
                } else {
                    Class::Load
                }
            }
            K::Ldm | K::LdmDb => {
                if op.imm & 0x8000 != 0 {
                    Class::LoadMultiplePc
                } else {
                    Class::LoadMultiple
                }
            }
            K::Stm | K::StmDb => Class::StoreMultiple,
            K::Ldrd | K::LdrdLit => Class::LoadPair,
            K::Strd => Class::StorePair,
            K::Ldrex | K::Strex | K::Clrex | K::Lda | K::Stl => Class::Exclusive,
            K::Mul => Class::Multiply,
            K::Mla | K::Mls => Class::MultiplyAccumulate,
            K::Smull | K::Umull => Class::MultiplyLong,
            K::Smlal | K::Umlal | K::Umaal => Class::MultiplyAccumulateLong,
            K::Sdiv | K::Udiv => Class::Divide,
            K::Smulxy | K::Smulw | K::Smuad | K::Smusd | K::Smmul => Class::DspMultiply,
            K::Smlaxy | K::Smlaw | K::Smlad | K::Smlsd | K::Smmla | K::Smmls => {
                Class::DspMultiplyAccumulate
            }
            K::Smlalxy | K::Smlald | K::Smlsld => Class::DspMultiplyAccumulateLong,
            K::Qadd | K::Qdadd | K::Qsub | K::Qdsub | K::Ssat | K::Usat | K::Ssat16 | K::Usat16 => {
                Class::Saturate
            }
            k if k >= K::Usad8 && k <= K::Uxtab16 => Class::Simd,
            K::It => Class::It,
            K::Nop | K::Sev => Class::Nop,
            K::Barrier => Class::Barrier,
            K::Mrs | K::Msr | K::Tt => Class::SpecialRegister,
            K::Wfi | K::Wfe | K::Bkpt | K::Svc | K::Cps => Class::System,
            _ => Self::of_fp(op),
        }
    }

    fn of_fp(op: &Op) -> Class {
        use Kind as K;
        let double = op.has(DOUBLE);
        let pick = |single, two| if double { two } else { single };
        match op.kind {
            K::Vldr | K::VldrLit => pick(Class::FpLoad, Class::FpLoadDouble),
            K::Vstr => pick(Class::FpStore, Class::FpStoreDouble),
            K::Vldm => Class::FpLoadMultiple,
            K::Vstm => Class::FpStoreMultiple,
            K::VmovToCore | K::VmovFromCore => Class::FpTransfer,
            K::VmovPairToCore | K::VmovPairFromCore => Class::FpTransferPair,
            K::Vmrs | K::Vmsr => Class::FpStatus,
            K::Vadd | K::Vsub | K::Vmaxnm | K::Vminnm => pick(Class::FpAdd, Class::FpDoubleAdd),
            K::Vmul | K::Vnmul => pick(Class::FpMultiply, Class::FpDoubleMultiply),
            K::Vmla | K::Vmls | K::Vnmla | K::Vnmls => {
                pick(Class::FpMultiplyAccumulate, Class::FpDoubleFused)
            }
            K::Vfma | K::Vfms | K::Vfnma | K::Vfnms => pick(Class::FpFused, Class::FpDoubleFused),
            K::Vdiv => pick(Class::FpDivide, Class::FpDoubleDivide),
            K::Vsqrt => pick(Class::FpSquareRoot, Class::FpDoubleDivide),
            K::Vcmp | K::VcmpZero => pick(Class::FpCompare, Class::FpDoubleAdd),
            K::VcvtToInt
            | K::VcvtFromInt
            | K::VcvtFixed
            | K::VcvtHalf
            | K::VcvtPrecision
            | K::Vrint => pick(Class::FpConvert, Class::FpDoubleAdd),
            _ => Class::FpMove,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_tables() {
        for class in Class::ALL {
            let quoted = format!("\"{}\"", class.name());
            let read: Class = toml::Value::String(class.name())
                .try_into()
                .unwrap_or(Class::Nop);
            assert_eq!(read, *class, "{quoted}");
        }
    }
}
