//! Whatever bytes come in, the answer is a result: no panic in the decoder, the loader or the run loop.

use sim_emulator::decode::decode;
use sim_emulator::timing::{CORE_NAMES, CoreTable};
use sim_emulator::{Bank, Emulator, Error, Image, Machine, Mode, disassemble};

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

#[test]
fn every_core_decodes_any_bytes() {
    let mut random = Random(7);
    for core in CORE_NAMES {
        let features = CoreTable::builtin(core).unwrap().features;
        for _ in 0..200_000 {
            let word = random.next();
            let (first, second) = (word as u16, (word >> 16) as u16);
            let op = decode(first, second, (word >> 32) as u32 & !1, &features);
            assert!(!disassemble(&op, word as u32).is_empty());
        }
    }
}

#[test]
fn literals_behind_the_last_address_wrap_around() {
    let features = CoreTable::builtin("cortex-m0plus").unwrap().features;
    for (encoding, text) in [(0x48ff, "ldr r0, [0x3f8]"), (0xa0ff, "adr r0, 0x3f8")] {
        let op = decode(encoding, 0, 0xffff_fff8, &features);
        assert_eq!(disassemble(&op, encoding.into()), text);
    }
}

#[test]
fn any_bytes_execute_to_a_stop() {
    let mut random = Random(11);
    for round in 0..200 {
        let core = CORE_NAMES[round % CORE_NAMES.len()];
        let mut image = [0x2000_0800u32, 9].map(u32::to_le_bytes).concat();
        image.extend(random.bytes(2048));
        let mut emulator = small(core, &image).unwrap();
        // The unit is on, so that its instructions run too.
        emulator.set_mode(Mode::Profile);
        for _ in 0..20 {
            let stop = emulator.run(2_000);
            assert!(!stop.to_string().is_empty());
            let pc = 8 + (random.next() as u32 & 0x7fe);
            emulator.set_entry(pc).unwrap();
            for register in 0..13 {
                let near = 0x2000_0000 + (random.next() as u32 & 0xfff);
                emulator.core_mut().r[register] = if random.next() & 1 == 0 {
                    near
                } else {
                    random.next() as u32
                };
            }
        }
    }
}

/// A small ELF file for the target, by hand: header, one segment, vector table and a branch to itself.
fn elf() -> Vec<u8> {
    let mut file = vec![0u8; 52 + 32];
    file[..7].copy_from_slice(&[0x7f, b'E', b'L', b'F', 1, 1, 1]);
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(16, &2u16.to_le_bytes());
    put(18, &40u16.to_le_bytes());
    put(20, &1u32.to_le_bytes());
    put(24, &9u32.to_le_bytes());
    put(28, &52u32.to_le_bytes());
    put(40, &52u16.to_le_bytes());
    put(42, &32u16.to_le_bytes());
    put(44, &1u16.to_le_bytes());
    put(52, &1u32.to_le_bytes());
    put(56, &84u32.to_le_bytes());
    put(68, &10u32.to_le_bytes());
    put(72, &10u32.to_le_bytes());
    put(76, &5u32.to_le_bytes());
    file.extend([0x2000_0800u32, 9].iter().flat_map(|w| w.to_le_bytes()));
    file.extend(0xe7fe_u16.to_le_bytes());
    file
}

fn load(bytes: &[u8]) -> Result<Emulator, Error> {
    small("cortex-m4f", bytes)
}

/// A board with little memory, which is quick to build.
fn small(core: &str, bytes: &[u8]) -> Result<Emulator, Error> {
    let machine = Machine {
        flash: vec![Bank::new("flash", 0, 64 << 10)],
        ram: vec![Bank::new("ram", 0x2000_0000, 16 << 10)],
        ..Machine::generic(core)
    };
    let image = Image::read(bytes, &machine)?;
    let mut emulator = Emulator::new(machine)?;
    emulator.load(image)?;
    Ok(emulator)
}

#[test]
fn the_small_elf_file_runs() {
    let stop = load(&elf()).unwrap().run(1000);
    assert_eq!(
        stop,
        sim_emulator::Stop::InstructionLimit,
        "an endless loop ends at the limit"
    );
}

#[test]
fn a_truncated_elf_file_is_an_error_at_every_length() {
    let whole = elf();
    for length in 4..whole.len() {
        let problem = load(&whole[..length])
            .map(drop)
            .expect_err("truncated")
            .to_string();
        assert!(!problem.is_empty());
    }
}

