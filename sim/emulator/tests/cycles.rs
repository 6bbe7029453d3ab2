//! The timing model against sequences whose cycles the sources state.

use sim_emulator::timing::Columns;
use sim_emulator::{
    Cache, Emulator, FlashControl, FlashSetting, Image, Machine, MemoryTiming, Mode, Replacement,
};

const RAM: u32 = 0x2000_0000;

/// Cycles of a sequence, entered at a word boundary after a first pass that warms nothing but the decoder.
fn cycles_on(machine: &Machine, code: &[u16]) -> Columns {
    let mut image: Vec<u8> = [RAM + 0x1000, 9]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    // An instruction of no class that interacts comes first.
    for half in [0xbf00, 0xbf00].iter().chain(code) {
        image.extend(half.to_le_bytes());
    }
    let end = 8 + 2 * (2 + code.len() as u32);
    image.extend(0xbe00u16.to_le_bytes());
    let mut emulator = Emulator::new(machine.clone()).unwrap();
    emulator.load(Image::raw(&image, 0).unwrap()).unwrap();
    emulator.set_mode(Mode::Time);
    for r in 1..8 {
        emulator.core_mut().r[r] = RAM + 0x100;
    }
    emulator.run_until(8 + 4, 10);
    let before = emulator.cycles();
    emulator.run_until(end, 1000);
    assert_eq!(emulator.core().pc, end);
    emulator.cycles() - before
}

fn cycles(core: &str, code: &[u16]) -> (u64, u64) {
    let columns = cycles_on(&Machine::generic(core), code);
    (columns.table, columns.rules)
}

#[test]
fn loads_pipeline_on_the_m4() {
    // ldr r0, [r1]; ldr r2, [r3]: 3 cycles; three of them 4 (Arm DDI0337I 3.3.2).
    assert_eq!(cycles("cortex-m4f", &[0x6808, 0x681a]), (4, 3));
    assert_eq!(cycles("cortex-m4f", &[0x6808, 0x681a, 0x682c]), (6, 4));
    // The second address is the first result: no pipelining.
    assert_eq!(cycles("cortex-m4f", &[0x6809, 0x680a]), (4, 4));
    // A store with an immediate offset takes one cycle.
    assert_eq!(cycles("cortex-m4f", &[0x6008]), (2, 1));
}

/// Arm DDI0337I 3.3.2: nothing can be pipelined after a store; jnk0le's cortex_m3m4.md: a load behind it adds a cycle to it.
#[test]
fn a_load_behind_a_store_waits_for_the_bus() {
    for core in ["cortex-m3", "cortex-m4f"] {
        let rules = |code: &[u16]| cycles(core, code).1;
        // str r0, [r1]; ldr r2, [r3], or ldmia r3!, {r4, r5}, or another store, or nop and then the load.
        assert_eq!(rules(&[0x6008, 0x681a]), 1 + 2 + 1, "{core}");
        assert_eq!(rules(&[0x6008, 0xcb30]), 1 + 3 + 1, "{core}");
        assert_eq!(rules(&[0x6008, 0x6010]), 1 + 1, "{core}");
        assert_eq!(rules(&[0x6008, 0xbf00, 0x681a]), 1 + 1 + 2, "{core}");
        // str r2, [r1, r0] takes two cycles anyway.
        assert_eq!(rules(&[0x500a, 0x681a]), 2 + 2, "{core}");
    }
}

