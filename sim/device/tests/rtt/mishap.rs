//! What goes wrong on a desk: a cable that is pulled, a core that hangs, another chip, a bit that flips.

use crate::support::{CORE, MEMORY, board, compiled, erased, image, launched, machine};
use sim_device::probe::{EmulatedProbe, Flashing, Status};
use sim_device::{Error, Patience, Probe, RemoteLearner, Rtt};
use sim_emulator::{Image, Mode};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// A probe that can be pulled out, and whose reads of long stretches can be damaged.
struct Cable<P> {
    probe: P,
    mishap: Rc<Mishap>,
}

#[derive(Default)]
struct Mishap {
    unplugged: Cell<bool>,
    /// So many reads of eight bytes or more, other than of offsets, arrive with a bit flipped.
    flips: Cell<u32>,
    /// So many writes of eight bytes or more do.
    flipped_writes: Cell<u32>,
}

impl Mishap {
    fn check(&self) -> Result<(), Error> {
        if self.unplugged.get() {
            return Err(Error::Probe {
                doing: "read memory",
                why: "the USB device has gone".to_owned(),
            });
        }
        Ok(())
    }
}

fn spend(count: &Cell<u32>) -> bool {
    let left = count.get();
    count.set(left.saturating_sub(1));
    left > 0
}

impl<P: Probe> Probe for Cable<P> {
    fn read(&mut self, address: u32, into: &mut [u8]) -> Result<(), Error> {
        self.mishap.check()?;
        self.probe.read(address, into)?;
        // Offsets are read eight bytes at a time; data comes in longer frames.
        if into.len() > 8 && spend(&self.mishap.flips) {
            into[4] ^= 0x10;
        }
        Ok(())
    }

    fn write(&mut self, address: u32, bytes: &[u8]) -> Result<(), Error> {
        self.mishap.check()?;
        let mut bytes = bytes.to_vec();
        if bytes.len() > 4 && spend(&self.mishap.flipped_writes) {
            bytes[3] ^= 0x40;
        }
        self.probe.write(address, &bytes)
    }

    fn halt(&mut self) -> Result<u32, Error> {
        self.mishap.check()?;
        self.probe.halt()
    }

    fn resume(&mut self) -> Result<(), Error> {
        self.mishap.check()?;
        self.probe.resume()
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.mishap.check()?;
        self.probe.reset()
    }

    fn status(&mut self) -> Result<Status, Error> {
        self.mishap.check()?;
        self.probe.status()
    }

    fn flash(&mut self, image: &Image, report: &mut dyn FnMut(Flashing)) -> Result<(), Error> {
        self.mishap.check()?;
        self.probe.flash(image, report)
    }

    fn pause(&mut self) {
        self.probe.pause();
    }
}

type Device = RemoteLearner<Rtt<Cable<EmulatedProbe>>>;

/// A device with a Program loaded, and what can happen to its cable.
fn device(patience: Patience) -> (Device, Rc<Mishap>) {
    let mishap = Rc::new(Mishap::default());
    let cable = Cable {
        probe: erased(),
        mishap: Rc::clone(&mishap),
    };
    let mut device = RemoteLearner::connect(launched(cable), patience).expect("it answers");
    device.load(compiled().image.bytes()).expect("it loads");
    (device, mishap)
}

/// As long as a stuck device is waited for here.
const SHORT: Patience = Patience {
    answer: Duration::from_millis(50),
    attempts: 2,
};

#[test]
fn a_cable_that_is_pulled_is_named() {
    let (mut device, mishap) = device(Patience::default());
    device.train(&[9; 16], 1).expect("a step");
    mishap.unplugged.set(true);
    let step = device.train(&[9; 16], 1);
    assert!(matches!(step, Err(Error::Probe { .. })), "{step:?}");
    let said = step.map(drop).unwrap_err().to_string();
    assert!(
        said.contains("USB device has gone") && said.contains("cable"),
        "{said}"
    );
}

#[test]
fn a_halted_core_is_waited_for_and_named() {
    let (mut device, _) = device(Patience::default());
    // What the device owes is asked for in vain.
    let rtt = device.transport();
    rtt.probe().halt().expect("it halts");
    rtt.patience = SHORT.answer;
    device.set_patience(SHORT);
    let said = device.stack_used().map(drop).unwrap_err().to_string();
    assert!(
        said.contains("did not answer") && said.contains("halted") && said.contains("reset"),
        "{said}"
    );
    device.transport().probe().resume().expect("it goes on");
    device.set_patience(Patience::default());
    device.stack_used().expect("it answers again");
}

