//! Instructions of a training step: our emulator counts what QEMU's `-icount` counts.
//!
//! `-icount shift=0` lets every instruction take one nanosecond. SysTick of the mps2 machines counts at 25 MHz,
//! or 20 MHz on the AN505, so that a step is exact to 40, or 50, instructions. The firmware reads SysTick around
//! every step on either side: these machines have no cycle counter, and here it is left out too.
//!
//! Needs qemu-system-arm and rustc's bare-metal targets; scripts/setup installs them.

use runtime_protocol::Job;
use runtime_shared::kernels::Shape;
use sim_compiler::{
    Compiled, LossSpec, NetworkSpec, Online, Optimiser, Options, Scheme, Training, compile,
};
use sim_device::firmware::Talk;
use sim_device::{Emulated, Firmware, Machine, Patience, Qemu, RemoteLearner, Transport};
use sim_emulator::{Bank, Mode};
use std::path::Path;
use std::time::Duration;

/// 784-32-10, as every test of the bits.
const MLP: &str =
    r#"layers = [{ dense = { units = 32, activation = "relu" } }, { dense = { units = 10 } }]"#;
/// Share of bytes that are not background, in 256ths.
const DENSITY: u8 = 50;
const SEED: u64 = 42;

fn compiled() -> Compiled {
    let spec: NetworkSpec = toml::from_str(MLP).expect("the network parses");
    let graph = spec
        .build(Shape { h: 28, w: 28, c: 1 }, 1)
        .expect("the network builds");
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training {
            optimiser: Optimiser::Sgd,
            ..Training::sgd(0.001)
        },
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    };
    compile(&graph, &options).expect("the network compiles")
}

/// Ticks of the device's clock for so many training steps.
fn ticks<T: Transport>(device: &mut RemoteLearner<T>, image: &[u8], steps: u32) -> u64 {
    device.load(image).expect("the device takes the image");
    let patience = Duration::from_secs(600);
    let summary = device.synthetic(Job::Train, SEED, steps, DENSITY, patience);
    summary.expect("the device trains").cycles
}

/// Counts on either side, with QEMU's resolution.
fn check(core: &str, resolution: u64) {
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
    let compiled = compiled();
    let image = compiled.image.bytes();

    let arguments = ["-icount", "shift=0"];
    let qemu = Qemu::start_with(machine, &elf, &arguments).unwrap_or_else(|e| panic!("{e}"));
    let mut qemu = RemoteLearner::connect(qemu, Patience::default()).expect("QEMU answers");

    let memory = machine.memory;
    let here = sim_emulator::Machine {
        flash: vec![Bank::new("flash", memory.flash_origin, memory.flash_bytes)],
        ram: vec![Bank::new("ram", memory.ram_origin, memory.ram_bytes)],
        cycle_counter: false,
        ..sim_emulator::Machine::generic(machine.core)
    };
    let bytes = std::fs::read(&elf).expect("the firmware can be read");
    let here = Emulated::start(here, &bytes, Mode::Count).unwrap_or_else(|e| panic!("{e}"));
    let mut here = RemoteLearner::connect(here, Patience::default()).expect("the emulator answers");

    for steps in [1, 3] {
        let ours = ticks(&mut here, image, steps);
        let theirs = ticks(&mut qemu, image, steps) * resolution;
        println!("{core}, {steps} steps: {ours} instructions here, {theirs} in QEMU");
        assert!(
            ours.abs_diff(theirs) <= u64::from(steps) * resolution,
            "{core}, {steps} steps: {ours} instructions here, {theirs} in QEMU"
        );
    }
}

#[test]
fn cortex_m0plus() {
    check("cortex-m0plus", 40);
}

#[test]
fn cortex_m3() {
    check("cortex-m3", 40);
}

#[test]
fn cortex_m4f() {
    check("cortex-m4f", 40);
}

#[test]
fn cortex_m33() {
    check("cortex-m33", 50);
}
