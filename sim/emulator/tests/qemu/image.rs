//! Random programs with the little run time that loads and saves states.

use std::collections::BTreeMap;

use super::patterns::{Needs, PATTERNS, Pattern, Rule};
use super::random::Random;

/// A board of QEMU's, and what its core can do.
#[derive(Clone)]
pub struct Board {
    pub core: &'static str,
    pub qemu: &'static str,
    pub flash: u32,
    pub flash_size: u32,
    pub ram: u32,
    pub ram_size: u32,
    pub mainline: bool,
    pub dsp: bool,
    pub fpu: bool,
    pub double: bool,
    pub v8m: bool,
}

impl Board {
    /// Words of a saved state.
    pub fn state_words(&self) -> usize {
        if self.fpu { 14 + 33 } else { 14 }
    }

    /// Names of a saved state's words, in order.
    pub fn state_names(&self) -> Vec<String> {
        let mut names = vec!["apsr".to_owned()];
        names.extend((8..13).chain(0..8).map(|r| format!("r{r}")));
        if self.fpu {
            names.extend((0..32).map(|s| format!("s{s}")));
            names.push("fpscr".to_owned());
        }
        names
    }

    /// Half the bytes that loads and stores may reach around a base register.
    fn reach(&self) -> u32 {
        if self.mainline { 12 << 10 } else { 2 << 10 }
    }

    fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Baseline => true,
            Needs::Mainline => self.mainline,
            Needs::Dsp => self.dsp,
            Needs::Fpu => self.fpu,
            Needs::Fpv5 => self.double || self.fpu && self.v8m,
            Needs::Double => self.double,
            Needs::V8m => self.v8m,
        }
    }

    // Layout of RAM: variables, stack, then what loads and stores use.
    fn variables(&self) -> u32 {
        self.ram
    }
    fn buffer(&self) -> u32 {
        self.ram + 0x40
    }
    pub fn stack(&self) -> u32 {
        self.ram + 0x800
    }
    pub fn scratch(&self) -> u32 {
        self.ram + 0x1000
    }
}

const BLOCK: u32 = 16;

/// A random program, with what is needed to explain a difference.
pub struct Program {
    pub bytes: Vec<u8>,
    pub instructions: u64,
    /// Address and halfwords of each block's instructions.
    pub listing: Vec<Vec<(u32, u16, u16)>>,
    /// Each block's state before.
    pub states: Vec<BTreeMap<String, u32>>,
}

/// Emits halfwords.
pub struct Assembler {
    pub base: u32,
    pub code: Vec<u16>,
}

impl Assembler {
    fn here(&self) -> u32 {
        self.base + 2 * self.code.len() as u32
    }
    pub fn h(&mut self, halfword: u32) {
        self.code.push(halfword as u16);
    }
    fn w(&mut self, wide: u32) {
        self.h(wide >> 16);
        self.h(wide & 0xffff);
    }
    /// Loads a constant with 16-bit instructions only; changes flags.
    pub fn constant(&mut self, register: u32, value: u32) {
        self.h(0x2000 | register << 8 | value >> 24);
        for shift in [16, 8, 0] {
            self.h(0x0200 | register << 3 | register);
            self.h(0x3000 | register << 8 | value >> shift & 0xff);
        }
    }
    pub fn load(&mut self, t: u32, n: u32, offset: u32) {
        self.h(0x6800 | (offset / 4) << 6 | n << 3 | t);
    }
    pub fn store(&mut self, t: u32, n: u32, offset: u32) {
        self.h(0x6000 | (offset / 4) << 6 | n << 3 | t);
    }
    pub fn mov(&mut self, d: u32, m: u32) {
        self.h(0x4600 | (d & 8) << 4 | m << 3 | d & 7);
    }
    fn bl(&mut self, target: u32) {
        let offset = target.wrapping_sub(self.here() + 4);
        let sign = offset >> 24 & 1;
        let (j1, j2) = (!(offset >> 23 ^ sign) & 1, !(offset >> 22 ^ sign) & 1);
        self.w(0xf000_d000
            | sign << 26
            | (offset >> 12 & 0x3ff) << 16
            | j1 << 13
            | j2 << 11
            | offset >> 1 & 0x7ff);
    }
    fn semihosting(&mut self, call: u32, parameters: u32) {
        self.constant(1, parameters);
        self.h(0x2000 | call);
        self.h(0xbeab);
    }
}

