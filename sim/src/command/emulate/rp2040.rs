//! What every program for the RP2040 needs of the chip beside its core: of the single-cycle input and output (RP2040 data
//! sheet, section 2.3.1) the core's number, the divider that stands in for an instruction, and spin locks; of the timer
//! (section 4.6) the time. Other registers of the former keep what is written. There are no alarms.
//!
//! The data sheet lets the divider take 8 cycles; here a quotient is there at once, as compilers' libraries wait for it.

use sim_emulator::{Access, Emulator, PeripheralFn};

/// Where the single-cycle input and output lies, and its bytes.
const SIO: (u32, u32) = (0xd000_0000, 0x180);
/// The timer's registers that are read.
const TIMER: (u32, u32) = (0x4005_4000, 0x2c);
const TIMEHR: u32 = 0x08;
const TIMELR: u32 = 0x0c;
const TIMERAWH: u32 = 0x24;
const TIMERAWL: u32 = 0x28;

const CPUID: u32 = 0x00;
const FIFO_ST: u32 = 0x50;
const UNSIGNED: [u32; 2] = [0x60, 0x64];
const SIGNED: [u32; 2] = [0x68, 0x6c];
const QUOTIENT: u32 = 0x70;
const REMAINDER: u32 = 0x74;
const CSR: u32 = 0x78;
const LOCKS: u32 = 0x100;
/// Of FIFO_ST: there is room for the other core's mail, and none has come.
const ROOM: u32 = 2;
/// Of CSR.
const READY: u32 = 1;
const DIRTY: u32 = 2;

/// The registers.
#[derive(Default)]
struct Sio {
    words: std::collections::BTreeMap<u32, u32>,
    /// Bits of the locks that are held.
    held: u32,
}

impl Sio {
    fn word(&self, offset: u32) -> u32 {
        self.words.get(&offset).copied().unwrap_or(0)
    }

    fn read(&mut self, offset: u32) -> u32 {
        match offset {
            CPUID => 0,
            FIFO_ST => ROOM,
            CSR => self.word(CSR) | READY,
            QUOTIENT => {
                self.words.insert(CSR, 0);
                self.word(QUOTIENT)
            }
            LOCKS.. => {
                let lock = 1 << ((offset - LOCKS) / 4 % 32);
                let free = self.held & lock == 0;
                self.held |= lock;
                if free { lock } else { 0 }
            }
            _ => self.word(offset),
        }
    }

    fn write(&mut self, offset: u32, value: u32) {
        match offset {
            LOCKS.. => self.held &= !(1 << ((offset - LOCKS) / 4 % 32)),
            // Outputs and their directions: a word, and what sets, clears and flips its bits.
            0x14 | 0x24 => self.change(offset - 4, |word| word | value),
            0x18 | 0x28 => self.change(offset - 8, |word| word & !value),
            0x1c | 0x2c => self.change(offset - 12, |word| word ^ value),
            _ => drop(self.words.insert(offset, value)),
        }
        // The operands of either kind are the same registers.
        let operand = |kind: [u32; 2]| kind.iter().position(|o| *o == offset);
        if let Some(which) = operand(UNSIGNED).or(operand(SIGNED)) {
            self.words.insert(UNSIGNED[which], value);
            self.words.insert(SIGNED[which], value);
            let [dividend, divisor] = UNSIGNED.map(|o| self.word(o));
            let (quotient, remainder) = match operand(UNSIGNED) {
                Some(_) => unsigned(dividend, divisor),
                None => signed(dividend as i32, divisor as i32),
            };
            self.words.insert(QUOTIENT, quotient);
            self.words.insert(REMAINDER, remainder);
        }
        if (UNSIGNED[0]..CSR).contains(&offset) {
            self.words.insert(CSR, DIRTY);
        }
    }

    fn change(&mut self, offset: u32, to: impl Fn(u32) -> u32) {
        let word = to(self.word(offset));
        self.words.insert(offset, word);
    }
}

fn unsigned(dividend: u32, divisor: u32) -> (u32, u32) {
    match divisor {
        0 => (u32::MAX, dividend),
        _ => (dividend / divisor, dividend % divisor),
    }
}

