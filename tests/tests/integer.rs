//! The integer kernels against the slow reference that was written from `docs/integer.md` (`scripts/integer_reference.py`): the same bits
//! in every weight, bias, delta, logit and exponent.

use runtime_shared::kernels::int::fixed::mix;
use serde::Deserialize;
use std::collections::BTreeMap;
use tests::integer::{Learning, Network, Weights};

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
        let x: Vec<i8> = (0..inputs)
            .map(|i| match (case.signed, draw(3000 + n, i)) {
                (true, _) => uniform(3000 + n, i, 127) as i8,
                (false, u) if u & 1 == 1 => 0,
                (false, u) => (u >> 25) as i8,
            })
            .collect();
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