impl Program {
    /// A program that draws nothing and is its own explanation.
    pub fn fixed(bytes: Vec<u8>) -> Program {
        Program {
            bytes,
            instructions: 0,
            listing: Vec::new(),
            states: Vec::new(),
        }
    }

    pub fn random(board: &Board, seed: u64, at_most: u64) -> Program {
        let mut random = Random::new(seed);
        let mut asm = Assembler {
            base: board.flash + 8,
            code: Vec::new(),
        };
        let load_state = asm.here();
        emit_load_state(&mut asm, board);
        let save_state = asm.here();
        emit_save_state(&mut asm, board);
        let reset = asm.here();

        // Everything that must be known of the data's place comes before it in flash: reserve by size.
        let state_bytes = 4 * (board.state_words() as u32);
        let per_block = 4 * 2 * BLOCK + 64 + state_bytes;
        let fitting = (board.flash_size.min(1 << 20) - 0x800) / per_block;
        let blocks = fitting.min((at_most.div_ceil(u64::from(BLOCK))) as u32 + 1);
        let data = board.flash + board.flash_size.min(1 << 20) - blocks * state_bytes;

        emit_start(&mut asm, board, data);
        let mut program = Program {
            bytes: Vec::new(),
            instructions: 0,
            listing: Vec::new(),
            states: Vec::new(),
        };
        let mut words: Vec<u32> = Vec::new();
        for _ in 0..blocks {
            asm.bl(load_state);
            let (values, named) = random_state(board, &mut random);
            words.extend(values);
            program.states.push(named);
            program
                .listing
                .push(random_block(&mut asm, board, &mut random));
            program.instructions += u64::from(BLOCK);
            asm.bl(save_state);
        }
        emit_end(&mut asm, board);

        let mut bytes: Vec<u8> = [board.stack(), reset | 1]
            .iter()
            .flat_map(|w| w.to_le_bytes())
            .collect();
        bytes.extend(asm.code.iter().flat_map(|h| h.to_le_bytes()));
        let data_offset = (data - board.flash) as usize;
        assert!(
            bytes.len() <= data_offset,
            "code of {} bytes overlaps data at {data_offset}",
            bytes.len()
        );
        bytes.resize(data_offset, 0);
        bytes.extend(words.iter().flat_map(|w| w.to_le_bytes()));
        program.bytes = bytes;
        program
    }
}

/// Words in the order that `load_state` reads them, and by name.
fn random_state(board: &Board, random: &mut Random) -> (Vec<u32>, BTreeMap<String, u32>) {
    let mut words = Vec::new();
    let mut named = BTreeMap::new();
    if board.fpu {
        for i in 0..32 {
            let double = board.double && i % 2 == 1 && random.chance(50);
            let value = if double {
                random.double_high()
            } else {
                random.single()
            };
            let value = if random.chance(5) {
                random.integer()
            } else {
                value
            };
            words.push(value);
            named.insert(format!("s{i}"), value);
        }
        let fpscr = random.fpscr();
        words.push(fpscr);
        named.insert("fpscr".to_owned(), fpscr);
    }
    let apsr = random.word() & 0xf800_0000;
    words.push(apsr);
    named.insert("apsr".to_owned(), apsr);
    let middle = board.scratch() + board.reach();
    for r in 0..13 {
        let value = match r {
            5 => 4 * random.below(64),
            6 | 9 => middle + 4 * random.below(16),
            7 | 10 if board.mainline => middle + random.below(64),
            7 | 10 => middle + 4 * random.below(16),
            _ => random.integer(),
        };
        words.push(value);
        named.insert(format!("r{r}"), value);
    }
    (words, named)
}

/// `next` in RAM points to the data; registers are loaded without changing the flags again.
fn emit_load_state(asm: &mut Assembler, board: &Board) {
    asm.constant(0, board.stack());
    asm.mov(13, 0);
    asm.constant(3, board.variables());
    asm.load(0, 3, 0);
    if board.fpu {
        asm.w(0xecb0_0a20); // vldmia r0!, {s0-s31}
        asm.load(1, 0, 0);
        asm.w(0xeee1_1a10); // vmsr fpscr, r1
        asm.h(0x3004);
    }
    asm.mov(2, 0);
    asm.h(0x3200 | (14 * 4));
    asm.store(2, 3, 0);
    asm.load(1, 0, 0);
    asm.w(0xf381_8800); // msr apsr_nzcvq, r1
    for r in 8..13 {
        asm.load(1, 0, 4 + 4 * r);
        asm.mov(r, 1);
    }
    for r in (1..8).chain([0]) {
        asm.load(r, 0, 4 + 4 * r);
    }
    asm.h(0x4770);
}

