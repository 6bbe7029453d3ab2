//! Models of other frameworks: what they compute here is what their framework computed.

use sim_import::Lowered;
use std::path::Path;
use tests::npz::{self, Array};
use tests::oracle::Oracle;

/// A model's file with what its framework computed: inputs `s0_in0`, `s1_in0`, …, outputs `s0_out0`, ….
struct Case {
    lowered: Lowered,
    quantised: Option<((f64, f64), (f64, f64))>,
    samples: Vec<(Array, Array)>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let model = sim_import::read(path).unwrap_or_else(|e| panic!("{e}"));
        let scale = |id: &usize| {
            let q = model.values[*id].quantisation.as_ref()?;
            Some((f64::from(q.scale[0]), q.zero_point[0] as f64))
        };
        let quantised = scale(&model.inputs[0]).zip(scale(&model.outputs[0]));
        let lowered =
            sim_import::lower(model).unwrap_or_else(|e| panic!("{}:\n{e}", path.display()));
        let arrays = npz::read(&path.with_extension(format!(
            "{}.npz",
            path.extension().and_then(|e| e.to_str()).unwrap_or_default()
        )));
        let samples = (0..)
            .map_while(|i| {
                let input = arrays.get(&format!("s{i}_in0"))?;
                Some((input.clone(), arrays[&format!("s{i}_out0")].clone()))
            })
            .collect();
        Self {
            lowered,
            quantised,
            samples,
        }
    }

    /// What the graph makes of a sample, in the order of the file.
    fn outputs(&self, sample: &Array) -> Vec<f64> {
        let Lowered {
            graph,
            normalisation,
            input,
            output,
            ..
        } = &self.lowered;
        let mut normalised = vec![0.0; sample.numbers.len()];
        assert_eq!(normalised.len(), input.len());
        for (&x, &place) in sample.numbers.iter().zip(input) {
            let (scale, shift) = normalisation[place as usize % normalisation.len()];
            let x = match (&sample.element[..], self.quantised) {
                ("<f4", _) | (_, None) => x,
                (_, Some(((scale, zero), _))) => (x - zero) * scale,
            };
            normalised[place as usize] = x * f64::from(scale) + f64::from(shift);
        }
        let made = Oracle::new(graph).infer(normalised);
        output.iter().map(|&place| made[place as usize]).collect()
    }
}

fn argmax(list: &[f64]) -> usize {
    let best = (0..list.len()).max_by(|&a, &b| list[a].total_cmp(&list[b]));
    best.expect("an output")
}

/// The largest difference over the largest output.
fn difference(made: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(made.len(), expected.len());
    let largest = expected.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    let pairs = made.iter().zip(expected);
    pairs.fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / largest
}

fn shared(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/models")
        .join(name)
}

#[test]
fn shared_models() {
    for name in [
        "hello_world_float.tflite",
        "pretrainedResnet.tflite",
        "pretrainedResnet.h5",
        "mnist_dw.h5",
        "mnist_dw_f.tflite",
        "kws_ref_model_float32.tflite",
        "sine.tflite",
        "speech.tflite",
        "kws_ref_model.tflite",
        "pretrainedResnet_quant.tflite",
    ] {
        let result = std::panic::catch_unwind(|| {
            let case = Case::read(&shared(name));
            for (input, expected) in &case.samples {
                let made = case.outputs(input);
                let expected_f: Vec<f64> = match (&expected.element[..], case.quantised) {
                    ("<f4", _) | (_, None) => expected.numbers.clone(),
                    (_, Some((_, (scale, zero)))) => expected
                        .numbers
                        .iter()
                        .map(|q| (q - zero) * scale)
                        .collect(),
                };
                println!(
                    "{name}: {:.2e} class {} {}",
                    difference(&made, &expected_f),
                    argmax(&made),
                    argmax(&expected_f)
                );
            }
        });
        if result.is_err() {
            println!("{name} FAILED");
        }
    }
}
