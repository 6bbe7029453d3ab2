//! Semihosting: the program's calls to its host (Arm IHI "Semihosting for AArch32 and AArch64", 2.0).
//!
//! The library does no input or output itself. A [`Host`] does, and the one that comes with it keeps
//! everything in memory; files are refused unless a host offers them.

use std::collections::BTreeMap;

use crate::core::Core;
use crate::memory::Bus;

/// What a program reaches outside itself.
///
/// Handles below 3 are standard input, output and error, which [`Host::write`] and [`Host::read`] always
/// get; files get handles that [`Host::open`] chooses.
pub trait Host: Send {
    /// Takes bytes for a stream or file; returns how many it took.
    fn write(&mut self, handle: u32, bytes: &[u8]) -> usize;

    /// Fills bytes from a stream or file; returns how many there were.
    fn read(&mut self, handle: u32, bytes: &mut [u8]) -> usize;

    /// Opens a file; `mode` counts fopen's modes as semihosting does (0 `r`, 4 `w`, 8 `a`, odd binary).
    fn open(&mut self, name: &str, mode: u32) -> Option<u32> {
        let _ = (name, mode);
        None
    }

    /// Closes a file; whether it was open.
    fn close(&mut self, handle: u32) -> bool {
        let _ = handle;
        false
    }

    /// Moves to an absolute position; whether that worked.
    fn seek(&mut self, handle: u32, position: u32) -> bool {
        let _ = (handle, position);
        false
    }

    /// The length of a file.
    fn length(&mut self, handle: u32) -> Option<u32> {
        let _ = handle;
        None
    }

    /// The command line.
    fn command_line(&self) -> &str {
        ""
    }

    /// Seconds since 1970. Zero unless a host knows better, so that runs repeat.
    fn seconds(&self) -> u32 {
        0
    }
}

/// A host that keeps everything in memory, up to 64 MiB of each stream and file.
#[derive(Debug, Default, Clone)]
pub struct MemoryHost {
    /// What the program wrote to its output.
    pub output: Vec<u8>,
    /// What the program wrote to its error stream.
    pub errors: Vec<u8>,
    /// What the program reads from its input.
    pub input: std::collections::VecDeque<u8>,
    /// Files by name, if the program may have any.
    pub files: Option<BTreeMap<String, Vec<u8>>>,
    /// The command line.
    pub arguments: String,
    open: BTreeMap<u32, (String, usize)>,
}

/// Bytes of a stream or file that are kept at most: a program must not make the host allocate at will.
const MOST_KEPT: usize = 64 << 20;

impl MemoryHost {
    /// The output as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }
}

impl Host for MemoryHost {
    fn write(&mut self, handle: u32, bytes: &[u8]) -> usize {
        let (kept, position) = match handle {
            2 => (Some(&mut self.errors), None),
            0 | 1 => (Some(&mut self.output), None),
            _ => match (self.open.get_mut(&handle), &mut self.files) {
                (Some((name, position)), Some(files)) => (files.get_mut(name), Some(position)),
                _ => return 0,
            },
        };
        let Some(kept) = kept else {
            return 0;
        };
        let start = position.as_ref().map_or(kept.len(), |p| **p);
        let count = bytes.len().min(MOST_KEPT.saturating_sub(start));
        let end = start + count;
        kept.resize(kept.len().max(end), 0);
        kept[start..end].copy_from_slice(&bytes[..count]);
        if let Some(position) = position {
            *position = end;
        }
        count
    }

    fn read(&mut self, handle: u32, bytes: &mut [u8]) -> usize {
        if handle < 3 {
            let count = bytes.len().min(self.input.len());
            for (slot, byte) in bytes.iter_mut().zip(self.input.drain(..count)) {
                *slot = byte;
            }
            return count;
        }
        let (Some((name, position)), Some(files)) = (self.open.get_mut(&handle), &self.files)
        else {
            return 0;
        };
        let rest = files
            .get(name)
            .and_then(|f| f.get(*position..))
            .unwrap_or(&[]);
        let count = rest.len().min(bytes.len());
        bytes[..count].copy_from_slice(&rest[..count]);
        *position += count;
        count
    }