/// Writes the state to the buffer and the buffer to the file.
fn emit_save_state(asm: &mut Assembler, board: &Board) {
    // The stack may have moved; what follows needs it in its place.
    asm.h(0xb5ff); // push {r0-r7, lr}
    asm.w(0xf3ef_8000); // mrs r0, apsr
    asm.constant(1, board.buffer());
    asm.store(0, 1, 0);
    for r in 8..13 {
        asm.mov(2, r);
        asm.store(2, 1, 4 * (r - 7));
    }
    for r in 0..8 {
        asm.h(0x9a00 | r); // ldr r2, [sp, #4r]
        asm.store(2, 1, 24 + 4 * r);
    }
    if board.fpu {
        asm.mov(3, 1);
        asm.h(0x3300 | 56);
        asm.w(0xeca3_0a20); // vstmia r3!, {s0-s31}
        asm.w(0xeef1_2a10); // vmrs r2, fpscr
        asm.store(2, 3, 0);
    }
    asm.semihosting(5, board.variables() + 8);
    asm.h(0xbdff); // pop {r0-r7, pc}
}

/// Enables the unit, fills memory, opens the file.
pub fn emit_start(asm: &mut Assembler, board: &Board, data: u32) {
    if board.fpu {
        asm.constant(0, 0xe000_ed88);
        asm.constant(1, 0x00f0_0000);
        asm.store(1, 0, 0);
        asm.w(0xf3bf_8f4f);
        asm.w(0xf3bf_8f6f);
    }
    // Memory from the stack to the end of what may be reached: a linear congruential sequence.
    asm.constant(0, board.ram + 0x200);
    asm.constant(1, board.scratch() + 2 * board.reach());
    asm.constant(2, 12345);
    asm.constant(3, 1_664_525);
    let repeat = asm.here();
    asm.h(0x435a); // muls r2, r3
    asm.h(0x3263);
    asm.h(0xc004); // stmia r0!, {r2}
    asm.h(0x4288); // cmp r0, r1
    let back = repeat.wrapping_sub(asm.here() + 4);
    asm.h(0xd300 | back >> 1 & 0xff); // bcc repeat
    // The name, then parameters of SYS_OPEN, then those of SYS_WRITE.
    asm.constant(4, board.variables());
    for (offset, word) in [
        (0x20, u32::from_le_bytes(*b"out.")),
        (0x24, u32::from_le_bytes(*b"bin\0")),
    ] {
        asm.constant(0, word);
        asm.store(0, 4, offset);
    }
    let name = board.variables() + 0x20;
    for (offset, word) in [(0, data), (0x10, name), (0x14, 5), (0x18, 7)] {
        asm.constant(0, word);
        asm.store(0, 4, offset);
    }
    asm.semihosting(1, board.variables() + 0x10);
    asm.constant(4, board.variables());
    asm.store(0, 4, 8);
    for (offset, word) in [
        (0xc, board.buffer()),
        (0x10, 4 * board.state_words() as u32),
    ] {
        asm.constant(0, word);
        asm.store(0, 4, offset);
    }
}

/// Appends the memory and ends.
pub fn emit_end(asm: &mut Assembler, board: &Board) {
    asm.constant(4, board.variables());
    for (offset, word) in [(0xc, board.scratch()), (0x10, 2 * board.reach())] {
        asm.constant(0, word);
        asm.store(0, 4, offset);
    }
    asm.semihosting(5, board.variables() + 8);
    asm.semihosting(2, board.variables() + 8);
    asm.constant(1, 0x2_0026);
    asm.h(0x2018);
    asm.h(0xbeab);
}

