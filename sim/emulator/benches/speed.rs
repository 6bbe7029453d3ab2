//! Instructions a second, here and in the referees: QEMU, and PyPI unicorn with a hook that counts.
//!
//! `cargo bench -p sim-emulator`. All run the same program one after the other, and what counts is the
//! processor's time, so that other work on the machine changes little. A referee that is not installed is left
//! out, and named. The best of three runs counts.

use std::process::{Command, Stdio};
use std::time::Instant;

use sim_emulator::{Emulator, Image, Machine, Mode, Stop};

const ITERATIONS: u32 = 12_500_000;
const PER_ITERATION: u64 = 8;

/// Integer arithmetic, a load and a store in a loop; then the program exits.
fn integer_loop() -> Vec<u8> {
    let mut image: Vec<u8> = [0x2000_1000u32, 9]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    let code: [u16; 14] = [
        0x4c06, // ldr r4, =iterations
        0x4d07, // ldr r5, =RAM
        0x1900, // loop: adds r0, r0, r4
        0x4041, // eors r1, r0
        0x08ca, // lsrs r2, r1, #3
        0x682b, // ldr r3, [r5]
        0x189b, // adds r3, r3, r2
        0x602b, // str r3, [r5]
        0x3c01, // subs r4, #1
        0xd1f7, // bne loop
        0x2018, // movs r0, #0x18
        0x4903, // ldr r1, =exit
        0xbeab, // bkpt 0xab
        0xbf00,
    ];
    image.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    for word in [ITERATIONS, 0x2000_0000, 0x2_0026] {
        image.extend(word.to_le_bytes());
    }
    image
}

/// `y += a·x` over 64 elements, as the training kernels do, again and again; ends at the instruction limit.
fn float_loop() -> Vec<u8> {
    let mut image: Vec<u8> = [0x2000_1000u32, 9]
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    let code: [u16; 25] = [
        0x480c, 0x4a0d, 0x6002, // CPACR
        0x4b0d, 0x4c0d, // outer: r3 = x, r4 = y
        0x2240, // movs r2, #64
        0xed93, 0x0a00, // inner: vldr s0, [r3]
        0xedd4, 0x0a00, // vldr s1, [r4]
        0xee20, 0x0a01, // vmul.f32 s0, s0, s2
        0xee70, 0x0a80, // vadd.f32 s1, s1, s0
        0xedc4, 0x0a00, // vstr s1, [r4]
        0x3304, 0x3404, // adds r3, #4; adds r4, #4
        0x3a01, // subs r2, #1
        0xd1f1, // bne inner
        0xe7ed, // b outer
        0xbf00, 0xbf00, 0xbf00, 0xbf00,
    ];
    image.extend(code.iter().flat_map(|h| h.to_le_bytes()));
    image.extend(0xbf00u16.to_le_bytes());
    for word in [0xe000_ed88u32, 0xf << 20, 0x2000_0000, 0x2000_0400] {
        image.extend(word.to_le_bytes());
    }
    image
}

/// Seconds that this process (`false`), or the processes it has waited for (`true`), have computed; without
/// Linux's `/proc` the time that has passed.
struct Stopwatch {
    started: Instant,
    computed: Option<f64>,
    children: bool,
}

impl Stopwatch {
    fn start(children: bool) -> Self {
        Stopwatch {
            started: Instant::now(),
            computed: computed(children),
            children,
        }
    }

    fn seconds(&self) -> f64 {
        match (self.computed, computed(self.children)) {
            // The kernel counts hundredths.
            (Some(before), Some(now)) => (now - before).max(0.01),
            _ => self.started.elapsed().as_secs_f64(),
        }
    }
}

/// User and system time of proc_pid_stat(5), fields 14 and 15, or 16 and 17 for children.
fn computed(children: bool) -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold spaces; what follows begins with field 3.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let first = if children { 13 } else { 11 };
    let ticks: u64 = fields
        .get(first..first + 2)?
        .iter()
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    Some(ticks as f64 / TICKS_A_SECOND)
}

fn best(mut run: impl FnMut() -> Option<f64>) -> Option<f64> {
    (0..3).filter_map(|_| run()).reduce(f64::max)
}

fn ours(image: &[u8], mode: Mode, limit: u64) -> Option<f64> {
    best(|| {
        let machine = Machine::generic("cortex-m4f");
        let image = Image::read(image, &machine).ok()?;
        let mut emulator = Emulator::new(machine).ok()?;
        emulator.load(image).ok()?;
        emulator.set_mode(mode);
        emulator.core_mut().s[2] = 1.0001f32.to_bits();
        let watch = Stopwatch::start(false);
        let stop = emulator.run(limit);
        let seconds = watch.seconds();
        assert!(
            matches!(stop, Stop::Exit(0) | Stop::InstructionLimit),
            "{stop}"
        );
        Some(emulator.instructions() as f64 / seconds / 1e6)
    })
}

fn outside(command: &mut Command) -> Option<f64> {
    best(|| {
        let watch = Stopwatch::start(true);
        let status = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .ok()?;
        let seconds = watch.seconds();
        status
            .success()
            .then(|| f64::from(ITERATIONS) * PER_ITERATION as f64 / seconds / 1e6)
    })
}

fn report(name: &str, rate: Option<f64>) {
    match rate {
        Some(rate) => println!("{name:<52} {rate:>8.1} million instructions a second of computing"),
        None => println!("{name:<52} not installed"),
    }
}

fn main() {
    let image = integer_loop();
    report(
        "integer loop, counting instructions",
        ours(&image, Mode::Count, u64::MAX),
    );
    report(
        "integer loop, counting cycles",
        ours(&image, Mode::Time, u64::MAX),
    );
    report(
        "integer loop, profiling",
        ours(&image, Mode::Profile, u64::MAX),
    );
    let float = float_loop();
    report(
        "float loop, counting instructions",
        ours(&float, Mode::Count, 100_000_000),
    );
    report(
        "float loop, counting cycles",
        ours(&float, Mode::Time, 100_000_000),
    );

    let path = std::env::temp_dir().join(format!("sim-emulator-speed-{}.bin", std::process::id()));
    if let Err(problem) = std::fs::write(&path, &image) {
        eprintln!("{} cannot be written: {problem}", path.display());
        return;
    }
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args([
        "-M",
        "mps2-an386",
        "-nographic",
        "-monitor",
        "none",
        "-serial",
        "none",
    ])
    .args(["-semihosting-config", "enable=on,target=native", "-kernel"])
    .arg(&path);
    report(
        "integer loop, QEMU with start-up, counting nothing",
        outside(&mut qemu),
    );
    qemu.args(["-icount", "shift=0"]);
    report(
        "integer loop, QEMU with start-up, -icount",
        outside(&mut qemu),
    );
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/unicorn_speed.py");
    let unicorn = best(|| {
        let output = Command::new("python3")
            .arg(script)
            .arg(&path)
            .output()
            .ok()?;
        let rate: f64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
        output.status.success().then_some(rate / 1e6)
    });
    report("integer loop, unicorn with a counting hook", unicorn);
    let _ = std::fs::remove_file(&path);
}
