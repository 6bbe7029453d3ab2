//! What programs see of the machine: memory, exceptions, counters; and what callers can do with it.

use std::sync::{Arc, Mutex};

use sim_emulator::{
    Alias, Bank, Behaviour, Cause, Emulator, HookAction, Image, Machine, Mode, Peripheral, Stop,
};

const RAM: u32 = 0x2000_0000;
const STACK: u32 = RAM + 0x1000;

/// An emulator with a program of halfwords behind a vector table whose entries are all `vectors`.
fn with(
    core: &str,
    vectors: &[(usize, u32)],
    code: &[u16],
    change: impl FnOnce(&mut Machine),
) -> Emulator {
    let mut machine = Machine::generic(core);
    change(&mut machine);
    let mut table = vec![0u32; 64];
    table[0] = STACK;
    table[1] = 0x101;
    for &(number, address) in vectors {
        table[number] = address | 1;
    }
    let mut image: Vec<u8> = table.iter().flat_map(|w| w.to_le_bytes()).collect();
    image.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    let image = Image::raw(&image, machine.flash[0].base).unwrap();
    let mut emulator = Emulator::new(machine).unwrap();
    emulator.load(image).unwrap();
    emulator
}

fn program(core: &str, code: &[u16]) -> Emulator {
    with(core, &[], code, |_| {})
}

fn cause(stop: &Stop) -> Cause {
    match stop {
        Stop::Fault(fault) => fault.cause,
        other => panic!("no fault but: {other}"),
    }
}

#[test]
fn faults_name_their_cause() {
    // ldr r0, [r1]; str r0, [r1]; with r1 set from outside.
    let run = |core: &str, code: u16, address: u32| {
        let mut emulator = program(core, &[code, 0xbe00]);
        emulator.core_mut().r[1] = address;
        emulator.run(10)
    };
    assert_eq!(
        cause(&run("cortex-m4f", 0x6808, 0x6000_0000)),
        Cause::UnmappedRead(0x6000_0000)
    );
    assert_eq!(
        cause(&run("cortex-m4f", 0x6008, 0x6000_0000)),
        Cause::UnmappedWrite(0x6000_0000)
    );
    assert_eq!(
        cause(&run("cortex-m4f", 0x6008, 0x0000_0400)),
        Cause::WriteToFlash(0x400)
    );
    assert!(
        matches!(run("cortex-m4f", 0x6808, RAM + 1), Stop::Breakpoint { .. }),
        "unaligned words work"
    );
    assert_eq!(
        cause(&run("cortex-m0plus", 0x6808, RAM + 1)),
        Cause::Unaligned(RAM + 1)
    );
    // ldm r1!, {r0}; blx r1; udf #1.
    assert_eq!(
        cause(&run("cortex-m4f", 0xc901, RAM + 2)),
        Cause::Unaligned(RAM + 2)
    );
    assert_eq!(cause(&run("cortex-m4f", 0x4788, RAM)), Cause::ArmState(RAM));
    assert_eq!(cause(&run("cortex-m4f", 0xde01, 0)), Cause::Undefined);
    let text = run("cortex-m4f", 0x6808, 0x6000_0000).to_string();
    assert_eq!(
        text,
        "`ldr r0, [r1]` at 0x00000100 reads 0x60000000, where the board has no memory"
    );
}

#[test]
fn floating_point_needs_enabling() {
    // vadd.f32 s0, s0, s0.
    let mut emulator = program("cortex-m4f", &[0xee30, 0x0a00]);
    assert_eq!(cause(&emulator.run(1)), Cause::NoCoprocessor);
    let mut emulator = program("cortex-m3", &[0xee30, 0x0a00]);
    assert_eq!(cause(&emulator.run(1)), Cause::Undefined);
}

