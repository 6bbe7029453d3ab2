//! The firmware behind a serial port, in QEMU. Needs qemu-system-arm; scripts/setup installs it.

use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use sim_compiler::{LossSpec, NetworkSpec, Online, Options, Scheme, Training, compile};
use sim_device::firmware::Talk;
use sim_device::{Firmware, Machine, Patience, Qemu, RemoteLearner, uart};
use std::path::{Path, PathBuf};

/// The firmware with a serial port, and the machine that runs it.
fn built() -> (&'static Machine, PathBuf) {
    let machine = Machine::for_core("cortex-m4f").expect("QEMU has one");
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let firmware = Firmware {
        target: machine.target,
        memory: machine.memory,
        talk: Talk::Serial(uart::MPS2),
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("firmware");
    (
        machine,
        firmware.build(&workspace, &folder).expect("it builds"),
    )
}

#[test]
fn a_learner_behind_a_serial_port_gives_the_same_bits() {
    let network: NetworkSpec = toml::from_str(
        r#"layers = [{ dense = { units = 6, activation = "relu" } }, { dense = { units = 3 } }]"#,
    )
    .expect("the network parses");
    let graph = network
        .build(Shape { h: 28, w: 28, c: 1 }, 1)
        .expect("the network builds");
    let options = Options {
        scheme: Scheme::Full,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.05),
        online: Online::default(),
        normalisation: vec![(1.0 / 255.0, 0.0)],
        seed: 7,
    };
    let compiled = compile(&graph, &options).expect("the network compiles");
    let mut memory = vec![0.0f32; compiled.arena_bytes() / 4];
    let mut native =
        Learner::new(compiled.program(), machine::bytes_mut(&mut memory)).expect("it fits");

    let (machine, elf) = built();
    let line = Qemu::start_serial(machine, &elf).expect("QEMU starts");
    let mut device = RemoteLearner::connect(line, Patience::default()).expect("it answers");
    device.load(compiled.image.bytes()).expect("it loads");
    for step in 0..10usize {
        let sample: Vec<u8> = (0..784).map(|i| (i * 7 + step * 31) as u8).collect();
        let ours = native.train(&sample, step % 3, &mut ()).expect("a step");
        let theirs = device.train(&sample, step % 3).expect("a step");
        assert_eq!(theirs.loss.to_bits(), ours.loss.to_bits());
    }
    assert_eq!(device.arena().expect("it is read"), native.arena());
    assert_eq!(device.trouble(), Default::default());
}

#[test]
fn boards_without_a_known_port_are_told_those_with_one() {
    let known = uart::of_board("nowhere").expect_err("there is no such board");
    assert!(known.contains("nano33ble"), "{known}");
    for board in known.split(", ") {
        let uart = uart::of_board(board).expect("it is known");
        // Everything that is written lies where the architecture has peripherals.
        let addresses = uart.setup.iter().map(|write| write.0).chain([uart.base]);
        assert!(addresses.into_iter().all(|at| at >> 29 == 2 && at & 3 == 0));
    }
}

/// The same through an operating system's serial port, which QEMU offers as a pseudoterminal.
#[cfg(all(feature = "embedded", target_os = "linux"))]
#[test]
fn a_serial_port_of_this_computer_leads_there() {
    use sim_device::{Error, Serial};
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    let (machine, elf) = built();
    let mut child = Command::new(machine.emulator)
        .args(["-M", machine.name, "-display", "none", "-monitor", "none"])
        .args(["-serial", "pty", "-kernel"])
        .arg(&elf)
        .stdout(Stdio::piped())
        .spawn()
        .expect("QEMU starts");
    let mut said = String::new();
    let output = child.stdout.take().expect("it is piped");
    BufReader::new(output)
        .read_line(&mut said)
        .expect("QEMU names the port");
    let name = said
        .split_whitespace()
        .find(|word| word.starts_with("/dev/"))
        .expect("a port");
    let port = Serial::open(name, uart::MPS2.baud).expect("it opens");
    let mut device = RemoteLearner::connect(port, Patience::default()).expect("it answers");
    assert_eq!(device.greeting().target, machine.target);
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let gone = device.stack_used();
    assert!(gone.is_err(), "{gone:?}");
    let nowhere = Serial::open("/dev/nowhere", 115_200).map(drop);
    assert!(matches!(nowhere, Err(Error::Serial { .. })), "{nowhere:?}");
}
