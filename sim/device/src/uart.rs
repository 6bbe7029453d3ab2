//! The serial ports of boards: which of a chip's UARTs leads outside, through which pins, at which rate.
//!
//! The firmware sets up no clock, so dividers are for the one after reset.

/// A serial port as the firmware is built for it (`SIM_UART` and `SIM_SETUP` of runtime-shared/firmware/build.rs).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uart {
    /// The family, as in runtime-shared/firmware/src/uart.rs.
    pub family: &'static str,
    /// Address of its registers.
    pub base: u32,
    /// What its divider register is set to.
    pub divider: u32,
    /// Register writes before: address, bits to clear, bits to set.
    pub setup: &'static [(u32, u32, u32)],
    /// Bits a second that come of it.
    pub baud: u32,
    /// Where it is found outside.
    pub where_to: &'static str,
}

const BAUD: u32 = 115_200;
const ALL: u32 = u32::MAX;

/// UART0 of QEMU's mps2-an385 and mps2-an386, which keeps no time.
// [S] Arm DAI 0385, "CMSDK UART 0".
pub const MPS2: Uart = Uart {
    family: "cmsdk",
    base: 0x4000_4000,
    divider: 16,
    setup: &[],
    baud: BAUD,
    where_to: "QEMU's first serial port",
};

/// By board, as in configs/boards. None of them was tried on a board.
const UARTS: [(&str, Uart); 4] = [
    (
        "nano33ble",
        // [K] nRF52840 PS, 6.33 and 6.9; Arduino's schematic: TX is P1.03, RX is P1.10.
        Uart {
            family: "nrf",
            base: 0x4000_2000,
            divider: 0x01d7_e000,
            setup: &[
                (0x5000_0808, 0, 1 << 3), // OUTSET of port 1: the line rests high
                (0x5000_0a0c, ALL, 1),    // PIN_CNF of P1.03: output
                (0x5000_0a28, ALL, 0),    // PIN_CNF of P1.10: input, connected
                (0x4000_250c, ALL, 35),   // PSEL.TXD
                (0x4000_2514, ALL, 42),   // PSEL.RXD
            ],
            baud: BAUD,
            where_to: "the pins TX1 and RX0, for an adapter of 3.3 V",
        },
    ),
    (
        "nucleo_l4r5zi",
        // [K] RM0432 and UM2179: LPUART1 on PG7 and PG8, which VDDIO2 supplies; MSI at 4 MHz.
        Uart {
            family: "stm32v2",
            base: 0x4000_8000,
            divider: 8889, // 256 x 4 MHz / 115200
            setup: &[
                (0x4002_1058, 0, 1 << 28),           // RCC_APB1ENR1: PWR
                (0x4000_7004, 0, 1 << 9),            // PWR_CR2: VDDIO2 is there
                (0x4002_104c, 0, 1 << 6),            // RCC_AHB2ENR: port G
                (0x4002_105c, 0, 1),                 // RCC_APB1ENR2: LPUART1
                (0x4800_1820, 0xf << 28, 8 << 28),   // AFRL of port G: PG7 is AF8
                (0x4800_1824, 0xf, 8),               // AFRH: PG8 is AF8
                (0x4800_1800, 0xf << 14, 0xa << 14), // MODER: both alternate
            ],
            baud: BAUD,
            where_to: "the ST-Link's serial port",
        },
    ),
    (
        "stm32l476rg",
        // [K] RM0351 and UM1724: USART2 on PA2 and PA3; MSI at 4 MHz.
        Uart {
            family: "stm32v2",
            base: 0x4000_4400,
            divider: 35, // 4 MHz / 115200
            setup: &[
                (0x4002_104c, 0, 1),                 // RCC_AHB2ENR: port A
                (0x4002_1058, 0, 1 << 17),           // RCC_APB1ENR1: USART2
                (0x4800_0020, 0xff << 8, 0x77 << 8), // AFRL of port A: both AF7
                (0x4800_0000, 0xf << 4, 0xa << 4),   // MODER: both alternate
            ],
            baud: BAUD,
            where_to: "the ST-Link's serial port",
        },
    ),
    (
        "stm32f446re",
        // [K] RM0390 and UM1724: USART2 on PA2 and PA3; HSI at 16 MHz.
        Uart {
            family: "stm32v1",
            base: 0x4000_4400,
            divider: 139, // 16 MHz / 115200
            setup: &[
                (0x4002_3830, 0, 1),                 // RCC_AHB1ENR: port A
                (0x4002_3840, 0, 1 << 17),           // RCC_APB1ENR: USART2
                (0x4002_0020, 0xff << 8, 0x77 << 8), // AFRL of port A: both AF7
                (0x4002_0000, 0xf << 4, 0xa << 4),   // MODER: both alternate
            ],
            baud: BAUD,
            where_to: "the ST-Link's serial port",
        },
    ),
];

/// The serial port of a board, as configs/boards names it.
///
/// # Errors
/// The boards whose ports are known.
pub fn of_board(name: &str) -> Result<Uart, String> {
    let found = UARTS.iter().find(|(board, _)| *board == name);
    found.map(|(_, uart)| *uart).ok_or_else(|| {
        let known: Vec<_> = UARTS.iter().map(|(board, _)| *board).collect();
        known.join(", ")
    })
}

impl Uart {
    /// What the firmware's build is told.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        (
            "SIM_UART",
            format!("{},{:#x},{}", self.family, self.base, self.divider),
        )
    }
}
