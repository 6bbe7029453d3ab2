//! Peripherals: ranges that read what the user gave, closures, and what happens where nothing was given.
//!
//! Start-up code of vendors sets dozens of registers and waits for ready bits. [`Unmapped`] says what such
//! an access is worth where nobody described the register; what was touched so is remembered, so that a
//! person sees which registers a program depends on.

use std::collections::BTreeMap;

use crate::machine::{Behaviour, Machine, Peripheral, Unmapped};
use crate::poll::Poll;

/// What a peripheral closure is asked: address, bytes (1, 2 or 4), the value of a write, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// The address.
    pub address: u32,
    /// 1, 2 or 4 bytes.
    pub bytes: u32,
    /// The value written; `None` for a read.
    pub write: Option<u32>,
    /// Cycles so far (instructions, where no timing model runs).
    pub clock: u64,
}

/// A peripheral as a closure: reads return its value.
pub type PeripheralFn = Box<dyn FnMut(Access) -> u32 + Send>;

/// A register that nobody described and the program touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touched {
    /// Its address, a multiple of four.
    pub address: u32,
    /// How often it was read.
    pub reads: u64,
    /// How often it was written.
    pub writes: u64,
    /// The word written last, 0 before.
    pub value: u32,
}

/// The address spaces of the architecture for peripherals and devices (ARMv7-M ARM table B3-1), and those of vendors:
/// first address and bytes.
const SPACES: [(u32, u32); 2] = [(0x4000_0000, 0x2000_0000), (0xa000_0000, 0x6000_0000)];

/// Where makers of chips keep tables and option bytes, beside memories (those of the nRF53 first). What no profile
/// lists reads as erased flash, unless an access there is to be a fault.
const INFORMATION: [(u32, u32); 2] = [(0x00ff_0000, 0x1_0000), (0x1000_0000, 0x1000_0000)];
const ERASED: u32 = u32::MAX;

/// Words that nobody described and that are kept at most: a program must not make the host allocate at will.
const MOST_KEPT: usize = 1 << 16;

/// An undescribed register.
#[derive(Debug, Clone, Copy, Default)]
struct Unknown {
    reads: u64,
    writes: u64,
    value: u32,
    poll: Poll,
}

/// Everything but closures, which cannot be copied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registers {
    ranges: Vec<(Peripheral, Vec<u32>)>,
    unknown: BTreeMap<u32, Unknown>,
    /// Words beside the memories that the program has programmed.
    information: BTreeMap<u32, u32>,
}

/// The peripherals of a machine.
pub(crate) struct Peripherals {
    pub registers: Registers,
    closures: Vec<(u32, u32, PeripheralFn)>,
    /// Accesses outside the memories so far.
    accesses: u64,
    unmapped: Unmapped,
    programs_flash: bool,
    spaces: Vec<(u32, u32)>,
}

fn within(spaces: &[(u32, u32)], address: u32) -> bool {
    let inside = |(base, size): &(u32, u32)| address.wrapping_sub(*base) < *size;
    spaces.iter().any(inside)
}

impl Peripherals {
    pub fn new(machine: &Machine) -> Self {
        let mut peripherals = Peripherals {
            registers: Registers::default(),
            closures: Vec::new(),
            accesses: 0,
            unmapped: machine.unmapped,
            programs_flash: machine.programs_flash,
            spaces: [&SPACES[..], &machine.peripheral_spaces].concat(),
        };
        for control in &machine.timing.controls {
            peripherals.add(Peripheral {
                base: control.register,
                size: 4,
                behaviour: Behaviour::Register(control.reset),
            });
        }
        for peripheral in machine.peripherals.iter().rev() {
            peripherals.add(peripheral.clone());
        }
        peripherals
    }

    /// Adds a closure; it comes before ranges, and behind earlier closures.
    pub fn attach(&mut self, base: u32, size: u32, closure: PeripheralFn) {
        self.closures.push((base, size, closure));
    }

