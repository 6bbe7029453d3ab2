//! The integer kernels against the slow reference that was written from `docs/integer.md` (`scripts/integer_reference.py`): the same bits
//! in every weight, bias, delta, logit and exponent.

use runtime_shared::kernels::Shape;
use runtime_shared::kernels::int::convert::from_floats;
use runtime_shared::kernels::int::fixed::mix;
use runtime_shared::kernels::int::record::{Record, WORDS};
use runtime_shared::learner::Learner;
use runtime_shared::machine;
use serde::Deserialize;
use sim_compiler::integer::calibrate;
use sim_compiler::{
    Arithmetic, Class, Graph, LossSpec, NetworkSpec, Online, Options, Part, Scheme, Training,
    compile,
};
use std::collections::BTreeMap;
use tests::integer::{LayerSpec, Learning, Network, Op, Weights};
use tests::memory::Arena;

#[derive(Deserialize)]
struct Vector {
    case: Case,
    constants: BTreeMap<String, Constants>,
    result: Outcome,
}

#[derive(Deserialize)]
struct Case {
    #[serde(flatten)]
    learning: Learning,
    signed: bool,
    samples: u32,
}

#[derive(Deserialize)]
struct Constants {
    bw: i32,
    fw: i32,
    e: i32,
}

#[derive(Deserialize)]
struct Outcome {
    updates: u32,
    steps: Vec<Vec<i32>>,
    exponents: BTreeMap<String, u8>,
    delta_crc32: BTreeMap<String, u32>,
    crc32: BTreeMap<String, [u32; 2]>,
}

fn draw(seed: u32, i: u32) -> u32 {
    mix(mix(seed).wrapping_add(i.wrapping_mul(0x9e37_79b9)))
}

fn uniform(seed: u32, i: u32, amplitude: u32) -> i32 {
    let product = u64::from(draw(seed, i) >> 16) * (2 * u64::from(amplitude) + 1);
    ((product >> 16) as i64 - i64::from(amplitude)) as i32
}

/// CRC-32 as zlib computes it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

fn names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/integer");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of test vectors")
        .map(|entry| entry.expect("a file").path().display().to_string())
        .collect();
    names.sort();
    names
}

/// Element `i` of sample `n`.
fn input(signed: bool, n: u32, i: u32) -> i8 {
    match (signed, draw(3000 + n, i)) {
        (true, _) => uniform(3000 + n, i, 127) as i8,
        (false, u) if u & 1 == 1 => 0,
        (false, u) => (u >> 25) as i8,
    }
}

fn run(path: &str) {
    let text = std::fs::read_to_string(path).expect("a test vector");
    let vector: Vector = serde_json::from_str(&text).expect("a test vector");
    let case = vector.case;
    let mut network = Network::new(case.learning);
    let mut number = 0;
    for layer in &mut network.layers {
        if let Some(expected) = vector.constants.get(&layer.spec.name) {
            let found = (layer.width, layer.fraction, layer.extra.unwrap_or(0));
            assert_eq!(found, (expected.bw, expected.fw, expected.e), "{path}");
        }
        if layer.b.is_empty() {
            continue;
        }
        let amplitude = layer.spec.amplitude;
        let weight = |i: usize| uniform(1000 + number, i as u32, amplitude);
        match &mut layer.w {
            Weights::I8(w) => (0..w.len()).for_each(|i| w[i] = weight(i) as i8),
            Weights::I16(w) => (0..w.len()).for_each(|i| w[i] = weight(i) as i16),
        }
        let bias = layer.spec.bias;
        for (i, b) in layer.b.iter_mut().enumerate() {
            *b = uniform(2000 + number, i as u32, bias);
        }
        number += 1;
    }
    let (inputs, classes) = (network.layers[0].g.len() as u32, network.z.len().max(2));
    for (n, logits) in (0..case.samples).zip(&vector.result.steps) {
        let x: Vec<i8> = (0..inputs).map(|i| input(case.signed, n, i)).collect();
        network.learn(&x, draw(4000, n) as usize % classes);
        assert_eq!(network.z, *logits, "{path}: logits of sample {n}");
    }
    assert_eq!(network.step - 1, vector.result.updates, "{path}");
    let mut compared = 0;
    for layer in &network.layers {
        let name = &layer.spec.name;
        if let Some(exponent) = vector.result.exponents.get(name) {
            assert_eq!(layer.exponent, *exponent, "{path}: exponent of {name}");
        }
        if let Some(crc) = vector.result.delta_crc32.get(name) {
            let bytes: Vec<u8> = layer.g.iter().flat_map(|g| g.to_le_bytes()).collect();
            assert_eq!(crc32(&bytes), *crc, "{path}: delta of {name}");
        }
        if let Some(crc) = vector.result.crc32.get(name) {
            let bytes: Vec<u8> = layer.b.iter().flat_map(|b| b.to_le_bytes()).collect();
            let found = [crc32(&layer.w.bytes()), crc32(&bytes)];
            assert_eq!(found, *crc, "{path}: weights and bias of {name}");
            compared += 1;
        }
    }
    assert_eq!(compared, vector.result.crc32.len(), "{path}: layers");
}

