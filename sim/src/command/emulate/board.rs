//! A board's profile as the machine that the emulator executes on.

use sim_emulator::{
    Alias, Bank, Cache, DataStall, FlashControl, Machine, MemoryTiming, Replacement,
};
use sim_mcu::Board;
use sim_mcu::board::{Cache as BoardCache, Flash, Replacement as BoardReplacement};

/// Where the flash of STM32 lies, and where it appears a second time when it is booted from.
const STM32_FLASH: u32 = 0x0800_0000;
const BOOT_ALIAS: u32 = 0;

/// What lies between a board's flash and its core, as the emulator knows it.
///
/// Instructions that miss take the wait states. Data take what was measured, where somebody measured it, in proportion to the bytes
/// that a miss brings; and where one cache serves both, that is what filling its lines takes.
fn memory_timing(flash: &Flash) -> MemoryTiming {
    let unified = flash.instruction_cache.as_ref().is_some_and(|c| c.unified);
    let thousandths = |cycles: f64| (cycles * 1000.0).round() as u32;
    let cache = |cache: &BoardCache, serves_data: bool| {
        let brought = cache.fill_bytes.unwrap_or(cache.line_bytes);
        let measured = flash.stall.as_ref().filter(|_| serves_data);
        Cache {
            bytes: cache.bytes,
            line_bytes: cache.line_bytes,
            ways: cache.ways,
            fill_bytes: cache.fill_bytes,
            replacement: match cache.replacement {
                BoardReplacement::RoundRobin => Replacement::RoundRobin,
                BoardReplacement::LeastRecentlyUsed => Replacement::LeastRecentlyUsed,
            },
            stall: measured.map(|stall| {
                thousandths(stall.cycles * f64::from(brought) / f64::from(stall.line_bytes))
            }),
        }
    };
    MemoryTiming {
        flash_wait_states: flash.timing.as_ref().map_or(0, |t| t.wait_states),
        flash_line_bytes: flash.timing.as_ref().map_or(4, |t| t.line_bytes),
        data_stall: flash.stall.as_ref().map(|stall| DataStall {
            thousandths: thousandths(stall.cycles),
            bytes: stall.line_bytes,
        }),
        instruction_cache: flash.instruction_cache.as_ref().map(|c| cache(c, unified)),
        data_cache: flash.data_cache.as_ref().map(|c| cache(c, true)),
        prefetch: flash.timing.as_ref().is_some_and(|t| t.prefetch),
        shared_port: flash.timing.as_ref().is_some_and(|t| t.shared_port),
        unified,
        controls: flash
            .control
            .iter()
            .map(|c| FlashControl {
                register: c.register,
                reset: c.reset,
                wait_states: c.wait_states,
                cycles: c.cycles,
                prefetch: c.prefetch,
                instruction_cache: c.instruction_cache,
                data_cache: c.data_cache,
            })
            .collect(),
        ..MemoryTiming::default()
    }
}

