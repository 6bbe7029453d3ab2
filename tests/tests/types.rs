//! Types of tensors: what a sample is made of, what a buffer holds of its features, what a detector remembers; and images of
//! before there were types.

use runtime_shared::detector::{TABLE, Verdict};
use runtime_shared::exec::Fault;
use runtime_shared::kernels::Shape;
use runtime_shared::learner::{Error, Learner};
use runtime_shared::machine;
use runtime_shared::program::{Element, Field, Program, Refusal, checksum};
use runtime_shared::rng::Rng;
use sim_compiler::options::{DetectorSpec, Quantisation};
use sim_compiler::{
    Compiled, Graph, LossSpec, NetworkSpec, Online, Options, Part, Scheme, Training, compile,
};
use tests::memory::{Arena, aligned};

const SHAPE: Shape = Shape { h: 6, w: 6, c: 1 };
const CLASSES: usize = 3;

fn graph() -> Graph {
    let json = r#"{"layers":[{"conv2d":{"filters":4,"kernel":3,"activation":"relu","name":"extractor"}},
        {"max_pool":{"size":2}},{"dense":{"units":8,"activation":"relu"}},{"dense":{"units":3}}]}"#;
    let spec: NetworkSpec = serde_json::from_str(json).expect("the network parses");
    spec.build(SHAPE, 5).expect("the network builds")
}

fn options(scheme: Scheme, online: Online) -> Options {
    Options {
        scheme,
        loss: LossSpec::CrossEntropy,
        training: Training::sgd(0.05),
        online,
        normalisation: vec![(1.0 / 64.0, -0.25)],
        seed: 9,
    }
}