#[test]
fn division_by_zero_is_zero_unless_trapped() {
    // udiv r0, r1, r2; bkpt.
    let mut emulator = program("cortex-m3", &[0xfbb1, 0xf0f2, 0xbe00]);
    emulator.core_mut().r[1] = 7;
    assert!(matches!(emulator.run(2), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[0], 0);
    // str r3, [r4] to CCR first.
    let mut emulator = program("cortex-m3", &[0x6023, 0xfbb1, 0xf0f2]);
    emulator.core_mut().r[3] = 1 << 4;
    emulator.core_mut().r[4] = 0xe000_ed14;
    assert_eq!(cause(&emulator.run(2)), Cause::DivisionByZero);
}

#[test]
fn supervisor_calls_reach_their_handler_and_return() {
    // 0x100: movs r0, #1; svc #0; adds r0, #10; bkpt. 0x110: movs r4, #5; mrs r5, ipsr; bx lr.
    let mut code = vec![0x2001, 0xdf00, 0x300a, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([0x2405, 0xf3ef, 0x8505, 0x4770]);
    for core in ["cortex-m0plus", "cortex-m4f", "cortex-m33"] {
        let mut emulator = with(core, &[(11, 0x110)], &code, |_| {});
        assert!(
            matches!(emulator.run(20), Stop::Breakpoint { .. }),
            "{core}"
        );
        let r = emulator.core().r;
        assert_eq!((r[0], r[4], r[5], r[13]), (11, 5, 11, STACK), "{core}");
        assert_eq!(emulator.stack_high_water(), 32, "the exception's frame");
    }
}

#[test]
fn a_program_that_a_boot_loader_starts_has_a_stack_of_its_own() {
    // push {r0-r3}; msr msp, r6; push {r0}; msr msp, r7; push {r0, r1}; bkpt: above the first stack, and below it.
    let code = [
        0xb40f, 0xf386, 0x8808, 0xb401, 0xf387, 0x8808, 0xb403, 0xbe00,
    ];
    for stacks in [[0x100, -0x100], [-0x100, 0x100]] {
        let mut emulator = program("cortex-m4f", &code);
        let at = |offset: i32| STACK.wrapping_add_signed(offset);
        (emulator.core_mut().r[6], emulator.core_mut().r[7]) = (at(stacks[0]), at(stacks[1]));
        assert!(matches!(emulator.run(20), Stop::Breakpoint { .. }));
        assert_eq!(emulator.core().r[13], at(stacks[1]) - 8);
        assert_eq!(emulator.stack_high_water(), 16, "of the first, the deepest");
    }
}

#[test]
fn a_stack_pointer_outside_the_stacks_memory_measures_nothing() {
    // push {r0}; movs r5, #1; mov sp, r5; wfi.
    let mut emulator = program("cortex-m4f", &[0xb401, 0x2501, 0x46ad, 0xbf30]);
    assert!(matches!(emulator.run(20), Stop::Asleep { .. }));
    assert_eq!((emulator.core().r[13], emulator.stack_high_water()), (0, 4));
}

#[test]
fn a_supervisor_call_that_is_masked_becomes_a_hard_fault_once() {
    // cpsid i; svc #0; adds r0, #1; cpsie i; nop; bkpt. 0x110: adds r4, #1; bx lr. 0x118: adds r5, #1; bx lr.
    let mut code = vec![0xb672, 0xdf00, 0x3001, 0xb662, 0xbf00, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([0x3401, 0x4770, 0xbf00, 0xbf00, 0x3501, 0x4770]);
    for core in ["cortex-m0plus", "cortex-m4f"] {
        let mut emulator = with(core, &[(3, 0x110), (11, 0x118)], &code, |_| {});
        emulator.set_vector_faults(true);
        let stop = emulator.run(50);
        assert!(matches!(stop, Stop::Breakpoint { .. }), "{core}: {stop}");
        let r = emulator.core().r;
        assert_eq!((r[0], r[4], r[5]), (1, 1, 0), "{core}");
    }
}

/// A fault in a handler goes to its own exception where that is more urgent, else to HardFault.
#[test]
fn a_fault_in_a_handler_goes_as_far_as_its_priority_lets_it() {
    // svc #0; bkpt. 0x110, SVC: udf #1. 0x118, UsageFault: adds r4, #1; bkpt. 0x120, HardFault: adds r5, #1; bkpt.
    let mut code = vec![0xdf00, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([
        0xde01, 0xbf00, 0xbf00, 0xbf00, 0x3401, 0xbe00, 0xbf00, 0xbf00,
    ]);
    code.extend([0x3501, 0xbe00]);
    for (svc, usage, expected) in [(0x80, 0x40, (1, 0)), (0x40, 0x80, (0, 1))] {
        // strb r1, [r6] and strb r2, [r7] set the priorities, str r3, [r0] SHCSR.
        let mut all = vec![0x7031u16, 0x703a, 0x6003];
        all.extend(&code);
        all.remove(5);
        all.remove(5);
        all.remove(5);
        let vectors = [(3, 0x120), (6, 0x118), (11, 0x110)];
        let mut emulator = with("cortex-m4f", &vectors, &all, |_| {});
        let core = emulator.core_mut();
        (core.r[0], core.r[3]) = (0xe000_ed24, 1 << 18);
        (core.r[1], core.r[6]) = (svc, 0xe000_ed1f);
        (core.r[2], core.r[7]) = (usage, 0xe000_ed1a);
        emulator.set_vector_faults(true);
        assert!(matches!(emulator.run(50), Stop::Breakpoint { .. }));
        let r = emulator.core().r;
        assert_eq!((r[4], r[5]), expected, "{svc:#x} {usage:#x}");
    }
}

#[test]
fn exceptions_keep_flags_and_conditional_blocks() {
    // movs r0, #0; svc 0 inside an IT block: ite eq; svceq #0; movne r1, #9; bkpt. Handler: movs r4, #1; bx lr.
    let mut code = vec![0x2000, 0xbf0c, 0xdf00, 0x2109, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([0x2401, 0x4770]);
    let mut emulator = with("cortex-m4f", &[(11, 0x110)], &code, |_| {});
    assert!(matches!(emulator.run(20), Stop::Breakpoint { .. }));
    assert_eq!(
        (emulator.core().r[1], emulator.core().r[4]),
        (0, 1),
        "the second half of the block stays skipped"
    );
}

#[test]
fn an_exception_preserves_floating_point_state() {
    // Enable; vmov s0, r0; svc; vmov r2, s0; bkpt. Handler: vmov s0, r1; bx lr.
    let mut code = vec![0x6023, 0xee00, 0x0a10, 0xdf00, 0xee10, 0x2a10, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([0xee00, 0x1a10, 0x4770]);
    let mut emulator = with("cortex-m4f", &[(11, 0x110)], &code, |_| {});
    let core = emulator.core_mut();
    (core.r[0], core.r[1], core.r[3], core.r[4]) = (0x1234, 0x5678, 0xf << 20, 0xe000_ed88);
    assert!(matches!(emulator.run(20), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[2], 0x1234);
    assert_eq!(
        emulator.stack_high_water(),
        104,
        "the frame with floating-point state"
    );
}

#[test]
fn systick_interrupts_a_loop_and_wakes_a_sleeper() {
    // str r0, [r1, #4] (reload); str r2, [r1] (control); loop: wfi; cmp r5, #3; bne loop; bkpt.
    let mut code = vec![0x6048, 0x600a, 0xbf30, 0x2d03, 0xd1fc, 0xbe00];
    code.resize(8, 0xbf00);
    // Handler: adds r6, #1 would be lost (r6 is not stacked, so it stays); adds r5, #1; bx lr.
    code.extend([0x3501, 0x4770]);
    let mut emulator = with("cortex-m4f", &[(15, 0x110)], &code, |_| {});
    let core = emulator.core_mut();
    (core.r[0], core.r[1], core.r[2]) = (999, 0xe000_e010, 7);
    emulator.set_mode(Mode::Time);
    assert!(matches!(emulator.run(1000), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[5], 3);
}

#[test]
fn a_sleeper_that_nothing_wakes_is_reported() {
    assert_eq!(
        program("cortex-m4f", &[0xbf30]).run(10),
        Stop::Asleep { pc: 0x100 }
    );
}

#[test]
fn external_interrupts_respect_primask() {
    // cpsid i; nop; nop; cpsie i; nop; bkpt. Handler of interrupt 2: movs r7, #1; bx lr.
    let mut code = vec![0xb672, 0xbf00, 0xbf00, 0xb662, 0xbf00, 0xbe00];
    code.resize(8, 0xbf00);
    code.extend([0x2701, 0x4770]);
    let mut emulator = with("cortex-m4f", &[(18, 0x110)], &code, |_| {});
    assert_eq!(emulator.run(2), Stop::InstructionLimit);
    emulator.pend_interrupt(2);
    assert_eq!(emulator.run(1), Stop::InstructionLimit);
    assert_eq!(emulator.core().r[7], 0, "masked");
    assert!(matches!(emulator.run(10), Stop::Breakpoint { .. }));
    assert_eq!(
        emulator.core().r[7],
        0,
        "not enabled in the interrupt controller"
    );
}

#[test]
fn peripherals_answer_by_value_register_or_closure() {
    // ldr r0, [r1]; str r2, [r1]; ldr r3, [r1]; bkpt.
    let code = [0x6808, 0x600a, 0x680b, 0xbe00];
    let run = |behaviour: Behaviour| {
        let peripheral = Peripheral {
            base: 0x4002_0000,
            size: 0x400,
            behaviour,
        };
        let mut emulator = with("cortex-m4f", &[], &code, |m| m.peripherals.push(peripheral));
        (emulator.core_mut().r[1], emulator.core_mut().r[2]) = (0x4002_0010, 77);
        assert!(matches!(emulator.run(5), Stop::Breakpoint { .. }));
        (emulator.core().r[0], emulator.core().r[3])
    };
    assert_eq!(run(Behaviour::Fixed(1)), (1, 1));
    assert_eq!(run(Behaviour::Register(5)), (5, 77));

    let written = Arc::new(Mutex::new(Vec::new()));
    let seen = written.clone();
    let mut emulator = program("cortex-m4f", &code);
    let answer = move |access: sim_emulator::Access| {
        seen.lock().unwrap().extend(access.write);
        access.address
    };
    emulator.attach_peripheral(0x5000_0000, 16, Box::new(answer));
    (emulator.core_mut().r[1], emulator.core_mut().r[2]) = (0x5000_0004, 42);
    assert!(matches!(emulator.run(5), Stop::Breakpoint { .. }));
    assert_eq!(
        (emulator.core().r[0], &*written.lock().unwrap()),
        (0x5000_0004, &vec![42])
    );
}

#[test]
fn aliases_show_the_same_memory_and_bit_bands_its_bits() {
    // str r0, [r1]; ldr r2, [r3]; bkpt.
    let alias = Alias {
        base: 0x1000_0000,
        size: 0x1000,
        target: RAM,
    };
    let mut emulator = with("cortex-m4f", &[], &[0x6008, 0x681a, 0xbe00], |m| {
        m.aliases.push(alias)
    });
    let core = emulator.core_mut();
    (core.r[0], core.r[1], core.r[3]) = (0x55, 0x1000_0010, RAM + 0x10);
    assert!(matches!(emulator.run(5), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[2], 0x55);

    let mut emulator = program("cortex-m3", &[0x6008, 0x681a, 0xbe00]);
    let core = emulator.core_mut();
    // Bit 5 of the word at 0x2000_0010.
    (core.r[0], core.r[1], core.r[3]) = (1, 0x2200_0000 + 0x10 * 32 + 5 * 4, RAM + 0x10);
    assert!(matches!(emulator.run(5), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[2], 1 << 5);
}

#[test]
fn code_written_to_ram_is_executed_as_written() {
    // strh r0, [r1]; blx r2; strh r3, [r1]; blx r2; bkpt, where r2 = r1 | 1 and RAM holds `?; bx lr`.
    let mut emulator = program("cortex-m4f", &[0x8008, 0x4790, 0x800b, 0x4790, 0xbe00]);
    emulator.write(RAM + 2, &0x4770u16.to_le_bytes()).unwrap();
    let core = emulator.core_mut();
    // adds r4, #1, then adds r4, #100.
    (core.r[0], core.r[1], core.r[2], core.r[3]) = (0x3401, RAM, RAM | 1, 0x3464);
    assert!(matches!(emulator.run(20), Stop::Breakpoint { .. }));
    assert_eq!(emulator.core().r[4], 101);
}

#[test]
fn calls_hooks_and_snapshots() {
    // 0x100: adds r0, r0, r1; bx lr.
    let mut emulator = program("cortex-m0plus", &[0x1840, 0x4770]);
    assert_eq!(emulator.call(0x101, &[40, 2], 10).unwrap(), Stop::Returned);
    assert_eq!(emulator.core().r[0], 42);
    let snapshot = emulator.snapshot();
    let count = Arc::new(Mutex::new(0));
    let counter = count.clone();
    emulator.hook(
        0x102,
        Box::new(move |context| {
            *counter.lock().unwrap() += 1;
            context.core.r[0] += 100;
            HookAction::Continue
        }),
    );
    assert_eq!(emulator.call(0x101, &[1, 2], 10).unwrap(), Stop::Returned);
    assert_eq!((emulator.core().r[0], *count.lock().unwrap()), (103, 1));
    assert!(emulator.unhook(0x102));
    assert_eq!(emulator.call(0x101, &[1, 2], 10).unwrap(), Stop::Returned);
    assert_eq!(emulator.core().r[0], 3);
    emulator.hook(0x102, Box::new(|_| HookAction::Stop));
    assert_eq!(
        emulator.call(0x101, &[1, 2], 10).unwrap(),
        Stop::Hook(0x102)
    );
    assert_eq!(
        emulator.run(10),
        Stop::Returned,
        "going on does not stop at the same place again"
    );
    emulator.unhook(0x102);
    emulator.write(RAM, &[1, 2, 3]).unwrap();
    emulator.restore(&snapshot);
    assert_eq!(
        (emulator.core().r[0], emulator.read_word(RAM).unwrap()),
        (42, 0)
    );
    assert_eq!(emulator.instructions(), 2);
    assert!(emulator.call(0x101, &[0; 5], 10).is_err());
}

#[test]
fn a_run_ends_at_an_address_and_goes_on_from_there() {
    // Loop: adds r0, #1; b loop.
    let mut emulator = program("cortex-m3", &[0x3001, 0xe7fd]);
    assert_eq!(emulator.run_until(0x102, 100), Stop::Address(0x102));
    assert_eq!(emulator.instructions(), 1);
    assert_eq!(emulator.run_until(0x102, 100), Stop::Address(0x102));
    assert_eq!(emulator.core().r[0], 2);
    assert_eq!(emulator.run(100), Stop::InstructionLimit);
    assert_eq!(emulator.instructions(), 103);
}

#[test]
fn a_stack_that_grows_into_the_arena_is_a_fault() {
    // Recursion: push {lr}; bl self.
    let mut emulator = program("cortex-m0plus", &[0xb500, 0xf7ff, 0xfffd]);
    emulator.set_stack_limit(STACK - 256);
    let stop = emulator.run(100_000);
    assert_eq!(cause(&stop), Cause::StackOverflow(STACK - 260));
    assert_eq!(emulator.stack_high_water(), 260);
}

#[test]
fn two_memories_must_not_overlap() {
    let mut machine = Machine::generic("cortex-m3");
    machine.ram.push(Bank::new("ccm", 0x2000_1000, 0x1000));
    assert!(
        Emulator::new(machine)
            .unwrap_err()
            .to_string()
            .contains("`ccm`")
    );
    assert!(
        Emulator::new(Machine::generic("z80"))
            .unwrap_err()
            .to_string()
            .contains("cortex-m4f")
    );
}

#[test]
fn loads_and_stores_are_counted_by_memory() {
    let mut emulator = program("cortex-m4f", &[0x6808, 0x6010, 0x6011, 0xbe00]);
    let core = emulator.core_mut();
    (core.r[1], core.r[2]) = (0, RAM);
    emulator.run(10);
    let regions: Vec<_> = emulator
        .regions()
        .iter()
        .map(|r| (r.name.as_str(), r.loads, r.stores))
        .collect();
    assert_eq!(regions, [("ram", 0, 2), ("flash", 1, 0)]);
}

/// Keeps what a program writes.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl sim_emulator::Host for Kept {
    fn write(&mut self, _: u32, bytes: &[u8]) -> usize {
        self.0.lock().unwrap().extend_from_slice(bytes);
        bytes.len()
    }
    fn read(&mut self, _: u32, _: &mut [u8]) -> usize {
        0
    }
}

#[test]
fn a_string_is_written_byte_by_byte() {
    // movs r0, #4 (SYS_WRITE0); bkpt 0xab; bkpt 0: what is no text, and a letter of two bytes cut off.
    let mut emulator = program("cortex-m4f", &[0x2004, 0xbeab, 0xbe00]);
    let kept = Arc::new(Mutex::new(Vec::new()));
    emulator.set_host(Box::new(Kept(kept.clone())));
    let string = [b'a', 0xff, 0x80, 0xc3, 0xa9, 0xc3];
    emulator.write(RAM, &string).unwrap();
    emulator.core_mut().r[1] = RAM;
    assert!(matches!(emulator.run(10), Stop::Breakpoint { .. }));
    assert_eq!(*kept.lock().unwrap(), string);
}

#[test]
fn a_loop_that_nothing_can_end_is_reported_at_once() {
    // cpsid i; b .; and a branch to itself that is wide.
    for code in [vec![0xb672u16, 0xe7fe], vec![0xb672, 0xf7ff, 0xbffe]] {
        let mut emulator = program("cortex-m4f", &code);
        emulator.set_mode(Mode::Time);
        assert_eq!(emulator.run(1_000_000), Stop::Stuck { pc: 0x102 });
        assert_eq!(
            (emulator.instructions(), emulator.core().pc),
            (1, 0x102),
            "as often as asked"
        );
        assert_eq!(emulator.run(1_000_000), Stop::Stuck { pc: 0x102 });
    }
    // b . without a mask: an interrupt may come, from the host too.
    let mut emulator = program("cortex-m4f", &[0xe7fe]);
    emulator.set_mode(Mode::Time);
    assert_eq!(emulator.run(1000), Stop::InstructionLimit);
    assert_eq!(
        (emulator.instructions(), emulator.cycles().table),
        (1000, 2000)
    );
    // A handler of HardFault: udf #1, and b . there.
    let mut code = vec![0xde01];
    code.resize(8, 0xbf00);
    code.push(0xe7fe);
    let mut emulator = with("cortex-m0plus", &[(3, 0x110)], &code, |_| {});
    emulator.set_vector_faults(true);
    assert_eq!(emulator.run(1_000_000), Stop::Stuck { pc: 0x110 });
    // str r0, [r1, #4]; str r2, [r1]; b .: SysTick ends it after all. Handler: bkpt.
    let mut code = vec![0x6048, 0x600a, 0xe7fe];
    code.resize(8, 0xbf00);
    code.push(0xbe00);
    let mut emulator = with("cortex-m4f", &[(15, 0x110)], &code, |_| {});
    let core = emulator.core_mut();
    (core.r[0], core.r[1], core.r[2]) = (999, 0xe000_e010, 7);
    assert!(matches!(emulator.run(10_000), Stop::Breakpoint { .. }));
}

#[test]
fn a_stop_at_a_branch_to_itself_comes_first() {
    let mut emulator = program("cortex-m4f", &[0xb672, 0xe7fe]);
    assert_eq!(emulator.run_until(0x102, 1000), Stop::Address(0x102));
    assert_eq!(emulator.run(1000), Stop::Stuck { pc: 0x102 });
}
