//! Whom a program's calls reach: a trait, and a host that keeps everything in memory.

use std::collections::BTreeMap;

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