#[test]
fn an_endless_loop_is_waited_for_and_its_place_is_named() {
    let (mut device, _) = device(Patience::default());
    // B . where the firmware stands: it never reads its ring again.
    let probe = device.transport().probe();
    let pc = probe.halt().expect("it halts");
    probe.write(pc, &[0xfe, 0xe7]).expect("flash is written");
    probe.resume().expect("it goes on");
    device.transport().patience = SHORT.answer;
    device.set_patience(SHORT);
    let said = device.stack_used().map(drop).unwrap_err().to_string();
    assert!(
        said.contains("did not answer") && said.contains(&format!("runs, at {pc:#010x}, in `")),
        "{said}"
    );
}

#[test]
fn a_request_that_nobody_takes_out_of_a_full_ring_is_given_up() {
    use sim_device::Transport;
    let (mut device, _) = device(Patience::default());
    let rtt = device.transport();
    rtt.probe().halt().expect("it halts");
    rtt.patience = SHORT.answer;
    let sent = rtt.send(&[1; 4096]);
    assert!(matches!(sent, Err(Error::Silent { .. })), "{sent:?}");
}

#[test]
fn another_chip_is_refused_before_anything_is_written() {
    for other in ["cortex-m0plus", "cortex-m3", "cortex-m33", "cortex-m7"] {
        let probe = EmulatedProbe::new(machine(other), Mode::Count).expect("there is such a core");
        let mishap = Rc::new(Mishap::default());
        let mut cable = Cable { probe, mishap };
        let patience = Duration::ZERO;
        let mut flashed = false;
        let started = Rtt::start(&mut cable, image(), &board(), patience, &mut |_| {
            flashed = true
        });
        let refused = started.map(drop);
        assert!(matches!(refused, Err(Error::Chip { .. })), "{refused:?}");
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(CORE) && said.contains(other), "{said}");
        let mut start = [0; 8];
        cable.read(MEMORY.flash_origin, &mut start).expect("flash");
        assert!(!flashed && start == [0xff; 8]);
    }
}

#[test]
fn firmware_for_another_memory_map_is_not_flashed() {
    let mut small = machine(CORE);
    small.flash[0].size = 1 << 10;
    let probe = EmulatedProbe::new(small, Mode::Count).expect("there is such a core");
    let started = Rtt::start(probe, image(), &board(), Duration::ZERO, &mut |_| {}).map(drop);
    assert!(matches!(started, Err(Error::Flash { .. })), "{started:?}");
}

#[test]
fn firmware_that_faults_is_named() {
    let (mut device, _) = device(Patience::default());
    // UDF #0 where the firmware stands: the emulator ends there.
    let probe = device.transport().probe();
    let pc = probe.halt().expect("it halts");
    probe.write(pc, &[0x00, 0xde]).expect("flash is written");
    probe.resume().expect("it goes on");
    device.transport().patience = SHORT.answer;
    device.set_patience(SHORT);
    let said = device.stack_used().map(drop).unwrap_err().to_string();
    assert!(
        said.contains("cannot go on") && said.contains("is not an instruction"),
        "{said}"
    );
}

/// Frames that are damaged in the rings, either way, are asked for again; nothing is learnt twice.
#[test]
fn damaged_frames_are_refused_and_the_link_recovers() {
    let (mut sound, _) = device(Patience::default());
    let (mut shaken, mishap) = device(Patience::default());
    for step in 0..6u8 {
        let sample = [step; 16];
        sound.learn(&sample, usize::from(step % 3)).expect("a step");
        mishap.flips.set(u32::from(step % 2));
        mishap.flipped_writes.set(u32::from(step % 3));
        shaken
            .learn(&sample, usize::from(step % 3))
            .expect("a step");
    }
    assert_eq!(
        (mishap.flips.get(), mishap.flipped_writes.get()),
        (0, 0),
        "not all the damage was done"
    );
    assert!(shaken.trouble().repeats >= 5, "{:?}", shaken.trouble());
    assert!(shaken.trouble().refused > 0 && shaken.trouble().damaged > 0);
    assert_eq!(
        sound.arena().expect("it is read"),
        shaken.arena().expect("it is read")
    );
    let weights =
        |device: &mut Device| -> Vec<Vec<u8>> { device.parameters().expect("they are read") };
    assert_eq!(weights(&mut sound), weights(&mut shaken));
}

/// A link that damages everything ends with a sentence, not with a wrong answer.
#[test]
fn a_link_that_damages_everything_is_given_up() {
    let (mut device, mishap) = device(Patience::default());
    mishap.flips.set(u32::MAX);
    device.set_patience(Patience {
        answer: Duration::from_secs(60),
        attempts: 3,
    });
    let digest = device.digest();
    assert!(
        matches!(digest, Err(Error::Damaged { attempts: 3 })),
        "{digest:?}"
    );
}
