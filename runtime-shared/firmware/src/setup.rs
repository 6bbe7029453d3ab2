//! Register writes before all else, which the build names for a board: caches and wait states of flash, clocks of a serial port.

use crate::machine::{Peripheral, Register};

// SETUP: address, bits to clear, bits to set.
include!(concat!(env!("OUT_DIR"), "/setup.rs"));

/// CCR.IC and CCR.DC of a Cortex-M7 (Armv7-M ARM, B3.2.8).
const CACHES: u32 = 0x3_0000;
/// Where the sizes of a cache stand in CCSIDR (B4.8.2), and where DCISW wants set and way (B2.2.7) of 32-byte lines.
const SETS: (u32, u32) = (13, 0x7fff);
const WAYS: (u32, u32) = (3, 0x3ff);
const SET_AT: u32 = 5;

/// Makes the writes.
pub fn run() {
    for &(address, clear, set) in SETUP {
        if address == Register::Configuration as u32 {
            enable_caches(clear, set & CACHES);
        } else {
            let register = Peripheral::at(address);
            register.write(register.read() & !clear | set);
        }
    }
}

/// Caches hold anything after a reset: they are emptied, and then switched on.
fn enable_caches(clear: u32, set: u32) {
    Register::InstructionCacheInvalidate.write(0);
    Register::CacheSelect.write(0);
    let size = Register::CacheSize.read();
    let (sets, ways) = (size >> SETS.0 & SETS.1, size >> WAYS.0 & WAYS.1);
    let way_at = ways.leading_zeros().min(31);
    for line in 0..=sets {
        for way in 0..=ways {
            Register::DataCacheInvalidate.write(line << SET_AT | way << way_at);
        }
    }
    crate::machine::barrier();
    let register = Register::Configuration;
    register.write(register.read() & !clear | set);
    crate::machine::barrier();
}