/// eprint 2025/523, as jnk0le's cortex_m3m4.md cites it: a multi-cycle instruction that three unaligned 32-bit instructions follow.
#[test]
fn the_third_unaligned_wide_instruction_behind_several_cycles_is_late() {
    // ldr r0, [r1], which makes what follows unaligned; add.w r4, r4, #1; ldr.w r0, [r5].
    let (load, add, wide_load) = ([0x6808], [0xf104, 0x0401], [0xf8d5, 0x0000]);
    let adds = |n: usize| add.repeat(n);
    for core in ["cortex-m3", "cortex-m4f"] {
        let rules = |parts: &[&[u16]]| cycles(core, &parts.concat()).1;
        assert_eq!(rules(&[&load, &adds(2)]), 2 + 2, "{core}");
        assert_eq!(rules(&[&load, &adds(3)]), 2 + 3 + 1, "{core}");
        assert_eq!(rules(&[&load, &adds(6)]), 2 + 6 + 1, "{core}: once");
        // Each instruction of several cycles begins anew, be it unaligned and wide itself.
        let twice = [&load[..], &adds(3), &wide_load, &adds(3)];
        assert_eq!(rules(&twice), 2 + 3 + 1 + 2 + 3 + 1, "{core}");
        let between = [&load[..], &adds(1), &wide_load, &adds(3)];
        assert_eq!(rules(&between), 2 + 1 + 2 + 3 + 1, "{core}");
        // A narrow instruction among them ends it, and nothing is late where none took several cycles.
        let narrow = [&load[..], &adds(2), &[0xbf00, 0xbf00], &adds(3)];
        assert_eq!(rules(&narrow), 2 + 2 + 2 + 3, "{core}");
        assert_eq!(rules(&[&[0xbf00], &adds(3)]), 1 + 3, "{core}");
    }
}

/// jnk0le's cortex_m3m4.md: the Cortex-M4 chains loads that change different address registers.
#[test]
fn indexed_loads_pipeline_on_the_m4() {
    // ldr r0, [r1], #4; ldr r2, [r3], #4 or [r1], #4.
    let apart = [0xf851, 0x0b04, 0xf853, 0x2b04];
    let same = [0xf851, 0x0b04, 0xf851, 0x2b04];
    assert_eq!(cycles("cortex-m4f", &apart), (4, 3));
    assert_eq!(cycles("cortex-m4f", &same), (4, 4));
    assert_eq!(cycles("cortex-m3", &apart), (4, 4));
    // The Cortex-M3 lets another load follow the first: ldr r2, [r3].
    assert_eq!(cycles("cortex-m3", &[0xf851, 0x0b04, 0x681a]), (4, 3));
}

/// Arm DDI0337I and 100166, notes of table 3-1.
#[test]
fn it_folds_onto_a_narrow_instruction() {
    // adds r1, #4 or add.w r1, #4; it eq; moveq r2, #1.
    for core in ["cortex-m3", "cortex-m4f"] {
        assert_eq!(cycles(core, &[0x3104, 0xbf08, 0x2201]), (3, 2), "{core}");
        let wide = [0xf101, 0x0104, 0xbf08, 0x2201];
        assert_eq!(cycles(core, &wide), (3, 3), "{core}");
    }
}

/// Cycles of floating-point instructions, with the unit enabled before.
fn float_cycles(core: &str, code: &[u16]) -> u64 {
    // movw r2, #0xed88; movt r2, #0xe000; mov.w r3, #0xf00000; str r3, [r2]; two NOPs.
    let mut enabled = vec![
        0xf64e, 0x5288, 0xf2ce, 0x0200, 0xf44f, 0x0370, 0x6013, 0xbf00, 0xbf00,
    ];
    let before = cycles(core, &enabled).1;
    enabled.extend(code);
    cycles(core, &enabled).1 - before
}

