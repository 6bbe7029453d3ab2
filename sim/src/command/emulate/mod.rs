//! `sim emulate`: any firmware, instruction by instruction: cycles, where they go, and what went wrong.

mod console;
mod shown;

use crate::cli::{Common, Emulate, MmioDefault};
use crate::failure::Failure;
use console::{Console, Output};
use shown::Shown;
use sim_emulator::profile::{flame_graph, folded};
use sim_emulator::{
    Alias, Bank, Behaviour, Cache, Cause, Emulator, Image, Machine, MemoryTiming, Mode, Peripheral,
    Stop, Unmapped,
};
use sim_mcu::Board;
use std::io::Write;
use std::path::Path;

/// Runs the image that `options` name and prints what it cost.
///
/// # Errors
/// [`Failure`]; [`Failure::Firmware`] where it faulted or did not end.
pub fn emulate(options: &Emulate, common: &Common) -> Result<(), Failure> {
    let board = sim_mcu::find(&options.board)?;
    let mut machine = machine(&board);
    for (base, value) in &options.mmio {
        let behaviour = Behaviour::Fixed(*value);
        machine.peripherals.push(Peripheral {
            base: *base,
            size: 4,
            behaviour,
        });
    }
    machine.unmapped = match options.mmio_default {
        MmioDefault::Fault => Unmapped::Fault,
        MmioDefault::Zero => Unmapped::Zero,
        MmioDefault::Register => Unmapped::Register,
        MmioDefault::Ready => Unmapped::Ready,
    };
    machine.programs_flash = options.flash_writes;
    let bytes = read(&options.image)?;
    let refused = |e: sim_emulator::Error| Failure::Image {
        path: options.image.clone(),
        message: e.to_string(),
    };
    let image = match options.base {
        Some(base) => Image::raw(&bytes, base),
        None => Image::read(&bytes, &machine),
    }
    .map_err(refused)?;
    let mut emulator = Emulator::new(machine).map_err(refused)?;
    let output = Output::default();
    emulator.set_host(Box::new(Console {
        output: common.json.then(|| output.clone()),
        arguments: options.image.display().to_string(),
    }));
    emulator.set_mode(if options.profile {
        Mode::Profile
    } else {
        Mode::Time
    });
    emulator.load(image).map_err(refused)?;
    if let Some(limit) = options.stack_limit {
        emulator.set_stack_limit(limit);
    }
    emulator.set_vector_faults(options.vector_faults);
    for (address, value) in &options.poke {
        emulator
            .write(*address, &value.to_le_bytes())
            .map_err(refused)?;
    }
    if let Some(entry) = options.entry {
        emulator.set_entry(entry).map_err(refused)?;
    }
    let stop = run(&mut emulator, options).map_err(refused)?;
    let shown = Shown {
        emulator: &emulator,
        board: &board,
        reason: reason(&emulator, &stop),
        options,
    };
    let text = if common.json {
        shown.json(&output.text())
    } else {
        shown.text()
    };
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::Output)?;
    if let Some(path) = &options.folded {
        crate::cache::write(path, folded(&emulator).as_bytes())?;
    }
    if let Some(path) = &options.flame {
        let title = options.image.display().to_string();
        crate::cache::write(path, flame_graph(&folded(&emulator), &title).as_bytes())?;
    }
    match stop {
        Stop::Exit(0)
        | Stop::Returned
        | Stop::Address(_)
        | Stop::Hook(_)
        | Stop::Breakpoint { .. } => Ok(()),
        // Firmware that has done its work often sleeps for ever.
        Stop::Asleep { .. } => Ok(()),
        _ => Err(Failure::Firmware(reason(&emulator, &stop))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::ReadConfig {
        path: path.to_owned(),
        source,
    })
}

/// Where the flash of STM32 lies, and where it appears a second time when it is booted from.
const STM32_FLASH: u32 = 0x0800_0000;
const BOOT_ALIAS: u32 = 0;

/// Where Cortex-M has SRAM; registers, and tables of a chip's maker, lie elsewhere (ARMv7-M ARM table B3-1).
const SRAM: std::ops::Range<u32> = 0x2000_0000..0x4000_0000;

