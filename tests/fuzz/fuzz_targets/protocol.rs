//! Whatever a device is sent, its server answers or waits; whatever Program it is given loads or is refused.
//!
//! The first byte of the input chooses: the rest is either what comes over the link as it is, or the length
//! of an image (two bytes), the image, whose length and checksum are made right, and requests, each behind
//! its length, which are sealed as the host does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use runtime_shared::machine;
use runtime_shared::program::{Field, Program, checksum, crc32};
use runtime_protocol::frame::{self, FRAME_BYTES};
use runtime_protocol::{Board, Clock, Port, Request, cobs, serve};

/// A host that has said all it has to say.
struct Script<'a>(&'a [u8]);

impl Port for Script<'_> {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let count = into.len().min(self.0.len());
        let (now, later) = self.0.split_at(count);
        into[..count].copy_from_slice(now);
        self.0 = later;
        (count > 0).then_some(count)
    }

    fn write(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= FRAME_BYTES);
        assert_eq!(
            bytes.iter().position(|b| *b == 0),
            bytes.len().checked_sub(1)
        );
    }
}

struct NoBoard;

impl Board for NoBoard {
    fn cycles(&mut self) -> u32 {
        0
    }
    fn clock(&self) -> Clock {
        Clock::None
    }
    fn target(&self) -> &'static str {
        "host"
    }
    fn stack_bytes(&self) -> u32 {
        0
    }
    fn stack_used(&self) -> u32 {
        0
    }
    fn static_bytes(&self) -> u32 {
        0
    }
    fn flash_bytes(&self) -> u32 {
        0
    }
    fn program_at(&self) -> u32 {
        0
    }
}

/// An image of whole words, with a length and a checksum that hold.
fn image(bytes: &[u8]) -> Vec<f32> {
    let mut words = vec![0.0f32; bytes.len() / 4];
    let image = machine::bytes_mut(&mut words);
    image.copy_from_slice(&bytes[..image.len()]);
    let length = (image.len() as u32).to_le_bytes();
    let mut put = |field: Field, value: [u8; 4]| {
        let at = 4 * field as usize;
        if let Some(word) = image.get_mut(at..at + 4) {
            word.copy_from_slice(&value);
        }
    };
    put(Field::Length, length);
    let sum = checksum(machine::bytes(&words)).to_le_bytes();
    let image = machine::bytes_mut(&mut words);
    let at = 4 * Field::Checksum as usize;
    if let Some(word) = image.get_mut(at..at + 4) {
        word.copy_from_slice(&sum);
    }
    words
}

/// Whether a request asks for much work: what only takes long is not what this looks for.
fn is_long(message: &[u8]) -> bool {
    matches!(frame::parse(message), Some(Request::Synthetic { samples, .. }) if samples > 8)
}

/// Requests, each behind a byte with its length, as frames.
fn frames(mut requests: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    let mut sequence = 0u8;
    while let Some((&length, rest)) = requests.split_first() {
        let (message, rest) = rest.split_at(rest.len().min(length.into()));
        requests = rest;
        if is_long(message) {
            continue;
        }
        sequence = sequence.wrapping_add(1);
        let mut raw = vec![sequence];
        raw.extend(message);
        let crc = crc32(&[&raw]);
        raw.extend(crc.to_le_bytes());
        let mut out = vec![0; cobs::encoded_bytes(raw.len())];
        let length = cobs::encode(&raw, &mut out).expect("there is room");
        wire.extend(&out[..length]);
        wire.push(0);
    }
    wire
}

/// Serves what the input says.
fn check(bytes: &[u8]) {
    let mut pool = vec![0.0f32; 4 << 10];
    let pool = machine::bytes_mut(&mut pool);
    let Some((&choice, rest)) = bytes.split_first() else {
        return;
    };
    if choice & 1 == 0 {
        serve(Script(rest), &mut NoBoard, pool, &[]);
        return;
    }
    let Some((length, rest)) = rest.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (program, requests) = rest.split_at(length);
    let flash = image(program);
    let _ = Program::load(machine::bytes(&flash));
    serve(
        Script(&frames(requests)),
        &mut NoBoard,
        pool,
        machine::bytes(&flash),
    );
}

fuzz_target!(|bytes: &[u8]| check(bytes));