    /// Adds a range; it comes before those that are there.
    pub fn add(&mut self, peripheral: Peripheral) {
        let words = match peripheral.behaviour {
            Behaviour::Register(value) => vec![value; (peripheral.size as usize).div_ceil(4)],
            Behaviour::Fixed(_) => Vec::new(),
        };
        self.registers.ranges.insert(0, (peripheral, words));
    }

    /// The word that a read of a described address gives, in the place of its bytes.
    pub fn read(&mut self, address: u32, bytes: u32, clock: u64) -> Option<u32> {
        self.accesses += 1;
        for (base, size, closure) in &mut self.closures {
            if address.wrapping_sub(*base) < *size {
                return Some(closure(Access {
                    address,
                    bytes,
                    write: None,
                    clock,
                }));
            }
        }
        let shift = 8 * (address & 3);
        self.registers
            .ranges
            .iter()
            .find_map(|(peripheral, words)| {
                let offset = address.wrapping_sub(peripheral.base);
                (offset < peripheral.size).then(|| match peripheral.behaviour {
                    Behaviour::Fixed(value) => value >> shift,
                    Behaviour::Register(_) => words[offset as usize / 4] >> shift,
                })
            })
    }

    /// A write to a described address; whether it is one.
    pub fn write(&mut self, address: u32, bytes: u32, value: u32, clock: u64) -> bool {
        self.accesses += 1;
        for (base, size, closure) in &mut self.closures {
            if address.wrapping_sub(*base) < *size {
                closure(Access {
                    address,
                    bytes,
                    write: Some(value),
                    clock,
                });
                return true;
            }
        }
        for (peripheral, words) in &mut self.registers.ranges {
            let offset = address.wrapping_sub(peripheral.base);
            if offset < peripheral.size {
                if let Some(word) = words.get_mut(offset as usize / 4) {
                    *word = merge(*word, address, bytes, value);
                }
                return true;
            }
        }
        false
    }

    /// Sets a described register to what it holds after a reset; no closure hears of it.
    pub fn set(&mut self, address: u32, value: u32) {
        for (peripheral, words) in &mut self.registers.ranges {
            let offset = address.wrapping_sub(peripheral.base);
            if let Some(word) = words.get_mut(offset as usize / 4) {
                *word = value;
            }
        }
    }

    fn is_unmapped_peripheral(&self, address: u32) -> bool {
        self.unmapped != Unmapped::Fault && within(&self.spaces, address)
    }

    /// What a read gives where nothing is described; `None` is a fault.
    pub fn read_unmapped(&mut self, address: u32) -> Option<u32> {
        if !self.is_unmapped_peripheral(address) {
            let word = self.registers.information.get(&(address & !3));
            let word = word.copied().unwrap_or(ERASED) >> (8 * (address & 3));
            return self.is_information(address).then_some(word);
        }
        let (policy, accesses) = (self.unmapped, self.accesses);
        let register = self.unknown(address)?;
        register.reads += 1;
        let word = match policy {
            Unmapped::Fault | Unmapped::Zero => 0,
            Unmapped::Register => register.value,
            Unmapped::Ready => register.poll.answer(address & !3, register.value, accesses),
        };
        Some(word >> (8 * (address & 3)))
    }

    fn is_information(&self, address: u32) -> bool {
        self.unmapped != Unmapped::Fault && within(&INFORMATION, address)
    }

    /// The undescribed register of an address, unless there are too many.
    fn unknown(&mut self, address: u32) -> Option<&mut Unknown> {
        let unknown = &mut self.registers.unknown;
        let known = unknown.len() < MOST_KEPT || unknown.contains_key(&(address & !3));
        known.then(|| unknown.entry(address & !3).or_default())
    }

    /// Clears bits of a word beside the memories, as programming flash does; whether it is one.
    fn program(&mut self, address: u32, bytes: u32, value: u32) -> bool {
        let information = self.is_information(address);
        let words = &mut self.registers.information;
        let room = words.len() < MOST_KEPT || words.contains_key(&(address & !3));
        if information && room {
            let word = words.entry(address & !3).or_insert(ERASED);
            *word &= merge(ERASED, address, bytes, value);
        }
        information && room
    }