/// jnk0le's cortex_m33.md and cortex_m7.md.
#[test]
fn products_that_accumulate_are_late() {
    // vfma.f32 s0, s1, s2; two mov.n; vfma.f32 s0, s1, s2 or s3, s1, s0.
    let (first, as_sum, as_factor) = ([0xeea0, 0x0a81], [0xeea0, 0x0a81], [0xeee0, 0x1a80]);
    let after = |core: &str, fill: usize, second: [u16; 2]| {
        let mut code = first.to_vec();
        code.extend(std::iter::repeat_n(0x46d2, fill));
        code.extend(second);
        float_cycles(core, &code)
    };
    // Three cycles on the Cortex-M33, whatever the result is for; the unit is busy meanwhile.
    assert_eq!(after("cortex-m33", 2, as_sum), 4);
    assert_eq!(after("cortex-m33", 2, as_factor), 4);
    assert_eq!(after("cortex-m33", 0, as_sum), 4);
    // vstr s0, [r4] waits a cycle longer.
    assert_eq!(after("cortex-m33", 3, [0xed84, 0x0a00]), 5);
    // On the Cortex-M7 a factor is two cycles later than a sum.
    let late = after("cortex-m7", 0, as_factor) - after("cortex-m7", 0, as_sum);
    assert_eq!(late, 2);
    // vadd.f32 s0, s1, s2; vstr s0, [r4]: stored at once, though an operand takes three cycles.
    let add = [0xee30, 0x0a81];
    let stored = float_cycles("cortex-m7", &[add[0], add[1], 0xed84, 0x0a00]);
    let added = float_cycles("cortex-m7", &[add[0], add[1], 0xee30, 0x1a00]);
    assert_eq!((stored, added), (2, 4));
}

#[test]
fn an_address_that_was_just_computed_stalls() {
    // adds r1, #4; ldr r0, [r1].
    assert_eq!(cycles("cortex-m3", &[0x3104, 0x6808]), (3, 4));
    assert_eq!(cycles("cortex-m3", &[0x3204, 0x6808]), (3, 3));
}

#[test]
fn the_small_core_has_no_rules() {
    assert_eq!(
        cycles("cortex-m0plus", &[0x3104, 0x6808, 0x681a, 0x6008]),
        (7, 7)
    );
    // muls r1, r2; push {r0-r3}: 1 and 1 + N.
    assert_eq!(cycles("cortex-m0plus", &[0x4351, 0xb40f]), (6, 6));
}

#[test]
fn division_depends_on_the_quotient() {
    // udiv r0, r1, r2 with equal operands, and with a larger divisor.
    let (_, equal) = cycles("cortex-m4f", &[0xfbb1, 0xf0f2]);
    let (_, none) = cycles("cortex-m4f", &[0x1c49, 0xfbb2, 0xf0f1]);
    assert_eq!(none, 1 + 2, "a quotient of zero takes the least");
    assert!((3..=12).contains(&equal));
}

#[test]
fn taken_branches_refill() {
    // b .+2 (to the next but one); cmp; beq not taken.
    assert_eq!(cycles("cortex-m4f", &[0xe000, 0xbf00]), (2, 2));
    assert_eq!(cycles("cortex-m0plus", &[0xe000, 0xbf00]), (2, 2));
    assert_eq!(cycles("cortex-m0plus", &[0x4299, 0xd100]), (2, 2));
}

#[test]
fn a_load_is_late_on_the_m33_unless_it_is_stored() {
    // ldr r0, [r1]; adds r2, r0, #1.
    assert_eq!(cycles("cortex-m33", &[0x6808, 0x1c42]).1, 3);
    // ldr r0, [r1]; str r0, [r2].
    assert_eq!(cycles("cortex-m33", &[0x6808, 0x6010]).1, 2);
    // mla r0, r1, r2, r0 twice: the accumulator does not wait.
    assert_eq!(cycles("cortex-m33", &[0xfb01, 0x0002, 0xfb01, 0x0002]).1, 2);
}

/// jnk0le's cortex_m7.md: what moves several words cannot issue with a neighbour, a product not with a store.
#[test]
fn not_every_pair_issues_together_on_the_m7() {
    let rules = |pair: &[u16]| cycles("cortex-m7", &pair.repeat(4)).1;
    // adds r1, #1; adds r2, #1.
    assert!(rules(&[0x3101, 0x3201]) <= 5);
    // ldrd r4, r5, [r6]; adds r1, #1.
    assert!(rules(&[0xe9d6, 0x4500, 0x3101]) >= 8);
    // muls r0, r1; str r4, [r6].
    assert!(rules(&[0x4348, 0x6034]) >= 8);
    // adds r1, #1; str r4, [r6].
    assert!(rules(&[0x3101, 0x6034]) <= 5);
}

