//! The protocol under damage: whatever happens on the way, a request is carried out exactly once or the
//! host is told that it was not.

use proptest::prelude::*;
use runtime_protocol::synthetic::Samples;
use runtime_protocol::{Job, Refused, Request, frame};
use runtime_shared::kernels::Shape;
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use runtime_shared::program::Field;
use runtime_shared::rng::Rng;
use sim_compiler::{
    Compiled, LossSpec, NetworkSpec, Online, Options, PolicySpec, Scheme, Training, compile,
};
use sim_device::link::Link;
use sim_device::{Error, Loopback, Patience, RemoteLearner, Transport};
use std::time::Duration;

const POOL: usize = 64 << 10;

fn program() -> Compiled {
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

fn impatient() -> Patience {
    Patience {
        answer: Duration::from_millis(20),
        attempts: 60,
    }
}

/// Damages what passes.
type Mischief = Box<dyn FnMut(&mut Vec<u8>) + Send>;

/// Flips a bit, drops a byte, doubles one, or loses the whole transfer, now and then.
fn mischief(seed: u64, percent: u32) -> Mischief {
    let mut rng = Rng::new(seed);
    Box::new(move |bytes| {
        if bytes.is_empty() || rng.below(100) >= percent {
            return;
        }
        let at = rng.below(bytes.len() as u32) as usize;
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, bytes[at]),
            3 => bytes.truncate(at),
            _ => bytes.clear(),
        }
    })
}

/// Learns ten samples over a link and natively; both must end the same.
fn learns_alike(seed: u64, percent: u32) {
    let compiled = program();
    let program = compiled.program();
    let mut memory = vec![0.0f32; compiled.arena_bytes() / 4];
    let mut native = Learner::new(program, machine::bytes_mut(&mut memory)).expect("it fits");

    let mut device =
        RemoteLearner::connect(Loopback::start(POOL, Vec::new()), impatient()).expect("it answers");
    device.transport().outward = Some(mischief(seed, percent));
    device.transport().inward = Some(mischief(seed ^ 1, percent));
    device.step_patience = Duration::ZERO;
    device.load(compiled.image.bytes()).expect("it loads");
    let mut samples = Samples::new(seed, 128);
    let mut sample = vec![0; program.size(Field::SampleBytes)];
    for _ in 0..10 {
        let label = samples.draw(&mut sample, 3) as usize;
        let ours = native.learn(&sample, label, &mut ()).expect("a step");
        let theirs = device.learn(&sample, label).expect("a step");
        assert_eq!(
            (theirs.prediction, theirs.replayed),
            (ours.prediction, ours.replayed)
        );
        assert_eq!(theirs.loss.to_bits(), ours.loss.to_bits());
    }
    assert_eq!(device.arena().expect("it is read"), native.arena());
    assert_eq!(device.state().expect("it is read"), native.state());
    if percent == 0 {
        assert_eq!(device.trouble(), Default::default());
    } else {
        assert!(
            device.trouble().repeats > 0,
            "nothing was damaged: {:?}",
            device.trouble()
        );
    }
}

