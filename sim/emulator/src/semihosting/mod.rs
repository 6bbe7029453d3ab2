//! Semihosting: the program's calls to its host (Arm IHI "Semihosting for AArch32 and AArch64", 2.0).
//!
//! The library does no input or output itself. A [`Host`] does, and the one that comes with it keeps
//! everything in memory; files are refused unless a host offers them.

mod extensions;
mod host;

use crate::core::Core;
use crate::memory::Bus;
pub(crate) use extensions::Extensions;
pub use host::{Host, MemoryHost};

/// What a call leads to.
pub(crate) enum Outcome {
    /// Execution goes on; R0 is set.
    Continue,
    /// The program ends.
    Exit(i32),
}

/// Facts that calls report.
pub(crate) struct Surroundings {
    pub clock: u64,
    pub clock_hz: u64,
    /// Heap base and limit, stack base and limit.
    pub heap: [u32; 4],
}

/// Standard streams have these handles for the program: SYS_OPEN of `:tt` gives them.
const CONSOLE: &str = ":tt";
const STDIN: u32 = 1;
const STDOUT: u32 = 2;
const STDERR: u32 = 3;
/// A program's handle of a file is the host's plus this, so that no file's is zero or a stream's.
const FILES: u32 = 1;
/// The file of extensions; no host has so many open that one of theirs were the same.
const EXTENSIONS: u32 = 0x7fff_ffff;
const EOF: u32 = u32::MAX;
/// The longest string or transfer that a call may ask for.
const LONGEST: u32 = 1 << 24;

/// Carries out the call whose number is in R0 and whose parameters R1 names.
pub(crate) fn call(
    core: &mut Core,
    bus: &mut Bus,
    host: &mut dyn Host,
    extensions: &mut Extensions,
    around: &Surroundings,
) -> Outcome {
    let (number, parameter) = (core.r[0], core.r[1]);
    let word = |i: u32| {
        let mut bytes = [0; 4];
        bus.peek(parameter.wrapping_add(4 * i), &mut bytes)
            .map_or(0, |()| u32::from_le_bytes(bytes))
    };
    let host_handle = |handle: u32| match handle {
        STDIN => 0,
        STDOUT => 1,
        STDERR => 2,
        other => other.wrapping_sub(FILES),
    };
    let result = match number {
        0x01 => {
            // A name that is no text names nothing here.
            let name = String::from_utf8(string(bus, word(0), word(2))).unwrap_or_default();
            match (name.as_str(), word(1)) {
                ("", _) => EOF,
                (CONSOLE, 0..=3) => STDIN,
                (CONSOLE, 4..=7) => STDOUT,
                (CONSOLE, _) => STDERR,
                (extensions::NAME, mode) => extensions.open(mode).map_or(EOF, |()| EXTENSIONS),
                (name, mode @ 0..=11) => {
                    host.open(name, mode).map_or(EOF, |h| h.wrapping_add(FILES))
                }
                _ => EOF,
            }
        }
        0x02 if word(0) <= STDERR => 0,
        0x02 if word(0) == EXTENSIONS => 0,
        0x02 => {
            if host.close(host_handle(word(0))) {
                0
            } else {
                EOF
            }
        }
        0x03 => {
            host.write(1, &bytes(bus, parameter, 1));
            core.r[0]
        }
        0x04 => {
            host.write(1, &string(bus, parameter, LONGEST));
            core.r[0]
        }
        // Both transfers return the bytes that were not moved.
        0x05 => {
            let data = bytes(bus, word(1), word(2));
            word(2).wrapping_sub(host.write(host_handle(word(0)), &data) as u32)
        }
        0x06 => {
            let (address, length) = (word(1), word(2).min(LONGEST));
            let mut data = vec![0; length as usize];
            let count = match word(0) {
                EXTENSIONS => extensions.read(&mut data),
                handle => host.read(host_handle(handle), &mut data),
            };
            let count = count.min(data.len());
            if bus.poke(address, &data[..count]).is_ok() {
                length - count as u32
            } else {
                length
            }
        }
        0x07 => {
            let mut byte = [0];
            if host.read(0, &mut byte) == 1 {
                byte[0].into()
            } else {
                EOF
            }
        }
        0x08 => u32::from((word(0) as i32) < 0),
        0x09 => u32::from((STDIN..=STDERR).contains(&word(0))),
        0x0a if word(0) == EXTENSIONS => {
            extensions.seek(word(1));
            0
        }
        0x0a => {
            if host.seek(host_handle(word(0)), word(1)) {
                0
            } else {
                EOF
            }
        }
        0x0c if word(0) == EXTENSIONS => Extensions::length(),
        0x0c => host
            .length(host_handle(word(0)))
            .unwrap_or(if word(0) <= STDERR { 0 } else { EOF }),
        0x10 => (around.clock.saturating_mul(100) / around.clock_hz.max(1)) as u32,
        0x11 => host.seconds(),
        // No call here sets an error number worth keeping.
        0x13 => 0,
        0x15 => command_line(bus, parameter, word(0), word(1), host),
        0x16 => {
            let block = word(0);
            let raw: Vec<u8> = around.heap.iter().flat_map(|w| w.to_le_bytes()).collect();
            let _ = bus.poke(block, &raw);
            core.r[0]
        }
        0x18 => {
            // ADP_Stopped_ApplicationExit is success; there is no code on 32-bit targets.
            return Outcome::Exit(if parameter == 0x2_0026 { 0 } else { 1 });
        }
        0x20 => {
            return Outcome::Exit(if word(0) == 0x2_0026 {
                word(1) as i32
            } else {
                1
            });
        }
        0x30 => {
            let raw = around.clock.to_le_bytes();
            if bus.poke(parameter, &raw).is_ok() {
                0
            } else {
                EOF
            }
        }
        0x31 => around.clock_hz as u32,
        _ => EOF,
    };
    core.r[0] = result;
    Outcome::Continue
}

/// Up to `length` bytes, as far as there is memory.
fn bytes(bus: &Bus, address: u32, length: u32) -> Vec<u8> {
    let mut data = Vec::new();
    for i in 0..length.min(LONGEST) {
        let mut byte = [0];
        if bus.peek(address.wrapping_add(i), &mut byte).is_err() {
            break;
        }
        data.push(byte[0]);
    }
    data
}

/// The bytes of a string that ends with a zero, or after `longest` of them.
fn string(bus: &Bus, address: u32, longest: u32) -> Vec<u8> {
    let mut data = Vec::new();
    for i in 0..longest.min(LONGEST) {
        let mut byte = [0];
        if bus.peek(address.wrapping_add(i), &mut byte).is_err() || byte[0] == 0 {
            break;
        }
        data.push(byte[0]);
    }
    data
}

fn command_line(bus: &mut Bus, block: u32, buffer: u32, size: u32, host: &dyn Host) -> u32 {
    let mut line = host.command_line().as_bytes().to_vec();
    line.push(0);
    if line.len() as u64 > u64::from(size) {
        return EOF;
    }
    let length = (line.len() - 1) as u32;
    let written = bus
        .poke(buffer, &line)
        .and_then(|()| bus.poke(block.wrapping_add(4), &length.to_le_bytes()));
    if written.is_ok() { 0 } else { EOF }
}
