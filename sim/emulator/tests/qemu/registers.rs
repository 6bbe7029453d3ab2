//! What a program reads of SysTick, of pending interrupts and of exceptions, here and in QEMU: a fixed program notes words, of
//! times only what is true at any speed.

use super::image::{Assembler, Board, Program, emit_end, emit_start};

/// Registers that hold these addresses while the program runs.
const SYSTICK: (u32, u32) = (4, 0xe000_e000);
const SYSTEM: (u32, u32) = (5, 0xe000_ed00);
const INTERRUPTS: (u32, u32) = (7, 0xe000_e200);
const NOTES: u32 = 6;

const CONTROL: u32 = 0x10;
const RELOAD: u32 = 0x14;
const VALUE: u32 = 0x18;
const ICSR: u32 = 4;
const SET_PENDING: u32 = 0;

/// Words that it notes.
pub const NOTED: usize = 21;

/// Emits accesses of registers and notes of what they gave, in r0.
struct Notes<'a>(&'a mut Assembler);

impl Notes<'_> {
    fn set(&mut self, base: (u32, u32), offset: u32, value: u32) {
        self.0.constant(0, value);
        self.0.store(0, base.0, offset);
    }
    fn get(&mut self, base: (u32, u32), offset: u32) {
        self.0.load(0, base.0, offset);
    }
    fn note(&mut self) {
        self.0.store(0, NOTES, 0);
        self.0.h(0x3604);
    }
    fn masked(&mut self, mask: u32) {
        self.0.constant(1, mask);
        self.0.h(0x4008); // ands r0, r1
    }
    /// Makes 1 of r0 where it is not zero.
    fn truth(&mut self) {
        self.0.h(0x1e41); // subs r1, r0, #1
        self.0.h(0x4188); // sbcs r0, r1
    }
    /// Notes a register, or some of its bits.
    fn noted(&mut self, base: (u32, u32), offset: u32, mask: u32) {
        self.get(base, offset);
        self.masked(mask);
        self.note();
    }
    fn spin(&mut self) {
        self.0.constant(2, 20_000);
        self.0.h(0x3a01); // subs r2, #1
        self.0.h(0xd1fd); // bne
    }
    /// Reads a register until one of its bits is set, and leaves what it read.
    fn poll(&mut self, base: (u32, u32), offset: u32, bit: u32) {
        self.0.constant(1, bit);
        self.get(base, offset);
        self.0.h(0x4208); // tst r0, r1
        self.0.h(0xd0fc); // beq
    }
}

/// The program for a board.
pub fn program(board: &Board) -> Program {
    let mut asm = Assembler {
        base: board.flash + 8,
        code: Vec::new(),
    };
    emit_start(&mut asm, board, board.flash);
    for (register, address) in [SYSTICK, SYSTEM, INTERRUPTS, (NOTES, board.scratch())] {
        asm.constant(register, address);
    }
    // QEMU says of the baseline too whether the active exception is the only one, which its register has no bit for.
    let all = if board.mainline { u32::MAX } else { !(1 << 11) };
    let mut p = Notes(&mut asm);
    // Registers as they are written, while it is stopped; the value can only be cleared.
    p.set(SYSTICK, CONTROL, 4);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.set(SYSTICK, RELOAD, 0xab12_3456);
    p.noted(SYSTICK, RELOAD, u32::MAX);
    p.set(SYSTICK, VALUE, 5);
    p.noted(SYSTICK, VALUE, u32::MAX);
    // It counts down from the reload value, stands still while stopped, and goes on from there.
    p.set(SYSTICK, CONTROL, 5);
    p.spin();
    p.set(SYSTICK, CONTROL, 4);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.get(SYSTICK, VALUE);
    p.0.mov(8, 0);
    p.truth();
    p.note();
    p.spin();
    p.get(SYSTICK, VALUE);
    p.0.mov(1, 8);
    p.0.h(0x1a40); // subs r0, r0, r1
    p.note();
    p.set(SYSTICK, CONTROL, 5);
    p.spin();
    p.get(SYSTICK, VALUE);
    p.0.mov(1, 8);
    p.0.h(0x1a08); // subs r0, r1, r0
    p.0.h(0x2000); // movs r0, #0
    p.0.h(0x4140); // adcs r0, r0
    p.note();
    // At zero it says so once, and starts over.
    p.set(SYSTICK, CONTROL, 4);
    p.set(SYSTICK, RELOAD, 99);
    p.set(SYSTICK, VALUE, 0);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.set(SYSTICK, CONTROL, 5);
    p.poll(SYSTICK, CONTROL, 1 << 16);
    p.note();
    p.spin();
    p.set(SYSTICK, CONTROL, 4);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    // A write of the value clears what it said, and makes nothing pending.
    p.set(SYSTICK, CONTROL, 5);
    p.spin();
    p.set(SYSTICK, CONTROL, 4);
    p.set(SYSTICK, VALUE, 7);
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.noted(SYSTICK, VALUE, u32::MAX);
    p.noted(SYSTEM, ICSR, 1 << 26);
    // Masked, its interrupt stays pending until it is cleared.
    p.0.h(0xb672); // cpsid i
    p.set(SYSTICK, CONTROL, 7);
    p.poll(SYSTEM, ICSR, 1 << 26);
    p.set(SYSTICK, CONTROL, 4);
    p.noted(SYSTEM, ICSR, 1 << 26 | 0x1f_f000);
    p.set(SYSTEM, ICSR, 1 << 25);
    p.noted(SYSTEM, ICSR, 1 << 26 | 0x1f_f000);
    // With nothing to reload it does not count.
    p.set(SYSTICK, RELOAD, 0);
    p.set(SYSTICK, VALUE, 0);
    p.set(SYSTICK, CONTROL, 5);
    p.spin();
    p.noted(SYSTICK, CONTROL, u32::MAX);
    p.noted(SYSTICK, VALUE, u32::MAX);
    p.set(SYSTICK, CONTROL, 4);
    // An interrupt is pending though it is not enabled, and PendSV as another exception.
    p.set(INTERRUPTS, SET_PENDING, 1 << 3);
    p.noted(SYSTEM, ICSR, all);
    p.set(SYSTEM, ICSR, 1 << 28);
    p.noted(SYSTEM, ICSR, all);
    p.set(SYSTEM, ICSR, 1 << 27);
    p.0.constant(INTERRUPTS.0, 0xe000_e280);
    p.set(INTERRUPTS, 0, 1 << 3);
    p.noted(SYSTEM, ICSR, all);
    emit_end(&mut asm, board);
    let mut bytes: Vec<u8> = [board.stack(), (board.flash + 8) | 1]
        .map(u32::to_le_bytes)
        .concat();
    bytes.extend(asm.code.iter().flat_map(|h| h.to_le_bytes()));
    Program::fixed(bytes)
}
