//! A serial port as a stream of bytes: eight bits, no parity, one stop bit, polled.
//!
//! The three families of UARTs differ in where their registers lie and which bit says what, which is a
//! table; the code is one. What a chip needs before (clocks, pins) is a list of register writes that the
//! build brings along. While the learner works nobody listens, and nobody speaks: the host waits for its
//! answer.

use crate::machine::Peripheral;
use runtime_protocol::Port;

/// A flag in a register.
struct Flag {
    offset: u32,
    mask: u32,
    /// The value of the masked bits that means yes.
    when: u32,
    /// Events of Nordic's chips stay until they are cleared.
    clear: bool,
}

/// Where a family of UARTs has what.
struct Registers {
    divider: u32,
    /// Written in this order once the divider is set: offset and value.
    enable: &'static [(u32, u32)],
    transmit: u32,
    /// There is room for a byte, or the last one has gone.
    sent: Flag,
    /// Whether `sent` speaks of the byte just written rather than of room for the next.
    sent_after: bool,
    receive: u32,
    received: Flag,
}

/// A level: it says how things are.
const fn level(offset: u32, bit: u32, when: bool) -> Flag {
    Flag {
        offset,
        mask: 1 << bit,
        when: if when { 1 << bit } else { 0 },
        clear: false,
    }
}

/// An event: it says that something has happened.
const fn event(offset: u32) -> Flag {
    Flag {
        offset,
        mask: 1,
        when: 1,
        clear: true,
    }
}

include!(concat!(env!("OUT_DIR"), "/uart.rs"));

/// The families, in the order of `UARTS` in build.rs.
const FAMILIES: [Registers; 4] = [
    // [S] Arm DDI 0479D, *Cortex-M System Design Kit*, 4.3 "APB UART": DATA, STATE, CTRL, BAUDDIV.
    Registers {
        divider: 0x10,
        enable: &[(0x08, 0b11)],
        transmit: 0x00,
        sent: level(0x04, 0, false),
        sent_after: false,
        receive: 0x00,
        received: level(0x04, 1, true),
    },
    // [K] STM32F4 reference manual RM0090, 30.6: SR, DR, BRR, CR1.
    Registers {
        divider: 0x08,
        enable: &[(0x0c, 1 << 13 | 1 << 3 | 1 << 2)],
        transmit: 0x04,
        sent: level(0x00, 7, true),
        sent_after: false,
        receive: 0x04,
        received: level(0x00, 5, true),
    },
    // [K] STM32L4+ reference manual RM0432, USART and LPUART registers: CR1, BRR, ISR, RDR, TDR.
    Registers {
        divider: 0x0c,
        enable: &[(0x00, 1 << 3 | 1 << 2 | 1)],
        transmit: 0x28,
        sent: level(0x1c, 7, true),
        sent_after: false,
        receive: 0x24,
        received: level(0x1c, 5, true),
    },
    // [K] nRF52840 Product Specification, 6.33 "UART": the one without DMA.
    Registers {
        divider: 0x524,
        // ENABLE, STARTTX, STARTRX.
        enable: &[(0x500, 4), (0x008, 1), (0x000, 1)],
        transmit: 0x51c,
        sent: event(0x11c),
        sent_after: true,
        receive: 0x518,
        received: event(0x108),
    },
];

const REGISTERS: &Registers = &FAMILIES[FAMILY];

/// The port that the build names.
pub struct Uart(());

impl Uart {
    /// Brings it up.
    pub fn start() -> Self {
        register(REGISTERS.divider).write(DIVIDER);
        for &(offset, value) in REGISTERS.enable {
            register(offset).write(value);
        }
        Self(())
    }
}

fn register(offset: u32) -> Peripheral {
    Peripheral::at(BASE + offset)
}

impl Flag {
    /// Whether it is so now.
    fn is_set(&self) -> bool {
        let register = register(self.offset);
        let set = register.read() & self.mask == self.when;
        if set && self.clear {
            register.write(0);
        }
        set
    }

    fn wait(&self) {
        while !self.is_set() {
            core::hint::spin_loop();
        }
    }
}

impl Port for Uart {
    fn read(&mut self, into: &mut [u8]) -> Option<usize> {
        let slot = into.first_mut()?;
        // One at a time: the next byte is a hundred microseconds away.
        REGISTERS.received.wait();
        *slot = register(REGISTERS.receive).read() as u8;
        Some(1)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !REGISTERS.sent_after {
                REGISTERS.sent.wait();
            }
            register(REGISTERS.transmit).write(byte.into());
            if REGISTERS.sent_after {
                REGISTERS.sent.wait();
            }
        }
    }
}
