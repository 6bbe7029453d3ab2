//! The path to a board, flashing aside: the firmware in the emulator, reached through its RTT block in RAM
//! as a probe reaches a chip's.

mod block;
mod mishap;
mod support;

use runtime_protocol::Clock;
use runtime_protocol::synthetic::Samples;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::Field;
use sim_device::probe::{Flashing, Status};
use sim_device::{Error, Patience, Probe, RemoteLearner, Rtt};
use std::time::Duration;
use support::{board, compiled, erased, image, launched};

/// A learner over RTT learns what one in this process learns, to the bit, and its cycles are counted.
#[test]
fn a_learner_behind_a_probe_gives_the_same_bits() {
    let compiled = compiled();
    let program = compiled.program();
    let mut memory = vec![0.0f32; compiled.arena_bytes() / 4];
    let mut native = Learner::new(program, machine::bytes_mut(&mut memory)).expect("it fits");

    let mut device =
        RemoteLearner::connect(launched(erased()), Patience::default()).expect("it answers");
    assert_eq!(device.greeting().target, support::TARGET);
    assert_eq!(device.greeting().clock, Clock::Dwt);
    device.load(compiled.image.bytes()).expect("it loads");
    device.count_cycles(true).expect("it counts");
    let mut samples = Samples::new(5, 128);
    let mut sample = vec![0; program.size(Field::SampleBytes)];
    let mut cycles = 0;
    for _ in 0..8 {
        let label = samples.draw(&mut sample, 3) as usize;
        let ours = native.learn(&sample, label, &mut ()).expect("a step");
        let theirs = device.learn(&sample, label).expect("a step");
        assert_eq!(theirs.loss.to_bits(), ours.loss.to_bits());
        cycles += u64::from(theirs.cycles);
    }
    assert_eq!(device.arena().expect("it is read"), native.arena());
    for (index, theirs) in device
        .parameters()
        .expect("they are read")
        .iter()
        .enumerate()
    {
        assert_eq!(native.parameter_bytes(index), Some(theirs.as_slice()));
    }
    let by_call: u64 = device
        .profile()
        .expect("it is read")
        .iter()
        .map(|call| call.entry.cycles)
        .sum();
    assert!(0 < by_call && by_call < cycles, "{by_call} of {cycles}");
    assert_eq!(device.trouble(), Default::default());
}

/// A host that comes later finds the block by looking through RAM, and the device answers it.
#[test]
fn a_running_firmware_is_found_without_its_symbols() {
    let mut probe = erased();
    probe.flash(&image(), &mut |_| {}).expect("it is flashed");
    probe.reset().expect("it starts");
    let rtt = Rtt::attach(probe, None, &board(), Duration::from_secs(60)).expect("it is found");
    let mut device = RemoteLearner::connect(rtt, Patience::default()).expect("it answers");
    device.load(compiled().image.bytes()).expect("it loads");
    device.infer(&[1; 16]).expect("it predicts");
}

#[test]
fn flashing_is_reported_and_erased_flash_does_not_run() {
    let mut probe = erased();
    assert_eq!(probe.status().expect("a status"), Status::Halted);
    let image = image();
    let bytes: u64 = image.segments.iter().map(|s| s.bytes.len() as u64).sum();
    let mut told = Vec::new();
    probe
        .flash(&image, &mut |event| told.push(event))
        .expect("it is flashed");
    assert_eq!(told.first(), Some(&Flashing::Size(bytes)));
    let written: u64 = told
        .iter()
        .map(|event| match event {
            Flashing::Written(bytes) => *bytes,
            Flashing::Size(_) => 0,
        })
        .sum();
    assert_eq!(written, bytes);
    assert_eq!(probe.status().expect("a status"), Status::Halted);
}

#[test]
fn no_firmware_no_block() {
    let attached = Rtt::attach(erased(), None, &board(), Duration::ZERO).map(drop);
    assert!(
        matches!(&attached, Err(Error::NoControlBlock { state, .. }) if !state.is_empty()),
        "{attached:?}"
    );
}
