//! The floats of cores without a floating-point unit: the firmware's own machine code, run in the emulator on
//! operands of every kind, gives the bits that this machine's floating-point unit gives. So do its division, where a core
//! has none, and its copying and clearing of memory.
//!
//! `SIM_SOFT_FLOATS` sets how many pairs of operands each function is given (by default 200,000).

use runtime_shared::kernels::rng::Rng;
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine};
use sim_emulator::{Bank, Emulator, Image, Mode, Stop};
use std::path::Path;

/// Whose instructions the code is written in.
const SMALLEST: &str = "cortex-m0plus";
/// Instructions that one call may take.
const LIMIT: u64 = 2_000;

/// What registers hold that a call must leave alone.
const CANARY: u32 = 0x5eed_0000;

/// An emulated core with the firmware in it.
struct Floats {
    emulator: Emulator,
}

impl Floats {
    fn new(core: &str, mode: Mode) -> Self {
        let machine = Machine::for_core(core).expect("QEMU has a machine with this core");
        let firmware = Firmware {
            target: machine.target,
            memory: machine.memory,
            talk: Talk::Semihosting,
        };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
        let elf = firmware
            .build(&workspace, &folder)
            .unwrap_or_else(|e| panic!("{e}"));
        let bytes = std::fs::read(&elf).expect("the firmware can be read");
        let m = machine.memory;
        let mut emulator = Emulator::new(sim_emulator::Machine {
            flash: vec![Bank::new("flash", m.flash_origin, m.flash_bytes)],
            ram: vec![Bank::new("ram", m.ram_origin, m.ram_bytes)],
            ..sim_emulator::Machine::generic(machine.core)
        })
        .expect("the machine is sound");
        emulator.set_mode(mode);
        let image = Image::elf(&bytes).expect("the firmware is an ELF file");
        emulator.load(image).expect("the firmware fits");
        Self { emulator }
    }

    fn address(&self, function: &str) -> u32 {
        let symbols = &self.emulator.image().expect("it is loaded").symbols;
        let symbol = symbols
            .named(function)
            .unwrap_or_else(|| panic!("the firmware has no {function}"));
        symbol.address
    }

    /// The result of one call, and its cycles by the core's table and rules.
    fn call(&mut self, address: u32, arguments: &[u32]) -> (u32, u64) {
        let before = self.emulator.cycles().rules;
        let saved = |core: &mut [u32; 16]| -> [u32; 8] { std::array::from_fn(|i| core[4 + i]) };
        for (i, register) in self.emulator.core_mut().r[4..12].iter_mut().enumerate() {
            *register = CANARY + i as u32;
        }
        let kept = saved(&mut self.emulator.core_mut().r);
        let stack = self.emulator.core().r[13] & !7;
        let stop = self.emulator.call(address, arguments, LIMIT);
        assert!(
            matches!(stop, Ok(Stop::Returned)),
            "{arguments:08x?}: {stop:?}"
        );
        let core = self.emulator.core_mut();
        assert_eq!(
            (saved(&mut core.r), core.r[13]),
            (kept, stack),
            "registers of the caller changed for {arguments:08x?}"
        );
        (core.r[0], self.emulator.cycles().rules - before)
    }
}

/// A mantissa of few runs of equal bits, where rounding is decided far below.
fn runs(rng: &mut Rng) -> u32 {
    let mut mantissa = 0;
    for _ in 0..=rng.below(2) {
        let (high, low) = (rng.below(24), rng.below(24));
        mantissa ^= (1u32 << high).wrapping_sub(1 << low);
    }
    mantissa & 0x7f_ffff
}

/// Bits of floats: any, of everyday size, next to powers of two, small whole numbers, subnormal, special, and for a second
/// operand those near the first, where most of a difference is lost.
fn draw(rng: &mut Rng, other: u32) -> u32 {
    let mantissas = [0, 1, 0x7f_ffff, 0x40_0000, 0x3f_ffff, 0x40_0001];
    let mantissa = |rng: &mut Rng| match rng.below(4) {
        0 => mantissas[rng.below(6) as usize],
        1 => 1 << rng.below(23),
        _ => rng.below(1 << 23),
    };
    let sign = rng.below(2) << 31;
    match rng.below(11) {
        0 => rng.next_u32(),
        1 | 2 => sign | (100 + rng.below(54)) << 23 | rng.below(1 << 23),
        3 => sign | rng.below(256) << 23 | mantissa(rng),
        4 => (rng.below(2_000) as f32 - 1_000.0).to_bits(),
        5 => sign | mantissa(rng),
        6 => sign | [0, 0x7f80_0000, 0x7fc0_0000, 0x7f7f_ffff, 1, 0x80_0000][rng.below(6) as usize],
        7 => (other ^ sign).wrapping_add(rng.below(9)).wrapping_sub(4),
        8 | 9 => {
            let near = (other >> 23 & 0xff) as i32 + rng.below(61) as i32 - 30;
            sign | (near.clamp(0, 255) as u32) << 23 | runs(rng)
        }
        _ => {
            let near = (other >> 23 & 0xff) as i32 + rng.below(59) as i32 - 29;
            sign | (near.clamp(0, 255) as u32) << 23 | mantissa(rng)
        }
    }
}

