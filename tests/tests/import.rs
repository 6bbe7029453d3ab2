//! Models of other frameworks: what they compute here is what their framework computed.

use ndarray::{ArrayD, IxDyn};
use sim_import::{Cut, Lowered, Model, reference};
use std::path::Path;
use tests::npz::{self, Array};
use tests::oracle::Oracle;

/// A model's file with what its framework computed: inputs `s0_in0`, `s1_in0`, …, outputs `s0_out0`, ….
struct Case {
    model: Model,
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
            sim_import::lower(model.clone()).unwrap_or_else(|e| panic!("{}:\n{e}", path.display()));
        let suffix = path
            .extension()
            .and_then(|e| e.to_str())
            .unwrap_or_default();
        let arrays = npz::read(&path.with_extension(format!("{suffix}.npz")));
        let samples = match arrays.get("inputs") {
            Some(inputs) => inputs.rows().zip(arrays["outputs"].rows()).collect(),
            None => (0..)
                .map_while(|i| {
                    let input = arrays.get(&format!("s{i}_in0"))?;
                    Some((input.clone(), arrays[&format!("s{i}_out0")].clone()))
                })
                .collect(),
        };
        Self {
            model,
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
                ("<f4" | "|u1", _) | (_, None) => x,
                (_, Some(((scale, zero), _))) => (x - zero) * scale,
            };
            normalised[place as usize] = x * f64::from(scale) + f64::from(shift);
        }
        let made = Oracle::new(graph).infer(normalised);
        output.iter().map(|&place| made[place as usize]).collect()
    }
}

/// What the model computes as its file says it.
fn as_it_says(model: &Model, sample: &Array) -> Vec<f64> {
    let mut rest = &sample.numbers[..];
    let mut given = Vec::new();
    for &id in &model.inputs {
        let shape = model.values[id].shape.as_ref().expect("axes");
        let mut axes: Vec<usize> = shape.iter().map(|e| e.fixed().unwrap_or(1)).collect();
        axes[0] = 1;
        let (own, others) = rest.split_at(axes.iter().product());
        rest = others;
        given.push(ArrayD::from_shape_vec(IxDyn(&axes), own.to_vec()).expect("its axes"));
    }
    let made = reference::outputs(model, given).unwrap_or_else(|e| panic!("{e}"));
    made.iter().copied().collect()
}

fn argmax(list: &[f64]) -> usize {
    let best = (0..list.len()).max_by(|&a, &b| list[a].total_cmp(&list[b]));
    best.expect("an output")
}

/// The largest difference.
fn difference(made: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(made.len(), expected.len());
    let pairs = made.iter().zip(expected);
    pairs.fold(0.0f64, |m, (a, b)| m.max((a - b).abs()))
}

fn shared(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/models")
        .join(name)
}

/// What LiteRT, Keras and an independent reader made of the models of others that are not part of the project.
#[test]
#[ignore = "needs the models in ../shared/models"]
fn shared_float_models() {
    for name in [
        "hello_world_float.tflite",
        "pretrainedResnet.tflite",
        "pretrainedResnet.h5",
        "mnist_dw.h5",
        "mnist_dw_f.tflite",
    ] {
        let case = Case::read(&shared(name));
        for (input, expected) in &case.samples {
            let made = case.outputs(input);
            // The outputs of `hello_world` are close to zero, where a float's digits are few.
            let largest = expected.numbers.iter().fold(0.1f64, |m, x| m.max(x.abs()));
            let difference = difference(&made, &expected.numbers);
            assert!(difference < 1e-5 * largest, "{name}: {difference}");
        }
    }
}

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/models")
}

/// The fixtures whose names begin so.
fn named(prefixes: &[&str]) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(fixtures()).expect("the folder of fixtures");
    let names = files.map(|f| {
        f.expect("a file")
            .file_name()
            .into_string()
            .expect("a name")
    });
    let mut names: Vec<String> = names
        .filter(|n| !n.ends_with(".npz") && !n.ends_with(".data"))
        .filter(|n| prefixes.iter().any(|p| n.starts_with(p)))
        .collect();
    names.sort();
    names.iter().map(|n| fixtures().join(n)).collect()
}

/// How far off the outputs of a case are, over the largest of them, and the share of samples of the same class.
fn agreement(case: &Case) -> (f64, f64) {
    let (mut worst, mut largest, mut same) = (0.0f64, 0.0f64, 0);
    for (x, y) in &case.samples {
        let made = case.outputs(x);
        worst = worst.max(difference(&made, &y.numbers));
        largest = y.numbers.iter().fold(largest, |m, x| m.max(x.abs()));
        same += usize::from(argmax(&made) == argmax(&y.numbers));
    }
    (worst / largest, same as f64 / case.samples.len() as f64)
}

/// Keras of six layouts, ONNX of two exporters of PyTorch and of TensorFlow, TFLite of two converters.
#[test]
fn floats_compute_what_their_framework_computes() {
    let files = named(&[
        "cnn_",
        "head_",
        "mlp_",
        "nested",
        "normalization",
        "r1_",
        "residual_",
        "variety",
        "series.",
        "series_float32",
        "sine.",
        "sine_float",
        "summed_",
        "without_input",
    ]);
    assert!(files.len() >= 28, "{} models", files.len());
    for path in files {
        let case = Case::read(&path);
        let (difference, same) = agreement(&case);
        assert!(difference < 1e-5, "{}: {difference}", path.display());
        assert_eq!(same, 1.0, "{}", path.display());
        let all = case.samples.iter().flat_map(|(_, y)| &y.numbers);
        let largest = all.fold(0.0f64, |m, x| m.max(x.abs()));
        for (x, y) in &case.samples {
            let says = as_it_says(&case.model, x);
            assert!(
                self::difference(&says, &y.numbers) < 1e-5 * largest,
                "{}",
                path.display()
            );
            // Both are in f64; what is folded was rounded to floats once more.
            assert!(
                self::difference(&says, &case.outputs(x)) < 1e-6 * largest,
                "{}",
                path.display()
            );
        }
    }
}

