//! `sim emulate`: any firmware, instruction by instruction: cycles, where they go, and what went wrong.

mod board;
mod console;
mod drive;
mod rp2040;
mod shown;
mod uart;

pub use board::{generic, machine};

use crate::cli::{Common, Emulate, MmioDefault};
use crate::failure::Failure;
use crate::interrupt;
use console::{Console, Output};
use drive::{Ended, Places, drive};
use shown::Shown;
use sim_emulator::profile::{flame_graph, folded};
use sim_emulator::timing::CORE_NAMES;
use sim_emulator::{
    Behaviour, Cause, Emulator, FlashSetting, Image, Machine, Mode, Peripheral, Rom, Stop, Unmapped,
};
use std::io::Write;
use std::path::Path;

/// Runs the image that `options` name and prints what it cost.
///
/// # Errors
/// [`Failure`]; [`Failure::Firmware`] where it faulted or did not end.
pub fn emulate(options: &Emulate, common: &Common) -> Result<(), Failure> {
    let board = sim_mcu::find(&options.board)?;
    let core = board.core.value.name();
    if !CORE_NAMES.contains(&core) {
        return Err(Failure::Usage(format!(
            "The emulator executes Cortex-M, and {} has the core {core}; sim validate --device qemu runs firmware there.",
            board.name
        )));
    }
    let refused = |e: sim_emulator::Error| Failure::Image {
        path: options.image.clone(),
        message: e.to_string(),
    };
    let machine = with_options(machine(&board), options)?;
    let image = image(options, &machine)?;
    let mut emulator = Emulator::new(machine).map_err(refused)?;
    check_registers(&emulator, options)?;
    let chip = board.probe_chip.as_ref().map(|chip| chip.value.as_str());
    if chip == Some("RP2040") {
        rp2040::attach(&mut emulator, board.clock_hz.value);
    }
    let output = Output::default();
    let kept = common.json.then(|| output.clone());
    for (address, file) in &options.uart {
        let input = file.as_deref().map(read).transpose()?;
        uart::attach(
            &mut emulator,
            *address,
            input.unwrap_or_default(),
            kept.clone(),
        );
    }
    emulator.set_host(Box::new(Console {
        output: kept,
        arguments: options.image.display().to_string(),
    }));
    emulator.set_mode(if options.profile {
        Mode::Profile
    } else {
        Mode::Time
    });
    emulator.load(image).map_err(refused)?;
    let mut registers = Vec::new();
    for (place, value) in &options.poke {
        let address = place.address(&emulator)?;
        if emulator.flash_register(address).is_some() {
            registers.push((address, *value));
            continue;
        }
        emulator
            .write(address, &value.to_le_bytes())
            .map_err(|e| Failure::Usage(format!("--poke {address:#010x}: {e}.")))?;
    }
    // What was written may have been where it starts.
    emulator.reset().map_err(refused)?;
    for (address, value) in registers {
        emulator.set_flash_register(address, value);
    }
    if let Some(limit) = options.stack_limit {
        emulator.set_stack_limit(limit);
    }
    emulator.set_vector_faults(options.vector_faults);
    let places = Places::of(&emulator, options)?;
    for range in &options.dump {
        range.read(&emulator)?;
    }
    if let Some(entry) = places.entry {
        emulator.set_entry(entry).map_err(refused)?;
    }
    interrupt::listen();
    let ended = drive(&mut emulator, options, &places)?;
    let failure = failure(&emulator, &ended, options);
    let shown = Shown {
        emulator: &emulator,
        board: &board,
        reason: reason(&emulator, &ended, options),
        stop: ended.stop.as_ref(),
        failed: failure.is_some(),
        options,
    };
    let text = if common.json {
        shown.json(&output.text())?
    } else {
        shown.text()?
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
    failure.map_or(Ok(()), Err)
}

/// The machine with what the options say of memories and peripherals.
fn with_options(mut machine: Machine, options: &Emulate) -> Result<Machine, Failure> {
    for (base, file) in &options.rom {
        let bytes = read(file)?;
        machine.roms.push(Rom { base: *base, bytes });
    }
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
    if let Some(setting) = options.flash {
        check_flash(&machine, &setting)?;
        machine.timing.fixed = setting;
    }
    machine.peripheral_spaces = options.mmio_space.clone();
    machine.programs_flash = options.flash_writes;
    Ok(machine)
}

/// Refuses to switch on a cache that the board does not have.
fn check_flash(machine: &Machine, setting: &FlashSetting) -> Result<(), Failure> {
    let timing = &machine.timing;
    let none = timing.instruction_cache.is_none() && timing.data_cache.is_none();
    // Of `caches=on`, what there is.
    let both = setting.instruction_cache == setting.data_cache && !none;
    for (asked, cache, name) in [
        (
            setting.instruction_cache,
            &timing.instruction_cache,
            "cache of instructions",
        ),
        (
            setting.data_cache,
            &timing.data_cache,
            "cache of data of its own",
        ),
    ] {
        if asked == Some(true) && cache.is_none() && !both {
            return Err(Failure::Usage(format!(
                "--flash switches on a {name}, which the board's profile does not list."
            )));
        }
    }
    Ok(())
}

/// Refuses registers that would never be asked: memory comes before them, and of two the first.
fn check_registers(emulator: &Emulator, options: &Emulate) -> Result<(), Failure> {
    let mmio = options.mmio.iter().map(|(address, _)| ("--mmio", *address));
    let uart = options.uart.iter().map(|(address, _)| ("--uart", *address));
    let registers: Vec<(&str, u32)> = mmio.chain(uart).collect();
    for (i, (option, address)) in registers.iter().enumerate() {
        let refused = |why: &str| Failure::Usage(format!("{option} {address:#010x} {why}"));
        if emulator.read(*address, &mut [0]).is_ok() {
            return Err(refused("is memory of the board: --poke writes there."));
        }
        if emulator.flash_register(*address).is_some() {
            return Err(refused(
                "is the register that says how flash is read: --poke writes it, --flash sets what holds whatever it says.",
            ));
        }
        if registers[..i].iter().any(|(_, other)| other == address) {
            return Err(refused("is given twice: a register reads one value."));
        }
    }
    Ok(())
}

/// The image that the options name, as they want it loaded.
fn image(options: &Emulate, machine: &Machine) -> Result<Image, Failure> {
    let bytes = read(&options.image)?;
    let image = match options.base {
        Some(_) if bytes.starts_with(b"\x7fELF") => {
            return Err(Failure::Usage(
                "--base is for raw images: an ELF file says itself where it belongs.".to_owned(),
            ));
        }
        Some(base) => Image::raw(&bytes, base),
        None => Image::read(&bytes, machine),
    };
    let mut image = image.map_err(|e| Failure::Image {
        path: options.image.clone(),
        message: e.to_string(),
    })?;
    image.stack_pointer = options.sp;
    image.vectors = options.vectors;
    Ok(if options.any_core {
        image.for_any_core()
    } else {
        image
    })
}

/// What the run failed of, if it did. Firmware that has done its work often sleeps for ever.
fn failure(emulator: &Emulator, ended: &Ended, options: &Emulate) -> Option<Failure> {
    let well = ended.missed.is_none()
        && matches!(
            ended.stop,
            Some(
                Stop::Exit(0)
                    | Stop::Returned
                    | Stop::Address(_)
                    | Stop::Hook(_)
                    | Stop::Breakpoint { .. }
                    | Stop::Asleep { .. }
            )
        );
    let why = reason(emulator, ended, options);
    match ended.stop {
        _ if well => None,
        None => Some(Failure::InterruptedFirmware(why)),
        Some(_) => Some(Failure::Firmware(why)),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::ReadConfig {
        path: path.to_owned(),
        source,
    })
}

/// Where Cortex-M has SRAM; registers, and tables of a chip's maker, lie elsewhere (ARMv7-M ARM table B3-1).
const SRAM: std::ops::Range<u32> = 0x2000_0000..0x4000_0000;

/// Where makers of chips keep option bytes and tables of their own, beside memories.
const INFORMATION: std::ops::Range<u32> = 0x1000_0000..0x2000_0000;

/// Why it stopped, with the place where that is not part of it, and the place that it did not come to.
fn reason(emulator: &Emulator, ended: &Ended, options: &Emulate) -> String {
    let why = match &ended.stop {
        Some(stop) => why(emulator, stop, options),
        None => format!("was{}", at(emulator, emulator.core().pc)),
    };
    match ended.missed {
        Some(place) => format!("{} was not reached: {why}", named(emulator, place)),
        None => why,
    }
}

fn why(emulator: &Emulator, stop: &Stop, options: &Emulate) -> String {
    match stop {
        Stop::InstructionLimit => format!("{stop}; it was{}", at(emulator, emulator.core().pc)),
        Stop::Asleep { pc } | Stop::Stuck { pc } | Stop::Breakpoint { pc, .. } => {
            format!("{stop}{}", inside(emulator, *pc))
        }
        Stop::Fault(fault) => match emulator.stack_outside() {
            Some(sp) => format!(
                "{fault}; its stack began at {sp:#010x}, which is not in the board's RAM: link it for this board, or give it another with --sp"
            ),
            None => format!("{fault}{}", advice(&fault.cause, options)),
        },
        _ => stop.to_string(),
    }
}

/// A place by its name, where it is the start of a function, and its address.
fn named(emulator: &Emulator, place: u32) -> String {
    let symbols = emulator.image().map(|image| &image.symbols);
    match symbols.and_then(|symbols| symbols.at(place)) {
        Some(symbol) if symbol.address == place => format!("{} ({place:#010x})", symbol.name),
        _ => format!("{place:#010x}"),
    }
}

fn at(emulator: &Emulator, pc: u32) -> String {
    format!(" at {pc:#010x}{}", inside(emulator, pc))
}

/// Function and line of an address.
fn inside(emulator: &Emulator, pc: u32) -> String {
    let function = emulator.function_at(pc);
    let line = emulator.line_at(pc);
    format!(
        "{}{}",
        function.map_or(String::new(), |f| format!(" in {f}")),
        line.map_or(String::new(), |l| format!(" ({l})"))
    )
}

/// What to do about a fault that the command line can help with.
fn advice(cause: &Cause, options: &Emulate) -> String {
    match cause {
        Cause::UnmappedWrite(address)
            if INFORMATION.contains(address) && !options.flash_writes =>
        {
            "; if that is what a chip keeps beside its flash, such as option bytes: --flash-writes --mmio-default ready"
                .to_owned()
        }
        Cause::UnmappedRead(address) | Cause::UnmappedFetch(address) if *address < INFORMATION.start => {
            "; if that is a ROM of the chip, give it: --rom FIRST=FILE".to_owned()
        }
        Cause::UnmappedRead(address) | Cause::UnmappedWrite(address) if !SRAM.contains(address) => {
            let register = address & !3;
            let all = match options.mmio_default {
                MmioDefault::Fault => ", or --mmio-default ready for all",
                _ => "",
            };
            format!(
                "; if that is a peripheral, say what it reads: --mmio {register:#010x}=VALUE{all}"
            )
        }
        Cause::WriteToFlash(_) => "; --flash-writes lets it, as programming does".to_owned(),
        _ => String::new(),
    }
}