fn count() -> usize {
    let set = std::env::var("SIM_SOFT_FLOATS").ok();
    set.map_or(200_000, |n| n.parse().expect("SIM_SOFT_FLOATS is a number"))
}

/// Any NaN is as good as another, for a result: only whether one is there is the same on all machines.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

#[test]
fn arithmetic_is_ieee_754_to_the_bit() {
    let mut floats = Floats::new(SMALLEST, Mode::Count);
    type Operation = (&'static str, fn(f32, f32) -> f32);
    let operations: [Operation; 5] = [
        ("__aeabi_fadd", |a, b| a + b),
        ("__aeabi_fsub", |a, b| a - b),
        ("__aeabi_fmul", |a, b| a * b),
        ("__aeabi_fdiv", |a, b| a / b),
        ("__sim_fsqrt", |a, _| a.sqrt()),
    ];
    for (seed, (name, native)) in operations.into_iter().enumerate() {
        let address = floats.address(name);
        let mut rng = Rng::new(seed as u64 + 1);
        for _ in 0..count() {
            let a = draw(&mut rng, 0);
            let b = draw(&mut rng, a);
            let (bits, _) = floats.call(address, &[a, b]);
            let (ours, theirs) = (
                f32::from_bits(bits),
                native(f32::from_bits(a), f32::from_bits(b)),
            );
            assert!(
                same(ours, theirs),
                "{name}({a:#010x}, {b:#010x}): {bits:#010x} instead of {:#010x}",
                theirs.to_bits()
            );
            if ours.is_nan() {
                // A signalling NaN would be another value to the next operation.
                const QUIET: u32 = 0x40_0000;
                let operands = if name == "__sim_fsqrt" {
                    [a, a]
                } else {
                    [a, b]
                };
                let magnitude = |x: u32| x << 1;
                let mut given = operands
                    .iter()
                    .filter(|x| f32::from_bits(**x).is_nan())
                    .peekable();
                let expected = if given.peek().is_some() {
                    given.any(|nan| magnitude(nan | QUIET) == magnitude(bits))
                } else {
                    bits == 0x7fc0_0000
                };
                assert!(expected, "{name}({a:#010x}, {b:#010x}): {bits:#010x}");
            }
        }
    }
}

#[test]
fn comparisons_know_zeros_and_nan() {
    let mut floats = Floats::new(SMALLEST, Mode::Count);
    type Comparison = (&'static str, fn(f32, f32) -> bool);
    let comparisons: [Comparison; 6] = [
        ("__aeabi_fcmplt", |a, b| a < b),
        ("__aeabi_fcmple", |a, b| a <= b),
        ("__aeabi_fcmpgt", |a, b| a > b),
        ("__aeabi_fcmpge", |a, b| a >= b),
        ("__aeabi_fcmpeq", |a, b| a == b),
        ("__aeabi_fcmpun", |a, b| a.is_nan() || b.is_nan()),
    ];
    for (seed, (name, native)) in comparisons.into_iter().enumerate() {
        let address = floats.address(name);
        let mut rng = Rng::new(seed as u64 + 1);
        for _ in 0..count() / 4 {
            let a = draw(&mut rng, 0);
            let b = draw(&mut rng, a);
            let (result, _) = floats.call(address, &[a, b]);
            assert_eq!(
                result,
                u32::from(native(f32::from_bits(a), f32::from_bits(b))),
                "{name}({a:#010x}, {b:#010x})"
            );
        }
    }
}

#[test]
fn conversions_round_to_nearest_and_towards_zero() {
    let mut floats = Floats::new(SMALLEST, Mode::Count);
    let [to_float, to_float_unsigned, to_int] =
        ["__aeabi_i2f", "__aeabi_ui2f", "__aeabi_f2iz"].map(|name| floats.address(name));
    let mut rng = Rng::new(1);
    for _ in 0..count() / 4 {
        // Of every length.
        let n = rng.next_u32() >> rng.below(32);
        let n = if rng.below(4) == 0 {
            n.wrapping_neg()
        } else {
            n
        };
        let signed = floats.call(to_float, &[n]).0;
        assert_eq!(
            signed,
            (n as i32 as f32).to_bits(),
            "{n:#010x} with its sign"
        );
        let unsigned = floats.call(to_float_unsigned, &[n]).0;
        assert_eq!(unsigned, (n as f32).to_bits(), "{n:#010x}");
        let x = f32::from_bits(draw(&mut rng, signed));
        assert_eq!(
            floats.call(to_int, &[x.to_bits()]).0,
            (x as i32) as u32,
            "{x:e}"
        );
    }
}

#[test]
fn division_has_a_quotient_and_a_rest() {
    let mut floats = Floats::new(SMALLEST, Mode::Count);
    let address = floats.address("__aeabi_uidivmod");
    let mut rng = Rng::new(1);
    for _ in 0..count() / 4 {
        let n = rng.next_u32() >> rng.below(32);
        let d = (rng.next_u32() >> rng.below(32)).max(1);
        let quotient = floats.call(address, &[n, d]).0;
        let rest = floats.emulator.core().r[1];
        assert_eq!((quotient, rest), (n / d, n % d), "{n} / {d}");
    }
}

/// On the smallest core and on one that may load words from anywhere.
#[test]
fn memory_is_copied_and_cleared_and_nothing_beside_it() {
    const BYTES: usize = 96;
    for core in [SMALLEST, "cortex-m4f"] {
        let mut floats = Floats::new(core, Mode::Count);
        let [copy, clear, copy_words, clear_words] = [
            "__aeabi_memcpy",
            "__aeabi_memclr",
            "__aeabi_memcpy4",
            "__aeabi_memclr4",
        ]
        .map(|name| floats.address(name));
        let base = floats.emulator.core().r[13] + 4096;
        let mut rng = Rng::new(1);
        for _ in 0..20_000 {
            let fresh: Vec<u8> = (0..2 * BYTES).map(|_| rng.below(256) as u8 | 1).collect();
            let mut expected = fresh.clone();
            let place =
                |rng: &mut Rng, bytes: usize| rng.below((BYTES - bytes) as u32 + 1) as usize;
            let bytes = rng.below(BYTES as u32 + 1) as usize;
            let (mut from, mut to) = (place(&mut rng, bytes), BYTES + place(&mut rng, bytes));
            let (mut copy, mut clear) = (copy, clear);
            if rng.below(2) == 0 {
                (from, to) = (from & !3, to & !3);
                if rng.below(2) == 0 {
                    (copy, clear) = (copy_words, clear_words);
                }
            }
            for i in [2, 3, 12] {
                floats.emulator.core_mut().r[i] = rng.next_u32();
            }
            floats.emulator.write(base, &fresh).expect("there is RAM");
            let at = |offset: usize| base + offset as u32;
            if rng.below(2) == 0 {
                floats.call(copy, &[at(to), at(from), bytes as u32]);
                expected.copy_within(from..from + bytes, to);
            } else {
                floats.call(clear, &[at(to), bytes as u32]);
                expected[to..to + bytes].fill(0);
            }
            let mut found = vec![0; 2 * BYTES];
            floats
                .emulator
                .read(base, &mut found)
                .expect("there is RAM");
            assert_eq!(found, expected, "{core}: {bytes} bytes from {from} to {to}");
        }
    }
}

/// Numbers as a training has them, between 2⁻⁸ and 2⁸: what an operation takes hardly depends on them, which is what lets
/// a training step's cycles be told beforehand.
#[test]
fn everyday_operands_take_about_the_same_time() {
    let mut floats = Floats::new(SMALLEST, Mode::Time);
    for (name, widest) in [
        ("__aeabi_fadd", 0.35),
        ("__aeabi_fmul", 0.05),
        ("__aeabi_fdiv", 0.02),
        ("__sim_fsqrt", 0.05),
        ("__aeabi_fcmplt", 0.05),
    ] {
        let address = floats.address(name);
        let mut rng = Rng::new(1);
        let mut everyday = || (119 + rng.below(16)) << 23 | rng.below(1 << 23) | rng.below(2) << 31;
        let times: Vec<f64> = (0..10_000)
            .map(|_| {
                let (a, b) = (everyday(), everyday());
                let a = if name == "__sim_fsqrt" {
                    a & !(1 << 31)
                } else {
                    a
                };
                floats.call(address, &[a, b]).1 as f64
            })
            .collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let spread =
            (times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / times.len() as f64).sqrt();
        println!("{name}: {mean:.1} cycles, standard deviation {spread:.1}");
        assert!(spread / mean < widest, "{name}: {mean} ± {spread} cycles");
    }
}
