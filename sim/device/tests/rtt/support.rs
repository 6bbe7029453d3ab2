//! A small Cortex-M4F board, the firmware for it, and a network that it learns with.

use runtime_shared::kernels::Shape;
use sim_compiler::{
    Compiled, LossSpec, NetworkSpec, Online, Options, PolicySpec, Scheme, Training, compile,
};
use sim_device::firmware::Talk;
use sim_device::probe::EmulatedProbe;
use sim_device::rtt::Board;
use sim_device::{Firmware, MOST_WRITES, Memory, Probe, Rtt};
use sim_emulator::{Bank, Image, Machine, Mode};
use std::path::Path;
use std::time::Duration;

pub const CORE: &str = "cortex-m4f";
pub const TARGET: &str = "thumbv7em-none-eabihf";

/// The memories of an nRF52840.
pub const MEMORY: Memory = Memory {
    flash_origin: 0,
    flash_bytes: 1 << 20,
    program_origin: 128 << 10,
    ram_origin: 0x2000_0000,
    ram_bytes: 256 << 10,
    stack_bytes: 8 << 10,
    setup: [None; MOST_WRITES],
};

pub fn board() -> Board {
    Board {
        core: CORE.to_owned(),
        ram: std::iter::once(MEMORY.ram_origin..MEMORY.ram_origin + MEMORY.ram_bytes).collect(),
    }
}

/// The firmware with RTT, for [`MEMORY`].
pub fn image() -> Image {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let firmware = Firmware {
        target: TARGET,
        memory: MEMORY,
        talk: Talk::Rtt,
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    let elf = firmware.build(&workspace, &folder).expect("it builds");
    Image::elf(&std::fs::read(elf).expect("it was built")).expect("it is an ELF file")
}

/// The board with nothing in its flash.
pub fn erased() -> EmulatedProbe {
    EmulatedProbe::new(machine(CORE), Mode::Time).expect("there is such a core")
}

pub fn machine(core: &str) -> Machine {
    Machine {
        flash: vec![Bank::new("flash", MEMORY.flash_origin, MEMORY.flash_bytes)],
        ram: vec![Bank::new("ram", MEMORY.ram_origin, MEMORY.ram_bytes)],
        ..Machine::generic(core)
    }
}

/// The firmware, flashed and started by `probe`.
pub fn launched<P: Probe>(probe: P) -> Rtt<P> {
    // The time that an emulated start takes depends on the computer: never this long.
    Rtt::start(
        probe,
        image(),
        &board(),
        Duration::from_secs(60),
        &mut |_| {},
    )
    .expect("it starts")
}

/// A small network that learns from a replay buffer.
pub fn compiled() -> Compiled {
    let network =
        r#"layers = [{ dense = { units = 6, activation = "relu" } }, { dense = { units = 3 } }]"#;
    let spec: NetworkSpec = toml::from_str(network).expect("the network parses");
    let graph = spec
        .build(Shape { h: 4, w: 4, c: 1 }, 1)
        .expect("the network builds");
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.05),
        online: Online {
            policy: PolicySpec::Reservoir,
            slots: 5,
            draw: 3,
            ..Online::default()
        },
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 7,
    };
    compile(&graph, &options).expect("the network compiles")
}