/// jnk0le's cortex_m7.md: parallel, saturating and bit-field arithmetic is the older of two, products of halfwords are either; of
/// products one issues at a time.
#[test]
fn products_of_halfwords_pair_with_parallel_arithmetic_on_the_m7() {
    let rules = |code: &[u16]| cycles("cortex-m7", code).1;
    // sxtb16 r0, r1; smlad r2, r3, r4, r2; qadd r5, r6, r7; ssat r5, #8, r6; adds r1, #1; mul r5, r6, r7; eor.w r0, r1, r5, lsl #3.
    let (extend, product) = ([0xfa2f, 0xf081], [0xfb23, 0x2204]);
    let (sum, saturated) = ([0xfa87, 0xf586], [0xf306, 0x0507]);
    let (add, multiply, shifted) = ([0x3101], [0xfb06, 0xf507], [0xea81, 0x00c5]);
    let four = |first: &[u16], second: &[u16]| rules(&[first, second].concat().repeat(4));
    assert_eq!(four(&extend, &product), 4);
    // Of products and extensions in turn, each product issues with the extension before it.
    assert_eq!(four(&product, &extend), 5);
    assert_eq!(four(&product, &add), 4);
    assert_eq!(four(&add, &product), 4);
    assert_eq!(four(&shifted, &product), 4);
    let two = |first: &[u16], second: &[u16]| rules(&[first, second].concat());
    for (only_older, name) in [(sum, "qadd"), (saturated, "ssat"), (extend, "sxtb16")] {
        assert_eq!(two(&only_older, &add), 1, "{name}");
        assert_eq!(two(&add, &only_older), 2, "{name}");
        assert_eq!(two(&only_older, &multiply), 1, "{name}");
        assert_eq!(two(&only_older, &only_older), 2, "{name}");
    }
    assert_eq!(two(&product, &multiply), 2);
}

/// jnk0le's cortex_m7.md: results have the latencies listed there, from whichever of two slots; an instruction whose operand comes in
/// the next cycle issues in that.
#[test]
fn the_younger_of_two_is_as_quick_as_the_older_on_the_m7() {
    let rules = |code: &[u16]| cycles("cortex-m7", code).1;
    // nop; mul r0, r1, r2; adds r3, r0, #1: the product has one cycle of latency more, whether it is the younger or the older.
    assert_eq!(rules(&[0xbf00, 0xfb01, 0xf002, 0x1c43]), 3);
    assert_eq!(rules(&[0xfb01, 0xf002, 0xbf00, 0x1c43]), 3);
    // ldrb r0, [r1]; nop; nop; adds r2, r0, #1: bytes come a cycle later than words, so that the sum issues in the third cycle.
    assert_eq!(rules(&[0x7808, 0xbf00, 0xbf00, 0x1c42]), 3);
    assert_eq!(rules(&[0x6808, 0xbf00, 0xbf00, 0x1c42]), 2);
}

/// jnk0le's cortex_m7.md: what cannot be executed for three cycles after a multiply-accumulate of floats.
#[test]
fn additions_follow_accumulated_floats_late_on_the_m7() {
    // vfma.f32 s0, s1, s2 or vmla.f32 s0, s1, s2 or vmul.f32 s0, s1, s2, and one of those that follow.
    let products = [[0xeea0, 0x0a81], [0xee00, 0x0a81], [0xee20, 0x0a81]];
    let [fused, accumulated, multiplied] = products
        .map(|product| move |after: &[u16]| float_cycles("cortex-m7", &[&product, after].concat()));
    // vadd.f32 s4, s5, s6; vldmia r4, {s4, s5}; vstmia r4, {s4, s5}; vldr d2, [r4]; vmov.f32 s4, #1.0.
    for late in [
        [0xee32, 0x2a83],
        [0xec94, 0x2a02],
        [0xec84, 0x2a02],
        [0xed94, 0x2b00],
        [0xeeb7, 0x2a00],
    ] {
        assert_eq!(fused(&late), 1 + 3 + 1, "{late:x?}");
        assert_eq!(accumulated(&late), 1 + 3 + 1, "{late:x?}");
        assert!(multiplied(&late) <= 2, "{late:x?}");
    }
    // vmul.f32 s4, s5, s6 and vldr s4, [r4] follow in the next cycle.
    assert_eq!(fused(&[0xee22, 0x2a83]), 2);
    assert_eq!(fused(&[0xed94, 0x2a00]), 2);
    // nop; adds r1, #1; vldr s4, [r4]: not as the younger of two.
    let younger = [0xbf00, 0x3101, 0xed94, 0x2a00];
    assert_eq!((fused(&younger), multiplied(&younger)), (3, 2));
}

