//! `sim emulate`: any firmware, instruction by instruction: cycles, where they go, and what went wrong.

mod board;
mod console;
mod shown;

pub use board::{generic, machine};

use crate::cli::{CodePlace, Common, Emulate, MmioDefault};
use crate::failure::Failure;
use console::{Console, Output};
use shown::Shown;
use sim_emulator::profile::{flame_graph, folded};
use sim_emulator::{Behaviour, Cause, Emulator, Image, Mode, Peripheral, Stop, Unmapped};
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
    let image = if options.any_core {
        image.for_any_core()
    } else {
        image
    };
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
    let places = Places::of(&emulator, options)?;
    if let Some(entry) = places.entry {
        emulator.set_entry(entry).map_err(refused)?;
    }
    let stop = run(&mut emulator, options, &places).map_err(refused)?;
    // Firmware that has done its work often sleeps for ever.
    let failed = !matches!(
        stop,
        Stop::Exit(0)
            | Stop::Returned
            | Stop::Address(_)
            | Stop::Hook(_)
            | Stop::Breakpoint { .. }
            | Stop::Asleep { .. }
    );
    let shown = Shown {
        emulator: &emulator,
        board: &board,
        reason: reason(&emulator, &stop),
        failed,
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
    if failed {
        return Err(Failure::Firmware(reason(&emulator, &stop)));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::ReadConfig {
        path: path.to_owned(),
        source,
    })
}

/// Where Cortex-M has SRAM; registers, and tables of a chip's maker, lie elsewhere (ARMv7-M ARM table B3-1).
const SRAM: std::ops::Range<u32> = 0x2000_0000..0x4000_0000;

/// The places that the options name, as addresses.
struct Places {
    entry: Option<u32>,
    /// The function, and its arguments.
    call: Option<Vec<u32>>,
    from: Option<u32>,
    until: Option<u32>,
}

impl Places {
    fn of(emulator: &Emulator, options: &Emulate) -> Result<Self, Failure> {
        let find = |place: &CodePlace| address(emulator, place);
        let one = |place: &Option<CodePlace>| place.as_ref().map(find).transpose();
        let call = options.call.as_ref();
        Ok(Self {
            entry: one(&options.entry)?,
            call: call.map(|all| all.iter().map(find).collect()).transpose()?,
            from: one(&options.from)?,
            until: one(&options.until)?,
        })
    }
}

/// The address of a place in the image that is loaded.
fn address(emulator: &Emulator, place: &CodePlace) -> Result<u32, Failure> {
    let name = match place {
        CodePlace::Address(address) => return Ok(*address),
        CodePlace::Name(name) => name,
    };
    let symbols = emulator.image().map(|image| &image.symbols);
    if let Some(symbol) = symbols.and_then(|symbols| symbols.named(name)) {
        return Ok(symbol.address);
    }
    let all = symbols.map_or(&[][..], |symbols| symbols.all());
    if all.is_empty() {
        return Err(Failure::Usage(format!(
            "The image has no names, so {name} has to be given as an address."
        )));
    }
    let like =
        |symbol: &&sim_emulator::Symbol| symbol.function && symbol.name.contains(name.as_str());
    let near: Vec<&str> = all
        .iter()
        .filter(like)
        .map(|s| s.name.as_str())
        .take(5)
        .collect();
    Err(Failure::Usage(if near.is_empty() {
        format!("There is no {name} in the image.")
    } else {
        format!(
            "There is no {name} in the image. There is: {}.",
            near.join(", ")
        )
    }))
}

/// Runs the program, or start-up code and then one function, or what is counted from somewhere on.
fn run(
    emulator: &mut Emulator,
    options: &Emulate,
    places: &Places,
) -> Result<Stop, sim_emulator::Error> {
    let limit = options.max_instructions;
    let call = places.call.as_deref().and_then(<[u32]>::split_first);
    let first = if call.is_some() {
        places.until
    } else {
        places.from
    };
    if let Some(first) = first {
        let stop = emulator.run_until(first, limit);
        if !matches!(stop, Stop::Address(_)) {
            return Ok(stop);
        }
        emulator.clear_figures();
    }
    if let Some((address, arguments)) = call {
        return emulator.call(*address, arguments, limit);
    }
    if options.trace {
        return Ok(trace(emulator, limit, places.until));
    }
    Ok(match places.until {
        Some(address) => emulator.run_until(address, limit),
        None => emulator.run(limit),
    })
}

/// Runs one instruction at a time and shows each on standard error.
fn trace(emulator: &mut Emulator, limit: u64, until: Option<u32>) -> Stop {
    for step in 0..limit {
        let pc = emulator.core().pc;
        if step > 0 && until.is_some_and(|address| address & !1 == pc) {
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