/// Hands a learner in an arena of its own to `body`.
fn with<R>(compiled: &Compiled, body: impl FnOnce(&mut Learner<'_>) -> R) -> R {
    let words = aligned(compiled.image.bytes());
    let program = Program::load(machine::bytes(&words)).expect("it loads");
    let mut arena = Arena::new(program.size(Field::ArenaBytes));
    let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena fits");
    let result = body(&mut learner);
    assert!(arena.is_intact());
    result
}

/// Samples of numbers from 0 to 127: a bright stripe for each class, in noise.
fn samples(count: usize) -> Vec<(Vec<u8>, usize)> {
    let mut rng = Rng::new(4);
    let draw = |i: usize| {
        let label = i % CLASSES;
        let pixel = |at: usize| {
            let lit = if at / SHAPE.w / 2 == label { 80 } else { 0 };
            lit + rng.below(40) as u8
        };
        ((0..SHAPE.len()).map(pixel).collect(), label)
    };
    (0..count).map(draw).collect()
}

/// The same numbers in another type.
fn encoded(sample: &[u8], element: Element) -> Vec<u8> {
    let number = |&v: &u8| match element {
        Element::I16 => i16::from(v).to_le_bytes().to_vec(),
        Element::I32 => i32::from(v).to_le_bytes().to_vec(),
        Element::F32 => f32::from(v).to_le_bytes().to_vec(),
        _ => vec![v],
    };
    sample.iter().flat_map(number).collect()
}

#[test]
fn equal_numbers_of_any_type_are_learnt_alike() {
    let learn = |element: Element| {
        let mut graph = graph();
        graph
            .set_input_element(element)
            .expect("samples may be of it");
        let compiled =
            compile(&graph, &options(Scheme::Full, Online::fifo(5))).expect("it compiles");
        assert_eq!(
            compiled.program().size(Field::SampleBytes),
            element.bytes(SHAPE.len())
        );
        with(&compiled, |learner| {
            let steps = samples(40).into_iter().map(|(sample, label)| {
                // One byte further on than aligned.
                let mut bytes = vec![0];
                bytes.extend(encoded(&sample, element));
                let step = learner
                    .learn(&bytes[1..], label, &mut ())
                    .expect("it learns");
                (step.prediction, step.loss.to_bits())
            });
            let steps: Vec<_> = steps.collect();
            let weights: Vec<Vec<f32>> = (0..)
                .map_while(|i| learner.parameter(i).map(<[f32]>::to_vec))
                .collect();
            (steps, weights)
        })
    };
    let expected = learn(Element::U8);
    for element in [Element::I8, Element::I16, Element::I32, Element::F32] {
        assert_eq!(learn(element), expected, "{element:?}");
    }
    assert!(graph().set_input_element(Element::Bits).is_err());
}

#[test]
fn a_sample_of_the_wrong_length_is_refused() {
    let mut graph = graph();
    graph
        .set_input_element(Element::I16)
        .expect("samples may be of it");
    let compiled = compile(&graph, &options(Scheme::Full, Online::default())).expect("it compiles");
    with(&compiled, |learner| {
        let given = SHAPE.len();
        let expected = given * 2;
        assert_eq!(
            learner.infer(&vec![0; given], &mut ()),
            Err(Error::Length { expected, given })
        );
    });
}

fn quantised(high: f32) -> Online {
    Online {
        quantisation: Some(Quantisation { low: 0.0, high }),
        ..Online::fifo(20)
    }
}

/// Share of samples that are predicted rightly after learning from 150 of them.
fn accuracy(online: Online) -> f64 {
    let compiled = compile(&graph(), &options(Scheme::Last(2), online)).expect("it compiles");
    with(&compiled, |learner| {
        let all = samples(300);
        for (sample, label) in &all[..150] {
            learner.learn(sample, *label, &mut ()).expect("it learns");
        }
        let right = all[150..].iter().filter(|(sample, label)| {
            learner.infer(sample, &mut ()).expect("it predicts") == *label
        });
        right.count() as f64 / 150.0
    })
}

#[test]
fn features_as_bytes_take_a_quarter_and_teach_as_much() {
    let slot = |online: Online| {
        let compiled = compile(&graph(), &options(Scheme::Last(2), online)).expect("it compiles");
        let program = compiled.program();
        assert!(program.size(Field::FeatureBytes) > 0, "there are features");
        (
            program.size(Field::FeatureBytes),
            program.size(Field::SlotBytes),
        )
    };
    let (floats, whole) = slot(Online::fifo(20));
    let (bytes, quarter) = slot(quantised(4.0));
    // The label stays a word.
    assert_eq!((bytes * 4, (quarter - 4) * 4), (floats, whole - 4));
    let (as_floats, as_bytes) = (accuracy(Online::fifo(20)), accuracy(quantised(4.0)));
    assert!(
        as_floats > 0.9 && as_bytes > as_floats - 0.03,
        "{as_floats} with floats, {as_bytes} with bytes"
    );
    // A range that holds nothing teaches nothing: the bytes are what is learnt from.
    assert!(accuracy(quantised(1e-6)) < as_floats);
}

#[test]
fn features_that_are_extracted_classify_as_the_sample_does() {
    for online in [Online::fifo(3), quantised(4.0)] {
        let compiled = compile(&graph(), &options(Scheme::Last(1), online)).expect("it compiles");
        with(&compiled, |learner| {
            for (sample, label) in samples(20) {
                learner.learn(&sample, label, &mut ()).expect("it learns");
                let class = learner.infer(&sample, &mut ()).expect("it predicts");
                let outputs = learner.outputs().to_vec();
                let features = learner.extract(&sample).expect("it extracts").to_vec();
                assert_eq!(learner.classify(&features), Ok(class));
                assert_eq!(learner.outputs(), outputs);
            }
            assert!(learner.classify(&[]).is_err());
        });
    }
}

#[test]
fn features_that_are_not_numbers_stop_the_learner() {
    let mut graph = graph();
    let id = graph.find("extractor").expect("the convolution");
    let weights = vec![f32::NAN; 36];
    graph
        .set_parameter(id, Part::Weights, weights)
        .expect("as many");
    let compiled = compile(&graph, &options(Scheme::Last(1), quantised(4.0))).expect("it compiles");
    with(&compiled, |learner| {
        let (sample, label) = samples(1).remove(0);
        let before = learner.parameter(0).expect("the weights").to_vec();
        let result = learner.learn(&sample, label, &mut ());
        assert!(
            matches!(result, Err(Error::Fault(Fault::NotANumber(..)))),
            "{result:?}"
        );
        assert_eq!(learner.parameter(0), Some(before.as_slice()));
    });
}

/// A frozen first layer that computes nothing but what is not a number, before a ReLU that used to hide it.
#[test]
fn what_is_not_a_number_is_noticed_behind_a_relu() {
    for bits in [0x7fc0_0000u32, 0xffc0_0000] {
        let mut graph = graph();
        let id = graph.find("extractor").expect("the convolution");
        let weights = vec![f32::from_bits(bits); 36];
        graph
            .set_parameter(id, Part::Weights, weights)
            .expect("as many");
        let compiled =
            compile(&graph, &options(Scheme::Full, Online::default())).expect("it compiles");
        let arena = with(&compiled, |learner| {
            let (sample, label) = samples(1).remove(0);
            let result = learner.learn(&sample, label, &mut ());
            assert!(
                matches!(result, Err(Error::Fault(Fault::Diverged { .. }))),
                "{result:?}"
            );
            learner.arena().to_vec()
        });
        // One pattern of bits, by which host and device can be compared.
        let (words, _) = arena.as_chunks::<4>();
        let floats = words.iter().map(|w| f32::from_le_bytes(*w));
        assert!(
            floats
                .filter(|x| x.is_nan())
                .all(|x| x.to_bits() == 0x7fc0_0000)
        );
    }
}

#[test]
fn every_detector_works_on_words_of_the_arena() {
    let plain = compile(&graph(), &options(Scheme::None, Online::default())).expect("it compiles");
    for entry in TABLE {
        let spec = DetectorSpec::new(entry.name, &[]).expect("its defaults are allowed");
        let detector = spec.detector().expect("there is one");
        let online = Online {
            detector: Some(spec),
            ..Online::default()
        };
        let compiled = compile(&graph(), &options(Scheme::None, online)).expect("it compiles");
        assert_eq!(
            compiled.arena_bytes(),
            plain.arena_bytes() + detector.words() * 4,
            "{}",
            entry.name
        );
        let mut state = vec![u32::MAX; detector.words()];
        detector.reset(&mut state);
        with(&compiled, |learner| {
            let mut drifts = 0;
            for (i, (sample, _)) in samples(900).iter().enumerate() {
                // The labels follow the network, and then do not.
                let class = learner.infer(sample, &mut ()).expect("it predicts");
                let wrong = i >= 450 && i % 5 != 0 || i % 17 == 0;
                let label = (class + usize::from(wrong)) % CLASSES;
                let step = learner.learn(sample, label, &mut ()).expect("it learns");
                let error = f32::from(u8::from(wrong));
                let expected = detector.update(&mut state, error) == Verdict::Drift;
                assert_eq!(step.drift, expected, "{} at {i}", entry.name);
                drifts += u32::from(step.drift);
            }
            assert!(drifts > 0, "{} saw nothing", entry.name);
            assert_eq!(learner.state().drifts, drifts);
            let at = learner.program().size(Field::DetectorAt);
            let words = machine::words(&learner.arena()[at..at + state.len() * 4]);
            assert_eq!(words, state, "{}", entry.name);
        });
    }
}

#[test]
fn an_image_of_version_1_is_refused_with_a_sentence() {
    let compiled =
        compile(&graph(), &options(Scheme::Full, Online::default())).expect("it compiles");
    let mut image = compiled.image.bytes().to_vec();
    let mut put = |field: Field, word: u32| {
        image[field as usize * 4..][..4].copy_from_slice(&word.to_le_bytes());
        let sum = checksum(&image);
        image[Field::Checksum as usize * 4..][..4].copy_from_slice(&sum.to_le_bytes());
        Program::load(machine::bytes(&aligned(&image))).err()
    };
    let refusal = put(Field::Version, 1).expect("it is refused");
    assert_eq!(refusal, Refusal::Version(1));
    assert!(refusal.sentence().contains("version 1") && refusal.sentence().contains("compile"));
    assert_eq!(put(Field::Version, 3), Some(Refusal::Version(3)));
    assert_eq!(put(Field::Version, 2), None);
}
