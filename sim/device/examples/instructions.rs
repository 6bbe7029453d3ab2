//! Instructions that a training step takes, as QEMU counts them: a referee for cost models and emulators.
//!
//! ```text
//! cargo run --release -p sim-device --example instructions -- cortex-m4f firmware.elf network.toml sgd
//! ```
//!
//! `-icount shift=0` lets every instruction take one nanosecond; SysTick of the mps2 boards counts at
//! 25 MHz, so a count here is exact to 40 instructions.

use runtime_protocol::Job;
use runtime_shared::kernels::Shape;
use sim_compiler::{LossSpec, NetworkSpec, Online, Optimiser, Options, Scheme, Training, compile};
use sim_device::{Machine, Patience, Qemu, RemoteLearner};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// Nanoseconds, and so instructions, a tick of SysTick.
const INSTRUCTIONS_A_TICK: u64 = 40;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [core, elf, network, optimiser] = arguments.as_slice() else {
        return Err(
            "Give a core, the firmware's ELF file, a network's TOML file and an optimiser.".into(),
        );
    };
    let machine = Machine::for_core(core).ok_or("QEMU has no machine with this core.")?;
    let spec: NetworkSpec = toml::from_str(&std::fs::read_to_string(network)?)?;
    let optimiser: Optimiser = match optimiser.as_str() {
        "momentum" => Optimiser::Momentum { momentum: 0.9 },
        "adam" => Optimiser::Adam {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
        },
        _ => Optimiser::Sgd,
    };
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training {
            optimiser,
            ..Training::sgd(0.001)
        },
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 1,
    };
    let compiled = compile(&spec.build(Shape { h: 28, w: 28, c: 1 }, 1)?, &options)?;
    let qemu = Qemu::start_with(machine, Path::new(elf), &["-icount", "shift=0"])?;
    let mut device = RemoteLearner::connect(qemu, Patience::default())?;
    device.load(compiled.image.bytes())?;
    device.count_cycles(true)?;
    let steps = 10;
    let patience = Duration::from_secs(600);
    let summary = device.synthetic(Job::Train, 42, steps, 50, patience)?;
    let each = |ticks: u64| ticks * INSTRUCTIONS_A_TICK / u64::from(steps);
    for call in device.profile()?.iter().filter(|call| call.entry.runs > 0) {
        let layer = compiled.layer(call.list, call.call);
        println!(
            "{:>12}  {:?} {:>2}  {layer}",
            each(call.entry.cycles),
            call.list,
            call.call
        );
    }
    println!(
        "{:>12}  a step; {} bytes of stack",
        each(summary.cycles),
        device.stack_used()?
    );
    Ok(())
}