    fn open(&mut self, name: &str, mode: u32) -> Option<u32> {
        let files = self.files.as_mut()?;
        match mode / 4 {
            0 if !files.contains_key(name) => return None,
            1 => drop(files.insert(name.to_owned(), Vec::new())),
            _ => drop(files.entry(name.to_owned()).or_default()),
        }
        let position = if mode / 4 == 2 {
            files.get(name).map_or(0, Vec::len)
        } else {
            0
        };
        let handle = (3..).find(|h| !self.open.contains_key(h))?;
        self.open.insert(handle, (name.to_owned(), position));
        Some(handle)
    }

    fn close(&mut self, handle: u32) -> bool {
        self.open.remove(&handle).is_some()
    }

    fn seek(&mut self, handle: u32, position: u32) -> bool {
        let Some(entry) = self.open.get_mut(&handle) else {
            return false;
        };
        // Beyond the end there is nothing: nor may a seek make it allocate.
        let length = self
            .files
            .as_ref()
            .and_then(|f| f.get(&entry.0))
            .map_or(0, Vec::len);
        entry.1 = (position as usize).min(length);
        position as usize <= length
    }

    fn length(&mut self, handle: u32) -> Option<u32> {
        let (name, _) = self.open.get(&handle)?;
        self.files.as_ref()?.get(name).map(|f| f.len() as u32)
    }

    fn command_line(&self) -> &str {
        &self.arguments
    }
}

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
const EOF: u32 = u32::MAX;
/// The longest string or transfer that a call may ask for.
const LONGEST: u32 = 1 << 24;

/// Carries out the call whose number is in R0 and whose parameters R1 names.
pub(crate) fn call(
    core: &mut Core,
    bus: &mut Bus,
    host: &mut dyn Host,
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
            let name = text(bus, word(0), word(2));
            match (name.as_str(), word(1)) {
                (CONSOLE, 0..=3) => STDIN,
                (CONSOLE, 4..=7) => STDOUT,
                (CONSOLE, _) => STDERR,
                (name, mode @ 0..=11) => {
                    host.open(name, mode).map_or(EOF, |h| h.wrapping_add(FILES))
                }
                _ => EOF,
            }
        }
        0x02 if word(0) <= STDERR => 0,
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
            let string = text(bus, parameter, LONGEST);
            host.write(1, string.as_bytes());
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
            let count = host.read(host_handle(word(0)), &mut data).min(data.len());
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
        0x0a => {
            if host.seek(host_handle(word(0)), word(1)) {
                0
            } else {
                EOF
            }
        }
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

/// A string that ends with a zero, or after `longest` bytes.
fn text(bus: &Bus, address: u32, longest: u32) -> String {
    let mut data = Vec::new();
    for i in 0..longest.min(LONGEST) {
        let mut byte = [0];
        if bus.peek(address.wrapping_add(i), &mut byte).is_err() || byte[0] == 0 {
            break;
        }
        data.push(byte[0]);
    }
    String::from_utf8_lossy(&data).into_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_in_memory_keeps_no_more_than_it_says() {
        let mut host = MemoryHost {
            files: Some(BTreeMap::new()),
            ..MemoryHost::default()
        };
        let file = host.open("a", 4).unwrap();
        let piece = vec![1; 3 << 20];
        for handle in [1, 2, file] {
            let taken: Vec<usize> = (0..23).map(|_| host.write(handle, &piece)).collect();
            assert_eq!(taken.iter().sum::<usize>(), MOST_KEPT);
            assert_eq!((taken[20], taken[21], taken[22]), (3 << 20, 1 << 20, 0));
        }
        assert_eq!(
            (host.output.len(), host.errors.len()),
            (MOST_KEPT, MOST_KEPT)
        );
        assert!(host.seek(file, 5));
        assert_eq!(host.write(file, b"xy"), 2);
        assert_eq!(host.files.unwrap()["a"][4..8], [1, b'x', b'y', 1]);
    }
}