#[test]
fn networks_train_to_the_bits_of_the_reference() {
    let names = names();
    assert!(names.len() >= 15, "{names:?}");
    for path in names {
        run(&path);
    }
}

/// A layer of a vector as network files have it, and the pool that a vector has in it.
fn layers(spec: &LayerSpec) -> String {
    let ([kh, kw], [sh, sw], name) = (spec.kernel, spec.stride, &spec.name);
    let padding = if spec.padding == "same" {
        "same"
    } else {
        "valid"
    };
    let window = format!(r#"stride = [{sh}, {sw}], padding = "{padding}""#);
    let activation = if spec.relu {
        r#"activation = "relu""#
    } else {
        r#"activation = "linear""#
    };
    let name = format!(r#"name = "{name}""#);
    let mut text = match spec.op {
        Op::Dense => format!(
            "{{ dense = {{ {name}, units = {}, {activation} }} }},",
            spec.units
        ),
        Op::Conv => {
            let filters = spec.filters;
            format!(
                "{{ conv2d = {{ {name}, filters = {filters}, kernel = [{kh}, {kw}], {window}, {activation} }} }},"
            )
        }
        Op::Depthwise => {
            format!(
                "{{ depthwise_conv2d = {{ {name}, kernel = [{kh}, {kw}], {window}, {activation} }} }},"
            )
        }
        Op::MaxPool => format!("{{ max_pool = {{ {name}, size = [{kh}, {kw}], {window} }} }},"),
        Op::AveragePool => {
            format!("{{ average_pool = {{ {name}, size = [{kh}, {kw}], {window} }} }},")
        }
        Op::Add => {
            let with = &spec.from.as_ref().expect("two terms")[1];
            let relu = if spec.relu {
                r#"{ activation = { kind = "relu" } },"#
            } else {
                ""
            };
            format!(r#"{{ add = {{ {name}, with = "{with}" }} }}, {relu}"#)
        }
    };
    if spec.pool != [1, 1] {
        text += &format!(
            "{{ max_pool = {{ size = [{}, {}] }} }},",
            spec.pool[0], spec.pool[1]
        );
    }
    text
}

/// The vector's network as a graph with its initial weights.
fn graph(vector: &Vector) -> Graph {
    let learning = &vector.case.learning;
    let text: String = learning.layers.iter().map(layers).collect();
    let spec: NetworkSpec = toml::from_str(&format!("layers = [{text}]")).expect("a network");
    let [h, w, c] = learning.input;
    let mut graph = spec.build(Shape { h, w, c }, 1).expect("a network");
    let weighted = learning.layers.iter().filter(|l| l.class.is_some());
    for (number, layer) in weighted.enumerate() {
        let id = graph.find(&layer.name).expect("the layer");
        let fraction = vector.constants[&layer.name].fw;
        for (part, seed, amplitude, fraction) in [
            (Part::Weights, 1000, layer.amplitude, fraction),
            (Part::Bias, 2000, layer.bias, fraction + 10),
        ] {
            let parameters = graph.nodes()[id].op.parameters().expect("weights");
            let len = parameters.part(part).expect("weights and a bias").len();
            let value = |i: usize| {
                let v = uniform(seed + number as u32, i as u32, amplitude);
                (f64::from(v) * 2f64.powi(-fraction)) as f32
            };
            let values = (0..len).map(value).collect();
            graph.set_parameter(id, part, values).expect("as many");
        }
    }
    graph
}

/// The options that a vector asks for. A byte b stands for the activation b − 128.
fn options(case: &Case) -> Options {
    let learning = &case.learning;
    let trained = learning
        .layers
        .iter()
        .filter(|l| l.class.is_some() && l.trained);
    let step = 2f32.powi(-i32::from(learning.fx));
    let class = |l: &LayerSpec| match l.class? {
        tests::integer::Class::I8 => Some((l.name.clone(), Class::I8)),
        tests::integer::Class::I16 => Some((l.name.clone(), Class::I16)),
    };
    Options {
        scheme: Scheme::Layers(trained.map(|l| l.name.clone()).collect()),
        loss: if learning.loss == "mse" {
            LossSpec::Mse
        } else {
            LossSpec::CrossEntropy
        },
        training: Training {
            arithmetic: Arithmetic::Int16,
            classes: learning.layers.iter().filter_map(class).collect(),
            batch: learning.batch,
            weight_decay: learning.decay,
            ..Training::sgd(learning.rate)
        },
        online: Online {
            store: sim_compiler::Store::Raw,
            ..Online::default()
        },
        normalisation: vec![(step, -128.0 * step)],
        seed: 1,
    }
}

/// A Program of the vector's network learns to the same bits.
fn run_program(path: &str) {
    let text = std::fs::read_to_string(path).expect("a test vector");
    let vector: Vector = serde_json::from_str(&text).expect("a test vector");
    let graph = graph(&vector);
    let compiled =
        compile(&graph, &options(&vector.case)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let mut arena = Arena::new(compiled.arena_bytes());
    let program = compiled.program();
    let mut learner = Learner::new(program, arena.bytes_mut()).expect("the arena");
    let case = &vector.case;
    let exact: Vec<u32> = case.learning.layers.iter().map(|l| l.bias).collect();
    if exact.iter().any(|bias| *bias >= 1 << 24) {
        // Floats do not hold such biases, so they are written to where they are trained.
        let names: Vec<&str> = case
            .learning
            .layers
            .iter()
            .filter(|l| l.class.is_some())
            .map(|l| l.name.as_str())
            .collect();
        for (i, info) in compiled.parameters.iter().enumerate() {
            let name = graph.nodes()[info.node].name.as_str();
            let number = names.iter().position(|n| *n == name).expect("a layer") as u32;
            let amplitude = case
                .learning
                .layers
                .iter()
                .find(|l| l.name == name)
                .expect("it")
                .bias;
            if info.part == Part::Bias {
                let place = program.parameter(i).expect("a parameter").ram;
                let values = (0..info.len)
                    .flat_map(|i| uniform(2000 + number, i as u32, amplitude).to_le_bytes());
                let bytes: Vec<u8> = values.collect();
                learner.arena_mut()[place..place + bytes.len()].copy_from_slice(&bytes);
            }
        }
    }
    let [h, w, c] = case.learning.input;
    let classes = vector.result.steps[0].len().max(2);
    for (n, logits) in (0..case.samples).zip(&vector.result.steps) {
        let bytes =
            (0..(h * w * c) as u32).map(|i| (i32::from(input(case.signed, n, i)) + 128) as u8);
        let sample: Vec<u8> = bytes.collect();
        learner.infer(&sample, &mut ()).expect("a sample");
        let last = vector
            .constants
            .iter()
            .find(|(name, _)| *name == &case.learning.layers[case.learning.layers.len() - 1].name);
        let found: Vec<f64> = learner.outputs().iter().map(|v| f64::from(*v)).collect();
        let scale = found
            .iter()
            .zip(logits)
            .find(|(_, z)| **z != 0)
            .map_or(1.0, |(v, z)| v / f64::from(*z as f32));
        assert!(
            scale.log2().fract() == 0.0 && last.is_some(),
            "{path}: logits of sample {n}: a power of two"
        );
        for (v, z) in found.iter().zip(logits) {
            assert_eq!(
                *v,
                f64::from(*z as f32) * scale,
                "{path}: logits of sample {n}"
            );
        }
        let update = learner.train(&sample, draw(4000, n) as usize % classes, &mut ());
        assert!(update.expect("an update").loss.is_finite());
    }
    assert_eq!(learner.state().updates, vector.result.updates, "{path}");
    let mut compared = 0;
    for (i, info) in compiled.parameters.iter().enumerate() {
        let name = &graph.nodes()[info.node].name;
        let class = case
            .learning
            .layers
            .iter()
            .find(|l| l.name == *name)
            .and_then(|l| l.class);
        let size = match (info.part, class) {
            (Part::Bias, _) => 4,
            (_, Some(tests::integer::Class::I8)) => 1,
            _ => 2,
        };
        let at = program.parameter(i).expect("a parameter").ram;
        let bytes = &learner.arena()[at..at + info.len * size];
        let expected = vector.result.crc32[name][usize::from(info.part == Part::Bias)];
        assert_eq!(crc32(bytes), expected, "{path}: {name} {:?}", info.part);
        compared += 1;
    }
    assert!(compared > 0, "{path}");
    let records = program
        .parameter(compiled.parameters.len())
        .expect("the records")
        .ram;
    let words = machine::words(
        &learner.arena()[records..records + vector.result.exponents.len() * WORDS * 4],
    );
    let with_record = case.learning.layers.iter().filter(|l| l.op != Op::MaxPool);
    for (record, layer) in words.chunks(WORDS).zip(with_record) {
        let words: Vec<i32> = record.iter().map(|w| *w as i32).collect();
        let expected = i32::from(vector.result.exponents[&layer.name]);
        assert_eq!(
            Record::read(&words).output,
            expected,
            "{path}: exponent of {}",
            layer.name
        );
    }
    assert!(arena.is_intact());
}

#[test]
fn programs_train_to_the_bits_of_the_reference() {
    for path in names() {
        // To leave out confident samples is no part of a Program.
        if !path.contains("confident") {
            run_program(&path);
        }
    }
}

/// A frozen extractor in floats, its features stored as bytes, and a head in integers behind it.
#[test]
fn a_head_in_integers_learns_from_stored_features() {
    let layers = include_str!("../../configs/networks/thesis_cnn.toml");
    let spec: NetworkSpec = toml::from_str(layers).expect("a network");
    let graph = spec
        .build(Shape { h: 28, w: 28, c: 1 }, 3)
        .expect("a network");
    for (arithmetic, class) in [
        (Arithmetic::Int16, tests::integer::Class::I16),
        (Arithmetic::Int8, tests::integer::Class::I8),
    ] {
        let mut options = Options {
            scheme: Scheme::Last(1),
            loss: LossSpec::CrossEntropy,
            training: Training::sgd(0.01),
            online: Online {
                policy: sim_compiler::PolicySpec::Fifo,
                slots: 1,
                store: sim_compiler::Store::Features,
                ..Online::default()
            },
            normalisation: vec![(1.0 / 255.0, 0.0)],
            seed: 1,
        };
        let samples: Vec<Vec<u8>> = (0..60)
            .map(|n| (0..784).map(|i| (draw(7000 + n, i) >> 24) as u8).collect())
            .collect();
        let floats = compile(&graph, &options).expect("it compiles");
        options.training.arithmetic = arithmetic;
        let some: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
        let fraction = calibrate::feature_fraction(&graph, &options, &some);
        let fraction = fraction.expect("it compiles").expect("there are features");
        options.training.feature_fraction = Some(fraction);
        let integers = compile(&graph, &options).expect("it compiles");
        assert_eq!(integers.slot_bytes, 204, "a byte a feature, and the label");

        let [mut theirs, mut ours] = [&floats, &integers].map(|c| Arena::new(c.arena_bytes()));
        let mut theirs = Learner::new(floats.program(), theirs.bytes_mut()).expect("the arena");
        let mut ours = Learner::new(integers.program(), ours.bytes_mut()).expect("the arena");
        let text = format!(
            r#"{{"input": [1, 1, 200], "fx": {fraction}, "loss": "cross_entropy", "rate": 0.01, "layers": [
                {{"op": "dense", "name": "head", "units": 10, "class": "{}"}}]}}"#,
            if class == tests::integer::Class::I8 {
                "i8"
            } else {
                "i16"
            },
        );
        let mut head = Network::new(serde_json::from_str(&text).expect("a network"));
        let initial = ours.parameter_bytes(0).expect("weights").to_vec();
        match &mut head.layers[1].w {
            Weights::I8(w) => *w = initial.iter().map(|b| *b as i8).collect(),
            Weights::I16(w) => {
                let pair = |b: &[u8]| i16::from_le_bytes([b[0], b[1]]);
                *w = initial.chunks(2).map(pair).collect();
            }
        }
        // The layer's number counts those of the extractor.
        head.layers[1].number += 2;
        for (n, sample) in samples.iter().enumerate() {
            let exact = machine::floats(theirs.extract(sample).expect("features")).to_vec();
            let mut expected = vec![0i8; 200];
            from_floats(&exact, fraction, &mut expected);
            let features = ours.extract(sample).expect("features");
            assert!(
                features
                    .iter()
                    .map(|b| *b as i8)
                    .eq(expected.iter().copied())
            );
            assert!(expected.iter().all(|x| (0..=127).contains(x)));
            let label = n % 10;
            ours.learn(sample, label, &mut ()).expect("a step");
            head.learn(&expected, label);
        }
        assert_eq!(ours.parameter_bytes(0), Some(&head.layers[1].w.bytes()[..]));
        assert_ne!(ours.parameter_bytes(0), Some(&initial[..]), "it learns");
    }
}
