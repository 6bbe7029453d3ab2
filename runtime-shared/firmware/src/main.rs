//! The firmware: serves a learner to a host. The library of this package starts the machine.
//!
//! For microcontrollers only; built for anything else it says so.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![cfg_attr(target_os = "none", allow(unsafe_code))]

/// Called by the start-up code once memory is set up.
#[cfg(target_os = "none")]
// SAFETY: no other symbol of this program is called `main`.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    runtime_firmware::run();
    runtime_firmware::stop(true)
}

/// Says nothing: text would cost 20 KB of flash, and a panic is a fault like any other.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    runtime_firmware::stop(false)
}

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!("This is firmware. Build it for a microcontroller: scripts/firmware");
    std::process::ExitCode::FAILURE
}
