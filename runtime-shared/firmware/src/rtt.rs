//! Rings of bytes in RAM that a debug probe reads and writes while the core runs: SEGGER's RTT, one ring
//! each way.
//!
//! Source: SEGGER, *Real Time Transfer*, UM08001, "How RTT works": a control block that starts with
//! `SEGGER RTT`, the numbers of rings up and down, and a descriptor for each. Every field is an atomic,
//! because the probe is another reader and writer of the same memory.

use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};
use runtime_protocol::Port;

/// Bytes of each ring; one of them stays free, to tell full from empty.
const RING_BYTES: usize = 1024;
/// What probes look for.
const ID: &[u8; 10] = b"SEGGER RTT";

/// One ring's descriptor.
#[repr(C)]
pub struct Ring {
    name: AtomicPtr<u8>,
    buffer: AtomicPtr<AtomicU8>,
    bytes: AtomicU32,
    write: AtomicU32,
    read: AtomicU32,
    flags: AtomicU32,
}

/// The control block with one ring up, to the host, and one down.
#[repr(C)]
pub struct ControlBlock {
    id: [AtomicU8; 16],
    up_count: AtomicU32,
    down_count: AtomicU32,
    up: Ring,
    down: Ring,
}

static UP: [AtomicU8; RING_BYTES] = [const { AtomicU8::new(0) }; RING_BYTES];
static DOWN: [AtomicU8; RING_BYTES] = [const { AtomicU8::new(0) }; RING_BYTES];

impl Ring {
    const fn new() -> Self {
        Self {
            name: AtomicPtr::new(core::ptr::null_mut()),
            buffer: AtomicPtr::new(core::ptr::null_mut()),
            bytes: AtomicU32::new(0),
            write: AtomicU32::new(0),
            read: AtomicU32::new(0),
            flags: AtomicU32::new(0),
        }
    }

    fn start(&self, name: &'static [u8; 4], buffer: &'static [AtomicU8; RING_BYTES]) {
        self.name.store(name.as_ptr().cast_mut(), Ordering::Relaxed);
        self.buffer
            .store(buffer.as_ptr().cast_mut(), Ordering::Relaxed);
        self.bytes.store(RING_BYTES as u32, Ordering::Relaxed);
    }

    /// Where the reader and the writer stand. What a probe wrote is brought into the ring.
    fn ends(&self) -> (usize, usize) {
        let at = |end: &AtomicU32| end.load(Ordering::Acquire) as usize % RING_BYTES;
        (at(&self.read), at(&self.write))
    }
}

impl ControlBlock {
    /// A block that no probe finds yet.
    pub(super) const fn new() -> Self {
        Self {
            id: [const { AtomicU8::new(0) }; 16],
            up_count: AtomicU32::new(0),
            down_count: AtomicU32::new(0),
            up: Ring::new(),
            down: Ring::new(),
        }
    }
}

/// The two rings as a stream.
pub struct Rtt {
    block: &'static ControlBlock,
}

impl Rtt {
    /// Sets up the control block; its name comes last, so that no probe finds half a block.
    pub fn start() -> Self {
        let block = crate::machine::rtt_block();
        block.up.start(b"sim\0", &UP);
        block.down.start(b"sim\0", &DOWN);
        block.up_count.store(1, Ordering::Relaxed);
        block.down_count.store(1, Ordering::Release);
        for (slot, &byte) in block.id.iter().zip(ID) {
            slot.store(byte, Ordering::Release);
        }
        Self { block }
    }
}

impl Port for Rtt {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let ring = &self.block.down;
        loop {
            let (mut read, write) = ring.ends();
            let mut count = 0;
            while let Some(slot) = into.get_mut(count).filter(|_| read != write) {
                *slot = DOWN[read].load(Ordering::Relaxed);
                read = (read + 1) % RING_BYTES;
                count += 1;
            }
            if count > 0 {
                ring.read.store(read as u32, Ordering::Release);
                return Some(count);
            }
            core::hint::spin_loop();
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let ring = &self.block.up;
        for &byte in bytes {
            let (_, write) = ring.ends();
            let next = (write + 1) % RING_BYTES;
            // Full: wait for the probe. A host that is gone needs no answer.
            while next == ring.ends().0 {
                core::hint::spin_loop();
            }
            UP[write].store(byte, Ordering::Relaxed);
            ring.write.store(next as u32, Ordering::Release);
        }
    }
}
