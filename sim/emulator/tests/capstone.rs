//! Decoding against capstone: every 16-bit encoding, and a large sample of 32-bit ones.
//!
//! This side prints what it decodes; `compare_with_capstone.py` decodes the same encodings and compares the texts.
//! `SIM_EMULATOR_RANDOM` sets the size of the sample.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use sim_emulator::decode::{decode, is_wide};
use sim_emulator::timing::CoreTable;
use sim_emulator::{Features, disassemble};

const ADDRESS: u32 = 0x1000;

fn listing(encodings: impl Iterator<Item = u32>, features: &Features) -> String {
    let mut text = String::new();
    for encoding in encodings {
        let (first, second) = if encoding >> 16 == 0 {
            (encoding as u16, 0)
        } else {
            ((encoding >> 16) as u16, encoding as u16)
        };
        let op = decode(first, second, ADDRESS, features);
        writeln!(text, "{encoding:08x} {}", disassemble(&op, encoding)).unwrap();
    }
    text
}

fn check(name: &str, listing: &str) {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/compare_with_capstone.py"
    );
    let mut python = Command::new("python3")
        .args([script, name])
        .stdin(Stdio::piped())
        .spawn()
        .expect("this test needs python3");
    python
        .stdin
        .take()
        .unwrap()
        .write_all(listing.as_bytes())
        .unwrap();
    assert!(
        python.wait().unwrap().success(),
        "capstone disagrees (or is missing: pip install capstone)"
    );
}

/// The widest core: everything but ARMv8-M, which capstone reads in another mode.
fn features() -> Features {
    CoreTable::builtin("cortex-m7").unwrap().features
}

#[test]
fn every_narrow_encoding() {
    check(
        "narrow",
        &listing((0..=0xffff).filter(|&h| !is_wide(h as u16)), &features()),
    );
}

#[test]
fn a_sample_of_wide_encodings() {
    // A full-period generator over the second halfwords, for a spread of first ones.
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let wanted = std::env::var("SIM_EMULATOR_RANDOM")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(100_000);
    let sample = std::iter::repeat_with(move || 0xe800_0000 | next() & 0x1fff_ffff).take(wanted);
    check("wide", &listing(sample, &features()));
}
