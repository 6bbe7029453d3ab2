//! The firmware around the learner: start-up, memory, clocks, transports.
//!
//! - `machine` — the one module here with `unsafe`: registers, linker symbols, the host's breakpoint.
//! - `startup` — vector table and reset, one file a family of cores.
//! - `clock` — what counts cycles on this core.
//! - `semihosting`, `rtt`, `uart` — streams of bytes to the host.
//! - `board` — all of it as the protocol's server wants it.
//!
//! One binary serves every model: a Program comes over the link, or lies in flash behind the firmware.
//! On a host there is nothing here.
#![cfg(target_os = "none")]
#![no_std]
#![deny(missing_docs)]

pub mod board;
pub mod clock;
pub mod machine;
#[cfg(feature = "rtt")]
pub mod rtt;
#[cfg(not(any(feature = "rtt", feature = "serial")))]
pub mod semihosting;
#[cfg(target_arch = "arm")]
mod setup;
#[cfg(all(feature = "serial", not(feature = "rtt")))]
pub mod uart;

/// Serves the host until it asks for the end.
pub fn run() {
    #[cfg(target_arch = "arm")]
    setup::run();
    let Some(pool) = machine::take_pool() else {
        return;
    };
    let mut board = board::ThisBoard::new();
    #[cfg(feature = "rtt")]
    let port = rtt::Rtt::start();
    #[cfg(all(feature = "serial", not(feature = "rtt")))]
    let port = uart::Uart::start();
    #[cfg(not(any(feature = "rtt", feature = "serial")))]
    let Some(port) = semihosting::Console::open() else {
        return;
    };
    runtime_protocol::serve(port, &mut board, pool, machine::program_flash());
}

/// The end of the firmware. With semihosting the host is told; otherwise it finds the device silent.
pub fn stop(well: bool) -> ! {
    if cfg!(not(any(feature = "rtt", feature = "serial"))) {
        machine::exit_console(well);
    }
    loop {
        core::hint::spin_loop();
    }
}
