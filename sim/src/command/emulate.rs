//! `sim emulate`: any firmware, instruction by instruction: cycles, where they go, and what went wrong.

use crate::cli::{Common, Emulate};
use crate::failure::Failure;
use crate::outcome::columns;
use sim_emulator::profile::{Row, by_function, by_line, flame_graph, folded};
use sim_emulator::timing::Columns;
use sim_emulator::{
    Alias, Bank, Behaviour, Cache, Emulator, Image, Machine, MemoryHost, MemoryTiming, Mode,
    Peripheral, Stop,
};
use sim_mcu::Board;
use std::io::Write;
use std::path::Path;

/// Rows of a table that are shown.
const ROWS: usize = 20;

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
    let bytes = read(&options.image)?;
    let refused = |e: sim_emulator::Error| Failure::Image {
        path: options.image.clone(),
        message: e.to_string(),
    };
    let image = Image::read(&bytes, &machine).map_err(refused)?;
    let mut emulator = Emulator::new(machine).map_err(refused)?;
    emulator.set_host(Box::new(MemoryHost::default()));
    emulator.set_mode(if options.profile {
        Mode::Profile
    } else {
        Mode::Time
    });
    emulator.load(image).map_err(refused)?;
    for (address, value) in &options.poke {
        emulator
            .write(*address, &value.to_le_bytes())
            .map_err(refused)?;
    }
    if let Some(entry) = options.entry {
        emulator.set_entry(entry).map_err(refused)?;
    }
    let stop = run(&mut emulator, options).map_err(refused)?;
    let text = if common.json {
        json(&emulator, &board, &stop, options)
    } else {
        text(&emulator, &board, &stop, options)
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
        stop => Err(Failure::Firmware(stop.to_string())),
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

fn run(emulator: &mut Emulator, options: &Emulate) -> Result<Stop, sim_emulator::Error> {
    let limit = options.max_instructions;
    if let Some((address, arguments)) = options.call.as_deref().and_then(<[u32]>::split_first) {
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
        let pc = emulator.core().r[15];
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

fn text(emulator: &Emulator, board: &Board, stop: &Stop, options: &Emulate) -> String {
    let Columns {
        table,
        rules,
        memory,
    } = emulator.cycles();
    let mut text = format!("{}: {stop}\n", options.image.display());
    text.push_str(&format!("instructions {:>14}\n", emulator.instructions()));
    for (what, cycles) in [
        ("table", table),
        ("table + rules", rules),
        ("table + rules + memory", memory),
    ] {
        text.push_str(&format!(
            "cycles {cycles:>20}  {:>12.3} ms  {what}\n",
            board.milliseconds(cycles as f64)
        ));
    }
    if board.core.value.name() == "cortex-m7" {
        text.push_str("The Cortex-M7's timing is experimental.\n");
    }
    text.push_str(&format!(
        "stack high-water mark {} bytes\n",
        emulator.stack_high_water()
    ));
    text.push_str(&format!("r0 {:#010x}\n", emulator.core().r[0]));
    if options.profile {
        text.push_str(&rows("function", &by_function(emulator)));
        text.push_str(&rows("line", &by_line(emulator)));
    }
    text
}

fn rows(what: &str, rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let header = ["cycles", "instructions", what].map(str::to_owned).to_vec();
    let shown = rows.iter().take(ROWS).map(|row| {
        vec![
            row.counts.cycles.to_string(),
            row.counts.instructions.to_string(),
            row.name.clone(),
        ]
    });
    format!(
        "\n{}",
        columns(&[header].into_iter().chain(shown).collect::<Vec<_>>())
    )
}

fn json(emulator: &Emulator, board: &Board, stop: &Stop, options: &Emulate) -> String {
    let Columns {
        table,
        rules,
        memory,
    } = emulator.cycles();
    let list = |rows: Vec<Row>| -> Vec<serde_json::Value> {
        rows.iter()
            .map(|row| {
                serde_json::json!({
                    "name": row.name, "cycles": row.counts.cycles,
                    "instructions": row.counts.instructions,
                })
            })
            .collect()
    };
    let value = serde_json::json!({
        "image": options.image.display().to_string(),
        "board": board.name,
        "stop": stop.to_string(),
        "instructions": emulator.instructions(),
        "cycles": { "table": table, "rules": rules, "memory": memory },
        "stack_high_water_bytes": emulator.stack_high_water(),
        "registers": emulator.core().r.to_vec(),
        "functions": if options.profile { list(by_function(emulator)) } else { Vec::new() },
        "lines": if options.profile { list(by_line(emulator)) } else { Vec::new() },
    });
    format!(
        "{}\n",
        serde_json::to_string_pretty(&value).unwrap_or_default()
    )
}