    /// A write where nothing is described; whether it is allowed.
    pub fn write_unmapped(&mut self, address: u32, bytes: u32, value: u32) -> bool {
        if !self.is_unmapped_peripheral(address) {
            return self.programs_flash && self.program(address, bytes, value);
        }
        let Some(register) = self.unknown(address) else {
            return false;
        };
        register.writes += 1;
        // What a poll was granted is there for whoever changes other parts of the word.
        register.value = merge(register.value, address, bytes, value);
        register.poll = Poll::of(register.value);
        true
    }

    /// The undescribed registers that were touched, by address.
    pub fn touched(&self) -> Vec<Touched> {
        let touched = |(&address, register): (&u32, &Unknown)| Touched {
            address,
            reads: register.reads,
            writes: register.writes,
            value: register.value,
        };
        self.registers.unknown.iter().map(touched).collect()
    }
}

/// A word after some of its bytes were written.
pub fn merge(word: u32, address: u32, bytes: u32, value: u32) -> u32 {
    let shift = 8 * (address & 3);
    let mask = u32::MAX >> (32 - 8 * bytes) << shift;
    word & !mask | value << shift & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peripherals(unmapped: Unmapped) -> Peripherals {
        Peripherals::new(&Machine {
            unmapped,
            ..Machine::generic("cortex-m4f")
        })
    }

    /// A read as the bus makes it: of what is described first.
    fn read(p: &mut Peripherals, address: u32) -> u32 {
        assert_eq!(p.read(address, 4, 0), None);
        p.read_unmapped(address).unwrap()
    }

    fn write(p: &mut Peripherals, address: u32, value: u32) {
        assert!(!p.write(address, 4, value, 0));
        assert!(p.write_unmapped(address, 4, value));
    }

    /// Reads until a condition holds.
    fn poll(p: &mut Peripherals, address: u32, done: impl Fn(u32) -> bool) {
        (1..10_000)
            .find(|_| done(read(p, address)))
            .expect("the condition holds at some time");
    }

    #[test]
    fn whatever_a_program_waits_for_comes() {
        let mut p = peripherals(Unmapped::Ready);
        let rcc = 0x4002_1000;
        write(&mut p, rcc, 1 << 16);
        assert_eq!(read(&mut p, rcc), 1 << 16, "a register reads back");
        poll(&mut p, rcc, |v| v >> 17 & 1 == 1);
        poll(&mut p, rcc, |v| v >> 25 & 1 == 1);
        poll(&mut p, rcc, |v| v >> 16 & 1 == 0);
        // A field of several bits that is neither clear nor full, as a clock switch's status.
        poll(&mut p, rcc + 8, |v| v >> 2 & 3 == 2);
        // A word of which one bit is to be set, as the RP2040's selected clock, and others.
        poll(&mut p, rcc + 12, |v| v == 1 << 7);
        poll(&mut p, rcc + 16, |v| v == u32::MAX);
        poll(&mut p, rcc + 20, |v| v >> 4 & 7 == 5);
        write(&mut p, rcc, 7);
        assert_eq!(read(&mut p, rcc), 7, "a write ends the wait");
        assert_eq!(p.touched()[0].writes, 2);
    }

    #[test]
    fn what_a_program_waited_for_stays() {
        let (rcc, flash, mode) = (0x4002_1000, 0x4002_2000, 0x4000_7000);
        let ready = |bit: u32| move |v: u32| v >> bit & 1 == 1;
        let mut p = peripherals(Unmapped::Ready);
        // The oscillator, then the PLL: their ready bits are polled and then read once more, as vendors' code does.
        for (on, bit) in [(16, 17), (24, 25)] {
            let value = read(&mut p, rcc);
            write(&mut p, rcc, value | 1 << on);
            poll(&mut p, rcc, ready(bit));
            assert!(ready(bit)(read(&mut p, rcc)), "read once more");
            let value = read(&mut p, flash);
            write(&mut p, flash, value | 4);
            assert!(ready(bit)(read(&mut p, rcc)), "and later");
        }
        assert!(ready(17)(read(&mut p, rcc)), "what came before is there");
        // The switch of clocks and its status.
        write(&mut p, rcc + 8, 3);
        poll(&mut p, rcc + 8, |v| v >> 2 & 3 == 3);
        read(&mut p, mode);
        assert_eq!(read(&mut p, rcc + 8), 0xf);
    }

    #[test]
    fn no_bit_comes_beside_the_one_that_is_waited_for() {
        // A loop that gives up at an error flag: all bits but the ready bit behind the one that is set.
        for on in [0, 8, 16, 30] {
            let mut p = peripherals(Unmapped::Ready);
            write(&mut p, 0x4002_1000, 1 << on);
            poll(&mut p, 0x4002_1000, |v| {
                assert_eq!(v & !(3 << on), 0, "{on}");
                v >> (on + 1) & 1 == 1
            });
        }
    }

    #[test]
    fn registers_that_are_polled_in_turn_both_change() {
        let mut p = peripherals(Unmapped::Ready);
        let (mut first, mut second) = (0, 0);
        for _ in 0..10_000 {
            first |= read(&mut p, 0x4000_0000);
            second |= read(&mut p, 0x4000_0010);
        }
        assert_eq!((first, second), (u32::MAX, u32::MAX));
    }

    #[test]
    fn a_machine_may_have_peripherals_where_others_have_memory() {
        let gpio = 0x2009_c000;
        assert!(!peripherals(Unmapped::Register).write_unmapped(gpio, 4, 1));
        let mut p = Peripherals::new(&Machine {
            unmapped: Unmapped::Register,
            peripheral_spaces: vec![(gpio, 0x4000)],
            ..Machine::generic("cortex-m3")
        });
        assert!(p.write_unmapped(gpio + 0x20, 4, 7));
        assert_eq!(p.read_unmapped(gpio + 0x20), Some(7));
        assert_eq!(p.read_unmapped(gpio + 0x4000), None);
    }

    #[test]
    fn what_lies_beside_the_memories_is_programmed_where_flash_may_be() {
        let uicr = 0x1000_1200;
        assert!(!peripherals(Unmapped::Ready).write_unmapped(uicr, 4, 18));
        for unmapped in [Unmapped::Zero, Unmapped::Ready] {
            let mut p = Peripherals::new(&Machine {
                unmapped,
                programs_flash: true,
                ..Machine::generic("cortex-m4f")
            });
            assert_eq!(p.read_unmapped(uicr), Some(u32::MAX));
            assert!(p.write_unmapped(uicr, 4, 0x1218));
            assert!(p.write_unmapped(uicr + 1, 1, 0x34));
            assert_eq!(p.read_unmapped(uicr), Some(0x1018), "bits are only cleared");
            assert!(!p.write_unmapped(0x6000_0000, 4, 1));
        }
    }

    #[test]
    fn a_program_that_touches_everything_is_stopped() {
        let mut p = peripherals(Unmapped::Register);
        let kept = (0..).take_while(|i| p.write_unmapped(0x4000_0000 + 4 * i, 4, 1));
        assert_eq!(kept.count(), MOST_KEPT);
        assert!(p.write_unmapped(0x4000_0000, 4, 2));
        assert_eq!(p.read_unmapped(0x5000_0000), None);
    }

    #[test]
    fn the_other_policies_are_plain() {
        assert_eq!(
            peripherals(Unmapped::Fault).read_unmapped(0x4000_0000),
            None
        );
        let mut zero = peripherals(Unmapped::Zero);
        assert!(zero.write_unmapped(0x4000_0000, 4, 5));
        assert_eq!(zero.read_unmapped(0x4000_0000), Some(0));
        assert_eq!(
            zero.read_unmapped(0x6000_0000),
            None,
            "that is no peripheral"
        );
        let mut register = peripherals(Unmapped::Register);
        register.write_unmapped(0x4000_0001, 1, 0xab);
        assert!((0..20).all(|_| register.read_unmapped(0x4000_0000) == Some(0xab00)));
    }
}
