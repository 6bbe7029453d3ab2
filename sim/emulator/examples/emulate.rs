//! Runs an image on a generic board and prints what it cost: `emulate IMAGE [CORE] [count|time|profile]`.

use std::io::Write;
use std::time::Instant;

use sim_emulator::{Emulator, Host, Image, Machine, Mode, profile};

/// Passes the program's output on.
struct Console;

impl Host for Console {
    fn write(&mut self, handle: u32, bytes: &[u8]) -> usize {
        let written = if handle == 2 {
            std::io::stderr().write(bytes)
        } else {
            std::io::stdout().write(bytes)
        };
        written.unwrap_or(0)
    }
    fn read(&mut self, _: u32, _: &mut [u8]) -> usize {
        0
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: emulate IMAGE [CORE] [count|time|profile]")?;
    let machine = Machine::generic(&arguments.next().unwrap_or_else(|| "cortex-m4f".to_owned()));
    let mode = match arguments.next().as_deref() {
        Some("profile") => Mode::Profile,
        Some("time") => Mode::Time,
        _ => Mode::Count,
    };
    let image = Image::read(&std::fs::read(path)?, &machine)?;
    let mut emulator = Emulator::new(machine)?;
    emulator.set_host(Box::new(Console));
    emulator.load(image)?;
    emulator.set_mode(mode);
    let started = Instant::now();
    let stop = emulator.run(u64::MAX);
    let seconds = started.elapsed().as_secs_f64();
    println!("{stop}");
    let instructions = emulator.instructions();
    println!(
        "{instructions} instructions, {:.1} million a second",
        instructions as f64 / seconds / 1e6
    );
    println!(
        "{:?}, {} bytes of stack",
        emulator.cycles(),
        emulator.stack_high_water()
    );
    if mode == Mode::Profile {
        for row in profile::by_function(&emulator).iter().take(20) {
            println!(
                "{:>12} cycles {:>12} instructions  {}",
                row.counts.cycles, row.counts.instructions, row.name
            );
        }
    }
    Ok(())
}
