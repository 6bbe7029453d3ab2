//! Any bytes decode and disassemble on every core.
//!
//! The input is an address and then pairs of halfwords, each decoded as an instruction of its own.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sim_emulator::decode::{decode, is_wide};
use sim_emulator::timing::{CORE_NAMES, CoreTable};
use sim_emulator::{Features, disassemble};

static FEATURES: LazyLock<Vec<Features>> = LazyLock::new(|| {
    let features = |name: &&str| CoreTable::builtin(name).map(|table| table.features);
    CORE_NAMES.iter().filter_map(|n| features(n).ok()).collect()
});

/// Decodes all pairs for all cores.
fn check(bytes: &[u8]) {
    let Some((address, code)) = bytes.split_first_chunk() else {
        return;
    };
    let mut address = u32::from_le_bytes(*address) & !1;
    for pair in code.as_chunks::<4>().0 {
        let [first, second] = [[pair[0], pair[1]], [pair[2], pair[3]]].map(u16::from_le_bytes);
        let wide = is_wide(first);
        let encoding = if wide {
            u32::from(first) << 16 | u32::from(second)
        } else {
            first.into()
        };
        for features in FEATURES.iter() {
            let op = decode(first, second, address, features);
            assert_eq!(op.size, if wide { 4 } else { 2 });
            assert!(!disassemble(&op, encoding).is_empty());
        }
        address = address.wrapping_add(2);
    }
}

fuzz_target!(init: LazyLock::force(&FEATURES), |bytes: &[u8]| check(bytes));
