//! Any file loads or is refused, its symbols and lines can be asked for, and what loads runs to a stop,
//! whatever is counted and however the board answers.
//!
//! The first byte of the input chooses core and board, the rest is the file.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sim_emulator::profile::{by_function, by_line, folded};
use sim_emulator::timing::{CORE_NAMES, Columns, CoreTable};
use sim_emulator::{
    Alias, Bank, Behaviour, Cache, DataStall, Emulator, FlashControl, Image, Machine, MemoryHost,
    MemoryTiming, Mode, Peripheral, Replacement, Stop, Unmapped,
};

const INSTRUCTIONS: u64 = 1_000;

static TABLES: LazyLock<Vec<CoreTable>> = LazyLock::new(|| {
    let table = |name: &&str| CoreTable::builtin(name).ok();
    CORE_NAMES.iter().filter_map(table).collect()
});

/// A board without anything, as QEMU's `mps2` are.
fn plain(core: &str) -> Machine {
    Machine {
        flash: vec![Bank::new("flash", 0, 64 << 10)],
        ram: vec![Bank::new("ram", 0x2000_0000, 16 << 10)],
        ..Machine::generic(core)
    }
}

/// A board with everything: memories shown twice, registers, flash that can be written, caches.
fn rich(core: &str) -> Machine {
    const FLASH: u32 = 0x0800_0000;
    const CONTROL: u32 = 0x4002_3c00;
    let cache = Cache {
        bytes: 1024,
        line_bytes: 32,
        ways: 2,
        fill_bytes: Some(16),
        replacement: Replacement::LeastRecentlyUsed,
        stall: Some(7),
    };
    Machine {
        flash: vec![Bank::new("flash", FLASH, 64 << 10)],
        ram: vec![
            Bank::new("ram", 0x2000_0000, 16 << 10),
            Bank::new("ccm", 0x1000_0000, 4 << 10),
        ],
        aliases: vec![
            Alias {
                base: 0,
                size: 64 << 10,
                target: FLASH,
            },
            Alias {
                base: 0x2001_0000,
                size: 4 << 10,
                target: 0x1000_0000,
            },
        ],
        peripherals: vec![
            Peripheral {
                base: 0x4000_0000,
                size: 0x100,
                behaviour: Behaviour::Register(1),
            },
            Peripheral {
                base: 0x4000_0100,
                size: 6,
                behaviour: Behaviour::Fixed(0x8000_0001),
            },
        ],
        programs_flash: true,
        priority_bits: 3,
        timing: MemoryTiming {
            flash_wait_states: 5,
            flash_line_bytes: 16,
            data_stall: Some(DataStall {
                thousandths: 2500,
                bytes: 4,
            }),
            prefetch: true,
            instruction_cache: Some(cache),
            data_cache: Some(Cache {
                replacement: Replacement::RoundRobin,
                stall: None,
                ..cache
            }),
            unified: false,
            ram_wait_states: vec![("ccm".to_owned(), 1)],
            controls: vec![FlashControl {
                register: CONTROL,
                reset: 5,
                wait_states: 0xf,
                cycles: 2,
                prefetch: 1 << 8,
                instruction_cache: 1 << 9,
                data_cache: 1 << 10,
            }],
            ..MemoryTiming::default()
        },
        ..Machine::generic(core)
    }
}

/// Whatever there is to ask of names and lines.
fn ask(image: &Image) {
    let starts = image.segments.iter().map(|s| s.address).take(8);
    let named = image.symbols.all().iter().map(|s| s.address).take(16);
    let addresses: Vec<u32> = starts
        .chain(named)
        .flat_map(|a| [a, a.wrapping_add(2), a.wrapping_add(9), a.wrapping_sub(1)])
        .chain([0, u32::MAX])
        .collect();
    let lines = image.lines();
    for address in addresses {
        let _ = image.symbols.at(address);
        let _ = lines.as_ref().and_then(|l| l.line_of(address));
    }
}

/// Loads and runs; `None` where the image is refused.
fn run(mut emulator: Emulator, image: &Image, mode: Mode) -> Option<(Stop, u64, Columns)> {
    let mut host = MemoryHost::default();
    host.input = (0..64).collect();
    host.files = Some([("a".to_owned(), vec![1; 64])].into());
    host.arguments = "fuzz a".to_owned();
    emulator.set_host(Box::new(host));
    emulator.set_mode(mode);
    if let Err(refusal) = emulator.load(image.clone()) {
        assert!(!refusal.to_string().is_empty());
        return None;
    }
    let stop = emulator.run(INSTRUCTIONS);
    assert!(!stop.to_string().is_empty());
    let pc = emulator.core().pc;
    let _ = emulator.instruction_at(pc);
    let _ = emulator.function_at(pc);
    let _ = emulator.line_at(pc);
    let _ = emulator.touched_peripherals();
    let _ = emulator.stack_high_water();
    if mode == Mode::Profile {
        let _ = by_function(&emulator);
        let _ = by_line(&emulator);
        let _ = folded(&emulator);
    }
    Some((stop, emulator.instructions(), emulator.cycles()))
}

/// All of it.
fn check(bytes: &[u8]) {
    let Some((&choice, file)) = bytes.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    let (table, board) = (&TABLES[choice % TABLES.len()], choice / TABLES.len());
    let (is_rich, vectors_faults) = (board & 1 != 0, board & 2 != 0);
    let machine = if is_rich { rich } else { plain }(&table.name);
    let image = match Image::read(file, &machine) {
        Ok(image) => image,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            return;
        }
    };
    ask(&image);
    for unmapped in [Unmapped::Fault, Unmapped::Ready] {
        let run = |mode| {
            let machine = Machine {
                unmapped,
                ..machine.clone()
            };
            let mut emulator = Emulator::with_table(machine, table.clone()).ok()?;
            emulator.set_vector_faults(vectors_faults);
            run(emulator, &image, mode)
        };
        let Some((stop, ..)) = run(Mode::Count) else {
            return;
        };
        let timed = run(Mode::Time);
        assert!(timed.is_some(), "what is loaded once is loaded again");
        assert_eq!(timed, run(Mode::Profile), "a profile changes nothing");
        // Unless it met something that is not there, it would do the same again.
        if !vectors_faults && !matches!(stop, Stop::Fault(_)) {
            return;
        }
    }
}

fuzz_target!(init: LazyLock::force(&TABLES), |bytes: &[u8]| check(bytes));