/// The board as the emulator knows it.
pub fn machine(board: &Board) -> Machine {
    let flash = &board.flash;
    // Flash behind a serial bus has no wait states of its own: a miss is what was measured.
    let miss_cycles = match (&flash.timing, &flash.stall) {
        (None, Some(stall)) => Some(stall.cycles.round() as u32),
        _ => None,
    };
    let cache = |cache: &sim_mcu::board::Cache| Cache {
        bytes: cache.bytes,
        line_bytes: cache.line_bytes,
        ways: cache.ways,
        miss_cycles,
    };
    let timing = MemoryTiming {
        flash_wait_states: flash.timing.as_ref().map_or(0, |t| t.wait_states),
        flash_line_bytes: flash.timing.as_ref().map_or(4, |t| t.line_bytes),
        instruction_cache: flash.instruction_cache.as_ref().map(cache),
        data_cache: flash.data_cache.as_ref().map(cache),
        // The one cache of a board that has no other serves constants too (RP2040, RP2350, STM32U5).
        unified: flash.data_cache.is_none() && flash.instruction_cache.is_some(),
        ..MemoryTiming::default()
    };
    let boot = (flash.base == STM32_FLASH).then_some(Alias {
        base: BOOT_ALIAS,
        size: flash.bytes,
        target: STM32_FLASH,
    });
    Machine {
        clock_hz: board.clock_hz.value,
        flash: vec![Bank::new("flash", flash.base, flash.bytes)],
        ram: board
            .ram
            .iter()
            .map(|b| Bank::new(&b.name, b.base, b.bytes))
            .collect(),
        aliases: boot.into_iter().collect(),
        timing,
        ..Machine::generic(board.core.value.name())
    }
}

/// A QEMU machine as the emulator knows it, without wait states.
pub fn generic(machine: &sim_device::Machine) -> Machine {
    let m = machine.memory;
    Machine {
        flash: vec![Bank::new("flash", m.flash_origin, m.flash_bytes)],
        ram: vec![Bank::new("ram", m.ram_origin, m.ram_bytes)],
        ..Machine::generic(machine.core)
    }
}

/// Runs the program, or start-up code and then one function.
fn run(emulator: &mut Emulator, options: &Emulate) -> Result<Stop, sim_emulator::Error> {
    let limit = options.max_instructions;
    if let Some((address, arguments)) = options.call.as_deref().and_then(<[u32]>::split_first) {
        if let Some(until) = options.until {
            let stop = emulator.run_until(until, limit);
            if !matches!(stop, Stop::Address(_)) {
                return Ok(stop);
            }
            emulator.clear_figures();
        }
        return emulator.call(*address, arguments, limit);
    }
    if options.trace {
        return Ok(trace(emulator, limit, options.until));
    }
    Ok(match options.until {
        Some(address) => emulator.run_until(address, limit),
        None => emulator.run(limit),
    })
}

/// Runs one instruction at a time and shows each on standard error.
fn trace(emulator: &mut Emulator, limit: u64, until: Option<u32>) -> Stop {
    for _ in 0..limit {
        let pc = emulator.core().pc;
        if until.is_some_and(|address| address & !1 == pc) {
            return Stop::Address(pc);
        }
        let instruction = emulator.instruction_at(pc).unwrap_or_default();
        let function = emulator.function_at(pc).unwrap_or_default();
        eprintln!("{pc:08x}  {instruction:40} {function}");
        match emulator.run(1) {
            Stop::InstructionLimit => {}
            stop => return stop,
        }
    }
    Stop::InstructionLimit
}

/// Why it stopped, with the place where that is not part of it.
fn reason(emulator: &Emulator, stop: &Stop) -> String {
    let place = match stop {
        Stop::InstructionLimit => emulator.core().pc,
        Stop::Asleep { pc } | Stop::Breakpoint { pc, .. } => *pc,
        Stop::Fault(fault) => return format!("{fault}{}", advice(&fault.cause)),
        _ => return stop.to_string(),
    };
    let mut text = stop.to_string();
    if matches!(stop, Stop::InstructionLimit) {
        text.push_str(&format!("; it was at {place:#010x}"));
    }
    if let Some(function) = emulator.function_at(place) {
        text.push_str(&format!(" in {function}"));
    }
    if let Some(line) = emulator.line_at(place) {
        text.push_str(&format!(" ({line})"));
    }
    text
}

/// What to do about a fault that the command line can help with.
fn advice(cause: &Cause) -> String {
    match cause {
        Cause::UnmappedRead(address) | Cause::UnmappedWrite(address) if !SRAM.contains(address) => {
            let register = address & !3;
            format!(
                "; if that is a peripheral, say what it reads: --mmio {register:#010x}=VALUE, or --mmio-default ready for all"
            )
        }
        _ => String::new(),
    }
}