/// jnk0le's cortex_m7.md: a branch that does not go as predicted takes 8 cycles more.
#[test]
fn the_m7_foresees_what_a_branch_does_every_time() {
    // movs r0, #100; loop: lsls r3, r0 or r4, #31; beq over the NOP; subs r0, #1; bne loop.
    let rounds = |core: &str, tested: u16| {
        cycles(
            core,
            &[0x2064, 0x07c3 | tested << 3, 0xd000, 0xbf00, 0x3801, 0xd1fa],
        )
    };
    let (alternating, steady) = (rounds("cortex-m7", 0), rounds("cortex-m7", 4));
    // Half of the alternating rounds execute the NOP; two bits of memory never foresee them.
    let surprises = alternating.1 as i64 - steady.1 as i64;
    assert!((98 * 8..=100 * 8 + 50).contains(&surprises), "{surprises}");
    assert_eq!(
        alternating.0 - steady.0,
        50,
        "the table knows nothing of it"
    );
    // Other cores do not predict: what differs is the NOP, and the cycle of a branch that is not taken.
    let plain = |core: &str| rounds(core, 0).1.abs_diff(rounds(core, 4).1);
    for core in ["cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m33"] {
        assert!(plain(core) <= 50, "{core}");
    }
}

/// jnk0le's cortex_m7.md: an addition executes early, so that what issues with it has its sum; two such pairs in a row do not.
#[test]
fn sums_of_the_early_alu_are_there_for_the_late_one() {
    let rules = |code: &[u16]| cycles("cortex-m7", code).1;
    // adds r1, #4; cmp r1, r2: one cycle; eors r1, r3; cmp r1, r2: two.
    let (early, late) = ([0x3104, 0x4291], [0x4059, 0x4291]);
    let apart = [0xbf00, 0xbf00];
    let pair = |code: [u16; 2]| rules(&[apart, code, apart].concat());
    assert_eq!(pair(late) - pair(early), 1);
    // Four sums of one another take a cycle each but for the first two.
    let chain = rules(&[apart, [0x3104, 0x3104], [0x3104, 0x3104], apart].concat());
    assert_eq!(chain - rules(&[apart, apart].concat()), 3);
}

/// jnk0le's cortex_m7.md: what is loaded, and when it can be used.
#[test]
fn loads_of_the_m7_depend_on_what_takes_them() {
    let rules = |code: &[u16]| cycles("cortex-m7", code).1;
    // A word into the late ALU in the next cycle, into an address or of a byte one later: ldr or ldrb r0, [r1].
    let then = |load: u16, user: u16| rules(&[load, user]);
    let (add, address) = (0x1c42, 0x6802);
    assert_eq!(then(0x6808, add), 2);
    assert_eq!(then(0x7808, add), 3);
    assert_eq!(then(0x6808, address), 3);
    // It is stored in the same cycle: str r0, [r2].
    assert_eq!(then(0x6808, 0x6010), 1);
    // Two loads issue together from different banks: ldr r0, [r1]; ldr r2, [r3, #4] or [r3, #8].
    assert_eq!(then(0x6808, 0x685a), 1);
    assert_eq!(then(0x6808, 0x689a), 2);
}