/// The core, on the host, computes what the file says.
#[test]
fn every_import_is_held_against_its_file() {
    for path in named(&[
        "cnn_",
        "mlp_op",
        "nested",
        "r1_",
        "residual_",
        "variety",
        "series",
        "sine",
        "summed_",
        "wide_",
    ]) {
        let import = sim_import::import(&path, &Cut::default()).unwrap_or_else(|e| panic!("{e}"));
        let parity = import.parity;
        assert!(parity.samples >= 8 && parity.largest > 0.0);
        assert!(
            parity.difference < 1e-5 * parity.largest,
            "{}: {parity:?}",
            path.display()
        );
    }
}

/// Activations are floats here and integers there, so outputs differ by some steps of the quantisation.
#[test]
fn integers_find_the_same_classes() {
    let files = named(&["series_int8", "wide_dynamic", "sine_int8", "sine_dynamic"]);
    assert!(files.len() >= 9, "{} models", files.len());
    for path in files {
        let case = Case::read(&path);
        assert!(case.samples.len() >= 100);
        let (difference, same) = agreement(&case);
        assert!(same >= 0.99, "{}: {same}", path.display());
        // Regressions have no class. Each of the few layers rounds to 1/256 of its range, twice with its weights.
        assert!(
            difference < 12.0 / 256.0,
            "{}: {difference}",
            path.display()
        );
    }
}

#[test]
fn refusals_name_the_layer_and_what_to_do() {
    let cases: [(&str, &[&str]); 10] = [
        (
            "recurrent.keras",
            &["LSTM `lstm`", "cut the model before it"],
        ),
        (
            "recurrent_batch1.tflite",
            &["UNIDIRECTIONAL_SEQUENCE_LSTM", "cut the model before it"],
        ),
        (
            "refused_recurrent_any_batch.tflite",
            &[
                "WHILE",
                "FlexTensorListReserve",
                "FlexTensorListStack",
                "import the .keras file",
            ],
        ),
        (
            "refused_free_dimension.onnx",
            &["`x` has the free dimension `seq`", "--dim seq=15"],
        ),
        ("refused_groups.keras", &["Conv2D `grouped`", "2 groups"]),
        (
            "refused_lambda.keras",
            &["Lambda `twice`", "contains Python code"],
        ),
        (
            "refused_normalization.keras",
            &["`scaler` was never adapted"],
        ),
        ("refused_only.weights.h5", &["weights and no model"]),
        (
            "refused_pickle.pth",
            &["PyTorch pickle", "torch.onnx.export"],
        ),
        (
            "refused_training.onnx",
            &["BatchNormalization `bn`", "training_mode=1", "model.eval()"],
        ),
    ];
    for (name, parts) in cases {
        let refused = refusal(&fixtures().join(name));
        for part in parts {
            assert!(refused.contains(part), "{name}: {refused}");
        }
    }
}

/// What is said of a file that cannot be imported.
fn refusal(path: &Path) -> String {
    match sim_import::read(path) {
        Err(error) => error.to_string(),
        Ok(model) => sim_import::lower(model)
            .expect_err("it is refused")
            .to_string(),
    }
}

#[test]
fn weights_in_another_file_are_asked_for() {
    let folder = std::env::temp_dir().join(format!("sim-import-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let alone = folder.join("cnn_dynamo.onnx");
    std::fs::copy(fixtures().join("cnn_dynamo.onnx"), &alone).expect("a copy");
    let refused = refusal(&alone);
    let saved = folder.join("saved");
    std::fs::create_dir_all(&saved).expect("a folder");
    std::fs::write(saved.join("saved_model.pb"), "").expect("a file");
    let folder_refused = refusal(&saved);
    std::fs::remove_dir_all(&folder).expect("it goes");
    assert!(
        refused.contains("cnn_dynamo.onnx.data`, not found"),
        "{refused}"
    );
    assert!(refused.contains("external_data=False"), "{refused}");
    assert!(folder_refused.contains("SavedModel"), "{folder_refused}");
}

/// Whatever is missing at the end, or wrong in the middle: an error or a model, never a panic.
#[test]
fn damage_is_an_error() {
    for path in named(&[
        "r1_",
        "cnn_",
        "sine_int8_tf221",
        "summed_operator_keras2",
        "series_int8_tf215",
    ]) {
        let bytes = std::fs::read(&path).expect("a file");
        let step = bytes.len() / 97 + 1;
        for end in (0..bytes.len()).step_by(step) {
            let cut = sim_import::read_bytes("cut", bytes[..end].to_vec(), None);
            assert!(cut.is_err(), "{} cut at {end}", path.display());
        }
        for place in (0..bytes.len()).step_by(step) {
            let mut bytes = bytes.clone();
            bytes[place] ^= 0xff;
            let read = sim_import::read_bytes("changed", bytes, Some(&fixtures()));
            let _ = read.map(sim_import::lower);
        }
    }
}
