//! A Program is untrusted input: what is damaged is refused, and what is accepted, however it was made,
//! neither panics nor writes where it should not.

use runtime_shared::kernels::Shape;
use runtime_shared::learner::{Error, Learner};
use runtime_shared::machine;
use runtime_shared::program::header::HEADER_WORDS;
use runtime_shared::program::{Element, Field, Program, Refusal, checksum};
use runtime_shared::rng::Rng;
use runtime_shared::state::STATE_BYTES;
use sim_compiler::options::{DetectorSpec, Quantisation};
use sim_compiler::{
    LossSpec, NetworkSpec, Online, Optimiser, Options, PolicySpec, Scheme, Store, Training,
    Trigger, compile,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tests::memory::{Arena, aligned};

const LAYERS: &[&str] = &[
    r#"{"layers":[{"dense":{"units":3,"activation":"relu"}},{"dense":{"units":2}}]}"#,
    r#"{"layers":[{"conv2d":{"filters":3,"kernel":3,"activation":"relu"}},{"max_pool":{"size":2}},
        {"flatten":{}},{"dropout":{"rate":0.5}},{"dense":{"units":4}}]}"#,
    r#"{"layers":[{"conv2d":{"filters":3,"kernel":3,"padding":"same","name":"a"}},{"max_pool":{"size":3,"stride":1,"padding":"same"}},
        {"add":{"with":"a"}},{"activation":{"kind":{"leaky_relu":0.1}}},{"depthwise_conv2d":{"kernel":3,"stride":2,"padding":"same"}},
        {"batch_norm":{"mean":[0.1,0.2,0.3],"variance":[1.5,1,0.5]}},{"activation":{"kind":"sigmoid"}},{"average_pool":{"size":2}},{"dense":{"units":3}},{"softmax":{}}]}"#,
    r#"{"layers":[{"conv2d":{"filters":2,"kernel":1,"name":"a"}},{"depthwise_conv2d":{"kernel":3,"padding":"same","multiplier":2}},
        {"slice":{"channels":[1,2],"name":"b"}},{"multiply":{"with":"a"}},{"concat":{"with":["b"]}},{"pad":{"width":[1,0]}},
        {"transpose":{"axes":["channels","height","width"]}},{"activation":{"kind":"selu"}},{"dense":{"units":3}},{"log_softmax":{}}]}"#,
];

/// Images that between them call every kernel and use every policy, trigger and optimiser.
fn images() -> Vec<Vec<u8>> {
    let adam = Optimiser::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };
    let detector = DetectorSpec::new(
        "page_hinkley",
        &[
            ("minimum", 3.0),
            ("delta", 0.0),
            ("threshold", 0.5),
            ("alpha", 1.0),
        ],
    )
    .expect("they are allowed")
    .keeping(2);
    let online = |policy, trigger, store| Online {
        policy,
        slots: 3,
        trigger,
        store,
        passes: 2,
        draw: u32::from(policy != PolicySpec::Fifo),
        detector: Some(detector),
        quantisation: None,
    };
    let other = |kind| DetectorSpec::new(kind, &[]).expect("its defaults are allowed");
    let sgd = Training::sgd(0.1);
    let kinds = [
        (
            0,
            Scheme::Full,
            LossSpec::CrossEntropy,
            sgd.clone(),
            Online::default(),
        ),
        (
            0,
            Scheme::Last(1),
            LossSpec::BinaryCrossEntropy,
            Training {
                optimiser: adam,
                ..sgd.clone()
            },
            online(
                PolicySpec::ClassBalanced,
                Trigger::Every(2),
                Store::Features,
            ),
        ),
        (
            1,
            Scheme::Full,
            LossSpec::CrossEntropy,
            Training {
                batch: 2,
                clip_norm: Some(1.0),
                ..sgd.clone()
            },
            online(
                PolicySpec::Reservoir,
                Trigger::ConfidenceBelow(0.9),
                Store::Raw,
            ),
        ),
        (
            1,
            Scheme::Last(1),
            LossSpec::Damped,
            Training {
                clip_value: Some(0.1),
                ..sgd.clone()
            },
            Online {
                quantisation: Some(Quantisation {
                    low: 0.0,
                    high: 6.0,
                }),
                ..online(PolicySpec::Fifo, Trigger::AfterDrift(4), Store::Features)
            },
        ),
        (
            2,
            Scheme::Full,
            LossSpec::Mse,
            Training {
                optimiser: Optimiser::Momentum { momentum: 0.9 },
                weight_decay: 0.1,
                ..sgd.clone()
            },
            Online {
                detector: Some(other("adwin")),
                ..online(PolicySpec::ClassBalanced, Trigger::EverySample, Store::Raw)
            },
        ),
        (3, Scheme::Full, LossSpec::Mse, sgd, Online::default()),
    ];
    let types = [
        Element::U8,
        Element::I16,
        Element::F32,
        Element::I8,
        Element::I32,
    ];
    kinds
        .into_iter()
        .zip(types)
        .map(|((layers, scheme, loss, training, online), element)| {
            let spec: NetworkSpec =
                serde_json::from_str(LAYERS[layers]).expect("the network parses");
            let mut graph = spec
                .build(Shape { h: 6, w: 5, c: 1 }, 1)
                .expect("the network builds");
            graph
                .set_input_element(element)
                .expect("samples may be of it");
            let normalisation = vec![(1.0 / 255.0, 0.0)];
            let options = Options {
                scheme,
                loss,
                training,
                online,
                normalisation,
                seed: 3,
            };
            compile(&graph, &options)
                .expect("the network compiles")
                .image
                .bytes()
                .to_vec()
        })
        .collect()
}