#[test]
fn a_product_that_sets_the_flags_takes_two_cycles_on_the_m33() {
    // muls r1, r2; mul r1, r1, r2.
    assert_eq!(cycles("cortex-m33", &[0x4351]).1, 2);
    assert_eq!(cycles("cortex-m33", &[0xfb01, 0xf102]).1, 1);
}

#[test]
fn wait_states_add_to_code_and_constants() {
    let timing = MemoryTiming {
        flash_wait_states: 3,
        flash_line_bytes: 8,
        ..MemoryTiming::default()
    };
    let machine = Machine {
        timing,
        ..Machine::generic("cortex-m4f")
    };
    // Eight NOPs from address 12: lines 8 (already there), 16 and 24.
    let nops = cycles_on(&machine, &[0xbf00; 8]);
    assert_eq!((nops.rules, nops.memory), (8, 8 + 2 * 3));
    // ldr r0, [pc, #4]: the constant's line is another access.
    let literal = cycles_on(&machine, &[0x4801]);
    assert_eq!(literal.memory - literal.rules, 3);
}

#[test]
fn the_program_may_set_how_flash_is_read() {
    let cache = Cache {
        bytes: 64,
        line_bytes: 8,
        ways: 8,
        fill_bytes: None,
        replacement: Replacement::RoundRobin,
        stall: Some(2500),
    };
    let timing = MemoryTiming {
        flash_wait_states: 5,
        flash_line_bytes: 8,
        data_cache: Some(cache),
        controls: vec![FlashControl {
            register: 0x4002_2000,
            reset: 0x400,
            wait_states: 0xf,
            cycles: 1,
            prefetch: 0x100,
            instruction_cache: 0,
            data_cache: 0x400,
        }],
        ..MemoryTiming::default()
    };
    let machine = Machine {
        timing,
        ..Machine::generic("cortex-m4f")
    };
    // movw r2, #0x2000; movt r2, #0x4002; movw r3, #value; str r3, [r2]; then 16 NOPs, or two loads of constants that
    // lie in one line: ldr r0, [pc] twice.
    let stall = |value: u16, then: &[u16]| {
        let low = 0x0300 | value & 0xff | (value & 0x700) << 4;
        let mut code = vec![0xf242, 0x0200, 0xf2c4, 0x0202, 0xf240, low, 0x6013];
        let before = cycles_on(&machine, &code);
        code.extend(then);
        let after = cycles_on(&machine, &code) - before;
        after.memory - after.rules
    };
    // The store ends in the second halfword of the line at 24; four lines follow, the last half used.
    let nops = [0xbf00; 16];
    assert_eq!(stall(0x405, &nops), 4 * 5, "as the board has it");
    assert_eq!(stall(0x402, &nops), 4 * 2);
    assert_eq!(stall(0x502, &nops), 0, "four cycles a line hide three");
    let loads = [0x4801, 0x4801, 0xbf00, 0xbf00, 0xbf00, 0xbf00];
    let code = |value: u16| stall(value, &loads) - stall(value, &[0xbf00; 6]);
    assert_eq!(code(0x405), 2, "as measured, and half a cycle left over");
    assert_eq!(code(0x402), 2, "two wait states, once");
    assert_eq!(code(0x002), 4, "and for each where no cache is on");
}

#[test]
fn slow_memory_banks_add_their_wait_states() {
    let with = |bank: &str| {
        let timing = MemoryTiming {
            ram_wait_states: vec![(bank.to_owned(), 5)],
            ..MemoryTiming::default()
        };
        let columns = cycles_on(
            &Machine {
                timing,
                ..Machine::generic("cortex-m4f")
            },
            &[0x6808],
        );
        columns.memory - columns.rules
    };
    assert_eq!((with("ram"), with("psram")), (5, 0));
}