#[test]
fn a_sound_link_learns_alike() {
    learns_alike(1, 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn a_bad_link_learns_alike(seed: u64) {
        learns_alike(seed, 20);
    }
}

proptest! {
    #[test]
    fn a_frame_survives_the_envelope(sequence: u8, data in prop::collection::vec(any::<u8>(), 0..1024)) {
        use runtime_protocol::Area;
        let request = Request::Write { area: Area::Image, at: 77, bytes: &data };
        let (mut scratch, mut out) = ([0; frame::RAW_BYTES], [0; frame::FRAME_BYTES]);
        let len = frame::seal(sequence, &request, &mut scratch, &mut out).expect("it fits");
        prop_assert_eq!(out[..len].iter().position(|&b| b == 0), Some(len - 1));
        let (theirs, message) = frame::open(&mut out[..len - 1]).expect("it is sound");
        prop_assert_eq!(theirs, sequence);
        prop_assert_eq!(frame::parse::<Request<'_>>(message), Some(request));
    }

    /// CRC-32 finds every burst of up to 32 bits (and shifts, as a changed length byte makes, all but one in 2³²).
    #[test]
    fn a_changed_byte_is_found(data in prop::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index, flip in 1u8..) {
        use runtime_protocol::Area;
        let request = Request::Write { area: Area::Sample, at: 0, bytes: &data };
        let (mut scratch, mut out) = ([0; frame::RAW_BYTES], [0; frame::FRAME_BYTES]);
        let len = frame::seal(9, &request, &mut scratch, &mut out).expect("it fits");
        let at = at.index(len - 1);
        out[at] ^= flip;
        let opened = frame::open(&mut out[..len - 1]).map(|(s, m)| (s, m.to_vec()));
        prop_assert_eq!(opened, None);
    }

    /// Whatever arrives, the device neither panics nor falls silent.
    #[test]
    fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..4000)) {
        let mut transport = Loopback::start(POOL, Vec::new());
        transport.send(&noise).expect("it is there");
        transport.send(&[0]).expect("it is there");
        let device = RemoteLearner::connect(transport, Patience { answer: Duration::from_secs(2), attempts: 60 });
        prop_assert!(device.is_ok(), "{:?}", device.err());
    }

    /// Images with damage are refused by the device's own check, past the host's.
    #[test]
    fn a_damaged_image_is_refused(at: prop::sample::Index, flip in 1u8..) {
        use runtime_protocol::{Area, Source};
        let mut image = program().image.bytes().to_vec();
        let at = at.index(image.len());
        image[at] ^= flip;
        let mut link = Link::new(Loopback::start(POOL, Vec::new()), Patience::default());
        link.ask(&Request::Hello, Duration::ZERO).expect("it answers");
        link.ask(&Request::Load { bytes: image.len() as u32 }, Duration::ZERO).expect("there is room");
        for (i, bytes) in image.chunks(512).enumerate() {
            let write = Request::Write { area: Area::Image, at: 512 * i as u32, bytes };
            link.ask(&write, Duration::ZERO).expect("it is written");
        }
        let refused = link.ask(&Request::Start(Source::Ram), Duration::ZERO).map(drop);
        prop_assert!(matches!(refused, Err(Error::Refused(Refused::Program(_)))), "{:?}", refused);
    }
}

#[test]
fn requests_out_of_place_are_refused_and_the_next_is_served() {
    let compiled = program();
    let mut device =
        RemoteLearner::connect(Loopback::start(POOL, Vec::new()), impatient()).expect("it answers");
    let digest = device.digest();
    assert!(
        matches!(digest, Err(Error::Refused(Refused::NotStarted))),
        "{digest:?}"
    );
    let flashed = device.start_flashed(compiled.image.bytes());
    assert!(
        matches!(flashed, Err(Error::Refused(Refused::NoProgram))),
        "{flashed:?}"
    );
    device.load(compiled.image.bytes()).expect("it loads");
    let label = device.learn(&[0; 16], 3);
    assert!(
        matches!(label, Err(Error::Refused(Refused::Label { classes: 3 }))),
        "{label:?}"
    );
    let sample = device.infer(&[0; 15]);
    assert!(
        matches!(
            sample,
            Err(Error::Sample {
                expected: 16,
                given: 15
            })
        ),
        "{sample:?}"
    );
    device.infer(&[0; 16]).expect("it predicts");
    assert_eq!(device.outputs().expect("they are read").len(), 3);
}