/// Emits a block; some instructions are conditional, and some are jumped over.
fn random_block(asm: &mut Assembler, board: &Board, random: &mut Random) -> Vec<(u32, u16, u16)> {
    let mut listing = Vec::new();
    let usable: Vec<&Pattern> = PATTERNS.iter().filter(|p| board.has(p.needs)).collect();
    let mut starts = Vec::new();
    let mut left = BLOCK;
    while left > 0 {
        let draw = |asm: &mut Assembler, random: &mut Random, starts: &mut Vec<usize>| {
            starts.push(asm.code.len());
            let pattern = if board.fpu && random.chance(30) {
                let float: Vec<_> = usable
                    .iter()
                    .filter(|p| !matches!(p.needs, Needs::Baseline | Needs::Mainline | Needs::Dsp))
                    .collect();
                **random.pick(&float.iter().collect::<Vec<_>>())
            } else {
                random.pick(&usable)
            };
            emit(asm, pattern, random);
        };
        if board.mainline && left > 5 && random.chance(6) {
            // An IT block of one to four instructions.
            starts.push(asm.code.len());
            let condition = random.below(14);
            let count = 1 + random.below(4);
            let mask = (random.below(16) << 1 | 1) << (4 - count) & 15;
            asm.h(0xbf00 | condition << 4 | mask);
            for _ in 0..count {
                draw(asm, random, &mut starts);
            }
            left -= 1 + count;
        } else if left > 2 && random.chance(5) {
            // A conditional branch over one instruction, or compare and branch.
            let at = asm.code.len();
            starts.push(at);
            asm.h(0);
            draw(asm, random, &mut starts);
            let skipped = (asm.code.len() - at - 2) as u32;
            asm.code[at] = if board.mainline && random.chance(40) {
                (0xb100 | random.below(2) << 11 | skipped << 3 | random.below(8)) as u16
            } else {
                (0xd000 | random.below(14) << 8 | skipped) as u16
            };
            left -= 2;
        } else {
            draw(asm, random, &mut starts);
            left -= 1;
        }
    }
    let base = asm.base;
    for start in starts {
        let second = asm.code.get(start + 1).copied().unwrap_or(0);
        listing.push((base + 2 * start as u32, asm.code[start], second));
    }
    listing
}

/// Draws the fields of a pattern until its rules hold, and emits it.
fn emit(asm: &mut Assembler, pattern: &Pattern, random: &mut Random) {
    loop {
        let mut fields: BTreeMap<char, u32> = BTreeMap::new();
        let mut widths: BTreeMap<char, u32> = BTreeMap::new();
        for c in pattern.bits.chars().filter(|c| !matches!(c, '0' | '1')) {
            *widths.entry(c).or_default() += 1;
        }
        let stores = widths.contains_key(&'b') || widths.contains_key(&'B');
        for (&letter, &width) in &widths {
            let full = 1u32 << width;
            let value = match letter {
                'd' | 'h' if width == 3 => random.below(5),
                'd' | 'h' => random.pick(&[0, 1, 2, 3, 4, 8, 11, 12]),
                // What is stored must not be a base: write-back of it would be unpredictable.
                's' | 't' if width == 4 && stores => random.pick(&[0, 1, 2, 3, 4, 5, 8, 11, 12]),
                's' | 't' | 'u' if width == 4 => random.below(13),
                'b' if width == 3 => 7,
                'b' => random.pick(&[7, 10]),
                'B' if width == 3 => 6,
                'B' => random.pick(&[6, 9]),
                'o' if width == 1 => random.below(2),
                'o' => 5,
                'r' | 'q' | 'z' => 1 + random.below(full - 1),
                _ => random.below(full),
            };
            fields.insert(letter, value);
        }
        if pattern.rule == Rule::Twice {
            fields.insert('u', fields[&'s']);
        }
        let get = |c| fields.get(&c).copied();
        let rules_hold = match pattern.rule {
            Rule::Extract => get('l').zip(get('w')).is_none_or(|(l, w)| l + w <= 31),
            Rule::Insert => get('l').zip(get('w')).is_none_or(|(l, w)| l <= w),
            _ => true,
        };
        let distinct = get('h').is_none_or(|h| get('d') != Some(h));
        let many = get('r').is_none_or(|r| pattern.bits.len() == 16 || r.count_ones() >= 2);
        if !(rules_hold && distinct && many) {
            continue;
        }
        let mut word = 0u32;
        let mut used: BTreeMap<char, u32> = BTreeMap::new();
        for c in pattern.bits.chars() {
            let bit = match c {
                '0' => 0,
                '1' => 1,
                letter => {
                    let position = used.entry(letter).or_default();
                    *position += 1;
                    fields[&letter] >> (widths[&letter] - *position) & 1
                }
            };
            word = word << 1 | bit;
        }
        if pattern.bits.len() == 16 {
            asm.h(word)
        } else {
            asm.w(word)
        }
        return;
    }
}