fn signed(dividend: i32, divisor: i32) -> (u32, u32) {
    match divisor {
        0 if dividend < 0 => (1, dividend as u32),
        0 => (u32::MAX, dividend as u32),
        _ => (
            dividend.wrapping_div(divisor) as u32,
            dividend.wrapping_rem(divisor) as u32,
        ),
    }
}

/// Gives a machine these peripherals.
pub fn attach(emulator: &mut Emulator, clock_hz: u64) {
    emulator.attach_peripheral(SIO.0, SIO.1, sio());
    emulator.attach_peripheral(TIMER.0, TIMER.1, timer(clock_hz));
}

/// Microseconds since the start, in two words; reading the lower keeps the higher of that time.
fn timer(clock_hz: u64) -> PeripheralFn {
    let mut higher = 0;
    Box::new(move |access: Access| {
        let cycles = u128::from(access.clock) * 1_000_000;
        let now = (cycles / u128::from(clock_hz.max(1))) as u64;
        match access.address.wrapping_sub(TIMER.0) {
            TIMELR => {
                higher = (now >> 32) as u32;
                now as u32
            }
            TIMEHR => higher,
            TIMERAWH => (now >> 32) as u32,
            TIMERAWL => now as u32,
            _ => 0,
        }
    })
}

fn sio() -> PeripheralFn {
    let mut sio = Sio::default();
    Box::new(move |access: Access| {
        let offset = access.address.wrapping_sub(SIO.0) & !3;
        match access.write {
            Some(value) => {
                sio.write(offset, value);
                0
            }
            None => sio.read(offset) >> (8 * (access.address & 3)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divide(kind: [u32; 2], dividend: u32, divisor: u32) -> (u32, u32) {
        let mut sio = Sio::default();
        sio.write(kind[0], dividend);
        sio.write(kind[1], divisor);
        assert_eq!(sio.read(CSR), READY | DIRTY);
        let remainder = sio.read(REMAINDER);
        let quotient = sio.read(QUOTIENT);
        assert_eq!(sio.read(CSR), READY);
        (quotient, remainder)
    }

    #[test]
    fn it_divides_as_the_data_sheet_says() {
        let minus = |n: i32| n.wrapping_neg() as u32;
        assert_eq!(divide(UNSIGNED, 17, 5), (3, 2));
        assert_eq!(divide(UNSIGNED, u32::MAX, 2), (i32::MAX as u32, 1));
        assert_eq!(divide(UNSIGNED, 17, 0), (u32::MAX, 17));
        assert_eq!(divide(SIGNED, minus(17), 5), (minus(3), minus(2)));
        assert_eq!(divide(SIGNED, 17, 0), (minus(1), 17));
        assert_eq!(divide(SIGNED, minus(17), 0), (1, minus(17)));
        assert_eq!(divide(SIGNED, 1 << 31, minus(1)), (1 << 31, 0));
    }

    #[test]
    fn the_timer_counts_microseconds() {
        let mut timer = timer(125_000_000);
        let mut read = |offset: u32, clock: u64| {
            timer(Access {
                address: TIMER.0 + offset,
                bytes: 4,
                write: None,
                clock,
            })
        };
        assert_eq!(read(TIMERAWL, 1_250), 10);
        let late = 125 * ((5 << 32) + 7);
        assert_eq!(read(TIMELR, late), 7);
        assert_eq!(read(TIMEHR, 2 * late), 5, "of the time that was read");
        assert_eq!(read(TIMERAWH, 2 * late), 10);
    }

    #[test]
    fn a_lock_is_free_once() {
        let mut sio = Sio::default();
        assert_eq!(sio.read(LOCKS + 12), 8);
        assert_eq!(sio.read(LOCKS + 12), 0);
        sio.write(LOCKS + 12, 1);
        assert_eq!(sio.read(LOCKS + 12), 8);
        assert_eq!(sio.read(LOCKS), 1);
    }

    #[test]
    fn outputs_are_set_cleared_and_flipped() {
        let mut sio = Sio::default();
        for (offset, value, after) in [(0x10, 6, 6), (0x14, 9, 15), (0x18, 3, 12), (0x1c, 5, 9)] {
            sio.write(offset, value);
            assert_eq!(sio.read(0x10), after);
        }
    }
}