#[test]
fn a_program_in_flash_learns_like_one_in_ram() {
    let compiled = program();
    let (words, _) = compiled.image.bytes().as_chunks::<4>();
    let mut flash: Vec<f32> = words
        .iter()
        .map(|w| f32::from_bits(u32::from_le_bytes(*w)))
        .collect();
    // Erased flash follows.
    flash.extend([f32::from_bits(u32::MAX); 100]);
    let digest = |flash: Option<Vec<f32>>| {
        let loopback = Loopback::start(POOL, flash.clone().unwrap_or_default());
        let mut device = RemoteLearner::connect(loopback, impatient()).expect("it answers");
        match flash {
            Some(_) => device.start_flashed(compiled.image.bytes()),
            None => device.load(compiled.image.bytes()),
        }
        .expect("it starts");
        let before = device.digest().expect("a digest");
        device
            .synthetic(Job::Learn, 3, 20, 128, Duration::from_secs(5))
            .expect("it learns");
        let after = device.digest().expect("a digest");
        assert_ne!(before, after);
        device.reset().expect("it resets");
        assert_eq!(device.digest().expect("a digest"), before);
        after
    };
    assert_eq!(digest(Some(flash)), digest(None));
}

#[test]
fn too_little_ram_is_refused_with_the_bill() {
    let compiled = program();
    let image = compiled.image.bytes().len();
    let pool = runtime_protocol::server::LINK_BYTES + image + 100;
    let mut device =
        RemoteLearner::connect(Loopback::start(pool, Vec::new()), impatient()).expect("it answers");
    match device.load(compiled.image.bytes()) {
        Err(Error::Refused(Refused::TooLarge { needed, available })) => {
            assert_eq!(needed as usize, image + compiled.arena_bytes() + 16);
            assert!(available < needed);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_device_that_is_unplugged_or_stuck_is_reported() {
    let mut device =
        RemoteLearner::connect(Loopback::start(POOL, Vec::new()), impatient()).expect("it answers");
    device.transport().outward = Some(Box::new(Vec::clear));
    assert!(matches!(device.stack_used(), Err(Error::Silent { .. })));
    device.transport().outward = Some(Box::new(|bytes| bytes[0] ^= 1));
    assert!(matches!(device.stack_used(), Err(Error::Damaged { .. })));
    device.transport().unplug();
    assert!(matches!(device.stack_used(), Err(Error::Gone { .. })));
}

#[test]
fn an_arena_that_was_saved_goes_on_where_it_was() {
    let compiled = program();
    let connect = || {
        let mut device = RemoteLearner::connect(Loopback::start(POOL, Vec::new()), impatient())
            .expect("it answers");
        device.load(compiled.image.bytes()).expect("it loads");
        device
    };
    let mut samples = Samples::new(3, 128);
    let mut sample = vec![0; compiled.program().size(Field::SampleBytes)];
    let mut learn = |device: &mut RemoteLearner<Loopback>| {
        let label = samples.draw(&mut sample, 3) as usize;
        device.learn(&sample, label).expect("a step");
        (sample.clone(), label)
    };
    let mut device = connect();
    for _ in 0..8 {
        learn(&mut device);
    }
    let saved = device.arena().expect("it is read");
    let later: Vec<_> = (0..4).map(|_| learn(&mut device)).collect();
    let end = device.arena().expect("it is read");
    // Another device, which learnt something else.
    let mut other = connect();
    learn(&mut other);
    other.restore(&saved, 0..0).expect("it is ours");
    for (sample, label) in &later {
        other.learn(sample, *label).expect("a step");
    }
    assert_eq!(other.arena().expect("it is read"), end);
    // A state that this Program never has: six samples in five slots; a label that has no output.
    let slots = compiled.program().size(Field::BufferAt);
    for (at, byte) in [(16, 6), (0, !saved[0]), (slots + 16, 3)] {
        let mut damaged = saved.clone();
        damaged[at] = byte;
        let refused = other.restore(&damaged, 0..0).expect_err("it is damaged");
        assert!(
            matches!(refused, Error::Refused(Refused::Arena)),
            "{refused}"
        );
        // Nothing works on it until it is whole.
        let refused = other.learn(&later[0].0, 0).expect_err("it is damaged");
        assert!(
            matches!(refused, Error::Refused(Refused::Arena)),
            "{refused}"
        );
    }
    other.reset().expect("it starts from the image");
    assert!(other.learn(&later[0].0, 0).is_ok());
}