/// The board as the emulator knows it.
pub fn machine(board: &Board) -> Machine {
    let flash = &board.flash;
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
        timing: memory_timing(flash),
        uf2_families: flash
            .uf2
            .as_ref()
            .map_or_else(Vec::new, |uf2| uf2.families.clone()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use sim_emulator::timing::Columns;
    use sim_emulator::{Emulator, Image, Mode};

    /// Where data lie, past the code.
    const DATA: u32 = 0x4000;

    /// Cycles of a piece of code at the start of a built-in board's flash, with `r1` at data in flash.
    fn cycles(board: &str, code: &[u16]) -> Columns {
        let machine = machine(&sim_mcu::find(board).unwrap());
        let flash = machine.flash[0].base;
        let stack = machine.ram[0].base + 0x1000;
        let mut image: Vec<u8> = [stack, flash + 9]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        image.extend(code.iter().flat_map(|half| half.to_le_bytes()));
        let end = flash + image.len() as u32;
        image.extend(0xbe00u16.to_le_bytes());
        let mut emulator = Emulator::new(machine).unwrap();
        emulator.load(Image::raw(&image, flash).unwrap()).unwrap();
        emulator.set_mode(Mode::Time);
        emulator.core_mut().r[1] = flash + DATA;
        emulator.run_until(end, 1_000_000);
        assert_eq!(emulator.core().pc, end, "{board}");
        emulator.cycles()
    }

    /// Cycles that reading 4 KB of flash in order stalls for, where reading it is all that a loop in the caches does.
    fn streaming_stall(board: &str) -> f64 {
        // movs r2, #1; lsls r2, #10; loop: ldr r0, [r1]; adds r1, #4; subs r2, #1; bne loop.
        let code = [0x2201, 0x0292, 0x6808, 0x3104, 0x3a01, 0xd1fb];
        let columns = cycles(board, &code);
        (columns.memory - columns.rules) as f64
    }

    #[test]
    fn streaming_data_stalls_as_measured() {
        // Board, and cycles a line of so many bytes: the figures of the profiles.
        for (board, measured, line) in [
            ("nucleo_l4r5zi", 3.9, 8.0),
            ("nucleo_u575zi_q", 6.6, 16.0),
            ("stm32f746g_disco", 7.3, 32.0),
            ("stm32h743zi", 9.1, 32.0),
            ("stm32h7a3", 9.1, 32.0),
            ("psoc62", 8.9, 16.0),
            ("rpi_pico", 53.0, 8.0),
        ] {
            let expected = measured * 4096.0 / line;
            let stall = streaming_stall(board);
            // The loop itself is fetched once, from less than 32 bytes.
            assert!(
                (expected..=expected + 110.0).contains(&stall),
                "{board}: {stall} rather than {expected}"
            );
        }
    }

    #[test]
    fn code_of_the_stm32g0_comes_ahead_of_the_core() {
        // Of 64 NOPs only the line of the first is missed; loads of constants stall for 2 cycles each. The first of the four in a line
        // goes before the prefetch of the next line; the second finds that under way and waits for it.
        let nops = cycles("nucleo_g0b1re", &[0xbf00; 64]);
        assert_eq!((nops.rules, nops.memory), (64, 66));
        let loads = cycles("nucleo_g0b1re", &[0x6808; 64]);
        assert_eq!(loads.memory - loads.rules, 2 + 64 * 2 + 16 * 2);
        // ldmia r1!, {r0, r2, r3, r4}: each of its words is a read, and the second of a line waits for the prefetch.
        let multiple = cycles("nucleo_g0b1re", &[0xc91d; 8]);
        assert_eq!(multiple.memory - multiple.rules, 2 + 8 * 4 * 2 + 2 * 2);
        // movs r2, #100; loop: 16 NOPs; subs r2, #1; bne loop: its first line is missed once.
        let mut round = vec![0x2264];
        round.extend([0xbf00; 16]);
        round.extend([0x3a01, 0xd1ed]);
        let round = cycles("nucleo_g0b1re", &round);
        assert_eq!(round.memory - round.rules, 2);
    }

    #[test]
    fn firmware_of_an_stm32_says_itself_how_flash_is_read() {
        // movw r2, #0x2000; movt r2, #0x4002; movw r3, #value; str r3, [r2]; then 64 NOPs.
        let nops = |value: u16| {
            let low = 0x0300 | value & 0xff | (value & 0x700) << 4;
            let mut code = vec![0xf242, 0x0200, 0xf2c4, 0x0202, 0xf240, low, 0x6013];
            code.extend([0xbf00; 64]);
            let columns = cycles("nucleo_l4r5zi", &code);
            columns.memory - columns.rules
        };
        // Caches with five wait states are the profile's; prefetch hides all but a cycle or two of them.
        let (own, prefetched) = (nops(0x605), nops(0x705));
        assert!(own >= 16 * 5, "{own}");
        assert!((16 * 2..16 * 2 + 16).contains(&prefetched), "{prefetched}");
        assert!(
            nops(0x600) < 16,
            "no wait states but those before the store"
        );
    }

    #[test]
    fn firmware_that_changes_a_part_of_it_leaves_the_caches_on() {
        // movw r2, #0x2000; movt r2, #0x4002; ldr r3, [r2]; adds r3, #5; str r3, [r2]; then a loop of 100 rounds.
        let mut code = vec![
            0xf242, 0x0200, 0xf2c4, 0x0202, 0x6813, 0x3305, 0x6013, 0x2064,
        ];
        code.extend([0xbf00; 16]);
        code.extend([0x3801, 0xd1ed]);
        let columns = cycles("nucleo_l4r5zi", &code);
        let stall = columns.memory - columns.rules;
        assert!(stall < 100, "the loop is missed once: {stall}");
    }

    #[test]
    fn firmware_of_every_board_with_such_registers_says_how_flash_is_read() {
        // Board, writes of its registers, and what holds then.
        type Case = (&'static str, &'static [(u32, u32)], &'static str);
        let cases: [Case; 10] = [
            (
                "nucleo_u575zi_q",
                &[(0x4002_2000, 0x104)],
                "4 wait states, prefetch on, cache on",
            ),
            (
                "nucleo_u575zi_q",
                &[(0x4003_0400, 4)],
                "4 wait states, prefetch off, cache off",
            ),
            (
                "nucleo_g0b1re",
                &[(0x4002_2000, 1)],
                "1 wait state, prefetch off, instruction cache off",
            ),
            (
                "stm32h7a3",
                &[(0x5200_2000, 0x34)],
                "4 wait states, prefetch off, caches on",
            ),
            (
                "stm32h7a3",
                &[(0xe000_ed14, 0x2_0200)],
                "6 wait states, prefetch off, instruction cache on, data cache off",
            ),
            (
                "stm32h743zi",
                &[(0x5200_2000, 0x22)],
                "4 wait states, prefetch off, caches on",
            ),
            (
                "stm32f746g_disco",
                &[(0x4002_3c00, 0x307), (0xe000_ed14, 0x200)],
                "7 wait states, prefetch off, caches off",
            ),
            (
                "psoc62",
                &[(0x4024_0000, 2)],
                "2 wait states, prefetch off, cache on",
            ),
            (
                "psoc62",
                &[(0x4024_0480, 0x4000_0000)],
                "4 wait states, prefetch on, cache off",
            ),
            (
                "nano33ble",
                &[(0x4001_e540, 0)],
                "2 wait states, prefetch off, instruction cache off",
            ),
        ];
        for (board, writes, expected) in cases {
            let machine = machine(&sim_mcu::find(board).unwrap());
            let flash = machine.flash[0].base;
            let stack = machine.ram[0].base + 0x1000;
            // str r2, [r3], and again.
            let mut image = [stack, flash + 9, 0x601a_601a]
                .map(u32::to_le_bytes)
                .concat();
            image.extend(0xbe00u16.to_le_bytes());
            let mut emulator = Emulator::new(machine).unwrap();
            emulator.load(Image::raw(&image, flash).unwrap()).unwrap();
            emulator.set_mode(Mode::Time);
            let access =
                |emulator: &Emulator| emulator.timing().unwrap().flash_access().to_string();
            assert!(
                access(&emulator).ends_with("as the board's profile says"),
                "{board}"
            );
            for (register, value) in writes {
                (emulator.core_mut().r[2], emulator.core_mut().r[3]) = (*value, *register);
                emulator.run(1);
            }
            emulator.run(10);
            assert_eq!(
                access(&emulator),
                format!("{expected}, set by the program"),
                "{board}"
            );
            emulator.reset().unwrap();
            assert!(
                access(&emulator).ends_with("as the board's profile says"),
                "{board}"
            );
        }
    }

    #[test]
    fn data_that_nobody_measured_take_the_wait_states() {
        let stall = streaming_stall("stm32f407vg");
        assert!((1280.0..=1300.0).contains(&stall), "{stall}");
    }
}
