//! Control blocks that a device could hold out to the host, or that are no control blocks at all.

use proptest::prelude::*;
use sim_device::probe::{Flashing, Status};
use sim_device::rtt::block::{ControlBlock, ID, find};
use sim_device::{Error, Probe};
use sim_emulator::Image;
use std::ops::Range;

/// RAM and nothing else.
struct Ram {
    start: u32,
    bytes: Vec<u8>,
}

impl Ram {
    fn new(start: u32, bytes: usize) -> Self {
        Self {
            start,
            bytes: vec![0; bytes],
        }
    }

    fn range(&self) -> Range<u32> {
        self.start..self.start + self.bytes.len() as u32
    }

    fn words(&mut self, at: u32, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.write(at, &bytes).expect("it is in RAM");
    }

    fn block(&mut self) -> Result<ControlBlock, Error> {
        let range = self.range();
        ControlBlock::read(self, AT, &[range])
    }
}

impl Probe for Ram {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        let at = address.checked_sub(self.start).map(|at| at as usize);
        let from = at.and_then(|at| self.bytes.get(at..)?.get(..into.len()));
        from.map(|from| into.copy_from_slice(from))
            .ok_or_else(|| panic!("{address:#x} is read, outside RAM"))
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        let at = address.checked_sub(self.start).map(|at| at as usize);
        let to = at.and_then(|at| self.bytes.get_mut(at..)?.get_mut(..bytes.len()));
        to.map(|to| to.copy_from_slice(bytes))
            .ok_or_else(|| panic!("{address:#x} is written, outside RAM"))
    }

    fn halt(&mut self) -> Result<u32, Error> {
        Ok(0)
    }

    fn resume(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reset(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn status(&mut self) -> Result<Status, Error> {
        Ok(Status::Running)
    }

    fn flash(&mut self, _: &Image, _: &mut dyn FnMut(Flashing)) -> Result<(), Error> {
        Ok(())
    }

    fn pause(&mut self) {}
}

const START: u32 = 0x2000_0000;
const AT: u32 = START + 0x100;
const UP: u32 = START + 0x400;
const DOWN: u32 = START + 0x800;

/// A sound block with two rings up and one down.
fn sound() -> Ram {
    let mut ram = Ram::new(START, 4096);
    ram.write(AT, &ID).expect("it is in RAM");
    ram.words(AT + 16, &[2, 1]);
    ram.words(AT + 24, &[0, UP, 1024, 5, 3, 0]);
    ram.words(AT + 72, &[0, DOWN, 512, 0, 0, 0]);
    ram
}

#[test]
fn a_sound_block_is_read_wherever_it_lies() {
    let mut ram = sound();
    let block = ram.block().expect("it is sound");
    assert_eq!((block.up.buffer, block.up.bytes), (UP, 1024));
    assert_eq!((block.down.buffer, block.down.bytes), (DOWN, 512));
    let offsets = block.up.offsets(&mut ram).expect("they are sound");
    assert_eq!((offsets.write, offsets.read), (5, 3));
    let range = ram.range();
    assert_eq!(find(&mut ram, &[range]).expect("it is read"), Some(AT));
}

#[test]
fn an_id_on_the_seam_of_two_reads_is_found() {
    let mut ram = Ram::new(START, 3 * 4096);
    ram.write(START + 4096 - 8, &ID).expect("it is in RAM");
    let range = ram.range();
    assert_eq!(
        find(&mut ram, &[range]).expect("it is read"),
        Some(START + 4096 - 8)
    );
    let mut empty = Ram::new(START, 5000);
    let range = empty.range();
    assert_eq!(find(&mut empty, &[range]).expect("it is read"), None);
}

#[test]
fn hostile_blocks_are_refused() {
    const COUNTS: u32 = AT + 16;
    const FIRST_UP: u32 = AT + 24;
    const FIRST_DOWN: u32 = AT + 72;
    let cases: [(&str, u32, &[u32]); 14] = [
        ("no ring up", COUNTS, &[0, 1]),
        ("no ring down", COUNTS, &[1, 0]),
        ("rings without number", COUNTS, &[u32::MAX, u32::MAX]),
        ("a pointer to nothing", FIRST_UP, &[0, 0, 1024, 0, 0]),
        ("a pointer to flash", FIRST_UP, &[0, 0x1000, 64, 0, 0]),
        (
            "a pointer to the end",
            FIRST_UP,
            &[0, START + 4095, 2, 0, 0],
        ),
        ("a range that wraps", FIRST_UP, &[0, UP, u32::MAX, 0, 0]),
        ("a size of nothing", FIRST_UP, &[0, UP, 0, 0, 0]),
        ("a size of one", FIRST_UP, &[0, UP, 1, 0, 0]),
        ("a size beyond RAM", FIRST_UP, &[0, UP, 4096, 0, 0]),
        ("written beyond the ring", FIRST_UP, &[0, UP, 64, 64, 0]),
        (
            "read beyond the ring",
            FIRST_DOWN,
            &[0, DOWN, 64, 0, u32::MAX],
        ),
        ("rings that overlap", FIRST_DOWN, &[0, UP + 8, 64, 0, 0]),
        ("a ring over the block", FIRST_UP, &[0, AT, 64, 0, 0]),
    ];
    for (what, at, words) in cases {
        let mut ram = sound();
        ram.words(at, words);
        let block = ram.block();
        assert!(
            matches!(block, Err(Error::ControlBlock { .. })),
            "{what}: {block:?}"
        );
    }
    let mut ram = sound();
    let range = ram.range();
    for at in [0, START - 4, START + 4090, u32::MAX - 2] {
        let block = ControlBlock::read(&mut ram, at, std::slice::from_ref(&range));
        assert!(
            matches!(block, Err(Error::ControlBlock { .. })),
            "{at:#x}: {block:?}"
        );
    }
}

#[test]
fn offsets_that_leave_the_ring_later_are_refused() {
    let mut ram = sound();
    let block = ram.block().expect("it is sound");
    ram.words(AT + 24 + 12, &[1024, 0]);
    let offsets = block.up.offsets(&mut ram);
    assert!(
        matches!(offsets, Err(Error::ControlBlock { .. })),
        "{offsets:?}"
    );
}

/// Small numbers, addresses in and around RAM, anything.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..2000, START - 64..START + 5000, any::<u32>()]
}

proptest! {
    /// Whatever lies there, nothing outside RAM is touched: `Ram` panics if it is.
    #[test]
    fn noise_is_survived(noise in prop::collection::vec((0usize..18, word()), 0..6)) {
        let mut ram = sound();
        for (place, word) in noise {
            ram.words(AT + 16 + 4 * place as u32, &[word]);
        }
        if let Ok(block) = ram.block() {
            for ring in [block.up, block.down] {
                let range = ram.range();
                prop_assert!(range.start <= ring.buffer && ring.buffer + ring.bytes <= range.end);
                let offsets = ring.offsets(&mut ram).expect("they were checked");
                prop_assert!(offsets.read < ring.bytes && offsets.write < ring.bytes);
            }
        }
    }
}
