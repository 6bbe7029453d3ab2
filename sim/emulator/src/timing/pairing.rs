//! Which instructions the two-wide core issues together.

use super::class::Class;
use super::pipeline::{Issued, Previous};
use super::traits::{ACCESSES, FLOAT, LOADS, ONE_UNIT, SINGLE_STORE, Traits};
use crate::op::Kind;

/// Addresses that differ in this bit lie in different banks of the two-wide core's memories.
const WORD_BANKS: u32 = 4;

/// Whether the early one of two ALUs can execute it, so that what issues with it has its result.
pub(super) fn executes_early(kind: Kind) -> bool {
    use Kind as K;
    matches!(
        kind,
        K::AddImm
            | K::SubImm
            | K::AddReg
            | K::SubReg
            | K::MovImm
            | K::MovReg
            | K::MovShift
            | K::ShiftReg
    )
}

/// Whether the two-wide core never issues instructions of these classes together: what moves several words goes alone, a product not
/// with a store, and bit fields and parallel arithmetic only as the older of two.
fn keeps_apart(older: Class, younger: Class) -> bool {
    use Class as C;
    let alone = |class: Class| {
        matches!(
            class,
            C::LoadPair | C::LoadMultiple | C::LoadMultiplePc | C::StorePair | C::StoreMultiple
        )
    };
    let stores = |class: Class| matches!(class, C::Store | C::StoreRegister | C::FpStore);
    let multiplies = |class: Class| {
        class >= C::Multiply && class <= C::MultiplyAccumulateLong
            || class >= C::DspMultiply && class <= C::DspMultiplyAccumulateLong
    };
    let first_only = |class: Class| {
        matches!(class, C::BitField | C::Simd)
            || class >= C::DspMultiply && class <= C::DspMultiplyAccumulateLong
    };
    alone(older)
        || alone(younger)
        || stores(older) && multiplies(younger)
        || multiplies(older) && stores(younger)
        || first_only(younger)
}

/// Whether an instruction, which accesses this address first, issues with the one before it on the two-wide core.
pub(super) fn pairs(t: &Traits, accessed: u32, (previous, issued): (&Previous, &Issued)) -> bool {
    // What is stored may come from the one before, and what the late ALU takes from the early one.
    let stores = t.flags & SINGLE_STORE != 0;
    let in_time = if stores { t.accumulates } else { 0 } | if issued.early { t.late } else { 0 };
    let depends = t.reads & !in_time & previous.writes != 0 || t.fp_reads & issued.fp_writes != 0;
    let clash = t.flags & previous.flags & (ONE_UNIT | SINGLE_STORE) != 0
        || t.flags & previous.flags & FLOAT != 0 && (t.flags | previous.flags) & ACCESSES != 0
        || issued
            .class
            .is_none_or(|before| keeps_apart(before, t.class));
    let same_bank =
        t.flags & previous.flags & LOADS != 0 && (accessed ^ issued.accessed) & WORD_BANKS == 0;
    t.issue == 1
        && issued.single_cycle
        && !previous.paired
        && !previous.branched
        && !depends
        && !clash
        && !same_bank
}