#[test]
fn classes_add_up_to_the_whole() {
    let mut emulator = Emulator::new(Machine::generic("cortex-m4f")).unwrap();
    let mut image: Vec<u8> = [RAM + 0x1000, 9]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    for half in [0x2064u16, 0x6809, 0x6011, 0x3801, 0xd1fb, 0xbe00] {
        image.extend(half.to_le_bytes());
    }
    emulator.load(Image::raw(&image, 0).unwrap()).unwrap();
    emulator.set_mode(Mode::Time);
    (emulator.core_mut().r[1], emulator.core_mut().r[2]) = (RAM, RAM + 8);
    emulator.run(10_000);
    let timing = emulator.timing().unwrap();
    let mut sum = Columns::default();
    let mut count = 0;
    for (_, instructions, columns) in timing.by_class() {
        count += instructions;
        sum += columns;
    }
    assert_eq!(
        (sum, count + 1),
        (timing.columns(), emulator.instructions())
    );
    let addresses: u64 = timing.by_address().values().map(|c| c.cycles).sum();
    assert_eq!(addresses, timing.columns().memory);
}

/// How flash is read belongs to the program's state: figures do not depend on what ran before.
#[test]
fn what_a_program_says_of_flash_ends_with_it() {
    const CONTROL: u32 = 0x4002_2000;
    let machine = Machine {
        timing: MemoryTiming {
            flash_wait_states: 5,
            flash_line_bytes: 8,
            controls: vec![FlashControl {
                register: CONTROL,
                reset: 5,
                wait_states: 0xf,
                cycles: 1,
                prefetch: 0,
                instruction_cache: 0,
                data_cache: 0,
            }],
            ..MemoryTiming::default()
        },
        ..Machine::generic("cortex-m4f")
    };
    // 16 NOPs; str r0, [r1]; 16 NOPs.
    let mut code = vec![0xbf00u16; 16];
    code.push(0x6008);
    code.extend([0xbf00; 16]);
    let mut image: Vec<u8> = [RAM + 0x1000, 9].map(u32::to_le_bytes).concat();
    code.iter()
        .for_each(|half| image.extend(half.to_le_bytes()));
    image.extend(0xbe00u16.to_le_bytes());
    let (store, end) = (8 + 32, 8 + 2 * code.len() as u32);

    let mut emulator = Emulator::new(machine).unwrap();
    emulator.load(Image::raw(&image, 0).unwrap()).unwrap();
    emulator.set_mode(Mode::Time);
    let first = |emulator: &mut Emulator| {
        emulator.clear_figures();
        emulator.core_mut().pc = 8;
        emulator.run_until(store, 100);
        emulator.cycles().memory - emulator.cycles().rules
    };
    let before = emulator.snapshot();
    assert_eq!(first(&mut emulator), 4 * 5);
    emulator.core_mut().r[0] = 0;
    emulator.core_mut().r[1] = CONTROL;
    emulator.run_until(end, 100);
    assert_eq!(first(&mut emulator), 0, "it set no wait states");
    let after = emulator.snapshot();

    emulator.restore(&before);
    assert_eq!(first(&mut emulator), 4 * 5);
    emulator.restore(&after);
    assert_eq!(first(&mut emulator), 0);
    emulator.reset().unwrap();
    assert_eq!(first(&mut emulator), 4 * 5);
}

/// As the profile of the STM32L4R5 says, its flash brings 64 bits where it has two banks, 128 where it has one.
#[test]
fn an_access_may_be_fixed_to_bring_more() {
    let stall = |line_bytes: Option<u32>| {
        let machine = Machine {
            timing: MemoryTiming {
                flash_wait_states: 5,
                flash_line_bytes: 8,
                fixed: FlashSetting {
                    line_bytes,
                    ..FlashSetting::default()
                },
                ..MemoryTiming::default()
            },
            ..Machine::generic("cortex-m4f")
        };
        // From 12 on, whose line is there: 16 NOPs up to 44.
        let columns = cycles_on(&machine, &[0xbf00; 16]);
        columns.memory - columns.rules
    };
    assert_eq!((stall(None), stall(Some(16))), (4 * 5, 2 * 5));
}