fn load(bytes: &[u8]) -> Option<Refusal> {
    Program::load(machine::bytes(&aligned(bytes)).get(..bytes.len())?).err()
}

#[test]
fn every_flipped_bit_is_noticed() {
    for image in images() {
        assert_eq!(load(&image), None);
        let mut words = aligned(&image);
        for bit in 0..image.len() * 8 {
            machine::bytes_mut(&mut words)[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Program::load(machine::bytes(&words)).is_err(),
                "bit {bit} of {}",
                image.len() * 8
            );
            machine::bytes_mut(&mut words)[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_and_addition_is_noticed() {
    for image in images() {
        for len in 0..image.len() {
            assert!(
                load(&image[..len]).is_some(),
                "{len} of {} bytes",
                image.len()
            );
        }
        for added in 1..=64 {
            for byte in [0, 0xff] {
                let longer = [image.clone(), vec![byte; added]].concat();
                assert!(load(&longer).is_some(), "{added} bytes more");
            }
        }
    }
}

#[test]
fn a_misaligned_image_and_a_misaligned_arena_are_refused() {
    let image = &images()[0];
    let mut words = vec![0.0f32; image.len() / 4 + 1];
    for offset in 1..4 {
        let bytes = &mut machine::bytes_mut(&mut words)[offset..][..image.len()];
        bytes.copy_from_slice(image);
        assert_eq!(Program::load(bytes).err(), Some(Refusal::Misaligned));
    }
    let words = aligned(image);
    let program = Program::load(machine::bytes(&words)).expect("it loads");
    let needed = program.size(Field::ArenaBytes);
    let mut arena = vec![0.0f32; needed / 4 + 1];
    let bytes = machine::bytes_mut(&mut arena);
    assert_eq!(
        Learner::new(program, &mut bytes[1..]).err(),
        Some(Error::ArenaMisaligned)
    );
    let given = needed - 1;
    assert_eq!(
        Learner::new(program, &mut bytes[..given]).err(),
        Some(Error::ArenaTooSmall { needed, given })
    );
}

/// Words that are worth trying anywhere: edges of ranges, floats that are no numbers, other places.
fn word(rng: &mut Rng, image: &[u8]) -> u32 {
    const EDGES: [u32; 22] = [
        0,
        1,
        2,
        3,
        4,
        5,
        7,
        8,
        255,
        256,
        257,
        0xffff,
        0x1_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffd,
        0xffff_fffe,
        0xffff_ffff,
        0x7fc0_0000,
        0x7f80_0000,
        0xff80_0000,
        0x0001_0001,
    ];
    match rng.below(4) {
        0 => EDGES[rng.below(EDGES.len() as u32) as usize],
        1 => rng.below(64) * 4,
        2 => rng.next_u32(),
        _ => read(image, rng.below(image.len() as u32 / 4) as usize),
    }
}

fn read(image: &[u8], word: usize) -> u32 {
    image
        .as_chunks::<4>()
        .0
        .get(word)
        .map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn write(image: &mut [u8], word: usize, value: u32) {
    if let Some(bytes) = image.as_chunks_mut::<4>().0.get_mut(word) {
        *bytes = value.to_le_bytes();
    }
}

/// One to four changes: a header field, a word of a call or of the parameter table, a byte, a call
/// copied over another; then a checksum that holds.
fn mutate(rng: &mut Rng, image: &mut [u8]) {
    for _ in 0..=rng.below(4) {
        let counts = [Field::InferCount, Field::LearnCount, Field::ApplyCount];
        let calls = counts.iter().fold(0, |sum: u32, &f| {
            sum.saturating_add(read(image, f as usize))
        });
        let first_call = read(image, Field::InferAt as usize) as usize / 4;
        let table = read(image, Field::ParametersAt as usize) as usize / 4;
        let call = first_call + 16 * rng.below(calls.min(64)) as usize;
        let value = word(rng, image);
        match rng.below(8) {
            0 | 1 => write(
                image,
                4 + rng.below(HEADER_WORDS as u32 - 4) as usize,
                value,
            ),
            2 => write(image, table + rng.below(24) as usize, value),
            3 => {
                // A dimension or two of a call.
                let at = call + 8 + rng.below(7) as usize;
                let half = rng.below(2) * 16;
                let small = rng.below(20);
                write(
                    image,
                    at,
                    read(image, at) & !(0xffff << half) | small << half,
                );
            }
            4 => {
                // An operand moved by a few words.
                let at = call + 1 + rng.below(7) as usize;
                write(
                    image,
                    at,
                    read(image, at)
                        .wrapping_add(4 * rng.below(9))
                        .wrapping_sub(16),
                );
            }
            5 => {
                // Another kernel, activation, rule or flag.
                let byte = rng.below(4) * 8;
                let code = rng.below(32);
                write(
                    image,
                    call,
                    read(image, call) & !(0xff << byte) | code << byte,
                );
            }
            6 => {
                let from = first_call + 16 * rng.below(calls.min(64)) as usize;
                for i in 0..16 {
                    write(image, call + i, read(image, from + i));
                }
            }
            _ => write(image, call + rng.below(16) as usize, value),
        }
    }
    let sum = checksum(image);
    write(image, Field::Checksum as usize, sum);
}

/// Everything that a caller can do with a Program that was accepted.
fn exercise(program: Program<'_>, rng: &mut Rng) {
    let sample: Vec<u8> = (0..program.size(Field::SampleBytes))
        .map(|_| rng.next_u32() as u8)
        .collect();
    let mut arena = Arena::new(program.size(Field::ArenaBytes));
    let features = vec![0x3f; program.size(Field::FeatureBytes)];
    let act = |learner: &mut Learner<'_>, rng: &mut Rng| {
        let _ = learner.infer(&sample, &mut ());
        let _ = learner.extract(&sample);
        let _ = learner.classify(&features);
        for _ in 0..8 {
            let label = rng.below(program.classes() as u32) as usize;
            let _ = learner.train(&sample, label, &mut ());
            let _ = learner.learn(&sample, label, &mut ());
        }
        for i in 0..program.size(Field::ParameterCount).min(100) {
            let values = learner.parameter_bytes(i).expect("the table was checked");
            let values = values.to_vec();
            learner
                .set_parameter_bytes(i, &values)
                .expect("the length is right");
            if let Some(values) = learner.parameter(i).map(<[f32]>::to_vec) {
                learner.set_parameter(i, &values).expect("they are floats");
            }
        }
        let _ = learner.infer(&sample, &mut ());
    };
    let mut learner =
        Learner::new(program, arena.bytes_mut()).expect("the arena is as large as it asks");
    act(&mut learner, rng);
    // An arena in which anything may have happened, the learner's own words included.
    let bytes = arena.bytes_mut();
    for _ in 0..rng.below(20) {
        let at = 4 + rng.below(bytes.len().min(1 << 20) as u32 - 4) as usize;
        let at = if rng.below(2) == 0 {
            at
        } else {
            4 + at % (STATE_BYTES - 4)
        };
        bytes[at] = rng.next_u32() as u8;
    }
    if let Ok(mut learner) = Learner::resume(program, bytes) {
        act(&mut learner, rng);
    }
    assert!(arena.is_intact(), "written beside the arena");
}

#[test]
fn a_hostile_image_does_no_harm() {
    let images = images();
    let rounds: u64 = std::env::var("DAMAGE_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(60_000);
    let (mut accepted, mut refused, mut failures) = (0, 0, Vec::new());
    for seed in 0..rounds {
        let mut rng = Rng::new(seed);
        let mut image = images[seed as usize % images.len()].clone();
        mutate(&mut rng, &mut image);
        let words = aligned(&image);
        let bytes = &machine::bytes(&words)[..image.len()];
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let Ok(program) = Program::load(bytes) else {
                return false;
            };
            // What only takes long is not what this looks for.
            let work =
                u64::from(program.get(Field::Passes)) * u64::from(program.get(Field::Draw).max(1));
            if program.size(Field::ArenaBytes) <= 1 << 20
                && work <= 64
                && program.get(Field::SampleBytes) <= 1 << 20
            {
                exercise(program, &mut rng);
            }
            true
        }));
        match outcome {
            Ok(true) => accepted += 1,
            Ok(false) => refused += 1,
            Err(_) => failures.push(seed),
        }
    }
    assert!(
        failures.is_empty(),
        "these seeds made the core panic: {failures:?}"
    );
    println!("{accepted} accepted, {refused} refused");
    assert!(
        accepted > rounds / 20 && refused > rounds / 20,
        "{accepted} accepted, {refused} refused"
    );
}