/// Damages a file at a few places, cuts it, or swaps two of its parts.
fn damage(random: &mut Random, whole: &[u8]) -> Vec<u8> {
    let mut damaged = whole.to_vec();
    for _ in 0..1 + random.next() % 4 {
        let at = random.next() as usize % damaged.len();
        match random.next() % 8 {
            0 => damaged.truncate(at.max(1)),
            1 => {
                let other = random.next() as usize % damaged.len();
                let length = 40.min(damaged.len() - at.max(other));
                for i in 0..length {
                    damaged.swap(at + i, other + i);
                }
            }
            // A size or an offset that is as large as can be.
            2 => damaged.iter_mut().skip(at).take(4).for_each(|b| *b = 0xff),
            _ => damaged[at] = random.next() as u8,
        }
    }
    damaged
}

#[test]
fn damaged_files_of_every_format_never_panic() {
    let mut hex = b":020000040000FA\n".to_vec();
    hex.extend(b":0A0000000008002009000000FEE7E0\n");
    hex.extend(b":00000001FF\n");
    let mut uf2 = vec![0u8; 512];
    let header = [
        0x0a32_4655u32,
        0x9e5d_5157,
        0,
        0,
        256,
        0,
        1,
        0,
        0x2000_0800,
        9,
    ];
    for (place, word) in uf2.chunks_mut(4).zip(header) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    uf2[508..].copy_from_slice(&0x0ab1_6f30u32.to_le_bytes());
    for whole in [&hex, &uf2] {
        assert!(load(whole).is_ok(), "undamaged it is accepted");
    }
    let mut random = Random(17);
    for whole in [hex, uf2, elf()] {
        for _ in 0..2_000 {
            if let Ok(mut emulator) = load(&damage(&mut random, &whole)) {
                emulator.run(100);
            }
        }
    }
}

#[test]
fn an_image_for_another_architecture_is_named() {
    let mut file = elf();
    file[18] = 243;
    let problem = load(&file).map(drop).unwrap_err().to_string();
    assert!(problem.contains("Riscv32"), "{problem}");
}

#[test]
fn an_entry_outside_the_flash_is_named() {
    let mut file = elf();
    // The vector table and the entry point both lead nowhere.
    file[24..28].copy_from_slice(&0x4000_0001u32.to_le_bytes());
    let table = file.len() - 10;
    file[table + 4..table + 8].copy_from_slice(&0x4000_0001u32.to_le_bytes());
    let problem = load(&file).map(drop).unwrap_err().to_string();
    assert!(problem.contains("entry 0x40000001"), "{problem}");
}

#[test]
fn an_image_beyond_the_flash_is_refused() {
    let mut file = elf();
    file[64..68].copy_from_slice(&0x1000_0000u32.to_le_bytes());
    let problem = load(&file).map(drop).unwrap_err().to_string();
    assert!(problem.contains("0x10000000"), "{problem}");
}

/// An ELF file of `count` segments that each hold `size` bytes from its start on.
fn elf_of_segments(count: u16, size: u32, address: impl Fn(u32) -> u32) -> Vec<u8> {
    let mut file = elf();
    let vectors = file.split_off(84);
    let segment = file.split_off(52);
    file[44..46].copy_from_slice(&count.to_le_bytes());
    for i in 0..count.into() {
        let mut segment = segment.clone();
        segment[4..8].copy_from_slice(&0u32.to_le_bytes());
        segment[12..16].copy_from_slice(&address(i).to_le_bytes());
        segment[16..20].copy_from_slice(&size.to_le_bytes());
        file.extend(segment);
    }
    file.extend(vectors);
    file
}

#[test]
fn segments_that_share_bytes_cannot_multiply_a_file() {
    // 20,000 segments of all its 640,000 bytes would take 12 gigabytes.
    let file = elf_of_segments(20_000, 600_000, |_| 0);
    let problem = load(&file).map(drop).unwrap_err().to_string();
    assert!(problem.contains("overlap"), "{problem}");
}

#[test]
fn scattered_bytes_beside_the_memories_are_not_all_taken_for_configuration() {
    let scattered = |count| load(&elf_of_segments(count, 1, |i| 0x1000_0000 + 2 * i)).map(drop);
    let problem = scattered(20_000).unwrap_err().to_string();
    assert!(problem.contains("0x10000080"), "{problem}");
    scattered(10).expect("a few are");
}
