//! Which instructions the two-wide core issues together.

use super::class::Class;
use super::pipeline::{Issued, Previous};
use super::traits::{ACCESSES, FLOAT, LOADS, SINGLE_STORE, Traits};
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

/// The integer multiplier's instructions: there is one multiplier.
fn multiplies(class: Class) -> bool {
    class >= Class::Multiply && class <= Class::MultiplyAccumulateLong
        || class >= Class::DspMultiply && class <= Class::DspMultiplyAccumulateLong
}

/// Floating-point arithmetic: there is one unit.
fn calculates(class: Class) -> bool {
    class >= Class::FpAdd && class <= Class::FpConvert || class >= Class::FpDoubleAdd
}

/// Floating-point products that are accumulated, in single precision.
pub(super) fn accumulates_floats(class: Class) -> bool {
    matches!(class, Class::FpMultiplyAccumulate | Class::FpFused)
}

/// Moves between floating-point registers, and between them and core registers, one at a time.
fn moves_floats(class: Class) -> bool {
    matches!(class, Class::FpMove | Class::FpTransfer)
}

/// Whether the two-wide core never issues instructions of these classes together: what moves several words goes alone, a product not
/// with another or with a store, and bit fields, parallel and saturating arithmetic only as the older of two.
fn keeps_apart(older: Class, younger: Class) -> bool {
    use Class as C;
    let alone = |class: Class| {
        matches!(
            class,
            C::LoadPair
                | C::LoadMultiple
                | C::LoadMultiplePc
                | C::StorePair
                | C::StoreMultiple
                | C::FpTransferPair
                | C::FpLoadDouble
                | C::FpStoreDouble
                | C::FpLoadMultiple
                | C::FpStoreMultiple
        )
    };
    let stores = |class: Class| matches!(class, C::Store | C::StoreRegister | C::FpStore);
    let either = |one: &dyn Fn(Class) -> bool, other: &dyn Fn(Class) -> bool| {
        one(older) && other(younger) || other(older) && one(younger)
    };
    alone(older)
        || alone(younger)
        || either(&multiplies, &multiplies)
        || either(&multiplies, &stores)
        || either(&calculates, &calculates)
        || either(&accumulates_floats, &moves_floats)
        || matches!(younger, C::BitField | C::Simd | C::Saturate)
}

/// Whether it cannot start for some cycles after a floating-point product was accumulated: additions, several words of memory, constants.
pub(super) fn follows_accumulation_late(class: Class, kind: Kind) -> bool {
    use Class as C;
    kind == Kind::VmovImm
        || matches!(
            class,
            C::FpAdd | C::FpLoadDouble | C::FpStoreDouble | C::FpLoadMultiple | C::FpStoreMultiple
        )
}

/// Whether it cannot be the younger of two for as long.
pub(super) fn follows_accumulation_as_older(class: Class) -> bool {
    matches!(class, Class::FpLoad | Class::FpStore) || moves_floats(class)
}

/// Whether an instruction, which accesses this address first, issues with the one before it on the two-wide core.
pub(super) fn pairs(t: &Traits, accessed: u32, (previous, issued): (&Previous, &Issued)) -> bool {
    // What is stored may come from the one before, and what the late ALU takes from the early one.
    let stores = t.flags & SINGLE_STORE != 0;
    let in_time = if stores { t.accumulates } else { 0 } | if issued.early { t.late } else { 0 };
    let depends = t.reads & !in_time & previous.writes != 0 || t.fp_reads & issued.fp_writes != 0;
    let clash = t.flags & previous.flags & SINGLE_STORE != 0
        || t.flags & previous.flags & FLOAT != 0 && (t.flags | previous.flags) & ACCESSES != 0
        || issued
            .class
            .is_none_or(|before| keeps_apart(before, t.class));
    let same_bank =
        t.flags & previous.flags & LOADS != 0 && (accessed ^ issued.accessed) & WORD_BANKS == 0;
    t.issue == 1 && !previous.paired && !previous.branched && !depends && !clash && !same_bank
}
